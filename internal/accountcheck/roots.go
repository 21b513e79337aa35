package accountcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/rootsession"
	"rootguard/internal/worker"
)

const (
	// deliveryGrace is how long after a problem of root was seen its event is waited
	// for, and whether IAM still says so. CloudTrail delivers "within an average
	// of about 5 minutes" (AWS CloudTrail User Guide, "How CloudTrail works").
	deliveryGrace = 15 * time.Minute

	// rootTimeout bounds one live check: a role is assumed, and two calls follow.
	rootTimeout = 10 * time.Second
	// queuesTimeout bounds the check of the queues of an account's forwarders, so
	// that a Region out of order takes no time from other accounts' roots.
	queuesTimeout = 5 * time.Second
	// rootBatch is how many accounts are checked before what they said is kept:
	// as many as answer within a run's least time, however slowly, since what is
	// cut off is done again.
	rootBatch = 2 * worker.Parallel
)

// RootsChecked says what CheckRoots did.
type RootsChecked struct {
	Checked       int      // accounts
	Alerted       int      // alerts of problems that no event reported
	Resolved      int      // notes that one is over
	Waiting       int      // accounts with a problem that is checked again before it is reported
	Unanswered    int      // accounts that IAM gave no answer about; they are checked again
	Unreachable   []string // the first of these
	Backlogged    int      // queues with events that could not be sent to the guard
	QueueFailures int      // accounts of which a queue is missing, or gave no answer
	More          bool     // some are due that were left to the next run
}

// CheckRoots asks IAM about the root user of each account whose time has come,
// and reports what it finds wrong where no event did: root without MFA, with
// an access key, or with a password that it did not have. Each is checked
// twice, with time between for IAM to settle and for the event to arrive, reported
// once, those that the first check of an account found together with the ones of
// other accounts, and closed with a note when it is over. An answer that the facts do
// not agree with is recorded as a fact; one that changes nothing is not.
//
// It also checks whether events of the account wait that could not be sent to the
// guard, and reports that once a day for as long as it is so. A queue that is
// missing, or gives no answer, is noted for the discovery of accounts to report. forwarders is nil
// where no account sends any.
func (k *Checker) CheckRoots(ctx context.Context, roots Roots, forwarders Forwarders, at time.Time) (RootsChecked, error) {
	p := rootRun{pass: pass{Checker: k, at: at}, roots: roots, forwarders: forwarders}
	err := p.walk(ctx, KindRoot, min(rootBatch, k.settings.Batch), p.batch)
	p.More = p.more
	_, sendErr := k.deps.Notices.Send(ctx, collection.RootNotices, at, p.More || p.first)
	return p.RootsChecked, errors.Join(err, sendErr)
}

// rootRun is one run.
type rootRun struct {
	pass
	RootsChecked
	roots       Roots
	forwarders  Forwarders
	unreachable int  // accounts without an answer, in a row
	first       bool // a problem that the first check of an account found is checked again before it is reported
}

// answer is what an account said.
type answer struct {
	live   bootstrap.LiveFact
	failed error

	undelivered []Undelivered
	unread      error
}

func (p *rootRun) batch(ctx context.Context, due []Check) {
	answers := make([]answer, len(due))
	worker.Each(len(due), func(i int) {
		one, cancel := context.WithTimeout(ctx, rootTimeout)
		defer cancel()
		a := &answers[i]
		a.live, a.failed = p.roots.AccountSummary(one, due[i].Account)
		if p.forwarders != nil && a.failed == nil { // else the role cannot be assumed
			one, cancel := context.WithTimeout(one, queuesTimeout)
			defer cancel()
			a.undelivered, a.unread = p.forwarders.Undelivered(one, due[i].Account)
		}
	})
	for i := range due {
		if p.unreachable++; answers[i].failed == nil {
			p.unreachable = 0
		}
		if ctx.Err() != nil {
			return // what was cut off is no answer, and is left to the next run
		}
		p.account(ctx, due[i], &answers[i])
	}
	if p.unreachable >= p.settings.Batch {
		p.halt = true // IAM is down, or throttles
	}
}

