package deploy_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/deploy"
)

// cloud is CloudFormation and the bucket, in memory. As the real one it takes time
// (an operation ends at the second question), leaves a stack whose creation failed,
// and makes no change set without a change.
type cloud struct {
	mu      sync.Mutex
	stacks  map[deploy.Target]*stackState
	objects map[string][]byte
	bucket  bool
	calls   []string

	failAt int             // the call, from 1, that fails
	sick   map[string]bool // names of stacks that cannot be deployed
	lags   bool            // the status of a stack that is made is not at once that
}

type stackState struct {
	status, next string // next is the status at the question after
	template     string
	parameters   map[string]string
	planned      *deploy.Request
}

var errInjected = errors.New("injected")

func newCloud() *cloud {
	return &cloud{stacks: map[deploy.Target]*stackState{}, objects: map[string][]byte{}, sick: map[string]bool{}}
}

// call counts, and fails where it is to.
func (c *cloud) call(format string, args ...any) error {
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	if len(c.calls) == c.failAt {
		return errInjected
	}
	return nil
}

func (c *cloud) Stack(_ context.Context, of deploy.Target) (deploy.Stack, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Stack %s", of); err != nil {
		return deploy.Stack{}, err
	}
	s := c.stacks[of]
	if s == nil {
		return deploy.Stack{Target: of}, nil
	}
	out := deploy.Stack{Target: of, Status: s.status, Parameters: maps.Clone(s.parameters)}
	if s.next == "gone" {
		delete(c.stacks, of)
	} else if s.next != "" {
		s.status, s.next = s.next, ""
	}
	return out, nil
}

func (c *cloud) Plan(_ context.Context, r deploy.Request) (deploy.ChangeSet, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Plan %s", r.Target); err != nil {
		return deploy.ChangeSet{}, err
	}
	set := deploy.ChangeSet{Target: r.Target, Create: r.Create}
	s := c.stacks[r.Target]
	switch {
	case (s == nil || s.status == "REVIEW_IN_PROGRESS") != r.Create:
		return set, fmt.Errorf("%s: create is %v, and the stack is %+v", r.Target, r.Create, s)
	case s != nil && strings.HasSuffix(s.status, "_IN_PROGRESS") && !r.Create:
		return set, fmt.Errorf("%s is %s", r.Target, s.status)
	case r.Template == "":
		key := strings.TrimPrefix(r.URL, "https://bucket/")
		if c.objects[key] == nil {
			return set, fmt.Errorf("there is no template %s", r.URL)
		}
		r.Template = string(c.objects[key])
	}
	if s == nil {
		s = &stackState{status: "REVIEW_IN_PROGRESS"}
		c.stacks[r.Target] = s
	}
	if !r.Create && s.template == r.Template && maps.Equal(s.parameters, r.Parameters) {
		return set, nil
	}
	s.planned = &r
	set.ID = "set of " + r.String()
	set.Changes = []deploy.Change{{Action: "Modify", ID: "Sweep", Type: "AWS::Lambda::Function"}}
	return set, nil
}

func (c *cloud) Start(_ context.Context, set deploy.ChangeSet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Start %s", set.Target); err != nil {
		return err
	}
	s := c.stacks[set.Target]
	if s == nil || s.planned == nil {
		return errors.New("there is no such change set")
	}
	s.status, s.next = "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE"
	if set.Create {
		s.status, s.next = "CREATE_IN_PROGRESS", "CREATE_COMPLETE"
	}
	if c.sick[set.Name] {
		s.next = map[bool]string{true: "ROLLBACK_COMPLETE", false: "UPDATE_ROLLBACK_COMPLETE"}[set.Create]
		s.planned = nil
		return nil
	}
	if set.Create && c.lags {
		s.status = "REVIEW_IN_PROGRESS"
	}
	s.template, s.parameters, s.planned = s.planned.Template, s.planned.Parameters, nil
	return nil
}

func (c *cloud) Discard(_ context.Context, set deploy.ChangeSet) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Discard %s", set.Target); err != nil {
		return err
	}
	if s := c.stacks[set.Target]; s != nil {
		s.planned = nil
		if set.Create {
			delete(c.stacks, set.Target)
		}
	}
	return nil
}

func (c *cloud) Delete(_ context.Context, t deploy.Target) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Delete %s", t); err != nil {
		return err
	}
	s := c.stacks[t]
	if s == nil {
		return errors.New("there is no such stack")
	}
	s.status, s.next = "DELETE_IN_PROGRESS", "gone"
	return nil
}

func (c *cloud) Failures(_ context.Context, t deploy.Target) ([]string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return []string{"Sweep: no such role"}, c.call("Failures %s", t)
}

func (c *cloud) Prepare(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bucket = true
	return c.call("Prepare")
}

func (c *cloud) Has(_ context.Context, key string) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.objects[key] != nil, c.call("Has %s", key)
}

func (c *cloud) Put(_ context.Context, key string, data []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.call("Put %s", key); err != nil {
		return err
	}
	if !c.bucket {
		return errors.New("there is no bucket")
	}
	c.objects[key] = data
	return nil
}

