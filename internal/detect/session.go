package detect

import (
	"time"

	"rootguard/internal/cloudtrail"
)

// SessionOf names the session a record belongs to: the principal and the
// session's creationDate, else the principal and its access key, else the
// principal alone. A console session makes calls under several access keys, so
// a key does not name it where a creationDate exists.
func SessionOf(rec *cloudtrail.Record) string {
	ui := &rec.UserIdentity
	principal := orElse(ui.PrincipalID, ui.ARN) // a failed sign-in has no ARN
	if principal == "" {
		principal = rec.Account() + "/" + ui.Type + "/" + ui.UserName
	}
	switch {
	case !ui.Session.CreationDate.IsZero():
		return principal + "@" + ui.Session.CreationDate.UTC().Format(time.RFC3339)
	case ui.AccessKeyID != "":
		return principal + "#" + ui.AccessKeyID
	default:
		return principal
	}
}
