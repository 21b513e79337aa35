package dynamodb_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/ratelimit"
	"rootguard/internal/wire"
)

var second0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// limited is a table with a Store over it.
type limited struct {
	*dynamodb.Store
	server *dynamotest.Server
	client *sdk.Client
	table  string
}

func newLimited(t *testing.T) limited {
	t.Helper()
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	table := dynamotest.Table(t, client)
	return limited{dynamodb.New(client, table, func() time.Time { return second0 }), server, client, table}
}

// write puts a value into the row of a second, as anyone can who may write the table.
func (l limited) write(t *testing.T, second time.Time, tokens types.AttributeValue) {
	t.Helper()
	_, err := l.client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &l.table, Item: map[string]types.AttributeValue{
		config.TablePartitionKey: &types.AttributeValueMemberS{Value: "RATELIMIT"},
		config.TableSortKey:      &types.AttributeValueMemberS{Value: second.UTC().Format(time.RFC3339)},
		"tokens":                 tokens,
	}})
	if err != nil {
		t.Fatal(err)
	}
}

func num(n int64) types.AttributeValue {
	return &types.AttributeValueMemberN{Value: strconv.FormatInt(n, 10)}
}

func TestTokens(t *testing.T) {
	l := newLimited(t)
	checkTokens(t, l.Store)
	for _, it := range l.server.Items(l.table) {
		second, err := time.Parse(time.RFC3339, it.Str(config.TableSortKey))
		if expires := it[config.TableTTL].N; err != nil || expires == nil || *expires != strconv.FormatInt(second.Add(10*time.Minute).Unix(), 10) {
			t.Errorf("a row that is kept: %v, %v", it, err)
		}
	}
}

// checkTokens takes tokens of several seconds.
func checkTokens(t *testing.T, l *dynamodb.Store) {
	t.Helper()
	later := second0.Add(time.Second)
	for i, tt := range []struct {
		second      time.Time
		past, limit int
		want        int
		ok          bool
	}{
		{second0, 0, 8, 0, true},
		{second0, 0, 8, 1, true},
		{second0, 4, 8, 4, true}, // those before are past
		{second0, 4, 8, 5, true},
		{second0, 0, 6, 0, false},
		{second0, 5, 8, 6, true},
		{second0, 7, 8, 7, true},
		{second0, 7, 8, 0, false},
		{second0, 0, 8, 0, false},
		{later, 3, 3, 0, false},
		{later, 3, 4, 3, true}, // another second, of which nothing was taken
		{second0.Add(-time.Hour), 0, 1, 0, true},
	} {
		token, ok, err := l.Take(t.Context(), tt.second, tt.past, tt.limit)
		if token != tt.want || ok != tt.ok || err != nil {
			t.Errorf("%d: token %d, %v, %v; want %d, %v", i, token, ok, err, tt.want, tt.ok)
		}
	}
}

// TestMotoTurns is TestTokens against another DynamoDB, where dynamotest.EndpointEnv
// names one: `make e2e` has it run against moto.
func TestMotoTurns(t *testing.T) {
	client := dynamotest.Client(dynamotest.Endpoint(t))
	checkTokens(t, dynamodb.New(client, dynamotest.Table(t, client), func() time.Time { return second0 }))
}

// TestTokensCost holds that a token is one request, and never more than two.
func TestTokensCost(t *testing.T) {
	l := newLimited(t)
	for i, want := range []int{1, 1, 1, 2, 2} {
		before := l.server.Calls("UpdateItem")
		if _, _, err := l.Take(t.Context(), second0, []int{0, 0, 3, 3, 3}[i], 5); err != nil {
			t.Fatal(err)
		}
		if n := l.server.Calls("UpdateItem") - before; n != want {
			t.Errorf("take %d: %d requests, want %d", i, n, want)
		}
	}
}