// deployer deploys a bundle whose guard is too long to be given as text.
func deployer(t *testing.T, c *cloud) *deploy.Deployer {
	t.Helper()
	b, err := deploy.ReadBundle(bundle(t, func(files fstest.MapFS, m *deploy.Manifest) {
		for i, name := range []string{"guard", "second", "forward"} {
			text := `{"Parameters": {"AlertEmail": {}, "EscalationEmail": {}}}`
			switch name {
			case "guard":
				text = `{"Parameters": {"AlertEmail": {}, "EscalationEmail": {}, "Grace": {}, "ForwardedRegions": {}, "AssetBucket": {}, "AssetPrefix": {}, "ProtectTable": {}}, "Description": "` + strings.Repeat("x", 60_000) + `"}`
			case "forward":
				text = `{}`
			}
			m.Templates[i].SHA256 = deploy.Sum([]byte(text))
			files[m.Templates[i].File] = &fstest.MapFile{Data: []byte(text)}
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	return &deploy.Deployer{
		Bundle: b, Stacks: c, Remover: c, Uploads: c, Bucket: "bucket", Prefix: "rootguard/",
		URL:  func(key string) string { return "https://bucket/" + key },
		Wait: func(ctx context.Context) error { return ctx.Err() },
	}
}

var (
	guard   = deploy.Target{Region: "us-east-1", Name: "rootguard"}
	second  = deploy.Target{Region: "us-east-2", Name: "rootguard-forward-us-east-2"}
	forward = deploy.Target{Region: "eu-north-1", Name: "rootguard-forward-eu-north-1"}
)

func choices(more ...string) deploy.Choices {
	c := deploy.Choices{Parameters: map[string]string{deploy.ParamEmail: "ops@example.com", deploy.ParamRegions: "us-east-2,eu-north-1"}}
	for i := 0; i < len(more); i += 2 {
		c.Parameters[more[i]] = more[i+1]
	}
	return c
}

// run plans and applies.
func run(t *testing.T, d *deploy.Deployer, c deploy.Choices) error {
	t.Helper()
	plan, err := d.Plan(t.Context(), c)
	if err != nil {
		return err
	}
	return d.Apply(t.Context(), plan)
}

// deployed holds that everything is deployed, and how.
func deployed(t *testing.T, c *cloud, email string) {
	t.Helper()
	for _, target := range []deploy.Target{guard, second, forward} {
		s := c.stacks[target]
		if s == nil || s.status != "CREATE_COMPLETE" && s.status != "UPDATE_COMPLETE" || s.planned != nil {
			t.Errorf("%s: %+v", target, s)
		}
	}
	if len(c.stacks) != 3 {
		t.Errorf("%d stacks", len(c.stacks))
	}
	want := map[string]string{
		"AlertEmail": email, "ForwardedRegions": "eu-north-1,us-east-2", "AssetBucket": "bucket", "AssetPrefix": "rootguard/", "ProtectTable": "true",
	}
	if diff := cmp.Diff(want, c.stacks[guard].parameters); diff != "" {
		t.Errorf("the guard's parameters (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"AlertEmail": email}, c.stacks[second].parameters); diff != "" {
		t.Errorf("the second way's parameters (-want +got):\n%s", diff)
	}
}

func TestDeploy(t *testing.T) {
	c := newCloud()
	c.lags = true
	d := deployer(t, c)
	var seen []string
	var mu sync.Mutex
	d.Progress = func(e deploy.Event) {
		mu.Lock()
		defer mu.Unlock()
		if e.Total > 0 {
			seen = append(seen, fmt.Sprintf("%d/%d %s", e.Done, e.Total, e.Status))
		}
	}
	if err := run(t, d, choices()); err != nil {
		t.Fatal(err)
	}
	deployed(t, c, "ops@example.com")
	if want := []string{"1/3 CREATE_COMPLETE", "2/3 CREATE_COMPLETE", "3/3 CREATE_COMPLETE", "1/1 UPDATE_COMPLETE"}; !slices.Equal(seen, want) {
		t.Errorf("progress %v, want %v", seen, want)
	}

	t.Run("nothing to do", func(t *testing.T) {
		plan, err := d.Plan(t.Context(), deploy.Choices{})
		if err != nil || !plan.Empty() || plan.Changes() != 0 {
			t.Errorf("%+v, %v", plan, err)
		}
	})
	t.Run("one setting", func(t *testing.T) {
		if err := run(t, d, deploy.Choices{Parameters: map[string]string{deploy.ParamEmail: "new@example.com"}}); err != nil {
			t.Fatal(err)
		}
		deployed(t, c, "new@example.com")
	})
	t.Run("fewer Regions", func(t *testing.T) {
		plan, err := d.Plan(t.Context(), deploy.Choices{Parameters: map[string]string{deploy.ParamRegions: "us-east-2"}})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{forward.String() + ": the forwarder goes, and with it this Region's events"}; !slices.Equal(plan.Losses(), want) {
			t.Errorf("losses %v, want %v", plan.Losses(), want)
		}
		if err := d.Apply(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
		if c.stacks[forward] != nil {
			t.Errorf("%s is still there", forward)
		}
	})
	t.Run("destroy", func(t *testing.T) {
		if err := d.Destroy(t.Context(), []deploy.Target{guard, second, forward}); err != nil || len(c.stacks) != 0 {
			t.Errorf("%d stacks, %v", len(c.stacks), err)
		}
	})
}

// TestFailsAtEachCall has each call fail once, and holds that the same command again
// ends where it would have ended.
func TestFailsAtEachCall(t *testing.T) {
	whole := newCloud()
	if err := run(t, deployer(t, whole), choices()); err != nil {
		t.Fatal(err)
	}
	if len(whole.calls) < 20 {
		t.Fatalf("%d calls", len(whole.calls))
	}
	for n := range whole.calls {
		c := newCloud()
		c.failAt = n + 1
		d := deployer(t, c)
		err := run(t, d, choices())
		if !errors.Is(err, errInjected) {
			t.Errorf("call %d (%s): %v", n+1, c.calls[n], err)
		}
		if err := run(t, d, choices()); err != nil {
			t.Errorf("call %d (%s), again: %v", n+1, c.calls[n], err)
		}
		deployed(t, c, "ops@example.com")
	}
}

// TestInterrupted holds that the end of the context ends it at every call, and that
// it can go on.
func TestInterrupted(t *testing.T) {
	c := newCloud()
	d := deployer(t, c)
	plan, err := d.Plan(t.Context(), choices())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	d.Wait = func(context.Context) error { cancel(); return ctx.Err() }
	if err := d.Apply(ctx, plan); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	d.Wait = func(ctx context.Context) error { return ctx.Err() }
	if err := run(t, d, choices()); err != nil {
		t.Fatal(err)
	}
	deployed(t, c, "ops@example.com")
}

// TestFailedStack holds that one stack's failure holds no other back, is explained,
// and is deployed again from nothing, since CloudFormation cannot go on with it.
func TestFailedStack(t *testing.T) {
	c := newCloud()
	c.sick[forward.Name] = true
	d := deployer(t, c)
	err := run(t, d, choices())
	if want := "deploying stack " + forward.String() + ": it is ROLLBACK_COMPLETE: Sweep: no such role"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if s := c.stacks[guard]; s.status != "CREATE_COMPLETE" {
		t.Errorf("the guard is %s", s.status)
	}
	delete(c.sick, forward.Name)
	if err := run(t, d, choices()); err != nil {
		t.Fatal(err)
	}
	deployed(t, c, "ops@example.com")

	c.stacks[guard].status = "UPDATE_ROLLBACK_FAILED"
	if err := run(t, d, choices()); err == nil || !strings.Contains(err.Error(), "continue-update-rollback --stack-name rootguard --region us-east-1") {
		t.Errorf("%v", err)
	}
}

// TestDiscard holds that nothing is left of a plan that is not done.
func TestDiscard(t *testing.T) {
	c := newCloud()
	d := deployer(t, c)
	plan, err := d.Plan(t.Context(), choices())
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Discard(t.Context(), plan); err != nil || len(c.stacks) != 0 {
		t.Errorf("%d stacks, %v", len(c.stacks), err)
	}
}

func TestRefuses(t *testing.T) {
	for want, c := range map[string]deploy.Choices{
		"no one would get the alerts":            {},
		"the address of escalations is that of":  choices(deploy.ParamEscalation, "ops@example.com"),
		"us-east-2 must be among":                choices(deploy.ParamRegions, "eu-north-1"),
		"the guard itself runs in us-east-1":     choices(deploy.ParamRegions, "us-east-1,us-east-2"),
		"cn-north-1 is no Region of the partiti": choices(deploy.ParamRegions, "cn-north-1,us-east-2"),
	} {
		cloud := newCloud()
		_, err := deployer(t, cloud).Plan(t.Context(), c)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if len(cloud.stacks) != 0 || cloud.bucket {
			t.Errorf("%s: something was made: %v", want, cloud.calls)
		}
	}
}

func TestLosses(t *testing.T) {
	p := deploy.Plan{Sets: []deploy.ChangeSet{{Target: guard, ID: "x", Changes: []deploy.Change{
		{Action: "Remove", ID: "TopicEmail2", Type: "AWS::SNS::Subscription"}, {Action: "Modify", ID: "Topic", Type: "AWS::SNS::Topic"},
		{Action: "Modify", ID: "Table", Type: "AWS::DynamoDB::Table", Replaces: true}, {Action: "Remove", ID: "Rule", Type: "AWS::Events::Rule"},
		{Action: "Add", ID: "Key", Type: "AWS::KMS::Key"},
	}}}}
	want := []string{"rootguard in us-east-1: AWS::SNS::Subscription TopicEmail2 goes", "rootguard in us-east-1: AWS::DynamoDB::Table Table is replaced"}
	if got := p.Losses(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
