package eventhistory_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/eventhistory"
	"rootguard/internal/aws/eventhistory/eventhistorytest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/testenv"
)

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// client asks at once; it keeps the pauses it should have made.
func client(server *eventhistorytest.Server, region string, pauses *[]time.Duration) *eventhistory.Client {
	clock := fake.NewClock(t0)
	api := sdk.New(sdk.Options{
		Region: region, BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff, o.MaxAttempts = time.Millisecond, 5 }),
	})
	return eventhistory.New(api, eventhistory.Rate, clock.Now, func(ctx context.Context, d time.Duration) error {
		if pauses != nil {
			*pauses = append(*pauses, d)
		}
		clock.Advance(d)
		return ctx.Err()
	})
}

func record(id, region, source, name, kind, user string, at time.Time) string {
	return fmt.Sprintf(`{"eventVersion":"1.10","userIdentity":{"type":%q,"userName":%q,"accountId":"111111111111"},"eventTime":%q,
	"eventSource":%q,"eventName":%q,"awsRegion":%q,"eventID":%q,"recipientAccountId":"111111111111"}`, kind, user, at.UTC().Format(time.RFC3339), source, name, region, id)
}

func iam(id, name string, at time.Time) string {
	return record(id, "us-east-1", "iam.amazonaws.com", name, "IAMUser", "admin", at)
}

func add(t *testing.T, server *eventhistorytest.Server, records ...string) {
	t.Helper()
	if err := server.Add(records...); err != nil {
		t.Fatal(err)
	}
}

func TestPage(t *testing.T) {
	server := eventhistorytest.New(t)
	server.Page = 2
	for i := range 5 {
		add(t, server, iam(fmt.Sprintf("e-%d", i), "CreateUser", t0.Add(time.Duration(i)*time.Minute)))
	}
	add(t, server, iam("other", "DeleteUser", t0), record("elsewhere", "eu-west-1", "iam.amazonaws.com", "CreateUser", "IAMUser", "x", t0))
	var pauses []time.Duration
	c := client(server, "us-east-1", &pauses)
	q := eventhistory.Question{Attribute: "EventName", Value: "CreateUser"}
	var ids []string
	token := ""
	for range 5 {
		page, err := c.Page(t.Context(), q, t0.Add(time.Minute), t0.Add(time.Hour), token)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range page.Events {
			ids = append(ids, e.ID)
			if rec, _, err := cloudtrail.Decode([]byte(e.Record)); err != nil || !rec.EventTime.Equal(e.Time) {
				t.Errorf("event %s: record %+v, %v", e.ID, rec, err)
			}
		}
		if token = page.Next; token == "" {
			break
		}
	}
	if want := []string{"e-4", "e-3", "e-2", "e-1"}; !slices.Equal(ids, want) {
		t.Errorf("got %v, want %v", ids, want)
	}
	if len(pauses) != 1 || pauses[0] != 500*time.Millisecond {
		t.Errorf("paused %v between 2 requests, want half a second", pauses)
	}
	if _, err := c.Page(t.Context(), q, t0, t0.Add(time.Hour), "stale"); !errors.Is(err, eventhistory.ErrToken) {
		t.Errorf("a stale token: %v", err)
	}
}

func TestThrottled(t *testing.T) {
	server := eventhistorytest.New(t)
	add(t, server, iam("e", "CreateUser", t0))
	q := eventhistory.Question{Attribute: "EventName", Value: "CreateUser"}
	throttled := eventhistorytest.Fault{Status: http.StatusBadRequest, Code: "ThrottlingException"}
	server.Inject(3, throttled)
	page, err := client(server, "us-east-1", nil).Page(t.Context(), q, t0, t0, "")
	if err != nil || len(page.Events) != 1 || len(server.Calls()) != 4 {
		t.Errorf("throttled three times: %+v, %v, %d requests", page, err, len(server.Calls()))
	}
	server.Inject(1, eventhistorytest.Fault{Status: http.StatusBadRequest, Code: "AccessDeniedException"})
	if _, err := client(server, "us-east-1", nil).Page(t.Context(), q, t0, t0, ""); err == nil || !strings.Contains(err.Error(), "AccessDenied") || !strings.Contains(err.Error(), "EventName=CreateUser") {
		t.Errorf("denied: %v", err)
	}
}

