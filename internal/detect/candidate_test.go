package detect

import (
	"maps"
	"slices"
	"testing"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/testenv"
)

// Over every source, name and type of identity that the rules know, and some they
// do not: what Detect does not skip is a candidate.
func TestCandidateIsSuperset(t *testing.T) {
	sources := slices.Concat(slices.Collect(maps.Keys(guardCalls)), []string{cloudtrail.SigninSource, accountSource, stsSource, "transfer.amazonaws.com", "ec2.amazonaws.com", "...", ""})
	names := slices.Concat(slices.Collect(maps.Keys(journeyOnly)), slices.Collect(maps.Keys(attachesNothing)), slices.Collect(maps.Keys(rootSecrets)),
		[]string{consoleLogin, "CheckMfa", "CreateUser", "CreateLoginProfile", "UpdateLoginProfile", "EnableMFADevice", "DeactivateMFADevice",
			"AttachUserPolicy", "PutUserPolicy", "AttachGroupPolicy", "PutGroupPolicy", "AssumeRoot", "AssumeRole", "CreateOAuth2Token",
			startEmailUpdate, acceptEmailUpdate, "RunInstances", ""})
	for _, rows := range guardCalls {
		for _, row := range rows {
			names = append(names, row.name, row.name+"20150331v2")
		}
	}
	kinds := map[Kind]int{}
	for i, source := range sources {
		for j, name := range names {
			for _, identity := range []string{"Root", "IAMUser", ""} {
				for _, eventType := range testenv.Turn(i+j, "AwsApiCall", "AwsConsoleSignIn", "AwsServiceEvent") {
					rec := &cloudtrail.Record{EventID: "e", EventSource: source, EventName: name, EventType: eventType, UserIdentity: cloudtrail.UserIdentity{Type: identity},
						RequestParameters: []byte(`{"name":"rootguard","tableName":"rootguard","userName":"bob"}`)}
					o := new(Detector).Detect(rec, nil)
					checkOutcome(t, rec, o)
					kinds[o.Kind]++
				}
			}
		}
	}
	for kind := range kinds {
		if kinds[kind] < testenv.Size(500, 150) {
			t.Errorf("only %d records were %s: the product is too thin", kinds[kind], kind)
		}
	}
}

func TestCandidate(t *testing.T) {
	tests := []struct {
		source, name, identity string
		want                   bool
	}{
		{"iam.amazonaws.com", "CreateUser", "AssumedRole", true},
		{"iam.amazonaws.com", "AddUserToGroup", "AssumedRole", true}, // for the journey
		{"iam.amazonaws.com", "ListUsers", "AssumedRole", false},
		{"iam.amazonaws.com", "GetRole", "Root", true},
		{"signin.amazonaws.com", "ConsoleLogin", "IAMUser", true},
		{"signin.amazonaws.com", "CheckMfa", "IAMUser", false},
		{"signin.amazonaws.com", "PasswordRecoveryRequested", "", true},
		{"sts.amazonaws.com", "AssumeRoot", "AssumedRole", true},
		{"sts.amazonaws.com", "AssumeRole", "AWSService", false},
		{"account.amazonaws.com", "StartPrimaryEmailUpdate", "AssumedRole", true},
		{"account.amazonaws.com", "GetContactInformation", "AssumedRole", false},
		{"lambda.amazonaws.com", "DeleteFunction20150331", "AssumedRole", true},
		{"lambda.amazonaws.com", "Invoke", "AssumedRole", false},
		{"ec2.amazonaws.com", "DescribeInstances", "AssumedRole", false},
		{"", "", "", false},
	}
	for _, tt := range tests {
		h := cloudtrail.Header{EventSource: []byte(tt.source), EventName: []byte(tt.name), IdentityType: []byte(tt.identity)}
		if got := Candidate(h); got != tt.want {
			t.Errorf("%s %s by %s: got %t, want %t", tt.source, tt.name, tt.identity, got, tt.want)
		}
		if n := testing.AllocsPerRun(10, func() { Candidate(h) }); n != 0 {
			t.Errorf("%s %s by %s: %v allocations", tt.source, tt.name, tt.identity, n)
		}
	}
}

// The journey needs every IAM change, whether or not a rule checks it.
func TestEveryIAMChangeIsCandidate(t *testing.T) {
	for name := range journeyOnly {
		if !cloudtrail.IsIAMChange([]byte(name)) {
			t.Errorf("%s has a reason and is no IAM change", name)
		}
	}
}

func BenchmarkCandidate(b *testing.B) {
	headers := []cloudtrail.Header{
		{EventSource: []byte("ec2.amazonaws.com"), EventName: []byte("DescribeInstances"), IdentityType: []byte("AssumedRole")},
		{EventSource: []byte("sts.amazonaws.com"), EventName: []byte("AssumeRole"), IdentityType: []byte("AWSService")},
		{EventSource: []byte("lambda.amazonaws.com"), EventName: []byte("GetFunctionConfiguration20150331v2"), IdentityType: []byte("AssumedRole")},
		{EventSource: []byte("iam.amazonaws.com"), EventName: []byte("ListRoles"), IdentityType: []byte("IAMUser")},
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if Candidate(headers[i%len(headers)]) {
			b.Fatal("no rule looks at any of these")
		}
	}
}

func BenchmarkDetect(b *testing.B) {
	for name, rec := range map[string]*cloudtrail.Record{
		"skipped": {EventSource: "ec2.amazonaws.com", EventName: "DescribeInstances", UserIdentity: cloudtrail.UserIdentity{Type: "AssumedRole"}},
		"matched": {EventID: "e", EventSource: "iam.amazonaws.com", EventName: "CreateUser", UserIdentity: cloudtrail.UserIdentity{Type: "Root", PrincipalID: "111122223333"},
			RequestParameters: []byte(`{"userName":"bob"}`), ResponseElements: []byte(`{"user":{"userName":"bob","userId":"AIDABOB"}}`)},
	} {
		b.Run(name, func(b *testing.B) {
			var d Detector
			b.ReportAllocs()
			for b.Loop() {
				if o := d.Detect(rec, nil); o.Kind.String() != name {
					b.Fatal(o.Kind)
				}
			}
		})
	}
}
