package bolt_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/alert"
	"rootguard/internal/bolt"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/guardtest"
	"rootguard/internal/repeats"
	"rootguard/internal/testenv"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func open(tb testing.TB, path string) *bolt.Store {
	tb.Helper()
	s, err := bolt.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() }) // a test that closed it has checked the error
	return s
}

func closeStore(t *testing.T, s *bolt.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatalf("closing: %v", err)
	}
}

func newStore(tb testing.TB) *bolt.Store {
	tb.Helper()
	return open(tb, filepath.Join(tb.TempDir(), "store.db"))
}

func newBatched(tb testing.TB, every int) *bolt.Store {
	tb.Helper()
	s := newStore(tb)
	if err := s.Batch(every, nil); err != nil {
		tb.Fatal(err)
	}
	return s
}

func TestClaims(t *testing.T) {
	guardtest.Claims(t, func(t *testing.T) guard.Claims { t.Helper(); return newStore(t) })
}

func TestClaimsInABatch(t *testing.T) {
	for _, every := range []int{1, 3, 1000} {
		t.Run(strconv.Itoa(every), func(t *testing.T) {
			guardtest.Claims(t, func(t *testing.T) guard.Claims { t.Helper(); return newBatched(t, every) })
		})
	}
}

func TestJournal(t *testing.T) {
	guardtest.Facts(t, func(t *testing.T) guard.Facts { t.Helper(); return newStore(t) })
	guardtest.FactRows(t, func(t *testing.T) guardtest.FactsAndRows { t.Helper(); return newStore(t) })
}

func TestJournalInABatch(t *testing.T) {
	guardtest.Facts(t, func(t *testing.T) guard.Facts { t.Helper(); return newBatched(t, 1000) })
}

func finding(account, event string, at time.Time) *detect.Finding {
	return &detect.Finding{ID: detect.RootActivity, Account: account, EventID: event, EventTime: at}
}

func putClaim(t *testing.T, s *bolt.Store, c guard.Claim) {
	t.Helper()
	err := s.Update(t.Context(), c.Key, "", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) { return c, repeats.Series{} })
	if err != nil {
		t.Fatal(err)
	}
}

func putGroup(t *testing.T, s *bolt.Store, gr guard.Group) {
	t.Helper()
	err := s.UpdateGroup(t.Context(), gr.Key, func(guard.Group) guard.Group { return gr })
	if err != nil {
		t.Fatal(err)
	}
}

func claimKeys(t *testing.T, s *bolt.Store, account string) []string {
	t.Helper()
	var got []string
	if err := s.Claims(t.Context(), account, func(c guard.Claim) error { got = append(got, c.Key); return nil }); err != nil {
		t.Fatal(err)
	}
	return got
}

