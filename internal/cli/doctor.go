package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"rootguard/internal/aws/awshealth"
	"rootguard/internal/aws/lambda"
	"rootguard/internal/cli/label"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/health"
	"rootguard/internal/version"
)

type doctorCmd struct {
	Stack   string `group:"aws" placeholder:"NAME" help:"The deployed stack ($$ROOTGUARD_STACK). Default: rootguard."`
	Profile string `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
	Region  string `group:"aws" placeholder:"REGION" help:"Where the stack is. Default: us-east-1, in AWS GovCloud (US) us-gov-west-1, in China cn-north-1, in the European Sovereign Cloud eusc-de-east-1."`
	Wait    span   `placeholder:"10m" help:"Check again until all is well, for so long."`
	All     bool   `help:"List what is well, too."`
	JSON    bool   `help:"Print one JSON object and nothing else on standard output."`
}

// Help has examples.
func (doctorCmd) Help() string {
	return `Checks each link from CloudTrail to a person: a trail that logs management events; every rule's state, pattern and target; the functions, their code and roles, who may call them and where what they fail on goes; queues, topics and each subscription, the key, the table and its policy, the event buses, the alarms and what mutes them; what was lost in the last hour; the Regions that forward, and those enabled that do not. It checks that the latest heartbeat, a call that the function sweep has CloudTrail record every 15 minutes, came out at the functions, and when; and that the sweep, which makes the same checks every 5 minutes, still runs. What does not work comes with the command or the step that fixes it.

It changes nothing.

It needs cloudtrail:DescribeTrails, GetTrailStatus and GetEventSelectors; events:ListRules, ListTargetsByRule and DescribeEventBus; lambda:GetFunctionConfiguration, GetFunctionConcurrency, GetFunctionEventInvokeConfig, GetPolicy and GetRuntimeManagementConfig; iam:GetRole, GetRolePolicy, ListAttachedRolePolicies and ListRolePolicies; sqs:GetQueueUrl and GetQueueAttributes; sns:GetTopicAttributes, ListSubscriptionsByTopic, GetSubscriptionAttributes, GetDataProtectionPolicy, GetSMSAttributes and GetSMSSandboxAccountStatus; cloudwatch:DescribeAlarms, ListAlarmMuteRules, GetAlarmMuteRule and GetMetricData; account:ListRegions; kms:DescribeKey; dynamodb:BatchGetItem, DescribeTable, DescribeTimeToLive, DescribeContinuousBackups and GetResourcePolicy, and Query on its index. A check that you may not make is unknown.

Examples:
  rootguard doctor
  rootguard doctor --profile security --all
  rootguard doctor --wait 10m                  # after a deployment, until the subscription is confirmed and a heartbeat came
  rootguard doctor --json | jq -r '.checks[] | select(.outcome == "failed") | .fix'

Exit codes: 0 all is well; 1 error; 2 wrong usage; 4 warnings, or something could not be checked; 5 something does not work.`
}

// unhealthyError says that not all is well.
type unhealthyError struct {
	code int
	text string
}

func (e unhealthyError) Error() string { return e.text }

const waitEvery = 15 * time.Second

// Run checks.
func (c doctorCmd) Run(ctx context.Context, sys system) error {
	cfg, err := loadAWS(ctx, c.Profile, c.Region)
	if err != nil {
		return err
	}
	stack := stackFlags{Stack: c.Stack}.stack(sys)
	settings, err := deployedSettings(ctx, cfg, stack)
	if err != nil {
		return err
	}
	d := doctor{cmd: c, sys: sys, checks: awshealth.New(&settings, cfg, sys.now, nil), progress: progressLine{sys: sys}}
	until := sys.now().Add(time.Duration(c.Wait))
	for {
		results := d.examine(ctx)
		if ctx.Err() != nil {
			return d.interrupted(settings, results)
		}
		unhealthy := verdictOf(results)
		if unhealthy == nil || !sys.now().Add(waitEvery).Before(until) {
			return errors.Join(d.print(settings, results), unhealthy)
		}
		d.progress.draw(unhealthy.Error() + "; checking again until " + label.Time(until))
		err := pause(ctx, waitEvery)
		d.progress.clear()
		if err != nil {
			return err
		}
	}
}

// deployedSettings are those of the first of the functions that there is.
func deployedSettings(ctx context.Context, cfg aws.Config, stack string) (config.Config, error) {
	client := sdklambda.NewFromConfig(cfg)
	for _, name := range []string{eventrules.Sweep, eventrules.RootActivity, eventrules.IAMUser} {
		env, err := lambda.Environment(ctx, client, stack+"-"+name)
		if errors.Is(err, lambda.ErrNoFunction) {
			continue
		}
		if _, ok := awsFaultOf(err); ok {
			return config.Config{}, err
		}
		if err != nil {
			return config.Config{}, fmt.Errorf("%w in %s", err, cfg.Region)
		}
		settings, err := config.Load(func(name string) string { return env[name] })
		if err != nil {
			return config.Config{}, fmt.Errorf("function %s-%s: %w; fix it, or deploy again: make deploy", stack, name, err)
		}
		return settings, nil
	}
	return config.Config{},
		fmt.Errorf("no function of the stack %s is in %s: either rootguard is not deployed there (rootguard deploy EMAIL, or make deploy), or name the stack with --stack or %s and its Region with --region", stack, cfg.Region, stackEnv)
}

// deployedVersion is the version that runs in the account.
func deployedVersion(settings *config.Config) string {
	return cmp.Or(settings.Version, version.Unknown)
}

// doctor is one visit.
type doctor struct {
	cmd      doctorCmd
	sys      system
	checks   *health.Checker
	progress progressLine
}

// interrupted prints what was found before the visit was interrupted.
func (d *doctor) interrupted(settings config.Config, results []health.Result) error {
	made := slices.DeleteFunc(slices.Clone(results), func(r health.Result) bool { return r.Outcome == health.Unknown })
	if err := d.print(settings, made); err != nil {
		return err
	}
	return fmt.Errorf("interrupted: %d of %d checks were made, and the others are left out above", len(made), len(results))
}

// examine makes every check.
func (d *doctor) examine(ctx context.Context) []health.Result {
	defer d.progress.clear()
	d.progress.draw("checking")
	return d.checks.Inspect(ctx, d.sys.now())
}

// count is how many of the results came out so.
func count(results []health.Result, o health.Outcome) int {
	n := 0
	for i := range results {
		if results[i].Outcome == o {
			n++
		}
	}
	return n
}

// verdictOf is the error that says what is not well, nil where all is.
func verdictOf(results []health.Result) error {
	var parts []string
	code := exitOK
	for _, o := range []struct {
		outcome health.Outcome
		one     string
		many    string
		code    int
	}{
		{health.Failed, "check failed", "checks failed", exitFailed},
		{health.Unknown, "check could not be made", "checks could not be made", exitWarning},
		{health.Warning, "warning", "warnings", exitWarning},
	} {
		n := count(results, o.outcome)
		if n == 0 {
			continue
		}
		code = max(code, o.code)
		if n == 1 {
			parts = append(parts, "1 "+o.one)
		} else {
			parts = append(parts, fmt.Sprintf("%d %s", n, o.many))
		}
	}
	if code == exitOK {
		return nil
	}
	return unhealthyError{code, strings.Join(parts, ", ")}
}

// doctorSchema is the version of the JSON.
const doctorSchema = "rootguard.doctor/1"

func (d *doctor) print(settings config.Config, results []health.Result) error {
	if d.cmd.JSON {
		return writeJSON(d.sys.stdout, struct {
			Schema  string          `json:"schema"`
			At      time.Time       `json:"at"`
			Account string          `json:"account"`
			Region  string          `json:"region"`
			Prefix  string          `json:"prefix"`
			Version string          `json:"version"` // that is deployed
			Command string          `json:"command_version"`
			Checks  []health.Result `json:"checks"`
		}{doctorSchema, d.sys.now().UTC().Truncate(time.Second), settings.Account, settings.Region, settings.Own.Prefix,
			deployedVersion(&settings), version.String(), results})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s in account %s, %s\n", d.sys.paint().bold(label.Clean(settings.Own.Prefix)), settings.Account, settings.Region)
	fmt.Fprintf(&b, "version %s; this command is %s\n", label.Clean(deployedVersion(&settings)), version.String())
	if changes := version.Changes(); changes != "" {
		b.WriteString("what changed up to it: " + changes + "\n")
	}
	b.WriteByte('\n')
	for len(results) > 0 {
		group := results[0].Group
		of := func(r health.Result) bool { return r.Group == group }
		var some []health.Result
		for _, r := range results {
			if of(r) {
				some = append(some, r)
			}
		}
		results = slices.DeleteFunc(slices.Clone(results), of)
		d.group(&b, group, some)
	}
	return writeText(d.sys.stdout, b.String())
}

// group prints the checks of one kind, each marked by a glyph, the worst first.
func (d *doctor) group(b *strings.Builder, name string, results []health.Result) {
	worst := health.OK
	for _, o := range []health.Outcome{health.Warning, health.Unknown, health.Failed} {
		if count(results, o) > 0 {
			worst = o
		}
	}
	fmt.Fprintf(b, "%s %s %d of %d well\n", d.glyph(worst), pad(name, 10), count(results, health.OK), len(results))
	for i := range results {
		r := &results[i]
		if r.Outcome == health.OK {
			if d.cmd.All {
				fmt.Fprintf(b, "    %s %s  %s\n", d.glyph(r.Outcome), r.ID, d.sys.paint().faint(label.Clean(r.Proves)))
			}
			continue
		}
		what := string(r.Outcome)
		if r.Outcome == health.Failed {
			what = d.sys.paint().severity(r.Severity.String(), strings.ToUpper(r.Severity.String()))
		}
		fmt.Fprintf(b, "    %s %s  %s\n", d.glyph(r.Outcome), r.ID, what)
		for _, line := range wrap(label.Clean(r.Why), d.sys.outputWidth()-8) {
			fmt.Fprintf(b, "        %s\n", line)
		}
		for _, fix := range append([]string{r.Fix}, r.More...) {
			fmt.Fprintf(b, "        fix: %s\n", label.Clean(fix)) // never wrapped: it is to be copied
		}
	}
}

func (d *doctor) glyph(o health.Outcome) string {
	glyphs := map[health.Outcome][3]string{
		health.OK: {"✓", "+", "32"}, health.Warning: {"!", "!", "33"}, health.Unknown: {"?", "?", "33"}, health.Failed: {"✗", "x", "1;31"},
	}
	g := glyphs[o]
	text := g[1]
	if d.sys.unicode() {
		text = g[0]
	}
	return d.sys.paint().in(g[2], text)
}
