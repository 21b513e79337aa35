package incident

import (
	"reflect"
	"testing"
	"time"

	"rootguard/internal/detect"
)

func TestSettingsDefaults(t *testing.T) {
	for name, tt := range map[string]struct{ given, want Settings }{
		"nothing":        {Settings{}, DefaultSettings()},
		"no resends":     {Settings{Resend: []time.Duration{}}, Settings{Resend: []time.Duration{}, Batch: 64}},
		"one at a time":  {Settings{Batch: 1}, Settings{Resend: DefaultSettings().Resend, Batch: 1}},
		"less than none": {Settings{Batch: -1, AckFlags: "x"}, Settings{Resend: DefaultSettings().Resend, Batch: 64, AckFlags: "x"}},
	} {
		if got := tt.given.withDefaults(); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestSessionOf holds which incident a finding begins, by who and since when.
func TestSessionOf(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	event := now.Add(-time.Hour)
	began := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	elsewhere := event.Add(300 * time.Millisecond).In(time.FixedZone("", 2*60*60))
	of := func(session string, at time.Time) *detect.Finding {
		return &detect.Finding{ID: detect.RootActivity, Account: "123456789012", EventID: "e", EventName: "Call", Session: session, EventTime: at}
	}
	for name, tt := range map[string]struct {
		f     *detect.Finding
		who   string
		start time.Time
		dated bool
	}{
		"a session that says when it began": {of("123456789012@2026-03-02T08:00:00Z", event), "123456789012", began, true},
		"one of no one":                     {of("@2026-03-02T08:00:00Z", event), "", began, true},
		"one that says it wrongly":          {of("123456789012@today", event), "123456789012@today", event, false},
		"one of before all time":            {of("x@0001-01-01T00:00:00Z", event), "x@0001-01-01T00:00:00Z", event, false},
		"a sign-in":                         {of("123456789012", event), "123456789012", event, false},
		"a sign-in without a time":          {of("123456789012", time.Time{}), "123456789012", now, false},
		"a sign-in by another clock":        {of("123456789012", elsewhere), "123456789012", event, false},
		"an access key":                     {of("123456789012#AKIA", event), "123456789012#AKIA", event.Truncate(24 * time.Hour), true},
		"an access key without a time":      {of("123456789012#AKIA", time.Time{}), "123456789012#AKIA", now.Truncate(24 * time.Hour), true},
	} {
		in := sessionOf(tt.f, now)
		if in.Who != tt.who || !in.Start.Equal(tt.start) || in.Dated != tt.dated || in.Account != tt.f.Account || in.ID == "" {
			t.Errorf("%s: %q since %v, dated %v, want %q since %v, %v", name, in.Who, in.Start, in.Dated, tt.who, tt.start, tt.dated)
		}
		if want := in.Account + "/" + tt.start.Format(time.RFC3339) + "/" + in.ID; in.Key != want || in.Start.Location() != time.UTC {
			t.Errorf("%s: key %q, want %q; it began at %v", name, in.Key, want, in.Start)
		}
	}
}
