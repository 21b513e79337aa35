package health

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"rootguard/internal/config"
	"rootguard/internal/detect"
)

// need is what a function's role must allow, without which no alert is sent.
type need struct {
	action   string
	resource string
}

// needs are those of a function.
func (c *Checker) needs() []need {
	table := c.arn("dynamodb", c.want.Region, "table/"+c.want.Table)
	all := []need{{"dynamodb:Query", table + "/index/" + config.TableDueIndex}}
	for _, action := range []string{"BatchGetItem", "ConditionCheckItem", "PutItem", "Query", "UpdateItem"} {
		all = append(all, need{"dynamodb:" + action, table})
	}
	for _, topic := range c.topicARNs() {
		all = append(all, need{"sns:Publish", topic})
	}
	if c.want.Key != "" {
		all = append(all, need{"kms:Decrypt", c.want.Key}, need{"kms:GenerateDataKey", c.want.Key})
	}
	if queue := c.queueARN(c.want.Failed); queue != "" {
		all = append(all, need{"sqs:SendMessage", queue})
	}
	return all
}

// roles are the checks of the functions' roles. A policy that denies makes every
// function fail, and no rule of the guard's need see it: CloudFormation is not the
// only one who may add it.
func (c *Checker) roles(a *answers) []check {
	checks := make([]check, 0, len(a.names))
	for _, name := range a.names {
		full := c.function(name)
		checks = append(checks, check{
			id: "role." + name, group: "functions", region: c.want.Region, severity: detect.Critical, every: Hourly,
			proves: "Its role allows what it needs, and has the policies deployed",
			run: func(ctx context.Context) verdict {
				f, err := a.functions[name].get(ctx)
				if err != nil {
					return of(err, warn("There is no function "+full, "See function."+name))
				}
				role := nameOf(f.Role)
				r, err := c.ports.Roles.Role(ctx, role[strings.LastIndexByte(role, '/')+1:])
				if err != nil {
					return of(err, surely("There is no role "+f.Role+": the function "+full+" cannot run", c.again()))
				}
				return c.judgeRole(role, &r)
			},
		})
	}
	return checks
}

func (c *Checker) judgeRole(name string, r *Role) verdict {
	cli := func(call string) string { return "aws iam " + call + " --role-name " + name }
	if r.Boundary != c.want.Boundary {
		if r.Boundary == "" {
			return warn("The role "+name+" has no permissions boundary, and was deployed with "+c.want.Boundary,
				cli("put-role-permissions-boundary")+" --permissions-boundary "+c.want.Boundary)
		}
		return surely("The role "+name+" has the permissions boundary "+r.Boundary+
			", with which it was not deployed: calls that it leaves out are denied",
			cli("delete-role-permissions-boundary"))
	}
	if len(r.Attached) > 0 {
		return surely("The role "+name+" has the policy "+r.Attached[0]+" attached, with which it was not deployed", cli("detach-role-policy")+
			" --policy-arn "+r.Attached[0])
	}
	var all []statement
	for _, policy := range slices.Sorted(maps.Keys(r.Inline)) {
		statements, err := readPolicy(r.Inline[policy])
		if err != nil {
			return unanswered(fmt.Errorf("policy %s of role %s: %w", policy, name, err))
		}
		for i := range statements {
			if s := &statements[i]; s.Effect != "Allow" {
				return surely(fmt.Sprintf("The policy %s of the role %s denies, in %s, and rootguard deploys none that does", policy, name, s.named()),
					c.policyFix(name, policy, len(r.Inline)))
			}
		}
		all = append(all, statements...)
	}
	var lacks []string
	for _, n := range c.needs() {
		if !slices.ContainsFunc(all, func(s statement) bool { return s.allows(n.action, n.resource) }) {
			lacks = append(lacks, n.action+" on "+n.resource)
		}
	}
	if n := len(lacks); n > 0 {
		return fail(fmt.Sprintf("The role %s does not allow %s%s", name, lacks[0], more(n-1)), c.again())
	}
	if len(r.Inline) > 1 {
		names := slices.Sorted(maps.Keys(r.Inline))
		return fail(fmt.Sprintf("The role %s has %d policies, and was deployed with one: %s", name, len(names),
			strings.Join(names[:min(len(names), 5)], ", ")),
			"Delete what is not rootguard's: "+cli("delete-role-policy")+" --policy-name NAME")
	}
	return c.judgeTrust(name, r.Trust)
}

