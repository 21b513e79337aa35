package guardtest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/alert"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/repeats"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 123456789, time.UTC)

// keep is a decide that changes nothing.
func keep(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
	return guard.Claim{}, repeats.Series{}
}

// read returns what is stored under two keys.
func read(t *testing.T, l guard.ClaimRows, claimKey, seriesKey string) (c guard.Claim, w repeats.Series) {
	t.Helper()
	err := l.Update(t.Context(), claimKey, seriesKey, func(gotC guard.Claim, gotW repeats.Series) (guard.Claim, repeats.Series) {
		c, w = gotC, gotW
		return guard.Claim{}, repeats.Series{}
	})
	if err != nil {
		t.Fatalf("reading %q, %q: %v", claimKey, seriesKey, err)
	}
	return c, w
}

// put stores rows whatever is there.
func put(t *testing.T, l guard.ClaimRows, c guard.Claim, w repeats.Series) {
	t.Helper()
	claimKey := c.Key
	if claimKey == "" {
		claimKey = "a claim that is not stored"
	}
	err := l.Update(t.Context(), claimKey, w.Key, func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) { return c, w })
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
		Actor: detect.Actor{Type: "Root", Name: "root", ARN: "arn:aws:iam::123456789012:root", PrincipalID: "123456789012",
			AccessKeyID: "ASIAEXAMPLE"},
		Target: detect.Target{UserName: "eve", UserID: "AIDAEXAMPLE", Resource: "r"}, MFA: cloudtrail.No,
		Session: "arn:aws:iam::123456789012:root@2025-03-01T11:00:00Z",
		CIS:     []string{"1.7"}, ATTACK: []string{"T1078.004"}, NextStep: "Ask.",
	}
}

func fullRows() (guard.Claim, repeats.Series) {
	f, of := fullFinding(), fullFinding()
	return guard.Claim{
			Key: "123456789012/11111111-2222", State: guard.Leased, LeaseUntil: t0.Add(45 * time.Second), Attempts: 2,
			Kind: alert.Escalation, Finding: &f, AlertID: "abc", Series: "123456789012/s/root.activity", DeliveredTo: []string{"topic"},
			IncidentPending: true,
			Group:           "123456789012/s/root.activity/2025-03-01T12:00:00Z", Throttled: true, Soon: true,
			Cut:      &guard.Cut{Severity: detect.High, Late: true},
			Incident: &alert.Incident{ID: "7K4Q2-X2M9P", Repeat: 1, Repeats: 2}, Cycle: 3,
		}, repeats.Series{
			Key: "123456789012/s/root.activity", Finding: &of,
			Grants:   []repeats.Grant{{Claim: "c", Time: t0, At: t0.Add(time.Nanosecond), Severity: detect.High, Escalation: true}},
			Quiet:    []repeats.Quiet{{Opened: t0, Severity: detect.Low, Escalated: true}},
			Attempts: []repeats.Attempt{{Claim: "c", At: t0, User: "eve", Address: "192.0.2.1", Account: "1"}},
		}
}

func fullGroup() guard.Group {
	held := guard.Held{
		Count: 3, Actions: []alert.Action{{Name: "iam:CreateUser", Target: "eve", Count: 2}}, Omitted: 1,
		First: t0.Add(time.Second), Last: t0.Add(time.Minute), Severity: detect.High,
	}
	return guard.Group{
		Key: "123456789012/s/root.activity/2025-03-01T12:00:00Z", Series: "123456789012/s/root.activity",
		Opened: t0, Until: t0.Add(15 * time.Minute), Batches: 4, Sent: 2, Since: t0.Add(time.Hour), Failures: 3, Retry: t0.Add(20 * time.Minute),
		Finding: fullFinding(),
		Alerted: 1, RollUps: 4, Pending: held, Sending: &held,
	}
}

// putGroup stores a group whatever is there.
func putGroup(t *testing.T, l guard.Groups, gr guard.Group) {
	t.Helper()
	if err := l.UpdateGroup(t.Context(), gr.Key, func(guard.Group) guard.Group { return gr }); err != nil {
		t.Fatalf("storing group %q: %v", gr.Key, err)
	}
}

// group returns what is under a key.
func group(t *testing.T, l guard.Groups, key string) (got guard.Group) {
	t.Helper()
	if err := l.UpdateGroup(t.Context(), key, func(gr guard.Group) guard.Group { got = gr; return guard.Group{} }); err != nil {
		t.Fatalf("reading group %q: %v", key, err)
	}
	return got
}

