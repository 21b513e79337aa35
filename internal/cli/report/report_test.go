package report

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

func render(t *testing.T, r Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestHostileNamesStayText(t *testing.T) {
	page := render(t, sample(2, 40))
	for _, bad := range []string{"<script", "<img", "</style><script", "\u202e", "javascript:"} {
		if strings.Contains(page, bad) {
			t.Errorf("the page contains %q", bad)
		}
	}
	for _, want := range []string{"&lt;script&gt;alert(1)", `\u202e`, "quarantined since <time"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not contain %q", want)
		}
	}
	if n := strings.Count(page, "<style>"); n != 2 {
		t.Errorf("the page has %d style elements, want 2", n)
	}
	if strings.Contains(page, " style=") || regexp.MustCompile(`\son[a-z]+="`).MatchString(page) {
		t.Error("the page has style or event attributes, which its policy forbids")
	}
}

func TestWriteIsTheSameEveryTime(t *testing.T) {
	a, b := sample(5, 200), sample(5, 200)
	b.Alerts[3], b.Alerts[150] = b.Alerts[150], b.Alerts[3]
	b.Accounts[0], b.Accounts[4] = b.Accounts[4], b.Accounts[0]
	if render(t, a) != render(t, b) {
		t.Error("the page depends on the order of accounts and alerts")
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestWriteReturnsTheWritersError(t *testing.T) {
	if err := Write(brokenWriter{}, sample(1, 1)); err == nil || !strings.Contains(err.Error(), "disk full") {
		t.Errorf("Write returned %v", err)
	}
}

func TestAccountsThatNeedSomebodyComeFirst(t *testing.T) {
	p := newPage(sample(6, 0))
	if got := p.Sections[0].Tone; got != "bad" {
		t.Errorf("the first account is %q, want one that regressed", got)
	}
	if got := p.Sections[5].Tone; got != "good" {
		t.Errorf("the last account is %q, want a bootstrapped one", got)
	}
}

func TestAlertsOfAnUnknownAccountAreListed(t *testing.T) {
	r := sample(1, 3)
	r.Alerts[1].Finding.Account = "999988887777"
	p := newPage(r)
	if len(p.Rows) != 3 || p.Sections[0].Alerts != 2 {
		t.Errorf("%d rows, %d of the known account; want 3 and 2", len(p.Rows), p.Sections[0].Alerts)
	}
}

func TestLayOut(t *testing.T) {
	hour := time.Hour
	at := func(offsets ...time.Duration) (out []time.Time) {
		for _, o := range offsets {
			out = append(out, day.Add(o))
		}
		return out
	}
	for _, c := range []struct {
		name     string
		times    []time.Time
		maxParts int
		want     int
	}{
		{"one moment", at(0), 8, 1},
		{"one moment twice", at(0, 0), 8, 1},
		{"a burst", at(0, hour, 2*hour), 8, 1},
		{"a long silence", at(0, hour, 40*24*hour, 40*24*hour+hour), 8, 2},
		{"a silence too short to cut out", at(0, 2*hour), 8, 1},
		{"more silences than parts", at(0, 24*hour, 48*hour, 72*hour, 96*hour), 3, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts := layOut(c.times, 66, 1026, c.maxParts)
			if len(parts) != c.want {
				t.Fatalf("%d parts, want %d", len(parts), c.want)
			}
			right := 66
			for _, p := range parts {
				if p.X < right || p.Width <= 0 {
					t.Errorf("part at %d, %d wide, begins before %d", p.X, p.Width, right)
				}
				right = p.X + p.Width
			}
			if right > 1026 {
				t.Errorf("the parts reach to %d", right)
			}
			last := 0.0
			for _, m := range c.times {
				x := place(parts, m)
				if x < last || x < 66 || x > 1026 {
					t.Errorf("%v is at %v, after %v", m, x, last)
				}
				last = x
			}
		})
	}
}

func TestMarksCountEveryAlertOnce(t *testing.T) {
	r := sample(3, 5000)
	p := newPage(r)
	for _, tl := range p.Timelines {
		total, dots := 0, 0
		for _, l := range tl.Lanes {
			for _, m := range l.Marks {
				total += m.Count
				dots++
				if p.Rows[m.Row].Finding.Severity.String() != l.Severity {
					t.Errorf("a dot of lane %s leads to a finding of severity %s", l.Severity, p.Rows[m.Row].Finding.Severity)
				}
			}
		}
		if total != len(r.Alerts) {
			t.Errorf("the dots of the %s timeline stand for %d alerts, want %d", tl.Class, total, len(r.Alerts))
		}
		if dots > 500 {
			t.Errorf("the %s timeline has %d dots", tl.Class, dots)
		}
	}
}

// Text must have a contrast of at least 4.5 to 1 with what is behind it (WCAG
// 2.2, success criterion 1.4.3).
func TestContrast(t *testing.T) {
	light, dark, ok := strings.Cut(pageStyle, "prefers-color-scheme:dark")
	if !ok {
		t.Fatal("the style has no dark mode")
	}
	pairs := [][2]string{
		{"ink", "bg"}, {"ink", "card"}, {"ink", "soft"}, {"muted", "bg"}, {"muted", "card"}, {"muted", "soft"}, {"link", "card"}, {"link", "bg"},
		{"good", "good-bg"}, {"critical", "card"}, {"high", "card"},
	}
	for _, s := range severities {
		pairs = append(pairs, [2]string{s.String(), s.String() + "-bg"}, [2]string{s.String(), "card"})
	}
	for mode, css := range map[string]string{"light": light, "dark": dark} {
		for _, p := range pairs {
			if got := contrast(t, css, p[0], p[1]); got < 4.5 {
				t.Errorf("%s mode: %s on %s has contrast %.2f", mode, p[0], p[1], got)
			}
		}
	}
}

func contrast(t *testing.T, css, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, css, a), luminance(t, css, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is the relative luminance of the first color of that name.
func luminance(t *testing.T, css, name string) float64 {
	t.Helper()
	m := regexp.MustCompile(`--` + name + `:#([0-9a-f]{3,6})\b`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("no color --%s", name)
	}
	hex := m[1]
	if len(hex) == 3 {
		hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
	}
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func TestWorse(t *testing.T) {
	if !worse(detect.Critical, "high") || worse(detect.High, "high") || worse(detect.Info, "critical") {
		t.Error("worse does not rank severities")
	}
}

// Labels neither overlap nor leave the picture, however narrow it is.
func TestLabelsFit(t *testing.T) {
	day := time.Date(2026, 11, 24, 10, 48, 0, 0, time.UTC)
	times := []time.Time{day, day.Add(51 * time.Hour), day.Add(99 * time.Hour), day.Add(123 * time.Hour), day.AddDate(1, 0, 0)}
	for width := 200; width < 1200; width += 10 {
		end, labels := 0, 0
		for _, p := range layOut(times, labelSpace, width-rightSpace, 4) {
			for _, l := range p.Labels {
				labels++
				size := map[int]int{0: clockWidth, len("24 Nov"): dayWidth, len("24 Nov 2026"): tickWidth}[len(l.Date)]
				from := map[string]int{"start": l.X, "middle": l.X - size/2, "end": l.X - size}[l.Anchor]
				if size == 0 || from < end || from+size > width {
					t.Fatalf("on %d px the label %+v is %d px and begins at %d, where the one before ends at %d", width, l, size, from, end)
				}
				end = from + size
			}
		}
		if labels == 0 {
			t.Errorf("on %d px there is no label", width)
		}
	}
}

// TestOrganizationIsBounded: of many accounts the page has the worst in full.
func TestOrganizationIsBounded(t *testing.T) {
	r := organization(600, maxFindings+200)
	p := newPage(r)
	if len(p.Detailed) != maxDetails || !p.Brief || len(p.Sections) != 600 {
		t.Errorf("%d of %d accounts are detailed", len(p.Detailed), len(p.Sections))
	}
	if len(p.Rows) != maxFindings || p.LeftOut != 200 || p.All != maxFindings+200 {
		t.Errorf("%d findings, %d left out of %d", len(p.Rows), p.LeftOut, p.All)
	}
	left := map[detect.Severity]int{}
	for _, a := range r.Alerts {
		left[a.Finding.Severity]++
	}
	for i, row := range p.Rows {
		left[row.Finding.Severity]--
		if i > 0 && row.Finding.EventTime.After(p.Rows[i-1].Finding.EventTime) {
			t.Fatalf("finding %d is later than the one before", i)
		}
	}
	if left[detect.Critical] != 0 || left[detect.High] != 0 {
		t.Errorf("severe findings are left out: %v", left)
	}
	if len(p.AwaitingRows) != 900 || p.Awaiting != 900 {
		t.Errorf("%d of %d users awaiting MFA are shown", len(p.AwaitingRows), p.Awaiting)
	}
	t.Run("page", func(t *testing.T) {
		testenv.Soak(t) // one goroutine's work
		page := render(t, r)
		for _, want := range []string{"script-src &#39;sha256-", "200 less severe or older findings are left out", "rootguard ack inc-3<", "Open incidents"} {
			if !strings.Contains(page, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if strings.Count(page, "<script") != 1 || strings.Contains(page, hostile) {
			t.Error("a name is more than text")
		}
	})
}

// TestCountIsShown: an alert of several events says how many.
func TestCountIsShown(t *testing.T) {
	r := sample(1, 1)
	r.Alerts[0].Count, r.Alerts[0].Finding.Title = 5, "Root sign-in failed"
	if page := render(t, r); !strings.Contains(page, "Root sign-in failed x5") {
		t.Error("the page does not say x5")
	}
}
