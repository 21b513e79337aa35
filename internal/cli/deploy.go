package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/mail"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkeventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rootguard/internal/alert"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/aws/eventbridge"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/lambda"
	"rootguard/internal/aws/s3"
	"rootguard/internal/aws/sns"
	"rootguard/internal/cli/label"
	"rootguard/internal/config"
	"rootguard/internal/deploy"
	"rootguard/internal/deploy/assets"
	"rootguard/internal/lazyre"
	"rootguard/internal/partition"
)

// deployFlags are those of every command that deploys.
type deployFlags struct {
	Yes           bool   `help:"Ask nothing. Needed where there is no terminal."`
	AllowRemovals bool   `help:"With --yes: go on even where a receiver, topic, table, key, trail or function would be removed or replaced."`
	DryRun        bool   `help:"Only print what would be deployed: nothing is made, and no change set either."`
	Wait          span   `placeholder:"15m" help:"How long to wait for the receivers to confirm. Default: 15m."`
	NoWait        bool   `help:"Do not wait for the receivers to confirm, and do not run doctor."`
	Bucket        string `placeholder:"NAME" help:"A bucket of your own for the templates and archives, in the guard's Region. Default: rootguard-assets-ACCOUNT-REGION, which is made."`
	Assets        string `placeholder:"DIR" help:"Templates and archives to deploy in place of those in this binary: what make bundle writes."`
	Profile       string `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
}

type deployCmd struct {
	Email string `arg:"" optional:"" help:"Who gets the alerts. May be left out where it is deployed already."`

	Escalation     *string `placeholder:"EMAIL" help:"Who gets critical alerts besides; empty for no one."`
	Grace          string  `placeholder:"24h" help:"Time from console access to the alarm that a user has no MFA."`
	Reminders      *string `placeholder:"1h,24h,72h" help:"Times from that alarm to its reminders, shortest first."`
	QuietDays      int     `placeholder:"30" help:"Days without root activity until root counts as left alone."`
	Trail          *bool   `negatable:"" help:"Make a trail of the management events of every Region, for an account that has none."`
	ExistingTrails *string `placeholder:"NAMES" help:"Trails that feed rootguard already, separated by commas."`
	ExistingTable  *string `placeholder:"NAME" help:"A table that an earlier deployment left."`
	Encrypt        *bool   `negatable:"" help:"Encrypt the topics with a customer key."`
	Metrics        *bool   `negatable:"" help:"Have the functions write metrics of their own, which CloudWatch bills."`
	Regions        string  `placeholder:"REGIONS" help:"The other Regions to watch, separated by commas, or none. Default: all that every account has."`
	TemplateOnly   string  `placeholder:"DIR" help:"Write the templates, archives and parameters to a folder, for the console, StackSets or Terraform, and call AWS for nothing."`

	PolicyOf accountID `placeholder:"ACCOUNT" help:"Print the IAM policy that deploying to an account needs, and call AWS for nothing."`

	deployFlags
}

// settingOf says how a setting is deployed that a command has no flag for, as people
// spell flags; "" where there is no such setting, or the command deploys nothing.
func settingOf(command, flag string) string {
	if command != "deploy" && command != "upgrade" {
		return ""
	}
	plain := func(name string) string { return strings.ToLower(strings.ReplaceAll(name, "-", "")) }
	all := config.Settings()
	i := slices.IndexFunc(all, func(s config.Setting) bool { return s.Key != "" && plain(s.Key) == plain(flag) })
	if i < 0 {
		return ""
	}
	switch key := all[i].Key; key {
	case "email":
		return fmt.Sprintf("unknown flag --%s: the receiver is no flag: rootguard deploy ops@example.com", flag)
	case "escalation", "grace", "reminders", "quietDays", "trail", "encrypt", "metrics", "regions":
		return fmt.Sprintf("unknown flag --%s: rootguard deploy --%s changes this setting", flag, dashes(key))
	case "trails", "table":
		return fmt.Sprintf("unknown flag --%s: this setting is rootguard deploy --existing-%s", flag, key)
	default:
		return fmt.Sprintf(`unknown flag --%s: the setting %s is the CDK's alone: write "%s" into the object "rootguard" of cdk.json and run make deploy; internal/docs/settings.md says how`, flag, key, key)
	}
}

