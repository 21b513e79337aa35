package announcement

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// Max is the longest that root use is announced for.
const Max = 24 * time.Hour

// summaryDelay is how long after its end an announcement's summary is made, for
// CloudTrail to deliver what root did in its last minutes.
const summaryDelay = 5 * time.Minute

// maxCounted is how many findings a summary counts. Who scripts root makes more, and to
// count them takes time that others need.
const maxCounted = 20_000

var errCounted = errors.New("enough is counted")

// AuditEvent is what someone did about an announcement of root use. Entries are
// never changed.
type AuditEvent struct {
	Key     string    `json:"key"`     // "account/from/ID/act"
	Action  Action    `json:"act"`     //
	ID      string    `json:"id"`      // of the announcement, for people, see ReadID
	Account string    `json:"account"` //
	From    time.Time `json:"from"`    // of the announcement, in whole seconds

	At     time.Time    `json:"at"`               // when it was done
	Actor  detect.Actor `json:"actor"`            // who did it
	Reason string       `json:"reason,omitempty"` // why root is used, or why the announcement was closed

	Until time.Time `json:"until,omitzero"`  // of an Opened
	Owner string    `json:"owner,omitempty"` // of an Opened: who answers for the use of root

	By      []string `json:"by,omitempty"`      // of a DeploymentOpened: who deploys, see detect.DeployedBy
	Version string   `json:"version,omitempty"` // of a DeploymentOpened, where it is known
}

// Action is what an entry reports.
type Action string

// The acts.
const (
	Opened Action = "open"
	Closed Action = "close"

	// Of a deployment of rootguard. They are acts of their own, so that no version takes
	// the announcement of a deployment for one of root use.
	DeploymentOpened Action = "deploy"
	DeploymentClosed Action = "deployed"
)

// Announcement is root use that was announced.
type Announcement struct {
	Opened     AuditEvent  `json:"opened"`
	EndedEarly *AuditEvent `json:"closed,omitempty"` // before its time
}

// End is when it ends, or ended.
func (a *Announcement) End() time.Time { return a.end(a.Opened.From.Add(Max), 0) }

// end is when it ends, at the latest at a time, or so much after it was closed.
func (a *Announcement) end(latest time.Time, after time.Duration) time.Time {
	end := a.Opened.Until
	if end.After(latest) {
		end = latest
	}
	if c := a.EndedEarly; c != nil && c.At.Add(after).Before(end) {
		end = c.At.Add(after)
	}
	return end
}

// Covers reports whether an event of a time was announced.
func (a *Announcement) Covers(at time.Time) bool {
	return !at.Before(a.Opened.From) && at.Before(a.End())
}

func (a *Announcement) use() detect.AnnouncedUse {
	o := &a.Opened
	return detect.AnnouncedUse{Account: o.Account, ID: o.ID, From: o.From, Until: o.Until, Owner: o.Owner, Reason: o.Reason}
}

// Of puts entries together, by the time they begin. A closing
// without its opening is left out.
func Of(entries []AuditEvent) []Announcement { return of(entries, Opened, Closed) }

func of(entries []AuditEvent, opened, ended Action) []Announcement {
	var all []Announcement
	closed := map[string]*AuditEvent{}
	for i := range entries {
		if e := &entries[i]; e.Action == ended {
			closed[e.ID] = e
		}
	}
	for i := range entries {
		if e := &entries[i]; e.Action == opened {
			all = append(all, Announcement{Opened: *e, EndedEarly: closed[e.ID]})
		}
	}
	slices.SortFunc(all, func(a, b Announcement) int {
		return cmp.Or(a.Opened.From.Compare(b.Opened.From), cmp.Compare(a.Opened.ID, b.Opened.ID))
	})
	return all
}

// OverlapError says that another announcement has part of the same time.
type OverlapError struct{ With Announcement }

func (e *OverlapError) Error() string {
	return fmt.Sprintf("announcement %s of %s has part of that time", e.With.Opened.ID, e.With.Opened.Owner)
}

// Sender publishes a notice, once. It is a *guard.Guard.
type Sender interface {
	Send(ctx context.Context, n guard.Notice) (guard.Result, error)
}

// Announcer opens and closes announcements, and reports what became of them.
type Announcer struct {
	register  Register
	summaries ending.Schedule
	sender    Sender
	now       func() time.Time
}

// New returns an Announcer. batch is how many summaries it reads at a time; 0 is 64.
func New(store Store, summaries worker.Rows[ending.Row], sender Sender, now func() time.Time, batch int) *Announcer {
	return &Announcer{Register{store}, ending.Schedule{Rows: summaries, Now: now, What: "announcements that ended", Batch: batch}, sender, now}
}

