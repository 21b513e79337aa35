package guard

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/alert"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
)

// Deps are what a Guard works with. The first five are required.
type Deps struct {
	Detector  Detector
	Claims    Claims
	Facts     Facts
	Publisher Publisher
	Now       func() time.Time

	// Pages reads the facts of an account in parts; nil where they are read whole.
	Pages accountfacts.Pages

	// Limiter is for a guard whose alerts go by e-mail; nil where nothing limits them.
	Limiter Limiter

	// Live says that events come as they happen. In a log that is replayed, what
	// depends on the time since an event is left to the end of the log.
	Live bool

	// Added are called with the facts of each record, after they are stored.
	Added []FactsHook

	// Announcements lowers findings about announced root use; nil where none can be
	// announced.
	Announcements Announcements

	// Suppressions holds back alerts; nil where none can be suppressed.
	Suppressions Suppressions

	// RootSessions keeps when root's sessions began; nil where that is not asked.
	RootSessions RootSessions

	// Batches are what is collected; nil where nothing is.
	Batches Batches

	// Incidents are what operators acknowledge; nil where there are none.
	Incidents Incidents

	// Deployments is for changes to rootguard itself by CloudFormation; nil where
	// nothing can be asked.
	Deployments Deployments

	// AnnouncedDeployments says which of them were announced; nil where none can be.
	AnnouncedDeployments AnnouncedDeployments

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
	Ignored    Disposition = "ignored"    // no finding, no facts
	Recorded   Disposition = "recorded"   // no finding, but facts
	Alerted    Disposition = "alerted"    // an alert of its own was published
	RolledUp   Disposition = "rolled_up"  // counted in a group, whose roll-up will be published
	Counted    Disposition = "counted"    // noted, and alerted where many come
	Duplicate  Disposition = "duplicate"  // reported before
	Suppressed Disposition = "suppressed" // on record; its alert is suppressed
	Noted      Disposition = "noted"      // on record, as part of a deployment of rootguard that one note reports
)

// Result says what Handle did.
type Result struct {
	Outcome     detect.Outcome
	Disposition Disposition
	Alert       *alert.Alert // of an Alerted record
	Suppression string       // of a Suppressed record: the suppression's ID
	NewFacts    int

	// Unseen is what is to be raised by RaiseUnseen at the end of a log: root read
	// in a session that began at Began. Where events come as they happen, Handle
	// does that.
	Unseen *detect.Finding
	Began  time.Time
}

// Reported is whether the finding reaches people by this, alone or in a roll-up.
func (r *Result) Reported() bool { return r.Disposition == Alerted || r.Disposition == RolledUp }

// Handle records what a record shows about its account and sees to it that a
// finding reaches people once. An error means that something is still to be
// done and that the same record must be handled again, if failure.Retryable(err); what
// was done is not repeated. Result is valid in either case.
func (g *Guard) Handle(ctx context.Context, rec *cloudtrail.Record) (Result, error) {
	var res Result
	var later error // what is left to a retry though the alert went out

	if at := keys.Dated(rec.EventTime); !at.Equal(rec.EventTime) {
		undated := *rec
		undated.EventTime = at
		rec = &undated
	}
	facts := bootstrap.FactsOf(rec)
	if len(facts) > 0 {
		var err error
		if res.NewFacts, err = g.deps.Facts.Add(ctx, facts); err != nil {
			later = fmt.Errorf("recording facts of event %s: %w", rec.EventID, err)
		} else if err := g.added(ctx, facts); err != nil {
			later = fmt.Errorf("scheduling checks after event %s: %w", rec.EventID, err)
		}
	}
	assumed, err := g.assumedRoot(ctx, rec)
	res.Outcome = g.deps.Detector.Detect(rec, assumed)
	if err != nil {
		later = errors.Join(later, err)
		if res.Outcome.Kind == detect.Matched {
			res.Outcome.Finding.AddDetail("Whether its access key came from sts:AssumeRoot could not be looked up.")
		}
	}

	if g.deps.RootSessions != nil {
		later = errors.Join(later, g.deps.RootSessions.Note(ctx, rec, res.Outcome.Kind == detect.Matched))
	}
	if res.Unseen = unseen(rec, assumed, &res.Outcome); res.Unseen != nil {
		res.Began = rec.UserIdentity.Session.CreationDate
	}

	switch {
	case res.Unseen != nil && g.deps.Live && g.deps.Now().Sub(res.Began) >= beginDelay:
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
		if late := g.deps.Now().Sub(rec.EventTime); rec.Addendum.Reason != "" && g.deps.Live && !rec.EventTime.IsZero() && late > 0 {
			res.Outcome.Finding.AddDetail("It came " + late.Round(time.Minute).String() + " after the event.")
		}
		var ownerErr error
		if res.Outcome.Finding, ownerErr = g.reader().KeyOwner(ctx, res.Outcome.Finding); ownerErr != nil {
			later = errors.Join(later, ownerErr)
		}
		reported, err := g.raiseFound(ctx, res.Outcome.Finding)
		res.Outcome, res.Disposition, res.Alert, res.Suppression = reported.Outcome, reported.Disposition, reported.Alert, reported.Suppression
		if res.Disposition == Counted {
			res.Outcome = detect.Outcome{Kind: detect.NotMatched,
				Reason: "one sign-in of an IAM user failed; it is counted, and reported where several of one user or from one address fail"}
		}
		err = errors.Join(err, g.spraying(ctx, &reported.Outcome.Finding))
		return res, errors.Join(err, later)
	case len(facts) > 0:
		res.Disposition = Recorded
	default:
		res.Disposition = Ignored
	}
	return res, later
}

