package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// MissingMFA raises user.mfa.missing for every time an IAM user of the account
// had a console password and no MFA beyond the deadline, as of a time: also for
// one that has ended since, and says so. Each is told once, by account, user
// and deadline. alerts counts those not told before, whether each got an alert
// or was rolled up. An error for one user keeps no other back.
func (g *Guard) MissingMFA(ctx context.Context, account string, asOf time.Time) (alerts int, err error) {
	facts, err := g.deps.Journal.Facts(ctx, account)
	if err != nil {
		return 0, fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	var errs []error
	status := bootstrap.Fold(account, facts, g.settings.Bootstrap, asOf)
	for i := range status.Users {
		u := &status.Users[i]
		for _, gap := range u.MFAGaps {
			f, ok := missing(account, u, gap, asOf)
			if !ok {
				continue
			}
			res, err := g.Raise(ctx, f)
			if err != nil {
				errs = append(errs, err)
			}
			if res.Disposition == Alerted || res.Disposition == RolledUp {
				alerts++
			}
		}
	}
	return alerts, errors.Join(errs...)
}

// missing is the finding of one gap; ok is false where MFA was not missing at the deadline.
func missing(account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap, asOf time.Time) (f detect.Finding, ok bool) {
	ended := !gap.To.IsZero() && !gap.To.After(asOf)
	if gap.Deadline.IsZero() || !asOf.After(gap.Deadline) || (ended && !gap.To.After(gap.Deadline)) {
		return detect.Finding{}, false
	}
	f = detect.MFAMissing(account, detect.Target{UserName: u.Name, UserID: u.UserID}, gap.From, gap.Deadline, gap.Evidence.What)
	if ended {
		f.Detail = sentence(f.Detail, "It ended at "+gap.To.UTC().Format(time.RFC3339)+".")
	}
	return f, true
}
