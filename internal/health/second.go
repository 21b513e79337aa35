package health

import (
	"context"
	"slices"

	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
	"rootguard/internal/partition"
)

// secondTopic is the ARN of the topic of the second way out.
func (c *Checker) secondTopic() string { return c.want.SecondTopic() }

// SecondTopic is the ARN of the topic of the second way out.
func (e *Expected) SecondTopic() string {
	return "arn:" + e.Partition + ":sns:" + e.Second + ":" + e.Account + ":" + config.SecondTopic(e.Prefix)
}

// second are the checks of the second way out, by which what is done to the guard
// itself, and that it gives no sign of life, is reported without the home Region.
// It is deployed after the guard, so one that was never there is waited for.
func (c *Checker) second(state State) []check {
	if c.want.Second == "" {
		return []check{{
			id: "second", group: "second", region: c.want.Region, severity: detect.Medium, every: SlowEvery,
			proves: "The partition has no other Region: what is done to rootguard itself is reported from this one alone",
			run: func(context.Context) verdict {
				if p, ok := partition.Of(c.want.Partition); !ok || p.Second == "" {
					return well()
				}
				return warn("There is no second way out: what is done to rootguard's topics, rules and alarms is reported by these alone",
					"Name at least one further Region in regions of cdk.json, and deploy")
			},
		}}
	}
	stack := "Deploy the stack " + c.want.Prefix + "-forward-" + c.want.Second
	patient := !slices.Contains(state.Regions, c.want.Second)
	waits := func(v verdict) verdict {
		v.patient, v.certain = v.certain && patient, v.certain && !patient
		return v
	}
	topic := c.secondTopic()
	return []check{{
		id: "second.rules", group: "second", region: c.want.Second, severity: detect.High, every: SlowEvery,
		proves: "Its rules report what is done to rootguard, and count its heartbeats",
		run: func(ctx context.Context) verdict {
			found, err := c.ports.Rules.Rules(ctx, c.want.Second, config.SecondRule(c.want.Prefix))
			if err != nil {
				return unanswered(err)
			}
			if len(found) == 0 {
				return waits(surely("There is no rule "+config.SecondRule(c.want.Prefix)+"… in "+c.want.Second, stack))
			}
			var faults []verdict
			for _, w := range c.secondRules() {
				v := c.judgeRule(c.want.Prefix+"-", &w, found)
				if v.outcome == OK {
					v = c.target(ctx, c.want.Second, c.want.Prefix+"-", &w)
				}
				switch v.outcome {
				case Unknown:
					return v
				case OK:
				default:
					faults = append(faults, v)
				}
			}
			return worst(faults)
		},
	}, {
		id: "second.topic", group: "second", region: c.want.Second, severity: detect.High, every: SlowEvery,
		proves: "A receiver has confirmed to get what the second Region reports",
		run: func(ctx context.Context) verdict {
			t, err := c.ports.Topics.Topic(ctx, topic)
			if err != nil {
				return waits(of(err, surely("There is no topic "+nameOf(topic)+" in "+c.want.Second, stack)))
			}
			return c.judgeTopic(topic, &t)
		},
	}}
}

// secondRules are the rules of the second Region, but the forwarder's.
func (c *Checker) secondRules() []wantedRule {
	_, reporting := eventrules.Second(c.direct(), c.want.Account, c.want.Region)
	to := wantedTarget{arn: c.secondTopic(), deadLetters: c.arn("sqs", c.want.Second, config.ForwardQueue(c.want.Prefix)), rewrites: true}
	var wanted []wantedRule
	for _, r := range reporting {
		wanted = append(wanted, wantedRule{name: r.Name, region: c.want.Second, state: stateOf(r), pattern: r.Pattern,
			targets: []wantedTarget{to}})
	}
	alive := eventrules.Alive(c.want.Prefix, c.want.Account)
	return append(wanted, wantedRule{name: eventrules.SecondWay + alive.Name, region: c.want.Second, state: stateOf(alive),
		pattern: alive.Pattern, targets: []wantedTarget{{any: true}}})
}
