package cli

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/lazyre"
)

// span is a duration that may also be given in days and weeks: "36h", "7d", "2w".
type span time.Duration

var daysForm = lazyre.New(`^([0-9]+)([dw])$`)

// String is the span as people give it.
func (s span) String() string {
	const day = 24 * time.Hour
	d := time.Duration(s)
	if d >= 3*day && d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// UnmarshalText reads a span, which is more than nothing.
func (s *span) UnmarshalText(text []byte) error {
	d, err := parseSpan(string(text))
	if err != nil {
		return err
	}
	*s = span(d)
	return nil
}

func parseSpan(text string) (time.Duration, error) {
	if m := daysForm().FindStringSubmatch(text); m != nil {
		n, err := strconv.Atoi(m[1])
		unit := 24 * time.Hour
		if m[2] == "w" {
			unit *= 7
		}
		if err != nil || n == 0 || n > 36500 {
			return 0, fmt.Errorf("%q is not a length of time that makes sense here", text)
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, fmt.Errorf("%q is not a length of time such as 36h, 7d or 2w", text)
	}
	return d, nil
}

// moment is a point in time, given absolutely or as so long ago.
type moment string

// layouts are the absolute forms of a moment; where no zone is given it is UTC.
var layouts = []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", time.DateOnly}

// at is the moment in time, zero where none was given.
func (m moment) at(flag string, now time.Time) (time.Time, error) {
	text := strings.TrimSpace(string(m))
	if text == "" {
		return time.Time{}, nil
	}
	for _, layout := range layouts {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	ago := strings.TrimSpace(strings.TrimSuffix(text, "ago"))
	if d, err := parseSpan(strings.ReplaceAll(ago, " ", "")); err == nil {
		return now.Add(-d).UTC(), nil
	}
	return time.Time{},
		usageError{fmt.Sprintf("--%s: %q is neither a date (2026-03-02), nor a time (2026-03-02T08:00:00Z), nor so long ago (7d, 24h)", flag,
			text)}
}

// accountID is an AWS account ID.
type accountID string

// valid reports whether text is an account ID, without separators.
func (*accountID) valid(text string) bool {
	return len(text) == 12 && strings.Trim(text, "0123456789") == ""
}

// UnmarshalText reads an account ID.
func (a *accountID) UnmarshalText(text []byte) error {
	id := strings.ReplaceAll(string(text), "-", "")
	if !a.valid(id) {
		return fmt.Errorf("%q is not an AWS account ID, which has 12 digits", text)
	}
	*a = accountID(id)
	return nil
}

// accountRef is an account, by its ID or by what it is called.
type accountRef accountID

// UnmarshalText reads an account ID or a name. What is digits alone is an ID.
func (a *accountRef) UnmarshalText(text []byte) error {
	name := strings.TrimSpace(string(text))
	if strings.Trim(name, "0123456789-") == "" {
		return (*accountID)(a).UnmarshalText(text)
	}
	*a = accountRef(name)
	return nil
}

// ids are the accounts where names are yet to be found: see called.
func ids(refs []accountRef) []accountID {
	out := make([]accountID, len(refs))
	for i, r := range refs {
		out[i] = accountID(r)
	}
	return out
}

// accountName is what people call an account, given as ID=NAME.
type accountName struct {
	id   accountID
	name string
}

// UnmarshalText reads an account's ID and name.
func (a *accountName) UnmarshalText(text []byte) error {
	id, name, found := strings.Cut(string(text), "=")
	name = strings.TrimSpace(name)
	if !found || name == "" {
		return fmt.Errorf("%q is not an account ID, = and a name, such as 111122223333=billing", text)
	}
	a.name = name
	return a.id.UnmarshalText([]byte(strings.TrimSpace(id)))
}
