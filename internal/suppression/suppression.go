package suppression

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/ending"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// Max is the longest that alerts are suppressed for.
const Max = 90 * 24 * time.Hour

// KeptFor is how long after its end a suppression stays on record.
const KeptFor = 400 * 24 * time.Hour

// endDelay is how long after its end a suppression's uses are counted, for CloudTrail
// to deliver what happened in its last minutes.
const endDelay = 5 * time.Minute

// AuditEvent is what someone did about a suppression. Events are never changed.
type AuditEvent struct {
	Key     string    `json:"key"` // "account/until/ID/action"
	Action  Action    `json:"action"`
	ID      string    `json:"id"` // of the suppression, for people, see keys.ReadID
	Account string    `json:"account"`
	Until   time.Time `json:"until"` // of the suppression, as it was added, in whole seconds

	At     time.Time    `json:"at"` // when it was done
	Actor  detect.Actor `json:"actor"`
	Reason string       `json:"reason,omitempty"`

	// Of an Added:
	Finding   detect.ID `json:"finding,omitempty"`
	Principal string    `json:"principal,omitempty"` // as detect.ByPrincipal reads it
	Owner     string    `json:"owner,omitempty"`     // who answers for it
}

// Action is what an event reports.
type Action string

// The actions.
const (
	Added   Action = "add"
	Removed Action = "remove"
)

// Suppression is of alerts that are not sent.
type Suppression struct {
	Added   AuditEvent  `json:"added"`
	Removed *AuditEvent `json:"removed,omitempty"` // before its time
}

// From is when it begins: in the second in which it was added, since records have no
// finer time.
func (s *Suppression) From() time.Time { return s.Added.At.Truncate(time.Second) }

// End is when it ends, or ended.
func (s *Suppression) End() time.Time {
	end := s.Added.Until
	if longest := s.From().Add(Max); end.After(longest) {
		end = longest
	}
	if s.Removed != nil && s.Removed.At.Before(end) {
		end = s.Removed.At
	}
	return end
}

// InForce reports whether it holds at a time.
func (s *Suppression) InForce(at time.Time) bool {
	return !at.Before(s.From()) && at.Before(s.End())
}

func (s *Suppression) about() detect.Suppressed {
	a := &s.Added
	return detect.Suppressed{Account: a.Account, ID: a.ID, Finding: a.Finding, Principal: a.Principal, Until: a.Until,
		Owner: a.Owner, Reason: a.Reason}
}

// Of puts events together, by when the suppressions were added. A removal without what
// it removes is left out.
func Of(events []AuditEvent) []Suppression {
	var all []Suppression
	removed := map[string]*AuditEvent{}
	for i := range events {
		if e := &events[i]; e.Action == Removed {
			removed[e.ID] = e
		}
	}
	for i := range events {
		if e := &events[i]; e.Action == Added {
			all = append(all, Suppression{Added: *e, Removed: removed[e.ID]})
		}
	}
	slices.SortFunc(all, func(a, b Suppression) int {
		return cmp.Or(a.Added.At.Compare(b.Added.At), cmp.Compare(a.Added.ID, b.Added.ID))
	})
	return all
}

// Register knows what is suppressed.
type Register struct {
	Store Store
	Now   func() time.Time
}

var _ guard.Suppressions = Register{}

// lookupTimeout bounds a lookup, which is worth less than the alert it delays.
const lookupTimeout = 5 * time.Second