// account settles the check of one account. What goes wrong leaves it due.
func (p *rootRun) account(ctx context.Context, r Check, a *answer) {
	now := r
	if a.failed != nil {
		now.noAnswer(p.at)
		p.Unanswered++
		if len(p.Unreachable) < namedAccounts {
			p.Unreachable = append(p.Unreachable, r.Account)
		}
		p.store(ctx, &r, now)
		return
	}
	if err := errors.Join(p.undelivered(ctx, &now, a), p.judge(ctx, &now, a.live), p.abandoned(ctx, &now)); err != nil {
		if !errors.Is(err, guard.ErrBusy) { // else another run is reporting it
			p.failCheck(&r, err)
		}
		return
	}
	now.UnansweredChecks, now.Done = 0, p.at
	if p.store(ctx, &r, now) {
		p.Checked++
	}
}

// abandoned raises root passwords that no sign-in followed.
func (p *rootRun) abandoned(ctx context.Context, r *Check) error {
	entered := r.Root.Entered
	if entered.IsZero() {
		return nil
	}
	n, err := p.deps.Passwords.Abandoned(ctx, r.Account, p.at.Add(-rootsession.AbandonedFor), p.at)
	p.Alerted += n
	if over := entered.Add(rootsession.SignInWait); over.After(p.at) {
		if soon := over.Add(time.Second); soon.Before(r.Due) {
			r.Due = soon
		}
	} else {
		r.Root.Entered = time.Time{} // not stored where it fails
	}
	return err
}

// queueChecks is how many checks in a row a queue is missing or gives no answer
// before that is reported: while a stack set is on its way to an account, it is so.
const queueChecks = 3

// undelivered reports events that wait at the account, and notes of which queue
// that cannot be seen.
func (p *rootRun) undelivered(ctx context.Context, r *Check, a *answer) error {
	var errs []error
	unread := a.unread
	for _, u := range a.undelivered {
		if u.Events == 0 {
			unread = cmp.Or(unread, fmt.Errorf("there is no queue %s: what EventBridge cannot send to rootguard is lost", u.Queue))
			continue
		}
		p.Backlogged++
		what := fmt.Sprintf("Events of this account that EventBridge could not send to rootguard wait in a queue, about %d. "+
			"Fix the cause, then: rootguard redrive --queue-profile PROFILE_OF_THIS_ACCOUNT --queue %s", u.Events, u.Queue)
		if _, err := p.deps.Guard.Raise(ctx, detect.Unhealthy(r.Account, u.Region, "queue.forward", what, p.at)); err != nil {
			errs = append(errs, err)
		}
	}
	if unread == nil {
		r.QueueFailures, r.QueueError = 0, ""
		return errors.Join(errs...)
	}
	p.QueueFailures++
	r.QueueFailures, r.QueueError = r.QueueFailures+1, fmt.Sprintf("%.300s", strings.Join(strings.Fields(unread.Error()), " "))
	return errors.Join(errs...)
}

// judge alerts what is to be alerted of an answer, records it, and sets when the
// account is checked next.
func (p *rootRun) judge(ctx context.Context, r *Check, live bootstrap.LiveFact) error {
	r.Due = nextCheck(r.Account, p.settings.RootInterval, p.at)
	root := r.Root
	if root.Known != nil { // rows of earlier versions have no Seen
		root.Seen.update(root.Known, r.Done)
	}
	r.Root = Root{Known: &live, Compared: root.Compared, Problems: root.Problems, Seen: root.Seen, Entered: root.Entered}
	r.Root.Seen.update(&live, keys.Latest(p.at, p.deps.Now()))
	unreported := slices.ContainsFunc(root.Problems, func(one RootProblem) bool { return !one.Alerted })
	if root.Known != nil && reflect.DeepEqual(*root.Known, live) && !unreported && p.at.Sub(root.Compared) < daily {
		return nil
	}
	facts, err := p.facts.Root(ctx, r.Account)
	if err != nil {
		return fmt.Errorf("reading facts of account %s: %w", r.Account, err)
	}
	facts = rootFacts(facts)

	r.Root.Problems = nil
	waiting, regressed := false, false
	for i := range rootAspects {
		problem, is, err := p.problem(ctx, r.Account, &root, &rootAspects[i], live, facts)
		if err != nil {
			return err
		}
		if is {
			r.Root.Problems = append(r.Root.Problems, problem)
			waiting = waiting || !problem.Alerted
			p.first = p.first || !problem.Alerted && problem.First
			regressed = regressed || !problem.Alerted && problem.Finding != detect.RootMFAMissing && problem.Finding != detect.RootAccessKeyPresent
		}
	}
	if !regressed {
		// What would be a regression is not recorded before it is alerted: by then its
		// event may be there, and the history is to show that.
		if err := p.record(ctx, r.Account, live, facts); err != nil {
			return err
		}
	}
	if !waiting {
		r.Root.Compared = p.at
		return nil
	}
	p.Waiting++
	if again := p.at.Add(deliveryGrace); again.Before(r.Due) {
		r.Due = again
	}
	return nil
}