// Claims runs the contract of guard.Claims. newClaims returns an empty one.
func Claims(t *testing.T, newClaims func(t *testing.T) guard.Claims) {
	t.Helper()
	t.Run("absent rows are zero", func(t *testing.T) {
		c, w := read(t, newClaims(t), "a/1", "a/s/f")
		if diff := cmp.Diff(guard.Claim{}, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(repeats.Series{}, w); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	})

	t.Run("rows come back whole", func(t *testing.T) {
		l := newClaims(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		c, w := read(t, l, wantC.Key, wantW.Key)
		if diff := cmp.Diff(wantC, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantW, w); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
		claims, err := l.Read(t.Context(), []string{"a/none", wantC.Key})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]guard.Claim{{}, wantC}, claims); diff != "" {
			t.Errorf("claims (-want +got):\n%s", diff)
		}
		want := fullGroup()
		putGroup(t, l, want)
		if diff := cmp.Diff(want, group(t, l, want.Key)); diff != "" {
			t.Errorf("group (-want +got):\n%s", diff)
		}
		if none := group(t, l, "123456789012/s/other"); none.Key != "" {
			t.Errorf("an absent group: %+v", none)
		}
		due, err := l.Due(t.Context(), want.Due(), 10)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]guard.Group{want}, due); diff != "" {
			t.Errorf("due (-want +got):\n%s", diff)
		}
	})

	t.Run("a row without a key leaves what was there", func(t *testing.T) {
		l := newClaims(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		if err := l.Update(t.Context(), wantC.Key, wantW.Key, keep); err != nil {
			t.Fatal(err)
		}
		c, w := read(t, l, wantC.Key, wantW.Key)
		if c.Key == "" || w.Key == "" {
			t.Errorf("claim %q, series %q are gone", c.Key, w.Key)
		}
		// One row of the two is stored alone.
		wantC.Attempts, wantW.Grants = 77, nil
		put(t, l, wantC, repeats.Series{})
		if c, w = read(t, l, wantC.Key, wantW.Key); c.Attempts != 77 || len(w.Grants) != 1 {
			t.Errorf("after storing the claim alone: attempts %d, %d grants", c.Attempts, len(w.Grants))
		}
		put(t, l, guard.Claim{}, wantW)
		if _, w = read(t, l, wantC.Key, wantW.Key); len(w.Grants) != 0 || w.Key == "" {
			t.Errorf("after storing the series alone: %+v", w)
		}
	})

	t.Run("without the key of a series there is none", func(t *testing.T) {
		l := newClaims(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		if c, w := read(t, l, wantC.Key, ""); c.Key != wantC.Key || w.Key != "" {
			t.Errorf("claim %q, series %q", c.Key, w.Key)
		}
	})

	t.Run("what decide does to its arguments is not stored", func(t *testing.T) {
		l := newClaims(t)
		wantC, wantW := fullRows()
		put(t, l, wantC, wantW)
		err := l.Update(t.Context(), wantC.Key, wantW.Key, func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
			c.Finding.Title = "scribbled"
			w.Grants[0].Claim = "scribbled"
			w.Finding.Title = "scribbled"
			return guard.Claim{}, repeats.Series{}
		})
		if err != nil {
			t.Fatal(err)
		}
		c, w := read(t, l, wantC.Key, wantW.Key)
		if diff := cmp.Diff(wantC, c); diff != "" {
			t.Errorf("claim (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(wantW, w); diff != "" {
			t.Errorf("series (-want +got):\n%s", diff)
		}
	})

	t.Run("keys are taken as they are", func(t *testing.T) {
		l := newClaims(t)
		keys := []string{"a/1", "a/1/", "a/10", "A/1", "a/1 ", "a//1", "/", "a/\u00e9\U0001f511", "a/#%2F", "a/" + strings.Repeat("x", 600)}
		for i, k := range keys {
			put(t, l, guard.Claim{Key: k, State: guard.Sent, Attempts: i + 1}, repeats.Series{Key: k, Attempts: []repeats.Attempt{{Claim: k}}})
		}
		for i, k := range keys {
			if c, w := read(t, l, k, k); c.Key != k || c.Attempts != i+1 || w.Key != k || len(w.Attempts) != 1 || w.Attempts[0].Claim != k {
				t.Errorf("under %.20q: claim %.20q with %d attempts, want %d, series %+v", k, c.Key, c.Attempts, i+1, w)
			}
		}
	})

	t.Run("one of many wins a claim", func(t *testing.T) {
		l := newClaims(t)
		const n = 16
		wins := make(chan int, n)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				var won bool
				err := retry(t.Context(), func(ctx context.Context) error {
					return l.Update(ctx, "a/1", "", func(c guard.Claim, _ repeats.Series) (guard.Claim, repeats.Series) {
						if won = c.State == ""; !won {
							return guard.Claim{}, repeats.Series{}
						}
						return guard.Claim{Key: "a/1", State: guard.Leased, Attempts: i}, repeats.Series{}
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
		l := newClaims(t)
		const n, each = 8, 10
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for j := range each {
					key := fmt.Sprintf("a/%d-%d", i, j)
					err := retry(t.Context(), func(ctx context.Context) error {
						return l.Update(ctx, key, "a/s/f", func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) {
							if c.Key != "" {
								return guard.Claim{}, repeats.Series{} // stored by an attempt whose answer got lost
							}
							w.Key = "a/s/f"
							w.Attempts = append(w.Attempts, repeats.Attempt{Claim: key})
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
		if _, w := read(t, l, "a/1", "a/s/f"); len(w.Attempts) != n*each {
			t.Errorf("%d are noted, want %d", len(w.Attempts), n*each)
		}
	})

	t.Run("a canceled context stores nothing", func(t *testing.T) {
		l := newClaims(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		c, w := fullRows()
		err := l.Update(ctx, c.Key, w.Key, func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) { return c, w })
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Update: %v, want context.Canceled", err)
		}
		if _, err := l.Due(ctx, t0, 1); !errors.Is(err, context.Canceled) {
			t.Errorf("Due: %v, want context.Canceled", err)
		}
		if err := l.UpdateGroup(ctx, "a/s/g", func(guard.Group) guard.Group { return guard.Group{Key: "a/s/g"} }); !errors.Is(err,
			context.Canceled) {
			t.Errorf("UpdateGroup: %v, want context.Canceled", err)
		}
		if _, err := l.Count(ctx, "a/s/g", 0, "a/1"); !errors.Is(err, context.Canceled) {
			t.Errorf("Count: %v, want context.Canceled", err)
		}
		if _, _, err := l.Counted(ctx, "a/s/g", 0, 1, "a/1"); !errors.Is(err, context.Canceled) {
			t.Errorf("Counted: %v, want context.Canceled", err)
		}
		if _, err := l.Seal(ctx, "a/s/g", 0); !errors.Is(err, context.Canceled) {
			t.Errorf("Seal: %v, want context.Canceled", err)
		}
		if claims, err := l.Seal(t.Context(), "a/s/g", 0); err != nil || len(claims) != 0 || group(t, l, "a/s/g").Key != "" {
			t.Errorf("stored a group, or %q, %v", claims, err)
		}
		if c, w := read(t, l, c.Key, w.Key); c.Key != "" || w.Key != "" {
			t.Errorf("stored claim %q, series %q", c.Key, w.Key)
		}
	})

	t.Run("due", func(t *testing.T) { testDue(t, newClaims(t)) })
	t.Run("batches", func(t *testing.T) { testBatches(t, newClaims(t)) })
	t.Run("a batch that is sealed while it is counted in", func(t *testing.T) { testSealed(t, newClaims(t)) })
}

func testBatches(t *testing.T, l guard.Claims) {
	t.Helper()
	count := func(group string, batch int, claim string, want bool) {
		t.Helper()
		for range 2 { // the second changes nothing
			if counted, err := l.Count(t.Context(), group, batch, claim); err != nil || counted != want {
				t.Errorf("counting %q in batch %d of %q: %v, %v, want %v", claim, batch, group, counted, err, want)
			}
		}
	}
	seal := func(group string, batch int, want ...string) {
		t.Helper()
		for range 2 {
			got, err := l.Seal(t.Context(), group, batch)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(want) || !slices.Equal(got, want) {
				t.Errorf("batch %d of %q has %q, want %q", batch, group, got, want)
			}
		}
	}
	long := "a/" + strings.Repeat("x", 600)
	count("a/s/f/1", 0, "a/2", true)
	count("a/s/f/1", 0, "a/1", true)
	count("a/s/f/1", 0, long, true)
	count("a/s/f/1", 1, "a/3", true)
	count("a/s/f/10", 0, "a/4", true)
	count("a/s/f", 0, "a/5", true)
	seal("a/s/f/1", 0, "a/1", "a/2", long)
	count("a/s/f/1", 0, "a/6", false) // it is closed
	count("a/s/f/1", 0, "a/2", true)  // but says what it has
	seal("a/s/f/1", 0, "a/1", "a/2", long)
	count("a/s/f/1", 1, "a/6", true)
	seal("a/s/f/1", 1, "a/3", "a/6")
	seal("a/s/f/1", 2)
	count("a/s/f/1", 2, "a/7", false)
	seal("a/s/f/3", 3)
	for _, tt := range []struct {
		group    string
		from, to int
		claim    string
		want     int // -1: none
	}{
		{"a/s/f/1", 0, 3, "a/1", 0},
		{"a/s/f/1", 0, 1, "a/1", 0},
		{"a/s/f/1", 0, 3, long, 0},
		{"a/s/f/1", 0, 3, "a/6", 1},
		{"a/s/f/1", 1, 2, "a/6", 1},
		{"a/s/f/1", 0, 1, "a/6", -1},
		{"a/s/f/1", 2, 3, "a/6", -1},
		{"a/s/f/1", 1, 1, "a/6", -1},
		{"a/s/f/1", 0, 3, "a/7", -1},
		{"a/s/f/1", 0, 3, "a/4", -1}, // of another group
		{"a/s/f/3", 0, 4, "a/1", -1}, // of batches that are not there
		{"a/s/f/3", 0, 300, "a/1", -1},
	} {
		batch, found, err := l.Counted(t.Context(), tt.group, tt.from, tt.to, tt.claim)
		if err != nil || found != (tt.want >= 0) || found && batch != tt.want {
			t.Errorf("%q in batches %d to %d of %q: %d, %v, %v, want %d", tt.claim, tt.from, tt.to, tt.group, batch, found, err, tt.want)
		}
	}
	if counted, err := l.Count(t.Context(), "a/s/f/3", 0, "a/1"); err != nil || !counted { // looking for it made none
		t.Errorf("counting in a batch that was looked into: %v, %v", counted, err)
	}
	seal("a/s/f/10", 0, "a/4")
	seal("a/s/f", 0, "a/5")
}

// testSealed holds that what was counted is in the batch, and what was refused is not.
func testSealed(t *testing.T, l guard.Claims) {
	t.Helper()
	const n = 40
	var counted [n]bool
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			err := retry(t.Context(), func(ctx context.Context) (err error) {
				counted[i], err = l.Count(ctx, "a/s/f/1", 0, fmt.Sprintf("a/%02d", i))
				return err
			})
			if err != nil {
				t.Errorf("counting: %v", err)
			}
		})
	}
	var first []string
	wg.Go(func() {
		err := retry(t.Context(), func(ctx context.Context) (err error) { first, err = l.Seal(ctx, "a/s/f/1", 0); return err })
		if err != nil {
			t.Errorf("sealing: %v", err)
		}
	})
	wg.Wait()
	for i := range n {
		if claim := fmt.Sprintf("a/%02d", i); slices.Contains(first, claim) != counted[i] {
			t.Errorf("%s: counted %v, and the batch is %q", claim, counted[i], first)
		}
	}
}

func testDue(t *testing.T, l guard.Claims) {
	t.Helper()
	at := t0.Add(time.Hour)
	for _, gr := range []guard.Group{
		{Key: "third", Until: at, Batches: 1},
		{Key: "first", Until: at.Add(-time.Hour), Batches: 3, Sent: 2},
		{Key: "second", Until: at.Add(-time.Nanosecond), Sending: &guard.Held{Count: 1}}, // of version 1
		{Key: "later", Until: at.Add(time.Nanosecond), Batches: 1},
		{Key: "put off", Until: at.Add(-time.Hour), Retry: at.Add(time.Minute), Failures: 1, Batches: 1},
		{Key: "sent", Until: at.Add(-time.Hour), Batches: 2, Sent: 2},
		{Key: "very early", Pending: guard.Held{Count: 1}},
	} {
		putGroup(t, l, gr)
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
	check(at.Add(24*time.Hour), 10, "very early", "first", "second", "third", "later", "put off")

	// A group that changes is due as it is now, and once.
	putGroup(t, l, guard.Group{Key: "first", Until: at.Add(-time.Hour), Batches: 3, Sent: 3})
	putGroup(t, l, guard.Group{Key: "second", Until: at.Add(time.Hour), Batches: 1})
	putGroup(t, l, guard.Group{Key: "sent", Until: at.Add(-2 * time.Hour), Batches: 3, Sent: 2})
	check(at, 10, "very early", "sent", "third")
	check(at.Add(time.Hour), 10, "very early", "sent", "third", "later", "put off", "second")
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
