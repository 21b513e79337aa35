package accountcheck

import (
	"context"
	"fmt"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/guard"
)

// Enrolled says the status of an account that was enrolled.
type Enrolled struct {
	Root       bootstrap.LiveFact
	Problems   []RootProblem // of root; one that is not reported yet is checked again first
	Users      int           // checked live
	Found      int           // not on record until then
	Gone       int           // on record until then, and no longer there
	WithoutMFA int
	Tracked    int // deadlines set or moved
	Unanswered int // users that IAM did not answer about; the sweep asks again
}

// IAMReader is all that IAM is asked about an account.
type IAMReader interface {
	Roots
	Users
}

// Recently reports whether an account was checked to the end, root and users,
// within the hour before a time.
func (k *Checker) Recently(ctx context.Context, account string, at time.Time) (bool, error) {
	for _, kind := range []Kind{KindRoot, KindUsers} {
		r, err := k.schedule.read(ctx, account, kind)
		if err != nil || r.Cursor != "" || at.Sub(r.Done) > time.Hour {
			return false, err
		}
	}
	return true, nil
}

// UnreachableError is that IAM did not answer about an account that is to be enrolled.
type UnreachableError struct{ err error }

func (e *UnreachableError) Error() string { return e.err.Error() }
func (e *UnreachableError) Unwrap() error { return e.err }

// Enroll makes an account known and checks its root and all of its users at
// once, as CheckRoots and CheckUsers would in their time. Interrupted, it goes on
// behind the last user that it checked; done again, it finds nothing new.
// progress, where not nil, is called with how many users were checked of how many. What
// it does not finish is due for the sweep at once; where IAM does not answer it
// fails with an UnreachableError.
func (k *Checker) Enroll(ctx context.Context, iam IAMReader, account string, at time.Time, progress func(checked, of int)) (Enrolled,
	error) {
	var did Enrolled
	if _, err := k.enroll(ctx, account, true, time.Time{}, at); err != nil {
		return did, err
	}
	for _, kind := range []Kind{KindRoot, KindUsers} {
		err := k.schedule.revise(ctx, account, kind, func(r Check) (Check, bool) {
			late := r.Due.After(at)
			r.Due = at
			return r, late
		})
		if err != nil {
			return did, err
		}
	}
	if err := k.enrollRoot(ctx, iam, account, at, &did); err != nil {
		return did, err
	}
	return did, k.enrollUsers(ctx, iam, account, at, progress, &did)
}

func (k *Checker) enrollRoot(ctx context.Context, iam Roots, account string, at time.Time, did *Enrolled) error {
	r, err := k.schedule.read(ctx, account, KindRoot)
	if err != nil {
		return err
	}
	one, cancel := context.WithTimeout(ctx, rootTimeout)
	defer cancel()
	live, err := iam.AccountSummary(one, account)
	if err != nil {
		return &UnreachableError{err}
	}
	p := rootRun{pass: pass{Checker: k, at: at}}
	p.account(ctx, r, &answer{live: live})
	if err := p.err(); err != nil {
		return err
	}
	did.Root = live
	if r, err = k.schedule.read(ctx, account, KindRoot); err != nil {
		return err
	}
	did.Problems = r.Root.Problems
	return nil
}

func (k *Checker) enrollUsers(ctx context.Context, iam Users, account string, at time.Time, progress func(checked, of int),
	did *Enrolled) error {
	r, err := k.schedule.read(ctx, account, KindUsers)
	if err != nil {
		return err
	}
	c := userRun{pass: pass{Checker: k, at: at}, iam: iam, left: maxListed, progress: progress}
	c.account(ctx, r)
	did.Users, did.Found, did.Gone, did.WithoutMFA = c.Checked, c.Found, c.Gone, c.WithoutMFA
	did.Tracked, did.Unanswered = c.Tracked, c.Unanswered
	switch {
	case c.err() != nil:
		return c.err()
	case ctx.Err() != nil:
		return fmt.Errorf("checking the users of account %s: %w", account, ctx.Err())
	case c.why != nil:
		return &UnreachableError{c.why}
	case c.Accounts == 0:
		return fmt.Errorf("checking the users of account %s: another run does so now, try again in a minute: %w", account, guard.ErrBusy)
	}
	return nil
}

// maxListed is more users than an account may have.
const maxListed = 1 << 30
