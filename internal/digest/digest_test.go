package digest

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

var update = flag.Bool("update", false, "write the golden files")

var now = at("2026-11-30T07:00:30Z")

// status is one whose steps have the states of a word: d(one), p(ending), r(egressed),
// n(ot applicable), u(nknown).
func status(account, states string, users ...bootstrap.UserStatus) bootstrap.Status {
	s := bootstrap.Status{Account: account, AsOf: now, Users: users, LastEvent: now.Add(-time.Hour)}
	s.Bootstrapped = true
	for i, step := range bootstrap.Steps() {
		state := map[byte]bootstrap.State{'d': bootstrap.Done, 'p': bootstrap.Pending, 'r': bootstrap.Regressed, 'n': bootstrap.NotApplicable,
			'u': bootstrap.Unknown}[states[i]]
		s.Steps = append(s.Steps, bootstrap.StepStatus{Step: step, State: state, Since: now.Add(-time.Duration(i+1) * 24 * time.Hour)})
		s.Bootstrapped = s.Bootstrapped && (state == bootstrap.Done || state == bootstrap.NotApplicable)
	}
	return s
}

func user(name string, deadline time.Time) bootstrap.UserStatus {
	u := bootstrap.UserStatus{Name: name, ConsoleAccess: true, MFA: bootstrap.MFAPending, GraceDeadline: deadline}
	if now.After(deadline) {
		u.MFA = bootstrap.MFAMissing
	}
	return u
}

func id(n int) string { return fmt.Sprintf("%012d", 100_000_000_000+n) }

func tally(last Snapshot, accounts ...Account) *Tally {
	var t Tally
	for _, a := range accounts {
		t.Add(a, last, now)
	}
	return &t
}

func snapshot(statuses ...bootstrap.Status) Snapshot {
	s := Snapshot{}
	for i := range statuses {
		s.Add(&statuses[i])
	}
	return s
}

var names = map[string]string{id(1): "prod-billing", id(2): "dev", id(3): "data-lake"}

// small is an organization of three accounts, in trouble.
func small() Input {
	root := user("alice", now.Add(-26*time.Hour))
	root.Admin = true
	gone := user("old", now.Add(-time.Hour))
	gone.Deleted = true
	with := user("carol", time.Time{})
	with.MFA = bootstrap.MFAOn
	last := snapshot(status(id(1), "ddddddd"), status(id(2), "dpppppp"), status(id(4), "ppppppp"))
	accounts := []Account{
		{Status: status(id(1), "rddddrd", root, gone),
			Incidents: []Incident{{Account: id(1), ID: "7K4Q2-X2M9P", Title: "Root sign-in WITHOUT MFA", Severity: detect.Critical,
				Opened: now.Add(-50 * time.Hour)}}},
		{Status: status(id(2), "ddddpnu", user("bob", now.Add(5*time.Hour)), with), Announcements: []Announcement{{Account: id(2), Owner: "carol",
			Reason: "change the support plan", From: now.Add(-time.Hour), Until: now.Add(time.Hour)}}},
		{Status: status(id(3), "dddnnnd"), Notes: []Note{{Topic: Drill, Account: id(3), Text: "root was never used under an announcement"}}},
		{Status: status(id(4), "ddddddd")},
	}
	weekly, err := Parse("weekly monday 08:00 Europe/Berlin")
	if err != nil {
		panic(err)
	}
	return Input{
		At: now, Since: now.Add(-7 * 24 * time.Hour), Schedule: weekly, Tally: tally(last, accounts...),
		Name: func(a string) string { return names[a] }, Topics: map[Topic]string{Drill: "BREAK-GLASS DRILL OVERDUE"},
		Extra: []alert.DigestSection{{ID: "suppressions", Title: "SUPPRESSED: 2 findings",
			Lines: []string{"user.created in dev, 4 times, until 2026-12-24"}}},
		Guard: &Guard{
			Faults: []Fault{
				{Check: "queue.failed", Severity: detect.Medium, Since: now.Add(-3 * time.Hour), Why: "2 events wait in the queue rootguard-failed",
					Fix: "rootguard redrive"},
				{
					Check: "queue.undelivered", Severity: detect.High, Since: now.Add(-75 * time.Hour), Quiet: true,
					Why: "2 malformed messages wait, the oldest for 3 days: https://sqs.us-east-1.amazonaws.com/111122223333/rootguard-UndeliveredF3CF66A9-Ab12Cd34Ef56",
					Fix: "See each with rootguard redrive --dry-run; once you know what it is, delete it: rootguard redrive --discard 0f4d5b8e-6f3c-4c55-9d6a-0c8f3a1b2c3d",
				},
				{Check: "topic.chat", Severity: detect.Critical, Since: now.Add(-time.Hour), Why: "The topic rootguard-chat does not exist"},
				{Check: "alarms", Severity: detect.Medium, Since: now.Add(-time.Hour), Why: "It could not be checked: AccessDenied", Unchecked: true},
			},
			Checked: now, Heartbeat: now.Add(-12 * time.Minute), Unreachable: Counted{5, []string{id(7), id(8), id(9), id(10)}},
			Regions: []string{"af-south-1", "me-central-1"},
			Refused: "AccessDeniedException: ask https://evil.example", Failed: []string{"the suppressions: timeout"},
		},
	}
}

