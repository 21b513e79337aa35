package health

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/detect"
)

// alarms are the checks of the alarms, which are what speaks where the functions
// cannot.
func (c *Checker) alarms() []check {
	return []check{{
		id: "alarms", group: "alarms", region: c.want.Region, severity: detect.High, every: SlowEvery,
		proves: "Every alarm is there, and rings on the topics",
		run: func(ctx context.Context) verdict {
			if !c.want.Deployed {
				return warn("Which alarms were deployed is not known: rootguard was deployed by an older version", "Deploy again: make deploy")
			}
			if len(c.want.Alarms) == 0 {
				return well()
			}
			alarms, err := c.ports.Alarms.Alarms(ctx, c.want.Prefix+"-")
			if err != nil {
				return unanswered(err)
			}
			return c.judgeAlarms(alarms)
		},
	}, {
		id: "alarms.muted", group: "alarms", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
		proves: "No alarm mute rule mutes an alarm of rootguard's",
		run: func(ctx context.Context) verdict {
			mutes, err := c.ports.Alarms.Mutes(ctx)
			if err != nil {
				return unanswered(err)
			}
			return c.judgeMutes(mutes)
		},
	}}
}

func (c *Checker) judgeAlarms(alarms []Alarm) verdict {
	cli := func(call string) string { return "aws cloudwatch " + call + " --region " + c.want.Region }
	var faults []verdict
	for _, name := range c.want.Alarms {
		i := slices.IndexFunc(alarms, func(a Alarm) bool { return a.Name == name })
		if i < 0 {
			faults = append(faults, fail("There is no alarm "+name, c.again()))
			continue
		}
		if !alarms[i].Enabled {
			faults = append(faults, surely("The alarm "+name+" does not ring: its actions are disabled",
				cli("enable-alarm-actions")+" --alarm-names "+name))
		}
		for _, topic := range c.topicARNs() {
			if !slices.Contains(alarms[i].Actions, topic) {
				faults = append(faults, fail("The alarm "+name+" does not ring on the topic "+nameOf(topic),
					"Deploy again after a change of the stack, such as another setting: CloudFormation leaves alone what it thinks unchanged"))
				break
			}
		}
	}
	return worst(faults)
}

func (c *Checker) judgeMutes(mutes []Mute) verdict {
	for _, m := range mutes {
		if len(m.Alarms) > 0 && !slices.ContainsFunc(m.Alarms, func(name string) bool { return strings.HasPrefix(name, c.want.Prefix+"-") }) {
			continue
		}
		return surely(fmt.Sprintf("The alarm mute rule %s mutes rootguard's alarms, now or at a time that it sets: they are what speaks where the functions cannot", m.Name),
			fmt.Sprintf("aws cloudwatch delete-alarm-mute-rule --region %s --alarm-mute-rule-name %s", c.want.Region, m.Name))
	}
	return well()
}
