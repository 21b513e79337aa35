package bootstrap

import "slices"

// Agrees reports whether a live check of a user says what is on record about it
// already. A user that is not on record is nil.
func (u *UserStatus) Agrees(l LiveFact) bool {
	switch {
	case u == nil || u.Deleted:
		return l.Gone
	case l.Gone || l.ConsoleLogin == nil || u.Name != l.UserName || l.UserID != "" && u.UserID != l.UserID:
		return false
	case l.MFAActive == nil && !slices.Equal(u.MFADevices, slices.Compact(slices.Sorted(slices.Values(l.MFADevices)))):
		return false
	case !*l.ConsoleLogin:
		return u.MFA == MFANotNeeded
	case l.MFAActive != nil && !*l.MFAActive, l.MFAActive == nil && len(l.MFADevices) == 0:
		return u.ConsoleAccess && (u.MFA == MFAPending || u.MFA == MFAMissing)
	default:
		return u.ConsoleAccess && u.MFA == MFAOn
	}
}
