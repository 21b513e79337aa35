package dynamodb_test

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/announcement"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/repeats"
)

func anIncident(due time.Time) incident.Incident {
	return incident.Incident{Key: "a/2025-03-01T12:00:00Z/7K4Q2-X2M9P", ID: "7K4Q2-X2M9P", Account: "a", Start: t0, Due: due}
}

func update(t *testing.T, s *dynamodb.Store, decide func([]incident.Incident) incident.Incident) error {
	t.Helper()
	return s.UpdateIncidents(t.Context(), "a", t0.Add(-time.Minute), t0.Add(time.Minute), decide)
}

// TestUpdateIncidentsFaults holds that a write whose answer got lost is not decided about
// again, that what passes is tried again, and that all else is reported.
func TestUpdateIncidentsFaults(t *testing.T) {
	const throttled = "ProvisionedThroughputExceededException"
	bump := func(found []incident.Incident) incident.Incident {
		in := anIncident(t0)
		if len(found) > 0 {
			in = found[0]
		}
		in.Events++
		return in
	}
	for _, tt := range []struct {
		name   string
		op     string
		times  int
		fault  dynamotest.Fault
		ok     bool
		events int // after two calls
	}{
		{"a lost answer", "PutItem", 1, dynamotest.Fault{After: true}, true, 2},
		{"throttled for a while", "PutItem", 2, dynamotest.Fault{Code: throttled}, true, 2},
		{"throttled", "PutItem", 50, dynamotest.Fault{Code: throttled}, false, 1},
		{"a read that fails", "Query", 50, dynamotest.Fault{Code: throttled}, false, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, server, _ := local(t, fixed)
			if err := update(t, s, bump); err != nil {
				t.Fatal(err)
			}
			server.Inject(tt.op, tt.times, tt.fault)
			err := update(t, s, bump)
			server.Recover(tt.op)
			if (err == nil) != tt.ok {
				t.Errorf("got %v, want success %v", err, tt.ok)
			}
			in, found, err := incident.One(t.Context(), s, "7K4Q2-X2M9P")
			if err != nil || !found || in.Events != tt.events {
				t.Errorf("%d events, %v, want %d", in.Events, err, tt.events)
			}
		})
	}
	t.Run("two begin it at once", func(t *testing.T) {
		s, server, _ := local(t, fixed)
		var other atomic.Bool
		server.Before(func(op string) {
			if op == "PutItem" && other.CompareAndSwap(false, true) {
				if err := update(t, s, bump); err != nil {
					t.Errorf("the other: %v", err)
				}
			}
		})
		if err := update(t, s, bump); err != nil {
			t.Fatal(err)
		}
		if in, _, err := incident.One(t.Context(), s, "7K4Q2-X2M9P"); err != nil || in.Events != 2 {
			t.Errorf("%d events, %v, want 2", in.Events, err)
		}
	})
	t.Run("it cannot be made findable", func(t *testing.T) {
		s, server, table := local(t, fixed)
		server.Inject("PutItem", 50, dynamotest.Fault{Code: "AccessDeniedException"})
		if err := update(t, s, bump); err == nil {
			t.Error("no error")
		}
		if items := server.Items(table); len(items) != 0 {
			t.Errorf("stored: %v", items)
		}
	})
	t.Run("too large", func(t *testing.T) {
		s, _, _ := local(t, fixed)
		err := update(t, s, func([]incident.Incident) incident.Incident {
			in := anIncident(t0)
			in.Finding.Detail = strings.Repeat("x", 401<<10)
			return in
		})
		if err == nil || failure.Retryable(err) {
			t.Errorf("got %v, want a permanent error", err)
		}
	})
}