// problem is what is left of one aspect: none, one that waits, or one that was
// alerted.
func (p *rootRun) problem(ctx context.Context, account string, root *Root, aspect *rootAspect, live bootstrap.LiveFact,
	facts []bootstrap.Fact) (problem RootProblem, exists bool, err error) {
	if i := slices.IndexFunc(root.Problems, func(one RootProblem) bool { return slices.Contains(aspect.findings, one.Finding) }); i >= 0 {
		problem, exists = root.Problems[i], true
	}
	switch state := aspect.state(&live); {
	case state == cloudtrail.Yes:
		begun, err := p.alerted(ctx, account, &problem)
		if begun && err == nil {
			cured := detect.RootCured(detect.RootLive(problem.Finding, account, problem.Since), p.at)
			err = p.raise(ctx, cured, &p.Resolved)
		}
		return RootProblem{}, false, err
	case state == cloudtrail.Unknown, problem.Alerted:
		return problem, exists, nil
	}
	id, unexplained := aspect.unexplained(root, facts)
	switch {
	case !unexplained:
		problem.Alerted, err = p.alerted(ctx, account, &problem)
		return problem, problem.Alerted, err
	case !exists || problem.Since.After(p.at):
		return RootProblem{Finding: id, Since: p.at, First: root.Known == nil}, true, nil
	case p.at.Sub(problem.Since) < deliveryGrace:
		return problem, true, nil
	}
	// The finding stays: by now the last answer shows the problem itself.
	problem.Alerted = true
	f := detect.RootLive(problem.Finding, account, problem.Since)
	if !problem.First {
		return problem, true, p.raise(ctx, f, &p.Alerted)
	}
	// Those of all accounts that are new go out together.
	res, err := p.deps.Notices.Collect(ctx, collection.RootNotices, guard.Notice{Finding: f, At: p.at})
	if err == nil && res.Reported() {
		p.Alerted++
	}
	return problem, true, err
}

// alerted reports whether a problem that is over, or explained, was alerted: perhaps by a
// run that died before it could note that, of which the alert is completed.
func (p *rootRun) alerted(ctx context.Context, account string, problem *RootProblem) (bool, error) {
	if problem.Alerted || problem.Finding == "" || p.at.Sub(problem.Since) < deliveryGrace {
		return problem.Alerted, nil
	}
	f := detect.RootLive(problem.Finding, account, problem.Since)
	is, err := p.deps.Notices.Claimed(ctx, &f)
	if is && err == nil && !problem.First { // one that is collected goes out with others
		err = p.raise(ctx, f, &p.Alerted)
	}
	return is, err //nolint:wrapcheck // it says which event
}

func (p *rootRun) raise(ctx context.Context, f detect.Finding, count *int) error {
	res, err := p.deps.Guard.Raise(ctx, f)
	if err == nil && res.Reported() {
		*count++
	}
	return err
}

// record keeps an answer as a fact where the status is another by it. It is
// dated back, as what came after may be in the answer or not: its record shows.
func (p *rootRun) record(ctx context.Context, account string, live bootstrap.LiveFact, facts []bootstrap.Fact) error {
	fact := bootstrap.LiveFactOf(account, p.at.Add(-consistencyDelay), live)
	if reflect.DeepEqual(p.rootSteps(account, facts), p.rootSteps(account, append(slices.Clip(facts), fact))) {
		return nil
	}
	if _, err := p.deps.Facts.Add(ctx, []bootstrap.Fact{fact}); err != nil {
		return fmt.Errorf("recording the live check of account %s: %w", account, err)
	}
	return nil
}

// rootSteps are the statuses of the steps that a live check of root can change.
func (p *rootRun) rootSteps(account string, facts []bootstrap.Fact) []any {
	status := bootstrap.Fold(account, facts, p.settings.Bootstrap, p.at)
	steps := []any{status.NoRootCredentials}
	for _, s := range status.Steps {
		if s.Step == bootstrap.RootMFA || s.Step == bootstrap.RootKeysAbsent {
			steps = append(steps, s.State, s.Note)
		}
	}
	return steps
}
