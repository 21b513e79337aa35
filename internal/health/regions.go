package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/detect"
)

// regionsCheck is the ID of the check of which Regions are enabled.
const regionsCheck = "regions"

// regions is the check that each Region that the account has enabled is forwarded
// from: root's calls to Regional services are events of their Region alone. One
// that every account has is left out on purpose, by the setting; one that was
// enabled since is reported once.
func (c *Checker) regions(state State) []check {
	return []check{{
		id: regionsCheck, group: "regions", region: c.want.Region, severity: detect.Low, every: Rarely,
		proves: "Events are forwarded from every Region that the account has enabled",
		run: func(ctx context.Context) verdict {
			if !c.want.OptIn {
				return c.judgeRegions(append([]string{c.want.Region}, c.want.Further...), nil)
			}
			enabled, err := c.ports.Regions.Enabled(ctx)
			if err != nil {
				return unanswered(err)
			}
			return c.judgeRegions(enabled, state.Enabled)
		},
	}}
}

// judgeRegions judges the enabled Regions; reported are those that were before.
func (c *Checker) judgeRegions(enabled, reported []string) verdict {
	var open, news []string
	for _, region := range enabled {
		if region == c.want.Region || slices.Contains(c.want.Regions, region) {
			continue
		}
		open = append(open, region)
		if !slices.Contains(c.want.Further, region) && !slices.Contains(reported, region) {
			news = append(news, region)
		}
	}
	slices.Sort(open)
	slices.Sort(news)
	v := well()
	switch {
	case len(news) > 0:
		v = surely("The account has enabled "+strings.Join(news, ", ")+", from where no event is forwarded: what root does there is not seen",
			regionsFix(news))
		v.once = true
	case len(open) > 0:
		v = warn("No event is forwarded from "+strings.Join(open, ", ")+": what root does there is not seen", regionsFix(open))
	}
	v.enabled = slices.Sorted(slices.Values(enabled))
	return v
}

func regionsFix(regions []string) string {
	return fmt.Sprintf("Add %s to regions in cdk.json, then: make deploy; or disable what the account does not use: aws account disable-region --region-name %s", strings.Join(regions, ", "), regions[0])
}
