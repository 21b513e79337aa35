package dynamodb_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
)

// withoutMFA is a mfadeadline.UserChecker by which every user has a password and no MFA.
type withoutMFA struct{}

func (withoutMFA) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	yes := true
	return bootstrap.LiveFact{UserName: name, ConsoleLogin: &yes}, nil
}

// sweepers is a table with users whose time is over.
type sweepers struct {
	client *sdk.Client
	table  string
	store  *dynamodb.Store
	pub    fake.Publisher
}

func newSweepers(tb testing.TB) *sweepers {
	tb.Helper()
	s := &sweepers{client: dynamotest.Client(dynamotest.Endpoint(tb))}
	s.table = dynamotest.Table(tb, s.client)
	s.store = dynamodb.New(s.client, s.table, time.Now)
	return s
}

// parts are a guard over the table, as another process would have it.
func (s *sweepers) parts(change ...func(*wire.Settings)) wire.Parts {
	settings := wire.DefaultSettings()
	for _, c := range change {
		c(&settings)
	}
	store := dynamodb.New(s.client, s.table, time.Now)
	return wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: store, Facts: store, Deadlines: store.Deadlines(), Publisher: &s.pub, Now: time.Now,
	}, settings)
}

// together is how many may write at the same time: moto fails where some do.
func together(n int) int {
	if os.Getenv(dynamotest.EndpointEnv) != "" {
		return 1
	}
	return n
}

