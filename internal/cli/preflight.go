package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkeventbridge "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	sdkorganizations "github.com/aws/aws-sdk-go-v2/service/organizations"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/aws/eventbridge"
	"rootguard/internal/aws/organizations"
	"rootguard/internal/aws/sns"
	"rootguard/internal/cli/label"
	"rootguard/internal/deploy"
	"rootguard/internal/eventrules"
)

type preflightCmd struct {
	Prefix  string   `placeholder:"PREFIX" help:"The prefix that will be deployed. Default: that of the settings, else rootguard."`
	CDK     string   `placeholder:"FILE" default:"cdk.json" help:"Where the settings are. A file that is not there has none."`
	Email   []string `placeholder:"EMAIL" help:"Receivers besides those of the settings, as make deploy EMAIL=ops@example.com has them."`
	Profile string   `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
	Region  string   `group:"aws" placeholder:"REGION" help:"Where the stack will be. Default: us-east-1, in AWS GovCloud (US) us-gov-west-1, in China cn-north-1, in the European Sovereign Cloud eusc-de-east-1."`
}

// Help has examples.
func (preflightCmd) Help() string {
	return `Asks EventBridge whether it takes the pattern of each rule, before anything is deployed: a rule that is refused rolls the whole stack back. For a trail of an organization, checks that CloudTrail has trusted access. Names each address that gets alerts now and is in the settings no more: its subscription goes with the deployment. make deploy begins with it.

It makes nothing. It needs events:TestEventPattern; for the addresses cloudformation:DescribeStacks, cloudformation:ListStackResources and sns:ListSubscriptionsByTopic; for an organization organizations:ListAWSServiceAccessForOrganization. What cannot be asked is a warning, since the deployment shows it too.

Examples:
  rootguard preflight
  rootguard preflight --prefix acme-guard --profile security

Exit codes: 0 nothing is refused; 1 something is refused, or another error; 2 wrong usage.`
}

// planned is what the settings say of a deployment, as far as it can be asked for.
type planned struct {
	Prefix       string          `json:"prefix"`
	Trail        any             `json:"trail"`
	Organization json.RawMessage `json:"organization"`

	there bool     // the file is
	mails []string // that it has anywhere
}

// readPlanned reads the settings that a file of the CDK has.
func readPlanned(name string) (planned, error) {
	var file struct {
		Context struct {
			planned
			Rootguard planned `json:"rootguard"`
		} `json:"context"`
	}
	text, err := os.ReadFile(name) //nolint:gosec // the user names the file
	if errors.Is(err, fs.ErrNotExist) {
		return planned{}, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &file)
	}
	if err != nil {
		return planned{}, fmt.Errorf("reading the settings in %s: %w", name, err)
	}
	p := file.Context.Rootguard
	var all struct{ Context any }
	if err := json.Unmarshal(text, &all); err != nil {
		return planned{}, fmt.Errorf("reading the settings in %s: %w", name, err)
	}
	p.there, p.mails = true, mailsIn(all.Context)
	if file.Context.Prefix != "" {
		p.Prefix = file.Context.Prefix
	}
	if file.Context.Trail != nil {
		p.Trail = file.Context.Trail
	}
	return p, nil
}

// mailsIn are the addresses in a value of JSON, at any depth.
func mailsIn(v any) []string {
	var all []string
	switch v := v.(type) {
	case string:
		for _, word := range strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' }) {
			if strings.Contains(word, "@") {
				all = append(all, word)
			}
		}
	case []any:
		for _, one := range v {
			all = append(all, mailsIn(one)...)
		}
	case map[string]any:
		for _, one := range v {
			all = append(all, mailsIn(one)...)
		}
	}
	return all
}

// leaving are the addresses that get alerts by the stack that is there, and that are not
// among those of the settings.
func leaving(ctx context.Context, cfg aws.Config, stack string, stay []string) ([]string, error) {
	stacks := cloudformation.NewDeployer(cfg, "", nil)
	target := deploy.Target{Region: cfg.Region, Name: stack}
	if there, err := stacks.Stack(ctx, target); err != nil || there.Status == "" {
		return nil, err
	}
	topics, err := stacks.Topics(ctx, target)
	if err != nil {
		return nil, err
	}
	inspector := sns.NewInspector(sdksns.NewFromConfig(cfg), "")
	var all []string
	for _, arn := range topics {
		receivers, err := inspector.Receivers(ctx, arn)
		if err != nil {
			return nil, err
		}
		for _, r := range receivers.List {
			if r.Protocol == "email" && !r.Deleted && !slices.Contains(stay, r.Endpoint) {
				all = append(all, r.Endpoint)
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// Run asks.
func (c preflightCmd) Run(ctx context.Context, sys system) error {
	p, err := readPlanned(c.CDK)
	if err != nil {
		return err
	}
	prefix := eventrules.DefaultPrefix
	for _, given := range []string{c.Prefix, p.Prefix} {
		if given != "" {
			prefix = given
			break
		}
	}
	rules, err := eventrules.RulesFor(prefix)
	if err != nil {
		return err
	}
	const account = "123456789012" // its own is known only once it is deployed
	rules = slices.Concat(rules, []eventrules.Rule{eventrules.QuarantineRule(prefix), eventrules.Alive(prefix, account)},
		eventrules.Heartbeats(prefix, account), eventrules.Direct(prefix))

	warn := func(format string, args ...any) { _, _ = fmt.Fprintf(sys.stderr, "warning: "+format+"\n", args...) }
	cfg, err := loadAWS(ctx, c.Profile, c.Region)
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		warn("the rules were not checked: %v", err)
		return nil
	}
	client := sdkeventbridge.NewFromConfig(cfg)
	for i, rule := range rules {
		err := eventbridge.TestPattern(ctx, client, rule.Pattern)
		switch {
		case errors.Is(err, eventbridge.ErrRefused):
			return fmt.Errorf("rule %s-%s: %w; nothing was deployed: choose another prefix in the settings, such as %q, or report this", prefix,
				rule.Name, err, eventrules.DefaultPrefix)
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			if fault, ok := awsFaultOf(err); ok {
				warn("%d of %d rules were not checked: %s", len(rules)-i, len(rules), fault.text)
				break
			}
			warn("%d of %d rules were not checked: %v; allow events:TestEventPattern, or deploy: EventBridge then says the same",
				len(rules)-i, len(rules), reason(err))
		}
		if err != nil {
			break
		}
		if i == len(rules)-1 {
			_, _ = fmt.Fprintf(sys.stdout, "EventBridge takes all %d rules of prefix %s\n", len(rules), prefix)
		}
	}
	if p.there {
		gone, err := leaving(ctx, cfg, prefix, slices.Concat(p.mails, c.Email))
		switch {
		case err != nil && ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			warn("whether a receiver goes was not checked: %s", inWords(err))
		}
		for _, address := range gone {
			warn("%s gets no more alerts after this deployment: the address is not in the settings; AWS does not notify it", label.Clean(address))
		}
	}
	if len(p.Organization) == 0 || fmt.Sprint(p.Trail) != "true" {
		return nil
	}
	switch trusted, err := organizations.Trusts(ctx, sdkorganizations.NewFromConfig(cfg), "cloudtrail.amazonaws.com"); {
	case err != nil && ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		if fault, ok := awsFaultOf(err); ok {
			err = errors.New(fault.text)
		}
		warn("trusted access of CloudTrail was not checked: %v", reason(err))
	case !trusted:
		return errors.New("CloudTrail has no trusted access to the organization, which its trail needs; in the management account: aws organizations enable-aws-service-access --service-principal cloudtrail.amazonaws.com")
	}
	return nil
}

// reason is what AWS said, without what the SDK wraps about it.
func reason(err error) string {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return strings.TrimSuffix(api.ErrorCode()+": "+api.ErrorMessage(), ": ")
	}
	return err.Error()
}
