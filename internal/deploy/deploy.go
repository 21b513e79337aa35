package deploy

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"rootguard/internal/partition"
)

// Target names a stack of the account.
type Target struct{ Region, Name string }

func (t Target) String() string { return t.Name + " in " + t.Region }

// Stack is what CloudFormation reports of a stack.
type Stack struct {
	Target
	// Status is CloudFormation's, such as CREATE_COMPLETE; "" where there is no stack.
	Status     string
	Reason     string // of the status, where it has one
	Parameters map[string]string
	Outputs    map[string]string
	Role       string // ARN of the role by which CloudFormation works on it; "" for its caller's permissions
}

// Request asks for a change set.
type Request struct {
	Target
	Create bool // there is no stack yet
	// Template is the text, or "" where it is at URL: CloudFormation takes no text of
	// more than 51,200 bytes.
	Template, URL string
	Parameters    map[string]string
}

// Change is what a change set does to one resource.
type Change struct {
	Action   string // Add, Modify, Remove, Import or Dynamic
	ID, Type string
	Replaces bool // the resource is, or may be, replaced
}

// ChangeSet is what would be done to a stack.
type ChangeSet struct {
	Target
	ID      string // "" where nothing is to be done
	Create  bool
	Changes []Change // of resources; there may be none, as where an output changes
}

// Stacks are CloudFormation's of one account.
type Stacks interface {
	// Stack reports on a stack, also on one that is not there.
	Stack(ctx context.Context, of Target) (Stack, error)
	// Plan makes a change set, and waits until it is there. One that was made has its
	// ID with an error too.
	Plan(ctx context.Context, r Request) (ChangeSet, error)
	// Start begins to execute a change set.
	Start(ctx context.Context, c ChangeSet) error
}

// Remover removes stacks and change sets.
type Remover interface {
	// Discard deletes a change set that was not executed, and the empty stack that
	// one which creates leaves.
	Discard(ctx context.Context, c ChangeSet) error
	// Delete begins to delete a stack.
	Delete(ctx context.Context, t Target) error
	// Failures are the reasons that resources gave in the latest operation on a stack.
	Failures(ctx context.Context, t Target) ([]string, error)
}

// Uploads is the bucket that templates and archives are put into.
type Uploads interface {
	// Prepare makes the bucket if it is not there. It fails for one of another account.
	Prepare(ctx context.Context) error
	Has(ctx context.Context, key string) (bool, error)
	Put(ctx context.Context, key string, data []byte) error
}

// Event is progress: what a stack's status is now.
type Event struct {
	Target
	Status      string
	Done, Total int // stacks
}

// Deployer deploys a bundle.
type Deployer struct {
	Bundle  *Bundle
	Stacks  Stacks
	Remover Remover
	Uploads Uploads
	// Bucket and Prefix are where Uploads puts things; URL is that of a key.
	Bucket, Prefix string
	URL            func(key string) string
	// Wait pauses between two questions about a status.
	Wait     func(ctx context.Context) error
	Progress func(Event) // may be nil
	// Updating is called before a deployment begins to change a guard that is there, once.
	// It may be nil.
	Updating func(ctx context.Context, guard Stack)
}

// Choices are what an operator gives. What is not given stays as deployed, or else
// is the templates' default.
type Choices struct {
	// Parameters are values of the templates' parameters, those of the bucket and of
	// the protection excepted.
	Parameters map[string]string
}

// NoEmailError says that neither the command nor the stack has an address.
type NoEmailError struct{}

func (NoEmailError) Error() string {
	return "no one would get the alerts: name the address, as in rootguard deploy ops@example.com"
}

// Plan is a deployment before it is done.
type Plan struct {
	Sets       []ChangeSet // of every stack, those without changes too; the guard's first
	Remove     []Target    // forwarders of Regions that are left out now
	Parameters map[string]string
	Before     Stack // the guard as it was
}

// Empty reports whether there is nothing to do.
func (p *Plan) Empty() bool {
	return len(p.Remove) == 0 && !slices.ContainsFunc(p.Sets, func(set ChangeSet) bool { return set.ID != "" })
}

// Changes counts the resources that would change.
func (p *Plan) Changes() int {
	n := 0
	for _, set := range p.Sets {
		n += len(set.Changes)
	}
	return n
}

// losable are the types of resources of which a removal, or a replacement, loses
// alerts or records.
var losable = []string{
	"AWS::CloudTrail::Trail", "AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Lambda::Function", "AWS::S3::Bucket", "AWS::SNS::Subscription",
	"AWS::SNS::Topic", "AWS::CloudFormation::StackSet", "AWS::Events::EventBusPolicy",
}

