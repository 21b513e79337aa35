package guardtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC)

// keep is a decide that changes nothing.
func keep(guard.Claim, guard.Window) (guard.Claim, guard.Window) {
	return guard.Claim{}, guard.Window{}
}

// read returns what a ledger has under two keys.
func read(t *testing.T, l guard.Ledger, claimKey, windowKey string) (c guard.Claim, w guard.Window) {
	t.Helper()
	err := l.Update(t.Context(), claimKey, windowKey, func(gotC guard.Claim, gotW guard.Window) (guard.Claim, guard.Window) {
		c, w = gotC, gotW
		return guard.Claim{}, guard.Window{}
	})
	if err != nil {
		t.Fatalf("reading %q, %q: %v", claimKey, windowKey, err)
	}
	return c, w
}

// put stores rows whatever is there.
func put(t *testing.T, l guard.Ledger, c guard.Claim, w guard.Window) {
	t.Helper()
	claimKey := c.Key
	if claimKey == "" {
		claimKey = "a claim that is not stored"
	}
	err := l.Update(t.Context(), claimKey, w.Key, func(guard.Claim, guard.Window) (guard.Claim, guard.Window) { return c, w })
	if err != nil {
		t.Fatalf("storing %q, %q: %v", c.Key, w.Key, err)
	}
}

func fullFinding() detect.Finding {
	return detect.Finding{
		ID: detect.RootActivity, Severity: detect.Critical, Title: "Root at work", Detail: "a \"detail\" \u00e9 <&>",
		Also: []detect.ID{detect.UserCreated}, Account: "123456789012", Region: "us-east-1",
		EventTime: t0, EventID: "11111111-2222", EventSource: "iam.amazonaws.com", EventName: "CreateUser",
		ErrorCode: "AccessDenied", SourceIP: "203.0.113.5", UserAgent: "aws-cli/2",
		Actor:  detect.Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::123456789012:root", PrincipalID: "123456789012", AccessKeyID: "ASIAEXAMPLE"},
		Target: detect.Target{UserName: "eve", UserID: "AIDAEXAMPLE", Resource: "r"}, MFA: cloudtrail.No,
		Session: "arn:aws:iam::123456789012:root@2025-03-01T11:00:00Z",
		CIS:     []string{"1.7"}, ATTACK: []string{"T1078.004"}, NextStep: "Ask.",
	}
}

func fullRows() (guard.Claim, guard.Window) {
	f := fullFinding()
	held := guard.Held{
		Count: 3, Actions: []alert.Action{{Name: "iam:CreateUser", Target: "eve", Count: 2}}, Omitted: 1,
		First: t0.Add(time.Second), Last: t0.Add(time.Minute), Severity: detect.High,
	}
	return guard.Claim{
			Key: "123456789012/11111111-2222", State: guard.Leased, LeaseUntil: t0.Add(45 * time.Second), Attempts: 2,
			Kind: alert.Escalation, Finding: &f, AlertID: "abc", Window: "123456789012/s/root.activity",
		}, guard.Window{
			Key: "123456789012/s/root.activity", Opened: t0, Until: t0.Add(15 * time.Minute), RollUps: 4, Total: 9,
			Alerted: 2, AlertedSeverity: detect.High, Escalated: true, Recent: []time.Time{t0, t0.Add(time.Nanosecond)},
			Pending: held, Sending: &held, Finding: f,
		}
}