// raiseFound is Raise for the finding of a record.
func (g *Guard) raiseFound(ctx context.Context, f detect.Finding) (Result, error) {
	f, of, ok := g.deployed(ctx, f)
	if ok {
		return g.raiseDeployed(ctx, f, of)
	}
	return g.Raise(ctx, f)
}

func (g *Guard) reader() accountfacts.Reader {
	return accountfacts.Reader{Facts: g.deps.Facts, Pages: g.deps.Pages, Options: g.settings.Bootstrap}
}

func (g *Guard) added(ctx context.Context, facts []bootstrap.Fact) error {
	errs := make([]error, 0, len(g.deps.Added))
	for _, hook := range g.deps.Added {
		errs = append(errs, hook.Added(ctx, facts))
	}
	return errors.Join(errs...)
}

// assumedRoot looks up whether the key of a record that looks like the root
// user came from sts:AssumeRoot. It is nil where that is not known.
func (g *Guard) assumedRoot(ctx context.Context, rec *cloudtrail.Record) (assumed *detect.AssumedRoot, err error) {
	key := rec.UserIdentity.AccessKeyID
	if key == "" || rec.RootUse() != cloudtrail.RootTrue {
		return assumed, nil
	}
	f, found, err := g.deps.Facts.Fact(ctx, rec.Account(), bootstrap.AssumedRootFactID(key))
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
// that no record reports, such as those of the sweep.
func (g *Guard) Raise(ctx context.Context, f detect.Finding) (Result, error) {
	f.EventTime = keys.Dated(f.EventTime)
	var later error
	if g.deps.Announcements != nil {
		f, later = g.deps.Announcements.Lower(ctx, f)
	}
	f, suppression, suppressErr := g.Suppressed(ctx, f)
	later = errors.Join(later, suppressErr)
	ev := event{claim: keys.Claim(f.Account, f.EventID), series: seriesKey(&f), finding: alert.BoundFinding(f), suppression: suppression}
	res, err := g.raise(ctx, ev, nil)
	res.Outcome.Finding = f
	return res, errors.Join(err, later)
}

// spraying counts a failed root sign-in among those of all accounts from its address.
func (g *Guard) spraying(ctx context.Context, f *detect.Finding) error {
	if f.ID != detect.RootSigninFailed || f.SourceIP == "" {
		return nil
	}
	_, err := g.Raise(ctx, detect.Spraying(*f))
	return err
}

// Suppressed is the suppression that holds back a finding's alerts, "" for none. Where
// that cannot be looked up the finding says so.
func (g *Guard) Suppressed(ctx context.Context, f detect.Finding) (_ detect.Finding, suppression string, err error) {
	if g.deps.Suppressions == nil {
		return f, "", nil
	}
	if suppression, err = g.deps.Suppressions.Covers(ctx, f); err != nil {
		f.AddDetail("Whether its alerts are suppressed could not be looked up.")
	}
	return f, suppression, err //nolint:wrapcheck // it says for what
}

// Notice is a finding that gets an alert of its own, in no roll-up.
type Notice struct {
	Finding  detect.Finding
	Claim    string          // what its claim is named by; "" is the finding's EventID
	Key      string          // of its claim; "" is that of the finding's account and Claim
	Kind     alert.Kind      // "" is First
	Limited  bool            // it has its rate limit token
	Incident *alert.Incident // that it is about; nil: the one that the finding belongs to, if any
	Cycle    int             // of one that is collected: the cycle of the incident that is sent again
	At       time.Time       // of one that is collected: as of when, where that is later than the clock
	Digest   *alert.Digest   // that it carries, if any
	Summary  *alert.Summary  // of several, the list
}

// Send publishes a notice, once.
func (g *Guard) Send(ctx context.Context, n Notice) (Result, error) {
	f := &n.Finding
	key := cmp.Or(n.Key, keys.Claim(f.Account, cmp.Or(n.Claim, f.EventID)))
	return g.raise(ctx, event{claim: key, finding: alert.BoundFinding(*f), kind: n.Kind, limited: n.Limited, digest: n.Digest,
		summary: n.Summary}, n.Incident)
}

// raise is Raise for an event. of is the incident that its alert is about, nil
// where it belongs to one as any finding does.
func (g *Guard) raise(ctx context.Context, ev event, of *alert.Incident) (Result, error) {
	f := &ev.finding
	res := Result{Outcome: detect.Outcome{Kind: detect.Matched, Finding: *f}}
	d, err := g.claim(ctx, ev)
	if err != nil {
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, err)
	}
	d.summary = ev.summary
	switch d.verdict {
	case publish:
		if !ev.limited {
			throttled, err := g.limit(ctx, &d)
			if err != nil {
				return res, err
			}
			if throttled {
				res.Disposition = RolledUp
				return res, g.fold(ctx, &d)
			}
		}
		a := g.alertOf(&d)
		if a.Incident, a.Digest = of, ev.digest; of != nil && of.ID == "" {
			a.Incident = nil // it is about several
		}
		var unlisted error
		if of == nil {
			// Before it is published, so that a crash after that leaves it to be resent.
			a.Incident, unlisted = g.attach(ctx, &a)
			d.claim.IncidentPending = unlisted != nil
		}
		if sendErr := g.send(ctx, &d, a); sendErr != nil {
			return res, errors.Join(sendErr, unlisted)
		}
		res.Disposition, res.Alert = Alerted, &a
		return res, unlisted
	case fold:
		res.Disposition = RolledUp
		return res, g.fold(ctx, &d)
	case noted:
		res.Disposition = Counted
	case withhold:
		res.Disposition, res.Suppression = Suppressed, d.claim.Suppression
	case duplicate:
		res.Disposition = Duplicate
		if d.claim.Group != "" { // who folded it may have died before it was counted
			return res, g.fold(ctx, &d)
		}
		if d.claim.IncidentPending {
			return res, g.attachLate(ctx, &d)
		}
	case busy:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, ErrBusy)
	}
	return res, nil
}