func TestQueries(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder", "and another", "store.db")
	s := open(t, path)
	long := strings.Repeat("x", 40_000) // more than bbolt takes as a key
	for _, c := range []guard.Claim{
		{Key: "2/late", Finding: finding("2", "late", t0.Add(time.Hour))},
		{Key: "1/early", Finding: finding("1", "early", t0.Add(-time.Hour))},
		{Key: "2/same", Finding: finding("2", "same", t0)},
		{Key: "1/same", Finding: finding("1", "same", t0)},
		{Key: "1/nano", Finding: finding("1", "nano", t0.Add(time.Nanosecond))},
		{Key: "1/no time", Finding: finding("1", "no time", time.Time{})},
		{Key: "1/1969", Finding: finding("1", "1969", time.Date(1969, 12, 31, 23, 0, 0, 0, time.UTC))},
		{Key: "3/" + long, Finding: finding("3"+long, long, t0.Add(2*time.Hour))},
		{Key: "2/same\x00x", Finding: finding("2", "same\x00x", t0.Add(3*time.Hour))},
		{Key: "group/1/s/f"},
	} {
		putClaim(t, s, c)
	}
	if _, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "0", ID: "f"}, {Account: "1", ID: "f"}}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []guard.Group{
		{Key: "b", Opened: t0, Finding: *finding("1", "e", t0)},
		{Key: "a", Opened: t0, Finding: *finding("2", "e", t0)},
		{Key: "c", Opened: t0.Add(-time.Hour), Finding: *finding("1", "e", t0)},
	} {
		putGroup(t, s, w)
	}

	check := func(t *testing.T, s *bolt.Store) {
		t.Helper()
		accounts, err := s.Accounts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"0", "1", "2"}, accounts[:3]); diff != "" || len(accounts) != 4 {
			t.Errorf("%d accounts (-want +got):\n%s", len(accounts), diff)
		}
		for account, want := range map[string][]string{
			"1": {"1/no time", "1/1969", "1/early", "1/same", "1/nano"},
			"2": {"2/same", "2/late", "2/same\x00x"},
			"0": nil,
			"":  {"1/no time", "1/1969", "1/early", "1/same", "2/same", "1/nano", "2/late", "3/" + long, "2/same\x00x"},
		} {
			if diff := cmp.Diff(want, claimKeys(t, s, account)); diff != "" {
				t.Errorf("claims of account %q (-want +got):\n%s", account, diff)
			}
		}
		for event, want := range map[string]int{"same": 2, "same\x00x": 1, "late": 1, long: 1, "sam": 0, "": 0, "group/1/s/f": 0} {
			claims, err := s.Claim(t.Context(), event)
			if err != nil {
				t.Fatal(err)
			}
			if len(claims) != want {
				t.Errorf("event %.20q has %d claims, want %d", event, len(claims), want)
			}
		}
		for account, want := range map[string][]string{"": {"c", "a", "b"}, "1": {"c", "b"}, "3": nil} {
			groups, err := s.Groups(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, w := range groups {
				got = append(got, w.Key)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("groups of account %q (-want +got):\n%s", account, diff)
			}
		}
	}
	check(t, s)
	closeStore(t, s)
	readOnly, err := bolt.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	check(t, readOnly)
	closeStore(t, readOnly)
}

