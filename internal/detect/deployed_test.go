package detect

import (
	"strings"
	"testing"
	"time"
)

func TestDeploys(t *testing.T) {
	byStack := Finding{ID: GuardTampered, OfNewVersion: true, EventSource: cloudFormation, EventName: "ExecuteChangeSet"}
	for name, tt := range map[string]struct {
		change func(*Finding)
		want   bool
	}{
		"a change set":          {func(*Finding) {}, true},
		"an update":             {func(f *Finding) { f.EventName = "UpdateStack" }, true},
		"another call on it":    {func(f *Finding) { f.EventName = "DeleteStack" }, false},
		"a call of that name":   {func(f *Finding) { f.EventSource = "lambda.amazonaws.com" }, false},
		"one that failed":       {func(f *Finding) { f.ErrorCode = "AccessDenied" }, false},
		"what no version makes": {func(f *Finding) { f.OfNewVersion = false }, false},
		"another finding":       {func(f *Finding) { f.ID = RootActivity }, false},
		"more than one finding": {func(f *Finding) { f.Also = []ID{RootActivity} }, false},
	} {
		f := byStack
		tt.change(&f)
		if got := Deploys(&f); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

func TestDeployedBy(t *testing.T) {
	role := Finding{Account: acme, Actor: Actor{ARN: "arn:aws:sts::111122223333:assumed-role/deploy-eu/sam"}}
	user := Finding{Account: acme, Actor: Actor{ARN: "arn:aws:iam::111122223333:user/ops/ann"}}
	for _, tt := range []struct {
		by   string
		f    *Finding
		want bool
	}{
		{"arn:aws:iam::111122223333:role/ci/deploy-eu", &role, true},
		{"arn:aws:sts::111122223333:assumed-role/deploy-eu/another", &role, true},
		{"arn:aws:iam::111122223333:role/deploy", &role, false},
		{"arn:aws:iam::444455556666:role/deploy-eu", &role, false},
		{"arn:aws:iam::111122223333:user/deploy-eu", &role, false},
		{"deploy-eu", &role, true}, {"deploy-*", &role, true}, {"deploy", &role, false}, {"*", &role, false}, {"", &role, false},
		{"arn:aws:iam::111122223333:user/ops/ann", &user, true}, {"arn:aws:iam::111122223333:user/bob", &user, false},
		{"ann", &user, false}, {"a*", &user, false}, // names are of roles
		{"deploy-eu", &Finding{Account: beta, Actor: role.Actor}, false},
		{"root", &Finding{Account: acme, Actor: Actor{ARN: "arn:aws:iam::111122223333:root"}}, false},
	} {
		if got := DeployedBy([]string{"other", tt.by}, tt.f); got != tt.want {
			t.Errorf("%q of %s: %v", tt.by, tt.f.Actor.ARN, got)
		}
	}
}

func TestDeployed(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f := Finding{ID: GuardTampered, Severity: Critical, Account: acme, Actor: Actor{Name: "deploy/sam"}}
	known := Deployment{Stack: "rootguard", Event: "e-1", Began: at}
	announced := &AnnouncedDeployment{ID: "ABCDE-12345", Version: "v1.4.0", Owner: "sam", Reason: "upgrade", Until: at.Add(time.Hour)}
	for _, tt := range []struct {
		name     string
		d        Deployment
		a        *AnnouncedDeployment
		severity Severity
		title    string
		says     []string
		not      string
	}{
		{"announced", known, announced, Low, "rootguard was deployed by deploy/sam", []string{"stack event e-1", "ABCDE-12345 by sam, version v1.4.0", "until 2026-03-01T10:00:00Z", "reason: upgrade"}, "No one had"},
		{"not announced", known, nil, High, "rootguard was deployed by deploy/sam, not announced", []string{"updated rootguard's own stack rootguard from 2026-03-01T09:00:00Z", "No one had announced it."}, "version"},
		{"made", Deployment{Stack: "rootguard", Created: true}, nil, Low, "rootguard was deployed by deploy/sam", []string{"made rootguard's own stack rootguard"}, "stack event"},
		{"of an unknown version", known, &AnnouncedDeployment{ID: "A", Owner: "sam"}, Low, "rootguard was deployed by deploy/sam", []string{"Announcement A by sam"}, "version"},
	} {
		got := Deployed(f, tt.d, tt.a)
		if got.Severity != tt.severity || got.Title != tt.title || got.Target.Resource != "stack rootguard" || !strings.Contains(got.NextStep, "rootguard doctor") {
			t.Errorf("%s: %s %q about %s, next %q", tt.name, got.Severity, got.Title, got.Target.Resource, got.NextStep)
		}
		for _, text := range tt.says {
			if !strings.Contains(got.Detail, text) {
				t.Errorf("%s: no %q in %q", tt.name, text, got.Detail)
			}
		}
		if strings.Contains(got.Detail, tt.not) {
			t.Errorf("%s: %q in %q", tt.name, tt.not, got.Detail)
		}
	}
}

func TestDayTwo(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	ebs := RegressedStep{Name: "ebs-encryption", Title: "EBS is encrypted", What: "default is off", Fix: "turn it on"}
	s3 := RegressedStep{Name: "s3-block", Title: "S3 is closed", What: "it is open", Fix: "close it"}
	one, two := DayTwo(acme, []RegressedStep{ebs}, at), DayTwo(acme, []RegressedStep{ebs, s3}, at)
	if one.Title != "Day two regressed: ebs-encryption" || two.Title != "Day two regressed: 2 steps" || two.Target.Resource != "ebs-encryption, s3-block" {
		t.Errorf("%q, %q of %s", one.Title, two.Title, two.Target.Resource)
	}
	if !strings.Contains(two.Detail, "S3 is closed: was done, and is not any more; it is open") || !strings.Contains(two.NextStep, "s3-block: close it") {
		t.Errorf("%q, %q", two.Detail, two.NextStep)
	}
	if DayTwo(acme, []RegressedStep{ebs}, at.Add(time.Hour)).EventID != one.EventID || DayTwo(acme, []RegressedStep{ebs}, at.Add(24*time.Hour)).EventID == one.EventID {
		t.Error("the ID is not that of the day")
	}
}

func TestDigestFinding(t *testing.T) {
	at := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	f := Digest(acme, "3 accounts", at)
	if !strings.HasSuffix(f.Title, ": 3 accounts") || !f.EventTime.Equal(at) || Digest(acme, "4 accounts", at).EventID != f.EventID || Digest(acme, "3 accounts", at.Add(time.Hour)).EventID == f.EventID {
		t.Errorf("%q at %s is %s", f.Title, f.EventTime, f.EventID)
	}
	f.Detail = ""
	f.AddDetail("One.")
	f.AddDetail("Two.")
	if f.Detail != "One. Two." {
		t.Errorf("%q", f.Detail)
	}
}

// TestOfNewVersion pairs each call that CloudFormation makes for a new version with one
// of the same name, or near it, that switches something off.
func TestOfNewVersion(t *testing.T) {
	fn, policy := fields{"functionName": "rootguard-sweep"}, fields{"roleName": "rootguard-SweepRole", "policyName": "p"}
	with := func(of fields, name string, value any) fields {
		f := fields{name: value}
		for k, v := range of {
			f[k] = v
		}
		return f
	}
	rule, schedule := fields{"name": "rootguard-root"}, fields{"name": "rootguard-sweep"}
	for _, tt := range []struct {
		call       string
		parameters fields
		want       bool
	}{
		{"events:PutRule", with(rule, "eventPattern", "{}"), true},
		{"events:PutRule", with(rule, "state", "ENABLED"), true},
		{"events:PutRule", with(rule, "state", "DISABLED"), false},
		{"events:PutTargets", fields{"rule": "rootguard-root"}, true},
		{"events:RemoveTargets", fields{"rule": "rootguard-root"}, false},
		{"events:DisableRule", rule, false},
		{"events:DeleteRule", rule, false},
		{"lambda:UpdateFunctionCode20150331v2", fn, true},
		{"lambda:UpdateFunctionConfiguration20150331v2", fn, true},
		{"lambda:PutFunctionConcurrency20171031", with(fn, "reservedConcurrentExecutions", 1), true},
		{"lambda:PutFunctionConcurrency20171031", with(fn, "reservedConcurrentExecutions", 0), false},
		{"lambda:RemovePermission20150331v2", fn, true}, // a new one comes in its place
		{"lambda:DeleteFunction20150331", fn, false},
		{"iam:PutRolePolicy", policy, true},
		{"iam:DeleteRolePolicy", policy, true},
		{"iam:DeleteRole", policy, false},
		{"scheduler:UpdateSchedule", with(schedule, "state", "ENABLED"), true},
		{"scheduler:UpdateSchedule", with(schedule, "state", "DISABLED"), false},
		{"sns:SetSubscriptionAttributes", fields{"subscriptionArn": "arn:aws:sns:us-east-1:1:rootguard-ops:1b2c", "attributeName": "FilterPolicy"}, false},
		{"cloudformation:UpdateStack", fields{"stackName": "rootguard"}, true},
		{"cloudformation:DeleteStack", fields{"stackName": "rootguard"}, false},
	} {
		o := new(Detector).Detect(record(tt.call, cfn, req(tt.parameters)).decode(t), nil)
		if o.Kind != Matched || o.Finding.ID != GuardTampered || o.Finding.OfNewVersion != tt.want {
			t.Errorf("%s of %v: %v %s, of a new version %v, want %v", tt.call, tt.parameters, o.Kind, o.Finding.ID, o.Finding.OfNewVersion, tt.want)
		}
	}
}

// TestAbandonedSignIn: who enters root's password and gets no further knows it.
func TestAbandonedSignIn(t *testing.T) {
	f := Abandoned(acme, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), "e-1", time.Hour)
	if f.Severity != High || f.NextStep != stepPasswordKnown || f.ID != RootSigninFailed || f.EventName != checkMFA {
		t.Errorf("%+v", f)
	}
	if f.Account != acme || f.EventID != "e-1" || f.EventTime.IsZero() || f.EventSource != "signin.amazonaws.com" || f.Actor != (Actor{Type: "Root", Name: "root"}) {
		t.Errorf("%+v", f)
	}
	if f.Title != "Root password entered, and no sign-in followed" || !strings.Contains(f.Detail, "did not finish within an hour") {
		t.Errorf("%q: %q", f.Title, f.Detail)
	}
}

func TestAccountOf(t *testing.T) {
	for principal, want := range map[string]string{
		acme: acme, "arn:aws:iam::" + acme + ":root": acme, "arn:aws:iam::" + acme: acme, "arn:aws:iam:" + acme: "", "arn": "",
		"*": "", "arn:aws:s3:::bucket": "", "urn:aws:iam::" + acme + ":root": "", "11112222333": "", "11112222333x": "",
	} {
		if got := accountOf(principal); got != want {
			t.Errorf("%q: %q, want %q", principal, got, want)
		}
	}
}

func TestInWords(t *testing.T) {
	for d, want := range map[time.Duration]string{
		time.Hour: "an hour", 2 * time.Hour: "120 minutes", time.Minute: "a minute", 2 * time.Minute: "2 minutes", 90 * time.Second: "1m30s", 0: "0s", -time.Minute: "-1m0s",
	} {
		if got := inWords(d); got != want {
			t.Errorf("%s: %q, want %q", d, got, want)
		}
	}
}

// TestNarrowedSelector: a selector of management events that is narrowed to some event
// sources, however it names them, takes neither reads nor writes for good.
func TestNarrowedSelector(t *testing.T) {
	management := fields{"field": "eventCategory", "equals": []any{"Management"}}
	for name, tt := range map[string]struct {
		more          fields
		reads, writes bool
	}{
		"all":         {nil, true, true},
		"reads":       {fields{"field": "readOnly", "equals": []any{"true"}}, true, false},
		"writes":      {fields{"field": "readOnly", "equals": []any{"false"}}, false, true},
		"equals":      {fields{"field": "eventSource", "equals": []any{"kms.amazonaws.com"}}, false, false},
		"starts with": {fields{"field": "eventSource", "startsWith": []any{"kms"}}, false, false},
		"ends with":   {fields{"field": "eventSource", "endsWith": []any{"amazonaws.com"}}, false, false},
		"excludes":    {fields{"field": "eventSource", "notEquals": []any{"kms.amazonaws.com"}}, true, true},
	} {
		selector := []any{map[string]any(management)}
		if tt.more != nil {
			selector = append(selector, map[string]any(tt.more))
		}
		if reads, writes := managementOf(params{"fieldSelectors": selector}); reads != tt.reads || writes != tt.writes {
			t.Errorf("%s: reads %v, writes %v", name, reads, writes)
		}
	}
}

// TestCalledByAService: a call that a service makes for a person names the service, and
// one that a person makes names none.
func TestCalledByAService(t *testing.T) {
	for _, tt := range []struct {
		by   fields
		want string
	}{{cfn, " Called by cloudformation.amazonaws.com."}, {role, ""}} {
		o := new(Detector).Detect(record("cloudtrail:StopEventDataStoreIngestion", tt.by,
			req(fields{"eventDataStore": "arn:aws:cloudtrail:us-east-1:111122223333:eventdatastore/0f1e"})).decode(t), nil)
		if o.Kind != Matched || o.Finding.ID != EventStoreStopped || !strings.HasSuffix(o.Finding.Detail, tt.want) ||
			strings.Contains(o.Finding.Detail, "alled by") != (tt.want != "") {
			t.Errorf("by %v: %v %s %q", tt.by, o.Kind, o.Finding.ID, o.Finding.Detail)
		}
	}
}
