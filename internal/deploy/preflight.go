package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The default quotas that a deployment can reach (Amazon EventBridge User Guide, "Amazon
// EventBridge quotas": rules per event bus; AWS Lambda Developer Guide, "Lambda quotas":
// new accounts begin with less than 1,000 concurrent executions).
const (
	rulesPerBus = 300
	// enoughExecutions is how many functions at once a flood of events needs, so that
	// none waits for long.
	enoughExecutions = 10
)

// Quotas are what an account still has room for.
type Quotas interface {
	// Rules counts the rules on the default event bus of a Region.
	Rules(ctx context.Context, region string) (int, error)
	// Executions are how many functions may run at once in a Region, those excepted
	// that are reserved for others.
	Executions(ctx context.Context, region string) (int, error)
}

// Permissions are what the caller's own policies allow.
type Permissions interface {
	// Source is the ARN of the user or role whose policies they are; an error says why
	// there is none, or none is known.
	Source(ctx context.Context) (string, error)
	// Denied are those of the actions that the policies do not allow on a resource.
	Denied(ctx context.Context, source string, actions []string, resource string) ([]string, error)
}

// ClosedError says that a policy of the organization closes Regions.
type ClosedError struct {
	Closed, Open []string
	Home         string
	Err          error // AWS's answer
}

func (e *ClosedError) Error() string {
	closed := strings.Join(e.Closed, ", ")
	switch {
	case slices.Contains(e.Closed, e.Home):
		return fmt.Sprintf("a policy of the organization closes %s to this account, and the guard runs there, since AWS records root's sign-ins there: have the policy allow it, or use another account: %v", e.Home, e.Err)
	case len(e.Open) == 0:
		return fmt.Sprintf("this account may use %s alone, as one that AWS makes for a project: deploy with --regions none. Then there is no second way out: if the guard is switched off, no other Region reports it, and root's calls to services in other Regions, if any succeed, are not seen; sign-ins of root, and all that is done in IAM, are: %v", e.Home, e.Err)
	default:
		return fmt.Sprintf("a policy of the organization closes %s to this account: deploy to the others with --regions %s; what is done in a closed Region is not seen: %v", closed, strings.Join(e.Open, ","), e.Err)
	}
}

// Unwrap is AWS's answer.
func (e *ClosedError) Unwrap() error { return e.Err }

// closes reports whether an error says that a policy denies what an account's own
// permissions may allow (IAM User Guide, "Troubleshoot access denied error messages").
func closes(err error) bool {
	text := err.Error()
	return strings.Contains(text, "service control policy") || strings.Contains(text, "explicit deny")
}

// Reach finds out whether the Regions of a deployment are open to the caller, before
// anything is made. It fails with a ClosedError where a policy closes some.
func (d *Deployer) Reach(ctx context.Context, regions []string) error {
	targets := d.Bundle.Targets(regions)
	answers := make([]error, len(targets))
	err := each(ctx, len(targets), func(ctx context.Context, i int) error {
		_, answers[i] = d.Stacks.Stack(ctx, targets[i])
		return nil
	})
	if err != nil {
		return err
	}
	closed := &ClosedError{Home: d.Bundle.Home()}
	for i, err := range answers {
		switch {
		case err != nil && closes(err):
			closed.Closed, closed.Err = append(closed.Closed, targets[i].Region), err
		case err == nil && i > 0:
			closed.Open = append(closed.Open, targets[i].Region)
		}
	}
	if closed.Err != nil {
		return closed
	}
	return errors.Join(answers...)
}

// Room compares what the stacks that are yet to be made need with the account's quotas,
// and returns a sentence for each that may not suffice or is not known.
func (d *Deployer) Room(ctx context.Context, q Quotas, regions []string) ([]string, error) {
	targets := d.Bundle.Targets(regions)
	all := make([]string, len(targets)+1)
	err := each(ctx, len(targets), func(ctx context.Context, i int) error {
		stack, err := d.Stacks.Stack(ctx, targets[i])
		if err != nil || stack.Status != "" {
			return err // its rules are among those that are there
		}
		needs, err := d.Bundle.rules(targets[i].Region)
		if err != nil {
			return err
		}
		switch has, err := q.Rules(ctx, targets[i].Region); {
		case err != nil:
			all[i] = fmt.Sprintf("whether there is room for %d more rules in %s is not known: %v", needs, targets[i].Region, err)
		case has+needs > rulesPerBus:
			all[i] = fmt.Sprintf("the default event bus in %s has %d rules, and this adds %d: unless its quota of %d was raised, the stack is rolled back; raise it under Service Quotas, Amazon EventBridge", targets[i].Region, has, needs, rulesPerBus)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch n, err := q.Executions(ctx, d.Bundle.Home()); {
	case err != nil:
		all[len(targets)] = "how many functions may run at once is not known: " + err.Error()
	case n < enoughExecutions:
		all[len(targets)] = fmt.Sprintf("only %d functions may run at once in %s besides those with reserved concurrency: in a flood of events alerts come late; raise it under Service Quotas, AWS Lambda, Concurrent executions", n, d.Bundle.Home())
	}
	return slices.DeleteFunc(all, func(s string) bool { return s == "" }), ctx.Err()
}

// Missing compares what Policy allows with what the caller's policies do, and returns a
// sentence if some of it is missing. That is a warning alone: the simulator does not know
// of everything that may allow a call. An error says why nothing is known.
func (d *Deployer) Missing(ctx context.Context, p Permissions, account string) (string, error) {
	needed, err := d.Bundle.statements(account)
	if err != nil {
		return "", err
	}
	source, err := p.Source(ctx)
	if err != nil {
		return "", err
	}
	denied := make([][]string, len(needed))
	errs := make([]error, len(needed))
	err = each(ctx, len(needed), func(ctx context.Context, i int) error {
		denied[i], errs[i] = p.Denied(ctx, source, needed[i].Action, d.example(needed[i].Resource[0]))
		return nil
	})
	if err := cmp.Or(err, cmp.Or(errs...)); err != nil {
		return "", err
	}
	missing := slices.Sorted(slices.Values(slices.Concat(denied...)))
	if missing = slices.Compact(missing); len(missing) == 0 {
		return "", nil
	}
	const most = 8 // the policy has them all
	list := strings.Join(missing[:min(len(missing), most)], ", ")
	if more := len(missing) - most; more > 0 {
		list += fmt.Sprintf(" and %d more", more)
	}
	return fmt.Sprintf("your policies may not allow all that a deployment calls, and where a call is denied the stack is rolled back: %s; rootguard deploy --policy-of %s prints a policy that suffices", list, account), nil
}

// example is a resource of those that a pattern means: in the guard's Region.
func (d *Deployer) example(pattern string) string {
	parts := strings.SplitN(pattern, ":", 6)
	if len(parts) != 6 {
		return pattern
	}
	if parts[3] == "*" {
		parts[3] = d.Bundle.Home()
	}
	parts[5] = strings.ReplaceAll(parts[5], "*", "example")
	return strings.Join(parts, ":")
}

// rules counts the rules of a Region's template, those with a condition too.
func (b *Bundle) rules(region string) (int, error) {
	name := b.TemplateOf(region)
	text, err := b.Template(name)
	if err != nil {
		return 0, err
	}
	var template struct {
		Resources map[string]struct{ Type string }
	}
	if err := json.Unmarshal(text, &template); err != nil {
		return 0, fmt.Errorf("reading template %s: %w", name, err)
	}
	n := 0
	for _, r := range template.Resources {
		if r.Type == "AWS::Events::Rule" {
			n++
		}
	}
	return n, nil
}