// Announce opens an announcement: Account, From, Until, Owner, Reason and Actor
// of the entry say which. That it is opened is published first, and only then is
// it stored and counts: no one lowers an alert unseen. It fails with an
// OverlapError where there is one of that time already.
func (an *Announcer) Announce(ctx context.Context, e AuditEvent) (AuditEvent, error) {
	e.Action, e.At = Opened, an.now().UTC()
	e.From, e.Until = e.From.UTC().Truncate(time.Second), e.Until.UTC().Truncate(time.Second)
	if d := e.Until.Sub(e.From); d <= 0 || d > Max {
		return e, failure.Permanent(fmt.Errorf("announcing root use: it is to last %v, and may last %v at most", d, Max))
	}
	if e.From.Before(e.At.Add(-time.Minute)) {
		return e, failure.Permanent(errors.New("announcing root use: it is to begin in the past, and what was reported is reported"))
	}
	e.ID = keys.ShortID(strings.Join([]string{e.Account, e.From.String(), e.Until.String(), e.Owner, e.Reason, e.Actor.ARN, e.At.String()},
		"\n"))
	e.Key = announcementKey(&e)
	if err := an.overlap(ctx, &e); err != nil {
		return e, err
	}
	a := Announcement{Opened: e}
	if err := an.publish(ctx, detect.UseAnnounced(a.use(), e.Actor, e.At)); err != nil {
		return e, err
	}
	if err := an.scheduleSummary(ctx, &e, e.Until.Add(summaryDelay)); err != nil {
		return e, err
	}
	if _, err := an.register.Store.Append(ctx, e); err != nil {
		return e, fmt.Errorf("storing announcement %s: %w", e.ID, err)
	}
	// Another one may have been stored since the first check. Each of two that are
	// stored at once checks after it is stored, so at least one sees the other, and
	// whichever does ends itself: never do both count.
	err := an.overlap(ctx, &e)
	if _, both := errors.AsType[*OverlapError](err); both {
		if _, _, closeErr := an.Close(ctx, a, e.Actor, "announced at the same moment as another one of that time"); closeErr != nil {
			return e, errors.Join(err, closeErr)
		}
	}
	return e, err
}

// overlap is an OverlapError where another announcement has part of the time.
func (an *Announcer) overlap(ctx context.Context, e *AuditEvent) error {
	known, err := an.register.between(ctx, e.Account, e.From.Add(-Max), e.Until)
	if err != nil {
		return err
	}
	for _, a := range known {
		if a.Opened.ID != e.ID && a.Opened.From.Before(e.Until) && e.From.Before(a.End().Truncate(time.Second)) {
			return &OverlapError{With: a}
		}
	}
	return nil
}

// Close ends an announcement before its time and reports so. It counts at once,
// since it only makes alerts louder. Where someone closed it before, theirs
// stays, already is true, and that it is reported is made sure.
func (an *Announcer) Close(ctx context.Context, a Announcement, by detect.Actor, reason string) (closed Announcement,
	already bool, err error) {
	e := AuditEvent{Action: Closed, ID: a.Opened.ID, Account: a.Opened.Account, From: a.Opened.From, At: an.now().UTC(),
		Actor: by, Reason: reason}
	e.Key = announcementKey(&e)
	there, err := an.register.Store.Append(ctx, e)
	if err != nil {
		return a, false, fmt.Errorf("closing announcement %s: %w", e.ID, err)
	}
	a.EndedEarly, already = &there, !there.At.Equal(e.At) || there.Actor.ARN != by.ARN
	if err := an.scheduleSummary(ctx, &a.Opened, a.End().Add(summaryDelay)); err != nil {
		return a, already, err
	}
	return a, already, an.publish(ctx, detect.UseClosed(a.use(), there.Actor, there.Reason, there.At))
}

// publish publishes a finding in an alert of its own, once.
func (an *Announcer) publish(ctx context.Context, f detect.Finding) error {
	_, err := an.sender.Send(ctx, guard.Notice{Finding: f})
	return err //nolint:wrapcheck // it says which event
}

// scheduleSummary has Summarize report an announcement at a time, if not earlier.
func (an *Announcer) scheduleSummary(ctx context.Context, e *AuditEvent, at time.Time) error {
	if err := an.summaries.Add(ctx, summaryKey(e), e.Account, at); err != nil {
		return fmt.Errorf("storing when announcement %s ends: %w", e.ID, err)
	}
	return nil
}

// Register knows what is announced, and lowers findings.
type Register struct{ Store Store }

var _ guard.Announcements = Register{}

func (r Register) between(ctx context.Context, account string, from, to time.Time) ([]Announcement, error) {
	entries, err := r.Store.Entries(ctx, account, from, to)
	if err != nil {
		return nil, fmt.Errorf("looking for announced root use of account %s: %w", account, err)
	}
	return Of(entries), nil
}

// lookupTimeout bounds a lookup that is worth less than the alert it delays.
const lookupTimeout = 5 * time.Second

