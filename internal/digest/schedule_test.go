package digest

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/testenv"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"off":                              "off",
		"OFF":                              "off",
		"weekly":                           "weekly monday 08:00 UTC",
		"Daily":                            "daily 08:00 UTC",
		"weekly friday":                    "weekly friday 08:00 UTC",
		"weekly Fri 9":                     "weekly friday 09:00 UTC",
		"weekly 7:30":                      "weekly monday 07:30 UTC",
		" daily  23:59   Asia/Tokyo ":      "daily 23:59 Asia/Tokyo",
		"weekly sunday 0 America/New_York": "weekly sunday 00:00 America/New_York",
		"weekly monday Europe/Berlin":      "weekly monday 08:00 Europe/Berlin",
		"daily Etc/GMT+5":                  "daily 08:00 Etc/GMT+5",
	} {
		s, err := Parse(text)
		if err != nil || s.String() != want {
			t.Errorf("%q is %q, %v, want %q", text, s, err, want)
			continue
		}
		if again, err := Parse(s.String()); err != nil || again.String() != s.String() {
			t.Errorf("%q is read back as %q, %v", s, again, err)
		}
	}
	for text, want := range map[string]string{
		"":                        "it is empty",
		"monthly":                 `"monthly" is not a frequency`,
		"off daily":               "nothing comes after off",
		"daily monday":            `"monday" is no day, time or time zone`,
		"weekly someday":          `"someday" is no day`,
		"daily 24":                `"24" is no time`,
		"daily 8:5":               `"8:5" is no time`,
		"daily 8:60":              `"8:60" is no time`,
		"daily 08:+5":             `"08:+5" is no time`,
		"daily 008":               `"008" is no time`,
		"daily 8 Europe/Berlim":   `"Europe/Berlim" is no day, time or time zone`,
		"daily 8 Local":           `"Local" is no`,
		"daily 8 ../etc/passwd":   `is no day, time or time zone`,
		"daily 8 UTC UTC":         `"UTC" is too much`,
		"weekly monday tuesday":   `"tuesday" is no day, time or time zone`,
		"daily 8 /Europe/Berlin":  `is no day, time or time zone`,
		"daily 8 Europe/Berlin x": `"x" is too much`,
	} {
		if s, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "weekly monday 08:00 Europe/Berlin") {
			t.Errorf("%q is %q, %v, want an error with %q and the forms", text, s, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"off", "weekly monday 08:00 Europe/Berlin", "daily 7", "weekly", "daily 8 Etc/GMT+5", "weekly sat 23:59 America/New_York", "daily \x00 x"} {
		f.Add(s)
	}
	now := at("2026-11-30T07:00:00Z")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse(text)
		if err != nil {
			return
		}
		again, err := Parse(s.String())
		if err != nil || again.String() != s.String() {
			t.Fatalf("%q is %q, read back as %q, %v", text, s, again, err)
		}
		last, next := s.Last(now), s.Next(now)
		if s.On() != !last.IsZero() || s.On() && (last.After(now) || !next.After(now) || next.Sub(last) > 8*24*time.Hour) {
			t.Errorf("%q: last %s, next %s", s, last, next)
		}
	})
}

