package dynamodb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
)

// inProcess serves the SDK's requests in this process, with the latency of a table, so
// that virtual time and not this machine's speed decides.
type inProcess struct{ server *dynamotest.Server }

func (p inProcess) Do(r *http.Request) (*http.Response, error) {
	wait := 4 * time.Millisecond
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "TransactWriteItems") {
		wait = 10 * time.Millisecond
	}
	wait += time.Duration(rand.Int64N(int64(wait / 2)))
	time.Sleep(wait / 2)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	p.server.ServeHTTP(w, r)
	time.Sleep(wait / 2)
	return w.Result(), nil
}

// rootCalls flags each record as a call of root.
type rootCalls struct{}

func (rootCalls) Detect(rec *cloudtrail.Record, _ *detect.AssumedRoot) detect.Outcome {
	return detect.Outcome{Kind: detect.Matched, Finding: detect.Finding{
		ID: detect.RootActivity, Severity: detect.High, Title: "Root at work", Account: rec.RecipientAccountID, EventID: rec.EventID,
		EventTime: rec.EventTime, EventSource: rec.EventSource, EventName: rec.EventName, Session: rec.UserIdentity.PrincipalID,
	}}
}

// burst handles n calls of one session at once, and returns how many failed.
func burst(tb testing.TB, server *dynamotest.Server, table string, n int) (failed int64, first any, took time.Duration) {
	tb.Helper()
	options := dynamotest.Client(server.URL).Options()
	options.HTTPClient = inProcess{server}
	options.Retryer = retry.NewStandard() // as it is deployed
	store := dynamodb.New(sdk.New(options), table, time.Now)
	pub := &fake.Publisher{}
	g := wire.New(wire.Deps{Detector: rootCalls{}, Claims: store, Facts: store, Publisher: pub, Now: time.Now, Incidents: store, Deadlines: store.Deadlines()}, wire.Settings{}).Guard
	var failures atomic.Int64
	var why atomic.Value
	var wg sync.WaitGroup
	began := time.Now()
	for i := range n {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(context.Background(), 28*time.Second)
			defer cancel()
			_, err := g.Handle(ctx, &cloudtrail.Record{
				EventID: fmt.Sprintf("e%d", i), EventTime: began, EventSource: "s3.amazonaws.com", EventName: "PutObject",
				RecipientAccountID: "123456789012", UserIdentity: cloudtrail.UserIdentity{PrincipalID: "root@1"},
			})
			if err != nil {
				failures.Add(1)
				why.CompareAndSwap(nil, err.Error())
			}
		})
	}
	wg.Wait()
	took = time.Since(began)
	if _, err := g.Flush(context.Background(), began.Add(24*time.Hour)); err != nil {
		tb.Errorf("flushing: %v", err)
	}
	alerts, counted := 0, 0
	for _, a := range pub.Published() {
		if a.Kind == alert.RollUp {
			counted += a.Count
		} else {
			alerts++
		}
	}
	if failures.Load() == 0 && (alerts != 1 || counted != n-1) {
		tb.Errorf("%d alerts, and roll-ups of %d events, want 1 and %d", alerts, counted, n-1)
	}
	return failures.Load(), why.Load(), took
}

// TestHotSession handles calls of one root session at the same time, as Lambda does
// with a burst that EventBridge hands on: none fails for contention, though
// transactions that meet on a row conflict.
func TestHotSession(t *testing.T) {
	t.Parallel()
	for _, n := range []int{testenv.Size(100, 50), testenv.Size(1000, 150)} {
		t.Run(strconv.Itoa(n), func(t *testing.T) {
			server := dynamotest.New(t)
			table := dynamotest.Table(t, dynamotest.Client(server.URL))
			synctest.Test(t, func(t *testing.T) {
				failed, first, took := burst(t, server, table, n)
				t.Logf("%d at once: %d failed, after %v; an event took %.2f transactions, %.2f puts, %.2f updates, %.2f reads; %d requests conflicted; %v",
					n, failed, took.Round(100*time.Millisecond), per(server, "TransactWriteItems", n), per(server, "PutItem", n),
					per(server, "UpdateItem", n), per(server, "BatchGetItem", n), server.Conflicts(), first)
				if failed > 0 {
					t.Errorf("%d of %d events of one session failed: %v", failed, n, first)
				}
				if server.Conflicts() == 0 {
					t.Error("no transactions met: nothing is shown")
				}
			})
		})
	}
}

func per(server *dynamotest.Server, op string, n int) float64 {
	return float64(server.Calls(op)) / float64(n)
}

// TestOldWindow holds that a row of the version before is reported, once, also where a
// roll-up of it was under way.
func TestOldWindow(t *testing.T) {
	client := dynamotest.Client(dynamotest.New(t).URL)
	store := dynamodb.New(client, dynamotest.Table(t, client), fixed)
	pub := &fake.Publisher{}
	g := guard.New(guard.Deps{Claims: store, Facts: store, Publisher: pub, Now: fixed}, guard.Settings{})
	held := guard.Held{Count: 3, Since: t0, Actions: []alert.Action{{Name: "s3:PutObject", Count: 3}}}
	sending := guard.Held{Count: 2, Severity: detect.Critical}
	for _, gr := range []guard.Group{
		{Key: "a/s/root.activity", Opened: t0.Add(-time.Hour), Until: t0.Add(-time.Minute), Alerted: 1, Pending: held, Finding: detect.Finding{ID: detect.RootActivity, Severity: detect.High, Account: "a"}},
		{Key: "a/t/root.activity", Opened: t0.Add(-time.Hour), Until: t0, Alerted: 1, Pending: held, Sending: &sending, RollUps: 4, Finding: detect.Finding{ID: detect.RootActivity, Severity: detect.High, Account: "a"}},
	} {
		if err := putGroup(store, gr); err != nil {
			t.Fatal(err)
		}
	}
	pub.Refuse = func(alert.Alert) error { pub.Refuse = nil; return failure.Permanent(fmt.Errorf("refused once")) }
	if n, err := g.Flush(t.Context(), t0.Add(time.Hour)); n != 2 || err == nil {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	if n, err := g.Flush(t.Context(), t0.Add(2*time.Hour)); n != 1 || err != nil {
		t.Errorf("%d roll-ups, %v", n, err)
	}
	if n, err := g.Flush(t.Context(), t0.Add(2*time.Hour)); n != 0 || err != nil {
		t.Errorf("%d roll-ups again, %v", n, err)
	}
	var got []string
	ids := map[string]bool{}
	for _, a := range pub.Published() {
		ids[a.ID] = true
		got = append(got, fmt.Sprint(a.Finding.Severity, " ", a.Count))
	}
	if want := "[critical 2 high 3 high 3]"; fmt.Sprint(got) != want || len(ids) != 3 {
		t.Errorf("published %v under %d IDs, want %s", got, len(ids), want)
	}
}
