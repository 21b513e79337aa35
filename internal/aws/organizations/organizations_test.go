package organizations_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/organizations"
	"rootguard/internal/aws/organizations/organizationstest"
)

const (
	prod    = "222222222222"
	dev     = "333333333333"
	unknown = "444444444444"
)

// rig is an organization, and Names that ask it.
type rig struct {
	*organizationstest.Server
	names *organizations.Names
	log   bytes.Buffer

	mu  sync.Mutex
	now time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Server: organizationstest.New(t), now: time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)}
	r.Set(map[string]string{prod: "payments-prod", dev: "payments-dev"})
	client := sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &r.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
	clock := func() time.Time {
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.now
	}
	r.names = organizations.New(client, clock, slog.New(slog.NewJSONHandler(&r.log, nil)))
	return r
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

func (r *rig) want(t *testing.T, account, name string) {
	t.Helper()
	if got := r.names.Name(account); got != name {
		t.Errorf("account %s is called %q, want %q", account, got, name)
	}
}

func (r *rig) wantAsked(t *testing.T, accounts ...string) {
	t.Helper()
	if diff := cmp.Diff(accounts, r.Asked()); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
}

// logged are the lines of log so far.
func (r *rig) logged(t *testing.T) []map[string]any {
	t.Helper()
	var lines []map[string]any
	for _, line := range strings.Split(strings.TrimSpace(r.log.String()), "\n") {
		if line == "" {
			continue
		}
		var one map[string]any
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, one)
	}
	return lines
}

func TestName(t *testing.T) {
	r := newRig(t)
	r.want(t, prod, "payments-prod")
	r.want(t, prod, "payments-prod")
	r.want(t, dev, "payments-dev")
	r.wantAsked(t, prod, dev)

	r.Set(map[string]string{prod: "prod"})
	r.advance(24*time.Hour - time.Second)
	r.want(t, prod, "payments-prod")
	r.wantAsked(t, prod, dev)
	r.advance(time.Second)
	r.want(t, prod, "prod")
	r.wantAsked(t, prod, dev, prod)
	if lines := r.logged(t); lines != nil {
		t.Errorf("log: %v", lines)
	}
}

// TestFailure holds for how long each failure keeps from asking, and that it
// keeps from asking about other accounts only where they would fare no better.
func TestFailure(t *testing.T) {
	for _, tt := range []struct {
		code   string // "": there is no such account
		holds  time.Duration
		forAll bool
	}{
		{"", time.Hour, false},
		{"InvalidInputException", time.Hour, false},
		{"AccessDeniedException", time.Hour, true},
		{"AWSOrganizationsNotInUseException", time.Hour, true},
		{"TooManyRequestsException", time.Minute, true},
		{"ServiceException", time.Minute, true},
	} {
		t.Run(tt.code, func(t *testing.T) {
			r := newRig(t)
			r.Refuse(tt.code)
			r.want(t, unknown, "")
			r.want(t, unknown, "")
			r.wantAsked(t, unknown)
			r.Refuse("")
			other, asked := "payments-prod", []string{unknown, prod}
			if tt.forAll {
				other, asked = "", asked[:1]
			}
			r.want(t, prod, other)
			r.wantAsked(t, asked...)

			r.Set(map[string]string{unknown: "new"})
			r.advance(tt.holds - time.Second)
			r.want(t, unknown, "")
			r.wantAsked(t, asked...)
			r.advance(time.Second)
			r.want(t, unknown, "new")
			r.wantAsked(t, append(asked, unknown)...)

			want := tt.code
			if want == "" {
				want = "AccountNotFoundException"
			}
			lines := r.logged(t)
			if len(lines) != 1 || lines[0]["level"] != "WARN" || lines[0]["account"] != unknown || !strings.Contains(fmt.Sprint(lines[0]["error"]), want) {
				t.Errorf("log: %v", lines)
			}
		})
	}
}