// dashes is a key of the settings as a flag is spelled.
func dashes(key string) string {
	var b strings.Builder
	for _, c := range key {
		if unicode.IsUpper(c) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(c))
	}
	return b.String()
}

type upgradeCmd struct {
	deployFlags
}

const deployPermissions = `It needs the permissions that rootguard deploy --policy-of ACCOUNT prints, as an IAM policy. Before it makes anything it compares them with your policies, if you have iam:SimulatePrincipalPolicy and, as a role, iam:GetRole on yourself, and warns of what is missing.`

// Help has examples.
func (deployCmd) Help() string {
	return `Deploys the guard to us-east-1 and a forwarder to every other Region, with nothing but this binary and your AWS credentials. It uploads the templates and functions to a bucket, shows the change sets, asks, deploys all stacks side by side, waits until the receivers confirm, and runs doctor. Interrupted, the same command goes on. What is not given stays as it is deployed.

The stacks are those that make deploy (the CDK) makes, so either can follow the other. The CDK alone has: several receivers, routes, text messages, Slack, Security Hub, dayTwo, drill, another time of the digest, quarantine, organizations, operators, another prefix, and the partitions besides aws. Set these in cdk.json and run make deploy; internal/docs/deploying.md says how.

` + deployPermissions + `

Examples:
  rootguard deploy ops@example.com
  rootguard deploy ops@example.com --escalation ciso@example.com --trail
  rootguard deploy ops@example.com --yes --no-wait        # in CI
  rootguard deploy --no-encrypt                           # change one setting of what is deployed
  rootguard deploy ops@example.com --template-only ./out  # no AWS at all
  rootguard deploy --policy-of 111122223333               # what a pipeline's role needs

Exit codes: 0 deployed; 1 error; 2 wrong usage; 4 deployed, and doctor warns or a receiver has not confirmed; 5 deployed, and doctor found what does not work.`
}

// Help has examples.
func (upgradeCmd) Help() string {
	return `Deploys the version of this binary with the settings that are deployed: rootguard deploy without a setting.

` + deployPermissions + `

Examples:
  rootguard upgrade
  rootguard upgrade --dry-run
  rootguard upgrade --yes --no-wait                       # in CI

Exit codes: as of rootguard deploy.`
}

// The forms of what goes into a parameter.
var (
	graceForm     = lazyre.New(`^[1-9][0-9]{0,3}[hm]$`)
	remindersForm = lazyre.New(`^([1-9][0-9]{0,3}[hm](,[1-9][0-9]{0,3}[hm])*)?$`)
	// No quote, backslash or comma: the template has it within JSON.
	addressForm = lazyre.New(`^[A-Za-z0-9.!#$%&*+/=?^_{|}~-]{1,64}@[A-Za-z0-9.-]{3,189}$`)
)

func address(flag, text string) error {
	if a, err := mail.ParseAddress(text); err != nil || a.Address != text || !addressForm().MatchString(text) {
		return usageError{fmt.Sprintf("%s %q: use a plain address, such as ops@example.com", flag, text)}
	}
	return nil
}

// choices are the parameters that were given.
func (c *deployCmd) choices() (map[string]string, error) {
	given := map[string]string{}
	if c.Email != "" {
		if err := address("the receiver", c.Email); err != nil {
			return nil, err
		}
		given[deploy.ParamEmail] = c.Email
	}
	if c.Escalation != nil {
		if *c.Escalation != "" {
			if err := address("--escalation", *c.Escalation); err != nil {
				return nil, err
			}
		}
		given[deploy.ParamEscalation] = *c.Escalation
	}
	if c.Grace != "" {
		if !graceForm().MatchString(c.Grace) {
			return nil, usageError{fmt.Sprintf("--grace %q: give hours or minutes, such as 24h or 90m", c.Grace)}
		}
		given[deploy.ParamGrace] = c.Grace
	}
	if c.QuietDays != 0 {
		if c.QuietDays < 1 || c.QuietDays > 365 {
			return nil, usageError{fmt.Sprintf("--quiet-days %d: give 1 to 365", c.QuietDays)}
		}
		given[deploy.ParamQuietDays] = strconv.Itoa(c.QuietDays)
	}
	if c.Reminders != nil && !remindersForm().MatchString(*c.Reminders) {
		return nil, usageError{fmt.Sprintf("--reminders %q: give hours or minutes separated by commas, such as 1h,24h,72h", *c.Reminders)}
	}
	for name, text := range map[string]*string{deploy.ParamReminders: c.Reminders, deploy.ParamTrails: c.ExistingTrails,
		deploy.ParamTable: c.ExistingTable} {
		if text != nil {
			given[name] = *text
		}
	}
	for name, flag := range map[string]*bool{deploy.ParamCreateTrail: c.Trail, deploy.ParamEncrypt: c.Encrypt,
		deploy.ParamMetrics: c.Metrics} {
		if flag != nil {
			given[name] = strconv.FormatBool(*flag)
		}
	}
	switch c.Regions {
	case "":
	case "none":
		given[deploy.ParamRegions] = ""
	default:
		given[deploy.ParamRegions] = strings.ReplaceAll(c.Regions, " ", "")
	}
	return given, nil
}

