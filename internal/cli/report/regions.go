package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"rootguard/internal/partition"
)

// Coverage is which Regions rootguard sees.
type Coverage struct {
	// Of the deployed rootguard:
	Deployed bool
	Covered  []string  // Regions whose events reach it
	Open     []string  // those that its account has enabled, by the latest check, and that are not covered
	Checked  time.Time // when that was; zero: never
	Notes    []string  // what else is not covered

	// Of logs: by account, the Regions in which events were read. An account that is
	// not in it was read by a version that did not keep them, or no record names its Region.
	Read map[string][]string // nil: it is not of logs
}

const (
	// maxNamed is how many Regions a text names, maxShown how many the page shows:
	// more than there are.
	maxNamed = 40
	maxShown = 100
)

// regions is the section of the page.
type regions struct {
	Lines []string
	List  []regionRow
	Notes []string
}

type regionRow struct {
	Name  string
	Seen  bool
	Count string // of logs of several accounts: "3 of 7"
}

// newRegions makes the section, and of logs what the section of each account says.
func newRegions(c *Coverage, sections []section) *regions {
	switch {
	case !c.Deployed && c.Read == nil || len(sections) == 0:
		return nil
	case c.Deployed:
		return deployedRegions(c)
	default:
		return logRegions(c, sections)
	}
}

// deployedRegions is of the deployed rootguard.
func deployedRegions(c *Coverage) *regions {
	covered := slices.Compact(slices.Sorted(slices.Values(c.Covered)))
	open := slices.Concat(c.Open, everyAccount(covered))
	slices.Sort(open)
	open = slices.DeleteFunc(slices.Compact(open), func(region string) bool { return slices.Contains(covered, region) })
	r := &regions{Notes: c.Notes}
	if len(open) > 0 {
		r.Lines = append(r.Lines, "No event is forwarded from: "+named(open)+
			". What root does there is not seen. Add them to the setting regions and deploy, or disable them where AWS allows it.")
	} else {
		r.Lines = append(r.Lines, "Events reach rootguard from every Region that an account has by default"+enabled(c)+".")
	}
	if c.Checked.IsZero() {
		r.Lines = append(r.Lines, "Which further Regions are enabled was not checked yet.")
	} else {
		r.Lines = append(r.Lines, "Of the Regions that must be enabled first, only those of rootguard's own account are checked.")
	}
	for _, region := range covered {
		r.List = append(r.List, regionRow{Name: region, Seen: true})
	}
	for _, region := range open {
		r.List = append(r.List, regionRow{Name: region})
	}
	r.List = r.List[:min(len(r.List), maxShown)]
	return r
}

func enabled(c *Coverage) string {
	if c.Checked.IsZero() {
		return ""
	}
	return ", and from those that rootguard's account has enabled"
}

// everyAccount are the Regions that every account has of the partitions that these are in.
func everyAccount(regions []string) (all []string) {
	for _, region := range regions {
		if p, ok := partition.OfRegion(region); ok && !slices.Contains(all, p.Home) {
			all = append(all, p.Regions...)
		}
	}
	slices.Sort(all)
	return all
}

// quiet is what no event can mean.
const quiet = "It can be that nothing happened there, or that the logs leave these Regions out: check that the trail is a multi-Region trail."

// logRegions is of logs.
func logRegions(c *Coverage, sections []section) *regions {
	r := &regions{}
	seen := map[string]int{}     // accounts with events in it
	expected := map[string]int{} // accounts that have it, by default or as its events show
	known := 0
	for i := range sections {
		s := &sections[i]
		read := c.Read[s.Status.Account]
		if len(read) == 0 {
			continue
		}
		known++
		without := slices.DeleteFunc(everyAccount(read), func(region string) bool { return slices.Contains(read, region) })
		for _, region := range read {
			seen[region]++
			expected[region]++
		}
		for _, region := range without {
			expected[region]++
		}
		s.Regions = "Events were read from " + named(read) + "."
		if len(without) > 0 {
			s.Regions += " No event was read from: " + named(without) + "."
		}
	}
	if known < len(sections) {
		what := fmt.Sprintf("Of %d of %d accounts", len(sections)-known, len(sections))
		if len(sections) == 1 {
			what = "Of this account"
		}
		r.Lines = append(r.Lines, what+" it is not known from which Regions events were read: replay the logs again.")
	}
	if known == 0 {
		return r
	}
	names := slices.SortedFunc(maps.Keys(expected), func(a, b string) int {
		return cmp.Or(cmp.Compare(seen[b], seen[a]), strings.Compare(a, b))
	})
	var without []string
	for _, region := range names {
		row := regionRow{Name: region, Seen: seen[region] > 0}
		if known > 1 {
			row.Count = fmt.Sprintf("%d of %d", seen[region], expected[region])
		}
		if !row.Seen {
			without = append(without, region)
		}
		r.List = append(r.List, row)
	}
	r.List = r.List[:min(len(r.List), maxShown)]
	switch {
	case len(without) == 0 && known == 1:
		r.Lines = append(r.Lines, "Events were read from every Region that an account has by default.")
	case len(without) == 0:
		r.Lines = append(r.Lines, "From every Region that accounts have by default, events of some account were read.")
	default:
		r.Lines = append(r.Lines, "Of the Regions that every account has by default, no event was read from: "+named(without)+". "+quiet)
	}
	if known > 1 {
		r.Lines = append(r.Lines, "The numbers are of accounts: those with events from the Region, and those that have it.")
	}
	return r
}

// named names Regions in a text.
func named(regions []string) string {
	text := strings.Join(regions[:min(len(regions), maxNamed)], ", ")
	if more := len(regions) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}