// Covers returns the ID of the suppression that holds back a finding, "" where none
// does. An error is none: one alert too many is better than one too few. It reads the
// table once, for a finding that may be suppressed, and keeps no answer for the next one:
// a consistent read of an account without suppressions is one read unit, where the rows
// of the finding itself are about 12 write units at five times the price, and an answer
// that is kept would hold back alerts after Remove, which counts at once.
func (r Register) Covers(ctx context.Context, f detect.Finding) (id string, err error) {
	if f.Severity >= detect.Critical || f.Announced != nil || f.Subject.Phase == detect.PhaseResolved || detect.Unsuppressible(f.ID) != "" {
		return "", nil
	}
	at := f.EventTime
	if at.IsZero() || f.Synthetic() {
		at = r.Now().UTC()
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	events, err := r.Store.Events(ctx, f.Account, at.Truncate(time.Second), at.Add(Max))
	if err != nil {
		return "", fmt.Errorf("looking for suppressions of account %s: %w", f.Account, err)
	}
	known := Of(events)
	covers := func(finding detect.ID) string {
		for i := range known {
			s := &known[i]
			if s.Added.Finding == finding && s.InForce(at) && detect.ByPrincipal(&f, s.Added.Principal) {
				return s.Added.ID
			}
		}
		return ""
	}
	if id = covers(f.ID); id == "" || slices.ContainsFunc(f.Also, func(also detect.ID) bool { return covers(also) == "" }) {
		return "", nil
	}
	return id, nil
}

// OverlapError says that another suppression holds back the same at the same time.
type OverlapError struct{ With Suppression }

func (e *OverlapError) Error() string {
	return fmt.Sprintf("suppression %s of %s holds already", e.With.Added.ID, e.With.Added.Owner)
}

// Sender publishes a notice, once. It is a *guard.Guard.
type Sender interface {
	Send(ctx context.Context, n guard.Notice) (guard.Result, error)
}

// Desk adds and removes suppressions, and reports that they are over.
type Desk struct {
	store  Store
	ends   ending.Schedule
	sender Sender
	now    func() time.Time
}

// NewDesk returns a Desk. batch is how many rows of ends it reads at a time; 0 is 64.
func NewDesk(store Store, ends worker.Rows[ending.Row], sender Sender, now func() time.Time, batch int) *Desk {
	return &Desk{store, ending.Schedule{Rows: ends, Now: now, What: "suppressions that ended", Batch: batch}, sender, now}
}

// Suppress adds a suppression, which begins now: Account, Finding, Principal, Until,
// Owner, Reason and Actor of the event say which. That it is added is published first,
// and only then is it stored and counts. It fails with an OverlapError where one holds
// already of the same account, finding and principal.
func (d *Desk) Suppress(ctx context.Context, e AuditEvent) (AuditEvent, error) {
	e.Action, e.At, e.Until = Added, d.now().UTC(), e.Until.UTC().Truncate(time.Second)
	refuse := func(why string) error { return failure.Permanent(errors.New("suppressing alerts: " + why)) }
	switch lasts := e.Until.Sub(e.At); {
	case lasts <= 0 || lasts > Max:
		return e, refuse(fmt.Sprintf("it is to last %v, and may last %v at most", lasts, Max))
	case detect.Unsuppressible(e.Finding) != "":
		return e, refuse(fmt.Sprintf("%s is always sent: %s", e.Finding, detect.Unsuppressible(e.Finding)))
	case !detect.IsPrincipal(e.Principal):
		return e, refuse(fmt.Sprintf("%q is no principal", e.Principal))
	case e.Account == "" || e.Owner == "" || e.Reason == "":
		return e, refuse("account, owner and reason are required")
	}
	e.ID = keys.ShortID(strings.Join([]string{e.Account, e.Until.String(), string(e.Finding), e.Principal, e.Owner, e.Reason,
		e.Actor.ARN, e.At.String()}, "\n"))
	e.Key = eventKey(&e)
	if err := d.overlap(ctx, &e); err != nil {
		return e, err
	}
	s := Suppression{Added: e}
	if err := d.publish(ctx, detect.SuppressionCreated(s.about(), e.Actor, e.At)); err != nil {
		return e, err
	}
	if err := d.schedule(ctx, &e, e.Until.Add(endDelay)); err != nil {
		return e, err
	}
	if _, err := d.store.Append(ctx, e); err != nil {
		return e, fmt.Errorf("storing suppression %s: %w", e.ID, err)
	}
	// Each of two that are stored at once checks after it is stored, so at least one
	// sees the other, and removes itself: never do both count.
	err := d.overlap(ctx, &e)
	if _, both := errors.AsType[*OverlapError](err); both {
		if _, _, removeErr := d.Remove(ctx, s, e.Actor, "added at the same moment as another one"); removeErr != nil {
			return e, errors.Join(err, removeErr)
		}
	}
	return e, err
}

// overlap is an OverlapError where another suppression of the same holds.
func (d *Desk) overlap(ctx context.Context, e *AuditEvent) error {
	events, err := d.store.Events(ctx, e.Account, e.At.Truncate(time.Second), e.At.Add(Max))
	if err != nil {
		return fmt.Errorf("looking for suppressions of account %s: %w", e.Account, err)
	}
	for _, s := range Of(events) {
		a := &s.Added
		if a.ID != e.ID && a.Finding == e.Finding && (a.Principal == e.Principal || a.Principal == detect.AnyPrincipal) && e.At.Before(s.End()) {
			return &OverlapError{With: s}
		}
	}
	return nil
}

// Remove ends a suppression before its time and reports so. It counts at once, since it
// only makes alerts louder. Where it was removed before, that event stays, already is
// true, and that it is reported is made sure.
func (d *Desk) Remove(ctx context.Context, s Suppression, by detect.Actor, reason string) (removed Suppression, already bool, err error) {
	e := AuditEvent{Action: Removed, ID: s.Added.ID, Account: s.Added.Account, Until: s.Added.Until, At: d.now().UTC(),
		Actor: by, Reason: reason}
	e.Key = eventKey(&e)
	there, err := d.store.Append(ctx, e)
	if err != nil {
		return s, false, fmt.Errorf("removing suppression %s: %w", e.ID, err)
	}
	s.Removed, already = &there, !there.At.Equal(e.At) || there.Actor.ARN != by.ARN
	if err := d.schedule(ctx, &s.Added, s.End().Add(endDelay)); err != nil {
		return s, already, err
	}
	return s, already, d.publish(ctx, detect.SuppressionRemoved(s.about(), there.Actor, there.Reason, there.At))
}

// publish publishes a finding in an alert of its own, once.
func (d *Desk) publish(ctx context.Context, f detect.Finding) error {
	_, err := d.sender.Send(ctx, guard.Notice{Finding: f})
	return err //nolint:wrapcheck // it says which event
}

// schedule has Expire report a suppression at a time, if not earlier.
func (d *Desk) schedule(ctx context.Context, e *AuditEvent, at time.Time) error {
	if err := d.ends.Add(ctx, endKey(e), e.Account, at); err != nil {
		return fmt.Errorf("storing when suppression %s ends: %w", e.ID, err)
	}
	return nil
}

// Expire reports every suppression that was over some minutes before a time, once.
// What one run leaves is due for the next.
func (d *Desk) Expire(ctx context.Context, at time.Time) (ending.Done, error) {
	return d.ends.Run(ctx, at, d.expire) //nolint:wrapcheck // it says what ended
}

// expire reports the suppression that a row is of.
func (d *Desk) expire(ctx context.Context, r ending.Row) (ended bool, err error) {
	until, err := r.Time()
	if err != nil {
		return false, failure.Permanent(fmt.Errorf("reading when the suppression of %s ends: %w", r.Key, err))
	}
	events, err := d.store.Events(ctx, r.Account, until, until)
	if err != nil {
		return false, fmt.Errorf("looking for suppressions of account %s: %w", r.Account, err)
	}
	known := Of(events)
	i := slices.IndexFunc(known, func(s Suppression) bool { return endKey(&s.Added) == r.Key })
	if i < 0 {
		return false, nil // the process that added it died before it counted
	}
	return d.report(ctx, &known[i])
}

func (d *Desk) report(ctx context.Context, s *Suppression) (ended bool, err error) {
	if r := s.Removed; r != nil {
		if err := d.publish(ctx, detect.SuppressionRemoved(s.about(), r.Actor, r.Reason, r.At)); err != nil {
			return false, err
		}
	}
	uses, err := d.store.Uses(ctx, s.Added.ID)
	if err != nil {
		return false, fmt.Errorf("counting what suppression %s held back: %w", s.Added.ID, err)
	}
	res, err := d.sender.Send(ctx, guard.Notice{Finding: detect.SuppressionEnded(s.about(), uses, s.End())})
	return res.Disposition == guard.Alerted, err //nolint:wrapcheck // it says which event
}

func eventKey(e *AuditEvent) string { return endKey(e) + "/" + string(e.Action) }

func endKey(e *AuditEvent) string { return ending.Key(e.Account, e.Until, e.ID) }