// policyFix removes a policy that denies. The one that was deployed is rewritten
// by a deployment that changes it.
func (c *Checker) policyFix(role, policy string, policies int) string {
	if policies > 1 {
		return fmt.Sprintf("aws iam delete-role-policy --role-name %s --policy-name %s; where that is the one deployed: %s", role, policy,
			c.again())
	}
	return c.again()
}

func more(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf(", and %d more", n)
}

// judgeTrust holds that Lambda may assume the role.
func (c *Checker) judgeTrust(name, policy string) verdict {
	statements, err := readPolicy(policy)
	if err != nil {
		return unanswered(fmt.Errorf("trust policy of role %s: %w", name, err))
	}
	fix := fmt.Sprintf(`aws iam update-assume-role-policy --role-name %s --policy-document '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}'`, name)
	trusted := false
	for i := range statements {
		s := &statements[i]
		lambda := s.Effect == "Allow" && !s.inverse() && len(s.Condition) == 0 && slices.Contains(s.Principal.Service, "lambda.amazonaws.com") &&
			covers(s.Action, "sts:AssumeRole")
		switch {
		case lambda:
			trusted = true
		case s.Effect == "Allow":
			return surely("The role "+name+" may be assumed by others than AWS Lambda", fix)
		default:
			return surely(fmt.Sprintf("The trust policy of the role %s denies, in %s", name, s.named()), fix)
		}
	}
	if !trusted {
		return surely("AWS Lambda may not assume the role "+name+": its function cannot run", fix)
	}
	return well()
}

// bus is the check of the default bus, on which every rule listens.
func (c *Checker) bus() check {
	return check{
		id: "bus", group: "rules", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
		proves: "The default event bus uses no key of others, and lets in those it should",
		run: func(ctx context.Context) verdict {
			b, err := c.ports.Rules.DefaultBus(ctx, "")
			if err != nil {
				return unanswered(err)
			}
			return c.judgeBus(&b, c.want.Region, c.want.Organization)
		},
	}
}

// busKey judges the key of a default bus: it encrypts the pattern and the targets of
// every rule on it (Amazon EventBridge User Guide, "Encrypting EventBridge event
// buses with AWS KMS keys"), so that no rule works once it is disabled.
func busKey(b *EventBus, region string) verdict {
	if b.Key == "" {
		return well()
	}
	return surely(fmt.Sprintf("The default event bus of %s is encrypted by the key %s, with which rootguard was not deployed: anyone who can disable that key stops every rule", region, b.Key),
		fmt.Sprintf("aws events update-event-bus --region %s --name default --kms-key-identifier ''", region))
}

func (c *Checker) judgeBus(b *EventBus, region string, members bool) verdict {
	if v := busKey(b, region); v.outcome != OK {
		return v
	}
	statements, err := readPolicy(b.Policy)
	if err != nil {
		return unanswered(fmt.Errorf("policy of the default event bus: %w", err))
	}
	sid := c.want.Prefix + "-members"
	admitted := false
	for i := range statements {
		s := &statements[i]
		if s.Effect != "Allow" {
			return surely(fmt.Sprintf("The policy of the default event bus of %s denies, in %s: events of other Regions and accounts may not arrive",
				region, s.named()),
				fmt.Sprintf("aws events remove-permission --region %s --event-bus-name default --statement-id %s", region, s.Sid))
		}
		admitted = admitted || s.Sid == sid && covers(s.Action, "events:PutEvents")
	}
	if members && !admitted {
		return fail("The policy of the default event bus has no statement "+sid+": the events of member accounts are refused", c.again())
	}
	return well()
}

// tableAccess is the check that no policy of the table's own keeps the functions
// from it: then nothing is claimed, so nothing is sent.
func (c *Checker) tableAccess(a *answers) check {
	return check{
		id: "table.policy", group: "table", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
		proves: "No policy of the table denies the functions, or lets in others",
		run: func(ctx context.Context) verdict {
			policy, err := c.ports.Tables.TablePolicy(ctx, c.arn("dynamodb", c.want.Region, "table/"+c.want.Table))
			if err != nil {
				return of(err, c.tableGone())
			}
			if policy == "" {
				return c.judgeTablePolicy("", nil)
			}
			var roles []string
			for _, name := range a.names {
				f, err := a.functions[name].get(ctx)
				if errors.Is(err, ErrAbsent) {
					continue
				}
				if err != nil {
					return unanswered(err)
				}
				roles = append(roles, f.Role)
			}
			return c.judgeTablePolicy(policy, roles)
		},
	}
}

