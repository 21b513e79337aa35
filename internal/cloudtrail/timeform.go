package cloudtrail

import (
	"strconv"
	"strings"
	"time"
)

// The years a record can be of: AWS began in 2006, and a later time than 2100 is
// a number in another unit.
const (
	firstYear = 2006
	lastYear  = 2100
)

// layouts are the forms besides RFC 3339, after tidy.
var layouts = []string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05Z07",
	"2006-01-02T15:04:05",
	"2006-01-02T15:04Z07:00",
	"2006-01-02T15:04",
	"20060102T150405Z0700",
	"20060102T150405",
}

// parseTime reads a time as CloudTrail writes it (2006-01-02T15:04:05Z) or as
// what exports its records does: with a space for the T, a fraction, another
// zone or none (then it is UTC, as in Athena and CloudTrail Lake), in the basic
// form of ISO 8601, or as seconds, milliseconds, microseconds or nanoseconds
// since 1970. It is false for a time before AWS or after 2100.
func parseTime(s string) (time.Time, bool) {
	s = strings.TrimSpace(s)
	t, ok := epoch(s)
	if !ok {
		s = tidy(s)
		for _, layout := range layouts {
			var err error
			if t, err = time.Parse(layout, s); err == nil {
				ok = true
				break
			}
		}
	}
	if year := t.UTC().Year(); !ok || year < firstYear || year > lastYear {
		return time.Time{}, false
	}
	return t, true
}

// tidy writes a time nearer to RFC 3339: T between date and time, and no word
// for UTC and no space before the zone.
func tidy(s string) string {
	for _, zone := range []string{"UTC", "GMT", "utc"} {
		if rest, ok := strings.CutSuffix(s, zone); ok {
			s = strings.TrimRight(rest, " ")
			if last := len(s) - 1; last > 10 && !strings.ContainsAny(s[10:], "Zz+-") {
				s += "Z"
			}
		}
	}
	if len(s) > 10 && (s[10] == ' ' || s[10] == 't') {
		s = s[:10] + "T" + s[11:]
	}
	if date, rest, ok := strings.Cut(s, " "); ok && len(date) > 10 {
		s = date + rest
	}
	return strings.Replace(s, "z", "Z", 1)
}

// epoch reads a number of seconds, or of a smaller unit, since 1970. The unit is
// reported by the size of the number.
func epoch(s string) (time.Time, bool) {
	if len(s) < 9 || len(s) > 32 || !isDigit(s[0]) || strings.Trim(s, "0123456789.eE+") != "" {
		return time.Time{}, false
	}
	whole, fraction, _ := strings.Cut(s, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || strings.ContainsAny(fraction, "eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil || f > 1e19/2 {
			return time.Time{}, false
		}
		n, fraction = int64(f), ""
	}
	switch {
	case n < 1e8: // 1973, or a date without hyphens
		return time.Time{}, false
	case n < 1e11:
		nanos, _ := strconv.Atoi((fraction + "000000000")[:9])
		return time.Unix(n, int64(nanos)).UTC(), true
	case n < 1e14:
		return time.UnixMilli(n).UTC(), true
	case n < 1e17:
		return time.UnixMicro(n).UTC(), true
	default:
		return time.Unix(0, n).UTC(), true
	}
}
