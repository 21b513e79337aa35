package digest

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // Lambda's runtime for Go binaries, and Windows, may have no time zones
)

// Every is how often a digest comes.
type Every string

// The frequencies. The zero value is Off.
const (
	Off    Every = ""
	Daily  Every = "daily"
	Weekly Every = "weekly"
)

// Schedule is when digests come. The zero value is never.
type Schedule struct {
	Every   Every
	Weekday time.Weekday // of Weekly
	Hour    int
	Minute  int
	Zone    *time.Location // nil: UTC
}

// Default is the schedule of which only "weekly" or "daily" was said.
func Default(every Every) Schedule {
	return Schedule{Every: every, Weekday: time.Monday, Hour: 8, Zone: time.UTC}
}

// forms says what Parse reads.
const forms = `write off, daily or weekly, and after it what is to be other than Monday 08:00 UTC, such as "weekly monday 08:00 Europe/Berlin" or "daily 07:30 Asia/Tokyo"`

// Parse reads a schedule: "off", or "daily" or "weekly" and after it a weekday (of a
// weekly one), a time and a time zone of the IANA database, each of which may be left
// out: "weekly monday 08:00 Europe/Berlin". The error says what is wrong, and the forms.
func Parse(text string) (Schedule, error) {
	fields := strings.Fields(text)
	if len(fields) == 0 {
		return Schedule{}, fmt.Errorf("it is empty: %s", forms)
	}
	var s Schedule
	switch every := strings.ToLower(fields[0]); every {
	case "off":
		if len(fields) > 1 {
			return Schedule{}, fmt.Errorf("nothing comes after off: %s", forms)
		}
		return Schedule{}, nil
	case string(Daily), string(Weekly):
		s = Default(Every(every))
	default:
		return Schedule{}, fmt.Errorf("%.40q is not a frequency: %s", fields[0], forms)
	}
	rest := fields[1:]
	if len(rest) > 0 && s.Every == Weekly {
		if day, ok := weekday(rest[0]); ok {
			s.Weekday, rest = day, rest[1:]
		}
	}
	if len(rest) > 0 && rest[0][0] >= '0' && rest[0][0] <= '9' {
		var ok bool
		if s.Hour, s.Minute, ok = clock(rest[0]); !ok {
			return Schedule{}, fmt.Errorf("%.40q is no time from 00:00 to 23:59: %s", rest[0], forms)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		zone, err := loadZone(rest[0])
		if err != nil {
			return Schedule{}, err
		}
		s.Zone, rest = zone, rest[1:]
	}
	if len(rest) > 0 {
		return Schedule{}, fmt.Errorf("%.40q is too much: %s", rest[0], forms)
	}
	return s, nil
}

// weekday reads a day of the week, in full or by its first three letters.
func weekday(word string) (time.Weekday, bool) {
	word = strings.ToLower(word)
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := strings.ToLower(day.String()); word == name || word == name[:3] {
			return day, true
		}
	}
	return 0, false
}

// clock reads "8", "8:00" or "08:00".
func clock(word string) (hour, minute int, ok bool) {
	h, m, colon := strings.Cut(word, ":")
	hour, err := strconv.Atoi(h)
	if err != nil || len(h) > 2 || hour > 23 {
		return 0, 0, false
	}
	if !colon {
		return hour, 0, true
	}
	minute, err = strconv.Atoi(m)
	if err != nil || len(m) != 2 || m[0] < '0' || m[0] > '9' || minute > 59 {
		return 0, 0, false
	}
	return hour, minute, true
}

// loadZone is a time zone of the IANA database, by its exact name.
func loadZone(name string) (*time.Location, error) {
	const allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-_/"
	wrong := fmt.Errorf("%.40q is no day, time or time zone: %s", name, forms)
	if len(name) > 64 || strings.Trim(name, allowed) != "" || strings.EqualFold(name, "local") {
		return nil, wrong
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, wrong
	}
	return zone, nil
}

// On reports whether digests come at all.
func (s Schedule) On() bool { return s.Every != Off }

// String is what Parse reads as the same schedule.
func (s Schedule) String() string {
	at := fmt.Sprintf("%02d:%02d %s", s.Hour, s.Minute, s.zone())
	switch s.Every {
	case Off:
		return "off"
	case Weekly:
		return "weekly " + strings.ToLower(s.Weekday.String()) + " " + at
	default:
		return string(s.Every) + " " + at
	}
}

func (s Schedule) zone() *time.Location {
	if s.Zone == nil {
		return time.UTC
	}
	return s.Zone
}

// days are enough to hold the last and the next time of any schedule, also where a
// zone left out a day.
const days = 9

// on is the schedule's time on the day that is some days from that of a time. Where
// clocks are set forward over it, it is the hour before or after; where they are set
// back, one of the two: so it is one time a day in either case.
func (s Schedule) on(day time.Time, away int) (at time.Time, ok bool) {
	year, month, date := day.Date()
	at = time.Date(year, month, date+away, s.Hour, s.Minute, 0, 0, s.zone())
	of := time.Date(year, month, date+away, 12, 0, 0, 0, time.UTC)
	return at, s.Every == Daily || s.Every == Weekly && of.Weekday() == s.Weekday
}

// Last is the latest time of the schedule that is not after a time; zero where digests
// never come.
func (s Schedule) Last(at time.Time) time.Time {
	day := at.In(s.zone())
	for away := 1; away >= -days; away-- {
		if t, ok := s.on(day, away); ok && !t.After(at) {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Next is the earliest time of the schedule after a time; zero where digests never come.
func (s Schedule) Next(at time.Time) time.Time {
	day := at.In(s.zone())
	for away := -1; away <= days; away++ {
		if t, ok := s.on(day, away); ok && t.After(at) {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Local is a time as people of the schedule's zone write it: "Monday 2026-12-07 08:00
// Europe/Berlin".
func (s Schedule) Local(at time.Time) string {
	return at.In(s.zone()).Format("Monday 2006-01-02 15:04 ") + s.zone().String()
}
