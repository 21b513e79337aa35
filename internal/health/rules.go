package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/detect"
	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
)

const (
	enabled    = "ENABLED"
	enabledAll = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
)

// wantedRule is a rule as it is deployed.
type wantedRule struct {
	name, region, state, description string
	pattern, schedule                string
	targets                          []wantedTarget
}

type wantedTarget struct {
	arn, deadLetters string
	rewrites         bool
	any              bool // its name is not known
}

// direct are the rules that need neither function nor table.
func (c *Checker) direct() []eventrules.Rule {
	rules := eventrules.Direct(c.want.Prefix)
	if c.want.Key != "" {
		rules = append(rules, eventrules.DirectKey(c.want.Key))
	}
	return rules
}

func stateOf(r eventrules.Rule) string {
	if r.AllManagementEvents {
		return enabledAll
	}
	return enabled
}

func (c *Checker) arn(service, region, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", c.want.Partition, service, region, c.want.Account, resource)
}

// function is the name of a function.
func (c *Checker) function(name string) string { return c.want.Prefix + "-" + name }

func (c *Checker) functionARN(name string) string {
	return c.arn("lambda", c.want.Region, "function:"+c.function(name))
}

// queueARN is the ARN of a queue of which the URL is known; "" where it is not.
func (c *Checker) queueARN(url string) string {
	if url == "" {
		return ""
	}
	return c.arn("sqs", c.want.Region, url[strings.LastIndexByte(url, '/')+1:])
}

// chooseRules are the rules of the home Region, for wantedRules.
func (c *Checker) chooseRules() ([]wantedRule, error) {
	rules, err := c.eventRules()
	if err != nil {
		return nil, fmt.Errorf("choosing the rules: %w", err)
	}
	queue := c.queueARN(c.want.Undelivered)
	var wanted []wantedRule
	add := func(r eventrules.Rule, targets ...wantedTarget) {
		wanted = append(wanted, wantedRule{name: r.Name, region: c.want.Region, state: stateOf(r), description: r.Description,
			pattern: r.Pattern, targets: targets})
	}
	for _, r := range slices.Concat(rules, eventrules.Heartbeats(c.want.Prefix, c.want.Account)) {
		add(r, wantedTarget{arn: c.functionARN(r.Function), deadLetters: queue})
	}
	var topics []wantedTarget
	for _, topic := range c.topicARNs() {
		topics = append(topics, wantedTarget{arn: topic, deadLetters: queue, rewrites: true})
	}
	direct := c.direct()
	for _, r := range direct {
		add(r, topics...)
	}
	alive := eventrules.Alive(c.want.Prefix, c.want.Account)
	if c.want.Second == "" {
		add(alive, wantedTarget{any: true}) // a queue that is for nothing else
	} else {
		bus := c.arn("events", c.want.Second, "event-bus/default")
		add(alive, wantedTarget{arn: bus})
		sending, _ := eventrules.Second(direct, c.want.Account, c.want.Region)
		for _, r := range sending {
			add(r, wantedTarget{arn: bus, deadLetters: queue})
		}
	}
	for _, name := range c.scheduled() {
		wanted = append(wanted, wantedRule{
			name: "schedule-" + name, region: c.want.Region, state: enabled, schedule: eventrules.Schedule,
			description: "The schedule of the function " + name,
			targets:     []wantedTarget{{arn: c.functionARN(name), deadLetters: queue}},
		})
	}
	return wanted, nil
}

// rules are the checks of the home Region's rules.
func (c *Checker) rules() []check {
	wanted, err := c.wantedRules()
	if err != nil {
		return []check{{id: "rules", group: "rules", region: c.want.Region, proves: "Every rule is enabled as deployed", severity: detect.High,
			run: func(context.Context) verdict { return unanswered(err) }}}
	}
	found := &once[[]Rule]{ask: func(ctx context.Context) ([]Rule, error) { return c.ports.Rules.Rules(ctx, "", c.want.Prefix+"-") }}
	var checks []check
	for _, w := range wanted {
		checks = append(checks, check{
			id: "rule." + w.name, group: "rules", region: c.want.Region, severity: detect.High,
			proves: "Enabled, with the pattern deployed: " + w.description,
			run: func(ctx context.Context) verdict {
				rules, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				return c.judgeRule(c.want.Prefix+"-", &w, rules)
			},
		})
	}
	for _, w := range wanted {
		checks = append(checks, check{
			id: "target." + w.name, group: "targets", region: c.want.Region, severity: detect.High, every: SlowEvery,
			proves: "Its events go where they should, and to the queue where they cannot",
			run:    func(ctx context.Context) verdict { return c.target(ctx, "", c.want.Prefix+"-", &w) },
		})
	}
	return checks
}