// TestUnreadableIncident holds that a row that cannot be read hides no other one from
// who looks for both.
func TestUnreadableIncident(t *testing.T) {
	s, server, table := local(t, fixed)
	for _, id := range []string{"7K4Q2-X2M9P", "7K4Q2-X2M91"} {
		in := anIncident(t0)
		in.ID = id
		in.Key = strings.TrimSuffix(in.Key, "7K4Q2-X2M9P") + id
		if err := update(t, s, func([]incident.Incident) incident.Incident { return in }); err != nil {
			t.Fatal(err)
		}
	}
	text := func(v string) types.AttributeValue { return &types.AttributeValueMemberS{Value: v} }
	if _, err := dynamotest.Client(server.URL).PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		"pk": text("ACCOUNT#a"), "sk": text("INCIDENT#2025-03-01T12:00:00Z/7K4Q2-X2M9P"), "doc": text(`{"key":5`), "ver": text("v"),
	}}); err != nil {
		t.Fatal(err)
	}
	found, err := s.Find(t.Context(), []string{"7K4Q2-X2M9P", "7K4Q2-X2M91"})
	if len(found) != 1 || found["7K4Q2-X2M91"].ID == "" || err == nil || failure.Retryable(err) {
		t.Errorf("found %v, %v", found, err)
	}
	resends := []collection.Resend{{Incident: "7K4Q2-X2M9P"}, {Incident: "7K4Q2-X2M91"}}
	book := incident.NewBook(s, time.Now, incident.Settings{})
	if got, err := book.Unacknowledged(t.Context(), resends); err != nil || !slices.Equal(got, []bool{true, true}) {
		t.Errorf("to be sent again: %v, %v", got, err)
	}
}