// TestStale holds that a name known once is used on where no new one is to be had.
func TestStale(t *testing.T) {
	for _, code := range []string{"InvalidInputException", "AccessDeniedException", "TooManyRequestsException"} {
		r := newRig(t)
		r.want(t, prod, "payments-prod")
		r.advance(25 * time.Hour)
		r.Refuse(code)
		r.want(t, prod, "payments-prod")
		r.want(t, prod, "payments-prod")
		r.wantAsked(t, prod, prod)
	}
}

// TestNoAnswer holds that an alert waits for a name for a second, and the alerts
// after it not at all.
func TestNoAnswer(t *testing.T) {
	r := newRig(t)
	release := r.Stall()
	start := time.Now()
	r.want(t, prod, "")
	if took := time.Since(start); took < 500*time.Millisecond || took > 3*time.Second {
		t.Errorf("the first took %v", took)
	}
	start = time.Now()
	for range 100 {
		r.want(t, prod, "")
		r.want(t, dev, "")
	}
	if took := time.Since(start); took > 500*time.Millisecond {
		t.Errorf("the others took %v", took)
	}
	release()
	r.advance(time.Minute)
	r.want(t, prod, "payments-prod")
}

// TestBound holds that the memory for names has an end, and that what holds no
// longer goes first.
func TestBound(t *testing.T) {
	r := newRig(t)
	account := func(i int) string { return fmt.Sprintf("%012d", i) }
	all := map[string]string{}
	for i := range 1024 {
		all[account(i)] = "name"
	}
	r.Set(all)
	r.want(t, prod, "payments-prod")
	r.advance(24 * time.Hour)
	for i := range 1024 {
		r.want(t, account(i), "name")
	}
	before := len(r.Asked())
	for i := range 1024 {
		r.want(t, account(i), "name")
	}
	if more := len(r.Asked()) - before; more != 0 {
		t.Errorf("%d names were forgotten for one that held no longer", more)
	}
	r.want(t, dev, "payments-dev")
	r.want(t, dev, "payments-dev")
	before = len(r.Asked())
	for i := 0; i < 1024 && len(r.Asked()) == before; i++ {
		r.want(t, account(i), "name")
	}
	if len(r.Asked()) == before {
		t.Error("1,025 names were kept")
	}
}

func TestConcurrent(t *testing.T) {
	r := newRig(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				r.want(t, prod, "payments-prod")
				r.want(t, dev, "payments-dev")
				r.want(t, unknown, "")
			}
		})
	}
	wg.Wait()
	if n := len(r.Asked()); n > 24 || !slices.Contains(r.Asked(), prod) {
		t.Errorf("%d questions: %v", n, r.Asked())
	}
}

func TestMembers(t *testing.T) {
	server := organizationstest.New(t)
	server.PageSize = 2
	server.Set(map[string]string{prod: "prod", dev: "dev", unknown: "gone", "555555555555": "new"})
	for account, state := range map[string]string{dev: "SUSPENDED", unknown: "PENDING_CLOSURE", "555555555555": "ACTIVE"} {
		server.SetState(account, state)
	}
	accounts := organizations.NewAccounts(sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	}))
	var got []accountcheck.Member
	token, pages := "", 0
	for more := true; more; pages++ {
		page, next, err := accounts.Members(t.Context(), token)
		if err != nil {
			t.Fatal(err)
		}
		got, token, more = append(got, page...), next, next != ""
	}
	want := []accountcheck.Member{{Account: prod, Active: true}, {Account: dev}, {Account: unknown}, {Account: "555555555555", Active: true}}
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages (-want +got):\n%s", pages, diff)
	}
	server.Refuse("AccessDeniedException")
	if _, _, err := accounts.Members(t.Context(), ""); err == nil || !strings.Contains(err.Error(), "AccessDeniedException") {
		t.Errorf("refused: %v", err)
	}
}
