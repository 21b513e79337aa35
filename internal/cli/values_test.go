package cli

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
)

func TestMoment(t *testing.T) {
	now := time.Date(2026, 4, 10, 12, 0, 0, 0, time.UTC)
	for text, want := range map[moment]string{
		"2026-03-02":                "2026-03-02T00:00:00Z",
		"2026-03-02T08:30:00Z":      "2026-03-02T08:30:00Z",
		"2026-03-02T08:30:00+02:00": "2026-03-02T06:30:00Z",
		"2026-03-02 08:30":          "2026-03-02T08:30:00Z",
		"7d":                        "2026-04-03T12:00:00Z",
		"7d ago":                    "2026-04-03T12:00:00Z",
		"2w":                        "2026-03-27T12:00:00Z",
		"24h":                       "2026-04-09T12:00:00Z",
		" 90m ago ":                 "2026-04-10T10:30:00Z",
	} {
		got, err := text.at("since", now)
		if err != nil || got.Format(time.RFC3339) != want {
			t.Errorf("%q is %v, %v; want %s", text, got, err, want)
		}
	}
	if got, err := moment("").at("since", now); err != nil || !got.IsZero() {
		t.Errorf("no moment is %v, %v; want the zero time", got, err)
	}
	for _, text := range []moment{"yesterday", "7", "7 days", "-7d", "0d", "2026-13-01", "2026-02-30", "ago", "99999999d"} {
		var wrong usageError
		if got, err := text.at("since", now); !errors.As(err, &wrong) {
			t.Errorf("%q is %v, %v; want a usage error", text, got, err)
		}
	}
}

func TestSpan(t *testing.T) {
	for text, want := range map[string]time.Duration{"15m": 15 * time.Minute, "3d": 72 * time.Hour, "1w": 168 * time.Hour, "1h30m": 90 * time.Minute} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil || time.Duration(s) != want {
			t.Errorf("%q is %v, %v; want %v", text, time.Duration(s), err, want)
		}
	}
	for _, text := range []string{"", "0", "0h", "-1h", "1y", "d", "1.5d"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v; want an error", text, time.Duration(s))
		}
	}
}

func TestAccountID(t *testing.T) {
	for text, want := range map[string]accountID{"111122223333": "111122223333", "1111-2222-3333": "111122223333"} {
		var a accountID
		if err := a.UnmarshalText([]byte(text)); err != nil || a != want {
			t.Errorf("%q is %q, %v; want %q", text, a, err, want)
		}
	}
	for _, text := range []string{"", "prod", "11112222333", "1111222233334", "11112222333x"} {
		var a accountID
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %q; want an error", text, a)
		}
	}
}

func TestAccountName(t *testing.T) {
	for _, c := range []struct {
		text string
		want accountName
	}{
		{"111122223333=billing", accountName{"111122223333", "billing"}},
		{"1111-2222-3333 = Prod = EU, ", accountName{"111122223333", "Prod = EU,"}},
	} {
		var a accountName
		if err := a.UnmarshalText([]byte(c.text)); err != nil || a != c.want {
			t.Errorf("%q is %q, %v; want %q", c.text, a, err, c.want)
		}
	}
	for _, text := range []string{"", "billing", "111122223333", "111122223333=", "111122223333= ", "=billing", "11=billing"} {
		var a accountName
		if err := a.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %q; want an error", text, a)
		}
	}
}

func TestSpanIsWrittenAsPeopleGiveIt(t *testing.T) {
	for _, text := range []string{"30m", "1h30m", "25h", "48h", "3d", "31d", "90s", "10s"} {
		var s span
		if err := s.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		want := text
		if text == "90s" {
			want = "1m30s"
		}
		if got := s.String(); got != want {
			t.Errorf("%s is printed as %s", text, got)
		}
	}
}

// TestCalled holds that an account that no one has named cannot be asked for by a name.
func TestCalled(t *testing.T) {
	if ids, err := called([]accountID{"111122223333"}, nil); err != nil || ids[0] != "111122223333" {
		t.Errorf("an ID: %v, %v", ids, err)
	}
	if _, err := called([]accountID{"prod"}, nil); err == nil || !strings.Contains(err.Error(), "no account has a name here") {
		t.Errorf("a name: %v", err)
	}
}

// TestNewest holds that the newest fact is of the latest event that it has, and no note.
func TestNewest(t *testing.T) {
	nine := time.Date(2026, 4, 10, 9, 0, 0, 0, time.UTC)
	facts := []bootstrap.Fact{
		{Kind: bootstrap.RootActivity, Time: nine, Last: nine.Add(time.Hour)},
		{Kind: bootstrap.PasswordSet, Time: nine.Add(30 * time.Minute)},
		{Kind: bootstrap.MFAMissingAlerted, Time: nine, Last: nine.Add(24 * time.Hour)},
	}
	if got := newest(facts); !got.Equal(nine.Add(time.Hour)) {
		t.Errorf("the newest is of %s", got)
	}
}
