package alert

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files again")

const browser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36 Edg/134.0.0.0"

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// samples are alerts as they come in real accounts, by the name of their golden file.
func samples() map[string]Alert {
	rootConsole := detect.Finding{
		ID: detect.RootSigninNoMFA, Severity: detect.Critical, Title: "Root sign-in WITHOUT MFA",
		Account: "123456789012", Region: "us-east-1", EventTime: at("2026-01-02T03:04:05Z"), EventID: "8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6c",
		EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", SourceIP: "198.51.100.7", UserAgent: browser,
		Actor:   detect.Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::123456789012:root", PrincipalID: "123456789012"},
		MFA:     cloudtrail.No,
		Session: "arn:aws:iam::123456789012:root@2026-01-02T03:04:05Z",
		CIS:     []string{"1.5", "1.7", "4.3"}, ATTACK: []string{"T1078.004"},
		NextStep: "If this was not you, reset the root password, end its sessions and call AWS Support; if it was, enable MFA for root now.",
	}
	activity := rootConsole
	activity.ID, activity.Severity, activity.Title, activity.MFA = detect.RootActivity, detect.High, "Root activity", cloudtrail.Unknown
	activity.EventSource, activity.EventName = "ec2.amazonaws.com", "RunInstances"
	activity.NextStep = "Find out who used root and for what, undo what was not meant, and do the task with an IAM role next time."
	failed := rootConsole
	failed.ID, failed.Severity, failed.Title, failed.MFA = detect.RootSigninFailed, detect.High, "Root sign-in failed", cloudtrail.Unknown
	failed.ErrorCode, failed.Detail, failed.Session = "", "Failed authentication: the password was wrong.", "123456789012"
	failed.ATTACK, failed.NextStep = []string{"T1110"}, "Ask the holder of the root credentials whether they mistyped; if not, check that root has MFA and a long, unique password."
	created := detect.Finding{
		ID: detect.UserCreated, Severity: detect.Info, Title: "IAM user created: bob",
		Account: "210987654321", Region: "us-east-1", EventTime: at("2026-03-01T09:15:00Z"), EventID: "0f9e8d7c-6b5a-4433-9211-00ffeeddccbb",
		EventSource: "iam.amazonaws.com", EventName: "CreateUser", SourceIP: "203.0.113.20", UserAgent: "aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0-18-amd64 exe/x86_64.debian.12 prompt/off command/iam.create-user",
		Actor: detect.Actor{Type: "AssumedRole", Name: "alice@example.com", ARN: "arn:aws:sts::210987654321:assumed-role/Admin/alice@example.com",
			PrincipalID: "AROAEXAMPLEADMINROLE1:alice@example.com", AccessKeyID: "ASIAEXAMPLEKEY000001"},
		Target:  detect.Target{UserName: "bob", UserID: "AIDAEXAMPLEBOB000001"},
		Session: "arn:aws:sts::210987654321:assumed-role/Admin/alice@example.com@2026-03-01T09:00:00Z",
		CIS:     []string{"1.10"}, ATTACK: []string{"T1136.003"},
		NextStep: "Check that this user was asked for, and that it enables MFA before the deadline if it gets a password.",
	}
	access := created
	access.ID, access.Severity, access.Title, access.EventName = detect.UserConsoleAccess, detect.Medium, "Console password created for IAM user: bob", "CreateLoginProfile"
	access.Actor = detect.Actor{Type: "IAMUser", Name: "carol", ARN: "arn:aws:iam::210987654321:user/carol", PrincipalID: "AIDAEXAMPLECAROL0001", AccessKeyID: "AKIAEXAMPLEKEY000002"}
	access.Also, access.Detail = []detect.ID{detect.UserAdminGranted}, "The password need not be changed at the first sign-in."
	access.NextStep = "Check that this password was asked for, and that the user enables MFA before the deadline."
	tampered := created
	tampered.ID, tampered.Severity, tampered.Title, tampered.EventSource, tampered.EventName = detect.GuardTampered, detect.High, "Guardrail tampering denied: StopLogging management", "cloudtrail.amazonaws.com", "StopLogging"
	tampered.Target, tampered.ErrorCode = detect.Target{Resource: "arn:aws:cloudtrail:us-east-1:210987654321:trail/management"}, "AccessDenied"
	tampered.Detail = "The attempt was denied; User: arn:aws:sts::210987654321:assumed-role/Admin/alice@example.com is not authorized to perform: cloudtrail:StopLogging with an explicit deny in a service control policy."
	tampered.CIS, tampered.ATTACK = []string{"4.3", "4.5"}, []string{"T1562.001", "T1562.008"}
	tampered.NextStep = "Nothing was changed. Find out who tried this and why, then check what else the same session did."
	missing := detect.MFAMissing("210987654321", created.Target, at("2026-03-01T09:15:00Z"), at("2026-03-02T09:15:00Z"), "password by CreateLoginProfile of carol")
	unhealthy := detect.FaultFound(detect.Fault{Account: "210987654321", Region: "us-east-1", Check: "trail", Since: at("2026-03-05T06:00:00Z"), Severity: detect.Critical,
		Why: "No multi-Region trail is logging, so no event reaches rootguard", Fix: "aws cloudtrail start-logging --name management --region us-east-1"})
	found := detect.MFAFound("210987654321", detect.Target{UserName: "bob", UserID: "AIDAEXAMPLEBOB000001"}, at("2026-03-01T09:15:00Z"), at("2026-03-02T09:15:00Z"), "no event was delivered")
	undelivered := detect.Fault{Account: "210987654321", Region: "us-east-1", Check: "queue.undelivered", Since: at("2026-03-05T06:00:00Z"), Severity: detect.High,
		Why: "About 3 events wait in the queue rootguard-undelivered; each is kept for 14 days", Fix: "Run rootguard redrive"}
	keyUsed := cloudtrail.Record{EventName: "GetCallerIdentity", EventSource: "sts.amazonaws.com", AWSRegion: "us-east-1", EventTime: at("2026-03-05T06:00:00Z"),
		EventID: "8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6e", SourceIPAddress: "198.51.100.7", UserAgent: "aws-cli/2.15", RecipientAccountID: "123456789012", ReadOnly: cloudtrail.Yes,
		UserIdentity: cloudtrail.UserIdentity{Type: "Root", PrincipalID: "123456789012", AccountID: "123456789012", AccessKeyID: "AKIAEXAMPLEKEY000001"}}
	said := detect.Announced{ID: "3F9D0-KQ7TB", Owner: "alice@example.com", Reason: "renewing the support plan, ticket OPS-17", Until: at("2026-01-02T05:00:00Z")}
	mfa := rootConsole
	mfa.ID, mfa.Title, mfa.MFA = detect.RootSignin, "Root sign-in with MFA", cloudtrail.Yes
	mfa.NextStep = detect.Catalogue()[slices.IndexFunc(detect.Catalogue(), func(e detect.Entry) bool { return e.ID == mfa.ID })].NextStep
	known := detect.Announce(mfa, said)
	notLowered := detect.Announce(rootConsole, said)
	opener := detect.Actor{Type: "AssumedRole", Name: "Admin/alice", ARN: "arn:aws:sts::210987654321:assumed-role/Admin/alice"}
	use := detect.AnnouncedUse{Account: "123456789012", ID: said.ID, From: at("2026-01-02T03:00:00Z"), Until: said.Until, Owner: said.Owner, Reason: said.Reason}
	acked := detect.Acknowledgement{Account: "123456789012", Incident: "7K4Q2-X2M9P", Cycle: 1, Title: rootConsole.Title}
	by := detect.Operator{Actor: opener, Who: "bob", Note: "it was me", At: at("2026-01-02T03:20:00Z")}
	snooze := by
	snooze.Until = at("2026-01-02T11:20:00Z")
	snoozed := Incident{ID: "7K4Q2-X2M9P", Events: 3, Opened: at("2026-01-02T03:05:00Z"), First: at("2026-01-02T03:04:05Z"), Repeat: 1, Repeats: 3,
		SnoozedBy: "bob", SnoozedUntil: snooze.Until, AckFlags: "--region us-east-1 --stack guard"}
	held := detect.Suppressed{
		Account: "123456789012", ID: "3F9D0-KQ7TB", Finding: detect.UserAdminGranted, Principal: "arn:aws:iam::123456789012:role/Terraform",
		Until: at("2026-03-02T03:00:00Z"), Owner: "alice@example.com", Reason: "the pipeline grants it, OPS-17",
	}
	one := Incident{ID: "7K4Q2-X2M9P", Events: 3, Opened: at("2026-01-02T03:05:00Z"), First: at("2026-01-02T03:04:05Z")}
	looked, again, reopened := one, one, one
	looked.AcknowledgedBy, looked.AcknowledgedAt = "bob", at("2026-01-02T03:20:00Z")
	reopened.Repeat, reopened.Repeats = 1, 2
	reopened.Reopened = &Reopened{Title: rootConsole.Title, At: rootConsole.EventTime, AcknowledgedBy: "bob", AcknowledgedAt: at("2026-01-01T03:20:00Z")}
	again.Repeat, again.Repeats = 1, 2
	var firstUsers, lateUsers, lastUsers, doneUsers []detect.Finding
	for _, name := range []string{"bob", "carol", "dave", "frank@example.com"} {
		target := detect.Target{UserName: name, UserID: "AIDAEXAMPLE" + strings.ToUpper(name[:3]) + "0000001"}
		late := detect.MFAMissing("210987654321", target, at("2026-03-01T09:15:00Z"), at("2026-03-02T09:15:00Z"), "")
		firstUsers = append(firstUsers, detect.MFAPending("210987654321", target, at("2026-03-01T09:15:00Z"), at("2026-03-02T09:15:00Z")))
		lastUsers = append(lastUsers, detect.MFAReminder(late, 3, 3, at("2026-03-05T09:15:00Z")))
		doneUsers = append(doneUsers, detect.MFAClosed(late, cloudtrail.Yes, "the user has MFA", at("2026-03-05T10:00:00Z")))
		if name == "dave" {
			late = doneUsers[2]
		}
		lateUsers = append(lateUsers, late)
	}
	roots := []detect.Finding{
		detect.RootLive(detect.RootMFAMissing, "123456789012", at("2026-01-02T03:00:00Z")),
		detect.RootLive(detect.RootAccessKeyPresent, "123456789012", at("2026-01-02T03:00:00Z")),
		detect.RootLive(detect.RootMFAMissing, "210987654321", at("2026-01-02T03:00:00Z")),
	}
	return map[string]Alert{
		"root_signin_announced":       {Schema: Schema, ID: "a-9", Kind: First, AccountName: "prod-billing", Finding: known, Incident: &one},
		"root_signin_not_lowered":     {Schema: Schema, ID: "a-10", Kind: First, AccountName: "prod-billing", Finding: notLowered, Incident: &one},
		"root_activity_known":         {Schema: Schema, ID: "a-11", Kind: First, AccountName: "prod-billing", Finding: activity, Incident: &looked},
		"root_signin_no_mfa_resend":   {Schema: Schema, ID: "a-12", Kind: Resend, AccountName: "prod-billing", Finding: rootConsole, Incident: &again},
		"root_signin_no_mfa_snoozed":  {Schema: Schema, ID: "a-19", Kind: Resend, AccountName: "prod-billing", Finding: rootConsole, Incident: &snoozed},
		"incident_snoozed":            {Schema: Schema, ID: "a-20", Kind: First, Finding: detect.Acknowledged(acked, snooze), Incident: &snoozed},
		"incidents_acknowledged":      {Schema: Schema, ID: "a-21", Kind: First, Finding: detect.AcknowledgedAll("123456789012", "3F9D0-KQ7TB", slices.Repeat([]detect.Acknowledgement{acked}, 440), by)},
		"root_signin_no_mfa_reopened": {Schema: Schema, ID: "a-18", Kind: Resend, AccountName: "prod-billing", Finding: rootConsole, Incident: &reopened},
		"root_use_announced":          {Schema: Schema, ID: "a-13", Kind: First, AccountName: "prod-billing", Finding: detect.UseAnnounced(use, opener, at("2026-01-02T02:00:00Z"))},
		"root_use_closed":             {Schema: Schema, ID: "a-14", Kind: First, Finding: detect.UseClosed(use, opener, "done", at("2026-01-02T04:00:00Z"))},
		"root_use_ended":              {Schema: Schema, ID: "a-15", Kind: First, Finding: detect.UseEnded(use, opener, "Root: 1 sign-in.", use.Until)},
		"root_use_ended_unused":       {Schema: Schema, ID: "a-16", Kind: First, Finding: detect.UseEnded(use, opener, "", use.Until)},
		"alerts_suppressed":           {Schema: Schema, ID: "a-25", Kind: First, AccountName: "prod-billing", Finding: detect.SuppressionCreated(held, opener, at("2026-01-02T02:00:00Z"))},
		"suppression_removed":         {Schema: Schema, ID: "a-26", Kind: First, Finding: detect.SuppressionRemoved(held, opener, "done", at("2026-01-02T04:00:00Z"))},
		"suppression_ended":           {Schema: Schema, ID: "a-27", Kind: First, Finding: detect.SuppressionEnded(held, 12, held.Until)},
		"incident_acknowledged": {Schema: Schema, ID: "a-17", Kind: First, Finding: detect.Acknowledged(acked, by),
			Incident: &looked},
		"root_signin_no_mfa": {Schema: Schema, ID: "a-1", Kind: First, AccountName: "prod-billing", Finding: rootConsole},
		"root_activity_roll_up": {Schema: Schema, ID: "a-2", Kind: RollUp, AccountName: "prod-billing", Finding: activity, Count: 538,
			Actions:        []Action{{"ec2:RunInstances", "", 12}, {"iam:CreateUser", "svc-backup", 1}, {"iam:AttachUserPolicy", "svc-backup", 1}, {"s3:PutBucketPolicy", "billing-exports", 4}},
			ActionsOmitted: 520, FirstTime: at("2026-01-02T03:04:41Z"), LastTime: at("2026-01-02T03:18:59Z")},
		"root_signin_failed_escalation": {Schema: Schema, ID: "a-3", Kind: Escalation, Finding: failed, Count: 5,
			Actions: []Action{{"signin:ConsoleLogin", "", 5}}, FirstTime: at("2026-01-01T23:58:00Z"), LastTime: at("2026-01-02T00:04:05Z")},
		"user_created":        {Schema: Schema, ID: "a-4", Kind: First, AccountName: "data-lake", Finding: created, Deadline: at("2026-03-02T09:15:00Z")},
		"user_console_access": {Schema: Schema, ID: "a-5", Kind: First, AccountName: "data-lake", Finding: access, Deadline: at("2026-03-02T09:15:00Z")},
		"guard_tampered":      {Schema: Schema, ID: "a-6", Kind: First, AccountName: "data-lake", Finding: tampered},
		"user_mfa_missing":    {Schema: Schema, ID: "a-7", Kind: First, AccountName: "data-lake", Finding: missing},
		"user_mfa_missing_roll_up": {Schema: Schema, ID: "a-19", Kind: RollUp, AccountName: "data-lake", Finding: missing, Count: 5,
			Actions: []Action{{"", "carol", 1}, {"", "dave", 1}, {"", "erin.smith", 1}, {"", "frank@example.com", 1}}, ActionsOmitted: 1,
			FirstTime: at("2026-03-02T09:15:00Z"), LastTime: at("2026-03-02T09:40:00Z")},
		"user_mfa_reminder":       {Schema: Schema, ID: "a-20", Kind: First, Finding: detect.MFAReminder(found, 3, 3, at("2026-03-05T09:15:00Z"))},
		"users_first_check":       {Schema: Schema, ID: "a-30", Kind: Summarized, AccountName: "data-lake", Finding: detect.Summed("users/1/210987654321", firstUsers), Summary: summaryOf("data-lake", "", firstUsers)},
		"users_mfa_missing":       {Schema: Schema, ID: "a-31", Kind: Summarized, AccountName: "data-lake", Finding: detect.Summed("users/2/210987654321", lateUsers), Summary: summaryOf("data-lake", "", lateUsers)},
		"users_mfa_last_reminder": {Schema: Schema, ID: "a-32", Kind: Summarized, AccountName: "data-lake", Finding: detect.Summed("users/3/210987654321", lastUsers), Incident: &one, Summary: summaryOf("data-lake", one.ID, lastUsers)},
		"users_mfa_resolved":      {Schema: Schema, ID: "a-33", Kind: Summarized, AccountName: "data-lake", Finding: detect.Summed("users/4/210987654321", doneUsers), Summary: summaryOf("data-lake", "", doneUsers)},
		"roots_first_check":       {Schema: Schema, ID: "a-34", Kind: Summarized, AccountName: "data-lake", Finding: detect.Summed("roots/1/123456789012", roots), Summary: summaryOf("prod-billing", "", roots)},
		"incidents_resent": {Schema: Schema, ID: "a-35", Kind: Resend, AccountName: "prod-billing", Finding: detect.Repeated("resends/1/123456789012", []detect.Finding{rootConsole, lastUsers[0], roots[0]}),
			Summary: &Summary{AccountCount: 2, FindingCount: 3, Accounts: []SummaryAccount{
				{Account: "123456789012", Name: "prod-billing", Findings: []SummaryItem{ItemOf(&rootConsole, &again), ItemOf(&roots[0], &again)}},
				{Account: "210987654321", Name: "data-lake", Findings: []SummaryItem{ItemOf(&lastUsers[0], &again)}}}}},
		"root_key_used":  {Schema: Schema, ID: "a-21", Kind: First, Finding: judged(keyUsed)},
		"guard_healthy":  {Schema: Schema, ID: "a-22", Kind: First, Finding: detect.FaultClosed(undelivered, at("2026-03-05T08:00:00Z"))},
		"guard_reminder": {Schema: Schema, ID: "a-23", Kind: First, Finding: detect.FaultReminder(detect.FaultFound(undelivered), 1, at("2026-03-06T06:00:00Z"))},
		"guard_digest": {Schema: Schema, ID: "a-24", Kind: Scheduled, AccountName: "security", Finding: detect.Digest("999999999999", "1 of 3 accounts regressed, 1 user without MFA", at("2026-03-02T07:00:00Z")), Digest: &Digest{
			At: at("2026-03-02T07:00:30Z"), Since: at("2026-02-23T07:00:30Z"), Next: at("2026-03-09T07:00:00Z"), NextText: "Monday 2026-03-09 08:00 Europe/Berlin",
			Counts: DigestCounts{Accounts: 3, Bootstrapped: 1, InProgress: 1, Regressed: 1, AwaitingMFA: 1},
			Sections: []DigestSection{
				{ID: "accounts", Title: "ACCOUNTS: 1 regressed, 1 in progress, 1 bootstrapped", Lines: []string{"123456789012 prod-billing: REGRESSED, no longer true: Root user has MFA"}, More: 1},
				{ID: "incidents", Title: "OPEN INCIDENTS: none"},
			},
		}},
		"guard_unhealthy": {Schema: Schema, ID: "a-8", Kind: First, Finding: unhealthy},
	}
}