// Losses are the changes that take a receiver, a record or a function away. A key
// that is no longer used is one too.
func (p *Plan) Losses() []string {
	var out []string
	for _, set := range p.Sets {
		for _, c := range set.Changes {
			switch {
			case !slices.Contains(losable, c.Type):
			case c.Action == "Remove":
				out = append(out, fmt.Sprintf("%s: %s %s goes", set.Target, c.Type, c.ID))
			case c.Replaces:
				out = append(out, fmt.Sprintf("%s: %s %s is replaced", set.Target, c.Type, c.ID))
			}
		}
	}
	for _, t := range p.Remove {
		out = append(out, t.String()+": the forwarder goes, and with it this Region's events")
	}
	return out
}

// Targets are the stacks of a deployment with forwarders in these Regions, the
// guard's first.
func (b *Bundle) Targets(regions []string) []Target {
	p := b.partition()
	all := append(make([]Target, 0, 1+len(regions)), Target{p.Home, b.Prefix})
	for _, r := range regions {
		all = append(all, Target{r, b.Prefix + "-forward-" + r})
	}
	return all
}

func (b *Bundle) partition() partition.Partition {
	p, _ := partition.Of(b.Partition)
	return p
}

// TemplateOf is the name of a Region's template.
func (b *Bundle) TemplateOf(region string) string {
	switch p := b.partition(); region {
	case p.Home:
		return TemplateGuard
	case p.Second:
		return TemplateSecond
	default:
		return TemplateForward
	}
}

// Home is the Region of the guard.
func (b *Bundle) Home() string { return b.partition().Home }

// Regions are those with a forwarder: given, else as deployed, else all that every
// account has.
func (b *Bundle) Regions(given map[string]string, guard Stack) ([]string, error) {
	p := b.partition()
	text, ok := given[ParamRegions]
	if !ok {
		text, ok = guard.Parameters[ParamRegions]
	}
	if !ok {
		return p.Further(), nil
	}
	if text == "" {
		return nil, nil
	}
	regions := strings.Split(text, ",")
	slices.Sort(regions)
	regions = slices.Compact(regions)
	for _, r := range regions {
		switch of, known := partition.OfRegion(r); {
		case r == p.Home:
			return nil, fmt.Errorf("the guard itself runs in %s: leave it out of the Regions that forward", r)
		case !known || of.ID != p.ID:
			return nil, fmt.Errorf("%s is no Region of the partition %s: leave it out", r, p.ID)
		}
	}
	if p.Second != "" && !slices.Contains(regions, p.Second) {
		return nil, fmt.Errorf("%s must be among the Regions that forward, since the second way out is there: add it, or deploy with the CDK, which can choose another", p.Second)
	}
	return regions, nil
}

// Plan uploads what the stacks need, and makes their change sets, the guard's and
// the forwarders' side by side. It changes no stack, but for what an interrupted
// deployment left: an operation that still runs is waited for, and a stack whose
// creation failed, which CloudFormation cannot go on with, is deleted.
func (d *Deployer) Plan(ctx context.Context, c Choices) (*Plan, error) {
	guard, err := d.ready(ctx, Target{d.Bundle.Home(), d.Bundle.Prefix})
	if err != nil {
		return nil, err
	}
	regions, err := d.Bundle.Regions(c.Parameters, guard)
	if err != nil {
		return nil, err
	}
	plan := &Plan{Before: guard, Parameters: maps.Clone(guard.Parameters)}
	if plan.Parameters == nil {
		plan.Parameters = map[string]string{}
	}
	maps.Copy(plan.Parameters, c.Parameters)
	plan.Parameters[ParamBucket], plan.Parameters[ParamBucketPath] = d.Bucket, d.Prefix
	plan.Parameters[ParamRegions] = strings.Join(regions, ",")
	plan.Parameters[ParamProtect] = strconv.FormatBool(guard.Status != "")
	if plan.Parameters[ParamEmail] == "" {
		return nil, NoEmailError{}
	}
	if plan.Parameters[ParamEmail] == plan.Parameters[ParamEscalation] {
		return nil, errors.New("the address of escalations is that of the alerts: give another one, or none")
	}
	if before, ok := guard.Parameters[ParamRegions]; ok && before != "" {
		for _, r := range strings.Split(before, ",") {
			if !slices.Contains(regions, r) {
				plan.Remove = append(plan.Remove, Target{r, d.Bundle.Prefix + "-forward-" + r})
			}
		}
	}
	if err := d.upload(ctx); err != nil {
		return nil, err
	}
	targets := d.Bundle.Targets(regions)
	plan.Sets = make([]ChangeSet, len(targets))
	err = each(ctx, len(targets), func(ctx context.Context, i int) error {
		stack := guard
		if i > 0 {
			var err error
			if stack, err = d.ready(ctx, targets[i]); err != nil {
				return err
			}
		}
		set, err := d.planOne(ctx, stack, plan.Parameters)
		plan.Sets[i] = set // where it fails too: what was made is to be discarded
		if err != nil {
			return err
		}
		d.report(Event{Target: targets[i], Status: "PLANNED"})
		return nil
	})
	if err != nil {
		return plan, err
	}
	return plan, nil
}

