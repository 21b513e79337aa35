package health

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
)

// scheduled are those that a schedule calls.
func (c *Checker) scheduled() []string {
	names := []string{eventrules.Sweep}
	if c.want.Quarantine {
		names = append(names, eventrules.Quarantine)
	}
	return names
}

// functionNames are those of the guard, but Security Hub's.
func (c *Checker) functionNames() []string {
	names := []string{eventrules.RootActivity, eventrules.IAMUser, eventrules.Sweep}
	if c.want.Quarantine {
		names = append(names, eventrules.Quarantine)
	}
	return names
}

// runtime is what the functions are built for.
const runtime = "provided.al2023"

// least is how long a function must be allowed to run for at least.
const least = 30 * time.Second

// functionChecks are four checks of each function, of one answer.
func (c *Checker) functionChecks(a *answers) []check {
	checks := make([]check, 0, 4*len(a.names))
	rules, err := c.wantedRules()
	for _, name := range a.names {
		full := c.function(name)
		found := a.functions[name]
		judge := func(judge func(*Function) verdict) func(ctx context.Context) verdict {
			return func(ctx context.Context) verdict {
				f, err := found.get(ctx)
				if err != nil {
					return of(err, fail("There is no function "+full, c.again()))
				}
				return judge(&f)
			}
		}
		checks = append(checks, check{
			id: "function." + name, group: "functions", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
			proves: "The function can run, and has its settings", run: judge(func(f *Function) verdict { return c.judgeFunction(full, f) }),
		}, check{
			id: "code." + name, group: "functions", region: c.want.Region, severity: detect.Critical, every: SlowEvery,
			proves: "It runs the code that was deployed",
			run: func(ctx context.Context) verdict {
				f, err := found.get(ctx)
				if err != nil {
					return of(err, warn("There is no function "+full, "See function."+name))
				}
				return c.judgeCode(name, full, &f)
			},
		}, check{
			id: "permission." + name, group: "functions", region: c.want.Region, severity: detect.High, every: SlowEvery,
			proves: "Its rules may call it",
			run: judge(func(f *Function) verdict {
				if err != nil {
					return unanswered(err)
				}
				return c.judgePolicy(full, c.functionARN(name), f.Policy, rules)
			}),
		}, check{
			id: "failures." + name, group: "functions", region: c.want.Region, severity: detect.High, every: SlowEvery,
			proves: "What it fails on is kept in the queue of failed events",
			run: judge(func(f *Function) verdict {
				queue := c.queueARN(c.want.Failed)
				if queue == "" {
					return warn("Which queue it should be is not known: rootguard was deployed by an older version", "Deploy again: make deploy")
				}
				if f.OnFailure != queue {
					return fail("What the function "+full+" fails on is lost: it does not go to the queue "+nameOf(queue),
						fmt.Sprintf(`aws lambda put-function-event-invoke-config --region %s --function-name %s --maximum-retry-attempts 2 --destination-config '{"OnFailure":{"Destination":"%s"}}'`, c.want.Region, full, queue))
				}
				return well()
			}),
		})
	}
	return checks
}

func (c *Checker) judgeFunction(name string, f *Function) verdict {
	cli := func(call string) string {
		return fmt.Sprintf("aws lambda %s --region %s --function-name %s", call, c.want.Region, name)
	}
	switch {
	case f.Reserved != nil && *f.Reserved == 0:
		return surely("The function "+name+" may not run: its reserved concurrency is 0", cli("delete-function-concurrency"))
	case f.State == "Failed":
		return surely("The function "+name+" cannot run: "+f.Reason, "Fix what Lambda names, then: make deploy")
	case f.Update == "Failed":
		return fail("The last change of the function "+name+" failed: "+f.UpdateWhy, "Fix what Lambda names, then: make deploy")
	case f.State == "Pending":
		return fail("The function "+name+" is not ready yet: "+f.Reason, "Wait until a deployment is done")
	case f.Runtime != runtime:
		return fail(fmt.Sprintf("The function %s has the runtime %s, for which it is not built", name, f.Runtime),
			cli("update-function-configuration")+" --runtime "+runtime)
	}
	if f.VPC != "" {
		return surely("The function "+name+" is in the VPC "+f.VPC+", from which it may not reach AWS", cli("update-function-configuration")+
			" --vpc-config SubnetIds=[],SecurityGroupIds=[]")
	}
	if f.Timeout < least {
		return fail(fmt.Sprintf("The function %s is stopped after %s, before it can be done", name, f.Timeout),
			cli("update-function-configuration")+fmt.Sprintf(" --timeout %d", int(least.Seconds())))
	}
	var wrong []string
	for _, v := range []struct{ name, want string }{
		{config.EnvTable, c.want.Table}, {config.EnvTopicARN, c.want.Alerts}, {config.EnvEscalationTopicARN, c.want.Escalation},
		{config.EnvChatTopicARN, c.want.Chat}, {config.EnvPrefix, c.want.Prefix}, {config.EnvKeys, c.want.Key},
	} {
		if f.Environment[v.name] != v.want {
			wrong = append(wrong, v.name)
		}
	}
	if len(wrong) > 0 {
		return fail("The function "+name+" has other settings than the rest: "+strings.Join(wrong, ", "),
			"Set them as the other functions have them: "+cli("get-function-configuration")+" --query Environment")
	}
	return well()
}

// handler is the file that Lambda runs; for this runtime it takes no notice of it
// where it is another (AWS Lambda Developer Guide, "Building a custom runtime").
const handler = "bootstrap"