// summaryOf lists findings; name and incident are of the account of the first.
func summaryOf(name, incident string, all []detect.Finding) *Summary {
	s := &Summary{FindingCount: len(all)}
	for i := range all {
		f := &all[i]
		n := len(s.Accounts)
		if n == 0 || s.Accounts[n-1].Account != f.Account {
			s.Accounts = append(s.Accounts, SummaryAccount{Account: f.Account})
			n++
		}
		s.Accounts[n-1].Findings = append(s.Accounts[n-1].Findings, ItemOf(f, nil))
	}
	s.Accounts[0].Name, s.Accounts[0].Incident, s.AccountCount = name, incident, len(s.Accounts)
	s.Sort()
	return s
}

// judged is the finding of a record that is flagged.
func judged(rec cloudtrail.Record) detect.Finding {
	return new(detect.Detector).Detect(&rec, nil).Finding
}

func TestGolden(t *testing.T) {
	for name, a := range samples() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			b.WriteString("--- line\n" + Line(a) + "\n--- subject\n" + Subject(a) + "\n--- text\n" + Text(a))
			b.WriteString("--- json\n" + indent(t, JSON, a) + "\n--- amazon q\n" + indent(t, AmazonQ, a) + "\n")
			b.WriteString("--- ocsf\n" + indent(t, OCSF, a) + "\n--- asff\n")
			b.WriteString(indent(t, func(a Alert) ([]byte, error) { return ASFF(a, hub, published) }, a) + "\n")
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("golden file differs (-want +got); -update writes it again:\n%s", diff)
			}
			check(t, a)
		})
	}
}