func (d *Deployer) planOne(ctx context.Context, stack Stack, values map[string]string) (ChangeSet, error) {
	name := d.Bundle.TemplateOf(stack.Region)
	text, err := d.Bundle.Template(name)
	if err != nil {
		return ChangeSet{}, err
	}
	var template struct {
		Parameters map[string]json.RawMessage
	}
	if err := json.Unmarshal(text, &template); err != nil {
		return ChangeSet{}, fmt.Errorf("reading template %s: %w", name, err)
	}
	r := Request{Target: stack.Target, Create: stack.Status == "", Template: string(text), Parameters: map[string]string{}}
	if len(text) > maxTemplate {
		r.Template, r.URL = "", d.URL(d.key(templateFile(text)))
	}
	for parameter := range template.Parameters {
		if v, ok := values[parameter]; ok {
			r.Parameters[parameter] = v
		}
	}
	set, err := d.Stacks.Plan(ctx, r)
	if err != nil {
		return set, fmt.Errorf("planning stack %s: %w", stack.Target, err)
	}
	return set, nil
}

// maxTemplate is the most bytes of a template that CloudFormation takes as text
// (AWS CloudFormation User Guide, "Understand CloudFormation quotas").
const maxTemplate = 51_200

func (d *Deployer) key(file string) string { return d.Prefix + file }

func templateFile(text []byte) string { return "template-" + Sum(text)[:32] + ".json" }

// upload puts what is not there yet into the bucket.
func (d *Deployer) upload(ctx context.Context) error {
	if err := d.Uploads.Prepare(ctx); err != nil {
		return err
	}
	files := map[string][]byte{}
	guard, err := d.Bundle.Template(TemplateGuard)
	if err != nil {
		return err
	}
	files[templateFile(guard)] = guard
	for _, a := range d.Bundle.Archives {
		if files[a.File], err = d.Bundle.Archive(a); err != nil {
			return err
		}
	}
	names := slices.Sorted(maps.Keys(files))
	return each(ctx, len(names), func(ctx context.Context, i int) error {
		key := d.key(names[i])
		there, err := d.Uploads.Has(ctx, key)
		if err != nil || there {
			return err
		}
		return d.Uploads.Put(ctx, key, files[names[i]])
	})
}

// Discard removes the plan's change sets, where it is not to be done.
func (d *Deployer) Discard(ctx context.Context, p *Plan) error {
	return each(ctx, len(p.Sets), func(ctx context.Context, i int) error {
		if p.Sets[i].ID == "" {
			return nil
		}
		return d.Remover.Discard(ctx, p.Sets[i])
	})
}

// Apply does what was planned. What fails holds nothing else back; the same plan
// made again goes on from there.
func (d *Deployer) Apply(ctx context.Context, p *Plan) error {
	var sets []ChangeSet
	for _, set := range p.Sets {
		if set.ID != "" {
			sets = append(sets, set)
		}
	}
	if p.Before.Status != "" {
		d.updating(ctx, p.Before)
	}
	report := d.counter(len(sets) + len(p.Remove))
	err := each(ctx, len(sets), func(ctx context.Context, i int) error {
		if err := d.Stacks.Start(ctx, sets[i]); err != nil {
			return fmt.Errorf("deploying stack %s: %w", sets[i].Target, err)
		}
		return d.finish(ctx, sets[i].Target, report)
	})
	if err != nil {
		return err
	}
	if err := d.delete(ctx, p.Remove, report); err != nil {
		return err
	}
	if p.Before.Status != "" {
		return nil
	}
	return d.protect(ctx, p)
}

func (d *Deployer) updating(ctx context.Context, guard Stack) {
	if d.Updating != nil {
		d.Updating(ctx, guard)
	}
}

// protect has the guard's table protected, now that its stack is there.
func (d *Deployer) protect(ctx context.Context, p *Plan) error {
	guard, err := d.Stacks.Stack(ctx, p.Before.Target)
	if err != nil {
		return fmt.Errorf("protecting the table: %w", err)
	}
	values := maps.Clone(p.Parameters)
	values[ParamProtect] = "true"
	set, err := d.planOne(ctx, guard, values)
	if err != nil {
		return fmt.Errorf("protecting the table: %w", err)
	}
	if set.ID == "" {
		return nil
	}
	d.updating(ctx, guard)
	if err := d.Stacks.Start(ctx, set); err != nil {
		return fmt.Errorf("protecting the table: %w", err)
	}
	return d.finish(ctx, set.Target, d.counter(1))
}

// Destroy deletes the guard and the forwarders of these Regions.
func (d *Deployer) Destroy(ctx context.Context, targets []Target) error {
	return d.delete(ctx, targets, d.counter(len(targets)))
}