func TestClaimsEndsWhereItIsStopped(t *testing.T) {
	s := newStore(t)
	for i := range 3 {
		k := strconv.Itoa(i)
		putClaim(t, s, guard.Claim{Key: k, Finding: finding("1", k, t0)})
	}
	enough := errors.New("enough")
	n := 0
	err := s.Claims(t.Context(), "", func(guard.Claim) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		t.Errorf("%d claims, %v", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	n = 0
	err = s.Claims(ctx, "", func(guard.Claim) error { n++; cancel(); return nil })
	if !errors.Is(err, context.Canceled) || n != 1 {
		t.Errorf("%d claims, %v", n, err)
	}
}

// TestClaimMovesInTheIndex holds that a claim whose finding changes is listed once.
func TestClaimMovesInTheIndex(t *testing.T) {
	s := newStore(t)
	putClaim(t, s, guard.Claim{Key: "k", Finding: finding("1", "old", t0)})
	putClaim(t, s, guard.Claim{Key: "k", Finding: finding("2", "new", t0.Add(time.Hour))})
	if got := claimKeys(t, s, ""); !slices.Equal(got, []string{"k"}) {
		t.Errorf("claims: %v", got)
	}
	if old, err := s.Claim(t.Context(), "old"); err != nil || len(old) != 0 {
		t.Errorf("under the old event: %v, %v", old, err)
	}
	putClaim(t, s, guard.Claim{Key: "k"})
	if got := claimKeys(t, s, ""); len(got) != 0 {
		t.Errorf("claims: %v", got)
	}
}

func TestOneProcessWritesAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	for name, open := range map[string]func(string) (*bolt.Store, error){"to write": bolt.Open, "to read": bolt.OpenReadOnly} {
		start := time.Now()
		if _, err := open(path); !errors.Is(err, bolt.ErrLocked) {
			t.Errorf("opened %s while another writes: %v", name, err)
		}
		if took := time.Since(start); took < time.Second || took > 10*time.Second {
			t.Errorf("opening %s gave up after %v", name, took)
		}
	}
	closeStore(t, s)

	a, err := bolt.OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	b, err := bolt.OpenReadOnly(path)
	if err != nil {
		t.Fatalf("two readers: %v", err)
	}
	if _, err := a.Add(t.Context(), []bootstrap.Fact{{Account: "1", ID: "f"}}); err == nil {
		t.Error("a reader wrote")
	}
	closeStore(t, a)
	closeStore(t, b)
}

func TestWhatIsNotAStore(t *testing.T) {
	dir := t.TempDir()
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	database := func(name string, fill func(*bbolt.Tx) error) string {
		path := filepath.Join(dir, name)
		db, err := bbolt.Open(path, 0o600, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Update(fill); err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	withSchema := func(version string) func(*bbolt.Tx) error {
		return func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucket([]byte("meta"))
			if err != nil {
				return err
			}
			return b.Put([]byte("schema"), []byte(version))
		}
	}
	good := filepath.Join(dir, "good.db")
	s := open(t, good)
	for i := range 200 {
		putClaim(t, s, guard.Claim{Key: strconv.Itoa(i), Finding: finding("1", strings.Repeat("x", 500), t0)})
	}
	closeStore(t, s)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	scribbled := slices.Clone(whole)
	for i := 4 * 4096; i < len(scribbled); i++ {
		scribbled[i] ^= 0xa5
	}

	for name, tt := range map[string]struct {
		path  string
		write error // of Open
		read  error // of OpenReadOnly
	}{
		"text":                    {file("text", []byte("hello")), bolt.ErrNotStore, bolt.ErrNotStore},
		"much text":               {file("much", []byte(strings.Repeat("hello\n", 10_000))), bolt.ErrNotStore, bolt.ErrNotStore},
		"zeros":                   {file("zeros", make([]byte, 1<<16)), bolt.ErrNotStore, bolt.ErrNotStore},
		"an empty file":           {file("empty", nil), nil, bolt.ErrNotStore},
		"cut off":                 {file("cut", whole[:len(whole)/2]), bolt.ErrNotStore, bolt.ErrNotStore},
		"cut off after its head":  {file("cut2", whole[:2*4096]), bolt.ErrNotStore, bolt.ErrNotStore},
		"scribbled over":          {file("scribbled", scribbled), bolt.ErrNotStore, bolt.ErrNotStore},
		"another bbolt database":  {database("other", func(tx *bbolt.Tx) error { _, err := tx.CreateBucket([]byte("x")); return err }), bolt.ErrNotStore, bolt.ErrNotStore},
		"a bbolt database, empty": {database("bare", func(*bbolt.Tx) error { return nil }), nil, bolt.ErrNotStore},
		"of a newer version":      {database("newer", withSchema("3")), bolt.ErrNewer, bolt.ErrNewer},
		"without a version":       {database("no version", withSchema("x")), bolt.ErrNotStore, bolt.ErrNotStore},
		"without its buckets":     {database("no buckets", withSchema("1")), bolt.ErrNotStore, bolt.ErrNotStore},
		"a folder":                {dir, errors.ErrUnsupported, bolt.ErrNotStore},
		"below a file":            {filepath.Join(good, "x.db"), errors.ErrUnsupported, errors.ErrUnsupported},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(how string, open func(string) (*bolt.Store, error), want error) {
				t.Helper()
				s, err := open(tt.path)
				switch {
				case want == nil && err != nil:
					t.Errorf("%s: %v", how, err)
				case errors.Is(want, errors.ErrUnsupported): // any other error
					if err == nil || errors.Is(err, bolt.ErrNotStore) || errors.Is(err, bolt.ErrLocked) {
						t.Errorf("%s: %v", how, err)
					}
				case !errors.Is(err, want):
					t.Errorf("%s: %v, want %v", how, err, want)
				}
				if err == nil {
					closeStore(t, s)
				}
			}
			check("to read", bolt.OpenReadOnly, tt.read)
			check("to write", bolt.Open, tt.write)
		})
	}
	if _, err := bolt.OpenReadOnly(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "absent")); !errors.Is(err, fs.ErrNotExist) {
		t.Error("opening an absent store to read made one")
	}
	closeStore(t, open(t, good))
}

