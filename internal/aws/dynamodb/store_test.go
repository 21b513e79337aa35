package dynamodb_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/announcement"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/guardtest"
	"rootguard/internal/incident"
	"rootguard/internal/keys"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
	"rootguard/internal/repeats"
	"rootguard/internal/suppression"
	"rootguard/internal/testenv"
	"rootguard/internal/worker"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed() time.Time { return t0 }

// open returns a store on a table of its own, wherever that is.
func open(t *testing.T) *dynamodb.Store {
	t.Helper()
	client := dynamotest.Client(dynamotest.Endpoint(t))
	return dynamodb.New(client, dynamotest.Table(t, client), time.Now)
}

// local returns a store on a server of this process.
func local(t *testing.T, now func() time.Time) (s *dynamodb.Store, server *dynamotest.Server, table string) {
	t.Helper()
	server = dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	table = dynamotest.Table(t, client)
	return dynamodb.New(client, table, now), server, table
}

func TestClaims(t *testing.T) {
	t.Parallel()
	guardtest.Claims(t, func(t *testing.T) guard.Claims { t.Helper(); return open(t) })
}

func TestJournal(t *testing.T) {
	t.Parallel()
	guardtest.Facts(t, func(t *testing.T) guard.Facts { t.Helper(); return open(t) })
	guardtest.FactRows(t, func(t *testing.T) guardtest.FactsAndRows { t.Helper(); return open(t) })
}

func TestDeadlines(t *testing.T) {
	guardtest.Deadlines(t, func(t *testing.T) worker.Rows[mfadeadline.Deadline] { t.Helper(); return open(t).Deadlines() })
	guardtest.Checks(t, func(t *testing.T) accountcheck.Checks { t.Helper(); return open(t).Checks() })
}

func TestRecaps(t *testing.T) {
	guardtest.Ends(t, func(t *testing.T) worker.Rows[ending.Row] { t.Helper(); return open(t).Summaries() })
	guardtest.Ends(t, func(t *testing.T) worker.Rows[ending.Row] { t.Helper(); return open(t).Expiries() })
}

func TestIncidents(t *testing.T) {
	guardtest.Incidents(t, func(t *testing.T) incident.Store { t.Helper(); return open(t) })
}

func TestAnnouncements(t *testing.T) {
	guardtest.Suppressions(t, func(t *testing.T) (suppression.Store, guard.Claims) {
		t.Helper()
		s := open(t)
		return s.Suppressions(), s
	})
	guardtest.Announcements(t, func(t *testing.T) (announcement.Store, guard.Claims) {
		t.Helper()
		s := open(t)
		return s, s
	})
}

func TestQuarantines(t *testing.T) {
	guardtest.Quarantines(t, func(t *testing.T) quarantine.Rows { t.Helper(); return open(t).Quarantines() })
}

// TestRescheduleFaults holds that a write whose answer got lost is not decided
// about again, that what passes is tried again, and that all else is reported.
func TestRescheduleFaults(t *testing.T) {
	const throttled = "ProvisionedThroughputExceededException"
	bump := func(d mfadeadline.Deadline) mfadeadline.Deadline {
		d.Key, d.Due = "a/eve", t0
		d.Revision++
		return d
	}
	for _, tt := range []struct {
		name   string
		op     string
		times  int
		fault  dynamotest.Fault
		ok     bool
		writes int // revision after two calls
	}{
		{"a lost answer", "PutItem", 1, dynamotest.Fault{After: true}, true, 2},
		{"throttled for a while", "PutItem", 2, dynamotest.Fault{Code: throttled}, true, 2},
		{"throttled", "PutItem", 50, dynamotest.Fault{Code: throttled}, false, 1},
		{"a read that fails", "BatchGetItem", 50, dynamotest.Fault{Code: throttled}, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, server, _ := local(t, fixed)
			if err := s.Deadlines().Update(t.Context(), "a/eve", bump); err != nil {
				t.Fatal(err)
			}
			server.Inject(tt.op, tt.times, tt.fault)
			err := s.Deadlines().Update(t.Context(), "a/eve", bump)
			server.Recover(tt.op)
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want success %v", err, tt.ok)
			}
			due, err := s.Deadlines().Due(t.Context(), t0, 5)
			if err != nil || len(due) != 1 || due[0].Revision != tt.writes {
				t.Errorf("overdue: %+v, %v, want revision %d", due, err, tt.writes)
			}
		})
	}
	s, _, _ := local(t, fixed)
	if err := s.Deadlines().Update(t.Context(), "a/eve", func(mfadeadline.Deadline) mfadeadline.Deadline { return mfadeadline.Deadline{Key: "a/other"} }); err == nil || failure.Retryable(err) {
		t.Errorf("another key: got %v, want a permanent error", err)
	}
}

