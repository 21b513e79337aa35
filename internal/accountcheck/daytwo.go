package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

// DayTwoReader asks an account what shows steps of day two.
type DayTwoReader interface {
	// Read asks one thing, as of answers.At, and keeps the answer. The error says for
	// people why there is none.
	Read(ctx context.Context, account string, what daytwo.Read, answers *daytwo.Answers) error
}

const (
	// dayTwoTimeout bounds one read, of a call or a few.
	dayTwoTimeout = 5 * time.Second
	// dayTwoRetries is how often in a row an account that answers nothing is asked
	// again soon; after that it is asked once a day as any other.
	dayTwoRetries = 4
	// maxWhy bounds what is kept of why a read got no answer, in bytes.
	maxWhy = 300
)

// DayTwo is what the checks of an account found of the chosen steps of day two.
type DayTwo struct {
	Results []daytwo.Result `json:"results,omitempty"` // in the order of the catalogue
}

// DayTwoKey is the key of an account's row of KindDayTwo.
func DayTwoKey(account string) string { return checkKey(account, KindDayTwo) }

// DayTwoChecked says what CheckDayTwo did.
type DayTwoChecked struct {
	Accounts   int  // checked
	Regressed  int  // steps that were done and are not any more
	Alerted    int  // alerts of them, one an account
	Unanswered int  // reads without an answer
	More       bool // some are due that were left to the next run
}

// CheckDayTwo checks the steps of day two that the settings choose, of each account
// once a day. What is done, is not, or is not known is kept on the account's row. A
// read that is denied or times out leaves its steps unknown, and never undone. Steps
// that regressed since the last check are one alert an account.
//
// The guard's own account is checked at once where the settings choose other steps
// than at its last check; the others when they are discovered, and then daily.
func (k *Checker) CheckDayTwo(ctx context.Context, home HubAccount, reader DayTwoReader, at time.Time) (DayTwoChecked, error) {
	if len(k.settings.DayTwo) == 0 {
		return DayTwoChecked{}, nil
	}
	if err := k.dayTwoChosen(ctx, home.Account, at); err != nil {
		return DayTwoChecked{}, err
	}
	d := dayTwoRun{pass: pass{Checker: k, at: at}, reader: reader}
	err := d.walk(ctx, KindDayTwo, min(rootBatch, k.settings.Batch), d.batch)
	d.More = d.more
	return d.DayTwoChecked, err
}

// dayTwoChosen makes an account due where it was last checked for other steps.
func (k *Checker) dayTwoChosen(ctx context.Context, account string, at time.Time) error {
	r, err := k.schedule.read(ctx, account, KindDayTwo)
	if err != nil || r.Key != "" && (!r.Due.After(at) || r.Done.IsZero() || k.sameSteps(&r)) {
		return err
	}
	return k.schedule.revise(ctx, account, KindDayTwo, func(r Check) (Check, bool) {
		r.Due = at
		return r, true
	})
}

func (k *Checker) sameSteps(r *Check) bool {
	if len(r.DayTwo.Results) != len(k.settings.DayTwo) {
		return false
	}
	for i, step := range k.settings.DayTwo {
		if r.DayTwo.Results[i].Step != step {
			return false
		}
	}
	return true
}

// dayTwoRun is one run.
type dayTwoRun struct {
	pass
	DayTwoChecked
	reader DayTwoReader
}

func (d *dayTwoRun) batch(ctx context.Context, due []Check) {
	reads := daytwo.Reads(d.settings.DayTwo)
	answers := make([]daytwo.Answers, len(due))
	worker.Each(len(due), func(i int) {
		answers[i].At = d.at
		for _, what := range reads {
			one, cancel := context.WithTimeout(ctx, dayTwoTimeout)
			err := d.reader.Read(one, due[i].Account, what, &answers[i])
			if err != nil && one.Err() != nil && ctx.Err() == nil {
				err = fmt.Errorf("there was no answer within %v", dayTwoTimeout)
			}
			cancel()
			if err != nil {
				answers[i].Missed(what, fmt.Sprintf("%.*s", maxWhy, strings.Join(strings.Fields(err.Error()), " ")))
			}
		}
	})
	for i := range due {
		if ctx.Err() != nil {
			return // what was cut off is no answer, and is left to the next run
		}
		d.account(ctx, due[i], &answers[i], len(reads))
	}
}

// account settles the row of one account.
func (d *dayTwoRun) account(ctx context.Context, r Check, answers *daytwo.Answers, reads int) {
	facts, err := d.deps.Facts.Facts(ctx, r.Account)
	if err != nil {
		d.failCheck(&r, fmt.Errorf("reading facts of account %s: %w", r.Account, err))
		return
	}
	status := d.facts.Fold(r.Account, facts, d.at)
	now := r
	var regressed []daytwo.Step
	in := daytwo.Input{Answers: *answers, Status: &status}
	now.DayTwo.Results, regressed = daytwo.Update(r.DayTwo.Results, d.settings.DayTwo, &in, d.at)
	if len(regressed) > 0 {
		res, err := d.deps.Guard.Raise(ctx, dayTwoFinding(r.Account, now.DayTwo.Results, regressed, d.at))
		if err != nil {
			if !errors.Is(err, guard.ErrBusy) { // else another run is reporting it
				d.failCheck(&r, err)
			}
			return
		}
		if res.Reported() {
			d.Alerted++
		}
	}
	d.Unanswered += len(answers.Unanswered)
	if reads > 0 && len(answers.Unanswered) == reads && r.UnansweredChecks < dayTwoRetries {
		now.noAnswer(d.at)
		d.store(ctx, &r, now)
		return
	}
	now.UnansweredChecks, now.Done, now.Due = 0, d.at, nextCheck(r.Account, daily, d.at)
	if d.store(ctx, &r, now) {
		d.Accounts++
		d.Regressed += len(regressed)
	}
}

func dayTwoFinding(account string, results []daytwo.Result, regressed []daytwo.Step, at time.Time) detect.Finding {
	steps := make([]detect.RegressedStep, 0, len(regressed))
	for _, step := range regressed {
		e, _ := daytwo.Of(step)
		s := detect.RegressedStep{Name: string(step), Title: e.Title, Fix: e.Fix}
		for i := range results {
			if results[i].Step == step && results[i].State == bootstrap.Regressed {
				s.What = results[i].What
			}
		}
		steps = append(steps, s)
	}
	return detect.DayTwo(account, steps, at)
}
