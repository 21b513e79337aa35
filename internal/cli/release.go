package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdklambda "github.com/aws/aws-sdk-go-v2/service/lambda"

	"rootguard/internal/aws/lambda"
	"rootguard/internal/cli/label"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/lazyre"
	"rootguard/internal/quarantine"
)

type releaseCmd struct {
	alwaysAWS
	writeFlags
	User    string    `arg:"" help:"The IAM user's name."`
	Account accountID `required:"" placeholder:"ID" help:"The user's account."`
	Reason  string    `required:"" placeholder:"TEXT" help:"Why, for all who get alerts."`
	For     span      `placeholder:"7d" help:"For how long the user is then left alone, 1h to 30d. Default: 7d."`
	DryRun  bool      `help:"Only show its state and what would be done."`
	JSON    bool      `help:"Print a JSON object."`
}

// Help has examples.
func (releaseCmd) Help() string {
	return `A user in quarantine gets out by signing in and enabling MFA. This is for when that cannot wait: it writes the request, with who makes it and why, into rootguard's table, and calls the function that alone may take the quarantine policy off users, in every account. Where it cannot be called, it does so at its next run, within 5 minutes. All receivers of alerts are notified, once. A quarantine that is only announced is called off the same way.

Afterwards the user is left alone for a time. A user who is still without MFA then is announced again.

It needs sts:GetCallerIdentity, dynamodb:BatchGetItem and PutItem on the table, lambda:GetFunctionConfiguration on rootguard-rootactivity and rootguard-quarantine, and lambda:InvokeFunction on the latter, without which it takes up to 5 minutes; it needs no permission on IAM.

Examples:
  rootguard release eve --account 111122223333 --reason "token broken, new one is ordered"
  rootguard release eve --account 111122223333 --reason "INC-42" --for 2d
  rootguard release eve --account 111122223333 --reason x --dry-run`
}

// releaseSchema is the version of a release's JSON.
const releaseSchema = "rootguard.release/1"

type releaseJSON struct {
	Schema      string           `json:"schema"`
	Account     string           `json:"account"`
	User        string           `json:"user"`
	UserID      string           `json:"user_id,omitempty"`
	Was         quarantine.State `json:"was"`
	State       quarantine.State `json:"state"`
	Since       time.Time        `json:"since,omitzero"` // of quarantine, or when it was to begin
	By          string           `json:"by"`
	Reason      string           `json:"reason"`
	ExemptUntil time.Time        `json:"exempt_until"`
	DryRun      bool             `json:"dry_run"`
}

// userNames are the names that IAM users may have (IAM API Reference, CreateUser).
var userNames = lazyre.New(`^[\w+=,.@-]{1,64}$`)

