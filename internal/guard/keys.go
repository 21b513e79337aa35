package guard

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/detect"
)

// maxPart bounds one part of a key, so that every key fits every store (a
// DynamoDB sort key has at most 1,024 bytes).
const maxPart = 300

// bounded is the part itself, or its beginning and its hash where it is too long.
func bounded(part string) string {
	if len(part) <= maxPart {
		return part
	}
	sum := sha256.Sum256([]byte(part))
	return part[:maxPart-2*sha256.Size-1] + "#" + hex.EncodeToString(sum[:])
}

// accountPart is the account as the first part of a key. Escaping keeps a
// malformed account from running into the part after it.
func accountPart(account string) string {
	if strings.ContainsAny(account, "/%") {
		account = url.PathEscape(account)
	}
	return bounded(account)
}

// ClaimKey is the key of an event's claim.
func ClaimKey(account, eventID string) string { return claimKey(account, eventID) }

func claimKey(account, eventID string) string { return accountPart(account) + "/" + bounded(eventID) }

func deadlineKey(account, user string) string { return accountPart(account) + "/" + bounded(user) }

func roundKey(account string, kind RoundKind) string {
	return accountPart(account) + "/" + string(kind)
}

func seriesKey(f *detect.Finding) string {
	session, account := f.Session, f.Account
	switch f.ID {
	case detect.RootSigninFailed, detect.UserSigninFailed:
		session = "" // who guesses a password has no session
	case detect.RootSigninSpraying:
		account = "" // of all accounts, by address
	default:
	}
	key := accountPart(account) + "/" + bounded(session) + "/" + string(f.ID)
	if f.EventTime.IsZero() {
		key += "/undated" // these have the time at which they come
	}
	return key
}

func groupKey(series string, opened time.Time) string {
	return series + "/" + opened.UTC().Format(time.RFC3339Nano)
}

// rollUpKey is the key of the claim of a group's next roll-up.
func rollUpKey(gr *Group) string {
	if gr.old() {
		return "window/" + gr.Key + "/" + gr.Opened.UTC().Format(time.RFC3339Nano) + "/" + strconv.Itoa(gr.RollUps)
	}
	return "group/" + gr.Key + "/" + strconv.Itoa(gr.Sent)
}

// shortID is an ID that people can read to each other and copy: two groups of
// five letters and digits (50 bits) without I, L, O and U, of what it is derived from.
func shortID(of string) string {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	sum := sha256.Sum256([]byte(of))
	bits := binary.BigEndian.Uint64(sum[:8])
	id := make([]byte, 0, 11)
	for i := range 10 {
		if i == 5 {
			id = append(id, '-')
		}
		id = append(id, alphabet[bits>>(64-5*(i+1))&31])
	}
	return string(id)
}

// ReadID is the ID that a person wrote: letters of either case, I and L for 1, O
// for 0, with or without the hyphen. ok is false where it can be none.
func ReadID(text string) (id string, ok bool) {
	text = strings.NewReplacer("-", "", " ", "", "I", "1", "L", "1", "O", "0").Replace(strings.ToUpper(text))
	if len(text) != 10 || strings.Trim(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZ") != "" {
		return "", false
	}
	return text[:5] + "-" + text[5:], true
}

// alertID is the ID of the alert that a claim stands for.
func alertID(claimKey string) string {
	sum := sha256.Sum256([]byte(claimKey))
	return hex.EncodeToString(sum[:16])
}
