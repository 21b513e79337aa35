package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"rootguard/internal/announcement"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/cli/label"
	"rootguard/internal/deploy"
	"rootguard/internal/lazyre"
)

type announceDeployCmd struct {
	alwaysAWS
	writeFlags
	For     span     `required:"" placeholder:"1h" help:"How long; 4h at most."`
	Reason  string   `required:"" placeholder:"TEXT" help:"Why, for all who get alerts. Name a ticket."`
	Owner   string   `required:"" placeholder:"WHO" help:"Who answers for it and can be asked."`
	By      []string `placeholder:"ROLE" help:"Who deploys: the ARN of a role or user, or a role's name, with * at its end for all that begin so. Several are separated by commas. Default: you."`
	Version string   `placeholder:"VERSION" help:"What is deployed."`
	JSON    bool     `help:"Print a JSON object."`
}

// Help has examples.
func (announceDeployCmd) Help() string {
	return `Within this time CloudFormation's updates of rootguard's own stacks, by those who were named, make one note of severity low, which says who announced it. Without, a deployment makes an alert of severity high. rootguard deploy and rootguard upgrade announce by themselves; this is for make deploy (the CDK), StackSets and Terraform, and for a pipeline.

As loud as ever stay, announced or not: a change by hand, by another stack, or by another than those named; what removes or disables a rule, target, function, topic, subscription, alarm, schedule, queue, role or table; and any change of topics, subscriptions, table, trail and keys, and of who may become a role of rootguard's.

It needs sts:GetCallerIdentity, dynamodb:BatchGetItem and dynamodb:PutItem on the table, cloudformation:DescribeStacks, and lambda:GetFunctionConfiguration on the function rootguard-rootactivity.

Examples:
  rootguard announce deploy --for 1h --owner alice --reason "upgrade, OPS-17"
  rootguard announce deploy --for 1h --owner alice --reason OPS-17 --by 'cdk-hnb659fds-*'   # make deploy: the roles of cdk bootstrap`
}

// namedDeployer is how --by names who deploys.
var namedDeployer = lazyre.New(`^([A-Za-z0-9+=,.@_-]{1,64}|[A-Za-z0-9+=,.@_-]{3,63}\*|arn:aws[a-z-]*:(iam::[0-9]{12}:(role|user)/[\x21-\x29\x2b-\x7e]{1,512}|sts::[0-9]{12}:assumed-role/[A-Za-z0-9+=,.@_-]{1,64}/[A-Za-z0-9+=,.@_-]{1,64}))$`)

// entry is what to announce.
func (c announceDeployCmd) entry(now time.Time) (e announcement.AuditEvent, err error) {
	if length := time.Duration(c.For); length > announcement.MaxDeployment || length < time.Minute {
		return e, usageError{fmt.Sprintf("--for %s: a deployment may last from 1m to %.0fh", c.For, announcement.MaxDeployment.Hours())}
	}
	if e.Owner, err = words("owner", c.Owner, "name who answers for it and can be asked"); err != nil {
		return e, err
	}
	if e.Reason, err = words("reason", c.Reason, "say why it is deployed, best with a ticket"); err != nil {
		return e, err
	}
	if e.Version, err = optionalWords("version", c.Version, "name it, or leave it out"); err != nil {
		return e, err
	}
	for _, by := range c.By {
		if !namedDeployer().MatchString(by) {
			return e, usageError{fmt.Sprintf("--by %q: give the ARN of a role or user, or a role's name; * may stand at the end, after 3 characters at least", by)}
		}
	}
	e.By, e.Until = slices.Clone(c.By), now.Add(time.Duration(c.For))
	return e, nil
}

// Run announces.
func (c announceDeployCmd) Run(ctx context.Context, sys system) error {
	e, err := c.entry(sys.now())
	if err != nil {
		return err
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	e.Account, e.Actor = o.config.Account, o.actor
	for _, by := range e.By {
		if part := strings.Split(by, ":"); len(part) > 4 && part[4] != e.Account {
			return usageError{fmt.Sprintf("--by %s is of another account than rootguard's, %s", by, e.Account)}
		}
	}
	if len(e.By) == 0 {
		if o.actor.Type != "AssumedRole" && o.actor.Type != "IAMUser" {
			return usageError{fmt.Sprintf("your credentials are of %s, neither a role nor a user: say who deploys with --by", o.actor.ARN)}
		}
		e.By = []string{o.actor.ARN}
	}
	a, err := announcement.AnnounceDeployment(ctx, o.store, e, sys.now())
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(sys.stdout, windowOf(&a, sys.now()))
	}
	return writeText(sys.stdout,
		fmt.Sprintf("%s  a deployment of rootguard by %s is announced until %s.\nTo end it before: rootguard announce close --account %s %s\n",
			sys.paint().bold(a.Opened.ID), label.Clean(strings.Join(e.By, ", ")), label.Time(a.Opened.Until), a.Opened.Account, a.Opened.ID))
}

// announces stores that the stacks beside a guard will be updated, and returns what ends the
// announcement. Where it cannot, it warns: the deployment then makes a louder alert.
func (d *deployment) announces(ctx context.Context, guard *deploy.Stack) (done func(context.Context)) {
	done = func(context.Context) {}
	table := guard.Outputs[outputTable]
	if table == "" {
		return done
	}
	actor := actorOf(d.caller)
	by := []string{d.caller}
	if role := guard.Role; role != "" { // by which CloudFormation works
		by = append(by, role)
	}
	store := dynamodb.New(sdkdynamodb.NewFromConfig(d.cfg), table, d.sys.now)
	now := d.sys.now()
	a, err := announcement.AnnounceDeployment(ctx, store, announcement.AuditEvent{
		Account: d.account, Until: now.Add(announcement.MaxDeployment), Owner: actor.Name, Actor: actor, By: by, Version: d.bundle.Version,
		Reason: "rootguard deploy or rootguard upgrade, run by " + actor.Name,
	}, now)
	if err != nil {
		d.warn("the deployment could not be announced, so that it makes an alert of severity high: " + reason(err))
		if a.Opened.ID == "" {
			return done
		}
	}
	return func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
		defer cancel()
		if _, err := announcement.CloseDeployment(ctx, store, a, actor, "the deployment ended", d.sys.now()); err != nil {
			d.warn("the announcement " + a.Opened.ID + " of the deployment could not be ended, and lasts until " + label.Time(a.Opened.Until) +
				": " + reason(err))
		}
	}
}

// closeTimeout bounds ending an announcement, also where the command was interrupted.
const closeTimeout = 10 * time.Second

func (d *deployment) warn(text string) {
	_, _ = fmt.Fprintln(d.sys.stderr, "warning: "+label.Clean(text))
}