// add has n users of an account get a password at t0.
func (s *sweepers) add(tb testing.TB, account string, n int) {
	tb.Helper()
	g := s.parts(func(s *wire.Settings) { s.Burst = map[detect.ID]int{} }).Guard
	next := make(chan int)
	var wg sync.WaitGroup
	for range together(4) {
		wg.Go(func() {
			for i := range next {
				name := fmt.Sprintf("user%05d", i)
				rec := &cloudtrail.Record{
					EventID: name, EventTime: t0, EventType: "AwsApiCall", EventSource: "iam.amazonaws.com", EventName: "CreateLoginProfile",
					RecipientAccountID: account, UserIdentity: cloudtrail.UserIdentity{Type: "IAMUser", UserName: "boss", PrincipalID: "AIDABOSS"},
					RequestParameters: fmt.Appendf(nil, `{"userName":%q}`, name), ResponseElements: []byte(`{}`),
				}
				// They share a row; who loses it too often is delivered again.
				_, err := g.Handle(tb.Context(), rec)
				for attempt := 1; err != nil && failure.Retryable(err) && attempt < 10; attempt++ {
					_, err = g.Handle(tb.Context(), rec)
				}
				if err != nil {
					tb.Errorf("handling the password of %s: %v", name, err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// reported are the users reported, by how often, alone or in a roll-up.
func (s *sweepers) reported(t *testing.T) (alerts, users int) {
	t.Helper()
	ids := map[string]bool{}
	for _, a := range s.pub.Published() {
		if a.Finding.ID != detect.UserMFAMissing {
			continue
		}
		if ids[a.ID] {
			t.Errorf("alert %s was sent twice", a.ID)
		}
		ids[a.ID] = true
		n := max(1, a.Count)
		if a.Summary != nil {
			n = a.Summary.FindingCount
		}
		alerts, users = alerts+1, users+n
	}
	return alerts, users
}

// TestManyUsersAreDue has many users due at once. In the end all were checked
// and reported once, though each sweep is bounded and two at a time overlap.
func TestManyUsersAreDue(t *testing.T) {
	t.Parallel()
	n, bound := testenv.Size(1200, 120), testenv.Size(400, 40)
	if os.Getenv(dynamotest.EndpointEnv) != "" {
		n, bound = 200, 60
	}
	s := newSweepers(t)
	for _, account := range []string{"111111111111", "222222222222"} {
		s.add(t, account, n/2)
	}
	at := t0.Add(24 * time.Hour)
	var looked atomic.Int64
	more := true
	runs := 0
	for ; more && runs < 20; runs++ {
		swept := make([]mfadeadline.Swept, together(2))
		var wg sync.WaitGroup
		for i := range swept {
			wg.Go(func() {
				var err error
				swept[i], err = s.parts(func(s *wire.Settings) { s.SweepUsers = bound }).Deadlines.Sweep(t.Context(), withoutMFA{}, at)
				if err != nil {
					t.Errorf("run %d: %v", runs, err)
				}
				looked.Add(int64(swept[i].Checked))
				if swept[i].Checked > bound+wire.DefaultSettings().Batch {
					t.Errorf("a run looked at %d users", swept[i].Checked)
				}
			})
		}
		wg.Wait()
		more = slices.ContainsFunc(swept, func(s mfadeadline.Swept) bool { return s.More })
	}
	if looked.Load() != int64(n) || more {
		t.Errorf("%d runs looked at %d users, more are due: %v", runs, looked.Load(), more)
	}
	// What was collected goes out minutes after the last run, by the clock.
	if _, err := s.parts().Notices.Send(t.Context(), collection.UserNotices, time.Now().Add(10*time.Minute), false); err != nil {
		t.Fatal(err)
	}
	if alerts, users := s.reported(t); users != n || alerts > 2*runs {
		t.Errorf("%d alerts report %d users, want %d", alerts, users, n)
	}
	if due, err := s.store.Deadlines().Due(t.Context(), at, 5); err != nil || len(due) != 0 {
		t.Errorf("still due: %+v, %v", due, err)
	}
}

// TestRowsThatCannotBeRead holds that such rows in the index, more of them than
// are read at a time, keep no other back, and are reported.
func TestRowsThatCannotBeRead(t *testing.T) {
	s := newSweepers(t)
	s.add(t, "111111111111", 13)
	small := func(s *wire.Settings) { s.Batch = 5 }
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	at := t0.Add(24 * time.Hour)
	for i := range 120 {
		for _, kind := range []struct{ shard, prefix string }{{"USERS#", "USER#"}, {"DUE#", "WINDOW#"}, {"RECAPS#", "USER#recap-"}, {"INCIDENTS#", "INCIDENT#"}} {
			_, err := s.client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &s.table, Item: map[string]types.AttributeValue{
				"pk": text("ACCOUNT#111111111111"), "sk": text(fmt.Sprintf("%sbroken%d", kind.prefix, i)), "doc": text(`{"due":5`), "ver": text("v"),
				"due_shard": text(fmt.Sprintf("%s%d", kind.shard, i%4)), "due_at": text("2020-01-01T00:00:00.000000000Z"),
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := s.parts(small).Deadlines.Sweep(t.Context(), withoutMFA{}, at)
	if got.Alerted != 13 || got.More || err == nil || failure.Retryable(err) || strings.Count(err.Error(), "listing users due") != 1 {
		t.Errorf("sweep: %+v, %v", got, err)
	}
	n, err := s.parts(small).Guard.Flush(t.Context(), at.Add(time.Hour))
	if n != 1 || err == nil || failure.Retryable(err) || strings.Count(err.Error(), "listing groups due") != 1 {
		t.Errorf("flush: %d roll-ups, %v", n, err)
	}
	for name, list := range map[string]func() (int, error){
		"incidents": func() (int, error) { all, err := s.store.DueIncidents(t.Context(), at, 5); return len(all), err },
		"summaries": func() (int, error) { all, err := s.store.Summaries().Due(t.Context(), at, 5); return len(all), err },
	} {
		if n, err := list(); n != 0 || err == nil || failure.Retryable(err) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	if alerts, users := s.reported(t); alerts != 1 || users != 13 {
		t.Errorf("%d alerts report %d users", alerts, users)
	}
}

// TestEveryRequestOfASweepFails makes each request to DynamoDB, and each two of
// them, fail or lose its answer. No user is lost by it, and one copy at most
// comes, of an alert that could not be marked as sent.
func TestEveryRequestOfASweepFails(t *testing.T) {
	t.Parallel()
	testenv.Soak(t)
	faults := []dynamotest.Fault{{Code: "ProvisionedThroughputExceededException"}, {Code: "InternalServerError", After: true}}
	run := func(t *testing.T, plan map[int]dynamotest.Fault) (requests int) {
		t.Helper()
		server := dynamotest.New(t)
		client := dynamotest.Client(server.URL)
		s := &sweepers{client: client, table: dynamotest.Table(t, client)}
		clock := fake.NewClock(t0)
		options := client.Options()
		options.Retryer = aws.NopRetryer{}
		store := dynamodb.New(sdk.New(options), s.table, time.Now)
		g := wire.New(wire.Deps{Detector: &detect.Detector{}, Claims: store, Facts: store, Deadlines: store.Deadlines(), Publisher: &s.pub, Now: clock.Now}, wire.Settings{})
		s.store = store
		s.add(t, "111111111111", 1)
		before := server.Total()
		for n, f := range plan {
			server.InjectAt(n, f)
		}
		clock.Advance(24 * time.Hour)
		_, first := g.Deadlines.Sweep(t.Context(), withoutMFA{}, clock.Now())
		requests = server.Total() - before
		for range 8 { // the second fault may be in one of these
			clock.Advance(5 * time.Minute)
			_, err := g.Deadlines.Sweep(t.Context(), withoutMFA{}, clock.Now())
			if first == nil && err == nil {
				break
			}
			first = err
		}
		missing := 0
		for _, a := range s.pub.Published() {
			if a.Finding.ID == detect.UserMFAMissing && a.Finding.Session == "" {
				missing++
			}
		}
		if missing < 1 || missing > 2 || missing == 2 && len(plan) == 0 {
			t.Errorf("%v: reported %d times", plan, missing)
		}
		due, err := store.Deadlines().Due(t.Context(), clock.Now(), 5)
		if err != nil || len(due) != 0 {
			t.Errorf("%v: still due: %+v, %v", plan, due, err)
		}
		return requests
	}
	n := run(t, nil)
	if n < 10 {
		t.Fatalf("a sweep makes only %d requests", n)
	}
	for i := 1; i <= n; i++ {
		t.Run(strconv.Itoa(i), func(t *testing.T) { // whose servers end with it: all of them have too many files
			for _, f := range faults {
				run(t, map[int]dynamotest.Fault{i: f})
			}
			for j := i + 1; j <= n; j++ {
				run(t, map[int]dynamotest.Fault{i: faults[0], j: faults[0]})
			}
		})
	}
}

// BenchmarkSweep measures users reported a second, over DynamoDB's protocol.
func BenchmarkSweep(b *testing.B) {
	s := newSweepers(b)
	s.add(b, "111111111111", b.N)
	b.ResetTimer()
	for more := true; more; {
		got, err := s.parts().Deadlines.Sweep(b.Context(), withoutMFA{}, t0.Add(24*time.Hour))
		if err != nil {
			b.Fatal(err)
		}
		more = got.More
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "users/s")
}
