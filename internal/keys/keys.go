// Package keys makes the parts of the keys under which rows are stored, and the times in them.
//
// Records hold names of any length and content. Account and User escape them, so that
// no name runs into the part after it; Bounded keeps a key within what every store
// takes. Dated leaves out times that JSON cannot hold. An ID for people (ShortID,
// ReadID) is two groups of five letters and digits, read in either case.
package keys

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"net/url"
	"strings"
	"time"
)

// maxPart bounds one part of a key, so that every key fits every store (a
// DynamoDB sort key has at most 1,024 bytes).
const maxPart = 300

// Bounded is the part itself, or its beginning and its hash where it is too long.
func Bounded(part string) string {
	if len(part) <= maxPart {
		return part
	}
	sum := sha256.Sum256([]byte(part))
	return part[:maxPart-2*sha256.Size-1] + "#" + hex.EncodeToString(sum[:])
}

// Account is the account as the first part of a key. Escaping keeps a
// malformed account from running into the part after it.
func Account(account string) string {
	if strings.ContainsAny(account, "/%") {
		account = url.PathEscape(account)
	}
	return Bounded(account)
}

// User is the key "account/user".
func User(account, user string) string { return Account(account) + "/" + Bounded(user) }

// Dated is the time of an event, zero where no clock can have shown it. JSON has
// no year before 0 or beyond 9999, and deadlines and the ends of groups lie
// after their events.
func Dated(at time.Time) time.Time {
	if year := at.UTC().Year(); year < 1 || year > 9998 {
		return time.Time{}
	}
	return at
}

// Latest is the later of two times.
func Latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ShortID is an ID that people can read to each other and copy: two groups of
// five letters and digits (50 bits) without I, L, O and U, of what it is derived from.
func ShortID(of string) string {
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

// Claim is the key of the claim of an event.
func Claim(account, eventID string) string { return Account(account) + "/" + Bounded(eventID) }

// Alert is the ID of the alert that a claim is for.
func Alert(claim string) string {
	sum := sha256.Sum256([]byte(claim))
	return hex.EncodeToString(sum[:16])
}