func well() Input {
	in := small()
	in.Tally = tally(snapshot(status(id(1), "ddddddd")), Account{Status: status(id(1), "ddddddd")})
	in.Guard = &Guard{Checked: now, Heartbeat: now.Add(-3 * time.Minute)}
	in.Extra, in.Topics = nil, nil
	return in
}

// many is an organization of ten thousand accounts, of which all is wrong.
func many() Input {
	in := small()
	last := Snapshot{}
	in.Tally = &Tally{}
	evil := strings.Repeat("www.evil.example ", 40)
	for i := range 10_000 {
		s := status(id(i), "ddddddd")
		last.Add(&s)
	}
	for i := range 10_000 {
		s := status(id(i), []string{"rrrrrrr", "ppppppp", "ddddddr"}[i%3])
		for n := range 5 {
			s.Users = append(s.Users, user(evil+strconv.Itoa(n), now.Add(time.Duration(n-2)*time.Hour)))
		}
		a := Account{Status: s}
		for range 3 {
			a.Incidents = append(a.Incidents, Incident{Account: s.Account, ID: "X", Title: evil, Severity: detect.Critical, Opened: now})
			a.Announcements = append(a.Announcements, Announcement{Account: s.Account, Owner: evil, Reason: evil, From: now, Until: now})
			for topic := range 30 {
				if i > 100 {
					break
				}
				a.Notes = append(a.Notes, Note{Topic: Topic(fmt.Sprintf("t%d", topic)), Account: s.Account, Text: evil})
			}
		}
		in.Tally.Add(a, last, now)
	}
	in.Name = func(string) string { return evil }
	for range 40 {
		in.Guard.Faults = append(in.Guard.Faults, Fault{Check: evil, Why: evil, Severity: detect.High})
		in.Guard.Failed = append(in.Guard.Failed, evil)
		in.Guard.Regions = append(in.Guard.Regions, "xx-north-1")
	}
	return in
}

func published(in Input) alert.Alert {
	title, d := Compose(in)
	return alert.Alert{Schema: alert.Schema, ID: "a-1", Kind: alert.Scheduled, AccountName: "security", Finding: detect.Digest("999999999999",
		title, at("2026-11-30T07:00:00Z")), Digest: d}
}

func TestGolden(t *testing.T) {
	logs := small()
	logs.Guard, logs.Schedule, logs.Since = nil, Schedule{}, time.Time{}
	logs.Tally.Compared = false
	empty := well()
	empty.Tally, empty.Guard = &Tally{}, &Guard{}
	for name, in := range map[string]Input{"small": small(), "well": well(), "many": many(), "logs": logs, "empty": empty} {
		t.Run(name, func(t *testing.T) {
			a := published(in)
			chat, err := alert.AmazonQ(a)
			if err != nil {
				t.Fatal(err)
			}
			var n struct {
				Content struct {
					Title, Description string
					NextSteps          []string
				}
			}
			if err := json.Unmarshal(chat, &n); err != nil {
				t.Fatal(err)
			}
			got := "--- subject\n" + alert.Subject(a) + "\n--- text\n" + alert.Text(a) + "--- chat\n" + n.Content.Title + "\n" +
				n.Content.Description + "\n" + strings.Join(n.Content.NextSteps, "\n") + "\n"
			file := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("golden file differs (-want +got); -update writes it again:\n%s", diff)
			}
		})
	}
}

