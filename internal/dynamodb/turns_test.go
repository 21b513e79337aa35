package dynamodb_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"rootguard/internal/dynamodb"
	"rootguard/internal/dynamodb/dynamotest"
)

const step = 125 * time.Millisecond

var turns0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func newTurns(t *testing.T) (*dynamotest.Server, *dynamodb.Store, string) {
	t.Helper()
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	table := dynamotest.Table(t, client)
	return server, dynamodb.New(client, table, func() time.Time { return turns0 }), table
}

func TestTurns(t *testing.T) {
	_, store, _ := newTurns(t)
	take := func(now time.Time, within time.Duration) (after time.Duration, ok bool) {
		t.Helper()
		at, ok, err := store.Take(t.Context(), now, within, step)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return 0, false
		}
		return at.Sub(turns0), true
	}
	for i, tt := range []struct {
		now, within, want time.Duration
		ok                bool
	}{
		{0, 0, 0, true}, // the first ever
		{0, time.Second, step, true},
		{0, time.Second, 2 * step, true},
		{0, 2 * step, 0, false}, // the next is in three
		{0, 3 * step, 3 * step, true},
		{3 * step, step, 4 * step, true},
		{5 * step, 0, 5 * step, true},
		{time.Minute, 0, time.Minute, true}, // the queue is long over
		{time.Minute, 0, 0, false},
		{time.Minute, time.Second, time.Minute + step, true},
		{time.Hour, 0, time.Hour, true},
		{30 * time.Minute, 0, 30 * time.Minute, true}, // the hour was of a clock that is ahead
		{30*time.Minute - 20*time.Second, 10 * time.Second, 0, false},
	} {
		if got, ok := take(turns0.Add(tt.now), tt.within); got != tt.want || ok != tt.ok {
			t.Errorf("%d: at %v within %v: turn at %v, %v; want %v, %v", i, tt.now, tt.within, got, ok, tt.want, tt.ok)
		}
	}
}

// TestTurnsCost holds that a turn in a queue is one request, and a refusal too.
func TestTurnsCost(t *testing.T) {
	server, store, _ := newTurns(t)
	for range 5 {
		if _, _, err := store.Take(t.Context(), turns0, time.Second/4, step); err != nil {
			t.Fatal(err)
		}
	}
	if updates, puts := server.Calls("UpdateItem"), server.Calls("PutItem"); updates != 5 || puts != 1 {
		t.Errorf("%d updates and %d puts for three turns and two refusals", updates, puts)
	}
}

// TestTurnsAtOnce has many ask at the same moment: no two get one turn.
func TestTurnsAtOnce(t *testing.T) {
	_, store, _ := newTurns(t)
	var mu sync.Mutex
	var got []time.Duration
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			at, ok, err := store.Take(t.Context(), turns0, 15*step, step)
			if err != nil {
				t.Error(err)
			}
			if ok {
				mu.Lock()
				got = append(got, at.Sub(turns0))
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.Sort(got)
	var want []time.Duration
	for i := range 16 {
		want = append(want, time.Duration(i)*step)
	}
	if !slices.Equal(got, want) {
		t.Errorf("turns at %v, want %v", got, want)
	}
}

// TestTurnsThrottled holds that there is no turn where too many ask for one: to
// publish without would be to publish with all of them.
func TestTurnsThrottled(t *testing.T) {
	server, store, _ := newTurns(t)
	for _, call := range []string{"UpdateItem", "PutItem"} {
		for _, code := range []string{"ProvisionedThroughputExceededException", "ThrottlingException"} {
			server.Inject(call, 50, dynamotest.Fault{Code: code})
			before := server.Calls(call)
			if _, ok, err := store.Take(t.Context(), turns0, time.Second, step); ok || err != nil {
				t.Errorf("%s, %s: %v, %v", call, code, ok, err)
			}
			if n := server.Calls(call) - before; n != 1 {
				t.Errorf("%s, %s: asked %d times", call, code, n)
			}
			server.Recover(call)
		}
	}
}

func TestTurnsFail(t *testing.T) {
	server, store, _ := newTurns(t)
	for _, call := range []string{"UpdateItem", "PutItem"} {
		server.Inject(call, 50, dynamotest.Fault{Code: "ValidationException"})
		if _, ok, err := store.Take(t.Context(), turns0, time.Second, step); ok || err == nil {
			t.Errorf("%s refused: %v, %v", call, ok, err)
		}
		server.Recover(call)
	}

	// A turn whose answer got lost is lost; the next is the one after it.
	server.Inject("PutItem", 1, dynamotest.Fault{After: true})
	at, ok, err := store.Take(t.Context(), turns0, time.Second, step)
	if err != nil || !ok || at.Sub(turns0) != step {
		t.Errorf("an answer lost: %v, %v, %v", at, ok, err)
	}
}
