package quarantine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// Safety asks IAM what must be known of a user before the quarantine
// policy is attached.
type Safety interface {
	// Administrator reports whether a policy attached to the user itself makes it an
	// administrator.
	Administrator(ctx context.Context, account, user string) (bool, error)
	// Barred says, in a sentence, what denies the user to enable MFA whatever the
	// quarantine policy allows; "" where nothing does.
	Barred(ctx context.Context, account, user string) (why string, err error)
}

const day = 24 * time.Hour

// limitKey is of the row that counts how many users were quarantined. It is no
// "account/user".
const limitKey = "limit"

// spareRecheck is how often it is checked whether a spared user is to be spared
// still, and limitRecheck a user who waits for the limit.
const (
	spareRecheck = 24 * time.Hour
	limitRecheck = time.Hour
)

// spareReason says why a user must not be quarantined, "" where it may be.
func (q *run) spareReason(ctx context.Context, row *Quarantine, u *bootstrap.UserStatus) (why string, err error) {
	admin := u != nil && u.Admin
	if !admin {
		if admin, err = iam(ctx, func(ctx context.Context) (bool, error) {
			return q.safety.Administrator(ctx, row.Account,
				row.User)
		}); err != nil {
			return "", err
		}
	}
	if admin {
		other, err := q.otherAdmin(ctx, row)
		if err != nil {
			return "", err
		}
		if !other {
			return "It is the last administrator on record in this account who can sign in", nil
		}
	}
	return iam(ctx, func(ctx context.Context) (string, error) { return q.safety.Barred(ctx, row.Account, row.User) })
}

// otherAdmin reports whether another administrator is on record who has a console
// password and is not quarantined. The rows say so before the policy is attached:
// of two that are quarantined at once, each sees the other.
//
// It reads all facts of the account: those that a run has are of the users due.
func (q *run) otherAdmin(ctx context.Context, row *Quarantine) (bool, error) {
	facts, err := q.deps.Facts.Facts(ctx, row.Account)
	if err != nil {
		return false, fmt.Errorf("reading facts of account %s: %w", row.Account, err)
	}
	users := q.facts.Users(row.Account, facts, q.at)
	for _, key := range slices.Sorted(maps.Keys(users)) {
		for _, u := range users[key] {
			same := u.Name == row.User || u.UserID != "" && u.UserID == row.UserID
			if same || u.Deleted || !u.Admin || !u.ConsoleAccess || u.Quarantined != nil || u.Name == "" {
				continue
			}
			other, err := Of(ctx, q.deps.Rows, row.Account, u.Name)
			if err != nil {
				return false, fmt.Errorf("checking whether %s is quarantined: %w", u.Name, err)
			}
			if other.State != Active && other.State != Attaching {
				return true, nil
			}
		}
	}
	return false, nil
}

// newCycle begins another cycle, since the alerts of this one were sent. It is named
// by what is stored, so that a run that is repeated sends none twice.
func (q *Quarantine) newCycle() { q.Cycle = q.Due.UTC().Format(time.RFC3339) }

// spare leaves a user alone who must not be quarantined, and says so once a cycle.
func (q *run) spare(ctx context.Context, row Quarantine, why string) error {
	if row.State != Spared || row.Why != why {
		if row.State == Spared {
			row.newCycle() // for another reason
		}
		res, err := q.deps.Guard.Raise(ctx, detect.QuarantineWithheld(row.Account, row.target(), row.Deadline, why, row.Cycle, q.at))
		if err != nil {
			return err
		}
		if res.Reported() {
			q.count(&q.Spared)
		}
	}
	row.State, row.Why, row.Due, row.UnansweredChecks = Spared, why, q.at.Add(spareRecheck), 0
	return q.store(ctx, row.Revision, row)
}

