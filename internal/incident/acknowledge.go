package incident

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// ErrNoIncident is of an ID that no incident has.
var ErrNoIncident = errors.New("there is no such incident")

// ErrNotResent is of an incident that is not critical, which cannot be put off.
var ErrNotResent = errors.New("it is not critical, so it is not sent again")

const (
	// batchGrace is how long a command may take to acknowledge a batch: until then
	// Renotify sends no note about what there is of it.
	batchGrace = 10 * time.Minute

	// BatchLimit is how many incidents one note is about at most.
	BatchLimit = 500

	// writtenPerRun is how many acknowledgements that were written by hand a run takes.
	writtenPerRun = 100
)

// Acknowledge says who looks after an incident, so that it is not sent again, and
// notes that to everybody once. Where someone did before, already is true and
// theirs stays. It fails with ErrNoIncident where there is none of the ID. An
// incident that has another critical alert afterwards is open again.
//
// With ack.Until it puts the resends off until then instead, also where that was
// done before. It fails with ErrNotResent where there are none.
func (d *Desk) Acknowledge(ctx context.Context, id string, ack Ack) (in Incident, already bool, err error) {
	ack.At, ack.Batch = d.book.now(), nil
	if in, already, err = d.give(ctx, id, ack); err != nil {
		return in, already, err
	}
	return in, already, ended(d.notify(ctx, &in))
}

// ended is nil where another run is sending the note.
func ended(err error) error {
	if errors.Is(err, guard.ErrBusy) {
		return nil
	}
	return err
}

// Given is what became of one incident of several.
type Given struct {
	ID       string
	Incident Incident
	Already  bool  // someone acknowledged it before
	Err      error // ErrNoIncident, ErrNotResent, or what went wrong
}

// AcknowledgeAll is Acknowledge for several, at most BatchLimit of them, with one
// note that names them all. home is the account that the note is of where they are
// of several. What went wrong with one keeps no other back; the error is about the
// note, which Renotify sends later.
func (d *Desk) AcknowledgeAll(ctx context.Context, ids []string, ack Ack, home string) ([]Given, error) {
	if len(ids) > BatchLimit {
		return nil, fmt.Errorf("acknowledging %d incidents at once: at most %d", len(ids), BatchLimit)
	}
	given := make([]Given, len(ids))
	ack.At = d.book.now()
	ack.Batch = &Batch{ID: keys.ShortID(ack.Actor.ARN + "\n" + ack.At.UTC().Format(time.RFC3339Nano) + "\n" + strings.Join(ids, "\n")),
		Account: home}
	worker.Each(len(ids), func(i int) {
		in, already, err := d.give(ctx, ids[i], ack)
		given[i] = Given{ids[i], in, already, err}
	})
	var mine []Incident
	for i := range given {
		if given[i].Err == nil && !given[i].Already {
			mine = append(mine, given[i].Incident)
		}
	}
	if len(mine) == 0 {
		return given, nil
	}
	f := batchNote(mine)
	if _, err := d.guard.Send(ctx, guard.Notice{Finding: f, Incident: d.book.settings.view(&mine[0])}); err != nil {
		return given, ended(err)
	}
	errs := make([]error, len(mine))
	worker.Each(len(mine), func(i int) { errs[i] = d.noted(ctx, &mine[i]) })
	return given, errors.Join(errs...)
}

// give stores an acknowledgement or a snooze.
func (d *Desk) give(ctx context.Context, id string, ack Ack) (in Incident, already bool, err error) {
	in, found, err := One(ctx, d.book.store, id)
	if err != nil {
		return Incident{}, false, fmt.Errorf("looking for incident %s: %w", id, err)
	}
	if !found {
		return Incident{}, false, fmt.Errorf("acknowledging %s: %w", id, ErrNoIncident)
	}
	ack.Notified = false
	quiet := false
	err = d.book.amend(ctx, &in, func(cur *Incident) bool {
		already, quiet = cur.Ack != nil, !ack.Until.IsZero() && cur.Cycle == 0
		if already || quiet {
			return false
		}
		// Due until the note is sent: a process that dies before leaves that to Renotify.
		mine := ack
		cur.Due, cur.Failures = ack.At, 0
		if ack.Batch != nil {
			cur.Due = ack.At.Add(batchGrace)
		}
		if ack.Until.IsZero() {
			cur.Ack, cur.Snooze = &mine, nil
			return true
		}
		cur.Snooze, cur.Resent = &mine, 0
		cur.Cycle++ // its resends and its note have claims of their own
		return true
	})
	if err == nil && quiet && !already {
		err = fmt.Errorf("putting off %s: %w", id, ErrNotResent)
	}
	return in, already, err
}

// Unacknowledged is collection.Incidents'. What cannot be read is sent: one mail too many is
// the lesser harm.
func (b *Book) Unacknowledged(ctx context.Context, resends []collection.Resend) ([]bool, error) {
	ids := make([]string, len(resends))
	for i := range resends {
		ids[i] = resends[i].Incident
	}
	found, err := b.store.Find(ctx, ids)
	if err != nil && failure.Retryable(err) {
		return nil, fmt.Errorf("looking for %d incidents: %w", len(ids), err)
	}
	open := make([]bool, len(resends))
	for i, r := range resends {
		in, ok := found[r.Incident]
		open[i] = !ok || in.Ack == nil && (r.Cycle == 0 || r.Cycle == in.Cycle)
	}
	return open, nil
}

// unsent is the acknowledgement or the snooze about which no note was sent yet.
func (in *Incident) unsent() *Ack {
	for _, given := range []*Ack{in.Ack, in.Snooze} {
		if given != nil && !given.Notified {
			return given
		}
	}
	return nil
}

