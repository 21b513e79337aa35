package detect

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/testenv"
)

// corpusCase is one line of the corpus: a record, and what a peer project's own
// test says its rule makes of it.
type corpusCase struct {
	ID       string          `json:"id"`
	Rule     string          `json:"peer_rule"`
	Expected *bool           `json:"peer_expected"`
	Event    json.RawMessage `json:"event"`
}

// corpus reads every case.
func corpus(t *testing.T) map[string]corpusCase {
	t.Helper()
	f, err := os.Open(filepath.Join(testenv.Shared(t), "corpus", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	cases := map[string]corpusCase{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var c corpusCase
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		cases[c.ID] = c
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	if len(cases) != 758 {
		t.Fatalf("the corpus has %d cases, and 758 were reviewed", len(cases))
	}
	return cases
}

// judge decodes a raw record and judges it as the deployed guard would.
func judge(t *testing.T, raw []byte) (cloudtrail.Record, Outcome) {
	t.Helper()
	rec, _, err := cloudtrail.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	o := new(Detector).Detect(&rec, nil)
	checkOutcome(t, &rec, o)
	return rec, o
}

var (
	anyRoot = []ID{RootSigninNoMFA, RootSignin, RootSigninFailed, RootActivity, RootSession, RootAccessKeyCreated, RootPasswordRecovery,
		RootPasswordChanged, RootEmailChanged, RootMFARemoved, RootMFAAdded, RootLoginProfileCreated}
	anySignin  = []ID{RootSigninNoMFA, RootSignin, UserSigninNoMFA}
	mfaChanged = []ID{UserMFARemoved, UserMFAAdded, RootMFARemoved, RootMFAAdded}
)

// peers are the peers' rules about root, console login, MFA, CreateUser, login
// profiles, root keys and password recovery, with the findings that say the same.
// Administrator access for users is there as well, since rootguard has it.
var peers = map[string][]ID{
	"AWS.CloudTrail.IAMEntityCreatedWithoutCloudFormation":             {UserCreated},
	"AWS.CloudTrail.LoginProfileCreatedOrModified":                     {UserConsoleAccess, RootLoginProfileCreated},
	"AWS.CloudTrail.AttemptToLeaveOrg":                                 {OrgAccountLeft},
	"AWS.CloudTrail.IAMCompromisedKeyQuarantine":                       {UserKeyLeaked},
	"AWS.IAM.AttachAdminRolePolicy":                                    {RoleAdminGranted},
	"AWS.IAM.Backdoor.User.Keys":                                       {UserAccessKeyCreated},
	"AWS.IAM.BackdoorRole":                                             {RoleTrustOpened},
	"technique:aws.defense-evasion.organizations-leave":                {OrgAccountLeft},
	"technique:aws.persistence.iam-create-backdoor-role":               {RoleTrustOpened},
	"AWS.CloudTrail.PasswordSpraying":                                  {RootSigninFailed, UserSigninFailed},
	"AWS.CloudTrail.RootAccessKeyCreated":                              {RootAccessKeyCreated},
	"AWS.Console.GetSigninToken.Abuse":                                 anySignin,
	"AWS.Console.LoginWithoutMFA":                                      {UserSigninNoMFA, RootSigninNoMFA},
	"AWS.Console.RootLogin":                                            {RootSignin, RootSigninNoMFA},
	"AWS.Console.RootLoginFailed":                                      {RootSigninFailed},
	"AWS.Console.Sign-In":                                              anySignin,
	"AWS.IAM.AttachAdminUserPolicy":                                    {UserAdminGranted},
	"AWS.IAM.CreateUser":                                               {UserCreated},
	"AWS.IAM.CredentialsUpdated":                                       append([]ID{UserConsoleAccess, RootPasswordChanged}, mfaChanged...),
	"AWS.Root.Activity":                                                anyRoot,
	"AWS.Unsuccessful.MFA.attempt":                                     {RootSigninFailed, UserSigninFailed},
	"AWS.User.Login.Profile.Modified":                                  {UserConsoleAccess},
	"Sign-in.with.AWS.CLI.prompt":                                      anySignin,
	"Standard.BruteForceByIP":                                          {RootSigninFailed},
	"Standard.BruteForceByUser":                                        {RootSigninFailed},
	"cloudtrail_mfa_policy_abuse_attempt":                              mfaChanged,
	"cloudtrail_root_account_usage":                                    anyRoot,
	"default_rules":                                                    anyRoot,
	"technique:aws.initial-access.console-login-without-mfa":           {UserSigninNoMFA},
	"technique:aws.persistence.iam-create-user-login-profile":          {UserConsoleAccess},
	"technique:aws.privilege-escalation.iam-update-user-login-profile": {UserConsoleAccess},
}

// otherwise are the peers' rules whose name sounds like one of ours and that are
// about something else, or have no verdict.
var otherwise = map[string]string{
	"AWS.CloudTrail.UserAccessKeyAuth":                      "use of an IAM user's access key",
	"AWS.EC2.DownloadInstanceUserData":                      "user data of an instance",
	"AWS.EC2.ManyPasswordReadAttempts":                      "passwords of Windows instances",
	"AWS.IAMUser.ReconAccessDenied":                         "denied reads",
	"AWS.RDS.MasterPasswordUpdated":                         "passwords of databases",
	"AWS.S3.DisableMfaDelete":                               "MFA for deleting objects, not for signing in",
	"Role.Assumed.by.User":                                  "assuming roles",
	"scenario:compromised-root-creds":                       "a story without verdicts; its findings are in the golden table",
	"technique:aws.credential-access.ec2-get-password-data": "passwords of Windows instances",
	"technique:aws.discovery.ec2-download-user-data":        "user data of an instance",
	"technique:aws.execution.ec2-user-data":                 "user data of an instance",
}

// differs are the cases on which we and the peer disagree, with the reason. A case
// that no longer differs fails the test.
var differs = map[string]string{
	"17eb38ee9c2e0e98": "the peer lets every CreateServiceLinkedRole of root pass; this one has no invokedBy and a person's address, so root wrote it itself",
	"31b55c43bf696f3b": "another of the peer's default rules (access_denied) flags this denied read by a role; it has nothing to do with root",
	"49e59dbb2511bdcf": "IAM Identity Center's Authenticate is a service event of the workforce directory, neither root nor an IAM user, and its MFA is the directory's",
	"5bf19fbc60edff89": "a workforce user of IAM Identity Center at the AWS CLI, neither root nor an IAM user",
	"890dcba20dbaf97d": "the peer trusts CloudFormation; an IAM user that a template makes has no MFA either, and the finding names CloudFormation",
	"a6bdba705917e4eb": "the peer lets whoever has an MFA session remove a device; a removed device is worth a word whoever removed it",
	"c80d6bb6b037bf2b": "the call failed, and CreateVirtualMFADevice gives nobody MFA even where it succeeds",
	"db48b5912966dbbc": "the peer lets new users sign in without MFA; rootguard says so at the first sign-in, for that is the time to add it",
	"fa710adc039d131e": "the peer lets a password pass that must be changed; whoever set it can be the first to sign in and change it",
}

// related finds the peers' rules that must be either in peers or in otherwise.
var related = regexp.MustCompile(`(?i)root|login|sign-?in|mfa|user|password|brute`)

func TestPeersAgree(t *testing.T) {
	cases, agreed, seen := corpus(t), 0, map[string]bool{}
	for id, c := range cases {
		same, ours := peers[c.Rule]
		if !ours {
			if _, ok := otherwise[c.Rule]; !ok && related.MatchString(c.Rule) {
				t.Errorf("case %s: peer rule %s is neither compared nor explained", id, c.Rule)
			}
			continue
		}
		if c.Expected == nil {
			continue
		}
		seen[c.Rule] = true
		_, o := judge(t, c.Event)
		flagged := o.Kind == Matched && slices.ContainsFunc(append(o.Finding.Also, o.Finding.ID), func(id ID) bool { return slices.Contains(same, id) })
		reason, listed := differs[id]
		switch {
		case flagged == *c.Expected && listed:
			t.Errorf("case %s no longer differs from %s: take it from the list (%s)", id, c.Rule, reason)
		case flagged != *c.Expected && !listed:
			t.Errorf("case %s: %s says %t, we say %t (%s %s)", id, c.Rule, *c.Expected, flagged, o.Finding.ID, o.Reason)
		case flagged == *c.Expected:
			agreed++
		}
	}
	for rule := range peers {
		if !seen[rule] {
			t.Errorf("no case of peer rule %s has a verdict", rule)
		}
	}
	for id, reason := range differs {
		if c, ok := cases[id]; !ok || peers[c.Rule] == nil || reason == "" {
			t.Errorf("listed case %s is not one of a compared rule, or has no reason", id)
		}
	}
	t.Logf("%d verdicts of %d peer rules agree, %d differ for a reason", agreed, len(peers), len(differs))
}

// flagged are all cases of the corpus that make a finding, by what they make. The
// comments defend those that a reader may doubt. Those of IAM users are in
// flaggedUsers.
var flagged = map[string][]string{
	"critical guard.tampered": {
		// Which trail feeds rootguard is not known here, so that any trail counts.
		"5e9aef820b30b556", "6690d1a84ebaad7e", "960ba055077b3d1b", "b4dbb6ed6c1c5338",
		"bb3029bf01577ae2", "fc009f44d8f677c9", "fff2ede3341ef678",
	},
	"high guard.tampered": {
		"5410fe6c532f627e", // DeleteTrail, ConflictException: the trail exists and was busy, a second try may work
		"c161abbdc2151c57", // StopLogging, denied: the trail is named in the error message alone
	},
	"critical root.access_key.created+root.activity": {
		"25e3bc766f784570", // invokedBy signin.amazonaws.com with a person's address: made in the console
		"7d73c67724f49cca", // the response calls the root user "Root"; the request names no one
		"e3677d2c961b0af1",
	},
	"critical root.signin": {
		"7353102723aabc1f", // with MFA
		"c691a5a1f6115a57", // neither Success nor Failure, source masked: reported as of unknown outcome, or it would be lost
	},
	"critical root.signin.no_mfa": {
		"1caf2ab755ac1df2", "42fd12fa51a3e674", "7938ffb15dfbe3e8", "aae8f34f1547b120",
		"aca65b50a25e5b87", "bc90c331608b6f41", "f05d3a2243c5538e",
	},
	"medium root.signin.failed": {
		"458b891297365229", "46e713a8d160c634", "bc6bce0c73b16f2c", "c0ae626d5feabcab", "e592cd9ee5654ec9",
	},
	"high root.activity": {
		"17eb38ee9c2e0e98", // CreateServiceLinkedRole, but by root itself: no invokedBy, a person's address
		"3cdac585951e343d", // AttachUserPolicy of a policy short of administrator
		"63c71146f8407aac",
		"ad8353ac4f9e5212", // SetContactAddress, which comes with the eventType of a sign-in
		"d8bfae45681e47ea", // CreateBucket in 2016, without readOnly: the name says it writes
		"ed6be3548bb2424c",
	},
	"high role.trust_opened":    {"1135f04a55b95eab"},                                         // CreateRole that trusts a foreign account, the attack's back door
	"medium org.account.left":   {"0a6b25ee0edc2776", "329d746b1d5c7d7e", "d8af9c5835aeb037"}, // denied, and an attempt to leave all the same
	"medium role.admin_granted": {"983a9c13cf2b3360"},
}

func TestCorpusFindings(t *testing.T) {
	got := map[string][]string{}
	for id, c := range corpus(t) {
		if _, o := judge(t, c.Event); o.Kind == Matched {
			got[key(o.Finding)] = append(got[key(o.Finding)], id)
		}
	}
	for _, ids := range got {
		slices.Sort(ids)
	}
	all := maps.Clone(flagged)
	maps.Copy(all, flaggedUsers)
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("findings (-reviewed +now):\n%s", diff)
	}
}

// key is a finding's severity, ID and further IDs, in one string.
func key(f Finding) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", f.Severity, f.ID)
	for _, id := range f.Also {
		fmt.Fprintf(&b, "+%s", id)
	}
	return b.String()
}

// attackFindings are what the log of a real attack makes (Stratus Red Team run by
// an intruder with an IAM user's keys): how many, and of whom or what.
var attackFindings = map[string]int{
	"info user.created malicious-iam-user":                            1,
	"info user.created stratus-red-team-backdoor-u-user":              1,
	"info user.created stratus-red-team-login-profile-user":           1,
	"info user.created stratus-red-team-nmfalu-gfjyeaypjt":            1,
	"medium user.console_access stratus-red-team-login-profile-user":  1, // CreateLoginProfile
	"medium user.console_access stratus-red-team-nmfalu-gfjyeaypjt":   1, // CreateLoginProfile
	"medium user.admin_granted malicious-iam-user":                    1, // AttachUserPolicy
	"high user.signin.no_mfa stratus-red-team-nmfalu-gfjyeaypjt":      1,
	"high user.access_key.created malicious-iam-user":                 1, // the intruder's way back in
	"high user.access_key.created stratus-red-team-backdoor-u-user":   1, // the same, of another technique
	"high role.trust_opened role stratus-red-team-backdoor-r-role":    1, // UpdateAssumeRolePolicy to the attacker's account
	"medium role.admin_granted role stratus-red-team-backdoor-r-role": 1,
	"medium org.account.left account 123837392027":                    1, // LeaveOrganization, denied
	// Two trails were deleted, and one had its management events switched off
	// before. Three StopLogging and one DeleteTrail named trails that did not exist.
	"critical guard.tampered stratus-red-team-ctes-trail-qyxyekjbtk": 2,
	"critical guard.tampered stratus-red-team-ctlr-trail-zqfsvooxqj": 1,
}

func TestAttackLog(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(testenv.Shared(t), "corpus", "invictus-ir", "*.json.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no log files: %v", err)
	}
	got, records, ids := map[string]int{}, 0, map[string]bool{}
	for _, file := range files {
		for _, raw := range logRecords(t, file) {
			rec, o := judge(t, raw)
			records++
			if rec.UserIdentity.Type == "Root" {
				t.Errorf("%s: a record of root, and there were none", rec.EventID)
			}
			if o.Kind != Matched {
				continue
			}
			if ids[o.Finding.EventID] {
				continue // overlapping trails deliver some events twice
			}
			ids[o.Finding.EventID] = true
			if strings.HasPrefix(string(o.Finding.ID), "root.") {
				t.Errorf("%s: root use claimed in a log without root: %+v", rec.EventID, o.Finding)
			}
			got[key(o.Finding)+" "+orElse(o.Finding.Target.UserName, o.Finding.Target.Resource)]++
		}
	}
	if records != 2900 {
		t.Errorf("read %d records, want 2900", records)
	}
	if diff := cmp.Diff(attackFindings, got); diff != "" {
		t.Errorf("findings (-reviewed +now):\n%s", diff)
	}
}

// logRecords reads the records of one delivered log file, which may have several
// documents one after the other.
func logRecords(t *testing.T, file string) (records []json.RawMessage) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	for dec := json.NewDecoder(z); ; {
		var log struct{ Records []json.RawMessage }
		switch err := dec.Decode(&log); err {
		case nil:
			records = append(records, log.Records...)
		case io.EOF:
			return records
		default:
			t.Fatal(err)
		}
	}
}
