package iam

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/bootstrap"
	"rootguard/internal/guard"
)

var (
	_ guard.Live   = (*Quarantine)(nil)
	_ guard.Policy = (*Quarantine)(nil)
)

// Quarantine puts a customer-managed policy on users, and takes it off. In each
// account the policy has the same name.
type Quarantine struct {
	accounts *Accounts
	policy   string
}

// NewQuarantine returns a Quarantine by the policy of that name. The role of the
// accounts must allow what Quarantine does.
func NewQuarantine(accounts *Accounts, policy string) *Quarantine {
	return &Quarantine{accounts, policy}
}

func (q *Quarantine) arn(account string) *string {
	return aws.String(fmt.Sprintf("arn:%s:iam::%s:policy/%s", q.accounts.home.Partition, account, q.policy))
}

// User is Accounts.User, and the user's unique ID, by which one made anew under
// an old name is known.
func (q *Quarantine) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	live, err := q.accounts.User(ctx, account, name)
	if err != nil || live.Gone {
		return live, err
	}
	c, err := q.accounts.of(account)
	if err != nil {
		return bootstrap.LiveFact{}, err
	}
	out, err := c.client.GetUser(ctx, &sdk.GetUserInput{UserName: &name})
	var gone *types.NoSuchEntityException
	if errors.As(err, &gone) {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	if err != nil {
		return bootstrap.LiveFact{}, classed("getting user "+name, err)
	}
	if out.User != nil {
		live.UserID = aws.ToString(out.User.UserId)
	}
	return live, nil
}

// Attach is guard.Policy's. A policy that is attached stays so (IAM API
// Reference, AttachUserPolicy).
func (q *Quarantine) Attach(ctx context.Context, account, user string) error {
	c, err := q.accounts.of(account)
	if err != nil {
		return err
	}
	if _, err := c.client.AttachUserPolicy(ctx, &sdk.AttachUserPolicyInput{UserName: &user, PolicyArn: q.arn(account)}); err != nil {
		return classed("attaching policy "+q.policy+" to user "+user, err)
	}
	return nil
}

// Detach is guard.Policy's.
func (q *Quarantine) Detach(ctx context.Context, account, user string) (was bool, err error) {
	c, err := q.accounts.of(account)
	if err != nil {
		return false, err
	}
	_, err = c.client.DetachUserPolicy(ctx, &sdk.DetachUserPolicyInput{UserName: &user, PolicyArn: q.arn(account)})
	var none *types.NoSuchEntityException // no such user, or the policy is not attached
	if errors.As(err, &none) {
		return false, nil
	}
	if err != nil {
		return false, classed("detaching policy "+q.policy+" from user "+user, err)
	}
	return true, nil
}

// Attached is guard.Policy's. It is false for a user that does not exist.
func (q *Quarantine) Attached(ctx context.Context, account, user string) (bool, error) {
	c, err := q.accounts.of(account)
	if err != nil {
		return false, err
	}
	arn := *q.arn(account)
	pages := sdk.NewListAttachedUserPoliciesPaginator(c.client, &sdk.ListAttachedUserPoliciesInput{UserName: &user})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		var gone *types.NoSuchEntityException
		if errors.As(err, &gone) {
			return false, nil
		}
		if err != nil {
			return false, classed("listing policies of user "+user, err)
		}
		for _, p := range page.AttachedPolicies {
			if aws.ToString(p.PolicyArn) == arn {
				return true, nil
			}
		}
	}
	return false, nil
}