// detector takes every record for root at work, in one session.
type detector struct{}

func (detector) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Matched, Finding: detect.Finding{
		ID: detect.RootActivity, Severity: detect.High, Title: "Root activity", Account: rec.Account(), Session: "s",
		EventID: rec.EventID, EventTime: rec.EventTime, EventSource: rec.EventSource, EventName: rec.EventName,
		Actor: detect.Actor{Type: "Root", Name: "root"}, NextStep: "Ask.",
	}}
}

func record(i int) *cloudtrail.Record {
	return &cloudtrail.Record{
		EventID: fmt.Sprintf("event-%08d", i), EventTime: t0.Add(time.Duration(i) * time.Second),
		EventSource: "ec2.amazonaws.com", EventName: fmt.Sprintf("Describe%d", i%40), EventType: "AwsApiCall",
		RecipientAccountID: "123456789012", ReadOnly: cloudtrail.Yes,
		UserIdentity: cloudtrail.UserIdentity{Type: "Root", AccountID: "123456789012", PrincipalID: "123456789012"},
	}
}

func newGuard(s *bolt.Store, pub guard.Publisher) *guard.Guard {
	return guard.New(guard.Deps{
		Detector: detector{}, Claims: s, Facts: s, Publisher: pub, Now: func() time.Time { return t0 },
	}, guard.Settings{Lease: time.Nanosecond})
}

func handle(t *testing.T, g *guard.Guard, n int) map[guard.Disposition]int {
	t.Helper()
	got := map[guard.Disposition]int{}
	for i := range n {
		res, err := g.Handle(t.Context(), record(i))
		if err != nil {
			t.Fatal(err)
		}
		got[res.Disposition]++
	}
	return got
}

// TestHandlingAgainAlertsNothing closes the store in between, in each mode.
func TestHandlingAgainAlertsNothing(t *testing.T) {
	for name, every := range map[string]int{"alone": 0, "batched": 100} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "store.db")
			pub := &fake.Publisher{}
			run := func() map[guard.Disposition]int {
				s := open(t, path)
				if every > 0 {
					if err := s.Batch(every, nil); err != nil {
						t.Fatal(err)
					}
				}
				g := newGuard(s, pub)
				got := handle(t, g, 250)
				if _, err := g.Flush(t.Context(), t0.Add(24*time.Hour)); err != nil {
					t.Fatal(err)
				}
				closeStore(t, s)
				return got
			}
			if diff := cmp.Diff(map[guard.Disposition]int{guard.Alerted: 1, guard.RolledUp: 249}, run()); diff != "" {
				t.Errorf("first (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[guard.Disposition]int{guard.Duplicate: 250}, run()); diff != "" {
				t.Errorf("again (-want +got):\n%s", diff)
			}
			sent := pub.Published()
			if len(sent) != 2 || sent[1].Kind != alert.RollUp || sent[1].Count != 249 {
				t.Errorf("%d alerts: %+v", len(sent), sent)
			}
		})
	}
}

