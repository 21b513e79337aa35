package quarantine

import (
	"context"

	"rootguard/internal/bootstrap"
)

// UserChecker asks IAM how a user of an account is now.
type UserChecker interface {
	User(ctx context.Context, account, name string) (bootstrap.LiveFact, error)
}

// Policy puts the quarantine policy on users, and takes it off. All of it can be
// done again.
type Policy interface {
	Attach(ctx context.Context, account, user string) error
	// Detach reports whether the policy was attached; it is no error where it was
	// not, or where there is no such user.
	Detach(ctx context.Context, account, user string) (was bool, err error)
	Attached(ctx context.Context, account, user string) (bool, error)
}
