package iam_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/failure"
)

const (
	home   = "111111111111"
	member = "222222222222"
)

var credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
})

func retryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
}

func iamClient(s *iamtest.Server) *sdk.Client {
	return sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &s.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials, Retryer: retryer()})
}

func stsClient(s *iamtest.Server) *sts.Client {
	return sts.New(sts.Options{Region: "us-east-1", BaseEndpoint: &s.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials, Retryer: retryer()})
}

func ptr[T any](v T) *T { return &v }

func TestAccountSummary(t *testing.T) {
	for _, tt := range []struct {
		name    string
		summary map[string]int
		want    bootstrap.LiveFact
		ok      bool
	}{
		{"a root user with MFA", map[string]int{"AccountMFAEnabled": 1, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 1, "Users": 7},
			bootstrap.LiveFact{AccountMFAEnabled: ptr(1), AccountAccessKeysPresent: ptr(0), AccountPasswordPresent: ptr(1), RootVirtualMFA: ptr(false)}, true},
		{"no credentials", map[string]int{"AccountMFAEnabled": 0, "AccountAccessKeysPresent": 0, "AccountPasswordPresent": 0},
			bootstrap.LiveFact{AccountMFAEnabled: ptr(0), AccountAccessKeysPresent: ptr(0), AccountPasswordPresent: ptr(0)}, true},
		{"what is not said is not known", map[string]int{"AccountMFAEnabled": 1}, bootstrap.LiveFact{AccountMFAEnabled: ptr(1), RootVirtualMFA: ptr(false)}, true},
		{"an empty answer", nil, bootstrap.LiveFact{}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := iamtest.New(t, home)
			server.Set(home, iamtest.Account{Summary: tt.summary})
			got, err := iam.New(iamClient(server)).AccountSummary(t.Context())
			if (err == nil) != tt.ok {
				t.Fatalf("got %v, want success %v", err, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
		})
	}
}

// TestRootDevice holds what is known of the kind of root's device, and that it
// is not asked for where root has none.
func TestRootDevice(t *testing.T) {
	const (
		arn  = "arn:aws:iam::" + home + ":"
		root = arn + "root"
	)
	var users []iamtest.Virtual
	for i := range 8 {
		users = append(users, iamtest.Virtual{Serial: fmt.Sprintf(arn+"mfa/d%d", i), User: fmt.Sprintf(arn+"user/root/u%d", i)})
	}
	old := iamtest.Virtual{Serial: arn + "mfa/root-account-mfa-device", User: root}
	for _, tt := range []struct {
		name    string
		enabled int
		virtual []iamtest.Virtual
		fail    string
		want    *bool
		asked   int
	}{
		{"an authenticator app", 1, []iamtest.Virtual{old}, "", ptr(true), 1},
		{"one of another name", 1, []iamtest.Virtual{{Serial: arn + "mfa/phone", User: root}}, "", ptr(true), 1},
		{"one behind those of users", 1, append(slices.Clone(users), old), "", ptr(true), 3},
		{"a user's that is called like root's", 1, []iamtest.Virtual{{Serial: old.Serial, User: users[0].User}}, "", ptr(false), 1},
		{"none but of users", 1, users, "", ptr(false), 3},
		{"one that is not assigned", 1, []iamtest.Virtual{{Serial: old.Serial}}, "", ptr(false), 1},
		{"no virtual device at all", 1, nil, "", ptr(false), 1},
		{"no MFA", 0, []iamtest.Virtual{old}, "", nil, 0},
		{"a role that may not ask", 1, []iamtest.Virtual{old}, "AccessDenied", nil, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := iamtest.New(t, home)
			server.PageSize = 3
			server.Set(home, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": tt.enabled}, Virtual: tt.virtual})
			if tt.fail != "" {
				server.Inject("ListVirtualMFADevices", 1, tt.fail)
			}
			got, err := iam.New(iamClient(server)).AccountSummary(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bootstrap.LiveFact{AccountMFAEnabled: &tt.enabled, RootVirtualMFA: tt.want}, got); diff != "" {
				t.Errorf("summary (-want +got):\n%s", diff)
			}
			asked := 0
			for _, c := range server.Calls() {
				if strings.HasPrefix(c, "ListVirtualMFADevices") {
					asked++
				}
			}
			if asked != tt.asked {
				t.Errorf("asked %d times, want %d", asked, tt.asked)
			}
		})
	}
}

func TestUser(t *testing.T) {
	var many []string
	for i := range 8 {
		many = append(many, fmt.Sprintf("arn:aws:iam::%s:mfa/d%d", home, i))
	}
	users := map[string]iamtest.User{
		"bare": {}, "console": {Password: true}, "safe": {Password: true, Devices: many[:1]},
		"many": {Password: true, Devices: many}, "keys": {Devices: many[:2]},
	}
	for _, tt := range []struct {
		name string
		want bootstrap.LiveFact
	}{
		{"bare", bootstrap.LiveFact{UserName: "bare", ConsoleLogin: ptr(false)}},
		{"console", bootstrap.LiveFact{UserName: "console", ConsoleLogin: ptr(true)}},
		{"safe", bootstrap.LiveFact{UserName: "safe", ConsoleLogin: ptr(true), MFADevices: many[:1]}},
		{"many", bootstrap.LiveFact{UserName: "many", ConsoleLogin: ptr(true), MFADevices: many}},
		{"keys", bootstrap.LiveFact{UserName: "keys", ConsoleLogin: ptr(false), MFADevices: many[:2]}},
		{"nobody", bootstrap.LiveFact{UserName: "nobody", Gone: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := iamtest.New(t, home)
			server.PageSize = 3
			server.Set(home, iamtest.Account{Users: users})
			got, err := iam.New(iamClient(server)).User(t.Context(), tt.name)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUsers(t *testing.T) {
	server := iamtest.New(t, home)
	server.PageSize = 2
	server.Set(home, iamtest.Account{Users: map[string]iamtest.User{"eve": {}, "bob": {ID: "AIDA2"}, "a&b": {}}})
	server.Inject("ListUsers", 1, "Throttling")
	got, err := iam.New(iamClient(server)).Users(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	created := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	want := []accountcheck.ListedUser{{Name: "a&b", ID: "AIDAA&B", Created: created}, {Name: "bob", ID: "AIDA2", Created: created}, {Name: "eve", ID: "AIDAEVE", Created: created}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	// A page that is not there leaves nothing that could be taken for all users.
	server.Inject("ListUsers", 9, "Throttling")
	if got, err := iam.New(iamClient(server)).Users(t.Context()); err == nil || !failure.Retryable(err) || len(got) != 0 {
		t.Errorf("throttled: %v, %v", got, err)
	}
}

// TestNobody holds that IAM is never asked about a user without a name: it
// would report the caller.
func TestNobody(t *testing.T) {
	server := iamtest.New(t, home)
	if got, err := iam.New(iamClient(server)).User(t.Context(), ""); err == nil || failure.Retryable(err) {
		t.Errorf("got %+v, %v, want a permanent error", got, err)
	}
	if calls := server.Calls(); len(calls) != 0 {
		t.Errorf("IAM was asked: %v", calls)
	}
}

func TestErrors(t *testing.T) {
	for _, tt := range []struct {
		action    string
		times     int
		code      string
		ok        bool
		retryable bool
	}{
		{"ListMFADevices", 2, "Throttling", true, false},
		{"GetLoginProfile", 2, "Throttling", true, false},
		{"ListMFADevices", 9, "Throttling", false, true},
		{"GetLoginProfile", 9, "ServiceFailure", false, true},
		{"ListMFADevices", 9, "AccessDenied", false, true},
		{"GetLoginProfile", 9, "AccessDenied", false, true},
		{"GetLoginProfile", 9, "ValidationError", false, false},
	} {
		t.Run(fmt.Sprintf("%s %d %s", tt.action, tt.times, tt.code), func(t *testing.T) {
			server := iamtest.New(t, home)
			server.Set(home, iamtest.Account{Users: map[string]iamtest.User{"eve": {Password: true}}})
			server.Inject(tt.action, tt.times, tt.code)
			got, err := iam.New(iamClient(server)).User(t.Context(), "eve")
			switch {
			case (err == nil) != tt.ok:
				t.Errorf("got %v, want success %v", err, tt.ok)
			case err != nil && failure.Retryable(err) != tt.retryable:
				t.Errorf("retryable is %v: %v", !tt.retryable, err)
			case err != nil && (got.ConsoleLogin != nil || got.Gone || !strings.Contains(err.Error(), "eve")):
				t.Errorf("got %+v, %v", got, err)
			case err == nil && (got.ConsoleLogin == nil || !*got.ConsoleLogin):
				t.Errorf("got %+v, want a console password", got)
			}
		})
	}
}

func TestAccounts(t *testing.T) {
	open := func(t *testing.T, role string) (*iam.Accounts, *iamtest.Server) {
		t.Helper()
		server := iamtest.New(t, home)
		server.AllowRole("arn:aws:iam::" + member + ":role/rootguard-read")
		server.Set(home, iamtest.Account{Users: map[string]iamtest.User{"eve": {}}, Summary: map[string]int{"AccountMFAEnabled": 1}})
		server.Set(member, iamtest.Account{Users: map[string]iamtest.User{"eve": {Password: true}}, Summary: map[string]int{"AccountMFAEnabled": 0}})
		return iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(server), stsClient(server), role), server
	}
	console := func(t *testing.T, a *iam.Accounts, account string) bool {
		t.Helper()
		got, err := a.User(t.Context(), account, "eve")
		if err != nil {
			t.Fatalf("checking eve of %s: %v", account, err)
		}
		return *got.ConsoleLogin
	}
	t.Run("the account itself needs no role", func(t *testing.T) {
		a, server := open(t, "rootguard-read")
		if console(t, a, home) {
			t.Error("eve of the account itself has a password")
		}
		if slices.ContainsFunc(server.Calls(), func(c string) bool { return strings.HasPrefix(c, "AssumeRole") }) {
			t.Error("a role was assumed")
		}
	})
	t.Run("another by its role, assumed once", func(t *testing.T) {
		a, server := open(t, "rootguard-read")
		for range 3 {
			if !console(t, a, member) {
				t.Error("eve of the member has no password")
			}
		}
		got, err := a.AccountSummary(t.Context(), member)
		if err != nil || *got.AccountMFAEnabled != 0 {
			t.Errorf("summary of the member: %+v, %v", got, err)
		}
		assumed := 0
		for _, c := range server.Calls() {
			if strings.HasPrefix(c, "AssumeRole") {
				assumed++
			}
		}
		if assumed != 1 {
			t.Errorf("the role was assumed %d times", assumed)
		}
	})
	t.Run("the users of another", func(t *testing.T) {
		a, _ := open(t, "rootguard-read")
		got, err := a.Users(t.Context(), member)
		if err != nil || len(got) != 1 || got[0].Name != "eve" {
			t.Errorf("users of the member: %v, %v", got, err)
		}
	})
	t.Run("very many, of which few are kept", func(t *testing.T) {
		a, server := open(t, "rootguard-read")
		for i := range 1000 {
			id := fmt.Sprintf("%012d", i)
			server.AllowRole("arn:aws:iam::" + id + ":role/rootguard-read")
			server.Set(id, iamtest.Account{Summary: map[string]int{"AccountMFAEnabled": 0}})
			if _, err := a.AccountSummary(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if n := a.Kept(); n > 256 {
			t.Errorf("%d clients are kept", n)
		}
		if console(t, a, home) || !console(t, a, member) {
			t.Error("after that, others answer")
		}
	})
	t.Run("another without a role", func(t *testing.T) {
		a, server := open(t, "")
		if _, err := a.User(t.Context(), member, "eve"); !errors.Is(err, iam.ErrOutOfReach) {
			t.Errorf("User: %v, want ErrOutOfReach", err)
		}
		if _, err := a.AccountSummary(t.Context(), member); !errors.Is(err, iam.ErrOutOfReach) {
			t.Errorf("AccountSummary: %v, want ErrOutOfReach", err)
		}
		if _, err := a.Users(t.Context(), member); !errors.Is(err, iam.ErrOutOfReach) {
			t.Errorf("Users: %v, want ErrOutOfReach", err)
		}
		if calls := server.Calls(); len(calls) != 0 {
			t.Errorf("calls: %v", calls)
		}
	})
	t.Run("another whose role is not there", func(t *testing.T) {
		a, _ := open(t, "rootguard-read")
		if _, err := a.User(t.Context(), "333333333333", "eve"); err == nil || !failure.Retryable(err) || !strings.Contains(err.Error(), "AccessDenied") {
			t.Errorf("got %v, want a retryable AccessDenied", err)
		}
	})
}

// TestRecord holds that the sweep's role gets the one tag by which rules know it.
func TestRecord(t *testing.T) {
	server := iamtest.New(t, home)
	var got []string
	server.Tagged = func(role, key, value string) { got = append(got, role+" "+key+" "+value) }
	h := iam.NewHeartbeats(iamClient(server), "guard")
	if err := h.Record(t.Context(), "b-1"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"guard-sweep rootguard:heartbeat b-1"}, got); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	server.Inject("TagRole", 1, "AccessDenied")
	if err := h.Record(t.Context(), "b-2"); err == nil || !strings.Contains(err.Error(), "tagging role guard-sweep") {
		t.Errorf("denied: %v", err)
	}
}