func indent(t *testing.T, render func(Alert) ([]byte, error), a Alert) string {
	t.Helper()
	body, err := render(a)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := json.Indent(&b, body, "", "  "); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// check holds every limit that is promised for any alert.
func check(tb testing.TB, a Alert) {
	tb.Helper()
	checkSubject(tb, a)
	checkText(tb, a)
	checkJSON(tb, a)
	checkAmazonQ(tb, a)
	checkOCSF(tb, a)
	checkASFF(tb, a)
	for _, l := range pair(a) {
		if utf8.RuneCountInString(l) > 200 || unsafeAt(l) >= 0 {
			tb.Errorf("a line of the pair is %q", l)
		}
	}
	if l := Line(a); utf8.RuneCountInString(l) > 400 || unsafeAt(l) >= 0 {
		tb.Errorf("line of %d characters, unsafe at %d: %q", utf8.RuneCountInString(l), unsafeAt(l), l)
	}
}

// unsafeAt is where s has something that a terminal or mail reader would obey, else -1.
func unsafeAt(s string) int {
	if !utf8.ValidString(s) {
		return 0
	}
	return strings.IndexFunc(s, func(r rune) bool {
		return !unicode.IsGraphic(r) || (unicode.IsSpace(r) && r != ' ')
	})
}

func checkSubject(tb testing.TB, a Alert) {
	tb.Helper()
	s := Subject(a)
	if len(s) == 0 || len(s) >= 100 {
		tb.Errorf("subject has %d characters: %q", len(s), s)
	}
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			tb.Errorf("subject has byte %#x: %q", s[i], s)
		}
	}
	if !strings.HasPrefix(s, "["+strings.ToUpper(a.Finding.Severity.String())+"] ") {
		tb.Errorf("subject without the severity: %q", s)
	}
	if id := a.Finding.Account; accountsOf(a) == "" && len(id) == 12 && strings.Trim(id, "0123456789") == "" && !strings.Contains(s, id) {
		tb.Errorf("subject without account %s: %q", id, s)
	}
}

