package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"rootguard/internal/config"
	"rootguard/internal/detect"
)

// receivers are the checks of the subscriptions, one by one: one that is filtered,
// or gone among others, is lost without an error.
func (c *Checker) receivers(a *answers, state State) []check {
	var checks []check
	second := ""
	if c.want.Second != "" {
		second = c.secondTopic()
	}
	for _, t := range []struct {
		id, arn  string
		severity detect.Severity
	}{{"alerts", c.want.Alerts, detect.Critical}, {"escalation", c.want.Escalation, detect.High}, {"chat", c.want.Chat,
		detect.High}, {"second", second, detect.High}} {
		if t.arn == "" {
			continue
		}
		ask := func(judge func(r *Receivers) verdict) func(ctx context.Context) verdict {
			return func(ctx context.Context) verdict {
				r, err := a.receivers[t.arn].get(ctx)
				if errors.Is(err, ErrAbsent) && t.arn == second && !slices.Contains(state.Regions, c.want.Second) {
					return warn("There is no topic "+nameOf(t.arn)+" in "+c.want.Second, "See second.topic") // it is deployed after the guard
				}
				if err != nil {
					return of(err, surely("There is no topic "+nameOf(t.arn)+": alerts go nowhere", c.recreate()))
				}
				return judge(&r)
			}
		}
		checks = append(checks, check{
			id: "receivers." + t.id, group: "topics", region: regionOf(t.arn), severity: t.severity, every: SlowEvery,
			proves: "Every receiver deployed is subscribed, and gets every alert that it should",
			run:    ask(func(r *Receivers) verdict { return c.judgeReceivers(t.arn, r) }),
		})
		if t.arn != c.want.Chat {
			checks = append(checks, check{
				id: "unsubscribe." + t.id, group: "topics", region: regionOf(t.arn), severity: detect.Low, every: SlowEvery,
				proves: "No link in a message ends a subscription",
				run:    ask(func(r *Receivers) verdict { return c.judgeUnsubscribe(t.arn, r) }),
			})
		}
	}
	if c.want.SMS {
		checks = append(checks, check{
			id: "sms", group: "topics", region: c.want.Region, severity: detect.High, every: Hourly,
			proves: "The account may send text messages, for enough money a month",
			run: func(ctx context.Context) verdict {
				t, err := c.ports.Topics.Texting(ctx)
				if err != nil {
					return unanswered(err)
				}
				return c.judgeTexting(&t)
			},
		})
	}
	return checks
}

// urgentOnly and alertsOnly are the filters that are deployed: of text messages,
// and of the function that imports into Security Hub.
const (
	urgentOnly = `{"` + config.AttributeSeverity + `":["high","critical"]}`
	alertsOnly = `{"` + config.AttributeSeverity + `":[{"exists":true}]}`
)

func filterOf(protocol string) string {
	switch protocol {
	case "sms":
		return urgentOnly
	case "lambda":
		return alertsOnly
	}
	return ""
}

// ours reports whether a subscription is that of the function that imports into
// Security Hub.
func (c *Checker) ours(s *Receiver) bool {
	return s.Protocol == "lambda" && strings.HasSuffix(s.Endpoint, ":function:"+c.function(config.SecurityHub))
}

