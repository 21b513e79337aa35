package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/rootsession"
)

// Schedule keeps when each account is checked. It is a guard.FactsHook, and a
// mfadeadline.Accounts.
type Schedule struct{ Checks Checks }

var _ guard.FactsHook = Schedule{}

// read reads a check, the zero value where there is none.
func (s Schedule) read(ctx context.Context, account string, kind Kind) (Check, error) {
	r, err := s.Checks.Of(kind).Get(ctx, checkKey(account, kind))
	if err != nil {
		return Check{}, fmt.Errorf("reading when to check account %s: %w", account, err)
	}
	return r, nil
}

// revise changes a check of an account, if change says that there is something to write.
func (s Schedule) revise(ctx context.Context, account string, kind Kind, change func(Check) (now Check, write bool)) error {
	key := checkKey(account, kind)
	err := s.Checks.Of(kind).Update(ctx, key, func(r Check) Check {
		now, write := change(r)
		if !write {
			return Check{}
		}
		now.Key, now.Account, now.Kind = key, account, kind
		now.Revision++
		return now
	})
	if err != nil {
		return fmt.Errorf("storing when to check account %s: %w", account, err)
	}
	return nil
}

// Suspended reports whether an account is known to be closed, or to have left the
// organization, so that IAM will not answer about it again.
func (s Schedule) Suspended(ctx context.Context, account string) (bool, error) {
	r, err := s.read(ctx, account, KindRoot)
	return r.Suspended, err
}

// Discovered is what the last discovery of accounts found, so far as it has come; the
// zero value where there was none. hub is the guard's own account.
func (s Schedule) Discovered(ctx context.Context, hub string) (Discovery, error) {
	r, err := s.read(ctx, hub, KindDiscovery)
	return r.Discovery, err
}

// Answers reports whether IAM answered about an account's root and its users at the
// last check of each.
func (s Schedule) Answers(ctx context.Context, account string) (bool, error) {
	for _, kind := range []Kind{KindRoot, KindUsers} {
		if r, err := s.read(ctx, account, kind); err != nil || r.UnansweredChecks > 0 || r.Done.IsZero() {
			return false, err
		}
	}
	return true, nil
}

// Added has CheckRoots check root as soon as IAM can be trusted to show a
// change of which an event shows. That shows one of several devices or keys from
// the last one, and sets the status right where it was the one that is not known.
// A password that was accepted has it check whether a sign-in follows.
func (s Schedule) Added(ctx context.Context, facts []bootstrap.Fact) error {
	errs := make([]error, 0, len(facts))
	for i := range facts {
		f := &facts[i]
		soon, entered := f.Time.Add(consistencyDelay+time.Second), false
		switch f.Kind {
		case bootstrap.RootMFAEnabled, bootstrap.RootMFADeactivated, bootstrap.RootKeyCreated, bootstrap.RootKeyDeleted,
			bootstrap.RootPasswordSet, bootstrap.RootPasswordRemoved:
		case bootstrap.RootPasswordUsed:
			if f.What != bootstrap.PasswordAccepted {
				continue
			}
			soon, entered = f.Time.Add(rootsession.SignInWait+time.Second), true
		default:
			continue
		}
		errs = append(errs, s.revise(ctx, f.Account, KindRoot, func(r Check) (Check, bool) {
			if r.Due.IsZero() {
				return r, false // the account is not checked
			}
			if soon.Before(r.Due) {
				r.Due = soon
			}
			if entered {
				r.Root.Entered = keys.Latest(r.Root.Entered, f.Time)
			} else {
				r.Root.Compared = time.Time{}
			}
			return r, true
		}))
	}
	return errors.Join(errs...)
}