// about is what a note says of an incident.
func (in *Incident) about() detect.Acknowledgement {
	return detect.Acknowledgement{Account: in.Account, Incident: in.ID, Cycle: in.Cycle, Title: in.Finding.Title}
}

// note is the note about an incident alone, which has been acknowledged or snoozed.
func (in *Incident) note(given *Ack) detect.Finding {
	by := detect.Operator{Actor: given.Actor, Who: given.By, Note: given.Note, At: given.At, Until: given.Until}
	return detect.Acknowledged(in.about(), by)
}

// batchNote is the note about incidents of one batch, of which there is at least one.
func batchNote(mine []Incident) detect.Finding {
	slices.SortFunc(mine, func(a, b Incident) int { return strings.Compare(a.Key, b.Key) })
	given := mine[0].unsent()
	account := mine[0].Account
	about := make([]detect.Acknowledgement, len(mine))
	for i := range mine {
		about[i] = mine[i].about()
		if mine[i].Account != account {
			account = given.Batch.Account
		}
	}
	by := detect.Operator{Actor: given.Actor, Who: given.By, Note: given.Note, At: given.At, Until: given.Until}
	return detect.AcknowledgedAll(account, given.Batch.ID, about, by)
}

// notify sends the note about an incident alone, where it was not sent yet.
func (d *Desk) notify(ctx context.Context, in *Incident) error {
	given := in.unsent()
	if given == nil || given.Batch != nil {
		return nil
	}
	return d.sendNote(ctx, in, in.note(given))
}

// noteOf is the note that is due about an incident: of a batch that about all of it
// that is left, as what gave it died.
func (d *Desk) noteOf(ctx context.Context, in *Incident, r *run) (detect.Finding, error) {
	given := in.unsent()
	if given.Batch == nil {
		return in.note(given), nil
	}
	id := given.Batch.ID
	if f, ok := r.notes[id]; ok {
		return f, nil
	}
	due, err := d.book.store.DueIncidents(ctx, r.at, 2*BatchLimit)
	if err != nil {
		return detect.Finding{}, fmt.Errorf("listing incidents that were acknowledged together: %w", err)
	}
	due = slices.DeleteFunc(due, func(other Incident) bool {
		u := other.unsent()
		return other.Key == in.Key || u == nil || u.Batch == nil || u.Batch.ID != id
	})
	r.notes[id] = batchNote(append(due, *in))
	return r.notes[id], nil
}

// sendNote sends a note about an incident, and notes that it was sent.
func (d *Desk) sendNote(ctx context.Context, in *Incident, f detect.Finding) error {
	if _, err := d.guard.Send(ctx, guard.Notice{Finding: f, Incident: d.book.settings.view(in)}); err != nil {
		return err
	}
	return d.noted(ctx, in)
}

// noted stores that the note about an incident was sent, and when it is due next.
func (d *Desk) noted(ctx context.Context, in *Incident) error {
	cycle := in.Cycle
	return d.book.amend(ctx, in, func(cur *Incident) bool {
		given := cur.unsent()
		if cur.Cycle != cycle || given == nil {
			return false
		}
		given.Notified, cur.Due, cur.Failures = true, given.Until, 0
		return true
	})
}

// Written is an acknowledgement that was written into the table by hand.
type Written struct {
	Incident string // its ID
	By, Note string
	Version  string // of the row that it was written into
}

// WrittenAcks are the acknowledgements that were written by hand.
type WrittenAcks interface {
	// Written returns at most limit of them.
	Written(ctx context.Context, limit int) ([]Written, error)
	// Clear takes one away, where its row has not changed since it was read, and
	// gives the row another version.
	Clear(ctx context.Context, w Written) error
}

// takeWritten gives the acknowledgements that were written by hand. One that fails
// keeps no other back, and is there for the next run.
func (d *Desk) takeWritten(ctx context.Context) error {
	if d.written == nil {
		return nil
	}
	some, err := d.written.Written(ctx, writtenPerRun)
	if err != nil {
		return fmt.Errorf("listing acknowledgements that were written by hand: %w", err)
	}
	errs := make([]error, 0, len(some))
	for _, w := range some {
		errs = append(errs, d.take(ctx, w))
	}
	return errors.Join(errs...)
}

// take gives one acknowledgement that was written by hand. What was given before,
// by a run that died, is known by the version of its row, also where another alert
// has opened the incident again since.
func (d *Desk) take(ctx context.Context, w Written) error {
	in, found, err := One(ctx, d.book.store, w.Incident)
	if err != nil {
		return fmt.Errorf("looking for incident %s: %w", w.Incident, err)
	}
	if found {
		by := words(w.By, "an operator")
		ack := Ack{By: by, Actor: detect.Actor{Type: "Unknown", Name: by}, Note: words(w.Note, "(none)"), At: d.book.now(), Written: w.Version}
		err := d.book.amend(ctx, &in, func(cur *Incident) bool {
			if cur.Ack != nil || slices.ContainsFunc(cur.Acks, func(a Ack) bool { return a.Written == w.Version }) {
				return false
			}
			cur.Ack, cur.Snooze, cur.Due, cur.Failures = &ack, nil, ack.At, 0
			return true
		})
		if err != nil {
			return err
		}
	}
	if err := d.written.Clear(ctx, w); err != nil {
		return fmt.Errorf("clearing the acknowledgement of %s that was written by hand: %w", w.Incident, err)
	}
	return ended(d.notify(ctx, &in))
}

// words is text that anyone wrote, on one line and of at most 200 characters.
func words(text, none string) string {
	const limit = 200
	r := []rune(strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " "))
	if len(r) == 0 {
		return none
	}
	return string(r[:min(len(r), limit)])
}
