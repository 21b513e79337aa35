// Package awsdaytwo reads of accounts what shows the steps of day two. It puts
// together the adapters of the services that know it, with the credentials of the
// account that is asked.
package awsdaytwo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/arn"
	sdkaccessanalyzer "github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	sdkaccount "github.com/aws/aws-sdk-go-v2/service/account"
	sdkbudgets "github.com/aws/aws-sdk-go-v2/service/budgets"
	sdkcloudtrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/smithy-go"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/accessanalyzer"
	"rootguard/internal/aws/account"
	"rootguard/internal/aws/budgets"
	"rootguard/internal/aws/ec2"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/s3control"
	"rootguard/internal/aws/trail"
	"rootguard/internal/daytwo"
	"rootguard/internal/partition"
)

var _ accountcheck.DayTwoReader = (*Reader)(nil)

// Reader reads of accounts. It is safe for concurrent use.
type Reader struct {
	env aws.Config
	iam *iam.Accounts
	now func() time.Time
}

// New returns a Reader over the SDK's configuration of the guard's own account.
// Other accounts are asked with the credentials of accounts. It makes no request.
func New(env aws.Config, accounts *iam.Accounts, now func() time.Time) *Reader {
	return &Reader{env: env, iam: accounts, now: now}
}

// Read is accountcheck.DayTwoReader's.
func (r *Reader) Read(ctx context.Context, of string, what daytwo.Read, into *daytwo.Answers) error {
	switch what {
	case daytwo.ReadRoot:
		return keep(what, &into.Root)(r.iam.Root(ctx, of))
	case daytwo.ReadPolicy:
		return keep(what, &into.Policy)(r.iam.PasswordPolicy(ctx, of))
	case daytwo.ReadCentral:
		return keep(what, &into.Central)(r.iam.Central(ctx, of))
	default:
	}
	env, err := r.as(of)
	if err != nil {
		return why(what, err)
	}
	switch what {
	case daytwo.ReadContact:
		client := account.New(func() *sdkaccount.Client { return sdkaccount.NewFromConfig(env) })
		return keep(what, &into.Contact)(client.SecurityContact(ctx))
	case daytwo.ReadTrails:
		return keep(what, &into.Trails)(trails(ctx, env))
	case daytwo.ReadBudgets:
		return keep(what, &into.Budgets)(budgets.Read(ctx, sdkbudgets.NewFromConfig(env), topics{env}, of))
	case daytwo.ReadAnalyze:
		return keep(what, &into.Analyzers)(accessanalyzer.Read(ctx, sdkaccessanalyzer.NewFromConfig(env)))
	case daytwo.ReadS3:
		return keep(what, &into.S3)(s3control.Read(ctx, env, r.now, r.suffix(), of))
	case daytwo.ReadEBS:
		return keep(what, &into.EBS)(ec2.Read(ctx, env, r.now, r.suffix()))
	default:
		return fmt.Errorf("nothing reads the %s", what)
	}
}

// suffix ends the names of the endpoints of the guard's partition.
func (r *Reader) suffix() string {
	p, _ := partition.OfRegion(r.env.Region) // the guard is deployed in no other
	return p.Suffix
}

// trails are those of an account, by the adapter that also checks the guard's own.
func trails(ctx context.Context, env aws.Config) (daytwo.Trails, error) {
	all, err := trail.New(sdkcloudtrail.NewFromConfig(env)).Trails(ctx)
	if err != nil {
		return daytwo.Trails{}, err //nolint:wrapcheck // why says what was read
	}
	var found daytwo.Trails
	for i := range all {
		t := &all[i]
		one := daytwo.TrailState{Name: t.Name, Regions: t.MultiRegion, Logging: t.Logging, Whole: t.Reads && t.Writes && t.Partly == ""}
		if err := errors.Join(t.Err, t.Unseen); err != nil {
			one.Unknown = why(daytwo.ReadTrails, err).Error()
		}
		found.All = append(found.All, one)
	}
	return found, nil
}

// topics asks SNS with the credentials of an account, in the Region of each topic.
type topics struct{ env aws.Config }

var _ budgets.Topics = topics{}

// Confirmed is budgets.Topics'.
func (t topics) Confirmed(ctx context.Context, topicARN string) (int, error) {
	name, err := arn.Parse(topicARN)
	if err != nil {
		return 0, fmt.Errorf("a budget notifies %q, which is no ARN of a topic: %w", topicARN, err)
	}
	out, err := sdksns.NewFromConfig(t.env, func(o *sdksns.Options) { o.Region = name.Region }).GetTopicAttributes(ctx,
		&sdksns.GetTopicAttributesInput{TopicArn: &topicARN})
	if err != nil {
		return 0, why("topic that a budget notifies", err)
	}
	n, err := strconv.Atoi(out.Attributes["SubscriptionsConfirmed"])
	if err != nil {
		return 0, fmt.Errorf("topic %s does not say how many subscriptions are confirmed", name.Resource)
	}
	return n, nil
}

// as is the configuration with the credentials of an account.
func (r *Reader) as(of string) (aws.Config, error) {
	credentials, err := r.iam.Credentials(of)
	if err != nil {
		return aws.Config{}, err //nolint:wrapcheck // it names the account
	}
	env := r.env.Copy()
	env.Credentials = credentials
	return env, nil
}

// keep stores an answer, or says for people why there is none.
func keep[T any](what daytwo.Read, into **T) func(T, error) error {
	return func(answer T, err error) error {
		if err != nil {
			return why(what, err)
		}
		*into = &answer
		return nil
	}
}

// deniedCodes are the error codes by which services refuse a caller.
var deniedCodes = []string{"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError", "NotAuthorized"}

// why says for people what kept a read from its answer. What AWS says of a refusal
// names the role and the permission.
func why(what daytwo.Read, err error) error {
	var answer smithy.APIError
	switch {
	case errors.As(err, &answer) && slices.Contains(deniedCodes, answer.ErrorCode()):
		return fmt.Errorf("AWS denies rootguard's role to read the %s: %s", what, answer.ErrorMessage())
	case errors.As(err, &answer):
		return fmt.Errorf("AWS did not answer what the %s is: %s: %s", what, answer.ErrorCode(), answer.ErrorMessage())
	default:
		return fmt.Errorf("the %s could not be read: %w", what, err)
	}
}
