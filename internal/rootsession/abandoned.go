package rootsession

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

const (
	// SignInWait is how long after root's password a sign-in is waited for: MFA is
	// asked for at once, and CloudTrail delivers events minutes late.
	SignInWait = 15 * time.Minute
	// AbandonedFor is how long ago a password may have been entered that is still
	// judged: what is older was judged before, or is of a time before this check.
	AbandonedFor = 48 * time.Hour
)

// Guard raises findings. It is a *guard.Guard.
type Guard interface {
	Raise(ctx context.Context, f detect.Finding) (guard.Result, error)
}

// Passwords judges the passwords of root that were accepted.
type Passwords struct {
	notes Notes
	guard Guard
	facts accountfacts.Reader
}

// NewPasswords returns Passwords over the notes that the guard makes.
func NewPasswords(notes Notes, g Guard, facts accountfacts.Reader) *Passwords {
	return &Passwords{notes, g, facts}
}

// Abandoned raises, as of a time, that root's password was accepted and no sign-in
// followed, each once. alerts counts those not reported before. since bounds how
// far back; zero is no bound.
func (p *Passwords) Abandoned(ctx context.Context, account string, since, asOf time.Time) (alerts int, err error) {
	facts, err := p.facts.Under(ctx, account, []string{string(bootstrap.RootPasswordUsed) + "/"}, func(*bootstrap.Fact) bool { return true })
	if err != nil {
		return 0, fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	var errs []error
	for i := range facts {
		f := &facts[i]
		if f.Kind != bootstrap.RootPasswordUsed {
			continue
		}
		for n, entered := range []struct {
			at         time.Time
			event, how string
		}{{f.Time, f.EventID, f.What}, {f.Last, f.LastEventID, f.LastWhat}} {
			if n > 0 && entered.event == f.EventID || entered.how != bootstrap.PasswordAccepted || entered.at.Before(since) ||
				entered.at.Add(SignInWait).After(asOf) {
				continue
			}
			var keys []string
			for at := entered.at.Add(-beginSlot); !at.After(entered.at.Add(SignInWait)); at = at.Add(beginSlot) {
				keys = append(keys, beginning(account, at), attempted(account, at))
			}
			followed, err := p.notes.noted(ctx, keys...)
			if err != nil {
				errs = append(errs, fmt.Errorf("looking up the sign-in after event %s: %w", entered.event, err))
				continue
			}
			if followed {
				continue
			}
			res, err := p.guard.Raise(ctx, detect.Abandoned(account, entered.at, entered.event, SignInWait))
			if err != nil {
				errs = append(errs, err)
			}
			if res.Reported() {
				alerts++
			}
		}
	}
	return alerts, errors.Join(errs...)
}
