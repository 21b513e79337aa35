package accountfacts

import (
	"context"
	"fmt"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// KeyOwner judges a new access key by what is on record of its user. Where
// nothing is, the finding stays as it is.
func (r Reader) KeyOwner(ctx context.Context, f detect.Finding) (detect.Finding, error) {
	if f.ID != detect.UserAccessKeyCreated {
		return f, nil
	}
	facts, err := r.About(ctx, f.Account, f.Target.UserName, f.Target.UserID)
	if err != nil {
		return f, fmt.Errorf("reading what is on record of the user of event %s: %w", f.EventID, err)
	}
	first := true
	for i := range facts {
		k := &facts[i]
		sameUser := k.UserName == f.Target.UserName || f.Target.UserID != "" && k.UserID == f.Target.UserID
		first = first && (k.Kind != bootstrap.UserKeyCreated || !sameUser || k.EventID == f.EventID || k.Time.After(f.EventTime))
	}
	status := bootstrap.Fold(f.Account, facts, r.Options, f.EventTime)
	for i := range status.Users {
		u := &status.Users[i]
		if u.Deleted || u.Name != f.Target.UserName && (f.Target.UserID == "" || u.UserID != f.Target.UserID) {
			continue
		}
		has := detect.KeyOwner{
			Made:     !u.CreatedAt.IsZero(),
			Password: u.ConsoleAccess, Admin: u.Admin,
			NoMFA:    u.MFA == bootstrap.MFAPending || u.MFA == bootstrap.MFAMissing,
			FirstKey: first,
		}
		return detect.KeyOf(f, has), nil
	}
	return f, nil
}