// TestDeathInABatch checks the file as a death would leave it, after every
// number of records, and goes on from there.
func TestDeathInABatch(t *testing.T) {
	const records, every = 12, 10
	for died := range records + 1 {
		path := filepath.Join(t.TempDir(), "store.db")
		out := &fake.Publisher{} // what has left the process
		held := []alert.Alert{}  // what it still buffers
		s := open(t, path)
		err := s.Batch(every, func() error {
			for _, a := range held {
				if err := out.Publish(t.Context(), a); err != nil {
					return err
				}
			}
			held = nil
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		g := newGuard(s, publisherFunc(func(a alert.Alert) error { held = append(held, a); return nil }))
		handle(t, g, died)
		left, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		after := path + ".after"
		if err := os.WriteFile(after, left, 0o600); err != nil {
			t.Fatal(err)
		}

		again := open(t, after)
		g = newGuard(again, out)
		handle(t, g, records)
		if _, err := g.Flush(t.Context(), t0.Add(time.Hour)); err != nil {
			t.Fatal(err)
		}
		sent := map[string]int{}
		counted := 0
		for _, a := range out.Published() {
			if sent[a.ID]++; sent[a.ID] == 1 {
				counted += max(1, a.Count)
			}
		}
		if counted != records {
			t.Errorf("died after %d: alerted %d events, want %d", died, counted, records)
		}
		for id, n := range sent {
			if n > 2 {
				t.Errorf("died after %d: alert %s was sent %d times", died, id, n)
			}
		}
		closeStore(t, again)
		closeStore(t, s)
	}
}

type publisherFunc func(alert.Alert) error

func (f publisherFunc) Publish(_ context.Context, a alert.Alert) error { return f(a) }

func TestBatchCommits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	flushes := 0
	if err := s.Batch(3, func() error { flushes++; return nil }); err != nil {
		t.Fatal(err)
	}
	claim := func(n int) {
		k := strconv.Itoa(n)
		putClaim(t, s, guard.Claim{Key: k, Finding: finding("1", k, t0)})
	}
	check := func(what string, wantFlushes, wantStored int) {
		t.Helper()
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen := filepath.Join(t.TempDir(), "seen.db")
		if err := os.WriteFile(seen, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := bolt.OpenReadOnly(seen)
		if err != nil {
			t.Fatal(err)
		}
		if stored := len(claimKeys(t, r, "")); stored != wantStored || flushes != wantFlushes {
			t.Errorf("%s: %d flushes, %d stored, want %d, %d", what, flushes, stored, wantFlushes, wantStored)
		}
		closeStore(t, r)
	}
	claim(1)
	claim(2)
	check("two writes", 0, 0)
	if got := claimKeys(t, s, ""); len(got) != 2 {
		t.Errorf("the batch itself sees %v", got)
	}
	claim(3)
	check("three writes", 1, 3)
	claimKeys(t, s, "")
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	check("a commit of nothing", 1, 3)
	claim(4)
	if err := s.Commit(); err != nil {
		t.Fatal(err)
	}
	check("a commit", 2, 4)
	claim(5)
	closeStore(t, s)
	check("closed", 3, 5)
}

// TestOutputThatFailsUndoesTheBatch holds that nothing is on record as reported
// that may not have left the process.
func TestOutputThatFailsUndoesTheBatch(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	full := errors.New("disk full")
	if err := s.Batch(2, func() error { return full }); err != nil {
		t.Fatal(err)
	}
	putClaim(t, s, guard.Claim{Key: "1", Finding: finding("1", "1", t0)})
	keep := func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
		return guard.Claim{Key: "2", Finding: finding("1", "2", t0)}, repeats.Series{}
	}
	if err := s.Update(t.Context(), "2", "", keep); !errors.Is(err, full) {
		t.Errorf("the write that commits: %v", err)
	}
	if err := s.Update(t.Context(), "2", "", keep); !errors.Is(err, full) {
		t.Errorf("a later write: %v", err)
	}
	if _, err := s.Facts(t.Context(), "1"); !errors.Is(err, full) {
		t.Errorf("a later read: %v", err)
	}
	if err := s.Close(); !errors.Is(err, full) {
		t.Errorf("closing: %v", err)
	}
	if got := claimKeys(t, open(t, path), ""); len(got) != 0 {
		t.Errorf("stored: %v", got)
	}
}

// TestDamagedRows holds that a row which cannot be read is an error, and not an
// event that was never seen.
func TestDamagedRows(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	due := guard.Group{Key: "w", Until: t0, Batches: 1, Finding: *finding("1", "e", t0)}
	putClaim(t, s, guard.Claim{Key: "c", Finding: finding("1", "e", t0)})
	putGroup(t, s, due)
	err := s.Update(t.Context(), "none", "s", func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series) {
		return guard.Claim{}, repeats.Series{Key: "s"}
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Add(t.Context(), []bootstrap.Fact{{Account: "1", ID: "f"}}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)

	db, err := bbolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		return errors.Join(
			tx.Bucket([]byte("claims")).Put([]byte("c"), []byte("{")),
			tx.Bucket([]byte("series")).Put([]byte("s"), []byte("{")),
			tx.Bucket([]byte("windows")).Put([]byte("w"), []byte("{")),
			tx.Bucket([]byte("facts")).Bucket([]byte("=1")).Put([]byte("f"), []byte("{")),
		)
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}

	s = open(t, path)
	ctx := t.Context()
	same := func(c guard.Claim, w repeats.Series) (guard.Claim, repeats.Series) { return c, w }
	for name, do := range map[string]func() error{
		"Update of the claim":  func() error { return s.Update(ctx, "c", "", same) },
		"Update of the series": func() error { return s.Update(ctx, "x", "s", same) },
		"UpdateGroup":          func() error { return s.UpdateGroup(ctx, "w", func(gr guard.Group) guard.Group { return gr }) },
		"Read":                 func() error { _, err := s.Read(ctx, []string{"c"}); return err },
		"Due":                  func() error { _, err := s.Due(ctx, t0, 1); return err },
		"Add":                  func() error { _, err := s.Add(ctx, []bootstrap.Fact{{Account: "1", ID: "f"}}); return err },
		"Fact":                 func() error { _, _, err := s.Fact(ctx, "1", "f"); return err },
		"Facts":                func() error { _, err := s.Facts(ctx, "1"); return err },
		"Claims":               func() error { return s.Claims(ctx, "", func(guard.Claim) error { return nil }) },
		"Claim":                func() error { _, err := s.Claim(ctx, "e"); return err },
		"Groups":               func() error { _, err := s.Groups(ctx, ""); return err },
	} {
		if err := do(); err == nil || !strings.Contains(err.Error(), "decoding") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamagedPages holds that a damaged page is an error where it is met, and
// that the file can be closed after that. bbolt panics.
func TestDamagedPages(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good.db")
	s := open(t, good)
	if err := s.Batch(100, nil); err != nil {
		t.Fatal(err)
	}
	handle(t, newGuard(s, &fake.Publisher{}), 300)
	closeStore(t, s)
	whole, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	met := 0
	for _, batch := range []int{0, 2} {
		for page := 2; page < len(whole)/4096; page += testenv.Size(3, 12) {
			path := filepath.Join(dir, fmt.Sprintf("bad%d-%d.db", batch, page))
			bad := slices.Clone(whole)
			for i := page * 4096; i < (page+1)*4096; i++ {
				bad[i] ^= 0xa5
			}
			if err := os.WriteFile(path, bad, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := bolt.Open(path)
			if errors.Is(err, bolt.ErrNotStore) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if batch > 0 {
				if err := s.Batch(batch, nil); err != nil {
					t.Fatal(err)
				}
			}
			g := newGuard(s, &fake.Publisher{})
			var errs []error
			for i := range 6 {
				_, err := g.Handle(t.Context(), record(i*53))
				errs = append(errs, err)
			}
			errs = append(errs, s.Claims(t.Context(), "", func(guard.Claim) error { return nil }))
			_, err = s.Facts(t.Context(), "123456789012")
			errs = append(errs, err)
			for _, err := range append(errs, s.Close()) {
				if err == nil {
					continue
				}
				if met++; !errors.Is(err, bolt.ErrNotStore) && !strings.Contains(err.Error(), "decoding") {
					t.Errorf("page %d: %v", page, err)
				}
			}
		}
	}
	if met == 0 {
		t.Error("no damage was met")
	}
}