func checkText(tb testing.TB, a Alert) {
	tb.Helper()
	text := Text(a)
	if len(text) > 64<<10 {
		tb.Errorf("text has %d bytes", len(text))
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	labels, most := []string{"What: ", "Who: ", "From: ", "When: ", "Account: ", "Do next: "}, 6+60
	if a.Digest != nil {
		labels, most = []string{"Digest: ", "As of: "}, 120
	}
	for i, label := range labels {
		if !strings.HasPrefix(lines[i], label) {
			tb.Errorf("line %d does not begin with %q: %q", i+1, label, lines[i])
		}
	}
	for _, l := range lines {
		if n := utf8.RuneCountInString(l); n > 200 {
			tb.Errorf("line of %d characters: %q", n, l)
		}
		if unsafeAt(l) >= 0 {
			tb.Errorf("unsafe character at byte %d of line %q", unsafeAt(l), l)
		}
	}
	if len(lines) > most {
		tb.Errorf("%d lines, more than %d", len(lines), most)
	}
}

func checkJSON(tb testing.TB, a Alert) {
	tb.Helper()
	body, err := JSON(a)
	if err != nil {
		tb.Fatalf("JSON: %v", err)
	}
	if len(body) > bodyLimit {
		tb.Errorf("body has %d bytes", len(body))
	}
	var back Alert
	if err := json.Unmarshal(body, &back); err != nil {
		if a.Finding.Severity > detect.Critical {
			return // no name to read back
		}
		tb.Fatalf("reading body: %v", err)
	}
	again, err := JSON(back)
	if err != nil || !bytes.Equal(body, again) {
		tb.Errorf("a second trip changes the body (%v):\n%s\n%s", err, body, again)
	}
	events := func(a Alert) int { _, n := rest(a, 0); return n }
	if events(back) != events(a) {
		tb.Errorf("body has %d events in actions, the alert of %d", events(back), events(a))
	}
}

func checkAmazonQ(tb testing.TB, a Alert) {
	tb.Helper()
	body, err := AmazonQ(a)
	if err != nil {
		tb.Fatalf("AmazonQ: %v", err)
	}
	if len(body) > 24<<10 {
		tb.Errorf("Amazon Q body has %d bytes", len(body))
	}
	var n notification
	if err := json.Unmarshal(body, &n); err != nil {
		tb.Fatalf("reading Amazon Q body: %v", err)
	}
	if n.Version != "1.0" || n.Source != "custom" || n.Content.TextType != "client-markdown" || n.Metadata.ThreadID == "" || n.Content.Title == "" || n.Content.Description == "" {
		tb.Errorf("required field missing: %s", body)
	}
	if utf8.RuneCountInString(n.Content.Title) > 200 {
		tb.Errorf("title too long: %q", n.Content.Title)
	}
	for _, line := range strings.Split(n.Content.Description, "\n") {
		if unsafeAt(line) >= 0 {
			tb.Errorf("unsafe character in %q", line)
		}
		inert(tb, line)
	}
	for _, s := range append([]string{n.Content.Title, n.Metadata.Summary}, n.Content.NextSteps...) {
		inert(tb, s)
	}
}

// inert fails where a line of Markdown has a live mark outside its code spans,
// but for the label that begins it, or one of Slack's control characters.
func inert(tb testing.TB, line string) {
	tb.Helper()
	if strings.ContainsAny(line, "<>") {
		tb.Errorf("Slack would act on %q", line)
	}
	if label, rest, ok := strings.Cut(line, ":* "); ok && strings.HasPrefix(label, "*") && !strings.ContainsAny(label[1:], "*` ") {
		line = rest
	}
	span := strings.Split(line, "`")
	if len(span)%2 == 0 {
		tb.Errorf("a code span does not end in %q", line)
	}
	for i := 0; i < len(span); i += 2 {
		if strings.ContainsAny(span[i], "*~|@") || strings.Contains(span[i], "](") || strings.Contains(span[i], "://") {
			tb.Errorf("live Markdown in %q", line)
		}
	}
}

func TestSubject(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, c := range []struct {
		name, title, account, accountName, want string
		sev                                     detect.Severity
		kind                                    Kind
		count                                   int
	}{
		{"as documented", "Root sign-in WITHOUT MFA", "123456789012", "prod-billing", "[CRITICAL] Root sign-in WITHOUT MFA - prod-billing (123456789012)", detect.Critical, First, 0},
		{"no account name", "Root activity", "123456789012", "", "[HIGH] Root activity - 123456789012", detect.High, First, 0},
		{"name is the ID", "Root activity", "123456789012", "123456789012", "[HIGH] Root activity - 123456789012", detect.High, First, 0},
		{"no account", "Root activity", "", "prod", "[HIGH] Root activity - prod (unknown account)", detect.High, First, 0},
		{"count of a roll-up", "Root activity", "123456789012", "prod", "[HIGH] Root activity, 538 more - prod (123456789012)", detect.High, RollUp, 538},
		{"count of an escalation of one", "Root sign-in failed", "123456789012", "prod", "[HIGH] Root sign-in failed - prod (123456789012)", detect.High, Escalation, 1},
		{"one more", "Root activity", "123456789012", "prod", "[HIGH] Root activity, 1 more - prod (123456789012)", detect.High, RollUp, 1},
		{"count of an escalation", "Root sign-in failed", "123456789012", "prod", "[HIGH] Root sign-in failed x5 - prod (123456789012)", detect.High, Escalation, 5},
		{"no count of a first", "Root activity", "123456789012", "prod", "[HIGH] Root activity - prod (123456789012)", detect.High, First, 538},
		{"name shortened first", "Root sign-in WITHOUT MFA", "123456789012", long, "[CRITICAL] Root sign-in WITHOUT MFA - " + strings.Repeat("x", 43) + "... (123456789012)", detect.Critical, First, 0},
		{"then the title", long, "123456789012", "production-billing", "[INFO] " + strings.Repeat("x", 59) + "... - productio... (123456789012)", detect.Info, First, 0},
		{"a short name stays", long, "123456789012", "prod", "[INFO] " + strings.Repeat("x", 67) + "... - prod (123456789012)", detect.Info, First, 0},
		{"letters with marks", "Root activity", "123456789012", "Zürich – Größe, Łódź", "[HIGH] Root activity - Zurich - Grosse, Lodz (123456789012)", detect.High, First, 0},
		{"composed of marks", "Root activity", "123456789012", "Zu\u0308rich", "[HIGH] Root activity - Zurich (123456789012)", detect.High, First, 0},
		{"no spelling", "Root activity", "123456789012", "prod-課金 \U0001f525", "[HIGH] Root activity - prod-? ? (123456789012)", detect.High, First, 0},
		{"line breaks", "Root\r\nBcc: a@example.com", "123456789012", "a\tb", "[HIGH] Root Bcc: a[@]example[.]com - a b (123456789012)", detect.High, First, 0},
		{"escapes", "Root\x1b[31m", "123456789012", "\u202Edorp", "[HIGH] Root?[31m - ?dorp (123456789012)", detect.High, First, 0},
		{"nothing at all", "\n", "", " ", "[INFO] alert - unknown account", detect.Info, First, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := Alert{Kind: c.kind, Count: c.count, AccountName: c.accountName, Finding: detect.Finding{Title: c.title, Severity: c.sev, Account: c.account}}
			if got := Subject(a); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
			check(t, a)
		})
	}
}