func (c *Checker) judgeReceivers(arn string, r *Receivers) verdict { //nolint:funlen,gocognit // one case for each kind of receiver
	cli := func(call string) string { return "aws sns " + call + " --region " + regionOf(arn) }
	if r.DataProtection != "" {
		return surely("The topic "+nameOf(arn)+" has a data protection policy, by which SNS may mask alerts or not deliver them",
			cli("put-data-protection-policy")+" --resource-arn "+arn+" --data-protection-policy ''")
	}
	there := map[string]bool{}
	var names, added []string
	for i := range r.List {
		s := &r.List[i]
		if s.Deleted {
			continue
		}
		id := config.ReceiverID(s.Protocol, s.Endpoint)
		there[id] = true
		names = append(names, s.Protocol+" "+s.Endpoint)
		deployed := c.ours(s) || slices.Contains(c.want.Receivers[arn], id)
		if !deployed {
			added = append(added, s.Protocol+" "+s.Endpoint)
		}
		if s.Pending || s.Unread || c.want.Deployed && !deployed && arn != c.want.Chat {
			continue
		}
		if route := c.want.Routes[id]; route != "" && arn == c.want.Alerts {
			if config.FilterID(s.Filter) != route || s.FilterScope == "MessageBody" {
				return surely(fmt.Sprintf("The receiver %s %s of the topic %s has the filter %.100q, with which it was not deployed: it does not get the alerts of its route", s.Protocol, s.Endpoint, nameOf(arn), s.Filter),
					cli("set-subscription-attributes")+" --subscription-arn "+s.ARN+
						" --attribute-name FilterPolicy --attribute-value FILTER, where FILTER is the FilterPolicy that its subscription has in the stack's template: aws cloudformation get-template")
			}
			continue
		}
		if filter := filterOf(s.Protocol); !sameJSON(s.Filter, filter) || s.Filter != "" && s.FilterScope == "MessageBody" {
			attributes := fmt.Sprintf(" --subscription-arn %s --attribute-name FilterPolicy --attribute-value '%s'", s.ARN, filter)
			if filter == "" {
				attributes = fmt.Sprintf(" --subscription-arn %s --attribute-name FilterPolicy --attribute-value '{}'", s.ARN)
			}
			return surely(fmt.Sprintf("The receiver %s %s of the topic %s has the filter %.100q, with which it was not deployed: it does not get every alert", s.Protocol, s.Endpoint, nameOf(arn), s.Filter),
				cli("set-subscription-attributes")+attributes)
		}
	}
	if !c.want.Deployed {
		return warn("Which receivers were deployed is not known: rootguard was deployed by an older version", "Deploy again: make deploy")
	}
	gone := 0
	for _, id := range c.want.Receivers[arn] {
		if !there[id] {
			gone++
		}
	}
	switch {
	case gone > 0:
		left := "none"
		if len(names) > 0 {
			left = strings.Join(names[:min(len(names), 5)], ", ") + more(len(names)-5)
		}
		var ended []string
		for i := range r.List {
			if s := &r.List[i]; s.Deleted {
				ended = append(ended, s.Protocol+" "+s.Endpoint)
			}
		}
		which := ""
		if len(ended) > 0 {
			which = " (" + strings.Join(ended[:min(len(ended), 5)], ", ") + ")"
		}
		return verdict{outcome: Failed, severity: detect.High,
			why: fmt.Sprintf("%d of %d receivers of the topic %s are subscribed no more%s, or never confirmed in time; left: %s", gone,
				len(c.want.Receivers[arn]), nameOf(arn), which, left),
			fix: cli("subscribe") + " --topic-arn " + arn +
				" --protocol PROTOCOL --notification-endpoint ENDPOINT, as cdk.json has it; CloudFormation does not make it again. Or take it out of cdk.json, then: make deploy"}
	case len(added) > 0 && arn != c.want.Chat:
		return warn(fmt.Sprintf("The topic %s has receivers that are not in cdk.json: %s%s", nameOf(arn), strings.Join(added[:min(len(added), 5)],
			", "), more(len(added)-5)),
			"Where you do not know them: "+cli("list-subscriptions-by-topic")+" --topic-arn "+arn+", and: "+cli("unsubscribe")+
				" --subscription-arn ARN")
	case r.Unprotected != nil:
		v := unanswered(r.Unprotected)
		v.outcome = Warning
		return v
	case r.More > 0:
		return warn(fmt.Sprintf("The filters of %d receivers of the topic %s were not read: there are too many", r.More, nameOf(arn)),
			"See them: "+cli("get-subscription-attributes")+" --subscription-arn ARN")
	}
	return well()
}

// judgeUnsubscribe reports subscriptions that the link in each message ends
// without a login (Amazon SNS API Reference, ConfirmSubscription,
// AuthenticateOnUnsubscribe).
func (c *Checker) judgeUnsubscribe(arn string, r *Receivers) verdict {
	confirm := fmt.Sprintf("aws sns confirm-subscription --region %s --topic-arn %s --authenticate-on-unsubscribe true --token TOKEN",
		regionOf(arn), arn)
	const where = "; TOKEN is in the address of the mail's link, which is not to be opened"
	open := make([]string, 0, len(r.List))
	fix := ""
	for i := range r.List {
		s := &r.List[i]
		switch s.Protocol {
		case "email", "email-json", "http", "https":
		default:
			continue
		}
		switch {
		case s.Deleted || s.Unread || s.Authenticated:
			continue
		case s.Pending:
			if fix == "" {
				fix = confirm + where
			}
		default:
			again := fmt.Sprintf("aws sns unsubscribe --region %[1]s --subscription-arn %[2]s && aws sns subscribe --region %[1]s --topic-arn %[3]s --protocol %[4]s --notification-endpoint %[5]s, then: ",
				regionOf(arn), s.ARN, arn, s.Protocol, s.Endpoint)
			if len(open) == 0 {
				fix = again + confirm + where
			}
		}
		open = append(open, s.Protocol+" "+s.Endpoint)
	}
	if len(open) == 0 {
		return well()
	}
	return warn(fmt.Sprintf("Anyone who gets a message of the topic %s, or a forwarded one, can end the subscription by the link in it: %s%s",
		nameOf(arn), strings.Join(open[:min(len(open), 5)], ", "), more(len(open)-5)), fix)
}

// judgeTexting reports what keeps text messages from being sent (Amazon SNS
// Developer Guide, "Using the Amazon SNS SMS sandbox", and SetSMSAttributes,
// MonthlySpendLimit: 1 dollar where nothing else is set).
func (c *Checker) judgeTexting(t *Texting) verdict {
	limit := 1.0
	if t.Limit != "" {
		parsed, err := strconv.ParseFloat(t.Limit, 64)
		if err != nil {
			return unanswered(fmt.Errorf("reading the monthly limit of text messages: %w", err))
		}
		limit = parsed
	}
	raise := fmt.Sprintf("aws sns set-sms-attributes --region %s --attributes MonthlySpendLimit=10; where that is more than your quota, ask AWS for more in Service Quotas", c.want.Region)
	switch {
	case limit <= 0:
		return surely("The account may spend nothing on text messages: none is sent", raise)
	case t.Sandbox:
		return warn("The account is in the SMS sandbox: text messages go to verified numbers only",
			fmt.Sprintf("Verify each number (aws sns create-sms-sandbox-phone-number --region %s --phone-number NUMBER), or leave the sandbox in the Amazon SNS console", c.want.Region))
	case limit <= 1:
		return warn(fmt.Sprintf("The account may spend $%.2f a month on text messages, which is a few of them; the rest is not sent", limit),
			raise)
	}
	return well()
}