// attach stores the incident that an alert belongs to, nil where that is none.
func (g *Guard) attach(ctx context.Context, a *alert.Alert) (*alert.Incident, error) {
	var none *alert.Incident
	if g.deps.Incidents == nil {
		return none, nil
	}
	return g.deps.Incidents.Attach(ctx, a) //nolint:wrapcheck // it says which alert
}

// attachLate stores the incident of an alert that was sent without.
func (g *Guard) attachLate(ctx context.Context, d *decision) error {
	a := g.alertOf(d)
	if _, err := g.attach(ctx, &a); err != nil {
		return err
	}
	return g.complete(ctx, d.claim.Key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		if c.Key == "" || c.State != Sent {
			return Claim{}, repeats.Series{}
		}
		c.IncidentPending = false
		return c, repeats.Series{}
	})
}

// claim claims an event.
func (g *Guard) claim(ctx context.Context, ev event) (d decision, err error) {
	err = g.deps.Claims.Update(ctx, ev.claim, ev.series, func(c Claim, sr repeats.Series) (Claim, repeats.Series) {
		d = g.settings.decide(ev, c, sr, g.deps.Now())
		if d.verdict == duplicate {
			return Claim{}, repeats.Series{}
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
		d.deliveredTo = DeliveredTo(err)
		err = fmt.Errorf("publishing alert %s of event %s: %w", a.ID, d.claim.Finding.EventID, err)
		return errors.Join(err, g.complete(ctx, d.claim.Key, d.claim.Series, d.undo(&g.settings)))
	}
	return g.complete(ctx, d.claim.Key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		if c.Key == "" {
			c = d.claim // the row expired
		}
		c.State, c.LeaseUntil, c.DeliveredTo, c.IncidentPending = Sent, time.Time{}, nil, d.claim.IncidentPending
		return c, repeats.Series{}
	})
}

// skew is by how much the clocks of two processes may differ.
const skew = time.Minute

// publishing bounds a publish by what is left of its lease by the clock of any other
// process, but for the write that follows. A lease shorter than any publish is that of
// claims that its process has alone, which bounds nothing.
func (g *Guard) publishing(ctx context.Context, d *decision) (context.Context, context.CancelFunc) {
	lease := g.settings.Lease
	if lease < time.Second {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d.claim.LeaseUntil.Sub(g.deps.Now())-min(completeTimeout+skew, lease*3/4))
}

// completeTimeout bounds the write that says how publishing went. It is made
// even where the caller has given up: without it the alert is sent once more.
const completeTimeout = 5 * time.Second

func (g *Guard) complete(ctx context.Context, claimKey, seriesKey string,
	decide func(Claim, repeats.Series) (Claim, repeats.Series)) error {
	return Complete(ctx, g.deps.Claims, claimKey, seriesKey, decide)
}

// Complete stores what became of an event that was claimed, as ClaimRows.Update does.
func Complete(ctx context.Context, claims ClaimRows, claimKey, seriesKey string,
	decide func(Claim, repeats.Series) (Claim, repeats.Series)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), completeTimeout)
	defer cancel()
	if err := claims.Update(ctx, claimKey, seriesKey, decide); err != nil {
		return fmt.Errorf("settling claim %s: %w", claimKey, err)
	}
	return nil
}

// alertOf is the alert of an event that gets one of its own.
func (g *Guard) alertOf(d *decision) alert.Alert {
	f := d.claim.Finding
	a := alert.Alert{
		Schema: alert.Schema, ID: d.claim.AlertID, Kind: d.claim.Kind,
		AccountName: g.deps.AccountName(f.Account), Finding: *f, DeliveredTo: d.claim.DeliveredTo, Summary: d.summary,
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
