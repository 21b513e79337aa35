package incident

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// Incident is what people look after as one: the alerts of one session of root,
// or of one session in which something critical was done.
type Incident struct {
	Key     string    `json:"key"` // "account/start/ID"
	ID      string    `json:"id"`  // for people, see ReadID
	Account string    `json:"account"`
	Who     string    `json:"who"`   // the session's principal, or the event of what has no session
	Dated   bool      `json:"dated"` // Start is known from the session itself
	Start   time.Time `json:"start"` // of the session

	Finding detect.Finding `json:"finding"`          // what is sent again: what opened the cycle, before the first one the most severe
	Opened  time.Time      `json:"opened"`           // when its first alert was made
	First   time.Time      `json:"first,omitzero"`   // of the earliest event
	Last    time.Time      `json:"last,omitzero"`    // of the latest event
	Events  int            `json:"events"`           // reported
	Alerts  []string       `json:"alerts,omitempty"` // IDs of the latest alerts, so that none is counted twice

	// A cycle begins with a critical alert that finds nothing to be resent: Since
	// is then, Resent counts what was sent again. Cycle 0 is nothing critical yet.
	Cycle  int       `json:"round,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	Resent int       `json:"resent,omitempty"`

	Ack  *Ack  `json:"ack,omitempty"`  // of this cycle, or of an incident without any
	Acks []Ack `json:"acks,omitempty"` // of earlier cycles, the latest

	// Snooze is who put the resends of this cycle off, and until when. From then
	// on it is sent again until it is acknowledged.
	Snooze *Ack `json:"snooze,omitempty"`

	Reopened *Reopened `json:"reopened,omitempty"` // after the latest of Acks

	// Users are those without MFA that an incident about them is still about.
	Users []string `json:"users,omitempty"` // by unique ID, or by name where that is not known, see listedAs

	Due      time.Time `json:"due,omitzero"`       // when something is to be sent about it; zero: never
	Failures int       `json:"failures,omitempty"` // attempts in a row to send that failed
}

// Ack says who looks after an incident.
type Ack struct {
	By       string       `json:"by"` // for people
	Actor    detect.Actor `json:"actor"`
	Note     string       `json:"note"`
	At       time.Time    `json:"at"`
	Notified bool         `json:"told,omitempty"` // the note about it was sent

	Until   time.Time `json:"until,omitzero"`    // of a snooze
	Batch   *Batch    `json:"batch,omitempty"`   // nil of one that has a note of its own
	Written string    `json:"written,omitempty"` // the Version of the row in which it was written by hand
}

// Batch is acknowledgements that were given at once, of which one note is sent.
type Batch struct {
	ID      string `json:"id"`
	Account string `json:"account"` // that the note is of
}

// Reopened says which alert opened an incident again that was acknowledged.
type Reopened struct {
	Title string    `json:"title"`
	At    time.Time `json:"at,omitzero"` // of its event
}

const (
	// sessionSkew is how far a sign-in, whose record names no session, may lie from the
	// beginning of the session that its calls name.
	sessionSkew = time.Minute

	// attachTimeout bounds what is done about an alert before it is published, and
	// is worth less than the alert.
	attachTimeout = 5 * time.Second

	keptAlerts = 64
	keptAcks   = 16

	// resendsPerRun bounds what one alert lists that sends incidents again; the rest is
	// due for the next run.
	resendsPerRun = 2000

	resolvedBy = "rootguard"

	// reserve is what must be left of the context's time for one more incident.
	reserve = 3 * time.Second
)

type asOf struct{}

// AsOf is a context for what a schedule asks for. A critical incident that is reported
// of in it is sent again so long after the schedule's time, if that is later than
// the clock's: then nothing is due in the very run that reported it.
func AsOf(ctx context.Context, at time.Time) context.Context {
	return context.WithValue(ctx, asOf{}, at)
}

// belongs reports whether an alert of a finding is part of an incident.
func belongs(f *detect.Finding) bool { return f.Severity >= detect.Critical || detect.IsRootUse(f) }

// sessionOf is the incident that a finding belongs to, if it is the first of it.
//
// A session that says when it began is known by that. A sign-in does not, and is
// taken for the beginning of one. A session that is but an access key has none:
// its incident is that of a day. What rootguard itself finds is an incident of its
// own, with the reminders of it.
func sessionOf(f *detect.Finding, now time.Time) Incident {
	in := Incident{Account: f.Account, Start: f.EventTime}
	if in.Start.IsZero() {
		in.Start = now // to look for others of its time would find none
	}
	switch at := strings.LastIndexByte(f.Session, '@'); {
	case aboutUsers(f):
		in.Who, in.Start, in.Dated = usersWho, usersStart, true
	case f.EventName == "" || f.Session == "":
		in.Who, in.Start, in.Dated = "event "+f.SubjectID(), cmp.Or(f.Subject.Began, in.Start), true
	case at >= 0:
		if began, err := time.Parse(time.RFC3339, f.Session[at+1:]); err == nil && !keys.Dated(began).IsZero() {
			in.Who, in.Start, in.Dated = f.Session[:at], began, true
			break
		}
		in.Who = f.Session
	case strings.Contains(f.Session, "#"):
		in.Who, in.Start, in.Dated = f.Session, in.Start.UTC().Truncate(24*time.Hour), true
	default:
		in.Who = f.Session
	}
	return in.named()
}

// named is the incident with its ID and key.
func (in Incident) named() Incident {
	in.Start = in.Start.UTC().Truncate(time.Second)
	in.Who = keys.Bounded(in.Who)
	start := in.Start.Format(time.RFC3339)
	in.ID = keys.ShortID(in.Account + "\n" + in.Who + "\n" + start)
	in.Key = keys.Account(in.Account) + "/" + start + "/" + in.ID
	return in
}

// incidentOf is the incident that an alert belongs to, if it is the first of it. A
// roll-up of what rootguard itself finds is about several cases, none of which
// settles it for the others.
func incidentOf(a *alert.Alert, now time.Time) Incident {
	in := sessionOf(&a.Finding, now)
	if f := &a.Finding; a.Kind == alert.RollUp && f.Synthetic() && f.Subject.Phase != detect.PhaseResolved {
		in.Who = "alert " + a.ID
		return in.named()
	}
	return in
}

// same reports whether two are of one session.
func (in *Incident) same(other *Incident) bool {
	if in.Who != other.Who {
		return false
	}
	if in.Dated && other.Dated {
		return in.Start.Equal(other.Start)
	}
	return in.Start.Sub(other.Start).Abs() <= sessionSkew
}

// Settings are when incidents are sent again.
type Settings struct {
	// Resend is how long after its alert a critical incident that no one has
	// acknowledged is sent again, in order. Default 15 min, 1 h.
	Resend []time.Duration
	// Batch is how many incidents are read at a time. Default 64.
	Batch int
	// AckFlags are what "rootguard ack" needs beside the ID to find this guard, such
	// as "--region us-east-1".
	AckFlags string
}

// DefaultSettings are those of which nothing is set.
func DefaultSettings() Settings {
	return Settings{Resend: []time.Duration{15 * time.Minute, time.Hour}, Batch: 64}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	if s.Resend == nil {
		s.Resend = d.Resend
	}
	if s.Batch <= 0 {
		s.Batch = d.Batch
	}
	return s
}

// schedule is from when on an incident is sent again, and how long after that.
func (s *Settings) schedule(in *Incident) (since time.Time, after []time.Duration) {
	if in.Snooze != nil {
		return in.Snooze.Until, append([]time.Duration{0}, s.Resend...)
	}
	return in.Since, s.Resend
}

// Book enters alerts in incidents.
type Book struct {
	store    Store
	now      func() time.Time
	settings Settings
}

var (
	_ guard.Incidents      = (*Book)(nil)
	_ collection.Incidents = (*Book)(nil)
)

// NewBook returns a Book over a store.
func NewBook(store Store, now func() time.Time, settings Settings) *Book {
	return &Book{store, now, settings.withDefaults()}
}

// Guard publishes a notice, once, as the rate limit allows. It is a *guard.Guard.
type Guard interface {
	Send(ctx context.Context, n guard.Notice) (guard.Result, error)
	TokenFor(ctx context.Context, due, at time.Time) bool
}

// Collector collects notices and sends them. It is a *collection.Collector.
type Collector interface {
	Collect(ctx context.Context, of collection.Name, n guard.Notice) (guard.Result, error)
	Ready(ctx context.Context, of collection.Name, at time.Time) (bool, error)
	Send(ctx context.Context, of collection.Name, at time.Time, more bool) (sent int, err error)
}

// Desk is where incidents are acknowledged, and sent again until they are.
type Desk struct {
	book    *Book
	guard   Guard
	notices Collector
	written WrittenAcks // nil where none can be written by hand
}

// NewDesk returns a Desk over a Book. written may be nil.
func NewDesk(book *Book, g Guard, notices Collector, written WrittenAcks) *Desk {
	return &Desk{book, g, notices, written}
}

// Attach counts an alert in the incident that it belongs to, and begins a cycle
// of resends where it is critical and none is under way. It is nil where the
// alert belongs to none. To do so again changes nothing.
func (b *Book) Attach(ctx context.Context, a *alert.Alert) (*alert.Incident, error) {
	if a.Summary != nil {
		return b.attachEach(ctx, a)
	}
	return b.attach(ctx, a)
}

func (b *Book) attach(ctx context.Context, a *alert.Alert) (*alert.Incident, error) {
	var reported *alert.Incident
	over := a.Finding.Subject.Phase == detect.PhaseResolved
	if aboutUsers(&a.Finding) && a.Kind != alert.RollUp {
		_, removed := users(a)
		over = len(removed) > 0
	}
	if !belongs(&a.Finding) && !over {
		return reported, nil
	}
	ctx, cancel := context.WithTimeout(ctx, attachTimeout)
	defer cancel()
	now := b.now()
	if at, ok := ctx.Value(asOf{}).(time.Time); ok {
		if at.After(now) {
			now = at
		}
	}
	mine := incidentOf(a, now)
	from, to := mine.Start.Add(-sessionSkew), mine.Start.Add(sessionSkew)
	err := b.store.UpdateIncidents(ctx, mine.Account, from, to, func(found []Incident) Incident {
		in := mine
		if i := slices.IndexFunc(found, func(one Incident) bool { return one.Key == mine.Key }); i >= 0 {
			in = found[i]
		} else if i := slices.IndexFunc(found, func(one Incident) bool { return one.same(&mine) }); i >= 0 {
			in = found[i]
		}
		var changed bool
		switch {
		case aboutUsers(&a.Finding) && a.Kind != alert.RollUp:
			if changed = b.settings.attachUsers(&in, a, now); in.Events == 0 {
				return Incident{}
			}
		case !over:
			changed = b.settings.count(&in, a, now)
		case in.Events == 0: // nothing critical was reported
			return Incident{}
		default:
			changed = in.resolve(&a.Finding, now)
		}
		reported = b.settings.view(&in)
		if !changed {
			return Incident{}
		}
		return in
	})
	if err != nil {
		return nil, fmt.Errorf("storing the incident of alert %s: %w", a.ID, err)
	}
	return reported, nil
}

// count adds an alert to an incident and reports whether it was not there yet.
func (s *Settings) count(in *Incident, a *alert.Alert, now time.Time) bool {
	if slices.Contains(in.Alerts, a.ID) {
		return false
	}
	in.list(a)
	if in.Events == 0 {
		in.Finding, in.Opened = a.Finding, now
	}
	in.Events += max(1, a.Count)
	first, last := cmp.Or(a.FirstTime, a.Finding.EventTime), cmp.Or(a.LastTime, a.Finding.EventTime)
	if in.First.IsZero() || !first.IsZero() && first.Before(in.First) {
		in.First = first
	}
	if last.After(in.Last) {
		in.Last = last
	}
	if a.Finding.Severity > in.Finding.Severity {
		in.Finding = a.Finding
	}
	if a.Finding.Severity < detect.Critical || in.Ack == nil && in.Snooze == nil && in.Cycle > 0 && in.Resent < len(s.Resend) {
		return true
	}
	if in.Ack != nil {
		in.reopen()
		in.Reopened = &Reopened{Title: a.Finding.Title, At: a.Finding.EventTime}
	}
	in.Finding = a.Finding
	in.Cycle++
	in.Since, in.Resent, in.Due, in.Failures, in.Snooze = now, 0, time.Time{}, 0, nil
	if len(s.Resend) > 0 {
		in.Due = now.Add(s.Resend[0])
	}
	return true
}

// list notes that an alert is in an incident.
func (in *Incident) list(a *alert.Alert) {
	if in.Alerts = append(in.Alerts, a.ID); len(in.Alerts) > keptAlerts {
		in.Alerts = slices.Delete(in.Alerts, 0, len(in.Alerts)-keptAlerts)
	}
}

// reopen puts the acknowledgement with those before it.
func (in *Incident) reopen() {
	in.Acks = append(in.Acks, *in.Ack)
	in.Acks = in.Acks[max(0, len(in.Acks)-keptAcks):]
	in.Ack = nil
}

// resolve notes that what the incident is about is over, in place of a person.
func (in *Incident) resolve(f *detect.Finding, now time.Time) bool {
	if in.Ack != nil {
		return false
	}
	in.Ack = &Ack{By: resolvedBy, Actor: detect.Actor{Type: "AWSService", Name: "rootguard"}, Note: f.Title, At: now, Notified: true}
	in.Due, in.Snooze = time.Time{}, nil
	return true
}

// view is what an alert says of it.
func (s *Settings) view(in *Incident) *alert.Incident {
	t := &alert.Incident{ID: in.ID, Events: in.Events, Opened: in.Opened, First: in.First, AckFlags: s.AckFlags}
	if in.Snooze != nil {
		t.SnoozedBy, t.SnoozedUntil = in.Snooze.By, in.Snooze.Until
	}
	switch {
	case in.Ack != nil:
		t.AcknowledgedBy, t.AcknowledgedAt = in.Ack.By, in.Ack.At
	case in.Reopened != nil && len(in.Acks) > 0:
		former := in.Acks[len(in.Acks)-1]
		t.Reopened = &alert.Reopened{Title: in.Reopened.Title, At: in.Reopened.At, AcknowledgedBy: former.By, AcknowledgedAt: former.At}
	}
	return t
}

// amend changes an incident that exists. decide returns false to leave it as it is.
func (b *Book) amend(ctx context.Context, in *Incident, decide func(*Incident) bool) error {
	err := b.store.UpdateIncidents(ctx, in.Account, in.Start, in.Start, func(found []Incident) Incident {
		i := slices.IndexFunc(found, func(one Incident) bool { return one.Key == in.Key })
		if i < 0 {
			in.Due = time.Time{}
			return Incident{}
		}
		cur := found[i]
		change := decide(&cur)
		*in = cur
		if !change {
			return Incident{}
		}
		return cur
	})
	if err != nil {
		return fmt.Errorf("storing incident %s: %w", in.ID, err)
	}
	return nil
}

// Renotified says what Renotify did.
type Renotified struct {
	Resent int  // alerts that were sent again
	Noted  int  // acknowledgements that were reported in place of who gave them
	More   bool // some are due that were left to the next run
}

// run is one run of Renotify.
type run struct {
	at    time.Time
	done  Renotified
	notes map[string]detect.Finding // of batches, by ID

	collected int  // incidents that are sent again
	users     bool // alerts about users without MFA may go out now
}

// Renotify sends again what is critical and no one has acknowledged by a time, at
// Settings.Resend after its alert. A resend whose time passed before the one
// after it is left out. Each is sent once, also by runs that overlap, by its
// claim; what one run leaves, for lack of time or by an error, is due for the next.
// Before that it does what was written into the table by hand.
func (d *Desk) Renotify(ctx context.Context, at time.Time) (Renotified, error) {
	r := run{at: at, notes: map[string]detect.Finding{}}
	written := d.takeWritten(ctx)
	loop := worker.Loop[Incident]{
		What: "incidents due", At: at, Now: d.book.now, Page: d.book.settings.Batch, Batch: 1, Reserve: reserve, Backoff: worker.AfterFailure(),
		Due: d.book.store.DueIncidents,
		Row: func(in *Incident) (string, int) { return in.Key, in.Failures },
	}
	loop.Do = worker.One(func(ctx context.Context, in *Incident) worker.Result {
		if r.collected >= resendsPerRun {
			return worker.Result{Outcome: worker.Stop}
		}
		err := d.renotify(ctx, in, &r)
		if errors.Is(err, errNotReady) {
			return worker.Result{Outcome: worker.Left}
		}
		return guard.ResultOf(err)
	})
	loop.PutOff = func(ctx context.Context, in *Incident, failures int, until time.Time) (stored bool, err error) {
		due := in.Due
		err = d.book.amend(ctx, in, func(cur *Incident) bool {
			stored = !cur.Due.IsZero() && cur.Due.Equal(due)
			cur.Due, cur.Failures = until, failures
			return stored
		})
		return stored, err
	}
	ran := loop.Run(ctx)
	r.done.More = ran.More
	errs := []error{written, ran.Err()}
	for _, of := range []collection.Name{collection.Resends, collection.UserNotices} {
		if of == collection.UserNotices && !r.users {
			continue // the sweep of users sends them
		}
		sent, err := d.notices.Send(ctx, of, at, false)
		r.done.Resent += sent
		errs = append(errs, err)
	}
	return r.done, errors.Join(errs...)
}

// collection is that with which an incident is sent again. It fails with errNotReady
// where that of users without MFA is to wait for its next alert.
func (d *Desk) collection(ctx context.Context, in *Incident, r *run) (collection.Name, error) {
	if !aboutUsers(&in.Finding) {
		return collection.Resends, nil
	}
	if !r.users {
		ready, err := d.notices.Ready(ctx, collection.UserNotices, r.at)
		if err != nil {
			return "", err
		}
		if !ready {
			return "", errNotReady
		}
		r.users = true
	}
	return collection.UserNotices, nil
}

var errNotReady = errors.New("alerts about users wait for the next one")

// renotify sends what is due about an incident, and stores when it is due next.
func (d *Desk) renotify(ctx context.Context, in *Incident, r *run) error {
	// As it is now: someone may just have acknowledged it.
	if err := d.book.amend(ctx, in, func(*Incident) bool { return false }); err != nil {
		return err
	}
	if in.Due.IsZero() || in.Due.After(r.at) {
		return nil
	}
	if given := in.unsent(); given != nil {
		f, err := d.noteOf(ctx, in, r)
		if err != nil {
			return err
		}
		if err := d.sendNote(ctx, in, f); err != nil {
			return err
		}
		if in.Ack != nil || in.Due.After(r.at) {
			r.done.Noted++
			return nil
		}
	}
	cycle := in.Cycle
	since, after := d.book.settings.schedule(in)
	passed, next := resend(since, after, r.at)
	if passed > in.Resent {
		of, err := d.collection(ctx, in, r)
		if err != nil {
			return err
		}
		if r.collected == 0 && !d.guard.TokenFor(ctx, in.Due, r.at) {
			return guard.ErrRateLimited // what is new comes first
		}
		reported := d.book.settings.view(in)
		reported.Repeat, reported.Repeats = passed, len(after)
		f := in.Finding
		f.Title += fmt.Sprintf(" (repeat %d of %d)", passed, reported.Repeats)
		if _, err := d.notices.Collect(ctx, of, guard.Notice{Finding: f, Claim: resendClaim(in, passed), Kind: alert.Resend,
			Incident: reported, Cycle: cycle, At: r.at}); err != nil {
			return err
		}
		r.collected++
	}
	return d.book.amend(ctx, in, func(cur *Incident) bool {
		if cur.Cycle != cycle || cur.Ack != nil {
			return false
		}
		cur.Resent, cur.Due, cur.Failures = max(cur.Resent, passed), next, 0
		return true
	})
}

// resend is the number of the latest resend due, 0 for none, and when the next one is.
func resend(since time.Time, after []time.Duration, at time.Time) (passed int, next time.Time) {
	for i, d := range after {
		if due := since.Add(d); due.After(at) {
			return i, due
		}
	}
	return len(after), time.Time{}
}

func resendClaim(in *Incident, n int) string {
	return "incident/" + in.ID + "/" + strconv.Itoa(in.Cycle) + "/resend-" + strconv.Itoa(n)
}