// Run deploys.
func (c deployCmd) Run(ctx context.Context, sys system) error {
	given, err := c.choices()
	if err != nil {
		return err
	}
	if c.TemplateOnly != "" || c.PolicyOf != "" {
		bundle, err := openBundle(c.Assets)
		if err != nil {
			return err
		}
		if c.PolicyOf != "" {
			policy, err := bundle.Policy(string(c.PolicyOf))
			if err != nil {
				return err
			}
			return writeText(sys.stdout, string(policy))
		}
		return writeTemplates(sys, bundle, c.TemplateOnly, given)
	}
	return c.run(ctx, sys, given, false)
}

// Run deploys what is deployed, in this version.
func (c upgradeCmd) Run(ctx context.Context, sys system) error {
	return c.run(ctx, sys, nil, true)
}

// openBundle is the bundle of a folder, or else of the binary.
func openBundle(dir string) (*deploy.Bundle, error) {
	if dir != "" {
		bundle, err := deploy.ReadBundle(os.DirFS(dir))
		if err != nil {
			return nil, fmt.Errorf("--assets %s: %w", dir, err)
		}
		return bundle, nil
	}
	files, ok := assets.Files()
	if !ok {
		return nil, errors.New("this binary carries no templates and functions, since it is not from a release; take a release's, or name what make bundle wrote with --assets .build/bundle, or use make deploy")
	}
	return deploy.ReadBundle(files)
}

// writeTemplates writes what another tool can deploy.
func writeTemplates(sys system, b *deploy.Bundle, dir string, given map[string]string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the folder: %w", err)
	}
	write := func(name string, data []byte) error {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("writing a template: %w", err)
		}
		return nil
	}
	for _, t := range b.Templates {
		text, err := b.Template(t.Name)
		if err != nil {
			return err
		}
		if err := write(t.File, text); err != nil {
			return err
		}
	}
	for _, a := range b.Archives {
		data, err := b.Archive(a)
		if err != nil {
			return err
		}
		if err := write(a.File, data); err != nil {
			return err
		}
	}
	type parameter struct{ ParameterKey, ParameterValue string }
	list := []parameter{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		list = append(list, parameter{name, given[name]})
	}
	text, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the parameters: %w", err)
	}
	if err := write("parameters.json", append(text, '\n')); err != nil {
		return err
	}
	regions, err := b.Regions(given, deploy.Stack{})
	if err != nil {
		return usageError{err.Error()}
	}
	var out strings.Builder
	fmt.Fprintf(&out, "wrote the templates and functions of rootguard %s to %s\n", b.Version, dir)
	fmt.Fprintf(&out, "Put the *.zip into a bucket in %s, and deploy, with CAPABILITY_NAMED_IAM:\n", b.Home())
	for _, t := range b.Targets(regions) {
		fmt.Fprintf(&out, "  %-40s %s.template.json\n", t, b.TemplateOf(t.Region))
	}
	fmt.Fprintf(&out, "Parameters: %s is that bucket; %s must be set; when the guard's stack is there, update it with %s=true.\n",
		deploy.ParamBucket, deploy.ParamEmail, deploy.ParamProtect)
	return writeText(sys.stdout, out.String())
}

