// Package accountfacts reads the facts of an account, in parts where a store can,
// and folds them into the status of its users.
package accountfacts

import (
	"context"
	"time"

	"rootguard/internal/bootstrap"
)

// Facts reads all facts of an account, in any order.
type Facts interface {
	Facts(ctx context.Context, account string) ([]bootstrap.Fact, error)
}

// Pages reads the facts of an account in parts.
type Pages interface {
	// Pages calls fn with the facts of an account whose IDs begin with prefix, some
	// at a time, in any order. An error of fn ends it and is returned.
	Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error
}

// Reader reads facts. Where Pages is nil it reads all of an account's.
type Reader struct {
	Facts   Facts
	Pages   Pages
	Options bootstrap.Options
}

// About are the facts of an account that are about users, by name or ID, and about
// groups. Of the others at most a page is in memory.
func (r Reader) About(ctx context.Context, account string, users ...string) ([]bootstrap.Fact, error) {
	if r.Pages == nil {
		return r.Facts.Facts(ctx, account) //nolint:wrapcheck // the caller says for what
	}
	about := bootstrap.NewAbout(users...)
	for {
		err := r.Pages.Pages(ctx, account, "", func(page []bootstrap.Fact) error {
			about.Add(page)
			return nil
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // the caller says for what
		}
		if facts, whole := about.Facts(); whole {
			return facts, nil
		}
	}
}

// rootPrefixes begin the IDs of all facts that a status of root rests on, but for
// live checks.
var rootPrefixes = []string{"root_", string(bootstrap.AssumedRoot) + "/"}

// RootUse are the facts of what root did in an account, and of the sessions of
// sts:AssumeRoot: no other is read.
func (r Reader) RootUse(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	return r.Under(ctx, account, rootPrefixes, func(*bootstrap.Fact) bool { return true })
}

// Root are RootUse and the live checks of root.
func (r Reader) Root(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	return r.Under(ctx, account, append([]string{string(bootstrap.Live) + "/"}, rootPrefixes...), AboutRoot)
}

// Under are the facts whose IDs begin with one of the prefixes and that are wanted;
// without Pages, all facts of the account.
func (r Reader) Under(ctx context.Context, account string, prefixes []string, want func(*bootstrap.Fact) bool) ([]bootstrap.Fact, error) {
	if r.Pages == nil {
		return r.Facts.Facts(ctx, account) //nolint:wrapcheck // the caller says for what
	}
	var facts []bootstrap.Fact
	for _, prefix := range prefixes {
		err := r.Pages.Pages(ctx, account, prefix, func(page []bootstrap.Fact) error {
			for i := range page {
				if want(&page[i]) {
					facts = append(facts, page[i])
				}
			}
			return nil
		})
		if err != nil {
			return nil, err //nolint:wrapcheck // the caller says for what
		}
	}
	return facts, nil
}

// AboutRoot reports whether a fact is one of those that the steps about root depend
// on: an account may have very many of others.
func AboutRoot(f *bootstrap.Fact) bool {
	switch f.Kind {
	case bootstrap.RootActivity, bootstrap.RootSignIn, bootstrap.RootMFAEnabled, bootstrap.RootMFADeactivated,
		bootstrap.RootKeyCreated, bootstrap.RootKeyDeleted, bootstrap.RootPasswordSet, bootstrap.RootPasswordRemoved,
		bootstrap.RootPasswordUsed, bootstrap.AssumedRoot:
		return true
	case bootstrap.Live:
		return f.Live != nil && f.Live.AccountMFAEnabled != nil
	default:
		return false
	}
}

// Fold is the status of an account. Facts that a clock ahead has dated later than
// the time count too: to pass over them would be to take their users off the index.
func (r Reader) Fold(account string, facts []bootstrap.Fact, at time.Time) bootstrap.Status {
	for i := range facts {
		if facts[i].Kind != bootstrap.MFAMissingAlerted && facts[i].Time.After(at) {
			at = facts[i].Time
		}
	}
	return bootstrap.Fold(account, facts, r.Options, at)
}

// Users are an account's users by name, and by unique ID.
func (r Reader) Users(account string, facts []bootstrap.Fact, at time.Time) map[string][]*bootstrap.UserStatus {
	status := r.Fold(account, facts, at)
	users := map[string][]*bootstrap.UserStatus{}
	for i := range status.Users {
		u := &status.Users[i]
		users[u.Name] = append(users[u.Name], u)
		if u.UserID != "" && u.UserID != u.Name {
			users[u.UserID] = append(users[u.UserID], u)
		}
	}
	return users
}

// Present is the user among those of one name that is not deleted, nil where none is.
func Present(users []*bootstrap.UserStatus) *bootstrap.UserStatus {
	for _, u := range users {
		if !u.Deleted {
			return u
		}
	}
	return nil
}

// ConsistencyDelay is how long after a change IAM is trusted to show it everywhere.
// IAM gives no figure (IAM User Guide, "Changes that I make are not always
// immediately visible"); seconds are common.
const ConsistencyDelay = 5 * time.Minute

// Bounds of live checks.
const (
	// CheckTimeout bounds one check of a user.
	CheckTimeout = 5 * time.Second
	// ChecksTimeout bounds the checks between two writes, so that time is left to
	// write: those who are cut off gave no answer, and keep no other back.
	ChecksTimeout = 8 * time.Second
	// AlertAfter is from how many checks in a row on, to which IAM gave no answer,
	// that is reported.
	AlertAfter = 6
)

// Changes are the latest changes that a live check could still miss, by the
// user's name.
func Changes(facts []bootstrap.Fact) map[string]time.Time {
	latest := map[string]time.Time{}
	for i := range facts {
		f := &facts[i]
		name := f.UserName
		switch f.Kind {
		case bootstrap.UserRenamed:
			name = f.NewName
		case bootstrap.UserCreated, bootstrap.PasswordSet, bootstrap.PasswordRemoved, bootstrap.MFAEnabled, bootstrap.MFADeactivated:
		default:
			continue
		}
		if f.Time.After(latest[name]) {
			latest[name] = f.Time
		}
	}
	return latest
}