// Lower is the finding as it is where root's use was announced for its time,
// by what is known when it is judged. An error is no announcement: one alarm too
// many is better than one too few.
func (r Register) Lower(ctx context.Context, f detect.Finding) (detect.Finding, error) {
	if !detect.IsRootUse(&f) || f.EventTime.IsZero() {
		return f, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	known, err := r.between(ctx, detect.UsedIn(&f), f.EventTime.Add(-Max), f.EventTime)
	if err != nil {
		f.AddDetail("Whether it was announced could not be looked up.")
		return f, err
	}
	var last *Announcement
	for i := range known {
		if a := &known[i]; a.Covers(f.EventTime) && (last == nil || a.End().After(last.End())) {
			last = a
		}
	}
	if last == nil {
		return f, nil
	}
	o := &last.Opened
	return detect.Announce(f, detect.Announced{ID: o.ID, Owner: o.Owner, Reason: o.Reason, Until: last.End()}), nil
}

// Summarize says what root did under every announcement that was over some minutes
// before a time, once. What one run leaves is due for the next.
func (an *Announcer) Summarize(ctx context.Context, at time.Time) (ending.Done, error) {
	return an.summaries.Run(ctx, at, an.summarize) //nolint:wrapcheck // it says what ended
}

// summarize reports the announcement that a row is of.
func (an *Announcer) summarize(ctx context.Context, r ending.Row) (reported bool, err error) {
	from, err := r.Time()
	if err != nil {
		return false, failure.Permanent(fmt.Errorf("reading when the announcement of summary %s began: %w", r.Key, err))
	}
	known, err := an.register.between(ctx, r.Account, from, from)
	if err != nil {
		return false, err
	}
	i := slices.IndexFunc(known, func(a Announcement) bool { return summaryKey(&a.Opened) == r.Key })
	if i < 0 {
		return false, nil // the process that announced it died before it counted
	}
	return an.publishSummary(ctx, &known[i])
}

func (an *Announcer) publishSummary(ctx context.Context, a *Announcement) (reported bool, err error) {
	if c := a.EndedEarly; c != nil {
		if err := an.publish(ctx, detect.UseClosed(a.use(), c.Actor, c.Reason, c.At)); err != nil {
			return false, err
		}
		if !c.At.After(a.Opened.From) {
			return false, nil // it never began
		}
	}
	var did tally
	if err := an.register.Store.ClaimsDuring(ctx, a.Opened.ID, did.add); err != nil && !errors.Is(err, errCounted) {
		return false, fmt.Errorf("reading what root did under announcement %s: %w", a.Opened.ID, err)
	}
	f := detect.UseEnded(a.use(), a.Opened.Actor, did.String(), a.End())
	res, err := an.sender.Send(ctx, guard.Notice{Finding: f})
	return res.Disposition == guard.Alerted, err //nolint:wrapcheck // it says which event
}

// tally counts what root did.
type tally struct {
	findings, calls counts
	sessions        map[string]bool
	signIns, kept   int
	all             int
	more            bool // than are counted
}

func (t *tally) add(c guard.Claim) error {
	f := c.Finding
	if c.Kind == alert.Resend {
		return nil
	}
	if t.sessions == nil {
		*t = tally{findings: counts{}, calls: counts{}, sessions: map[string]bool{}}
	}
	if t.all == maxCounted {
		t.more = true
		return errCounted
	}
	t.all++
	t.findings[string(f.ID)]++
	if f.Announced.Severity == f.Severity && f.Severity > detect.Low {
		t.kept++
	}
	if f.ID == detect.RootSignin || f.ID == detect.RootSigninNoMFA {
		t.signIns++
		return nil
	}
	t.sessions[f.Session] = true
	t.calls[alert.ActionOf(f).Name]++
	return nil
}

// String is for people; "" where root did nothing.
func (t *tally) String() string {
	if len(t.findings) == 0 {
		return ""
	}
	calls := 0
	for _, n := range t.calls {
		calls += n
	}
	s := fmt.Sprintf("Root: %s, %s in %s.", times(t.signIns, "sign-in"), times(calls, "call"), times(len(t.sessions), "session"))
	if calls > 0 {
		s += " Calls: " + t.calls.String() + "."
	}
	s += " Findings: " + t.findings.String() + "."
	if t.more {
		s += fmt.Sprintf(" There are more: counted are the first %d.", maxCounted)
	}
	if t.kept > 0 {
		s += fmt.Sprintf(" Not lowered: %d, which have alerts of their own.", t.kept)
	}
	return s
}

// counts are numbers of events by what they are.
type counts map[string]int

// String lists the most frequent.
func (c counts) String() string {
	const listed = 12
	names := slices.SortedFunc(maps.Keys(c), func(a, b string) int { return cmp.Or(c[b]-c[a], cmp.Compare(a, b)) })
	parts := make([]string, 0, listed)
	for _, name := range names[:min(len(names), listed)] {
		parts = append(parts, fmt.Sprintf("%s %d", name, c[name]))
	}
	s := strings.Join(parts, ", ")
	if more := len(names) - len(parts); more > 0 {
		s += fmt.Sprintf(" and %d more kinds", more)
	}
	return s
}

func times(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func announcementKey(e *AuditEvent) string { return summaryKey(e) + "/" + string(e.Action) }

func summaryKey(e *AuditEvent) string { return ending.Key(e.Account, e.From, e.ID) }
