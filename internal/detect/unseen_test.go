package detect_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/detect"
)

func TestUseUnseen(t *testing.T) {
	at := time.Date(2026, 3, 2, 9, 15, 0, 0, time.UTC)
	const account = "111111111111"
	ids := map[string]string{}
	for _, tt := range []struct {
		name  string
		use   detect.RootUse
		title string
		says  []string
		not   []string
	}{
		{
			"a password", detect.RootUse{Credential: detect.Password, At: at}, "Root password used, and no event arrived",
			[]string{"last used at 2026-03-02T09:15:00Z", "no event of root with this credential within 15 minutes", "root-sign-in"}, []string{"S3 objects", "forwarder"},
		},
		{
			"a key", detect.RootUse{Credential: detect.AccessKey, At: at, Region: "eu-west-3", Service: "ec2"}, "Root access key used, and no event arrived: ec2",
			[]string{"service ec2", "Region eu-west-3", "forwarder in eu-west-3", "S3 objects"}, []string{"root-sign-in"},
		},
		{
			"a key of which no Region is known", detect.RootUse{Credential: detect.AccessKey, At: at.Add(time.Second)}, "Root access key used, and no event arrived",
			[]string{"a trail there"}, []string{"forwarder", "service"},
		},
		{
			"text that is not", detect.RootUse{Credential: detect.AccessKey, At: at.Add(time.Minute), Region: "a\nb", Service: "c\x1b[1m"}, "Root access key used, and no event arrived: ",
			nil, []string{"\n", "\x1b"},
		},
	} {
		f := detect.UseUnseen(account, tt.use, 15*time.Minute)
		if f.ID != detect.RootUseUnseen || f.Severity != detect.Critical || !strings.HasPrefix(f.Title, tt.title) || f.Account != account || f.Region != tt.use.Region ||
			!f.EventTime.Equal(tt.use.At) || f.Actor.Type != "Root" || f.EventName != "" {
			t.Errorf("%s: %+v", tt.name, f)
		}
		for _, text := range tt.says {
			if !strings.Contains(f.Detail, text) {
				t.Errorf("%s: %q lacks %q", tt.name, f.Detail, text)
			}
		}
		for _, text := range tt.not {
			if strings.Contains(f.Title+f.Detail, text) {
				t.Errorf("%s: %q has %q", tt.name, f.Title+f.Detail, text)
			}
		}
		if other := ids[f.EventID]; other != "" {
			t.Errorf("%s and %s are one event", tt.name, other)
		}
		ids[f.EventID] = tt.name

		if again := detect.UseUnseen(account, tt.use, time.Hour); again.EventID != f.EventID || again.Session != f.Session {
			t.Errorf("%s: reported again, it is another event", tt.name)
		}
		closed := detect.UseExplained(f, "e-1", at.Add(5*time.Hour))
		if closed.Severity != detect.Info || !strings.Contains(closed.Detail, "event e-1") || !closed.EventTime.Equal(at.Add(5*time.Hour)) {
			t.Errorf("%s, closed: %+v", tt.name, closed)
		}
		want := detect.Subject{ID: f.EventID, Began: tt.use.At}
		if diff := cmp.Diff(want, f.Subject); diff != "" {
			t.Errorf("%s: subject (-want +got):\n%s", tt.name, diff)
		}
		want.Phase = detect.PhaseResolved
		if diff := cmp.Diff(want, closed.Subject); diff != "" {
			t.Errorf("%s, closed: subject (-want +got):\n%s", tt.name, diff)
		}
	}
}

// TestUseUnseenIsNotAnnounced holds that an announcement lowers no use of which
// no event arrived: what is announced is heard.
func TestUseUnseenIsNotAnnounced(t *testing.T) {
	f := detect.UseUnseen("111111111111", detect.RootUse{Credential: detect.Password, At: time.Unix(1e9, 0)}, time.Minute)
	if detect.IsRootUse(&f) {
		t.Error("it is taken for root at work")
	}
	if got := detect.Announce(f, detect.Announced{}); got.Severity != detect.Critical || got.Title != f.Title {
		t.Errorf("announced: %+v", got)
	}
}