func TestTimes(t *testing.T) {
	for _, c := range []struct{ schedule, now, last, next string }{
		{"weekly monday 08:00 Europe/Berlin", "2026-11-30T06:59:59Z", "2026-11-23T07:00:00Z", "2026-11-30T07:00:00Z"},
		{"weekly monday 08:00 Europe/Berlin", "2026-11-30T07:00:00Z", "2026-11-30T07:00:00Z", "2026-12-07T07:00:00Z"},
		// A Monday in Auckland begins on Sunday in UTC.
		{"weekly monday 08:00 Pacific/Auckland", "2026-11-29T19:00:00Z", "2026-11-29T19:00:00Z", "2026-12-06T19:00:00Z"},
		{"daily 23:30 America/Los_Angeles", "2026-07-01T06:29:00Z", "2026-06-30T06:30:00Z", "2026-07-01T06:30:00Z"},
		// Clocks are set forward on 2026-03-29 and back on 2026-10-25 in Berlin: the
		// hour stays 08:00 there.
		{"daily 08:00 Europe/Berlin", "2026-03-28T12:00:00Z", "2026-03-28T07:00:00Z", "2026-03-29T06:00:00Z"},
		{"weekly monday 08:00 Europe/Berlin", "2026-10-20T00:00:00Z", "2026-10-19T06:00:00Z", "2026-10-26T07:00:00Z"},
		// 02:30 is left out on that night, and there twice in the other.
		{"daily 02:30 Europe/Berlin", "2026-03-29T12:00:00Z", "2026-03-29T01:30:00Z", "2026-03-30T00:30:00Z"},
		{"daily 02:30 Europe/Berlin", "2026-10-25T12:00:00Z", "2026-10-25T01:30:00Z", "2026-10-26T01:30:00Z"},
		// Samoa left out 2011-12-30.
		{"daily 08:00 Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-29T18:00:00Z", "2011-12-30T18:00:00Z"},
		{"off", "2026-11-30T07:00:00Z", "", ""},
	} {
		s, err := Parse(c.schedule)
		if err != nil {
			t.Fatal(err)
		}
		show := func(t time.Time) string {
			if t.IsZero() {
				return ""
			}
			return t.Format(time.RFC3339)
		}
		if last, next := show(s.Last(at(c.now))), show(s.Next(at(c.now))); last != c.last || next != c.next {
			t.Errorf("%s at %s: last %s, next %s, want %s and %s", c.schedule, c.now, last, next, c.last, c.next)
		}
	}
	s, _ := Parse("weekly monday 08:00 Europe/Berlin")
	if got := s.Local(at("2026-12-07T07:00:00Z")); got != "Monday 2026-12-07 08:00 Europe/Berlin" {
		t.Errorf("got %s", got)
	}
}

// TestOnePeriodADay holds that each local day, or week, has exactly one time, across the
// changes of clocks of any zone.
func TestOnePeriodADay(t *testing.T) {
	zones := []string{"UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata", "America/Sao_Paulo", "Africa/Casablanca", "Asia/Tehran", "Pacific/Chatham"}
	testenv.Check(t, 500, func(t *rapid.T) {
		s := Default(rapid.SampledFrom([]Every{Daily, Weekly}).Draw(t, "every"))
		s.Weekday = time.Weekday(rapid.IntRange(0, 6).Draw(t, "weekday"))
		s.Hour, s.Minute = rapid.IntRange(0, 23).Draw(t, "hour"), rapid.IntRange(0, 59).Draw(t, "minute")
		zone, err := time.LoadLocation(rapid.SampledFrom(zones).Draw(t, "zone"))
		if err != nil {
			t.Fatal(err)
		}
		s.Zone = zone
		now := time.Unix(rapid.Int64Range(at("2016-01-01T00:00:00Z").Unix(), at("2036-01-01T00:00:00Z").Unix()).Draw(t, "now"), 0)
		last, next := s.Last(now), s.Next(now)
		if last.After(now) || !next.After(now) {
			t.Fatalf("%s at %s: last %s, next %s", s, now, last, next)
		}
		if !s.Next(last).Equal(next) || !s.Last(next.Add(-time.Second)).Equal(last) || !s.Last(next).Equal(next) {
			t.Fatalf("%s at %s: there is a time between %s and %s, or none", s, now, last, next)
		}
		step := 24 * time.Hour
		if s.Every == Weekly {
			step *= 7
		}
		if gap := next.Sub(last); gap < step-2*time.Hour || gap > step+2*time.Hour {
			t.Fatalf("%s: %v from %s to %s", s, gap, last, next)
		}
		a, b := last.In(zone), next.In(zone)
		if days := int(b.Truncate(0).Sub(a).Round(24*time.Hour) / (24 * time.Hour)); days != int(step/(24*time.Hour)) {
			t.Fatalf("%s: %d days from %s to %s", s, days, a, b)
		}
	})
}
