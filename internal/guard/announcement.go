package guard

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
	"rootguard/internal/worker"
)

// MaxAnnouncement is the longest that root use is announced for.
const MaxAnnouncement = 24 * time.Hour

// recapAfter is how long after its end an announcement's recap is made, for
// CloudTrail to deliver what root did in its last minutes.
const recapAfter = 5 * time.Minute

// recapped is how many findings a recap counts. Who scripts root makes more, and to
// count them takes time that others need.
const recapped = 20_000

var errCounted = errors.New("enough is counted")

// Entry is what somebody did about an announcement of root use. Entries are
// never changed.
type Entry struct {
	Key     string    `json:"key"`     // "account/from/ID/act"
	Act     Act       `json:"act"`     //
	ID      string    `json:"id"`      // of the announcement, for people, see ReadID
	Account string    `json:"account"` //
	From    time.Time `json:"from"`    // of the announcement, in whole seconds

	At     time.Time    `json:"at"`               // when it was done
	Actor  detect.Actor `json:"actor"`            // who did it
	Reason string       `json:"reason,omitempty"` // why root is used, or why the announcement was closed

	Until time.Time `json:"until,omitzero"`  // of an Opened
	Owner string    `json:"owner,omitempty"` // of an Opened: who answers for the use of root
}

// Act is what an entry tells of.
type Act string

// The acts.
const (
	Opened Act = "open"
	Closed Act = "close"
)

// Announcement is root use that was announced.
type Announcement struct {
	Opened Entry  `json:"opened"`
	Closed *Entry `json:"closed,omitempty"` // before its time
}

