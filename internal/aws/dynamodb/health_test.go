package dynamodb_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/fake"
	"rootguard/internal/health"
)

// TestHealthState holds, wherever the table is, that the state is kept, and that
// runs at the same time lose none of each other's changes.
func TestHealthState(t *testing.T) {
	s := open(t)
	ctx := t.Context()
	state, err := s.Health(ctx)
	if diff := cmp.Diff(health.State{}, state); diff != "" || err != nil {
		t.Fatalf("before the first: %v, %s", err, diff)
	}
	var wg sync.WaitGroup
	for range 5 {
		wg.Go(func() {
			err := s.UpdateHealth(ctx, func(was health.State) (health.State, bool) {
				was.Episodes = append(slices.Clone(was.Episodes), health.Episode{Check: "c", Since: t0.Add(time.Duration(len(was.Episodes)) * time.Minute)})
				was.At = t0
				return was, true
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if state, err = s.Health(ctx); err != nil || len(state.Episodes) != 5 || !state.At.Equal(t0) {
		t.Errorf("%v: %+v", err, state)
	}
	asked := 0
	err = s.UpdateHealth(ctx, func(was health.State) (health.State, bool) { asked++; return health.State{}, false })
	if again, _ := s.Health(ctx); err != nil || asked != 1 || len(again.Episodes) != 5 {
		t.Errorf("what is not to be stored is: %v, %+v", err, again)
	}
}

// TestHealthFaults holds that a write whose answer got lost is not decided about
// again, that what passes is tried again, and that all else is reported.
func TestHealthFaults(t *testing.T) {
	s, server, _ := local(t, fixed)
	ctx := t.Context()
	decided := 0
	add := func(was health.State) (health.State, bool) {
		decided++
		was.Episodes = append(slices.Clone(was.Episodes), health.Episode{Check: "c"})
		return was, true
	}
	server.Inject("PutItem", 1, dynamotest.Fault{Code: "ProvisionedThroughputExceededException", After: true})
	if err := s.UpdateHealth(ctx, add); err != nil || decided != 1 {
		t.Errorf("an answer that got lost: %v, decided %d times", err, decided)
	}
	server.Inject("PutItem", 4, dynamotest.Fault{Code: "AccessDeniedException"})
	if err := s.UpdateHealth(ctx, add); err == nil || !strings.Contains(err.Error(), "STATE") {
		t.Errorf("denied: %v", err)
	}
	server.Recover("PutItem")
	server.Inject("BatchGetItem", 4, dynamotest.Fault{Code: "AccessDeniedException"})
	if err := s.UpdateHealth(ctx, add); err == nil {
		t.Error("a state that cannot be read is no error")
	}
	server.Recover("BatchGetItem")
	server.Inject("BatchGetItem", 4, dynamotest.Fault{Code: "AccessDeniedException"})
	if _, err := s.Health(ctx); err == nil {
		t.Error("a state that cannot be read is no error")
	}
	server.Recover("BatchGetItem")
	if state, err := s.Health(ctx); err != nil || len(state.Episodes) != 1 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestHeartbeats(t *testing.T) {
	clock := fake.NewClock(t0)
	s, server, table := local(t, clock.Now)
	ctx := t.Context()
	b := health.Heartbeat{ID: "b-1", At: t0, Put: t0.Add(time.Second)}
	if err := s.AddHeartbeat(ctx, b); err != nil {
		t.Fatal(err)
	}
	if _, known, err := s.Received(ctx, "made-up", "iamuser", t0); known || err != nil {
		t.Errorf("one that was never put: %v, %v", known, err)
	}
	if n := len(server.Items(table)); n != 1 {
		t.Errorf("one that was made up is stored: %d items", n)
	}
	for _, r := range []struct {
		function string
		at       time.Time
	}{{"iamuser", t0.Add(2 * time.Second)}, {"rootactivity", t0.Add(3 * time.Second)}, {"iamuser", t0.Add(time.Minute)}} {
		if got, known, err := s.Received(ctx, "b-1", r.function, r.at); !known || err != nil || got.Received[r.function].IsZero() {
			t.Errorf("%s: %+v, %v, %v", r.function, got, known, err)
		}
	}
	b.Received = map[string]time.Time{"iamuser": t0.Add(2 * time.Second), "rootactivity": t0.Add(3 * time.Second)}
	got, err := s.Heartbeats(ctx, []string{"b-1", "b-2"})
	if diff := cmp.Diff([]health.Heartbeat{b}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if it := server.Items(table)[0]; it.Num("expires") == "" || it.Str("due_shard") != "" {
		t.Errorf("item: %v", it)
	}
	clock.Advance(dynamodb.HeartbeatTTL)
	if got, err := s.Heartbeats(ctx, []string{"b-1"}); err != nil || len(got) != 0 {
		t.Errorf("after its time: %v, %v", got, err)
	}
	if _, known, err := s.Received(ctx, "b-1", "iamuser", clock.Now()); known || err != nil {
		t.Errorf("one of long ago: %v, %v", known, err)
	}
	server.Inject("PutItem", 4, dynamotest.Fault{Code: "AccessDeniedException"})
	if err := s.AddHeartbeat(ctx, health.Heartbeat{ID: "b-3"}); err == nil || !strings.Contains(err.Error(), "b-3") {
		t.Errorf("denied: %v", err)
	}
}

func TestTables(t *testing.T) {
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	name := dynamotest.Table(t, client)
	tables := dynamodb.NewTables(client)
	ctx := t.Context()
	table, err := tables.Table(ctx, name)
	if diff := cmp.Diff(health.Table{Status: "ACTIVE", Indexes: map[string]string{"due": "ACTIVE"}, DeletionProtection: true}, table); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	if p, err := tables.Protection(ctx, name); p != (health.Protection{TTL: "expires", PointInTimeRecovery: true}) || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	for what, ask := range map[string]func(name string) error{
		"DescribeTable":      func(name string) error { _, err := tables.Table(ctx, name); return err },
		"DescribeTimeToLive": func(name string) error { _, err := tables.Protection(ctx, name); return err },
	} {
		if err := ask("other"); !errors.Is(err, health.ErrAbsent) {
			t.Errorf("%s of no table: %v", what, err)
		}
		server.Inject(what, 4, dynamotest.Fault{Code: "AccessDeniedException"})
		if err := ask(name); err == nil || errors.Is(err, health.ErrAbsent) {
			t.Errorf("%s denied: %v", what, err)
		}
		server.Recover(what)
	}
	server.Inject("DescribeContinuousBackups", 4, dynamotest.Fault{Code: "AccessDeniedException"})
	if _, err := tables.Protection(ctx, name); err == nil || !strings.Contains(err.Error(), "backups") {
		t.Errorf("backups denied: %v", err)
	}
	server.Recover("DescribeContinuousBackups")
	server.Unprotected = true
	if p, err := tables.Protection(ctx, name); p != (health.Protection{}) || err != nil {
		t.Errorf("%+v, %v", p, err)
	}
	if table, err := tables.Table(ctx, name); table.DeletionProtection || err != nil {
		t.Errorf("%+v, %v", table, err)
	}
}

// TestTableLimits holds what is read of a table that was changed: limits, also of
// its index alone, another key, provisioned throughput.
func TestTableLimits(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		want   health.Table
	}{
		"as deployed":   {`"BillingModeSummary":{"BillingMode":"PAY_PER_REQUEST"},"OnDemandThroughput":{"MaxReadRequestUnits":-1,"MaxWriteRequestUnits":-1}`, health.Table{}},
		"limited":       {`"OnDemandThroughput":{"MaxReadRequestUnits":5,"MaxWriteRequestUnits":1}`, health.Table{ReadLimit: 5, WriteLimit: 1}},
		"an index":      {`"GlobalSecondaryIndexes":[{"IndexName":"due","IndexStatus":"ACTIVE","OnDemandThroughput":{"MaxWriteRequestUnits":1}}]`, health.Table{Indexes: map[string]string{"due": "ACTIVE"}, WriteLimit: 1}},
		"the lower one": {`"OnDemandThroughput":{"MaxReadRequestUnits":9},"GlobalSecondaryIndexes":[{"IndexName":"due","IndexStatus":"ACTIVE","OnDemandThroughput":{"MaxReadRequestUnits":2}}]`, health.Table{Indexes: map[string]string{"due": "ACTIVE"}, ReadLimit: 2}},
		"provisioned":   {`"BillingModeSummary":{"BillingMode":"PROVISIONED"}`, health.Table{Provisioned: true}},
		"another key":   {`"SSEDescription":{"Status":"ENABLED","SSEType":"KMS","KMSMasterKeyArn":"arn:k","InaccessibleEncryptionDateTime":1772366400}`, health.Table{Key: "arn:k", Inaccessible: time.Unix(1772366400, 0).UTC()}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/x-amz-json-1.0")
			_, _ = w.Write([]byte(`{"Table":{"TableStatus":"ACTIVE",` + tc.answer + `}}`))
		}))
		got, err := dynamodb.NewTables(dynamotest.Client(server.URL)).Table(t.Context(), "t")
		server.Close()
		tc.want.Status = "ACTIVE"
		if tc.want.Indexes == nil {
			tc.want.Indexes = map[string]string{}
		}
		if diff := cmp.Diff(tc.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
}

func TestTablePolicy(t *testing.T) {
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	arn := "arn:aws:dynamodb:us-east-1:111122223333:table/" + dynamotest.Table(t, client)
	tables := dynamodb.NewTables(client)
	if got, err := tables.TablePolicy(t.Context(), arn); err != nil || got != "" {
		t.Errorf("none: %q, %v", got, err)
	}
	server.Policy = `{"Statement":[]}`
	if got, err := tables.TablePolicy(t.Context(), arn); err != nil || got != server.Policy {
		t.Errorf("one: %q, %v", got, err)
	}
	if _, err := tables.TablePolicy(t.Context(), arn+"x"); !errors.Is(err, health.ErrAbsent) {
		t.Errorf("of a table that is not there: %v", err)
	}
}