// TestAllWell holds that a digest says that all is well only where each of its parts is.
func TestAllWell(t *testing.T) {
	title := func(in Input) string {
		text, _ := Compose(in)
		return text
	}
	if got := title(well()); got != "all well, 1 account bootstrapped" {
		t.Errorf("the title is %q", got)
	}
	for _, tt := range []struct {
		name, want string
		change     func(*Input)
	}{
		{"a failing check", "1 failing check", func(in *Input) { in.Guard.Faults = []Fault{{Check: "trail"}} }},
		{"no heartbeat", "no heartbeat", func(in *Input) { in.Guard.Heartbeat = time.Time{} }},
		{"no check yet", "1 of 1 account bootstrapped", func(in *Input) { in.Guard = &Guard{} }},
		{"from logs", "1 of 1 account bootstrapped", func(in *Input) { in.Guard = nil }},
		{"an account without an answer", "2 gaps in coverage", func(in *Input) { in.Guard.Unreachable = Counted{2, []string{id(7), id(8)}} }},
		{"a Region without a forwarder", "1 gap in coverage", func(in *Input) { in.Guard.Regions = []string{"af-south-1"} }},
		{"no list of accounts", "1 gap in coverage", func(in *Input) { in.Guard.Refused = "AccessDeniedException" }},
		{"a part that was not read", "1 gap in coverage", func(in *Input) { in.Guard.Failed = []string{"the suppressions: timeout"} }},
		{"an overdue drill", "1 overdue drill", func(in *Input) {
			in.Tally = tally(nil, Account{Status: status(id(1), "ddddddd"), Notes: []Note{{Topic: Drill, Account: id(1), Text: "never"}}})
		}},
		{"an open incident", "1 open incident", func(in *Input) {
			in.Tally = tally(nil, Account{Status: status(id(1), "ddddddd"), Incidents: []Incident{{Account: id(1), ID: "X"}}})
		}},
		{"a user without MFA", "1 user without MFA", func(in *Input) { in.Tally = tally(nil, Account{Status: status(id(1), "ddddddd", user("bob", now))}) }},
		{"a step that regressed", "1 of 1 account regressed", func(in *Input) { in.Tally = tally(nil, Account{Status: status(id(1), "rdddddd")}) }},
		{"a step that is not done", "0 of 1 account bootstrapped", func(in *Input) { in.Tally = tally(nil, Account{Status: status(id(1), "pdddddd")}) }},
	} {
		in := well()
		tt.change(&in)
		if got := title(in); got != tt.want {
			t.Errorf("%s: the title is %q, want %q", tt.name, got, tt.want)
		}
	}
}

// TestBounded holds that a digest of ten thousand accounts in trouble is a mail that a
// person reads, and a message and a row that AWS takes.
func TestBounded(t *testing.T) {
	in := many()
	a := published(in)
	text := alert.Text(a)
	if lines := strings.Count(text, "\n"); lines > 120 || len(text) > 16<<10 {
		t.Errorf("the mail has %d lines and %d bytes", lines, len(text))
	}
	for line := range strings.SplitSeq(text, "\n") {
		if strings.Contains(line, "evil.example") || len([]rune(line)) > 200 {
			t.Errorf("line %q", line)
		}
	}
	body, err := alert.JSON(a)
	if err != nil || len(body) > 64<<10 {
		t.Errorf("%d bytes of JSON, %v", len(body), err)
	}
	chat, err := alert.AmazonQ(a)
	if err != nil || len(chat) > 16<<10 {
		t.Errorf("%d bytes for chat, %v", len(chat), err)
	}
	row, err := json.Marshal(in.Tally)
	if err != nil || len(row) > 250<<10 {
		t.Errorf("a row of %d bytes, %v", len(row), err)
	}
	t.Logf("mail %d lines, %d bytes; JSON %d, chat %d, row %d bytes", strings.Count(text, "\n"), len(text), len(body), len(chat), len(row))
	for _, s := range a.Digest.Sections {
		if s.ID == "accounts" && len(s.Lines)+s.More != 10_000 {
			t.Errorf("%d accounts and %d more, want 10,000", len(s.Lines), s.More)
		}
		if s.ID == "mfa" && len(s.Lines)+s.More != 50_000 {
			t.Errorf("%d users and %d more, want 50,000", len(s.Lines), s.More)
		}
	}
}