// TestDeadlineRows holds that a deadline is in the index while it is set, and
// expires once it is not.
func TestDeadlineRows(t *testing.T) {
	s, server, table := local(t, fixed)
	for _, due := range []time.Time{t0, {}} {
		if err := s.Deadlines().Update(t.Context(), "a/eve", func(mfadeadline.Deadline) mfadeadline.Deadline { return mfadeadline.Deadline{Key: "a/eve", Due: due} }); err != nil {
			t.Fatal(err)
		}
		items := server.Items(table)
		if len(items) != 1 {
			t.Fatalf("%d items", len(items))
		}
		_, indexed := items[0]["due_at"]
		_, expires := items[0]["expires"]
		if items[0].Str("pk") != "ACCOUNT#a" || items[0].Str("sk") != "USER#a/eve" || indexed == due.IsZero() || expires != due.IsZero() {
			t.Errorf("due %v: %v", due, items[0])
		}
	}
}

// TestSmallAnswers runs the contract where no answer holds more than a few rows.
func TestSmallAnswers(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	if os.Getenv(dynamotest.EndpointEnv) != "" {
		t.Skip("only this package's server can be told to answer in small pages")
	}
	small := func(t *testing.T) *dynamodb.Store {
		t.Helper()
		s, server, _ := local(t, time.Now)
		server.BatchGetMax, server.PageMax = 1, 2
		return s
	}
	t.Run("store", func(t *testing.T) {
		guardtest.Claims(t, func(t *testing.T) guard.Claims { t.Helper(); return small(t) })
	})
	t.Run("journal", func(t *testing.T) {
		guardtest.Facts(t, func(t *testing.T) guard.Facts { t.Helper(); return small(t) })
		guardtest.FactRows(t, func(t *testing.T) guardtest.FactsAndRows {
			t.Helper()
			s, server, _ := local(t, time.Now)
			server.PageMax = 2
			return s
		})
	})
	t.Run("deadlines", func(t *testing.T) {
		guardtest.Deadlines(t, func(t *testing.T) worker.Rows[mfadeadline.Deadline] { t.Helper(); return small(t).Deadlines() })
		guardtest.Checks(t, func(t *testing.T) accountcheck.Checks { t.Helper(); return small(t).Checks() })
	})
	t.Run("quarantines", func(t *testing.T) {
		guardtest.Quarantines(t, func(t *testing.T) quarantine.Rows { t.Helper(); return small(t).Quarantines() })
	})
}

// count notes an event in a series, and claims it, as an alert does.
func count(ctx context.Context, s *dynamodb.Store, claim, series string, calls *int) error {
	return s.Update(ctx, claim, series, func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
		*calls++
		if c.State == guard.Folded {
			return guard.Claim{}, repeats.Series{}
		}
		w.Key = series
		w.Attempts = append(w.Attempts, repeats.Attempt{Claim: claim})
		return guard.Claim{Key: claim, State: guard.Folded, Finding: &detect.Finding{Account: "a"}}, w
	})
}

func total(t *testing.T, s *dynamodb.Store, series string) int {
	t.Helper()
	n := 0
	err := s.Update(t.Context(), "a/none", series, func(_ guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
		n = len(w.Attempts)
		return guard.Claim{}, repeats.Series{}
	})
	if err != nil {
		t.Fatalf("reading %s: %v", series, err)
	}
	return n
}

func canceled(reasons ...string) dynamotest.Fault {
	return dynamotest.Fault{Code: "TransactionCanceledException", Reasons: reasons}
}

