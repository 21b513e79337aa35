// Package stacks declares rootguard's AWS resources.
//
//	PREFIX                   the guard: rules, functions, table, topics, alarms; in the partition's home Region
//	PREFIX-forward-REGION    one a further Region: sends the rules' events to the guard's event bus
//	PREFIX-members           the stack set that does the same in an organization's accounts
//	management/PREFIX-…      the same again for the management account, which stack sets leave out
//
// Every resource that a call can name has a name that begins with the prefix,
// its own or its stack's: by this the guard knows itself when it is tampered with.
package stacks

import (
	"fmt"
	"os"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// Sweep is the function that no rule calls, but the schedule alone.
const Sweep = eventrules.Sweep

// SecurityHub is the function that the topic of alerts calls, where the settings
// ask for it.
const SecurityHub = config.SecurityHub

// Quarantine is the function that may put the quarantine policy on users, where
// the settings ask for it.
const Quarantine = eventrules.Quarantine

// Functions are the functions that the settings ask for, each a folder of lambdas.
func Functions(s *settings.Settings) []string {
	names := []string{eventrules.IAMUser, eventrules.RootActivity, Sweep}
	if s.Quarantine != "" {
		names = append(names, Quarantine)
	}
	if s.SecurityHub {
		names = append(names, SecurityHub)
	}
	return names
}

// Add declares the stacks that the settings ask for. archives has the path of
// the zip of each of the Functions.
func Add(app awscdk.App, s *settings.Settings, archives map[string]string) error {
	rules, err := eventrules.RulesFor(s.Prefix)
	if err != nil {
		return fmt.Errorf("choosing the rules: %w", err)
	}
	if s.Quarantine != "" {
		rules = append(rules, eventrules.QuarantineRule(s.Prefix))
	}
	for _, name := range Functions(s) {
		if archives[name] == "" {
			return fmt.Errorf("declaring the functions: there is no archive of %q", name)
		}
	}
	for _, rule := range rules {
		if archives[rule.Function] == "" {
			return fmt.Errorf("declaring rule %s: there is no archive of its function %q", rule.Name, rule.Function)
		}
	}
	newGuard(app, s, rules, archives)
	for _, region := range s.Regions {
		newRegion(app, s, rules, region)
	}
	if s.Organization == nil {
		return nil
	}
	if err := newMembers(app, s, rules); err != nil {
		return err
	}
	if s.Organization.Delegated() {
		newManagement(app, s, rules)
	}
	return nil
}

// newRegion declares the stack of a further Region.
func newRegion(app awscdk.App, s *settings.Settings, rules []eventrules.Rule, region string) {
	stack := awscdk.NewStack(app, jsii.String(s.Prefix+"-forward-"+region), &awscdk.StackProps{
		Env:         &awscdk.Environment{Region: jsii.String(region)},
		Description: jsii.String("rootguard: sends this Region's events about root and IAM users to the guard in " + s.Home()),
		Synthesizer: unaided(),
		// It is deployed as it is, of which CloudFormation takes 51,200 bytes.
		SuppressTemplateIndentation: jsii.Bool(true),
	})
	if region != s.Second() {
		newForwarder(stack, s, rules, *awscdk.Aws_ACCOUNT_ID())
		return
	}
	local := make([]eventrules.Rule, len(rules))
	for i, rule := range rules {
		local[i] = eventrules.Elsewhere(rule, s.Home())
	}
	direct := eventrules.Direct(s.Prefix)
	if s.Encrypt {
		direct = append(direct, eventrules.DirectKey("")) // the home Region knows which: see eventrules.Second
	}
	newForwarder(stack, s, local, *awscdk.Aws_ACCOUNT_ID()).second(s, direct)
}

// unaided makes a stack that is deployed without what `cdk bootstrap` prepares:
// only the guard has files to upload, so only its Region needs that.
func unaided() awscdk.IStackSynthesizer {
	return awscdk.NewBootstraplessSynthesizer(&awscdk.BootstraplessSynthesizerProps{})
}

// newManagement declares the member stack once a Region for the management
// account. They are in a stage of their own, so that deploying all stacks with
// the hub's credentials leaves them out.
func newManagement(app awscdk.App, s *settings.Settings, rules []eventrules.Rule) {
	stage := awscdk.NewStage(app, jsii.String("management"), &awscdk.StageProps{})
	for _, region := range append([]string{s.Home()}, s.Regions...) {
		name := jsii.String(s.Prefix + "-member-" + region)
		stack := awscdk.NewStack(stage, name, &awscdk.StackProps{
			StackName: name,
			Env:       &awscdk.Environment{Account: jsii.String(s.Organization.Management), Region: jsii.String(region)},
			Description: jsii.String("rootguard: sends the management account's events about root and IAM users to the guard in account " +
				s.Organization.Hub),
			Synthesizer: unaided(),
		})
		newMember(stack, s, rules)
	}
}

// memberTemplate is the member stack as CloudFormation reads it, made in an app
// of its own since a stack set takes it as text.
func memberTemplate(parent awscdk.App, s *settings.Settings, rules []eventrules.Rule) (any, error) {
	dir, err := os.MkdirTemp("", "rootguard-member-")
	if err != nil {
		return nil, fmt.Errorf("making a folder for the member template: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	context, _ := parent.Node().GetAllContext(nil).(map[string]any)
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(dir), Context: &context, AnalyticsReporting: jsii.Bool(false)})
	stack := awscdk.NewStack(app, jsii.String(s.Prefix+"-member"), &awscdk.StackProps{
		Description: jsii.String("rootguard: sends this account's events about root and IAM users to the guard in account " + s.Organization.Hub),
		Synthesizer: unaided(),
	})
	newMember(stack, s, rules)
	return app.Synth(nil).GetStackByName(stack.StackName()).Template(), nil
}