// TestWorstFirst holds the order of the accounts.
func TestWorstFirst(t *testing.T) {
	order := []string{"rrddddd", "rdddddd", "ddrrrrr", "dddddrd", "pppppdd", "dppdddd", "pdddddd", "ddddddp", "uuddddd"}
	var accounts []Account
	for i, states := range slices.Backward(order) {
		accounts = append(accounts, Account{Status: status(id(len(order)-i), states)})
	}
	tl := tally(nil, accounts...)
	var got []string
	for _, l := range tl.Worst {
		got = append(got, l.Account)
	}
	var want []string
	for i := range order {
		want = append(want, id(len(order)-i))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if tl.Regressed != 4 || tl.Bootstrapped != 0 || tl.Accounts != 9 {
		t.Errorf("%d regressed, %d bootstrapped of %d", tl.Regressed, tl.Bootstrapped, tl.Accounts)
	}
}

// TestChanges holds which differences between two digests are changes, and what is said of them.
func TestChanges(t *testing.T) {
	for _, c := range []struct{ was, is, want string }{
		{"ddddddd", "ddddddd", ""},
		{"ppppppp", "uuuuuuu", ""}, // nothing that a person did
		{"dddnnnd", "ddddddd", ""}, // done in another way
		{"pdddddd", "ddddddd", "now bootstrapped. done: Root user has MFA"},
		{"ddddddd", "rdddddd", "REGRESSED: Root user has MFA"},
		{"rdddddd", "rdddddr", "REGRESSED: Root user is left alone"},
		{"rdddddd", "ddddddd", "now bootstrapped. done: Root user has MFA"},
		{"dpppppp", "pdppppp", "done: Root user has no access key. open again: Root user has MFA"},
		{"", "ddddddd", "new, bootstrapped"},
		{"", "dpppppp", "new, 1 of 7 steps done, next: Root user has no access key"},
	} {
		last := Snapshot{}
		if c.was != "" {
			last = snapshot(status(id(1), c.was))
		}
		in := well()
		in.Tally = tally(last, Account{Status: status(id(1), c.is)})
		_, d := Compose(in)
		got := ""
		for _, s := range d.Sections {
			if s.ID == "changes" && len(s.Lines) > 0 {
				got = strings.TrimPrefix(s.Lines[0], id(1)+" prod-billing: ")
			}
		}
		if got != c.want {
			t.Errorf("%s to %s: %q, want %q", c.was, c.is, got, c.want)
		}
	}
}

// TestSnapshot holds that what was put in is found, and nothing else, also after it was stored.
func TestSnapshot(t *testing.T) {
	testenv.Check(t, 100, func(t *rapid.T) {
		ids := rapid.SliceOfDistinct(rapid.IntRange(0, 500), func(n int) int { return n }).Draw(t, "ids")
		slices.Sort(ids)
		want := map[string]steps{}
		s := Snapshot{}
		for _, n := range ids {
			is := steps(rapid.Uint16Range(0, 1<<14-1).Draw(t, "steps"))
			s.add(id(n), is)
			want[id(n)] = is
		}
		raw, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Snapshot
		if err := json.Unmarshal(raw, &back); err != nil {
			t.Fatal(err)
		}
		if err := back.Check(); err != nil {
			t.Fatal(err)
		}
		for n := range 501 {
			is, found := back.find(id(n))
			w, in := want[id(n)]
			if found != in || is != w {
				t.Fatalf("%s: %v, %v, want %v, %v", id(n), is, found, w, in)
			}
		}
	})
	for _, bad := range []Snapshot{{1}, make(Snapshot, 2*recordSize), make(Snapshot, (MaxSnapshot+1)*recordSize)} {
		if bad.Check() == nil {
			t.Errorf("%d bytes are a snapshot", len(bad))
		}
	}
	var s Snapshot
	for _, odd := range []string{"", "prod", "1234567890123", "12345678901x"} {
		if s.add(odd, 1); s.len() > 0 {
			t.Errorf("%q is in it", odd)
		}
	}
	// An account that can be in no snapshot is not new each week.
	if tl := tally(Snapshot{}, Account{Status: status("prod", "ddddddd")}); tl.Changed != 0 {
		t.Error("a malformed account is new")
	}
}

// FuzzSnapshot reads stored bytes.
func FuzzSnapshot(f *testing.F) {
	f.Add([]byte(snapshot(status(id(1), "ddddddd"), status(id(2), "rpunddd"))), id(2))
	f.Add([]byte{0, 1, 2}, "")
	f.Fuzz(func(t *testing.T, raw []byte, account string) {
		s := Snapshot(raw)
		_, found := s.find(account)
		if err := s.Check(); err == nil && found {
			if _, ok := number(account); !ok {
				t.Errorf("%q is found", account)
			}
		}
		tally(s, Account{Status: status(account, "ddddddd")})
	})
}
