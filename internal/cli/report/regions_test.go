package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/partition"
	"rootguard/internal/testenv"
)

// TestRegionsOf compares what the section on Regions says with the data it is made of.
func TestRegionsOf(t *testing.T) {
	t.Parallel()
	aws, _ := partition.Of("aws")
	gov, _ := partition.Of("aws-us-gov")
	const unread = " it is not known from which Regions events were read: replay the logs again."
	const numbers = "The numbers are of accounts: "
	const forwarded = "No event is forwarded from: "
	for name, tt := range map[string]struct {
		coverage Coverage
		accounts int
		lines    []string // the beginning of each; none: there is no section
		seen     []string // as listed, with how many
		unseen   []string
		of       []string // what the section of each account says, its beginning
		notes    int
	}{
		"nothing known":                  {accounts: 2},
		"no account":                     {coverage: Coverage{Deployed: true, Covered: aws.Regions}},
		"logs without Regions, one":      {coverage: Coverage{Read: map[string][]string{}}, accounts: 1, lines: []string{"Of this account" + unread}, of: []string{""}},
		"logs without Regions, several":  {coverage: Coverage{Read: map[string][]string{}}, accounts: 3, lines: []string{"Of 3 of 3 accounts" + unread}, of: []string{"", "", ""}},
		"logs of every Region":           {coverage: Coverage{Read: map[string][]string{"0": aws.Regions}}, accounts: 1, lines: []string{"Events were read from every Region"}, seen: slices.Sorted(slices.Values(aws.Regions)), of: []string{"Events were read from us-east-1, "}},
		"logs of one Region of GovCloud": {coverage: Coverage{Read: map[string][]string{"0": {"us-gov-east-1"}}}, accounts: 1, lines: []string{"Of the Regions that every account has by default, no event was read from: us-gov-west-1. It can be that nothing happened there, or"}, seen: []string{"us-gov-east-1"}, unseen: []string{"us-gov-west-1"}, of: []string{"Events were read from us-gov-east-1. No event was read from: us-gov-west-1."}},
		"a Region of no known partition": {coverage: Coverage{Read: map[string][]string{"0": {"us-iso-east-1"}}}, accounts: 1, lines: []string{"Events were read from every Region"}, seen: []string{"us-iso-east-1"}, of: []string{"Events were read from us-iso-east-1."}},
		"several accounts, one unknown": {
			coverage: Coverage{Read: map[string][]string{"0": {"us-gov-east-1"}, "1": {"us-gov-east-1"}}}, accounts: 3,
			lines: []string{"Of 1 of 3 accounts" + unread, "Of the Regions that every account has by default, no event was read from: us-gov-west-1.", numbers},
			seen:  []string{"us-gov-east-1 2 of 2"}, unseen: []string{"us-gov-west-1 0 of 2"}, of: []string{"Events", "Events", ""},
		},
		"accounts of two partitions": {
			coverage: Coverage{Read: map[string][]string{"0": gov.Regions, "1": {"cn-north-1", "cn-northwest-1"}}}, accounts: 2,
			lines: []string{"From every Region that accounts have by default, events of some account were read.", numbers},
			seen:  []string{"cn-north-1 1 of 1", "cn-northwest-1 1 of 1", "us-gov-east-1 1 of 1", "us-gov-west-1 1 of 1"}, of: []string{"Events", "Events"},
		},
		"deployed, all covered":        {coverage: Coverage{Deployed: true, Covered: gov.Regions, Checked: day}, accounts: 1, lines: []string{"Events reach rootguard from every Region that an account has by default, and from those that rootguard's account has enabled.", "Of the Regions that must be enabled first"}, seen: []string{"us-gov-east-1", "us-gov-west-1"}, of: []string{""}},
		"deployed, not checked yet":    {coverage: Coverage{Deployed: true, Covered: gov.Regions}, accounts: 1, lines: []string{"Events reach rootguard from every Region that an account has by default.", "Which further Regions are enabled was not checked yet."}, seen: []string{"us-gov-east-1", "us-gov-west-1"}, of: []string{""}},
		"deployed, one left out":       {coverage: Coverage{Deployed: true, Covered: []string{"us-gov-west-1"}}, accounts: 1, lines: []string{forwarded + "us-gov-east-1. ", "Which"}, seen: []string{"us-gov-west-1"}, unseen: []string{"us-gov-east-1"}, of: []string{""}},
		"deployed, an opt-in Region":   {coverage: Coverage{Deployed: true, Covered: aws.Regions, Open: []string{"me-south-1"}, Checked: day, Notes: []string{"a", "b"}}, accounts: 1, lines: []string{forwarded + "me-south-1. ", "Of the Regions"}, seen: slices.Sorted(slices.Values(aws.Regions)), unseen: []string{"me-south-1"}, of: []string{""}, notes: 2},
		"deployed, both say the same":  {coverage: Coverage{Deployed: true, Covered: []string{"us-gov-west-1"}, Open: []string{"us-gov-east-1"}, Checked: day}, accounts: 1, lines: []string{forwarded + "us-gov-east-1. ", "Of the Regions"}, seen: []string{"us-gov-west-1"}, unseen: []string{"us-gov-east-1"}, of: []string{""}},
		"deployed, covered and opened": {coverage: Coverage{Deployed: true, Covered: []string{"us-gov-west-1", "us-gov-east-1"}, Open: []string{"us-gov-east-1"}, Checked: day}, accounts: 1, lines: []string{"Events reach rootguard", "Of the Regions"}, seen: []string{"us-gov-east-1", "us-gov-west-1"}, of: []string{""}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var sections []section
			for i := range tt.accounts {
				sections = append(sections, section{Account: Account{Status: bootstrap.Status{Account: strconv.Itoa(i)}}})
			}
			r := newRegions(&tt.coverage, sections)
			if r == nil || tt.lines == nil {
				if (r == nil) != (tt.lines == nil) {
					t.Fatalf("the section is %+v", r)
				}
				return
			}
			if len(r.Lines) != len(tt.lines) || len(r.Notes) != tt.notes {
				t.Fatalf("lines %q, notes %q", r.Lines, r.Notes)
			}
			for i, want := range tt.lines {
				if !strings.HasPrefix(r.Lines[i], want) {
					t.Errorf("line %q does not begin with %q", r.Lines[i], want)
				}
			}
			var seen, unseen []string
			for _, row := range r.List {
				text := strings.TrimSpace(row.Name + " " + row.Count)
				if row.Seen {
					seen = append(seen, text)
				} else {
					unseen = append(unseen, text)
				}
			}
			if diff := cmp.Diff(tt.seen, seen); diff != "" {
				t.Errorf("seen (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tt.unseen, unseen); diff != "" {
				t.Errorf("unseen (-want +got):\n%s", diff)
			}
			for i, want := range tt.of {
				if got := sections[i].Regions; !strings.HasPrefix(got, want) || want == "" && got != "" {
					t.Errorf("account %d: %q does not begin with %q", i, got, want)
				}
			}
		})
	}
}