// End is when it ends, or ended.
func (a *Announcement) End() time.Time {
	end := a.Opened.Until
	if longest := a.Opened.From.Add(MaxAnnouncement); end.After(longest) {
		end = longest
	}
	if a.Closed != nil && a.Closed.At.Before(end) {
		end = a.Closed.At
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

// AnnouncementsOf puts entries together, by the time they begin. A closing
// without its opening is left out.
func AnnouncementsOf(entries []Entry) []Announcement {
	var all []Announcement
	closed := map[string]*Entry{}
	for i := range entries {
		if e := &entries[i]; e.Act == Closed {
			closed[e.ID] = e
		}
	}
	for i := range entries {
		if e := &entries[i]; e.Act == Opened {
			all = append(all, Announcement{Opened: *e, Closed: closed[e.ID]})
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

// Announce opens an announcement: Account, From, Until, Owner, Reason and Actor
// of the entry say which. That it is opened is published first, and only then is
// it stored and counts: nobody lowers an alert unseen. It fails with an
// OverlapError where there is one of that time already.
func (g *Guard) Announce(ctx context.Context, e Entry) (Entry, error) {
	e.Act, e.At = Opened, g.deps.Now().UTC()
	e.From, e.Until = e.From.UTC().Truncate(time.Second), e.Until.UTC().Truncate(time.Second)
	if d := e.Until.Sub(e.From); d <= 0 || d > MaxAnnouncement {
		return e, Permanent(fmt.Errorf("announcing root use: it is to last %v, and may last %v at most", d, MaxAnnouncement))
	}
	if e.From.Before(e.At.Add(-time.Minute)) {
		return e, Permanent(errors.New("announcing root use: it is to begin in the past, and what was told of is told of"))
	}
	e.ID = shortID(strings.Join([]string{e.Account, e.From.String(), e.Until.String(), e.Owner, e.Reason, e.Actor.ARN, e.At.String()}, "\n"))
	e.Key = announcementKey(&e)
	if err := g.overlap(ctx, &e); err != nil {
		return e, err
	}
	a := Announcement{Opened: e}
	if err := g.tellOf(ctx, detect.UseAnnounced(a.use(), e.Actor, e.At)); err != nil {
		return e, err
	}
	if err := g.recapAt(ctx, &e, e.Until.Add(recapAfter)); err != nil {
		return e, err
	}
	if _, err := g.deps.Announcements.Enter(ctx, e); err != nil {
		return e, fmt.Errorf("storing announcement %s: %w", e.ID, err)
	}
	// Another one may have been stored since the first check. Each of two that are
	// stored at once checks after it is stored, so at least one sees the other, and
	// whichever does ends itself: never do both count.
	err := g.overlap(ctx, &e)
	if _, both := errors.AsType[*OverlapError](err); both {
		if _, _, closeErr := g.Close(ctx, a, e.Actor, "announced at the same moment as another one of that time"); closeErr != nil {
			return e, errors.Join(err, closeErr)
		}
	}
	return e, err
}

// overlap is an OverlapError where another announcement has part of the time.
func (g *Guard) overlap(ctx context.Context, e *Entry) error {
	known, err := g.announcements(ctx, e.Account, e.From.Add(-MaxAnnouncement), e.Until)
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

// Close ends an announcement before its time and tells so. It counts at once,
// since it only makes alerts louder. Where somebody closed it before, theirs
// stays, already is true, and that it is told of is made sure.
func (g *Guard) Close(ctx context.Context, a Announcement, by detect.Actor, reason string) (closed Announcement, already bool, err error) {
	e := Entry{Act: Closed, ID: a.Opened.ID, Account: a.Opened.Account, From: a.Opened.From, At: g.deps.Now().UTC(), Actor: by, Reason: reason}
	e.Key = announcementKey(&e)
	there, err := g.deps.Announcements.Enter(ctx, e)
	if err != nil {
		return a, false, fmt.Errorf("closing announcement %s: %w", e.ID, err)
	}
	a.Closed, already = &there, !there.At.Equal(e.At) || there.Actor.ARN != by.ARN
	if err := g.recapAt(ctx, &a.Opened, a.End().Add(recapAfter)); err != nil {
		return a, already, err
	}
	return a, already, g.tellOf(ctx, detect.UseClosed(a.use(), there.Actor, there.Reason, there.At))
}

// tellOf publishes a finding in an alert of its own, once.
func (g *Guard) tellOf(ctx context.Context, f detect.Finding) error {
	_, err := g.raise(ctx, event{claim: claimKey(f.Account, f.EventID), finding: alert.BoundFinding(f)}, nil)
	return err
}

// recapAt has Recap look at an announcement at a time, if not earlier.
func (g *Guard) recapAt(ctx context.Context, e *Entry, at time.Time) error {
	key := recapKey(e)
	err := g.deps.Recaps.Update(ctx, key, func(d Deadline) Deadline {
		if d.Key != "" && (d.Due.IsZero() || d.Due.Before(at)) {
			return Deadline{}
		}
		d.Key, d.Account, d.Due = key, e.Account, at
		d.Revision++
		return d
	})
	if err != nil {
		return fmt.Errorf("storing when announcement %s ends: %w", e.ID, err)
	}
	return nil
}

func (g *Guard) announcements(ctx context.Context, account string, from, to time.Time) ([]Announcement, error) {
	entries, err := g.deps.Announcements.Entries(ctx, account, from, to)
	if err != nil {
		return nil, fmt.Errorf("looking for announced root use of account %s: %w", account, err)
	}
	return AnnouncementsOf(entries), nil
}

// announced is the finding as it is where root's use was announced for its time,
// by what is known when it is judged. An error is no announcement: one alarm too
// many is better than one too few.
func (g *Guard) announced(ctx context.Context, f detect.Finding) (detect.Finding, error) {
	if g.deps.Announcements == nil || !detect.IsRootUse(&f) || f.EventTime.IsZero() {
		return f, nil
	}
	ctx, cancel := context.WithTimeout(ctx, besideTimeout)
	defer cancel()
	known, err := g.announcements(ctx, detect.UsedIn(&f), f.EventTime.Add(-MaxAnnouncement), f.EventTime)
	if err != nil {
		f.Detail = sentence(f.Detail, "Whether it was announced could not be looked up.")
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

// Recapped says what Recap did.
type Recapped struct {
	Told int  // announcements that ended
	More bool // some are due that were left to the next run
}

// Recap tells what root did under every announcement that was over some minutes
// before a time, once. What one run leaves is due for the next.
func (g *Guard) Recap(ctx context.Context, at time.Time) (done Recapped, err error) {
	if g.deps.Announcements == nil {
		return done, nil
	}
	loop := loopOf[Deadline](g, "announcements that ended", at)
	loop.Due = g.deps.Recaps.Due
	loop.Row = func(d *Deadline) (string, int) { return d.Key, d.Failures }
	loop.Do = each1(func(ctx context.Context, d *Deadline) worker.Result {
		told, err := g.recap(ctx, *d)
		if told {
			done.Told++
		}
		if err != nil {
			err = fmt.Errorf("telling what became of announced root use: %w", err)
		}
		return resultOf(err)
	})
	loop.PutOff = putOffIn(g.deps.Recaps)
	run := loop.Run(ctx)
	done.More = run.More
	return done, run.Err()
}

// recap tells of the announcement that a deadline is of, and takes it off the index.
func (g *Guard) recap(ctx context.Context, d Deadline) (told bool, err error) {
	_, rest, _ := strings.Cut(d.Key, "/")
	began, _, _ := strings.Cut(rest, "/")
	from, err := time.Parse(time.RFC3339, began)
	if err != nil {
		return false, Permanent(fmt.Errorf("reading when the announcement of recap %s began: %w", d.Key, err))
	}
	known, err := g.announcements(ctx, d.Account, from, from)
	if err != nil {
		return false, err
	}
	// There is none where whoever announced it died before it counted.
	if i := slices.IndexFunc(known, func(a Announcement) bool { return recapKey(&a.Opened) == d.Key }); i >= 0 {
		if told, err = g.tellRecap(ctx, &known[i]); err != nil {
			return told, err
		}
	}
	err = g.deps.Recaps.Update(ctx, d.Key, func(cur Deadline) Deadline {
		if cur.Revision != d.Revision {
			return Deadline{}
		}
		cur.Due, cur.Failures = time.Time{}, 0
		cur.Revision++
		return cur
	})
	if err != nil {
		return told, fmt.Errorf("storing that recap %s was sent: %w", d.Key, err)
	}
	return told, nil
}

func (g *Guard) tellRecap(ctx context.Context, a *Announcement) (told bool, err error) {
	if c := a.Closed; c != nil {
		if err := g.tellOf(ctx, detect.UseClosed(a.use(), c.Actor, c.Reason, c.At)); err != nil {
			return false, err
		}
		if !c.At.After(a.Opened.From) {
			return false, nil // it never began
		}
	}
	var did tally
	if err := g.deps.Announcements.Under(ctx, a.Opened.ID, did.add); err != nil && !errors.Is(err, errCounted) {
		return false, fmt.Errorf("reading what root did under announcement %s: %w", a.Opened.ID, err)
	}
	f := detect.UseEnded(a.use(), a.Opened.Actor, did.String(), a.End())
	res, err := g.raise(ctx, event{claim: claimKey(f.Account, f.EventID), finding: alert.BoundFinding(f)}, nil)
	return res.Disposition == Alerted, err
}

// tally counts what root did.
type tally struct {
	findings, calls counts
	sessions        map[string]bool
	signIns, kept   int
	all             int
	more            bool // than are counted
}

func (t *tally) add(c Claim) error {
	f := c.Finding
	if c.Kind == alert.Resend {
		return nil
	}
	if t.sessions == nil {
		*t = tally{findings: counts{}, calls: counts{}, sessions: map[string]bool{}}
	}
	if t.all == recapped {
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
	t.calls[actionOf(f).Name]++
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
		s += fmt.Sprintf(" There are more: counted are the first %d.", recapped)
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

func announcementKey(e *Entry) string {
	return accountPart(e.Account) + "/" + e.From.UTC().Format(time.RFC3339) + "/" + e.ID + "/" + string(e.Act)
}

func recapKey(e *Entry) string {
	return accountPart(e.Account) + "/" + e.From.UTC().Format(time.RFC3339) + "/" + e.ID
}