// TestLate distinguishes a roll-up of which nothing was alerted from one that follows an alert.
func TestLate(t *testing.T) {
	a := samples()["root_activity_roll_up"]
	a.Late = true
	if s := Subject(a); s != "[HIGH] Root activity x538 - prod-billing (123456789012)" {
		t.Errorf("subject: %s", s)
	}
	if text := Text(a); !strings.Contains(text, "Repeats: 538 events in this session, alerted together because too many alerts were due at once\n") {
		t.Errorf("text:\n%s", text)
	}
	check(t, a)
	a.Count = 1
	if s := Subject(a); s != "[HIGH] Root activity - prod-billing (123456789012)" {
		t.Errorf("subject of one: %s", s)
	}
	check(t, a)
}

func TestTitleNamesTheTarget(t *testing.T) {
	for _, c := range []struct {
		f    detect.Finding
		want string
	}{
		{detect.Finding{Title: "IAM user created", Target: detect.Target{UserName: "bob"}}, "IAM user created: bob"},
		{detect.Finding{Title: "IAM user created: bob", Target: detect.Target{UserName: "bob"}}, "IAM user created: bob"},
		{detect.Finding{Title: "Guardrail tampered with", Target: detect.Target{Resource: "trail/x"}}, "Guardrail tampered with: trail/x"},
		{detect.Finding{Title: "Guardrail tampered with", Target: detect.Target{Resource: "arn:aws:sns:us-east-1:123456789012:a:b"}}, "Guardrail tampered with: a:b"},
		{detect.Finding{Title: "Guardrail tampered with: StopLogging main", Target: detect.Target{Resource: "arn:aws:cloudtrail:us-east-1:123456789012:trail/main"}}, "Guardrail tampered with: StopLogging main"},
		{detect.Finding{ID: detect.RootSignin}, "root.signin"},
	} {
		if got := title(Alert{Finding: c.f}); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestAgent(t *testing.T) {
	for _, c := range []struct{ ua, want string }{
		{browser, "Edge 134 on Windows"},
		{"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36", "Chrome 134 on Windows"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.4 Safari/605.1.15", "Safari 17 on macOS"},
		{"Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:124.0) Gecko/20100101 Firefox/124.0", "Firefox 124 on macOS"},
		{"Mozilla/5.0 (iPhone; CPU iPhone OS 17_4 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/123.0 Mobile/15E148 Safari/604.1", "Chrome 123 on iPhone"},
		{"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/123.0.0.0 Mobile Safari/537.36", "Chrome 123 on Android"},
		{"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/120.0.0.0 Safari/537.36", "headless Chrome 120 on Linux"},
		{"Mozilla/5.0 Firefox/x", "Firefox"},
		{"Mozilla/4.0 (compatible; nobody)", "unknown client"},
		{"aws-cli/2.15.30 Python/3.11.8 Linux/6.1.0-kali5-amd64 exe/x86_64.kali.2024 prompt/off", "aws-cli 2.15"},
		{"[S3Console/0.4, aws-internal/3 aws-sdk-java/1.11.1030]", "the S3 console 0.4"},
		{"APN/1.0 HashiCorp/1.0 Terraform/1.9.2 (+https://www.terraform.io) terraform-provider-aws/5.60.0 aws-sdk-go-v2/1.30", "Terraform 1.9"},
		{"Boto3/1.34.0 md/Botocore#1.34.0 ua/2.0 os/linux", "Boto3 1.34"},
		{"aws-sdk-go-v2/1.99999.evil.com", "AWS SDK for Go 1.9999"},
		{"aws-cli/evil.com", "aws-cli"},
		{"AWS Internal", "an AWS service"},
		{"signin.amazonaws.com", "signin.amazonaws.com"},
		{"evil.s3.amazonaws.com", "unknown client"},
		{"curl/8 https://evil.example/", "curl 8"},
		{"my-aws-cli/2.1", "unknown client"},
		{"Not you? Lock it: www.evil.com/lock", "unknown client"},
		{" ", ""},
		{"", ""},
	} {
		if got := agent(c.ua); got != c.want {
			t.Errorf("agent(%q)\n got %q\nwant %q", c.ua, got, c.want)
		}
	}
}

func TestClean(t *testing.T) {
	for _, c := range []struct {
		in, want string
		limit    int
	}{
		{"alice", "alice", 80},
		{"Zürich 課金", "Zürich 課金", 80},
		{"a\r\nWho: root\tx", `a\r\nWho: root\tx`, 80},
		{"\x1b[2Jx\x00\x7f\u0085", `\u001b[2Jx\u0000\u007f\u0085`, 80},
		{"\u202egpj\u2066", `\u202egpj\u2066`, 80},
		{"a\u2028b\u2029", `a\u2028b\u2029`, 80},
		{"a\u200bb\u3164\ufe0f\u2800", `a\u200bb\u3164\ufe0f\u2800`, 80},
		{"\U000e0041", `\U000e0041`, 80},
		{"\xffa\xc3", `\xffa\xc3`, 80},
		{"a\uFFFDb", "a\uFFFDb", 80},
		{"a\u0301\u0301\u0301\u0301", "a\u0301\u0301" + `\u0301\u0301`, 80},
		{" a \u00a0\u3000 b ", "a b", 80},
		{"http://x", "http[:]//x", 80},
		{"abcdefghij", "abcd...", 7},
		{"ééééé", "...", 3},
		{"abc", "..", 2},
		{"abc", "", 0},
	} {
		if got := clean(c.in, c.limit); got != c.want {
			t.Errorf("clean(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

// TestTextLines checks single lines of the text against what is in the alert.
func TestTextLines(t *testing.T) {
	base := samples()
	with := func(name string, change func(*Alert)) Alert {
		a := base[name]
		change(&a)
		return a
	}
	for _, c := range []struct {
		name       string
		a          Alert
		have, lack []string
	}{
		{"root's console key is no news", with("root_signin_no_mfa", func(a *Alert) { a.Finding.Actor.AccessKeyID = "ASIAEXAMPLE" }),
			[]string{"Who:     root user\n", "MFA:     NOT used\n"}, []string{"ASIA"}},
		{"root's own key is", with("root_signin_no_mfa", func(a *Alert) { a.Finding.Actor.AccessKeyID = "AKIAEXAMPLE" }),
			[]string{"Who:     root user, access key AKIAEXAMPLE\n"}, nil},
		{"root of another account", with("root_signin_no_mfa", func(a *Alert) { a.Finding.Actor.ARN = "arn:aws:iam::999999999999:root" }),
			[]string{"Who:     root user (arn:aws:iam::999999999999:root)\n"}, nil},
		{"an unknown kind of identity", with("user_created", func(a *Alert) { a.Finding.Actor = detect.Actor{Type: "Unknown", PrincipalID: "p"} }),
			[]string{"Who:     Unknown p\n"}, nil},
		{"a call that the title names", with("user_created", func(a *Alert) { a.Finding.Title = "Root activity: iam:CreateUser, bob" }), []string{"What:    [INFO] Root activity: iam:CreateUser, bob\n"}, nil},
		{"a failed call that the title names", with("user_created", func(a *Alert) {
			a.Finding.Title, a.Finding.ErrorCode = "Root activity: iam:CreateUser, bob", "AccessDenied"
		}), []string{"What:    [INFO] Root activity: iam:CreateUser, bob (failed: AccessDenied)\n"}, nil},
		{"nobody", with("user_created", func(a *Alert) { a.Finding.Actor = detect.Actor{} }), []string{"Who:     unknown\n"}, nil},
		{"a service's address", with("user_created", func(a *Alert) {
			a.Finding.SourceIP, a.Finding.UserAgent = "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"
		}), []string{"From:    cloudformation.amazonaws.com\n"}, nil},
		{"no address", with("user_created", func(a *Alert) { a.Finding.SourceIP, a.Finding.UserAgent = "", "" }), []string{"From:    address not recorded\n"}, nil},
		{"no time", with("user_created", func(a *Alert) { a.Finding.EventTime = time.Time{} }), []string{"When:    time not recorded\n"}, nil},
		{"no account", with("user_created", func(a *Alert) { a.Finding.Account, a.AccountName = "", "" }), []string{"Account: unknown account, us-east-1\n"}, nil},
		{"MFA used", with("root_signin_no_mfa", func(a *Alert) { a.Finding.MFA = cloudtrail.Yes }), []string{"MFA:     used\n"}, []string{"NOT used"}},
		{"MFA not said", with("root_signin_no_mfa", func(a *Alert) { a.Finding.MFA = cloudtrail.Unknown }), []string{"MFA:     the record does not say\n"}, nil},
		{"no deadline", with("user_console_access", func(a *Alert) { a.Deadline = time.Time{} }), []string{"MFA:     missing\n"}, []string{"tolerated"}},
		{"deadline", base["user_console_access"], []string{"MFA:     missing; tolerated until Mon 2026-03-02 09:15:00 UTC\n"}, nil},
		{"deadline passed", with("user_mfa_missing", func(a *Alert) { a.Deadline = a.Finding.EventTime }), []string{"MFA:     missing; was tolerated until Mon 2026-03-02 09:15:00 UTC\n"}, nil},
		{"not missing any more", with("user_mfa_missing", func(a *Alert) { a.Finding.MFA = cloudtrail.Yes }), []string{"MFA:     no longer missing\n"}, []string{"tolerated"}},
		{"no look-up without CloudTrail's ID", base["user_mfa_missing"], nil, []string{"Look up:"}},
		{"no look-up of a strange Region", with("user_created", func(a *Alert) { a.Finding.Region = "x; rm -rf /" }), nil, []string{"Look up:"}},
		{"no look-up of a strange ID", with("user_created", func(a *Alert) { a.Finding.EventID = strings.Repeat("`reboot`", 4) + "1234" }), nil, []string{"Look up:"}},
		{"no look-up of an ID with its hyphens elsewhere", with("user_created", func(a *Alert) { a.Finding.EventID = strings.Repeat("0", 36) }), nil, []string{"Look up:"}},
		{"only the user's ID", with("user_created", func(a *Alert) { a.Finding.Target.UserName = "" }), []string{"User:    AIDAEXAMPLEBOB000001\n"}, nil},
		{"one moment", with("root_activity_roll_up", func(a *Alert) { a.FirstTime = a.LastTime }), []string{"When:    Fri 2026-01-02 03:18:59 UTC\n"}, []string{" to 03:"}},
		{"over midnight", base["root_signin_failed_escalation"], []string{"When:    Thu 2026-01-01 23:58:00 to Fri 2026-01-02 00:04:05 UTC\n"}, nil},
		{"many actions", with("root_activity_roll_up", func(a *Alert) {
			a.Actions = nil
			for i := range 50 {
				a.Actions = append(a.Actions, Action{Name: "s3:PutObject", Target: strings.Repeat("k", i), Count: 2})
			}
		}), []string{"and 10 more kinds of call (540 events)\n"}, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := Text(c.a)
			for _, s := range c.have {
				if !strings.Contains(text, s) {
					t.Errorf("no %q in\n%s", s, text)
				}
			}
			for _, s := range c.lack {
				if strings.Contains(text, s) {
					t.Errorf("%q in\n%s", s, text)
				}
			}
			check(t, c.a)
		})
	}
}

func TestWrap(t *testing.T) {
	got := wrap("Detail:  ", strings.Repeat("word ", 30)+strings.Repeat("x", 150))
	for _, l := range got {
		if utf8.RuneCountInString(l) > 109 {
			t.Errorf("line of %d characters: %q", utf8.RuneCountInString(l), l)
		}
	}
	if joined := strings.Join(strings.Fields(strings.TrimPrefix(strings.Join(got, " "), "Detail:")), ""); joined != strings.Repeat("word", 30)+strings.Repeat("x", 150) {
		t.Errorf("wrapping lost or added text: %q", got)
	}
	if got := wrap("Detail:  ", " "); got != nil {
		t.Errorf("nothing wraps to %q", got)
	}
}

// hostile fills every string of an alert with s and repeats its lists.
func hostile(s string, n int) Alert {
	a := samples()["root_activity_roll_up"]
	fill(reflect.ValueOf(&a).Elem(), s)
	a.Kind = RollUp
	a.Actions = nil
	for range n {
		a.Actions = append(a.Actions, Action{Name: s, Target: s, Count: 1})
	}
	return a
}

func fill(v reflect.Value, s string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(s)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Field(i).CanSet() {
				fill(v.Field(i), s)
			}
		}
	case reflect.Slice:
		for range 8 {
			v.Set(reflect.Append(v, reflect.Zero(v.Type().Elem())))
		}
		for i := range v.Len() {
			fill(v.Index(i), s)
		}
	default:
	}
}

// attacks are strings that someone might choose as a name.
var attacks = []string{
	"", " ", "alice\nDo next: nothing, all is well", "\r\nBcc: everybody@example.com", "\x1b]0;owned\x07\x1b[2J", "\u202eesrever\u2066", "a\u0000b",
	"<!channel> <https://evil.example|AWS console>", "@here *bold* _it_ ~no~ `code` [click](https://evil.example)", "``` ` ``", "&lt;!here&gt;",
	`"},"content":{"title":"forged"`, "\xff\xfe\xc0\x80", strings.Repeat("\u0301", 500), strings.Repeat("課", 3000), strings.Repeat("\x01", 70_000), strings.Repeat("\U0001f525", 9_000),
	strings.Repeat("x ", 100_000), "www.evil.example", "$(reboot)", "\u2028\u2029\u0085",
}

func TestHostile(t *testing.T) {
	for i, s := range attacks {
		rollUp := func(actions int) func() Alert { return func() Alert { return hostile(s, actions) } }
		scheduled := func() Alert {
			a := hostile(s, 0)
			a.Kind, a.Digest = Scheduled, &Digest{}
			fill(reflect.ValueOf(a.Digest).Elem(), s)
			for i := range a.Digest.Sections {
				a.Digest.Sections[i].More = i
			}
			return a
		}
		for _, made := range testenv.Turn(i, rollUp(0), rollUp(1), rollUp(5_000), scheduled) {
			check(t, made())
		}
	}
}

func TestJSONKeepsEverythingThatFits(t *testing.T) {
	for name, a := range samples() {
		body, err := JSON(a)
		if err != nil {
			t.Fatal(err)
		}
		var back Alert
		if err := json.Unmarshal(body, &back); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(a, back); diff != "" {
			t.Errorf("%s changes on its way through JSON (-sent +read):\n%s", name, diff)
		}
	}
}

func TestJSONTimes(t *testing.T) {
	a := samples()["user_created"]
	a.Deadline = time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)
	a.Finding.EventTime = time.Date(2026, 1, 1, 1, 0, 0, 0, time.FixedZone("", 3600))
	body, err := JSON(a)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(body); strings.Contains(s, `"deadline"`) || !strings.Contains(s, `"event_time":"2026-01-01T00:00:00Z"`) {
		t.Errorf("want no deadline and the event's time in UTC: %s", s)
	}
	check(t, a)
}

// TestSchemaIsDocumented reads every JSON name of an alert in the package documentation.
func TestSchemaIsDocumented(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	words := map[string]bool{}
	for _, w := range strings.FieldsFunc(string(doc), func(r rune) bool { return r != '_' && !unicode.IsLetter(r) }) {
		words[w] = true
	}
	var walk func(reflect.Type)
	walk = func(typ reflect.Type) {
		for i := range typ.NumField() {
			field := typ.Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if name == "-" {
				continue // not published
			}
			if name == "" {
				t.Errorf("%s.%s has no JSON name", typ, field.Name)
			}
			if !words[name] {
				t.Errorf("doc.go does not name %q", name)
			}
			ft := field.Type
			if ft.Kind() == reflect.Slice || ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			}
			if ft.Kind() == reflect.Struct && ft != reflect.TypeFor[time.Time]() {
				walk(ft)
			}
		}
	}
	walk(reflect.TypeFor[Alert]())
}

// TestEscalates holds what the escalation topic gets besides what is critical: of an announcement
// that lowers it, that someone looks after it, and of what the guard finds wrong
// with itself.
func TestEscalates(t *testing.T) {
	for name, want := range map[string]bool{
		"root_signin_no_mfa": true, "root_signin_no_mfa_resend": true, "root_signin_announced": false, "root_signin_not_lowered": true,
		"root_use_announced": true, "root_use_closed": false, "root_use_ended": false, "incident_acknowledged": true,
		"guard_unhealthy": true, "root_activity_known": false, "guard_digest": false,
		"alerts_suppressed": true, "suppression_removed": false, "suppression_ended": false,
	} {
		if got := Escalates(samples()[name]); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}

func TestThreads(t *testing.T) {
	a, b := samples()["root_signin_no_mfa"], samples()["root_activity_roll_up"]
	if thread(a) != thread(b) {
		t.Error("one session in one account makes two threads")
	}
	b.Finding.Account = "999999999999"
	if thread(a) == thread(b) {
		t.Error("two accounts share a thread")
	}
	b.Finding.Account, b.Finding.Session = a.Finding.Account, "another"
	if thread(a) == thread(b) {
		t.Error("two sessions share a thread")
	}
	a.Incident, b.Incident = &Incident{ID: "7K4Q2-X2M9P"}, &Incident{ID: "7K4Q2-X2M9P"}
	if thread(a) != thread(b) {
		t.Error("one incident makes two threads")
	}
	a.Incident, b.Incident = nil, nil
	b.Finding.Session = ""
	if thread(b) == thread(a) || strings.Contains(thread(b), "--") {
		t.Errorf("without a session: %s", thread(b))
	}
}

// fuzzed builds an alert of which every part may be hostile.
func fuzzed(title, account, name, log string, severity uint8, count int, n uint8, kind uint8) Alert {
	a := hostile(log, int(n))
	a.Kind = []Kind{First, RollUp, Escalation, Kind(log)}[kind%4]
	a.Finding.Title, a.Finding.Account, a.AccountName = title, account, name
	a.Finding.Severity, a.Count = detect.Severity(severity), count
	if n%2 == 0 {
		a.Finding.Announced = &detect.Announced{ID: log, Owner: name, Reason: log, Until: a.FirstTime}
		a.Incident = &Incident{ID: log, Events: count, AcknowledgedBy: name, Repeat: count}
	}
	if kind%8 > 3 { // findings that have an MFA line of their own
		a.Finding.ID, a.Deadline = detect.UserConsoleAccess, a.FirstTime
	}
	return a
}

func seed(f *testing.F) {
	f.Helper()
	for i, s := range attacks {
		f.Add(head(s, 500), "123456789012", "prod", head(s, 500), uint8(4), 5, uint8(3), uint8(i))
		f.Add("Root sign-in WITHOUT MFA", head(s, 500), head(s, 500), "bob", uint8(i), -1, uint8(200), uint8(1))
	}
}

func FuzzSubject(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		a := fuzzed(title, account, name, log, severity, count, n, kind)
		checkSubject(t, a)
		for _, l := range pair(a) {
			if utf8.RuneCountInString(l) > 200 || unsafeAt(l) >= 0 {
				t.Fatalf("a line of the pair is %q", l)
			}
		}
		if l := Line(a); utf8.RuneCountInString(l) > 400 || unsafeAt(l) >= 0 {
			t.Errorf("line of %d characters, unsafe at %d: %q", utf8.RuneCountInString(l), unsafeAt(l), l)
		}
	})
}

func FuzzText(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		checkText(t, fuzzed(title, account, name, log, severity, count, n, kind))
	})
}

