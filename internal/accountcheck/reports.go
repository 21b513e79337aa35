package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/credentialreport"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

const (
	// useGrace is how long after a use of root its event is waited for.
	// CloudTrail delivers "within an average of about 5 minutes" (AWS CloudTrail
	// User Guide, "How CloudTrail works"); an hour also covers a queue that is
	// redriven at once, and clocks that differ.
	useGrace = time.Hour
	// useSkew is within what time an event explains a use. Of several uses of a
	// key in 15 minutes, and of a password in 5, a report has the first (IAM User
	// Guide, "Generate credential reports for your AWS account"), and the event of
	// a sign-in is of its end.
	useSkew = 15 * time.Minute
	// useResolvable is how long after its alert a late event still closes it.
	useResolvable = 7 * 24 * time.Hour

	// reportPoll is when a report that is being made is asked for again.
	reportPoll = 5 * time.Minute
	// reportSlow is after what time a report that is still being made is a fault.
	reportSlow = time.Hour
	// reportTimeout bounds what an account is asked about its report in one run.
	reportTimeout = 12 * time.Second

	// maxUses bounds a row.
	maxUses = 24
)

// ReportsChecked says what a Witness did.
type ReportsChecked struct {
	Reports     int      // credential reports read
	Requested   int      // that were asked for, to be read in a later run
	Alerted     int      // uses of root of which no event arrived
	Resolved    int      // notes that the event arrived after all
	Waiting     int      // uses whose event may still arrive
	Unanswered  int      // accounts whose report could not be had; they are asked again
	Unreachable []string // the first of these
	More        bool     // some are due that were left to the next run
}

// CheckReports reads each account's IAM credential report, which knows when root's
// password and access keys were last used whether or not CloudTrail, a rule or a
// forwarder delivered it. A use that no event explains within the hour after it
// is alerted once, and closed with a note if the event arrives later. What was
// before the account was enrolled is not judged.
//
// A report is asked for in one run and read in a later one: IAM takes seconds to
// minutes to make it, and makes none within four hours of the last.
func (k *Checker) CheckReports(ctx context.Context, reports CredentialReports, at time.Time) (ReportsChecked, error) {
	w := reportRun{pass: pass{Checker: k, at: at}, reports: reports}
	err := w.walk(ctx, KindReport, min(rootBatch, k.settings.Batch), w.batch)
	w.More = w.more
	return w.ReportsChecked, err
}

// reportRun is one run.
type reportRun struct {
	pass
	ReportsChecked
	reports     CredentialReports
	unreachable int // accounts without an answer, in a row
}

// rootReport is what IAM answered about a report.
type rootReport struct {
	asked     bool
	state     ReportState // of a report that was requested, else ""
	generated time.Time   // of a report that was not read before, else zero
	root      credentialreport.Row
	failed    error
}

func (w *reportRun) batch(ctx context.Context, due []Check) {
	answers := make([]rootReport, len(due))
	worker.Each(len(due), func(i int) {
		if !w.at.Before(due[i].Witness.Next) {
			one, cancel := context.WithTimeout(ctx, reportTimeout)
			defer cancel()
			answers[i] = w.ask(one, &due[i])
		}
	})
	for i := range due {
		if answers[i].asked {
			if w.unreachable++; answers[i].failed == nil {
				w.unreachable = 0
			}
		}
		if ctx.Err() != nil {
			return // what was cut off is no answer
		}
		w.account(ctx, due[i], &answers[i])
	}
	if w.unreachable >= w.settings.Batch {
		w.halt = true // IAM is down, or throttles
	}
}

// ask reads the report if there is one that was not read, and else has one made.
// Of its rows that of root alone is kept.
func (w *reportRun) ask(ctx context.Context, r *Check) rootReport {
	a := rootReport{asked: true}
	report, err := w.reports.CredentialReport(ctx, r.Account)
	if a.failed = err; err != nil {
		return a
	}
	switch {
	case report.State == ReportInProgress:
	case report.State == ReportReady && report.Generated.After(r.Witness.Generated):
		if a.root, a.failed = rootOf(report.CSV); a.failed == nil {
			a.generated = report.Generated
		}
	default:
		a.state, a.failed = w.reports.RequestCredentialReport(ctx, r.Account)
	}
	return a
}