func (d *Deployer) delete(ctx context.Context, targets []Target, report func(Target, string)) error {
	return each(ctx, len(targets), func(ctx context.Context, i int) error {
		stack, err := d.settled(ctx, targets[i])
		if err != nil {
			return err
		}
		if stack.Status == "" {
			report(targets[i], "DELETE_COMPLETE")
			return nil
		}
		if err := d.Remover.Delete(ctx, targets[i]); err != nil {
			return err //nolint:wrapcheck // it names the stack
		}
		if stack, err = d.settled(ctx, targets[i]); err != nil {
			return err
		}
		if stack.Status != "" && stack.Status != "DELETE_COMPLETE" {
			return d.failure(ctx, stack, "deleting")
		}
		report(targets[i], "DELETE_COMPLETE")
		return nil
	})
}

// ready is a stack that a change set can be made for.
func (d *Deployer) ready(ctx context.Context, t Target) (Stack, error) {
	stack, err := d.settled(ctx, t)
	if err != nil {
		return Stack{}, err
	}
	switch stack.Status {
	// Of a creation, or a removal, that failed; and a change set and no stack yet.
	case "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED", "REVIEW_IN_PROGRESS":
		if err := d.delete(ctx, []Target{t}, func(Target, string) {}); err != nil {
			return Stack{}, fmt.Errorf("removing what an earlier attempt left of stack %s: %w", t, err)
		}
		return Stack{Target: t}, nil
	case "UPDATE_ROLLBACK_FAILED", "UPDATE_FAILED":
		return Stack{}, fmt.Errorf("stack %s is %s (%s): go on with its rollback first: aws cloudformation continue-update-rollback --stack-name %s --region %s", t, stack.Status, cmp.Or(stack.Reason, "no reason given"), t.Name, t.Region)
	case "DELETE_COMPLETE":
		return Stack{Target: t}, nil
	}
	return stack, nil
}

// settled waits until no operation on a stack runs.
func (d *Deployer) settled(ctx context.Context, t Target) (Stack, error) {
	for {
		stack, err := d.Stacks.Stack(ctx, t)
		if err != nil {
			return Stack{}, err
		}
		if !strings.HasSuffix(stack.Status, "_IN_PROGRESS") || stack.Status == "REVIEW_IN_PROGRESS" {
			return stack, nil
		}
		d.report(Event{Target: t, Status: stack.Status})
		if err := d.Wait(ctx); err != nil {
			return Stack{}, err
		}
	}
}

// finish waits for the end of an operation that deploys.
func (d *Deployer) finish(ctx context.Context, t Target, report func(Target, string)) error {
	stack, err := d.settled(ctx, t)
	// The change set is executed, and the status may not yet be that.
	for n := 0; err == nil && stack.Status == "REVIEW_IN_PROGRESS" && n < 20; n++ {
		if err = d.Wait(ctx); err == nil {
			stack, err = d.settled(ctx, t)
		}
	}
	if err != nil {
		return err
	}
	if stack.Status != "CREATE_COMPLETE" && stack.Status != "UPDATE_COMPLETE" {
		return d.failure(ctx, stack, "deploying")
	}
	report(t, stack.Status)
	return nil
}

// failure says why an operation failed, as far as CloudFormation does.
func (d *Deployer) failure(ctx context.Context, s Stack, doing string) error {
	reasons, err := d.Remover.Failures(ctx, s.Target)
	is := fmt.Sprintf("%s stack %s: it is %s", doing, s.Target, cmp.Or(s.Status, "gone"))
	if err != nil {
		return fmt.Errorf("%s: %s; its events may say more: %w", is, cmp.Or(s.Reason, "CloudFormation gives no reason"), err)
	}
	if len(reasons) == 0 {
		reasons = []string{cmp.Or(s.Reason, "CloudFormation gives no reason")}
	}
	return fmt.Errorf("%s: %s", is, strings.Join(reasons, "; "))
}

func (d *Deployer) report(e Event) {
	if d.Progress != nil {
		d.Progress(e)
	}
}

// counter reports each stack that is done.
func (d *Deployer) counter(total int) func(Target, string) {
	var mu sync.Mutex
	done := 0
	return func(t Target, status string) {
		mu.Lock()
		defer mu.Unlock()
		done++
		d.report(Event{Target: t, Status: status, Done: done, Total: total})
	}
}

// parallel is how many stacks are worked on at a time.
const parallel = 10

// each calls do for 0 to n-1, some at a time, and joins the errors in order. The
// error of an end of the context is reported once.
func each(ctx context.Context, n int, do func(ctx context.Context, i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	slots := make(chan struct{}, parallel)
	for i := range n {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if errs[i] = ctx.Err(); errs[i] == nil {
				errs[i] = do(ctx, i)
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}