// Run releases.
func (c releaseCmd) Run(ctx context.Context, sys system) error {
	reason, err := words("reason", c.Reason, "say why, for all who get alerts")
	if err != nil {
		return err
	}
	length := time.Duration(c.For)
	if length == 0 {
		length = quarantine.ReleaseFor
	}
	switch {
	case length < time.Hour || length > 30*24*time.Hour:
		return usageError{fmt.Sprintf("--for %s: it must be between 1h and 30d", c.For)}
	case !userNames().MatchString(c.User):
		return usageError{fmt.Sprintf("%q is no name of an IAM user: give the name alone, without path or ARN", c.User)}
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	account := string(c.Account)
	was, err := quarantine.Of(ctx, o.store.Quarantines(), account, c.User)
	if err != nil {
		return err
	}
	if was.State == "" {
		if err := o.knows(ctx, sys, account); err != nil {
			return err
		}
	}
	function, client := c.stack(sys)+"-quarantine", sdklambda.NewFromConfig(o.aws)
	if _, err := lambda.Environment(ctx, client, function); errors.Is(err, lambda.ErrNoFunction) {
		policy, _ := o.config.Quarantine()
		return fmt.Errorf("%w: quarantine is not deployed, so nothing there can release anybody; with credentials of the account: aws iam detach-user-policy --user-name %s --policy-arn arn:%s:iam::%s:policy/%s",
			err, c.User, o.config.Partition, account, policy)
	}
	now := sys.now()
	out := releaseJSON{
		Schema: releaseSchema, Account: account, User: c.User, UserID: was.UserID, Was: was.State, State: was.State, Since: was.Effective,
		By: o.actor.ARN, Reason: reason, ExemptUntil: now.Add(length).UTC().Truncate(time.Second), DryRun: c.DryRun,
	}
	if c.DryRun {
		if !was.CanRelease() {
			return c.nothing(&was)
		}
		return c.print(sys, &out)
	}
	if _, err := quarantine.Release(ctx, o.store.Quarantines(), account, c.User, o.actor.ARN, reason, now, out.ExemptUntil); errors.Is(err,
		quarantine.ErrNotQuarantined) {
		return c.nothing(&was)
	} else if err != nil {
		return err
	}
	after, err := c.await(ctx, sys, o, func() error { return lambda.Invoke(ctx, client, function, lambdahandler.ScheduleEvent(sys.now())) })
	if err != nil {
		return err
	}
	out.State, out.By, out.Reason, out.ExemptUntil = after.State, after.By, after.Why, after.ExemptUntil
	return c.print(sys, &out)
}

// await calls the function until the user is out, a few times: the index by which
// it finds what is due may lag behind the table for a moment.
func (c releaseCmd) await(ctx context.Context, sys system, o *operator, call func() error) (q quarantine.Quarantine, err error) {
	for attempt := 1; ; attempt++ {
		failed := call()
		if q, err = quarantine.Of(ctx, o.store.Quarantines(), string(c.Account), c.User); err != nil {
			return q, err
		}
		if failed != nil {
			fmt.Fprintf(sys.stderr, "note: %s; so it takes until its next run\n", label.Clean(failed.Error()))
		}
		if failed != nil || q.State != quarantine.Releasing || attempt == 3 {
			return q, nil //nolint:nilerr // the user was reported, and the next run does it
		}
		if err := pause(ctx, time.Second); err != nil {
			return q, err
		}
	}
}

// nothing says why there is nothing to release.
func (c releaseCmd) nothing(q *quarantine.Quarantine) error {
	err := fmt.Errorf("releasing %s of account %s: %w", c.User, c.Account, quarantine.ErrNotQuarantined)
	if q.State == quarantine.Released && !q.ExemptUntil.IsZero() {
		err = fmt.Errorf("%w: it was released before, and is left alone until %s", err, label.Time(q.ExemptUntil))
	}
	return err
}

func (c releaseCmd) print(sys system, r *releaseJSON) error {
	if c.JSON {
		return writeJSON(sys.stdout, r)
	}
	how := map[quarantine.State]string{
		quarantine.Marked: "is about to be quarantined", quarantine.Announced: "is to be quarantined at " + label.Time(r.Since),
		quarantine.Spared:    "is past the last reminder, and not quarantined for a reason that its alert says",
		quarantine.Attaching: "is being quarantined",
		quarantine.Active:    "is quarantined since " + label.Time(r.Since), quarantine.Releasing: "is being released",
	}[r.Was]
	who := fmt.Sprintf("%s of account %s", sys.paint().bold(label.Clean(r.User)), r.Account)
	alone := "left alone until " + label.Time(r.ExemptUntil)
	switch {
	case r.DryRun:
		return writeText(sys.stdout, fmt.Sprintf("%s %s. It would be released, and %s. Nothing was changed.\n", who, how, alone))
	case r.State == quarantine.Released:
		return writeText(sys.stdout, fmt.Sprintf("%s is out of quarantine, and %s. The receivers were notified.\n", who, alone))
	default:
		return writeText(sys.stdout, fmt.Sprintf("%s will be out of quarantine within 5 minutes, and %s. The receivers will be notified.\n", who,
			alone))
	}
}