func rootOf(csv []byte) (root credentialreport.Row, err error) {
	found := false
	defects, err := credentialreport.Read(csv, func(r credentialreport.Row) bool {
		if found = r.Root(); found {
			root = r
		}
		return !found
	})
	switch {
	case err != nil:
		return root, fmt.Errorf("finding root in the credential report: %w", err)
	case !found && defects.Count > 0:
		return root, fmt.Errorf("the credential report has no row of root; %d of its lines cannot be read, such as %s",
			defects.Count, defects.First[0])
	case !found:
		return root, errors.New("the credential report has no row of root")
	}
	return root, nil
}

// account goes on with one account. What goes wrong leaves it due.
func (w *reportRun) account(ctx context.Context, r Check, a *rootReport) {
	now := r
	now.Witness.Uses = slices.Clone(r.Witness.Uses)
	if a.asked {
		w.note(&now, a)
	}
	if err := w.judge(ctx, &now); err != nil {
		if !errors.Is(err, guard.ErrBusy) { // else another run is reporting it
			w.failCheck(&r, err)
		}
		return
	}
	now.Due = now.Witness.Next
	for _, u := range now.Witness.Uses {
		if u.State != UseWaiting {
			continue
		}
		w.Waiting++
		if due := u.due(); due.Before(now.Due) {
			now.Due = due
		}
	}
	w.store(ctx, &r, now)
}

// note takes what IAM answered into the row.
func (w *reportRun) note(r *Check, a *rootReport) {
	x := &r.Witness
	switch {
	case a.failed != nil:
		w.missing(r, a.failed)
		x.Next = w.at.Add(worker.Unreachable().After(r.Key, r.UnansweredChecks))
	case !a.generated.IsZero():
		w.Reports++
		r.UnansweredChecks, r.Done = 0, w.at
		x.Requested, x.Why = time.Time{}, ""
		x.Generated = a.generated
		// A minute later, since its age is by the clock of IAM.
		x.Next = a.generated.Add(ReportAge + time.Minute)
		x.see(&a.root, w.at)
	case a.state == ReportReady && x.Generated.Add(ReportAge).After(w.at):
		x.Requested, x.Next = time.Time{}, x.Generated.Add(ReportAge+time.Minute) // the last one still holds
	default:
		if x.Requested.IsZero() {
			w.Requested++
			x.Requested = w.at
		}
		if w.at.Sub(x.Requested) >= reportSlow {
			w.missing(r, fmt.Errorf("IAM has been making a credential report since %s", x.Requested.UTC().Format(time.RFC3339)))
		}
	}
	if !x.Next.After(w.at) {
		x.Next = w.at.Add(reportPoll)
	}
}

// missing notes why there is no report.
func (w *reportRun) missing(r *Check, why error) {
	r.UnansweredChecks++
	r.Witness.Why = fmt.Sprintf("%.300s", strings.Join(strings.Fields(why.Error()), " "))
	w.Unanswered++
	if len(w.Unreachable) < namedAccounts {
		w.Unreachable = append(w.Unreachable, r.Account)
	}
}

// see adds the uses that a report shows and that were not seen before. A key is
// not known by its place in the report, which the other takes when it is deleted.
func (x *Witness) see(root *credentialreport.Row, at time.Time) {
	key := func(k credentialreport.Key) RootUse {
		return RootUse{RootUse: detect.RootUse{Credential: detect.AccessKey, At: k.LastUsed, Region: k.Region, Service: k.Service}}
	}
	password := RootUse{RootUse: detect.RootUse{Credential: detect.Password, At: root.PasswordLastUsed}}
	shown := []RootUse{password, key(root.Keys[0]), key(root.Keys[1])}
	isShown := func(u RootUse) bool {
		return slices.ContainsFunc(shown, func(s RootUse) bool { return s.Credential == u.Credential && s.At.Equal(u.At) })
	}
	// What is settled and no longer shown cannot be taken for a new one again.
	x.Uses = slices.DeleteFunc(x.Uses, func(u RootUse) bool {
		settled := u.State == UseExplained || u.State == UseAlerted && at.Sub(u.Changed) > useResolvable
		return settled && !isShown(u)
	})
	for _, s := range shown {
		known := slices.ContainsFunc(x.Uses, func(u RootUse) bool { return u.Credential == s.Credential && u.At.Equal(s.At) })
		if s.At.IsZero() || known || !s.At.After(x.Began) {
			continue
		}
		s.State, s.Changed = UseWaiting, at
		x.Uses = append(x.Uses, s)
	}
	for len(x.Uses) > maxUses {
		// The oldest that is reported goes: it is only no longer closed by a late event.
		i := slices.IndexFunc(x.Uses, func(u RootUse) bool { return u.State != UseWaiting })
		i = max(i, 0)
		x.Uses = slices.Delete(x.Uses, i, i+1)
	}
}