func FuzzJSON(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		checkJSON(t, fuzzed(title, account, name, log, severity, count, n, kind))
	})
}

func FuzzAmazonQ(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, title, account, name, log string, severity uint8, count int, n, kind uint8) {
		checkAmazonQ(t, fuzzed(title, account, name, log, severity, count, n, kind))
	})
}

func pair(a Alert) []string {
	head, body := Pair(a)
	return []string{head, body}
}

// TestVersion holds that the last line of a mail names what sent it, and that the
// version cannot add a line.
func TestVersion(t *testing.T) {
	t.Parallel()
	a := Alert{Schema: Schema, Kind: First, Finding: detect.Finding{ID: detect.RootActivity, Severity: detect.Critical}}
	if text := Text(a); strings.Contains(text, "\nrootguard ") {
		t.Errorf("without a version:\n%s", text)
	}
	for given, want := range map[string]string{
		"v1.4.0 (abc1234)": "\nrootguard v1.4.0 (abc1234)\n",
		"dev":              "\nrootguard dev\n",
		"v1\nAck: nothing": "\nrootguard v1\\nAck: nothing\n",
	} {
		a.Version = given
		if text := Text(a); !strings.HasSuffix(text, want) {
			t.Errorf("%q: the text ends in %q, want %q", given, text[max(0, len(text)-60):], want)
		}
	}
	a.Version = "v1.4.0 (abc1234)"
	if body, err := JSON(a); err != nil || !strings.Contains(string(body), `"version":"v1.4.0 (abc1234)"`) {
		t.Errorf("%s, %v", body, err)
	}
}

