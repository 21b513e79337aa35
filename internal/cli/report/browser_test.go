package report

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"rootguard/internal/testenv"
)

// screenshotsEnv names the folder that the tests leave their pictures in.
const screenshotsEnv = "ROOTGUARD_SCREENSHOTS"

// browser is a tab of a real Chromium, with what it complained of and asked
// the network for.
type browser struct {
	ctx        context.Context
	mu         sync.Mutex
	complaints []string
	requests   []string
}

func newBrowser(t *testing.T) *browser {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	testenv.Need(t, path != "", "a Chromium on the PATH (apt-get install chromium)")
	opts := []chromedp.ExecAllocatorOption{
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.Headless, chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	}
	alloc, stop := chromedp.NewExecAllocator(t.Context(), opts...)
	t.Cleanup(stop)
	b := &browser{}
	ctx, cancel := chromedp.NewContext(alloc, chromedp.WithListener(b.hear))
	t.Cleanup(cancel)
	t.Cleanup(func() { _ = chromedp.Cancel(ctx) }) // waits, so that the profile's folder can go
	b.ctx = ctx
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	call(t, b, log.Enable, cdp.Empty{})
	call(t, b, network.Enable, network.EnableParams{})
	call(t, b, runtime.Enable, cdp.Empty{})
	return b
}

func (b *browser) hear(event any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventConsoleAPICalled:
		b.complaints = append(b.complaints, fmt.Sprintf("console.%s", e.Type))
	case *runtime.EventExceptionThrown:
		b.complaints = append(b.complaints, e.ExceptionDetails.Text)
	case *log.EventEntryAdded:
		b.complaints = append(b.complaints, e.Entry.Text)
	case *network.EventRequestWillBeSent:
		b.requests = append(b.requests, e.Request.URL)
	}
}

// call sends one protocol command.
func call[P, R any](t *testing.T, b *browser, command cdp.Command[P, R], params P) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if _, err := chromedp.Call(ctx, command, params); err != nil {
		t.Fatalf("calling %s: %v", command.Method, err)
	}
}

// run runs one action and returns its value.
func run[T any](t *testing.T, b *browser, action chromedp.Action[T]) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// open shows a report and returns its URL.
func (b *browser) open(t *testing.T, r Report) string {
	t.Helper()
	var page bytes.Buffer
	if err := Write(&page, r); err != nil {
		t.Fatal(err)
	}
	return b.openPage(t, page.Bytes())
}

// openPage shows a report that is written and returns its URL.
func (b *browser) openPage(t *testing.T, page []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, page, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, b, chromedp.Navigate("file://"+path))
	return "file://" + path
}

func (b *browser) number(t *testing.T, script string) float64 {
	t.Helper()
	return run(t, b, chromedp.Evaluate[float64](script))
}

func (b *browser) text(t *testing.T, script string) string {
	t.Helper()
	return run(t, b, chromedp.Evaluate[string](script))
}