// TestReachesAll holds that every record of the corpus that makes a finding or a
// fact would be found by one of the questions.
func TestReachesAll(t *testing.T) {
	questions, err := eventhistory.Questions(true)
	if err != nil {
		t.Fatal(err)
	}
	relevant := 0
	check := func(from string, log io.Reader) {
		for r := cloudtrail.NewReader(log, nil); ; {
			entry, err := r.Next()
			if err != nil {
				return
			}
			rec := entry.Record
			if rec == nil || rec.EventName == "" {
				continue
			}
			o := (&detect.Detector{}).Detect(rec, nil)
			tampered := o.Kind == detect.Matched && o.Finding.ID == detect.GuardTampered && rec.EventSource != "cloudtrail.amazonaws.com"
			if o.Kind != detect.Matched && len(bootstrap.FactsOf(rec)) == 0 || tampered {
				continue
			}
			relevant++
			if !slices.ContainsFunc(questions, func(q eventhistory.Question) bool {
				return q.Attribute == "EventName" && q.Value == rec.EventName ||
					q.Attribute == "Username" && q.Value == "root" && rec.UserIdentity.Type == "Root"
			}) {
				t.Errorf("%s: %s %s by %s is reached by no question", from, rec.EventSource, rec.EventName, rec.UserIdentity.Type)
			}
		}
	}
	corpus := filepath.Join(testenv.Shared(t), "corpus")
	raw, err := os.ReadFile(filepath.Join(corpus, "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(raw) {
		var c struct {
			ID    string
			Event json.RawMessage
		}
		if err := json.Unmarshal(line, &c); err != nil {
			t.Fatal(err)
		}
		check(c.ID, bytes.NewReader(c.Event))
	}
	logs, err := filepath.Glob(filepath.Join(corpus, "invictus-ir", "*.json.gz"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("%d logs, %v", len(logs), err)
	}
	for _, log := range logs {
		raw, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		check(log, bytes.NewReader(raw))
	}
	if relevant < 80 {
		t.Errorf("only %d relevant records", relevant)
	}
	elsewhere, err := eventhistory.Questions(false)
	if err != nil || len(elsewhere) >= len(questions) || !slices.Contains(elsewhere, eventhistory.Question{Attribute: "EventName", Value: "ConsoleLogin"}) {
		t.Errorf("outside of the home Region: %v, %v", elsewhere, err)
	}
	t.Logf("%d relevant records; %d questions at home, %d elsewhere", relevant, len(questions), len(elsewhere))
}

func scope() eventhistory.Scope {
	return eventhistory.Scope{
		Account: "111111111111", Span: 30 * 24 * time.Hour, Regions: []string{"us-east-1", "eu-north-1"}, Home: "us-east-1",
		Since: t0.Add(-30 * 24 * time.Hour), Until: t0,
	}
}

// history is what the tests download.
func history(t *testing.T) *eventhistorytest.Server {
	t.Helper()
	server := eventhistorytest.New(t)
	server.Page = 2
	for i := range 7 {
		add(t, server, iam(fmt.Sprintf("create-%d", i), "CreateUser", t0.Add(-time.Duration(i)*11*time.Hour)))
	}
	add(t, server,
		record("both", "us-east-1", "iam.amazonaws.com", "CreateUser", "Root", "", t0.Add(-30*time.Hour)), // by two questions
		record("signin", "eu-north-1", "signin.amazonaws.com", "ConsoleLogin", "IAMUser", "dana", t0.Add(-31*time.Hour)),
		record("root", "eu-north-1", "ec2.amazonaws.com", "RunInstances", "Root", "", t0.Add(-2*time.Hour)),
		record("irrelevant", "us-east-1", "ec2.amazonaws.com", "RunInstances", "IAMUser", "dana", t0.Add(-3*time.Hour)),
		iam("too-old", "CreateUser", t0.Add(-31*24*time.Hour)),
	)
	return server
}

func askers(server *eventhistorytest.Server) map[string]eventhistory.Asker {
	return map[string]eventhistory.Asker{"us-east-1": client(server, "us-east-1", nil), "eu-north-1": client(server, "eu-north-1", nil)}
}

// ids reads the sorted files as replay does: in the order of their names.
func ids(t *testing.T, s *eventhistory.Spool) []string {
	t.Helper()
	folder, err := s.Sort()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	last := ""
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(raw)) {
			var r struct{ EventID, EventTime string }
			if err := json.Unmarshal([]byte(line), &r); err != nil {
				t.Fatalf("%s: %v in %q", file, err, line)
			}
			if r.EventTime < last {
				t.Errorf("%s at %s comes after %s", r.EventID, r.EventTime, last)
			}
			last = r.EventTime
			got = append(got, r.EventID)
		}
	}
	return got
}

var all = []string{"create-6", "create-5", "create-4", "create-3", "signin", "both", "create-2", "create-1", "root", "create-0"}

