package cloudtrail

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	t.Parallel()
	const want = "2026-05-04T09:00:00Z"
	for _, s := range []string{
		want, "2026-05-04 09:00:00", "2026-05-04 09:00:00.000", "2026-05-04 09:00:00.000000000", "2026-05-04T09:00:00", "2026-05-04T09:00:00.000Z",
		"2026-05-04 09:00:00 UTC", "2026-05-04 09:00:00.000 UTC", "2026-05-04 09:00:00UTC", "2026-05-04T09:00:00 GMT", "2026-05-04 09:00:00 +0000 UTC",
		"2026-05-04T09:00:00+00:00", "2026-05-04T09:00:00+0000", "2026-05-04T09:00:00.000+0000", "2026-05-04T09:00:00-00:00", "2026-05-04T09:00:00+00", "2026-05-04 09:00:00 +00:00",
		"2026-05-04T11:00:00+02:00", "2026-05-04T04:00:00-0500", "2026-05-04T09:00Z", "2026-05-04T09:00", "2026-05-04t09:00:00z", "2026-05-04 09:00:00Z", "2026-05-04T09:00:00,000Z",
		"20260504T090000Z", "20260504T090000", "20260504T090000.000Z", "20260504T110000+0200",
		"1777885200", "1777885200.0", "1777885200000", "1777885200000.0", "1777885200000000", "1777885200000000000", "1.7778852E9", "1.7778852e+12", " 1777885200 ",
	} {
		if got, ok := parseTime(s); !ok || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%q is %v, %v", s, got, ok)
		}
	}
	if got, ok := parseTime("1777885200.25"); !ok || got.Nanosecond() != 250_000_000 {
		t.Errorf("%v, %v", got, ok)
	}
	for _, s := range []string{
		"", "x", "yesterday", "2026-05-04", "09:00:00", "0", "1", "-1777885200", "17778852", "99999999999999999999", "1e300", "NaN", "+Inf", "0x1p40",
		"0001-01-01T00:00:00Z", "1970-01-01T00:00:00Z", "2005-12-31T23:59:59Z", "2101-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-13-01T00:00:00Z", "2026-02-30T00:00:00Z",
		"04/May/2026:09:00:00 +0000", "May 4, 2026 @ 09:00:00.000", "2026-05-04T25:00:00Z", "UTC", "...........", "1.7.7", "1777885200.5e1e1",
	} {
		if got, ok := parseTime(s); ok || !got.IsZero() {
			t.Errorf("%q is %v", s, got)
		}
	}
}

// FuzzParseTime holds that a time that is read is of a year that records can be
// of, and that what CloudTrail itself writes is read as encoding/json does.
func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-05-04T09:00:00Z", "2026-05-04 09:00:00.000 UTC", "1777885200.123", "20260504T090000Z", "2026-05-04T09:00:00.000+0000", "1.7e12"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := parseTime(s)
		if year := got.UTC().Year(); ok && (year < firstYear || year > lastYear) || !ok && !got.IsZero() {
			t.Fatalf("%q is %v, %v", s, got, ok)
		}
		want, err := time.Parse(time.RFC3339, s)
		if year := want.UTC().Year(); err == nil && year >= firstYear && year <= lastYear && (!ok || !got.Equal(want)) {
			t.Fatalf("%q is %v, %v, want %v", s, got, ok, want)
		}
		if isTime([]byte(s)) && isPlausible([]byte(s)) && !ok {
			t.Fatalf("%q is no time", s)
		}
	})
}