// judgeTablePolicy judges a resource policy. What it does not understand it takes
// for a denial. The one that rootguard deploys denies changes to all but the
// functions' roles and the operators'.
func (c *Checker) judgeTablePolicy(policy string, roles []string) verdict {
	arn := c.arn("dynamodb", c.want.Region, "table/"+c.want.Table)
	remove := fmt.Sprintf("aws dynamodb delete-resource-policy --region %s --resource-arn %s", c.want.Region, arn)
	if c.want.Operators {
		remove = c.again()
	}
	statements, err := readPolicy(policy)
	if err != nil {
		return unanswered(fmt.Errorf("policy of the table %s: %w", c.want.Table, err))
	}
	guarded := false
	for i := range statements {
		s := &statements[i]
		if s.Effect != "Deny" && c.want.Adopted {
			return warn(fmt.Sprintf("The policy of the table %s lets in others, in %s", c.want.Table, s.named()), remove)
		}
		if s.Effect != "Deny" {
			return surely(fmt.Sprintf("The policy of the table %s lets in others, in %s: rows written from elsewhere can silence alerts",
				c.want.Table, s.named()), remove)
		}
		for _, role := range roles {
			if !spares(s, role) {
				return surely(fmt.Sprintf("The policy of the table %s denies the role %s, in %s: nothing can be claimed, so no alert is sent",
					c.want.Table, nameOf(role), s.named()), remove)
			}
		}
		guarded = guarded || covers(s.Action, "dynamodb:PutItem")
	}
	if c.want.Operators && !guarded {
		return surely("The policy of the table "+c.want.Table+" does not keep others from writing, though operators are set", c.again())
	}
	return well()
}

// spares reports whether a statement that denies leaves out a principal: by a
// condition that it is none of some, or in that it is of others alone.
func spares(s *statement, arn string) bool {
	for operator, keys := range s.Condition {
		switch operator {
		case "ArnNotLike", "ArnNotEquals", "StringNotLike", "StringNotEquals":
		default:
			continue
		}
		for key, values := range keys {
			if strings.EqualFold(key, "aws:PrincipalArn") && matches(values, arn) {
				return true
			}
		}
	}
	p := &s.Principal
	if len(s.NotPrincipal) > 0 || p.All || p.Other {
		return false
	}
	parts := strings.Split(arn, ":")
	if len(parts) < 5 {
		return false
	}
	account := parts[4]
	return !slices.ContainsFunc(p.AWS, func(who string) bool {
		return who == arn || who == account || strings.HasSuffix(who, ":"+account+":root") || !strings.HasPrefix(who, "arn:")
	})
}

// judgeTopicPolicy holds that alarms and rules may publish, and that nothing is
// denied but what comes without TLS.
func (c *Checker) judgeTopicPolicy(arn, policy string) verdict {
	statements, err := readPolicy(policy)
	if err != nil {
		return unanswered(fmt.Errorf("policy of the topic %s: %w", nameOf(arn), err))
	}
	fix := "Deploy again after a change of the stack, such as another setting: CloudFormation leaves alone what it thinks unchanged. What the policy is: " +
		fmt.Sprintf("aws sns get-topic-attributes --region %s --topic-arn %s --query Attributes.Policy --output text", regionOf(arn), arn)
	let := map[string]bool{}
	for i := range statements {
		s := &statements[i]
		if s.Effect == "Deny" {
			if !insecure(s) {
				return surely(fmt.Sprintf("The policy of the topic %s denies, in %s: alerts may not be published", nameOf(arn), s.named()), fix)
			}
			continue
		}
		if s.Effect == "Allow" && !s.inverse() && covers(s.Action, "sns:Publish") {
			for _, service := range s.Principal.Service {
				let[service] = true
			}
		}
	}
	for _, service := range []struct{ name, what string }{{"cloudwatch.amazonaws.com", "alarms"}, {"events.amazonaws.com", "rules"}} {
		if !let[service.name] {
			return fail(fmt.Sprintf("The policy of the topic %s does not let %s publish: what they report is lost", nameOf(arn), service.what), fix)
		}
	}
	return well()
}

// insecure reports whether a statement denies calls without TLS alone.
func insecure(s *statement) bool {
	values := s.Condition["Bool"]["aws:SecureTransport"]
	return len(s.Condition) == 1 && len(s.Condition["Bool"]) == 1 && len(values) == 1 && values[0] == "false"
}

func regionOf(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 3 {
		return parts[3]
	}
	return ""
}