func TestSpool(t *testing.T) {
	server := history(t)
	dir := filepath.Join(t.TempDir(), "lookup")
	s, resumed, err := eventhistory.Open(dir, scope())
	if err != nil || resumed {
		t.Fatal(resumed, err)
	}
	var last eventhistory.Progress
	if err := s.Fill(t.Context(), askers(server), func(p eventhistory.Progress) {
		if p.Events < last.Events || p.Questions < last.Questions {
			t.Errorf("progress went back from %+v to %+v", last, p)
		}
		last = p
	}); err != nil {
		t.Fatal(err)
	}
	if last.Questions != last.Total-1 || last.Events != 11 {
		t.Errorf("last progress %+v", last)
	}
	if got := ids(t, s); !slices.Equal(got, all) {
		t.Errorf("got %v, want %v", got, all)
	}
	if err := os.WriteFile(filepath.Join(dir, "mine.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || left[0].Name() != "mine.txt" {
		t.Errorf("left %v, %v; want what is somebody else's", left, err)
	}
}

// TestResume interrupts a download after every request and goes on.
func TestResume(t *testing.T) {
	testenv.Soak(t)
	whole := history(t)
	s, _, err := eventhistory.Open(t.TempDir(), scope())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fill(t.Context(), askers(whole), func(eventhistory.Progress) {}); err != nil {
		t.Fatal(err)
	}
	total := len(whole.Calls())
	for stop := 1; stop < total; stop++ {
		server := history(t)
		dir := t.TempDir()
		s, _, err := eventhistory.Open(dir, scope())
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		server.Before = func(n int) {
			if n == stop {
				cancel()
			}
		}
		if err := s.Fill(ctx, askers(server), func(eventhistory.Progress) {}); !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped at request %d: %v", stop, err)
		}
		server.Before = nil
		// A line that was being written when the process died.
		f, err := os.OpenFile(filepath.Join(dir, "2025-02-28.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteString(`{"eventID":"half`); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		later := scope()
		later.Since, later.Until = later.Since.Add(time.Hour), later.Until.Add(time.Hour)
		s, resumed, err := eventhistory.Open(dir, later)
		if err != nil || !resumed || !s.Scope().Until.Equal(t0) {
			t.Fatalf("stopped at request %d: resumed %v, scope %+v, %v", stop, resumed, s.Scope(), err)
		}
		if err := s.Fill(t.Context(), askers(server), func(eventhistory.Progress) {}); err != nil {
			t.Fatal(err)
		}
		if got := ids(t, s); !slices.Equal(got, all) {
			t.Errorf("stopped at request %d: got %v, want %v", stop, got, all)
		}
		if again := len(server.Calls()) - total; again > 3 {
			t.Errorf("stopped at request %d: %d requests more than without the stop", stop, again)
		}
	}
}

func TestOtherScope(t *testing.T) {
	for name, change := range map[string]func(*eventhistory.Scope){
		"account": func(s *eventhistory.Scope) { s.Account = "222222222222" },
		"span":    func(s *eventhistory.Scope) { s.Span *= 2 },
		"regions": func(s *eventhistory.Scope) { s.Regions = s.Regions[:1] },
	} {
		server, dir := history(t), t.TempDir()
		s, _, err := eventhistory.Open(dir, scope())
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Fill(t.Context(), askers(server), func(eventhistory.Progress) {}); err != nil {
			t.Fatal(err)
		}
		other := scope()
		change(&other)
		s, resumed, err := eventhistory.Open(dir, other)
		if err != nil || resumed {
			t.Errorf("another %s: resumed %v, %v", name, resumed, err)
		}
		if got := ids(t, s); len(got) != 0 {
			t.Errorf("another %s: still has %v", name, got)
		}
	}
}

// TestDamaged holds that a spool that lacks what its cursor notes starts again.
func TestDamaged(t *testing.T) {
	for name, damage := range map[string]func(dir string) error{
		"a file is gone": func(dir string) error { return os.Remove(filepath.Join(dir, "2025-02-28.jsonl")) },
		"a file is cut":  func(dir string) error { return os.Truncate(filepath.Join(dir, "2025-02-28.jsonl"), 5) },
		"no cursor":      func(dir string) error { return os.WriteFile(filepath.Join(dir, "cursor.json"), []byte("{"), 0o600) },
	} {
		server, dir := history(t), t.TempDir()
		s, _, err := eventhistory.Open(dir, scope())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := s.Fill(t.Context(), askers(server), func(eventhistory.Progress) {}); err != nil {
				t.Fatal(err)
			}
			if got := ids(t, s); !slices.Equal(got, all) {
				t.Errorf("%s: got %v, want %v", name, got, all)
			}
			if err := damage(dir); err != nil {
				t.Fatal(err)
			}
			var resumed bool
			if s, resumed, err = eventhistory.Open(dir, scope()); err != nil || resumed {
				t.Fatalf("%s: resumed %v, %v", name, resumed, err)
			}
		}
	}
}

// forgetful refuses every second token.
type forgetful struct {
	eventhistory.Asker
	n int
}

func (f *forgetful) Page(ctx context.Context, q eventhistory.Question, since, until time.Time, token string) (eventhistory.Page, error) {
	if token != "" {
		if f.n++; f.n%2 == 0 {
			token = "stale"
		}
	}
	return f.Asker.Page(ctx, q, since, until, token)
}

func TestStaleTokens(t *testing.T) {
	server := history(t)
	s, _, err := eventhistory.Open(t.TempDir(), scope())
	if err != nil {
		t.Fatal(err)
	}
	ask := askers(server)
	ask["us-east-1"] = &forgetful{Asker: ask["us-east-1"]}
	if err := s.Fill(t.Context(), ask, func(eventhistory.Progress) {}); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, s); !slices.Equal(got, all) {
		t.Errorf("got %v, want %v", got, all)
	}
}