// TestActionOf: an action names the user that a call is about, else the resource, and of a
// failed sign-in by root the source IP.
func TestActionOf(t *testing.T) {
	failed := detect.Finding{ID: detect.RootSigninFailed, EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", SourceIP: "203.0.113.5"}
	used := failed
	used.ID = detect.RootActivity
	unplaced := failed
	unplaced.SourceIP = ""
	named := failed
	named.Target = detect.Target{UserName: "eve", UserID: "AIDAEVE", Resource: "bucket x"}
	byID := named
	byID.Target.UserName = ""
	resource := byID
	resource.Target.UserID = ""
	for name, tt := range map[string]struct {
		of   detect.Finding
		want string
	}{
		"failed": {failed, "from 203.0.113.5"}, "root used": {used, ""}, "no address": {unplaced, ""},
		"a user": {named, "eve"}, "a user by ID": {byID, "AIDAEVE"}, "a resource": {resource, "bucket x"},
	} {
		if a := ActionOf(&tt.of); a.Target != tt.want || a.Name != "signin:ConsoleLogin" {
			t.Errorf("%s: %+v, want target %q", name, a, tt.want)
		}
	}
}

// TestLists: a roll-up lists its targets where rootguard itself found them all.
func TestLists(t *testing.T) {
	found := detect.Finding{ID: detect.UserMFAMissing, Subject: detect.Subject{ID: "eve"}}
	for name, tt := range map[string]struct {
		actions []Action
		kind    Kind
		want    bool
	}{
		"targets alone":      {[]Action{{Target: "eve"}, {Target: "bob"}}, RollUp, true},
		"a call among them":  {[]Action{{Target: "eve"}, {Name: "iam:CreateUser", Target: "bob"}}, RollUp, false},
		"one without target": {[]Action{{Target: "eve"}, {}}, RollUp, false},
		"none":               {nil, RollUp, false},
		"no roll-up":         {[]Action{{Target: "eve"}}, First, false},
	} {
		if got := lists(Alert{Kind: tt.kind, Finding: found, Actions: tt.actions}); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestBoundKeepsTwoHundredActions(t *testing.T) {
	a := Alert{Kind: RollUp}
	for range 300 {
		a.Actions = append(a.Actions, Action{Name: "iam:CreateUser", Target: "eve", Count: 1})
	}
	if b := bound(a); len(b.Actions) != 200 || b.ActionsOmitted != 100 || len(a.Actions) != 300 {
		t.Errorf("%d actions of %d are kept, %d are omitted", len(b.Actions), len(a.Actions), b.ActionsOmitted)
	}
}

// TestDefangSchemes: a scheme that no one knows may be some program's, also before a host
// without a dot.
func TestDefangSchemes(t *testing.T) {
	for text, want := range map[string]string{
		"zoomy://intranet": "zoomy[:]//intranet", "a://b c://d": "a[:]//b c[:]//d", "tel:5": "tel[:]5", "at 10:30": "at 10:30", "a:/b": "a:/b",
	} {
		if got := defang(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestPlainUnderscore: one within a word emphasizes nothing in Slack, at its ends it may.
func TestPlainUnderscore(t *testing.T) {
	for text, want := range map[string]string{"a_b": "a_b", "1_2_3": "1_2_3", "_a": "‗a", "a_": "a‗", "a_ b": "a‗ b", "a__b": "a‗‗b"} {
		if got := plain(text, 80); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