func (b *browser) screen(t *testing.T, width, height int64, scheme string) {
	t.Helper()
	call(t, b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
	call(t, b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

func (b *browser) picture(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv(screenshotsEnv)
	if dir == "" {
		return
	}
	png := run(t, b, chromedp.CaptureScreenshot())
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600); err != nil {
		t.Fatal(err)
	}
}

const visibleFindings = `[...document.querySelectorAll('.finding')].filter(e => e.checkVisibility()).length`

func TestPageInChromium(t *testing.T) {
	b := newBrowser(t)
	for n, size := range []struct{ accounts, alerts int }{{0, 0}, {1, 0}, {1, 30}, {3, 60}, {50, testenv.Size(5000, 100)}} {
		t.Run(fmt.Sprintf("%d accounts %d alerts", size.accounts, size.alerts), func(t *testing.T) {
			if n%2 == 1 {
				testenv.Soak(t)
			}
			b.complaints, b.requests = nil, nil
			b.screen(t, 1280, 1700, "light")
			url := b.open(t, sample(size.accounts, size.alerts))
			light := b.text(t, `getComputedStyle(document.body).backgroundColor`)
			if got := b.number(t, visibleFindings); int(got) != size.alerts {
				t.Errorf("%v findings are visible, want %d", got, size.alerts)
			}
			if got, want := b.number(t, `document.scripts.length`), map[bool]float64{true: 1}[size.accounts > pageAccounts]; got != want {
				t.Errorf("the page has %v scripts, want %v", got, want)
			}
			if got := b.number(t, `document.images.length + document.querySelectorAll('iframe,object,embed').length`); got != 0 {
				t.Errorf("the page has %v elements that could load or run something", got)
			}
			if got := b.number(t, `document.querySelectorAll('.timeline circle').length`); got > 1000 {
				t.Errorf("the timelines have %v dots", got)
			}
			b.picture(t, fmt.Sprintf("desktop-%d-%d", size.accounts, size.alerts))
			b.screen(t, 1280, 1700, "dark")
			if dark := b.text(t, `getComputedStyle(document.body).backgroundColor`); dark == light {
				t.Errorf("the background is %s in light and in dark mode", dark)
			}
			b.picture(t, fmt.Sprintf("dark-%d-%d", size.accounts, size.alerts))
			b.screen(t, 375, 1700, "light")
			b.number(t, `document.querySelectorAll('details').forEach((d, i) => { if (i < 200) d.open = true }), 0`)
			if got := b.number(t, `document.documentElement.scrollWidth`); got > 375 {
				t.Errorf("the page is %v px wide on a screen of 375 px", got)
			}
			b.number(t, `document.querySelectorAll('.finding details').forEach(d => { d.open = false }), 0`)
			b.picture(t, fmt.Sprintf("phone-%d-%d", size.accounts, size.alerts))
			b.number(t, `document.getElementById('findings').scrollIntoView({behavior: 'instant'}), 0`)
			b.picture(t, fmt.Sprintf("phone-findings-%d-%d", size.accounts, size.alerts))

			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.complaints) > 0 {
				t.Errorf("the browser complains: %s", strings.Join(b.complaints, "; "))
			}
			for _, r := range b.requests {
				if r != url && !strings.HasPrefix(r, "data:") {
					t.Errorf("the page asks for %s", r)
				}
			}
		})
	}
}

func TestFiltersInChromium(t *testing.T) {
	b := newBrowser(t)
	b.screen(t, 1280, 1700, "light")
	r := sample(3, 60)
	b.open(t, r)
	critical, ofFirst := 0, 0
	for _, a := range r.Alerts {
		if a.Finding.Severity.String() == "critical" {
			critical++
		}
		if a.Finding.Account == r.Accounts[0].Status.Account {
			ofFirst++
		}
	}
	dots := `[...document.querySelectorAll('.timeline.wide circle')].filter(e => e.getBoundingClientRect().width > 0).length`
	before := b.number(t, dots)

	run(t, b, chromedp.Focus("#show-critical"))
	run(t, b, chromedp.KeyEvent(" "))
	if got := b.number(t, visibleFindings); int(got) != len(r.Alerts)-critical {
		t.Errorf("%v findings are visible without the critical ones, want %d", got, len(r.Alerts)-critical)
	}
	if got := b.number(t, `document.querySelectorAll('.finding.sev-critical').length`); int(got) != critical {
		t.Errorf("%v critical findings are on the page, want %d", got, critical)
	}
	if after := b.number(t, dots); after >= before {
		t.Errorf("the timeline shows %v dots, and %v without the critical ones", before, after)
	}
	run(t, b, chromedp.KeyEvent(" "))
	if got := b.number(t, visibleFindings); int(got) != len(r.Alerts) {
		t.Errorf("%v findings are visible again, want %d", got, len(r.Alerts))
	}

	run(t, b, chromedp.Focus("#account"))
	run(t, b, chromedp.KeyEvent(kb.ArrowDown))
	if got := b.number(t, visibleFindings); int(got) != ofFirst {
		t.Errorf("%v findings are visible of the first account, want %d", got, ofFirst)
	}
	if got := b.number(t, `document.querySelectorAll('.finding').length`); int(got) != len(r.Alerts) {
		t.Errorf("%v findings are on the page, want %d", got, len(r.Alerts))
	}
}

// TestOrganizationInChromium searches, sorts and pages the accounts of a large
// organization, the worst first.
func TestOrganizationInChromium(t *testing.T) {
	testenv.Soak(t)
	const accounts = 10_000
	of := func(n int) string { return fmt.Sprintf("1–50 of %d accounts", n) }
	b := newBrowser(t)
	b.screen(t, 1280, 1700, "light")
	r := organization(accounts, 200)
	began := time.Now()
	var page bytes.Buffer
	if err := Write(&page, r); err != nil {
		t.Fatal(err)
	}
	made := time.Since(began)
	if page.Len() > 40<<20 {
		t.Errorf("the page has %d MiB", page.Len()>>20)
	}
	began = time.Now()
	b.openPage(t, page.Bytes())
	t.Logf("%d accounts: %d KiB, written in %s, opened in %s", accounts, page.Len()>>10, made.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	rows := func() float64 { return b.number(t, `document.querySelector('.overview tbody').rows.length`) }
	first := func() string {
		return b.text(t, `document.querySelector('.overview tbody').rows[0].dataset.key.trim()`)
	}
	count := func() string { return b.text(t, `document.querySelector('#find output').textContent`) }
	shown := func() float64 {
		return b.number(t, `[...document.querySelectorAll('.account')].filter(e => e.checkVisibility()).length`)
	}
	if n := rows(); n != 50 || count() != of(accounts) || shown() != 50 {
		t.Errorf("%v rows and %v details are shown, it says %q", n, shown(), count())
	}
	if tone := b.text(t, `document.querySelector('.overview tbody').rows[0].dataset.tone`); tone != "bad" {
		t.Errorf("the first account is %q, want one that regressed", tone)
	}
	b.picture(t, "organization")
	run(t, b, chromedp.Focus("#find .pages button:last-child"))
	run(t, b, chromedp.KeyEvent(" "))
	if count() != fmt.Sprintf("51–100 of %d accounts", accounts) {
		t.Errorf("the next page says %q", count())
	}

	last := strconv.Itoa(accounts - 2)
	run(t, b, chromedp.Focus("#find input"))
	run(t, b, chromedp.KeyEvent("EXAMPLE-"+last))
	if n := rows(); n != 1 || !strings.Contains(first(), "example-"+last) || count() != "1–1 of 1 account" {
		t.Errorf("%v rows are found, the first %q, it says %q", n, first(), count())
	}
	run(t, b, chromedp.KeyEvent("x"))
	if count() != "No account matches." {
		t.Errorf("nothing is found, and it says %q", count())
	}
	b.number(t, `document.querySelector('#find input').value = '', document.querySelector('#find input').dispatchEvent(new Event('input')), 0`)

	pick := func(value string) {
		b.number(t, `document.querySelector('#find select').value = '`+value+`', document.querySelector('#find select').dispatchEvent(new Event('change')), 0`)
	}
	pick("awaiting")
	if count() != of(accounts*3/4) {
		t.Errorf("of those awaiting MFA it says %q", count())
	}
	pick("good")
	if count() != of(accounts/4) {
		t.Errorf("of the bootstrapped it says %q", count())
	}
	pick("incidents")
	if count() != "1–2 of 2 accounts" {
		t.Errorf("of those with incidents it says %q", count())
	}
	pick("all")
	run(t, b, chromedp.Focus(`[data-by="key"]`))
	run(t, b, chromedp.KeyEvent(" "))
	if got := first(); got != "111122200001" {
		t.Errorf("by account the first is %q", got)
	}
	if got := b.text(t, `document.querySelector('[data-by="key"]').parentElement.getAttribute('aria-sort')`); got != "ascending" {
		t.Errorf("the order is said to be %q", got)
	}
	run(t, b, chromedp.Focus(`[data-by="alerts"]`))
	run(t, b, chromedp.KeyEvent(" "))
	if got := b.number(t, `Math.max(...[...document.querySelector('.overview tbody').rows].map(r => +r.dataset.alerts)) - +document.querySelector('.overview tbody').rows[0].dataset.alerts`); got != 0 {
		t.Errorf("by alerts the first account has %v fewer than another", got)
	}
	b.screen(t, 375, 1700, "dark")
	if got := b.number(t, `document.documentElement.scrollWidth`); got > 375 {
		t.Errorf("the page is %v px wide on a screen of 375 px", got)
	}
	b.picture(t, "organization-phone-dark")
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.complaints) > 0 {
		t.Errorf("the browser complains: %s", strings.Join(b.complaints, "; "))
	}
}