// Ledger runs the contract of guard.Ledger. newLedger returns an empty one.
func Ledger(t *testing.T, newLedger func(t *testing.T) guard.Ledger) {
	t.Helper()
	t.Run("absent rows are zero", func(t *testing.T) {
		c, w := read(t, newLedger(t), "a/1", "a/s/f")
		if diff := cmp.Diff(guard.Claim{}, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(guard.Window{}, w); diff != "" {
			t.Errorf("window (-want +got):\n%s", diff)
		}
	})

	t.Run("rows come back whole", func(t *testing.T) {
		l := newLedger(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		c, w := read(t, l, wantC.Key, wantW.Key)
		if diff := cmp.Diff(wantC, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantW, w); diff != "" {
			t.Errorf("window (-want +got):\n%s", diff)
		}
		due, err := l.Due(t.Context(), wantW.Until, 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]guard.Window{wantW}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})

	t.Run("a row without a key leaves what was there", func(t *testing.T) {
		l := newLedger(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		if err := l.Update(t.Context(), wantC.Key, wantW.Key, keep); err != nil {
			t.Fatal(err)
		}
		c, w := read(t, l, wantC.Key, wantW.Key)
		if c.Key == "" || w.Key == "" {
			t.Errorf("claim %q, window %q are gone", c.Key, w.Key)
		}
		// One row of the two is stored alone.
		wantC.Attempts, wantW.Total = 77, 88
		put(t, l, wantC, guard.Window{})
		if c, w = read(t, l, wantC.Key, wantW.Key); c.Attempts != 77 || w.Total == 88 {
			t.Errorf("after storing the claim alone: attempts %d, total %d", c.Attempts, w.Total)
		}
		put(t, l, guard.Claim{}, wantW)
		if _, w = read(t, l, wantC.Key, wantW.Key); w.Total != 88 {
			t.Errorf("after storing the window alone: total %d", w.Total)
		}
	})

	t.Run("without a window key there is no window", func(t *testing.T) {
		l := newLedger(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		if c, w := read(t, l, wantC.Key, ""); c.Key != wantC.Key || w.Key != "" {
			t.Errorf("claim %q, window %q", c.Key, w.Key)
		}
	})

	t.Run("what decide does to its arguments is not stored", func(t *testing.T) {
		l := newLedger(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		err := l.Update(t.Context(), wantC.Key, wantW.Key, func(c guard.Claim, w guard.Window) (guard.Claim, guard.Window) {
			c.Finding.Title = "scribbled"
			w.Pending.Actions[0].Count = 99
			w.Sending.Count = 99
			return guard.Claim{}, guard.Window{}
		})
		if err != nil {
			t.Fatal(err)
		}
		c, w := read(t, l, wantC.Key, wantW.Key)
		if diff := cmp.Diff(wantC, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantW, w); diff != "" {
			t.Errorf("window (-want +got):\n%s", diff)
		}
	})

	t.Run("keys are taken as they are", func(t *testing.T) {
		l := newLedger(t)
		keys := []string{"a/1", "a/1/", "a/10", "A/1", "a/1 ", "a//1", "/", "a/\u00e9\U0001f511", "a/#%2F", "a/" + strings.Repeat("x", 600)}
		for i, k := range keys {
			put(t, l, guard.Claim{Key: k, State: guard.Sent, Attempts: i + 1}, guard.Window{Key: k, Total: i + 1})
		}
		for i, k := range keys {
			if c, w := read(t, l, k, k); c.Key != k || c.Attempts != i+1 || w.Key != k || w.Total != i+1 {
				t.Errorf("under %.20q: claim %.20q with %d attempts, window %.20q with total %d, want %d of each", k, c.Key, c.Attempts, w.Key, w.Total, i+1)
			}
		}
	})

	t.Run("one of many wins a claim", func(t *testing.T) {
		l := newLedger(t)
		const n = 16
		wins := make(chan int, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var won bool
				err := retry(t.Context(), func(ctx context.Context) error {
					return l.Update(ctx, "a/1", "", func(c guard.Claim, _ guard.Window) (guard.Claim, guard.Window) {
						if won = c.State == ""; !won {
							return guard.Claim{}, guard.Window{}
						}
						return guard.Claim{Key: "a/1", State: guard.Leased, Attempts: i}, guard.Window{}
					})
				})
				if err != nil {
					t.Errorf("claiming: %v", err)
				}
				if won {
					wins <- i
				}
			})
		}
		wg.Wait()
		if len(wins) != 1 {
			t.Fatalf("%d won the claim", len(wins))
		}
		if c, _ := read(t, l, "a/1", ""); c.Attempts != <-wins {
			t.Errorf("the claim is not the winner's: %+v", c)
		}
	})

	t.Run("no count is lost", func(t *testing.T) {
		l := newLedger(t)
		const n, each = 8, 10
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					key := fmt.Sprintf("a/%d-%d", i, j)
					err := retry(t.Context(), func(ctx context.Context) error {
						return l.Update(ctx, key, "a/s/f", func(c guard.Claim, w guard.Window) (guard.Claim, guard.Window) {
							if c.Key != "" {
								return guard.Claim{}, guard.Window{} // stored by an attempt whose answer got lost
							}
							w.Key = "a/s/f"
							w.Total++
							return guard.Claim{Key: key, State: guard.Folded}, w
						})
					})
					if err != nil {
						t.Errorf("counting: %v", err)
					}
				}
			})
		}
		wg.Wait()
		if _, w := read(t, l, "a/1", "a/s/f"); w.Total != n*each {
			t.Errorf("total is %d, want %d", w.Total, n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		l := newLedger(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c, w := fullRows()
		err := l.Update(ctx, c.Key, w.Key, func(guard.Claim, guard.Window) (guard.Claim, guard.Window) { return c, w })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Update: %v, want context.Canceled", err)
		}
		if _, err := l.Due(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Due: %v, want context.Canceled", err)
		}
		if c, w := read(t, l, c.Key, w.Key); c.Key != "" || w.Key != "" {
			t.Errorf("stored claim %q, window %q", c.Key, w.Key)
		}
	})

	t.Run("due", func(t *testing.T) { testDue(t, newLedger(t)) })
}

func testDue(t *testing.T, l guard.Ledger) {
	t.Helper()
	at := t0.Add(time.Hour)
	pending := guard.Held{Count: 1}
	for _, w := range []guard.Window{
		{Key: "third", Until: at, Pending: pending},
		{Key: "first", Until: at.Add(-time.Hour), Pending: pending},
		{Key: "second", Until: at.Add(-time.Nanosecond), Sending: &pending},
		{Key: "later", Until: at.Add(time.Nanosecond), Pending: pending},
		{Key: "told", Until: at.Add(-time.Hour)},
		{Key: "very early", Pending: pending}, // a record without a time
	} {
		put(t, l, guard.Claim{}, w)
	}
	check := func(at time.Time, limit int, want ...string) {
		t.Helper()
		due, err := l.Due(t.Context(), at, limit)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]string, 0, len(due))
		for _, w := range due {
			got = append(got, w.Key)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("due by %v, at most %d (-want +got):\n%s", at, limit, diff)
		}
	}
	check(at, 10, "very early", "first", "second", "third")
	check(at, 2, "very early", "first")
	check(at.Add(-time.Nanosecond), 10, "very early", "first", "second")
	check(at.Add(24*time.Hour), 10, "very early", "first", "second", "third", "later")

	// A window that changes is due as it is now, and once.
	put(t, l, guard.Claim{}, guard.Window{Key: "first", Until: at.Add(-time.Hour)})
	put(t, l, guard.Claim{}, guard.Window{Key: "second", Until: at.Add(time.Hour), Sending: &pending})
	put(t, l, guard.Claim{}, guard.Window{Key: "told", Until: at.Add(-2 * time.Hour), Pending: pending})
	check(at, 10, "very early", "told", "third")
	check(at.Add(time.Hour), 10, "very early", "told", "third", "later", "second")
}

// retry repeats what an adapter may refuse under contention.
func retry(ctx context.Context, do func(context.Context) error) error {
	var err error
	for range 20 {
		if err = do(ctx); err == nil {
			return nil
		}
	}
	return err
}