// deployment is one run of a command that deploys.
type deployment struct {
	flags    deployFlags
	sys      system
	bundle   *deploy.Bundle
	cfg      aws.Config
	account  string
	caller   string // the ARN of who runs the command
	deployer deploy.Deployer
	stacks   *cloudformation.Deployer
	progress progressLine
}

// pollEvery is how often a status is asked for.
const pollEvery = 3 * time.Second

// What CloudFormation is asked to change takes it longer than an answer; an archive is
// 6 MB, of which a slow line sends 20 KB a second.
const (
	changePatience = 30 * time.Second
	uploadPatience = 5 * time.Minute
)

func (f deployFlags) begin(ctx context.Context, sys system) (*deployment, error) {
	if !f.Yes && !f.DryRun && !sys.stdinTerminal {
		return nil, usageError{"there is no terminal to ask on: add --yes to go on without a question, or --dry-run to see what would be done"}
	}
	bundle, err := openBundle(f.Assets)
	if err != nil {
		return nil, err
	}
	cfg, err := loadAWS(ctx, f.Profile, bundle.Home())
	if err != nil {
		return nil, err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("finding out whose credentials these are: %w", err)
	}
	arn, account := aws.ToString(who.Arn), aws.ToString(who.Account)
	if partition := strings.Split(arn+":", ":")[1]; partition != bundle.Partition {
		return nil, fmt.Errorf("your credentials are of the partition %s, and this release deploys to %s alone: use the CDK (make deploy), which has every partition", partition, bundle.Partition)
	}
	if err := writeText(sys.stdout, fmt.Sprintf("account %s, as %s\n", account, label.CleanText(arn))); err != nil {
		return nil, err
	}
	d := &deployment{flags: f, sys: sys, bundle: bundle, cfg: cfg, account: account, caller: arn, progress: progressLine{sys: sys}}
	bucket := f.Bucket
	if bucket == "" {
		bucket = "rootguard-assets-" + account + "-" + cfg.Region
	}
	suffix := "amazonaws.com"
	if p, ok := partition.Of(bundle.Partition); ok {
		suffix = p.Suffix
	}
	cfg = awsenv.WithAttempts(cfg, changePatience)
	d.cfg = cfg
	wait := func(ctx context.Context) error { return sys.wait(ctx, pollEvery) }
	d.stacks = cloudformation.NewDeployer(cfg, "rootguard-"+strconv.FormatInt(sys.now().Unix(), 10), wait)
	d.deployer = deploy.Deployer{
		Bundle: bundle, Stacks: d.stacks, Remover: d.stacks,
		Uploads: s3.NewBucket(sdks3.NewFromConfig(awsenv.WithAttempts(cfg, uploadPatience),
			func(o *sdks3.Options) { o.UsePathStyle = cfg.BaseEndpoint != nil }), bucket, account, cfg.Region, f.Bucket != ""),
		Bucket: bucket, Prefix: "rootguard/", Wait: wait, Progress: d.show,
		URL: func(key string) string {
			return "https://" + bucket + ".s3." + cfg.Region + "." + suffix + "/" + key
		},
	}
	return d, nil
}

// show reports progress: on a terminal as a line that is drawn over, elsewhere as a
// line for each stack that is done.
func (d *deployment) show(e deploy.Event) {
	switch {
	case d.sys.redraws() && e.Total > 0:
		d.progress.draw(fmt.Sprintf("%d of %d stacks done; %s %s", e.Done, e.Total, e.Target, e.Status))
	case d.sys.redraws():
		d.progress.draw(fmt.Sprintf("%s %s", e.Target, e.Status))
	case e.Total > 0:
		_, _ = fmt.Fprintf(d.sys.stderr, "%d of %d: %s %s\n", e.Done, e.Total, e.Target, e.Status)
	}
}