// TestTokensAtOnce has many ask at the same moment: no two get one token.
func TestTokensAtOnce(t *testing.T) {
	l := newLimited(t)
	var mu sync.Mutex
	var got []int
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			token, ok, err := l.Take(t.Context(), second0, 2, 8)
			if err != nil {
				t.Error(err)
			}
			if ok {
				mu.Lock()
				got = append(got, token)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(got)
	if !slices.Equal(got, []int{2, 3, 4, 5, 6, 7}) {
		t.Errorf("tokens %v", got)
	}
}

// TestTokensThrottled holds that a request that is throttled is not repeated.
func TestTokensThrottled(t *testing.T) {
	l := newLimited(t)
	for _, code := range []string{"ProvisionedThroughputExceededException", "ThrottlingException", "RequestLimitExceeded"} {
		l.server.Inject("UpdateItem", 50, dynamotest.Fault{Code: code})
		before := l.server.Calls("UpdateItem")
		if _, ok, err := l.Take(t.Context(), second0, 3, 8); ok || !errors.Is(err, ratelimit.ErrThrottled) {
			t.Errorf("%s: %v, %v", code, ok, err)
		}
		if n := l.server.Calls("UpdateItem") - before; n != 1 {
			t.Errorf("%s: asked %d times", code, n)
		}
		l.server.Recover("UpdateItem")
	}
}

func TestTokensFail(t *testing.T) {
	l := newLimited(t)
	l.server.Inject("UpdateItem", 50, dynamotest.Fault{Code: "ValidationException"})
	if _, ok, err := l.Take(t.Context(), second0, 0, 8); ok || err == nil {
		t.Errorf("refused: %v, %v", ok, err)
	}
	l.server.Recover("UpdateItem")

	// A token whose answer got lost is lost; the next is the one after it.
	l.server.Inject("UpdateItem", 1, dynamotest.Fault{After: true})
	if token, ok, err := l.Take(t.Context(), second0, 0, 8); err != nil || !ok || token != 1 {
		t.Errorf("an answer lost: %v, %v, %v", token, ok, err)
	}
}

// TestTokenRowsOfAnyContent holds that a row can deny the tokens of its second and
// do nothing else: none is for another time, and none is an error for ever.
func TestTokenRowsOfAnyContent(t *testing.T) {
	for name, value := range map[string]types.AttributeValue{
		"far":      num(1 << 50),
		"negative": num(-1 << 50),
		"limit":    num(8),
		"text":     &types.AttributeValueMemberS{Value: "9999-12-31T23:59:59Z"},
		"fraction": &types.AttributeValueMemberN{Value: "0.5"},
	} {
		for _, past := range []int{0, 3} {
			l := newLimited(t)
			l.write(t, second0, value)
			for range 3 {
				if token, ok, _ := l.Take(t.Context(), second0, past, 8); ok && (token < past || token > 7) {
					t.Errorf("%s: token %d, where %d are past", name, token, past)
				}
			}
			if token, ok, err := l.Take(t.Context(), second0.Add(time.Second), 0, 8); !ok || token != 0 || err != nil {
				t.Errorf("%s: the second after it: %d, %v, %v", name, token, ok, err)
			}
		}
	}
}

// signIns flags each record as a sign-in of root: critical where it says so.
type signIns struct{}

func (signIns) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	id, severity := detect.RootActivity, detect.High
	if rec.EventName == "ConsoleLogin" {
		id, severity = detect.RootSignin, detect.Critical
	}
	return detect.Outcome{Kind: detect.Matched, Finding: detect.Finding{
		ID: id, Severity: severity, Title: string(id), Account: rec.RecipientAccountID, EventID: rec.EventID,
		EventTime: rec.EventTime, EventSource: rec.EventSource, EventName: rec.EventName, Session: rec.EventID,
	}}
}

// guarded is a guard over the table by a clock that runs when it sleeps.
func (l limited) guarded(pub guard.Publisher, now func() time.Time, sleep func(context.Context, time.Duration) error) *guard.Guard {
	store := dynamodb.New(l.client, l.table, now)
	return wire.New(wire.Deps{
		Detector: signIns{}, Claims: store, Facts: store, Publisher: pub, Now: now, Incidents: store,
		Limiter: &ratelimit.Limiter{Seconds: store, Now: now, Sleep: sleep},
	}, wire.Settings{}).Guard
}

