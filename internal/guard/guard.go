package guard

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// Deps are what a Guard works with. The first five are required.
type Deps struct {
	Detector  Detector
	Ledger    Ledger
	Journal   Journal
	FactRows  FactRows // where the facts are compacted; else nil
	Publisher Publisher
	Now       func() time.Time

	// Limiter is for a guard whose alerts go by e-mail; nil where nothing limits them.
	Limiter Limiter

	// Deadlines is for what Sweep is to look at; nil where nothing sweeps.
	Deadlines Rows[Deadline]

	// Announcements and Recaps are for announced root use: who announced it, and
	// when to tell what became of it. Both are nil where nothing can be announced.
	Announcements Announcements
	Recaps        Rows[Deadline]

	// Incidents is for what people acknowledge; nil where nobody does.
	Incidents Incidents
	// Rounds is for the accounts that are to be looked at; nil where nothing does.
	Rounds Rounds

	// Quarantines is for users past the last reminder; nil where none are quarantined.
	Quarantines Quarantines

	// Deployments is for changes to rootguard itself by CloudFormation; nil where
	// nothing can be asked.
	Deployments Deployments

	// AccountName is an account's name for people, "" where it is not known.
	AccountName func(account string) string
}

// Guard handles records. It keeps no state of its own and is safe for
// concurrent use where its Deps are.
type Guard struct {
	deps     Deps
	settings Settings
}

// New returns a Guard. A zero field of the settings means its default.
func New(deps Deps, settings Settings) *Guard {
	if deps.AccountName == nil {
		deps.AccountName = func(string) string { return "" }
	}
	return &Guard{deps: deps, settings: settings.withDefaults()}
}

// Disposition is what became of a record.
type Disposition string

// The dispositions. It is "" where Handle failed before it knew.
const (
	Ignored   Disposition = "ignored"   // no finding, no facts
	Recorded  Disposition = "recorded"  // no finding, but facts
	Alerted   Disposition = "alerted"   // an alert of its own was published
	RolledUp  Disposition = "rolled_up" // counted in a group, whose roll-up will be published
	Counted   Disposition = "counted"   // noted, and alerted where many come
	Duplicate Disposition = "duplicate" // told of before
)

// Result says what Handle did.
type Result struct {
	Outcome     detect.Outcome
	Disposition Disposition
	Alert       *alert.Alert // of an Alerted record
	NewFacts    int

	// Unseen is what is to be raised by RaiseUnseen at the end of a log: root read
	// in a session that began at Began. Where events come as they happen, Handle
	// does that.
	Unseen *detect.Finding
	Began  time.Time
}

// reported is whether the finding reaches people by this, alone or in a roll-up.
func (r *Result) reported() bool { return r.Disposition == Alerted || r.Disposition == RolledUp }

// dated is the time of an event, zero where no clock can have shown it. JSON has
// no year before 0 or beyond 9999, and deadlines and the ends of windows lie
// after their events.
func dated(at time.Time) time.Time {
	if year := at.UTC().Year(); year < 1 || year > 9998 {
		return time.Time{}
	}
	return at
}