// TestRegionsAreBounded holds that logs that name Regions without end do not make the
// page longer without end.
func TestRegionsAreBounded(t *testing.T) {
	t.Parallel()
	c := Coverage{Read: map[string][]string{}}
	var sections []section
	for i := range 500 {
		account := strconv.Itoa(i)
		c.Read[account] = []string{fmt.Sprintf("x%c-%c-1", 'a'+i/26, 'a'+i%26), "us-east-1"}
		sections = append(sections, section{Account: Account{Status: bootstrap.Status{Account: account}}})
	}
	r := newRegions(&c, sections)
	if len(r.List) != maxShown || r.List[0].Name != "us-east-1" || r.List[0].Count != "500 of 500" {
		t.Errorf("%d are listed, the first %+v", len(r.List), r.List[0])
	}
	if text := strings.Join(r.Lines, ""); len(text) > 2000 {
		t.Errorf("%d bytes of text", len(text))
	}
}

// TestRegionsInChromium reads the section of logs and of the deployed rootguard on a
// desktop, on a phone and in dark mode.
func TestRegionsInChromium(t *testing.T) {
	testenv.Soak(t)
	b := newBrowser(t)
	aws, _ := partition.Of("aws")
	logs := sample(3, 6)
	logs.Coverage.Read = map[string][]string{}
	for i := range logs.Accounts {
		logs.Coverage.Read[logs.Accounts[i].Status.Account] = aws.Regions[:3+i]
	}
	many := organization(320, 6)
	many.Coverage.Read = map[string][]string{}
	for i := range many.Accounts {
		many.Coverage.Read[many.Accounts[i].Status.Account] = aws.Regions[:1+i%16]
	}
	one := sample(1, 3)
	one.Coverage.Read = map[string][]string{one.Accounts[0].Status.Account: {"us-east-1", "eu-central-1"}}
	deployed := organization(50, 6)
	deployed.Live = true
	deployed.Coverage = Coverage{
		Deployed: true, Covered: aws.Regions[:15], Open: []string{"us-west-1", "us-west-2", "me-south-1"}, Checked: day,
		Notes: []string{"12 accounts whose forwarders cannot be checked: " + hostile + ", 111122200002, 111122200003 and 9 more", "3 accounts without a credential report: 111122200001"},
	}
	for name, tt := range map[string]struct {
		report       Report
		seen, unseen int
		text         string
	}{
		"logs":     {logs, 5, 12, "no event was read from: ap-southeast-1, "},
		"many":     {many, 16, 1, "no event was read from: us-west-2. "},
		"one":      {one, 2, 15, "no event was read from: ap-northeast-1, "},
		"deployed": {deployed, 15, 3, "No event is forwarded from: me-south-1, us-west-1, us-west-2."},
	} {
		t.Run(name, func(t *testing.T) {
			b.screen(t, 1280, 1700, "light")
			b.open(t, tt.report)
			for class, want := range map[string]int{"seen": tt.seen, "unseen": tt.unseen} {
				if got := b.number(t, `[...document.querySelectorAll('.regions .`+class+`')].filter(e => e.checkVisibility()).length`); int(got) != want {
					t.Errorf("%v Regions are shown as %s, want %d", got, class, want)
				}
			}
			if got := b.text(t, `document.querySelector('[aria-labelledby=regions]').textContent`); !strings.Contains(got, tt.text) {
				t.Errorf("the section is %q", got)
			}
			want := 0
			if !tt.report.Coverage.Deployed {
				want = min(len(tt.report.Accounts), maxDetails)
			}
			if got := b.number(t, `[...document.querySelectorAll('.account')].filter(e => e.textContent.includes('Events were read from')).length`); int(got) != want {
				t.Errorf("%v accounts say from which Regions events were read, want %d", got, want)
			}
			for _, screen := range []struct {
				width  int64
				scheme string
			}{{1280, "light"}, {1280, "dark"}, {375, "light"}, {375, "dark"}} {
				b.screen(t, screen.width, 900, screen.scheme)
				b.number(t, `document.getElementById('regions').scrollIntoView({behavior: 'instant'}), 0`)
				if got := b.number(t, `document.documentElement.scrollWidth`); got > float64(screen.width) {
					t.Errorf("the page is %v px wide on a screen of %d px", got, screen.width)
				}
				b.picture(t, fmt.Sprintf("regions-%s-%d-%s", name, screen.width, screen.scheme))
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			if len(b.complaints) > 0 {
				t.Errorf("the browser complains: %s", strings.Join(b.complaints, "; "))
			}
		})
	}
}