// due is when a use that waits for its event is judged.
func (u *RootUse) due() time.Time {
	if u.Changed.Before(u.At) {
		return u.Changed.Add(useGrace) // by a clock that is behind IAM's
	}
	return u.At.Add(useGrace)
}

// judge explains, alerts and closes uses.
func (w *reportRun) judge(ctx context.Context, r *Check) error {
	uses := r.Witness.Uses
	open := func(u RootUse) bool {
		return u.State == UseWaiting && !w.at.Before(u.due()) || u.State == UseAlerted && w.at.Sub(u.Changed) <= useResolvable
	}
	if !slices.ContainsFunc(uses, open) {
		return nil
	}
	facts, err := w.facts.RootUse(ctx, r.Account)
	if err != nil {
		return fmt.Errorf("reading facts of account %s: %w", r.Account, err)
	}
	known := rootEventsOf(facts)
	for i := range uses {
		u := &uses[i]
		if !open(*u) {
			continue
		}
		event, explained := known.explain(&u.RootUse)
		unseen := detect.UseUnseen(r.Account, u.RootUse, useSkew)
		alerted := u.State == UseAlerted
		if explained && !alerted { // a run that died may have alerted it and not noted that
			if alerted, err = w.deps.Notices.Claimed(ctx, &unseen); err != nil {
				return err //nolint:wrapcheck // it says which event
			}
		}
		switch {
		case explained && alerted:
			err = w.raise(ctx, detect.UseExplained(unseen, event, w.at), &w.Resolved)
		case u.State == UseWaiting && !explained:
			err = w.raise(ctx, unseen, &w.Alerted)
		}
		switch {
		case err != nil && failure.Retryable(err):
			return err
		case err != nil: // refused for good, it would be in the way of the others at every run
			w.fail(err)
			err = nil
		}
		switch {
		case explained:
			u.State, u.Changed = UseExplained, w.at
		case u.State == UseWaiting:
			u.State, u.Changed = UseAlerted, w.at
		}
	}
	return nil
}

// rootEvents are when root used which credential, by the events that arrived.
type rootEvents map[detect.Credential][]span

// span is from the first to the last of some events.
type span struct {
	from, to time.Time
	event    string
}

// rootEventsOf leaves out the sessions of sts:AssumeRoot, also those whose records
// do not say that they are: they use neither password nor key of root.
func rootEventsOf(facts []bootstrap.Fact) rootEvents {
	assumed := map[string]bool{}
	for i := range facts {
		if facts[i].Kind == bootstrap.AssumedRoot {
			assumed[facts[i].AccessKeyID] = true
		}
	}
	events := rootEvents{}
	for i := range facts {
		f := &facts[i]
		of := detect.Password
		switch f.Kind {
		case bootstrap.RootSignIn, bootstrap.RootPasswordUsed:
		case bootstrap.RootActivity:
			if f.AccessKeyID != "" && assumed[f.AccessKeyID] {
				continue
			}
			if strings.HasPrefix(f.AccessKeyID, "AKIA") {
				of = detect.AccessKey
			}
		default:
			continue
		}
		s := span{f.Time, f.Time, f.EventID}
		if f.Last.After(s.to) {
			s.to = f.Last
		}
		events[of] = append(events[of], s)
	}
	return events
}

// explain is the event that explains a use; ok is false where none does.
func (e rootEvents) explain(u *detect.RootUse) (event string, ok bool) {
	for _, s := range e[u.Credential] {
		if !u.At.Before(s.from.Add(-useSkew)) && !u.At.After(s.to.Add(useSkew)) {
			return s.event, true
		}
	}
	return "", false
}

func (w *reportRun) raise(ctx context.Context, f detect.Finding, count *int) error {
	res, err := w.deps.Guard.Raise(ctx, f)
	if err == nil && res.Reported() {
		*count++
	}
	return err
}