func TestFaults(t *testing.T) {
	const throttled = "ProvisionedThroughputExceededException"
	for _, tt := range []struct {
		name   string
		op     string
		times  int
		fault  dynamotest.Fault
		ok     bool // the call succeeds in spite of it
		stored bool
		asks   int // how often decide was called, 0: any
	}{
		{"throttled twice", "TransactWriteItems", 2, dynamotest.Fault{Code: throttled}, true, true, 1},
		{"throttled while reading", "BatchGetItem", 2, dynamotest.Fault{Code: throttled}, true, true, 1},
		{"ThrottlingException", "TransactWriteItems", 2, dynamotest.Fault{Code: "ThrottlingException"}, true, true, 1},
		{"throttled for long", "TransactWriteItems", 100, dynamotest.Fault{Code: throttled}, false, false, 1},
		{"reading throttled for long", "BatchGetItem", 3, dynamotest.Fault{Code: throttled}, false, false, 0},
		{"server error, then well", "TransactWriteItems", 1, dynamotest.Fault{Code: "InternalServerError"}, true, true, 1},
		{"answer lost", "TransactWriteItems", 1, dynamotest.Fault{After: true}, true, true, 1},
		{"answer lost as a server error", "TransactWriteItems", 2, dynamotest.Fault{Code: "InternalServerError", After: true}, true, true, 1},
		{"conflict", "TransactWriteItems", 3, dynamotest.Fault{Code: "TransactionConflictException"}, true, true, 4},
		{"conflict said of one that went through", "TransactWriteItems", 1, dynamotest.Fault{Code: "TransactionConflictException", After: true}, true, true, 1},
		{"endless conflict", "TransactWriteItems", 100, dynamotest.Fault{Code: "TransactionConflictException"}, false, false, 16},
		{"canceled by another", "TransactWriteItems", 2, canceled("None", "TransactionConflict"), true, true, 3},
		{"canceled for a condition", "TransactWriteItems", 1, canceled("ConditionalCheckFailed", "None"), true, true, 2},
		{"canceled by throttling", "TransactWriteItems", 2, canceled("ThrottlingError", "ProvisionedThroughputExceeded"), true, true, 3},
		{"canceled for what is not known", "TransactWriteItems", 1, canceled("None", "SomethingNew"), false, false, 1},
		{"connection refused once", "BatchGetItem", 1, dynamotest.Fault{}, true, true, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, server, _ := local(t, time.Now)
			server.Inject(tt.op, tt.times, tt.fault)
			calls := 0
			err := count(t.Context(), s, "a/1", "a/s/f", &calls)
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want success %v", err, tt.ok)
			}
			if err != nil && !failure.Retryable(err) {
				t.Errorf("not retryable: %v", err)
			}
			if tt.asks != 0 && calls != tt.asks {
				t.Errorf("decide was called %d times, want %d", calls, tt.asks)
			}
			if tt.stored {
				if n := total(t, s, "a/s/f"); n != 1 {
					t.Errorf("counted %d, want 1", n)
				}
			}
		})
	}
}

// TestLostPut is about a row stored alone: PutItem has no token that would make
// its repetition harmless.
func TestLostPut(t *testing.T) {
	for _, f := range []dynamotest.Fault{{After: true}, {Code: "InternalServerError", After: true}, {Code: "ThrottlingException", After: true}} {
		t.Run("claim "+f.Code, func(t *testing.T) {
			s, server, _ := local(t, time.Now)
			server.Inject("PutItem", 1, f)
			asks := 0
			err := s.Update(t.Context(), "a/1", "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
				if asks++; c.State != "" {
					t.Errorf("decide was shown its own claim: %+v", c)
				}
				return guard.Claim{Key: "a/1", State: guard.Leased}, repeats.Series{}
			})
			if err != nil || asks != 1 {
				t.Errorf("got %v after %d calls of decide, want one call", err, asks)
			}
		})
		t.Run("fact "+f.Code, func(t *testing.T) {
			s, server, _ := local(t, time.Now)
			seed := bootstrap.Fact{Account: "a", ID: "0"}
			if _, err := s.Add(t.Context(), []bootstrap.Fact{seed}); err != nil {
				t.Fatal(err)
			}
			server.Inject("PutItem", 1, f)
			if added, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "a", ID: "1"}}); added != 1 || err != nil {
				t.Errorf("added %d, %v, want 1", added, err)
			}
			server.Inject("PutItem", 2, f)
			if added, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "a", ID: "1", What: "more"}}); added != 0 || err != nil {
				t.Errorf("added %d, %v, want 0", added, err)
			}
		})
	}
}