// reserve counts a user who is about to be quarantined. It is counted once however
// often it is tried. ok is false where there is no room: then the row stays due
// where the limit is that of a run, and else waits.
func (q *run) reserve(ctx context.Context, row Quarantine) (ok bool, err error) {
	q.reserving.Lock() // one at a time: a place that is given back is another's
	defer q.reserving.Unlock()
	s := q.settings
	if !q.room(s.PerRun) {
		return false, nil
	}
	var full, counted bool
	var last time.Time
	err = q.deps.Rows.Update(ctx, limitKey, func(limit Quarantine) Quarantine {
		recent := map[string]time.Time{}
		for key, at := range limit.Recent {
			if q.at.Sub(at) < day {
				recent[key] = at
			}
		}
		id := row.Key + "/" + row.Cycle
		_, counted = recent[id]
		if full = !counted && len(recent) >= s.PerDay; full || counted {
			last = limit.Since
			return Quarantine{}
		}
		recent[id] = q.at
		return Quarantine{Key: limitKey, Recent: recent, Since: limit.Since, Revision: limit.Revision + 1}
	})
	if err != nil {
		return false, fmt.Errorf("counting quarantined users: %w", err)
	}
	if !full {
		return true, nil
	}
	q.mu.Lock()
	q.begun--
	q.mu.Unlock()
	if q.at.Sub(last) >= day {
		what := fmt.Sprintf("Users quarantined in 24 hours: %d, which is the limit. User %s waits, and all others. "+
			"If so many are to be quarantined, raise quarantineDaily; if not, set quarantine to dry-run and find out why they are", s.PerDay, row.User)
		if _, err := q.deps.Guard.Raise(ctx, detect.Unhealthy(row.Account, "", "quarantine limit", what, q.at)); err != nil {
			return false, err
		}
		err = q.deps.Rows.Update(ctx, limitKey, func(limit Quarantine) Quarantine {
			limit.Key, limit.Since = limitKey, q.at
			limit.Revision++
			return limit
		})
		if err != nil {
			return false, fmt.Errorf("recording that the limit was reported: %w", err)
		}
	}
	row.Due = q.at.Add(limitRecheck)
	return false, q.store(ctx, row.Revision, row)
}

// room reports whether one more user may be quarantined in this run, and counts it.
func (q *run) room(most int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.begun >= most {
		q.More = true
		return false
	}
	q.begun++
	return true
}

// attachLease is how long the run that is about to attach the policy has the row to
// itself: longer than an invocation lasts, and shorter than from one to the next. Another
// that took it up at once could attach what this one, which sees the other administrator
// being quarantined too, spares.
const attachLease = 4 * time.Minute

// intend stores that the policy is about to be attached, so that no crash leaves
// one that no row knows of. It is false where the row changed since it was read.
func (q *run) intend(ctx context.Context, row *Quarantine) (stored bool, err error) {
	err = q.deps.Rows.Update(ctx, row.Key, func(now Quarantine) Quarantine {
		if stored = now.Revision == row.Revision; !stored {
			return Quarantine{}
		}
		now = *row
		now.State, now.Due = Attaching, q.at.Add(attachLease)
		now.Revision++
		return now
	})
	if err != nil {
		return false, fmt.Errorf("storing that it is about to be quarantined: %w", err)
	}
	if stored {
		row.State = Attaching
		row.Revision++
	}
	return stored, nil
}

// attach quarantines a user whose time of notice is over.
func (q *run) attach(ctx context.Context, row Quarantine, u *bootstrap.UserStatus) error {
	again := row.State == Attaching // the policy may be attached
	if !again {
		if ok, err := q.reserve(ctx, row); err != nil || !ok {
			return err
		}
		if stored, err := q.intend(ctx, &row); err != nil || !stored {
			return err
		}
	}
	switch why, err := q.spareReason(ctx, &row, u); {
	case err != nil:
		return q.postpone(ctx, row, err)
	case why != "" && again:
		return q.end(ctx, row, why, cloudtrail.No)
	case why != "":
		return q.spare(ctx, row, why)
	}
	_, err := iam(ctx, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, q.policy.Attach(ctx, row.Account, row.User)
	})
	if err != nil {
		return q.postpone(ctx, row, err)
	}
	if err := q.note(ctx, &row, bootstrap.UserQuarantined, "rootguard", "quarantine, for lack of MFA since "+
		row.Deadline.UTC().Format(time.RFC3339)); err != nil {
		return err
	}
	row.Effective = q.at
	if err := q.alert(ctx, &row, detect.QuarantineDone, &q.Attached); err != nil {
		return err
	}
	row.State, row.Attached, row.Due, row.UnansweredChecks = Active, true, q.at.Add(recheckInterval), 0
	return q.store(ctx, row.Revision, row)
}
