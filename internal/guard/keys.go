package guard

import (
	"strconv"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/keys"
)

func seriesKey(f *detect.Finding) string {
	session, account := f.Session, f.Account
	switch f.ID {
	case detect.RootSigninFailed, detect.UserSigninFailed:
		session = "" // who guesses a password has no session
	case detect.RootSigninSpraying:
		account = "" // of all accounts, by address
	default:
	}
	key := keys.Account(account) + "/" + keys.Bounded(session) + "/" + string(f.ID)
	if f.EventTime.IsZero() {
		key += "/undated" // these have the time at which they come
	}
	return key
}

func groupKey(series string, opened time.Time) string {
	return series + "/" + opened.UTC().Format(time.RFC3339Nano)
}

// RollUpKey is the key of the claim of a group's next roll-up.
func RollUpKey(gr *Group) string {
	if gr.old() {
		return "window/" + gr.Key + "/" + gr.Opened.UTC().Format(time.RFC3339Nano) + "/" + strconv.Itoa(gr.RollUps)
	}
	group, batch := gr.Next()
	return "group/" + group + "/" + strconv.Itoa(batch)
}