func TestPermanent(t *testing.T) {
	long := strings.Repeat("x", 401<<10)
	for _, tt := range []struct {
		name string
		do   func(s *dynamodb.Store, server *dynamotest.Server) error
		want string // in the error; "": no error
		perm bool
	}{
		{"a claim that fits", func(s *dynamodb.Store, _ *dynamotest.Server) error {
			return put(s, guard.Claim{Key: "a/1", Finding: &detect.Finding{Detail: long[:300<<10]}}, repeats.Series{})
		}, "", false},
		{"a claim too large", func(s *dynamodb.Store, _ *dynamotest.Server) error {
			return put(s, guard.Claim{Key: "a/1", Finding: &detect.Finding{Detail: long}}, repeats.Series{})
		}, "an item of DynamoDB at most", true},
		{"a series too large", func(s *dynamodb.Store, _ *dynamotest.Server) error {
			return put(s, guard.Claim{}, repeats.Series{Key: "a/s/f", Finding: &detect.Finding{Detail: long}})
		}, "an item of DynamoDB at most", true},
		{"a fact too large", func(s *dynamodb.Store, _ *dynamotest.Server) error {
			_, err := s.Add(context.Background(), []bootstrap.Fact{{Account: "a", ID: "1", What: long}})
			return err
		}, "an item of DynamoDB at most", true},
		{"a row under another key", func(s *dynamodb.Store, _ *dynamotest.Server) error {
			return s.Update(context.Background(), "a/1", "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
				return guard.Claim{Key: "a/2"}, repeats.Series{}
			})
		}, `only "a/1"`, true},
		{"a request refused", func(s *dynamodb.Store, server *dynamotest.Server) error {
			server.Inject("PutItem", 1, dynamotest.Fault{Code: "ValidationException"})
			_, err := s.Add(context.Background(), []bootstrap.Fact{{Account: "a", ID: "1"}})
			return err
		}, "ValidationException", true},
		{"a transaction refused", func(s *dynamodb.Store, server *dynamotest.Server) error {
			server.Inject("TransactWriteItems", 1, canceled("None", "ValidationError"))
			return put(s, guard.Claim{Key: "a/1"}, repeats.Series{Key: "a/s/f"})
		}, "TransactionCanceledException", true},
		{"access denied, as until a policy is in force", func(s *dynamodb.Store, server *dynamotest.Server) error {
			server.Inject("BatchGetItem", 1, dynamotest.Fault{Code: "AccessDeniedException"})
			return put(s, guard.Claim{Key: "a/1"}, repeats.Series{})
		}, "AccessDeniedException", false},
		{"no table yet", func(s *dynamodb.Store, server *dynamotest.Server) error {
			server.Inject("BatchGetItem", 1, dynamotest.Fault{Code: "ResourceNotFoundException"})
			return put(s, guard.Claim{Key: "a/1"}, repeats.Series{})
		}, "ResourceNotFoundException", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, server, _ := local(t, time.Now)
			err := tt.do(s, server)
			switch {
			case tt.want == "" && err != nil, tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)):
				t.Fatalf("got %v, want one with %q", err, tt.want)
			case err != nil && failure.Retryable(err) == tt.perm:
				t.Errorf("retryable is %v: %v", !tt.perm, err)
			}
		})
	}
}

func put(s *dynamodb.Store, c guard.Claim, w repeats.Series) error {
	claimKey := c.Key
	if claimKey == "" {
		claimKey = "none"
	}
	return s.Update(context.Background(), claimKey, w.Key, func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) { return c, w })
}

func putGroup(s *dynamodb.Store, gr guard.Group) error {
	return s.UpdateGroup(context.Background(), gr.Key, func(guard.Group) guard.Group { return gr })
}