// TestIncidentRows holds that an incident is in the index while it is due, and
// expires once it is not; an expired one is written over.
func TestIncidentRows(t *testing.T) {
	var later atomic.Int64
	s, server, table := local(t, func() time.Time { return t0.Add(time.Duration(later.Load())) })
	for _, due := range []time.Time{t0, {}} {
		if err := update(t, s, func([]incident.Incident) incident.Incident { return anIncident(due) }); err != nil {
			t.Fatal(err)
		}
		for _, item := range server.Items(table) {
			_, indexed := item["due_at"]
			_, expires := item["expires"]
			switch item.Str("pk") {
			case "ACCOUNT#a":
				if item.Str("sk") != "INCIDENT#2025-03-01T12:00:00Z/7K4Q2-X2M9P" || indexed == due.IsZero() || expires != due.IsZero() {
					t.Errorf("due %v: %v", due, item)
				}
			case "INCIDENT#7K4Q2-X2M9P":
				if item.Str("sk") != "INCIDENT#" || indexed || !expires {
					t.Errorf("the pointer: %v", item)
				}
			default:
				t.Errorf("a row of %v", item)
			}
		}
	}
	later.Store(int64(dynamodb.ClaimTTL))
	if _, found, err := incident.One(t.Context(), s, "7K4Q2-X2M9P"); found || err != nil {
		t.Errorf("one that expired: found %v, %v", found, err)
	}
	if all, err := s.Incidents(t.Context(), "a"); len(all) != 0 || err != nil {
		t.Errorf("one that expired is listed: %+v, %v", all, err)
	}
	err := update(t, s, func(found []incident.Incident) incident.Incident {
		if len(found) > 0 {
			t.Errorf("decide sees what expired: %+v", found)
		}
		return anIncident(t0.Add(time.Hour))
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, found, err := incident.One(t.Context(), s, "7K4Q2-X2M9P"); !found || err != nil {
		t.Errorf("written again: found %v, %v", found, err)
	}
}

// TestAnnouncementRows holds that entries never expire, and that what was judged
// under one is in a part of the index that nothing else reads.
func TestAnnouncementRows(t *testing.T) {
	s, server, table := local(t, fixed)
	e := announcement.AuditEvent{Key: "a/2025-03-01T12:00:00Z/3F9D0-KQ7TB/open", Action: announcement.Opened, ID: "3F9D0-KQ7TB", Account: "a", From: t0}
	if _, err := s.Append(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	finding := &detect.Finding{Account: "a", EventTime: t0, Announced: &detect.Announced{ID: e.ID}}
	if err := put(s, guard.Claim{Key: "a/e", State: guard.Sent, Finding: finding}, repeats.Series{}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, item := range server.Items(table) {
		expires, _ := strconv.ParseInt(item.Num("expires"), 10, 64)
		got[item.Str("pk")+" "+item.Str("sk")] = item.Str("due_shard") + " " + item.Str("due_at") + " " + strconv.FormatBool(expires > 0)
	}
	want := map[string]string{
		"ACCOUNTS ACCOUNT#a": "  false",
		"ACCOUNT#a ANNOUNCEMENT#2025-03-01T12:00:00Z/3F9D0-KQ7TB/open": "  false",
		"ACCOUNT#a CLAIM#a/e": "ANNOUNCED#3F9D0-KQ7TB 2025-03-01T12:00:00.000000000Z true",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if due, err := s.Due(t.Context(), t0.Add(time.Hour), 10); len(due) != 0 || err != nil {
		t.Errorf("due: %+v, %v", due, err)
	}
	if all, err := s.AllEntries(t.Context(), ""); len(all) != 1 || err != nil {
		t.Errorf("entries: %+v, %v", all, err)
	}
	server.Inject("PutItem", 1, dynamotest.Fault{After: true})
	other := e
	other.Key, other.Owner = "a/2025-03-01T12:00:00Z/3F9D0-KQ7TB/close", "bob"
	if there, err := s.Append(t.Context(), other); err != nil || there.Owner != "bob" {
		t.Errorf("an answer that got lost: %+v, %v", there, err)
	}
}

// TestUnderIsPaged holds that anyone who wants no more of what was done under an
// announcement has no more read.
func TestUnderIsPaged(t *testing.T) {
	s, server, _ := local(t, fixed)
	const n = 120
	for i := range n {
		finding := &detect.Finding{Account: "a", EventTime: t0.Add(time.Duration(i) * time.Second), Announced: &detect.Announced{ID: "x"}}
		if err := put(s, guard.Claim{Key: "a/e" + strconv.Itoa(i), State: guard.Sent, Finding: finding}, repeats.Series{}); err != nil {
			t.Fatal(err)
		}
	}
	enough := errors.New("enough")
	for stop, queries := range map[int]int{1: 1, 100: 1, 101: 2, n + 1: 2} {
		before, got := server.Calls("Query"), 0
		err := s.ClaimsDuring(t.Context(), "x", func(guard.Claim) error {
			if got++; got == stop {
				return enough
			}
			return nil
		})
		if errors.Is(err, enough) != (stop <= n) || got != min(stop, n) || server.Calls("Query")-before != queries {
			t.Errorf("stopped at %d: %v, %d handed on, %d queries, want %d", stop, err, got, server.Calls("Query")-before, queries)
		}
	}
}

// asked notes what the client would retry for, and retries nothing.
type asked struct {
	aws.Retryer
	errs []error
}

func (a *asked) IsErrorRetryable(err error) bool {
	a.errs = append(a.errs, err)
	return false
}

// TestWhoRetries holds that the client makes no request twice of its own accord, so
// that tests may count them: an answer that was given is not lost.
func TestWhoRetries(t *testing.T) {
	server := dynamotest.New(t)
	client := dynamotest.Client(server.URL)
	options := client.Options()
	retryer := &asked{Retryer: options.Retryer}
	options.Retryer = retryer
	s := dynamodb.New(sdk.New(options), dynamotest.Table(t, client), fixed)
	const n = 120
	for i := range n {
		finding := &detect.Finding{Account: "a", EventTime: t0, Announced: &detect.Announced{ID: "x"}}
		if err := put(s, guard.Claim{Key: "a/e" + strconv.Itoa(i), State: guard.Sent, Finding: finding}, repeats.Series{}); err != nil {
			t.Fatal(err)
		}
	}
	list := func() (got int, err error) {
		err = s.ClaimsDuring(t.Context(), "x", func(guard.Claim) error { got++; return nil })
		return got, err
	}
	if got, err := list(); got != n || err != nil || len(retryer.errs) > 0 {
		t.Errorf("%d of %d, %v; the client would have retried for %v", got, n, err, retryer.errs)
	}
	server.Inject("Query", 1, dynamotest.Fault{Code: "InternalServerError"})
	if _, err := list(); err == nil || len(retryer.errs) != 1 {
		t.Errorf("a request that fails: %v; the client would have retried for %v", err, retryer.errs)
	}
}