func (f deployFlags) run(ctx context.Context, sys system, given map[string]string, upgrade bool) error {
	d, err := f.begin(ctx, sys)
	if err != nil {
		return err
	}
	home := deploy.Target{Region: d.bundle.Home(), Name: d.bundle.Prefix}
	guard, err := d.stacks.Stack(ctx, home)
	if err != nil {
		return err
	}
	if upgrade && (guard.Status == "" || guard.Parameters[deploy.ParamEmail] == "") {
		return fmt.Errorf("there is no stack %s that rootguard deploy made: deploy it with rootguard deploy EMAIL", home)
	}
	if err := d.preflight(ctx, given, guard); err != nil {
		return err
	}
	if err := (preflightCmd{Prefix: d.bundle.Prefix, Profile: f.Profile, Region: d.cfg.Region}).Run(ctx, sys); err != nil {
		return err
	}
	if f.DryRun {
		return d.dryRun(ctx, given, guard)
	}
	plan, err := d.deployer.Plan(ctx, deploy.Choices{Parameters: given})
	d.progress.clear()
	if err != nil {
		if plan != nil {
			err = errors.Join(err, d.deployer.Discard(context.WithoutCancel(ctx), plan))
		}
		var none deploy.NoEmailError
		if errors.As(err, &none) {
			return usageError{err.Error()}
		}
		return d.denied(err)
	}
	if plan.Empty() {
		if err := writeText(sys.stdout, "nothing to change: this version is deployed with these settings\n"); err != nil {
			return err
		}
		return d.after(ctx, plan)
	}
	if err := d.print(plan); err != nil {
		return err
	}
	ok, err := d.agreed(ctx, plan)
	if err != nil || !ok {
		discarded := d.deployer.Discard(context.WithoutCancel(ctx), plan)
		if err == nil && discarded == nil {
			return writeText(sys.stdout, "nothing was changed\n")
		}
		return errors.Join(err, discarded)
	}
	d.farewell(ctx, plan)
	ended := func(context.Context) {}
	d.deployer.Updating = func(ctx context.Context, guard deploy.Stack) { ended = d.announces(ctx, &guard) }
	err = d.deployer.Apply(ctx, plan)
	d.progress.clear()
	ended(ctx)
	if err != nil {
		return fmt.Errorf("%w; fix it and run the same command again, it goes on from there", err)
	}
	if err := writeText(sys.stdout, fmt.Sprintf("deployed rootguard %s: %s\n", d.bundle.Version,
		plural(int64(len(plan.Sets)), "stack"))); err != nil {
		return err
	}
	return d.after(ctx, plan)
}

// longestAddress is more than any address has: addressForm takes 64 characters, an @ and 189.
const longestAddress = 256

// farewell notifies an address that this deployment takes off, while it still can be: AWS
// does not, and an address that hears no more may be what someone wants. Where it cannot,
// it warns.
func (d *deployment) farewell(ctx context.Context, plan *deploy.Plan) {
	for _, of := range []struct{ parameter, what string }{{deploy.ParamEmail, "alerts"}, {deploy.ParamEscalation, "critical alerts"}} {
		was, now := plan.Before.Parameters[of.parameter], plan.Parameters[of.parameter]
		if was == "" || was == now {
			continue
		}
		text := fmt.Sprintf("From now on %s gets no more %s of rootguard in account %s: a deployment by %s at %s takes the address off%s.\n\n"+
			"If you do not know of this, ask them: it is the last mail that this address gets.\n", alert.Display(was, longestAddress), of.what, d.account, d.caller,
			label.Time(d.sys.now()), map[bool]string{true: " and puts " + alert.Display(now, longestAddress) + " in its place"}[now != ""])
		err := d.publish(ctx, plan.Before, of.parameter == deploy.ParamEmail, "rootguard: this address gets no more "+of.what, text)
		if err != nil {
			d.warn(was + " could not be notified that it gets no more " + of.what + ", write to them yourself: " + reason(err))
		}
	}
}

// publish publishes to the topic of all alerts, or else to that of critical ones.
func (d *deployment) publish(ctx context.Context, guard deploy.Stack, all bool, subject, text string) error {
	topics, err := d.stacks.Topics(ctx, guard.Target)
	if err != nil {
		return err
	}
	for _, arn := range topics {
		if (arn == guard.Outputs[outputTopic]) != all {
			continue
		}
		_, err := sdksns.NewFromConfig(d.cfg).Publish(ctx, &sdksns.PublishInput{TopicArn: &arn, Subject: &subject, Message: &text})
		if err != nil {
			return fmt.Errorf("publishing to %s: %w", arn, err)
		}
	}
	return nil
}

