// Package awsdaytwo reads of accounts what shows the steps of day two. It puts
// together the adapters of the services that know it, with the credentials of the
// account that is asked.
package awsdaytwo

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkaccount "github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/smithy-go"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/account"
	"rootguard/internal/aws/iam"
	"rootguard/internal/daytwo"
)

var _ accountcheck.DayTwoReader = (*Reader)(nil)

// Reader reads of accounts. It is safe for concurrent use.
type Reader struct {
	env aws.Config
	iam *iam.Accounts
}

// New returns a Reader over the SDK's configuration of the guard's own account.
// Other accounts are asked with the credentials of accounts. It makes no request.
func New(env aws.Config, accounts *iam.Accounts) *Reader { return &Reader{env: env, iam: accounts} }

// Read is accountcheck.DayTwoReader's.
func (r *Reader) Read(ctx context.Context, of string, what daytwo.Read, into *daytwo.Answers) error {
	switch what {
	case daytwo.ReadRoot:
		return keep(what, &into.Root)(r.iam.Root(ctx, of))
	case daytwo.ReadPolicy:
		return keep(what, &into.Policy)(r.iam.PasswordPolicy(ctx, of))
	case daytwo.ReadContact:
		env, err := r.as(of)
		if err != nil {
			return err
		}
		client := account.New(func() *sdkaccount.Client { return sdkaccount.NewFromConfig(env) })
		return keep(what, &into.Contact)(client.SecurityContact(ctx))
	default:
		return fmt.Errorf("nothing reads the %s", what)
	}
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