// judgeCode holds a function's code against what was deployed. Lambda reports the
// hash of the archive that it was given (AWS Lambda API Reference,
// FunctionConfiguration, CodeSha256).
func (c *Checker) judgeCode(name, full string, f *Function) verdict {
	cli := func(call string) string {
		return fmt.Sprintf("aws lambda %s --region %s --function-name %s", call, c.want.Region, full)
	}
	switch want := c.want.Code[name]; {
	case len(f.Layers) > 0:
		return surely("The function "+full+" has the layer "+f.Layers[0]+", with which it was not deployed", cli("update-function-configuration")+
			" --layers []")
	case f.RuntimeUpdates != "" && f.RuntimeUpdates != "Auto":
		return fail("The function "+full+" stays on one version of its runtime: updates are "+f.RuntimeUpdates,
			cli("put-runtime-management-config")+" --update-runtime-on Auto")
	case f.Handler != handler:
		return fail("The function "+full+" has the handler "+f.Handler+", and was deployed with "+handler, cli("update-function-configuration")+
			" --handler "+handler)
	case want == "":
		return warn("Which code was deployed is not known: rootguard was deployed by an older version", "Deploy again: make deploy")
	case f.Update == "InProgress":
		return well() // a deployment changes the code first, and then what was deployed
	case f.Code != want:
		return fail("The function "+full+" runs other code than was deployed",
			"See who called UpdateFunctionCode, then deploy again after a change of the code: CloudFormation leaves alone what it thinks unchanged. To see its hash: "+cli("get-function-configuration")+" --query CodeSha256")
	}
	return well()
}

// judgePolicy says which rules may not call a function.
func (c *Checker) judgePolicy(name, arn, policy string, rules []wantedRule) verdict {
	statements := ofRules(policy)
	var refused []string
	for _, r := range rules {
		for _, t := range r.targets {
			if rule := c.arn("events", c.want.Region, "rule/"+c.want.Prefix+"-"+r.name); t.arn == arn && !permits(statements, rule, c.want.Account) {
				refused = append(refused, rule)
			}
		}
	}
	if len(refused) == 0 {
		return well()
	}
	names := make([]string, 0, len(refused))
	for _, rule := range refused[:min(len(refused), 5)] {
		names = append(names, nameOf(rule))
	}
	if n := len(refused); n > 5 {
		names = append(names, fmt.Sprintf("and %d more", n-5))
	}
	return fail("The function "+name+" may not be called by the rules "+strings.Join(names, ", "),
		fmt.Sprintf("aws lambda add-permission --region %s --function-name %s --statement-id %s --action lambda:InvokeFunction --principal events.amazonaws.com --source-account %s --source-arn %s",
			c.want.Region, name, nameOf(refused[0]), c.want.Account, refused[0]))
}

// permission is a statement of a function's resource policy.
type permission struct {
	Effect    string
	Principal json.RawMessage
	Action    oneOrMore[string]
	Condition map[string]map[string]oneOrMore[string]
}

// ofRules are the statements of a function's resource policy that are about calls by
// rules; none where it cannot be read.
func ofRules(policy string) []permission {
	var doc struct{ Statement oneOrMore[permission] }
	if json.Unmarshal([]byte(policy), &doc) != nil {
		return nil
	}
	return slices.DeleteFunc(doc.Statement, func(s permission) bool {
		var who struct{ Service oneOrMore[string] }
		var all string
		_ = json.Unmarshal(s.Principal, &who) // a text, then
		_ = json.Unmarshal(s.Principal, &all)
		return all != "*" && !matches(who.Service, "events.amazonaws.com") || !matches(s.Action, "lambda:InvokeFunction")
	})
}

// permits reports whether statements of ofRules let a rule call the function. What
// it does not understand it takes for a refusal.
func permits(statements []permission, rule, account string) bool {
	permitted := false
	for _, s := range statements {
		holds := true
		for operator, keys := range s.Condition {
			for name, values := range keys {
				var is string
				switch strings.ToLower(name) {
				case "aws:sourcearn":
					is = rule
				case "aws:sourceaccount":
					is = account
				}
				switch operator {
				case "ArnLike", "ArnEquals", "StringLike":
					holds = holds && is != "" && matches(values, is)
				case "StringEquals":
					holds = holds && is != "" && contains(values, is)
				default:
					holds = s.Effect == "Deny" && holds
				}
			}
		}
		switch {
		case holds && s.Effect == "Deny":
			return false
		case holds && s.Effect == "Allow":
			permitted = true
		}
	}
	return permitted
}

// oneOrMore reads a value of a policy, or a list of them.
type oneOrMore[T any] []T

// UnmarshalJSON is json.Unmarshaler's.
func (l *oneOrMore[T]) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '[' {
		return json.Unmarshal(raw, (*[]T)(l))
	}
	*l = make([]T, 1)
	return json.Unmarshal(raw, &(*l)[0])
}

func contains(values []string, is string) bool {
	for _, v := range values {
		if v == is {
			return true
		}
	}
	return false
}

// matches reports whether one of the values, in which "*" is any text and "?" any
// character, is the text.
func matches(values []string, is string) bool {
	for _, v := range values {
		if like(v, is) {
			return true
		}
	}
	return false
}

func like(pattern, text string) bool {
	star, retry := -1, 0
	p, t := 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, retry = p, t
			p++
		case p < len(pattern) && (pattern[p] == '?' || pattern[p] == text[t]):
			p++
			t++
		case star >= 0:
			retry++
			p, t = star+1, retry
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}