// TestAllTokensTaken has someone keep every token taken: what is critical is published
// all the same, at once, and a roll-up by the second sweep after it is due.
func TestAllTokensTaken(t *testing.T) {
	l := newLimited(t)
	now := second0
	pub := &fake.Publisher{}
	g := l.guarded(pub, func() time.Time { return now }, func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil })
	poison := func() {
		for ahead := range 60 {
			l.write(t, now.Truncate(time.Second).Add(time.Duration(ahead)*time.Second), num(1<<40))
		}
		// What the version before kept, 25 seconds ahead.
		_, err := l.client.PutItem(t.Context(), &sdk.PutItemInput{TableName: &l.table, Item: map[string]types.AttributeValue{
			config.TablePartitionKey: &types.AttributeValueMemberS{Value: "TURN"}, config.TableSortKey: &types.AttributeValueMemberS{Value: "TURN"},
			"turn": num(now.Add(25 * time.Second).UnixMilli()),
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
	poison()
	began := now
	res, err := g.Raise(t.Context(), detect.RootLive(detect.RootMFARemoved, "111122223333", now))
	if err != nil || res.Disposition != guard.Alerted || len(pub.Published()) != 1 || now.Sub(began) > 10*time.Second {
		t.Errorf("critical: %q after %v, %v", res.Disposition, now.Sub(began), err)
	}
	poison()
	rec := &cloudtrail.Record{EventID: "e", EventTime: now, EventSource: "iam.amazonaws.com", EventName: "CreateUser", RecipientAccountID: "111122223333"}
	if res, err := g.Handle(t.Context(), rec); err != nil || res.Disposition != guard.RolledUp {
		t.Errorf("high: %q, %v", res.Disposition, err)
	}
	for range 2 {
		now = now.Add(5 * time.Minute)
		poison()
		if _, err := g.Flush(t.Context(), now); err != nil {
			t.Error(err)
		}
	}
	if reported := pub.Published(); len(reported) != 2 || reported[1].Kind != alert.RollUp {
		t.Errorf("%d published after %v", len(reported), now.Sub(began))
	}
}

// TestTurnsOfALaptop has rootguard redrive run where the clock is 20 seconds ahead,
// or behind, and take all tokens of its seconds: a root sign-in that a function
// handles meanwhile is alerted at once, the roll-up goes out, and the laptop gets
// its tokens too.
func TestTurnsOfALaptop(t *testing.T) {
	for _, off := range []time.Duration{20 * time.Second, -20 * time.Second, 5 * time.Second, time.Hour} {
		l := newLimited(t)
		now := second0
		clock := func() time.Time { return now }
		laptopClock := func() time.Time { return now.Add(off) }
		still := func(context.Context, time.Duration) error { return nil }
		laptop := &ratelimit.Limiter{Seconds: dynamodb.New(l.client, l.table, laptopClock), Now: laptopClock, Sleep: still}
		redrive := func() {
			for {
				if ok, err := laptop.Wait(t.Context(), 3*time.Second); err != nil {
					t.Fatal(err)
				} else if !ok {
					return
				}
			}
		}
		pub := &fake.Publisher{}
		var slept time.Duration
		g := l.guarded(pub, clock, func(_ context.Context, d time.Duration) error { slept += d; return nil })
		redrive()
		res, err := g.Handle(t.Context(), &cloudtrail.Record{EventID: "e", EventTime: now.Add(-time.Minute), EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin", RecipientAccountID: "123456789012"})
		if err != nil || res.Disposition != guard.Alerted || slept > 0 {
			t.Errorf("a clock that is off by %v: a critical sign-in is %q after %v, %v", off, res.Disposition, slept, err)
		}
		res, err = g.Handle(t.Context(), &cloudtrail.Record{EventID: "f", EventTime: now.Add(-time.Minute), EventSource: "iam.amazonaws.com", EventName: "CreateUser", RecipientAccountID: "123456789012"})
		if err != nil || res.Disposition != guard.Alerted {
			t.Errorf("a clock that is off by %v: another alert is %q, %v", off, res.Disposition, err)
		}
		now = now.Add(4 * time.Second)
		if ok, err := laptop.Wait(t.Context(), time.Second); !ok || err != nil {
			t.Errorf("the laptop whose clock is off by %v gets no token: %v", off, err)
		}
	}
}