// Handle records what a record tells about its account and sees to it that a
// finding reaches people once. An error means that something is still to be
// done and that the same record must be handled again, if Retryable(err); what
// was done is not repeated. Result is valid in either case.
func (g *Guard) Handle(ctx context.Context, rec *cloudtrail.Record) (Result, error) {
	var res Result
	var later error // what is left to a retry though the alert went out

	if at := dated(rec.EventTime); !at.Equal(rec.EventTime) {
		undated := *rec
		undated.EventTime = at
		rec = &undated
	}
	facts := bootstrap.FactsOf(rec)
	if len(facts) > 0 {
		var err error
		if res.NewFacts, err = g.deps.Journal.Add(ctx, facts); err != nil {
			later = fmt.Errorf("recording facts of event %s: %w", rec.EventID, err)
		} else if err := errors.Join(g.track(ctx, facts), g.wake(ctx, facts), g.recheckRoot(ctx, facts)); err != nil {
			later = fmt.Errorf("tracking the user of event %s: %w", rec.EventID, err)
		}
	}
	assumed, err := g.assumedRoot(ctx, rec)
	res.Outcome = g.deps.Detector.Detect(rec, assumed)
	if err != nil {
		later = errors.Join(later, err)
		if res.Outcome.Kind == detect.Matched {
			res.Outcome.Finding.Detail = sentence(res.Outcome.Finding.Detail,
				"Whether its access key came from sts:AssumeRoot could not be looked up.")
		}
	}

	if err := g.begins(ctx, rec, &res.Outcome); err != nil {
		later = errors.Join(later, err)
	}
	if res.Unseen = unseen(rec, assumed, &res.Outcome); res.Unseen != nil {
		res.Began = rec.UserIdentity.Session.CreationDate
	}

	switch {
	case res.Unseen != nil && g.deps.Deadlines != nil && g.deps.Now().Sub(res.Began) >= beginDelay:
		raised, err := g.RaiseUnseen(ctx, *res.Unseen, res.Began)
		raised.NewFacts = res.NewFacts
		if raised.Outcome.Kind != detect.Matched && err == nil {
			raised.Disposition = Recorded
		}
		return raised, errors.Join(err, later)
	case res.Outcome.Kind == detect.Matched:
		if res.Outcome.Finding.EventID == "" {
			sum := sha256.Sum256(rec.Raw)
			res.Outcome.Finding.EventID = "sha256:" + hex.EncodeToString(sum[:])
		}
		if late := g.deps.Now().Sub(rec.EventTime); rec.Addendum.Reason != "" && g.deps.Deadlines != nil && !rec.EventTime.IsZero() && late > 0 {
			res.Outcome.Finding.Detail = sentence(res.Outcome.Finding.Detail, "It came "+late.Round(time.Minute).String()+" after the event.")
		}
		var ownerErr error
		if res.Outcome.Finding, ownerErr = g.keyOwner(ctx, res.Outcome.Finding); ownerErr != nil {
			later = errors.Join(later, ownerErr)
		}
		told, err := g.Raise(ctx, g.deployed(ctx, res.Outcome.Finding))
		res.Outcome, res.Disposition, res.Alert = told.Outcome, told.Disposition, told.Alert
		if res.Disposition == Counted {
			res.Outcome = detect.Outcome{Kind: detect.NotMatched, Reason: "one sign-in of an IAM user failed; it is counted, and reported where several of one user or from one address fail"}
		}
		err = errors.Join(err, g.spraying(ctx, &told.Outcome.Finding))
		return res, errors.Join(err, later)
	case len(facts) > 0:
		res.Disposition = Recorded
	default:
		res.Disposition = Ignored
	}
	return res, later
}

// assumedRoot looks up whether the key of a record that looks like the root
// user came from sts:AssumeRoot. It is nil where that is not known.
func (g *Guard) assumedRoot(ctx context.Context, rec *cloudtrail.Record) (assumed *detect.AssumedRoot, err error) {
	key := rec.UserIdentity.AccessKeyID
	if key == "" || rec.RootUse() != cloudtrail.RootTrue {
		return assumed, nil
	}
	f, found, err := g.deps.Journal.Fact(ctx, rec.Account(), bootstrap.AssumedRootFactID(key))
	if err != nil {
		return assumed, fmt.Errorf("looking up the access key of event %s: %w", rec.EventID, err)
	}
	if found {
		assumed = &detect.AssumedRoot{TaskPolicy: f.TaskPolicy, By: f.Actor, EventID: f.EventID}
	}
	return assumed, nil
}

// Raise sees to it that a finding reaches people once. The finding's Account
// and EventID say which it is. Handle calls it; it is exported for findings
// that no record tells of, such as those of the sweep.
func (g *Guard) Raise(ctx context.Context, f detect.Finding) (Result, error) {
	f.EventTime = dated(f.EventTime)
	f, later := g.announced(ctx, f)
	ev := event{claim: claimKey(f.Account, f.EventID), series: seriesKey(&f), finding: alert.BoundFinding(f)}
	res, err := g.raise(ctx, ev, nil)
	res.Outcome.Finding = f
	return res, errors.Join(err, later)
}

// raise is Raise for an event. of is the incident that its alert is about, nil
// where it belongs to one as any finding does.
func (g *Guard) raise(ctx context.Context, ev event, of *alert.Incident) (Result, error) {
	f := &ev.finding
	res := Result{Outcome: detect.Outcome{Kind: detect.Matched, Finding: *f}}
	d, err := g.take(ctx, ev)
	if err != nil {
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, err)
	}
	switch d.verdict {
	case publish:
		if !ev.limited {
			throttled, err := g.limit(ctx, &d)
			if err != nil {
				return res, err
			}
			if throttled {
				res.Disposition = RolledUp
				return res, g.count(ctx, &d.claim, nil, true)
			}
		}
		a := g.alertOf(&d)
		a.Incident = of
		var unlisted error
		if of == nil {
			// Before it is published, so that a crash after that leaves it to be resent.
			a.Incident, unlisted = g.enlist(ctx, &a)
			d.claim.Unlisted = unlisted != nil
		}
		if sendErr := g.send(ctx, &d, a); sendErr != nil {
			return res, errors.Join(sendErr, unlisted)
		}
		res.Disposition, res.Alert = Alerted, &a
		return res, unlisted
	case fold:
		res.Disposition = RolledUp
		return res, g.count(ctx, &d.claim, d.of, true)
	case noted:
		res.Disposition = Counted
	case duplicate:
		res.Disposition = Duplicate
		if d.claim.Group != "" { // who folded it may have died before it was counted
			return res, g.count(ctx, &d.claim, nil, false)
		}
		if d.claim.Unlisted {
			return res, g.listLate(ctx, &d)
		}
	case busy:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, ErrBusy)
	}
	return res, nil
}