func TestExpiry(t *testing.T) {
	var offset atomic.Int64
	s, server, table := local(t, func() time.Time { return t0.Add(time.Duration(offset.Load())) })
	at := func(d time.Duration) { offset.Store(int64(d)) }
	for _, gr := range []guard.Group{{Key: "a/s/sent"}, {Key: "a/s/unsent", Until: t0, Batches: 1}} {
		if err := put(s, guard.Claim{Key: "a/" + gr.Key, State: guard.Sent, Finding: &detect.Finding{Account: "a"}}, repeats.Series{Key: gr.Key}); err != nil {
			t.Fatal(err)
		}
		if err := putGroup(s, gr); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(t.Context(), gr.Key, 0, "a/"+gr.Key); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "a", ID: "1"}}); err != nil {
		t.Fatal(err)
	}
	want := map[string]int64{
		"CLAIM#a/a/s/sent": t0.Add(dynamodb.ClaimTTL).Unix(), "CLAIM#a/a/s/unsent": t0.Add(dynamodb.ClaimTTL).Unix(),
		"WINDOW#a/s/sent": t0.Add(dynamodb.WindowTTL).Unix(), "BATCH#0": t0.Add(dynamodb.ClaimTTL).Unix(),
		"SERIES#a/s/sent": t0.Add(dynamodb.WindowTTL).Unix(), "SERIES#a/s/unsent": t0.Add(dynamodb.WindowTTL).Unix(),
	}
	for _, item := range server.Items(table) {
		sk := item.Str("sk")
		got, _ := strconv.ParseInt(item.Num("expires"), 10, 64)
		if got != want[sk] {
			t.Errorf("%s expires at %d, want %d", sk, got, want[sk])
		}
		if indexed := item.Str("due_shard") != ""; indexed != (sk == "WINDOW#a/s/unsent") {
			t.Errorf("%s is in the index: %v", sk, indexed)
		}
	}

	see := func(claim, window string) (string, string) {
		var c guard.Claim
		var w repeats.Series
		err := s.Update(t.Context(), claim, window, func(gotC guard.Claim, gotW repeats.Series) (guard.Claim, repeats.Series) {
			c, w = gotC, gotW
			return guard.Claim{}, repeats.Series{}
		})
		if err != nil {
			t.Fatal(err)
		}
		return c.Key, w.Key
	}
	at(dynamodb.WindowTTL - time.Second)
	if c, w := see("a/a/s/sent", "a/s/sent"); c == "" || w == "" {
		t.Errorf("a second before the series expires: claim %q, window %q", c, w)
	}
	at(dynamodb.WindowTTL)
	if c, w := see("a/a/s/sent", "a/s/sent"); c == "" || w != "" {
		t.Errorf("when the series expired: claim %q, window %q", c, w)
	}
	at(dynamodb.ClaimTTL - time.Second)
	if keys := claims(t, s, "a"); len(keys) != 2 {
		t.Errorf("a second before they expire, these claims are listed: %v", keys)
	}
	at(dynamodb.ClaimTTL)
	if c, w := see("a/a/s/unsent", "a/s/unsent"); c != "" || w != "" {
		t.Errorf("when the claim expired: claim %q, window %q", c, w)
	}
	if keys := claims(t, s, "a"); len(keys) != 0 {
		t.Errorf("expired claims are listed: %v", keys)
	}
	if due, err := s.Due(t.Context(), t0, 10); len(due) != 1 || err != nil {
		t.Errorf("due: %v, %v, want the unsent one", due, err)
	}
	// An expired row that DynamoDB has not deleted yet is written over.
	if err := put(s, guard.Claim{Key: "a/a/s/sent", Attempts: 9}, repeats.Series{Key: "a/s/sent"}); err != nil {
		t.Error(err)
	}
	if c, w := see("a/a/s/sent", "a/s/sent"); c == "" || w == "" {
		t.Errorf("written again: claim %q, window %q", c, w)
	}
}