func (c *Checker) judgeRule(prefix string, w *wantedRule, rules []Rule) verdict {
	name := prefix + w.name
	i := slices.IndexFunc(rules, func(r Rule) bool { return r.Name == name })
	put := fmt.Sprintf("aws events put-rule --region %s --name %s --state %s ", w.region, name, w.state)
	if w.schedule != "" {
		put += fmt.Sprintf("--schedule-expression '%s'", w.schedule)
	} else {
		put += fmt.Sprintf("--event-pattern '%s'", w.pattern)
	}
	if i < 0 {
		return fail("There is no rule "+name, put+"; then rootguard doctor, which says what its target is")
	}
	r := &rules[i]
	switch {
	case r.State != enabled && r.State != enabledAll:
		fix := fmt.Sprintf("aws events enable-rule --region %s --name %s", w.region, name)
		if w.state != enabled {
			fix = put
		}
		return surely(fmt.Sprintf("The rule %s is %s", name, r.State), fix)
	case w.schedule != "" && r.Schedule != w.schedule:
		return fail(fmt.Sprintf("The schedule of %s is %q, not %q", name, r.Schedule, w.schedule), put)
	case w.schedule == "" && !eventpattern.Same(r.Pattern, w.pattern):
		return fail("The pattern of "+name+" is not the one that was deployed", put)
	case w.state == enabledAll && r.State == enabled:
		return fail("The rule "+name+" gets no events that only read: its state is ENABLED", put)
	case r.State != w.state:
		return warn("The rule "+name+" gets more events than it needs: its state is "+r.State, put)
	}
	return well()
}

const deployAgain = "Deploy again after a change of the stack, such as another setting: CloudFormation leaves alone what it thinks unchanged"

// target checks the targets of a rule.
func (c *Checker) target(ctx context.Context, region, prefix string, w *wantedRule) verdict {
	name := prefix + w.name
	targets, err := c.ports.Rules.Targets(ctx, region, name)
	if errors.Is(err, ErrAbsent) {
		return fail("There is no rule "+name, "Make the rule first: see rule."+w.name)
	}
	if err != nil {
		return unanswered(err)
	}
	for _, want := range w.targets {
		if want.any {
			if len(targets) == 0 {
				return fail("The rule "+name+" has no target, so that nothing counts its events", deployAgain)
			}
			continue
		}
		i := slices.IndexFunc(targets, func(t Target) bool { return t.ARN == want.arn })
		fix := deployAgain
		if strings.Contains(want.arn, ":lambda:") { // the others need a role, or a text
			fix = putTarget(name, w, want)
		}
		if i < 0 {
			return fail(fmt.Sprintf("The rule %s sends nothing to %s", name, want.arn), fix)
		}
		t := &targets[i]
		switch {
		case t.Rewrites != want.rewrites:
			return fail(fmt.Sprintf("The rule %s sends something else than its events to %s", name, want.arn), fix)
		case want.deadLetters != "" && t.DeadLetters != want.deadLetters:
			return verdict{outcome: Failed, severity: detect.Medium, fix: fix,
				why: fmt.Sprintf("What the rule %s cannot deliver is lost: it does not go to the queue %s", name, nameOf(want.deadLetters))}
		}
	}
	if len(targets) > len(w.targets) {
		return warn(fmt.Sprintf("The rule %s has %d targets, of which rootguard made %d", name, len(targets), len(w.targets)),
			fmt.Sprintf("Check them: aws events list-targets-by-rule --region %s --rule %s", w.region, name))
	}
	return well()
}

// putTarget is the command that sends a rule's events to a target again, as they
// are deployed: of a schedule's there is soon another one.
func putTarget(rule string, w *wantedRule, t wantedTarget) string {
	age, attempts := 24*60*60, 185
	if w.schedule != "" {
		age, attempts = 5*60, 10
	}
	spec := map[string]any{"Id": "function", "Arn": t.arn, "RetryPolicy": map[string]int{"MaximumEventAgeInSeconds": age,
		"MaximumRetryAttempts": attempts}}
	if t.deadLetters != "" {
		spec["DeadLetterConfig"] = map[string]string{"Arn": t.deadLetters}
	}
	text, err := json.Marshal([]any{spec})
	if err != nil {
		panic(fmt.Sprintf("writing a target: %v", err)) // texts always can be
	}
	return fmt.Sprintf("aws events put-targets --region %s --rule %s --targets '%s'", w.region, rule, text)
}