// take claims an event.
func (g *Guard) take(ctx context.Context, ev event) (d decision, err error) {
	err = g.deps.Ledger.Update(ctx, ev.claim, ev.series, func(c Claim, sr Series) (Claim, Series) {
		d = g.settings.decide(ev, c, sr, g.deps.Now())
		if d.verdict == duplicate {
			return Claim{}, Series{}
		}
		return d.claim, d.series
	})
	return d, err
}

// send publishes the alert of a leased event and marks it sent. Where it fails,
// the claim is released so that a retry need not wait for the lease.
//
// A publish ends before the lease does, however long the invocation may
// run: what is still being published must not be anybody else's.
func (g *Guard) send(ctx context.Context, d *decision, a alert.Alert) error {
	one, cancel := g.publishing(ctx, d)
	defer cancel()
	if err := g.deps.Publisher.Publish(one, a); err != nil {
		d.took = tookOf(err)
		err = fmt.Errorf("publishing alert %s of event %s: %w", a.ID, d.claim.Finding.EventID, err)
		return errors.Join(err, g.settle(ctx, d.claim.Key, d.claim.Window, d.undo(&g.settings)))
	}
	return g.settle(ctx, d.claim.Key, "", func(c Claim, _ Series) (Claim, Series) {
		if c.Key == "" {
			c = d.claim // the row expired
		}
		c.State, c.LeaseUntil, c.Took, c.Unlisted = Sent, time.Time{}, nil, d.claim.Unlisted
		return c, Series{}
	})
}

// skew is by how much the clocks of two processes may differ.
const skew = time.Minute

// publishing bounds a publish by what is left of its lease by the clock of anybody
// else, but for the write that follows. A lease shorter than any publish is that of a ledger that its
// process has alone, which bounds nothing.
func (g *Guard) publishing(ctx context.Context, d *decision) (context.Context, context.CancelFunc) {
	lease := g.settings.Lease
	if lease < time.Second {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d.claim.LeaseUntil.Sub(g.deps.Now())-min(settleTimeout+skew, lease*3/4))
}

// settleTimeout bounds the write that says how publishing went. It is made
// even where the caller has given up: without it the alert is sent once more.
const settleTimeout = 5 * time.Second

func (g *Guard) settle(ctx context.Context, claimKey, seriesKey string, decide func(Claim, Series) (Claim, Series)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTimeout)
	defer cancel()
	if err := g.deps.Ledger.Update(ctx, claimKey, seriesKey, decide); err != nil {
		return fmt.Errorf("settling claim %s: %w", claimKey, err)
	}
	return nil
}

// alertOf is the alert of an event that gets one of its own.
func (g *Guard) alertOf(d *decision) alert.Alert {
	f := d.claim.Finding
	a := alert.Alert{
		Schema: alert.Schema, ID: d.claim.AlertID, Kind: d.claim.Kind,
		AccountName: g.deps.AccountName(f.Account), Finding: *f, Took: d.claim.Took,
	}
	if (isOrHas(f, detect.UserCreated) || isOrHas(f, detect.UserConsoleAccess)) && !f.EventTime.IsZero() {
		a.Deadline = f.EventTime.Add(g.settings.Bootstrap.Grace)
	}
	if a.Kind == alert.Escalation {
		a.Count, a.FirstTime, a.LastTime = g.settings.FailedSigninsHigh, f.EventTime, f.EventTime
		if n := len(d.recent); n > 0 {
			a.FirstTime, a.LastTime = d.recent[0], d.recent[n-1]
		}
	}
	return a
}

func isOrHas(f *detect.Finding, id detect.ID) bool {
	return f.ID == id || slices.Contains(f.Also, id)
}

// sentence appends one to a text.
func sentence(text, more string) string {
	if text == "" {
		return more
	}
	return text + " " + more
}