func TestQueries(t *testing.T) {
	s := open(t)
	if _, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "222222222222", ID: "1"}, {Account: "111111111111", ID: "1"}}); err != nil {
		t.Fatal(err)
	}
	finding := func(account string, at time.Duration) *detect.Finding {
		return &detect.Finding{Account: account, EventTime: t0.Add(at)}
	}
	const three = "333333333333"
	for _, c := range []guard.Claim{
		{Key: three + "/later", Finding: finding(three, time.Minute)},
		{Key: three + "/z", Finding: finding(three, 0)},
		{Key: three + "/a", Finding: finding(three, 2*time.Minute)},
		{Key: three + "/z", Finding: finding(three, 0), State: guard.Sent},
		{Key: "window/" + three + "/s/root.activity/2025-03-01T12:00:00Z/0", State: guard.Sent}, // of version 1
		{Key: "group/" + three + "/s/root.activity/2025-03-01T12:00:00Z/0", State: guard.Sent},
		{Key: "a%2Fb/e1", Finding: finding("a/b", time.Second)},
	} {
		if err := put(s, c, repeats.Series{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, key := range []string{three + "/s/b", three + "/s/a", "a%2Fb/s/c"} {
		if err := putGroup(s, guard.Group{Key: key, Opened: t0.Add(-time.Duration(i) * time.Hour)}); err != nil {
			t.Fatal(err)
		}
	}
	accounts, err := s.Accounts(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"111111111111", "222222222222", three, "a/b"}, accounts); diff != "" {
		t.Errorf("accounts (-want +got):\n%s", diff)
	}
	for account, want := range map[string][2][]string{
		three:          {{three + "/z", three + "/later", three + "/a"}, {three + "/s/a", three + "/s/b"}},
		"a/b":          {{"a%2Fb/e1"}, {"a%2Fb/s/c"}},
		"111111111111": {},
		"":             {{three + "/z", "a%2Fb/e1", three + "/later", three + "/a"}, {"a%2Fb/s/c", three + "/s/a", three + "/s/b"}},
	} {
		if diff := cmp.Diff(want[0], claims(t, s, account)); diff != "" {
			t.Errorf("claims of %q (-want +got):\n%s", account, diff)
		}
		groups, err := s.Groups(t.Context(), account)
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for _, w := range groups {
			keys = append(keys, w.Key)
		}
		if diff := cmp.Diff(want[1], keys); diff != "" {
			t.Errorf("groups of %q (-want +got):\n%s", account, diff)
		}
	}
	stop := errors.New("stop")
	n := 0
	if err := s.Claims(t.Context(), "", func(guard.Claim) error { n++; return stop }); !errors.Is(err, stop) || n != 1 {
		t.Errorf("got %v after %d claims, want the error of the first", err, n)
	}
}

func claims(t *testing.T, s *dynamodb.Store, account string) []string {
	t.Helper()
	var keys []string
	err := s.Claims(t.Context(), account, func(c guard.Claim) error {
		keys = append(keys, c.Key)
		return nil
	})
	if err != nil {
		t.Fatalf("listing claims of %q: %v", account, err)
	}
	return keys
}

// TestManyAccounts reads more than one page of the list.
func TestManyAccounts(t *testing.T) {
	s, server, _ := local(t, time.Now)
	var facts []bootstrap.Fact
	for i := range 300 {
		facts = append(facts, bootstrap.Fact{Account: fmt.Sprintf("%012d", i), ID: "1"})
	}
	if added, err := s.Add(t.Context(), facts); added != 300 || err != nil {
		t.Fatalf("added %d, %v", added, err)
	}
	server.PageMax = 70
	accounts, err := s.Accounts(t.Context())
	if err != nil || len(accounts) != 300 {
		t.Errorf("%d accounts, %v", len(accounts), err)
	}
	if n := server.Calls("Query"); n != 5 {
		t.Errorf("%d queries, want 5", n)
	}
}

// TestRequests holds how much traffic the hot paths cause.
func TestRequests(t *testing.T) {
	s, server, _ := local(t, time.Now)
	ops := []string{"BatchGetItem", "PutItem", "UpdateItem", "TransactWriteItems", "Query"}
	measure := func(do func() error) map[string]int {
		before := map[string]int{}
		for _, op := range ops {
			before[op] = server.Calls(op)
		}
		if err := do(); err != nil {
			t.Fatal(err)
		}
		diff := map[string]int{}
		for _, op := range ops {
			if n := server.Calls(op) - before[op]; n > 0 {
				diff[op] = n
			}
		}
		return diff
	}
	fact := []bootstrap.Fact{{Account: "a", ID: "1"}}
	calls := 0
	for _, tt := range []struct {
		name string
		do   func() error
		want map[string]int
	}{
		{"the first fact of an account", func() error { _, err := s.Add(t.Context(), fact); return err }, map[string]int{"PutItem": 2}},
		{"a fact known", func() error { _, err := s.Add(t.Context(), fact); return err }, map[string]int{"PutItem": 1}},
		{"an event and its series", func() error { return count(t.Context(), s, "a/1", "a/s/f", &calls) }, map[string]int{"BatchGetItem": 1, "TransactWriteItems": 1}},
		{"a duplicate", func() error { return count(t.Context(), s, "a/1", "a/s/f", &calls) }, map[string]int{"BatchGetItem": 1}},
		{"an event marked sent", func() error { return put(s, guard.Claim{Key: "a/1", State: guard.Sent}, repeats.Series{}) }, map[string]int{"BatchGetItem": 1, "PutItem": 1}},
		{"an event that changes no series", func() error {
			return s.Update(t.Context(), "a/2", "a/s/f", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
				return guard.Claim{Key: "a/2", State: guard.Folded}, repeats.Series{}
			})
		}, map[string]int{"BatchGetItem": 1, "PutItem": 1}},
		{"its group, open", func() error {
			return s.UpdateGroup(t.Context(), "a/s/f/1", func(guard.Group) guard.Group { return guard.Group{} })
		}, map[string]int{"BatchGetItem": 1}},
		{"its count", func() error { _, err := s.Count(t.Context(), "a/s/f/1", 0, "a/2"); return err }, map[string]int{"UpdateItem": 1}},
		{"a look for it in 50 batches", func() error { _, _, err := s.Counted(t.Context(), "a/s/f/1", 0, 50, "a/2"); return err }, map[string]int{"BatchGetItem": 1}},
		{"whether it was announced", func() error { _, err := s.Entries(t.Context(), "a", t0.Add(-announcement.Max), t0); return err }, map[string]int{"Query": 1}},
		{"the first alert of an incident", func() error {
			return update(t, s, func([]incident.Incident) incident.Incident { return anIncident(t0) })
		}, map[string]int{"Query": 1, "PutItem": 2}},
		{"a further one", func() error { return update(t, s, func(in []incident.Incident) incident.Incident { return in[0] }) }, map[string]int{"Query": 1, "PutItem": 1}},
		{"nothing due", func() error { _, err := s.Due(t.Context(), time.Now(), 10); return err }, map[string]int{"Query": 4}},
	} {
		if diff := cmp.Diff(tt.want, measure(tt.do)); diff != "" {
			t.Errorf("%s: requests (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestDueReadsTheTable holds that a group which the index still lists, though
// it has changed since, is returned as it is.
func TestDueReadsTheTable(t *testing.T) {
	s, server, table := local(t, fixed)
	const due, sent = 1, 0 // batches
	set := func(key string, until time.Time, batches int) {
		t.Helper()
		if err := putGroup(s, guard.Group{Key: key, Until: until, Batches: batches}); err != nil {
			t.Errorf("storing group %s: %v", key, err)
		}
	}
	for i := range 60 {
		set(fmt.Sprintf("a/%02d", i), t0, due)
	}
	// The parts of the index are read at the same time, so only one has groups due.
	var keys []string
	part := ""
	for _, item := range server.Items(table) {
		key := strings.TrimPrefix(item.Str("sk"), "WINDOW#")
		if part == "" {
			part = item.Str("due_shard")
		}
		if item.Str("due_shard") == part {
			keys = append(keys, key)
		} else {
			set(key, t0, sent)
		}
	}
	if len(keys) < 4 || len(keys) == 60 {
		t.Fatalf("%d of 60 groups are in one part of the index", len(keys))
	}
	var changed atomic.Bool
	server.Before(func(op string) {
		if op != "BatchGetItem" || !changed.CompareAndSwap(false, true) {
			return
		}
		set(keys[0], t0.Add(time.Hour), due)
		for _, key := range keys[1 : len(keys)-1] {
			set(key, t0, sent)
		}
	})
	got, err := s.Due(t.Context(), t0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 1 || got[0].Key != keys[len(keys)-1] {
		t.Errorf("due: %+v, want %s alone", got, keys[len(keys)-1])
	}
}

func TestClaim(t *testing.T) {
	s, server, _ := local(t, time.Now)
	raise := func(account, eventID string) {
		t.Helper()
		key := keys.Claim(account, eventID)
		err := s.Update(t.Context(), key, "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
			return guard.Claim{Key: key, State: guard.Sent, Finding: &detect.Finding{Account: account, EventID: eventID}}, repeats.Series{}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	long := strings.Repeat("e", 2000)
	for _, account := range []string{"111111111111", "222222222222", "3/3"} {
		raise(account, "e-1")
	}
	raise("222222222222", long)
	for eventID, want := range map[string][]string{
		"e-1": {"111111111111", "222222222222", "3/3"}, long: {"222222222222"}, "e-": nil, "e-2": nil, "": nil,
	} {
		found, err := s.Claim(t.Context(), eventID)
		if err != nil {
			t.Fatal(err)
		}
		var accounts []string
		for _, c := range found {
			accounts = append(accounts, c.Finding.Account)
		}
		if diff := cmp.Diff(want, accounts); diff != "" {
			t.Errorf("claims of %.20q (-want +got):\n%s", eventID, diff)
		}
	}
	server.Inject("BatchGetItem", 100, dynamotest.Fault{Code: "AccessDeniedException"})
	if _, err := s.Claim(t.Context(), "e-1"); err == nil {
		t.Error("no error where the table cannot be read")
	}
}