// preflight finds out which Regions are open to the account, and whether its quotas
// suffice; what may not suffice is a warning, since a quota may have been raised.
func (d *deployment) preflight(ctx context.Context, given map[string]string, guard deploy.Stack) error {
	regions, err := d.bundle.Regions(given, guard)
	if err != nil {
		return usageError{err.Error()}
	}
	if err := d.deployer.Reach(ctx, regions); err != nil {
		return err
	}
	warnings, err := d.deployer.Room(ctx, quotas{d.cfg}, regions)
	if err != nil {
		return err
	}
	switch missing, err := d.deployer.Missing(ctx, iam.NewPermissions(sdkiam.NewFromConfig(d.cfg), d.caller), d.account); {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil: // no one needs to be allowed to ask
		_, _ = fmt.Fprintln(d.sys.stderr, "note: whether your policies allow a deployment was not checked: "+label.Clean(reason(err)))
	case missing != "":
		warnings = append(warnings, missing)
	}
	for _, w := range warnings {
		d.warn(w)
	}
	return nil
}

// quotas asks AWS for those of the account.
type quotas struct{ cfg aws.Config }

var _ deploy.Quotas = quotas{}

// Rules is deploy.Quotas'.
func (q quotas) Rules(ctx context.Context, region string) (int, error) {
	n, err := eventbridge.CountRules(ctx, sdkeventbridge.NewFromConfig(q.cfg, func(o *sdkeventbridge.Options) { o.Region = region }))
	return n, unwrapped(err)
}

// Executions is deploy.Quotas'.
func (q quotas) Executions(ctx context.Context, region string) (int, error) {
	n, err := lambda.Unreserved(ctx, sdklambda.NewFromConfig(q.cfg, func(o *sdklambda.Options) { o.Region = region }))
	return n, unwrapped(err)
}

// unwrapped is an error in AWS's words alone.
func unwrapped(err error) error {
	if err == nil {
		return nil
	}
	return errors.New(reason(err))
}

// denied adds what an account that may use few Regions can do.
func (d *deployment) denied(err error) error {
	if text := err.Error(); strings.Contains(text, "explicit deny") || strings.Contains(text, "service control policy") {
		return fmt.Errorf("%w; if a policy of the organization closes some Regions, name the others with --regions, or --regions none for an account with a single Region, where no other Region then watches this one", err)
	}
	return err
}