// nameOf is the last part of an ARN.
func nameOf(arn string) string { return arn[strings.LastIndexAny(arn, ":/")+1:] }

// forwarderOf begins the ID of the check of a Region's forwarder.
const forwarderOf = "forwarder."

// forwarders are the checks of the Regions whose events are forwarded. The guard
// is deployed before them, with or without each: one that was never there is waited for.
func (c *Checker) forwarders(state State) []check { //nolint:funlen,gocognit // the answers of each call, in order
	rules, err := c.eventRules()
	if err != nil {
		return nil // reported by the home Region's
	}
	prefix := c.want.Prefix + "-forward-"
	queue := prefix + "undelivered"
	stack := func(region string) string { return c.want.Prefix + "-forward-" + region }
	var checks []check
	for _, region := range c.want.Regions {
		patient := !slices.Contains(state.Regions, region)
		found := &once[[]Rule]{ask: func(ctx context.Context) ([]Rule, error) { return c.ports.Rules.Rules(ctx, region, prefix) }}
		bus := c.arn("events", c.want.Region, "event-bus/default")
		wanted := make([]wantedRule, len(rules))
		for i, r := range rules {
			if region == c.want.Second {
				r = eventrules.Elsewhere(r, c.want.Region)
			}
			wanted[i] = wantedRule{name: r.Name, region: region, state: stateOf(r), pattern: r.Pattern,
				targets: []wantedTarget{{arn: bus, deadLetters: c.arn("sqs", region, queue)}}}
		}
		checks = append(checks, check{
			id: forwarderOf + region, group: "regions", region: region, severity: detect.High, every: SlowEvery,
			proves: "Its rules are enabled as deployed",
			run: func(ctx context.Context) verdict {
				there, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				if len(there) == 0 {
					none := surely("There is no rule "+prefix+"… in "+region, "Deploy the stack "+stack(region)+", or take "+region+
						" out of regions in cdk.json")
					none.certain, none.patient = !patient, patient
					return none
				}
				var faults []verdict
				for i := range wanted {
					if v := c.judgeRule(prefix, &wanted[i], there); v.outcome != OK {
						faults = append(faults, v)
					}
				}
				return worst(faults)
			},
		}, check{
			id: "targets." + region, group: "regions", region: region, severity: detect.High, every: Rarely,
			proves: "Its rules send to " + c.want.Region + ", on a bus that uses no key of others",
			run: func(ctx context.Context) verdict {
				there, err := found.get(ctx)
				if err != nil {
					return unanswered(err)
				}
				var faults []verdict
				for i := range wanted {
					w := &wanted[i]
					if !slices.ContainsFunc(there, func(r Rule) bool { return r.Name == prefix+w.name }) {
						continue // reported by the other check
					}
					switch v := c.target(ctx, region, prefix, w); v.outcome {
					case OK:
					case Unknown:
						return v
					case Failed:
						v.fix = "Delete the stack " + stack(region) + " and deploy it again; its queue must be empty: rootguard redrive --forwarder " + region
						faults = append(faults, v)
					case Warning:
						faults = append(faults, v)
					}
				}
				b, err := c.ports.Rules.DefaultBus(ctx, region)
				if err != nil {
					return unanswered(err)
				}
				if v := c.judgeBus(&b, region, false); v.outcome != OK {
					faults = append(faults, v)
				}
				return worst(faults)
			},
		}, check{
			id: "queue." + region, group: "regions", region: region, severity: detect.High, every: SlowEvery,
			proves: "No event waits that could not be forwarded",
			run: func(ctx context.Context) verdict {
				v := c.queue(ctx, region, queue, "rootguard redrive --forwarder "+region)
				v.patient = v.certain && patient // there is none
				v.certain = v.certain && !patient
				return v
			},
		})
	}
	return checks
}

// worst joins what is wrong with several things.
func worst(faults []verdict) verdict {
	out := well()
	why := make([]string, len(faults))
	for i, v := range faults {
		why[i] = v.why
		if out.outcome == OK || out.outcome == Warning && v.outcome == Failed {
			out = v
		}
		out.certain = out.certain || v.certain
	}
	if n := len(why); n > 1 {
		out.why = strings.Join(why[:min(n, 3)], "; ")
		if n > 3 {
			out.why += fmt.Sprintf("; and %d more", n-3)
		}
		out.severity = 0
	}
	for _, v := range faults {
		if v.fix != out.fix && v.fix != "" && !slices.Contains(out.more, v.fix) {
			out.more = append(out.more, v.fix)
		}
	}
	return out
}
