package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/detect"
)

// trail is the check that events come at all: without a trail that logs
// management events, EventBridge gets none (Amazon EventBridge User Guide, "AWS
// service events delivered via AWS CloudTrail").
func (c *Checker) trail() check {
	return check{
		id: "trail", group: "trail", region: c.want.Region, severity: detect.Critical,
		proves: "A trail logs management events, so that EventBridge gets them",
		run: func(ctx context.Context) verdict {
			trails, err := c.ports.Trails.Trails(ctx)
			if err != nil {
				return unanswered(err)
			}
			return c.judgeTrails(trails)
		},
	}
}

// judged is what is wrong with a trail.
type judged struct {
	*Trail
	fault, shortcoming, fix string
}

func (c *Checker) judgeTrails(trails []Trail) verdict {
	var faulty, usable []judged
	var silent error
	for i := range trails {
		j := c.judgeTrail(&trails[i])
		switch {
		case j.Err != nil && j.fault == "":
			silent = j.Err
		case j.fault != "":
			faulty = append(faulty, j)
		default:
			usable = append(usable, j)
		}
	}
	slices.SortStableFunc(usable, func(a, b judged) int { return len(a.shortcoming) - len(b.shortcoming) })
	switch {
	case len(usable) > 0:
		best := usable[0]
		if own := slices.IndexFunc(faulty, func(j judged) bool { return c.named(j.Trail) }); own >= 0 {
			bad := faulty[own]
			return warn(fmt.Sprintf("The trail %s, which is set as one that feeds rootguard, %s; %s does instead", bad.Name, bad.fault, best.Name),
				bad.fix)
		}
		if best.shortcoming != "" {
			return warn(fmt.Sprintf("The trail %s %s", best.Name, best.shortcoming), best.fix)
		}
		return well()
	case silent != nil:
		return unanswered(silent)
	case len(faulty) == 0:
		return surely("No trail logs the events of "+c.want.Region+", so none reaches rootguard",
			`Set "trail": true in cdk.json and deploy, or make a multi-Region trail that logs management events`)
	default:
		faults := make([]string, 0, len(faulty))
		for _, j := range faulty[:min(len(faulty), 5)] {
			faults = append(faults, j.Name+" "+j.fault)
		}
		return surely("No trail logs what rootguard needs: "+strings.Join(faults, "; "), faulty[0].fix)
	}
}

// judgeTrail says what keeps a trail from feeding the guard, or feeds it less.
func (c *Checker) judgeTrail(t *Trail) judged {
	j := judged{Trail: t}
	cli := func(call string) string { return "aws cloudtrail " + call + " --region " + t.HomeRegion }
	update := cli("update-trail --name " + t.ARN + " --is-multi-region-trail --include-global-service-events")
	see := cli("get-event-selectors --trail-name " + t.ARN)
	// It takes the place of all selectors, and so would end the logging of data events.
	selectors := "See what it logs: " + see + " -- and where that is no data events: " +
		cli("put-event-selectors --trail-name "+t.ARN+` --event-selectors '[{"ReadWriteType":"All","IncludeManagementEvents":true}]'`)
	switch {
	case !t.MultiRegion && t.HomeRegion != c.want.Region:
		j.fault, j.fix = "is of "+t.HomeRegion+" alone", update
	case !t.GlobalServiceEvents:
		j.fault, j.fix = "leaves out global services such as IAM", update
	case t.Err != nil:
	case !t.Logging:
		j.fault, j.fix = "does not log", cli("start-logging --name "+t.ARN)
	case t.Unseen != nil:
		j.shortcoming, j.fix = "logs, but which events cannot be seen from here", "In the account that owns it: "+see
	case !t.Writes:
		j.fault, j.fix = "logs no management events that write", selectors
	case !t.Reads:
		j.shortcoming, j.fix = "logs no management events that only read, so that root's aws login, reads with a root key and sts:AssumeRoot are not seen", selectors
	case t.Partly != "":
		j.shortcoming, j.fix = "may leave events out by a selector on "+t.Partly, selectors
	case !t.MultiRegion && len(c.want.Regions) > 0:
		j.shortcoming, j.fix = "is of "+t.HomeRegion+" alone, so that sign-ins elsewhere are not seen", update
	case t.DeliveryError != "":
		j.shortcoming, j.fix = "cannot write its log files: "+
			t.DeliveryError, "Fix the policy of the trail's bucket or key: its log files are what rootguard replay reads"
	}
	return j
}

// named reports whether the trail is one that is set as the guard's.
func (c *Checker) named(t *Trail) bool {
	return slices.ContainsFunc(c.want.Trails, func(s string) bool { return s == t.ARN || s == t.Name })
}