// dryRun prints what would be deployed, from what is there.
func (d *deployment) dryRun(ctx context.Context, given map[string]string, guard deploy.Stack) error {
	regions, err := d.bundle.Regions(given, guard)
	if err != nil {
		return usageError{err.Error()}
	}
	if given[deploy.ParamEmail] == "" && guard.Parameters[deploy.ParamEmail] == "" {
		return usageError{deploy.NoEmailError{}.Error()}
	}
	var out strings.Builder
	for _, t := range d.bundle.Targets(regions) {
		stack, err := d.stacks.Stack(ctx, t)
		if err != nil {
			return d.denied(err)
		}
		if stack.Status == "" {
			fmt.Fprintf(&out, "would make stack %s\n", t)
		} else {
			fmt.Fprintf(&out, "would update stack %s, which is %s\n", t, stack.Status)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if before, ok := guard.Parameters[name]; ok && before != given[name] {
			fmt.Fprintf(&out, "%s: %q, which was %q\n", name, given[name], before)
		} else if !ok {
			fmt.Fprintf(&out, "%s: %q\n", name, given[name])
		}
	}
	out.WriteString("nothing was changed\n")
	return writeText(d.sys.stdout, out.String())
}

// print shows the change sets: what is made in numbers, what is changed by name.
func (d *deployment) print(plan *deploy.Plan) error {
	var out strings.Builder
	for _, set := range plan.Sets {
		switch {
		case set.ID == "":
			fmt.Fprintf(&out, "%s: no change\n", set.Target)
		case set.Create:
			fmt.Fprintf(&out, "%s: new, %s\n", set.Target, plural(int64(len(set.Changes)), "resource"))
		default:
			fmt.Fprintf(&out, "%s: %s\n", set.Target, plural(int64(len(set.Changes)), "change"))
			for _, c := range set.Changes {
				sign := map[string]string{"Add": "+", "Remove": "-"}[c.Action]
				if sign == "" {
					sign = "~"
				}
				note := ""
				if c.Replaces {
					note = " (is replaced)"
				}
				fmt.Fprintf(&out, "  %s %s %s%s\n", sign, c.Type, c.ID, note)
			}
		}
	}
	for _, loss := range plan.Losses() {
		fmt.Fprintf(&out, "REMOVES %s\n", loss)
	}
	if plan.Before.Status != "" && plan.Before.Parameters[deploy.ParamBucket] == "" {
		out.WriteString("The stack was deployed by the CDK: its settings that are not given here become the defaults.\n")
	}
	return writeText(d.sys.stdout, out.String())
}

// agreed asks, unless --yes answered.
func (d *deployment) agreed(ctx context.Context, plan *deploy.Plan) (bool, error) {
	if d.flags.Yes {
		if losses := plan.Losses(); len(losses) > 0 && !d.flags.AllowRemovals {
			return false, fmt.Errorf("this deployment takes away what alerts need (%d, listed above): give the setting that keeps it, or add --allow-removals if it is meant", len(losses))
		}
		return true, nil
	}
	return ask(ctx, d.sys, fmt.Sprintf("Deploy %s to account %s? [y/N] ", plural(int64(plan.Changes()), "change"), d.account))
}

// ask reads a yes from the terminal. The end of the context ends it.
func ask(ctx context.Context, sys system, question string) (bool, error) {
	if err := writeText(sys.stdout, question); err != nil {
		return false, err
	}
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(sys.stdin).ReadString('\n') // the end of input is a no
		answer <- line
	}()
	select {
	case line := <-answer:
		line = strings.ToLower(strings.TrimSpace(line))
		return line == "y" || line == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// after waits for the receivers, and has doctor check all.
func (d *deployment) after(ctx context.Context, plan *deploy.Plan) error {
	if d.flags.NoWait {
		return writeText(d.sys.stdout, "next: have each receiver confirm, then run rootguard doctor\n")
	}
	wait := time.Duration(d.flags.Wait)
	if wait == 0 {
		wait = 15 * time.Minute
	}
	waiting, err := d.confirm(ctx, plan, d.sys.now().Add(wait))
	d.progress.clear()
	switch {
	case ctx.Err() != nil:
		return errors.Join(writeText(d.sys.stdout, "deployed; stopped waiting for the receivers to confirm\n"), ctx.Err())
	case err != nil:
		return fmt.Errorf("deployed, but whether the receivers confirmed is not known: %w", err)
	case len(waiting) > 0:
		return unhealthyError{exitWarning, "deployed, but no alert reaches " + strings.Join(waiting, ", ") +
			": open the mail of AWS Notifications and confirm, then run rootguard doctor"}
	}
	return doctorCmd{Stack: d.bundle.Prefix, Profile: d.flags.Profile, Region: d.cfg.Region, Wait: span(min(wait, 10*time.Minute))}.Run(ctx,
		d.sys)
}

// confirm waits until every receiver has confirmed, and returns those that have not.
func (d *deployment) confirm(ctx context.Context, plan *deploy.Plan, until time.Time) ([]string, error) {
	var topics []string
	for _, set := range plan.Sets {
		if set.Region != d.bundle.Home() && d.bundle.TemplateOf(set.Region) != deploy.TemplateSecond {
			continue // it has no topic
		}
		arns, err := d.stacks.Topics(ctx, set.Target)
		if err != nil {
			return nil, err
		}
		topics = append(topics, arns...)
	}
	inspector := sns.NewInspector(sdksns.NewFromConfig(d.cfg), "")
	shown := false
	for {
		var waiting []string
		for _, arn := range topics {
			topic, err := inspector.Topic(ctx, arn)
			if err != nil {
				return nil, err
			}
			region := strings.Split(arn+":::", ":")[3]
			for _, receiver := range topic.Waiting {
				waiting = append(waiting, receiver+" ("+region+")")
			}
			if topic.Pending > 0 && len(topic.Waiting) == 0 {
				waiting = append(waiting, fmt.Sprintf("%s (%s)", plural(int64(topic.Pending), "receiver"), region))
			}
		}
		slices.Sort(waiting)
		waiting = slices.Compact(waiting)
		if len(waiting) == 0 || !d.sys.now().Before(until) {
			return waiting, nil
		}
		if !shown {
			shown = true
			if err := writeText(d.sys.stdout, "waiting for "+strings.Join(waiting, ", ")+" to confirm, until "+label.Time(until)+
				": AWS Notifications sent a mail for each\n"); err != nil {
				return nil, err
			}
		}
		d.progress.draw(plural(int64(len(waiting)), "receiver") + " to confirm")
		if err := d.sys.wait(ctx, pollEvery); err != nil {
			return waiting, err
		}
	}
}

type destroyCmd struct {
	Yes     bool   `help:"Ask nothing. Needed where there is no terminal."`
	DryRun  bool   `help:"Only print what would be removed and what stays."`
	Assets  string `placeholder:"DIR" help:"As of rootguard deploy."`
	Profile string `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
}

// Help has examples.
func (destroyCmd) Help() string {
	return `Deletes the guard's stack and the forwarders'. What is a record stays: the table, which is the account's history and protected from deletion, the functions' logs, the bucket of a trail that the stack made, and the bucket of the archives. It prints how to remove each. From then on no use of root is reported.

Examples:
  rootguard destroy
  rootguard destroy --dry-run
  rootguard destroy --yes`
}

// Run removes.
func (c destroyCmd) Run(ctx context.Context, sys system) error {
	d, err := deployFlags{Yes: c.Yes, DryRun: c.DryRun, Assets: c.Assets, Profile: c.Profile}.begin(ctx, sys)
	if err != nil {
		return err
	}
	guard, err := d.stacks.Stack(ctx, deploy.Target{Region: d.bundle.Home(), Name: d.bundle.Prefix})
	if err != nil {
		return err
	}
	regions, err := d.bundle.Regions(nil, guard)
	if err != nil {
		return err
	}
	var there []deploy.Target
	for _, t := range d.bundle.Targets(regions) {
		stack, err := d.stacks.Stack(ctx, t)
		if err != nil {
			return err
		}
		if stack.Status != "" {
			there = append(there, t)
		}
	}
	if len(there) == 0 {
		return writeText(sys.stdout, fmt.Sprintf("there is nothing to remove: account %s has no stack %s and no forwarder; for another account name its profile with --profile\n",
			d.account, deploy.Target{Region: d.bundle.Home(), Name: d.bundle.Prefix}))
	}
	var out strings.Builder
	for _, t := range there {
		fmt.Fprintf(&out, "removes stack %s\n", t)
	}
	home := d.cfg.Region
	if table := guard.Outputs[outputTable]; table != "" {
		fmt.Fprintf(&out, "keeps table %s, the record of who was notified of what: rootguard deploy EMAIL --existing-table %s goes on with it; to delete it: aws dynamodb update-table --table-name %s --no-deletion-protection-enabled --region %s && aws dynamodb delete-table --table-name %s --region %s\n", table, table, table, home, table, home)
	}
	if guard.Parameters[deploy.ParamCreateTrail] == "true" {
		fmt.Fprintf(&out, "keeps the bucket of the trail %s-trail, which has the account's log; the trail goes, and without any trail AWS records events for 90 days only\n", d.bundle.Prefix)
	}
	fmt.Fprintf(&out, "keeps the log groups of the functions: aws logs describe-log-groups --log-group-name-prefix %s- --region %s\n",
		d.bundle.Prefix, home)
	fmt.Fprintf(&out, "keeps the bucket of the archives: aws s3 rb --force s3://%s\n", d.deployer.Bucket)
	if err := writeText(sys.stdout, out.String()); err != nil || c.DryRun {
		return err
	}
	if !c.Yes {
		ok, err := ask(ctx, sys, fmt.Sprintf("From then on no use of root in account %s is reported. Remove %s? [y/N] ", d.account,
			plural(int64(len(there)), "stack")))
		if err != nil {
			return err
		}
		if !ok {
			return writeText(sys.stdout, "nothing was changed\n")
		}
	}
	err = d.deployer.Destroy(ctx, there)
	d.progress.clear()
	if err != nil {
		return err
	}
	return writeText(sys.stdout, fmt.Sprintf("removed %s\n", plural(int64(len(there)), "stack")))
}
