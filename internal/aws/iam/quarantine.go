package iam

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/bootstrap"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/quarantine"
)

var (
	_ mfadeadline.UserChecker = (*Quarantine)(nil)
	_ quarantine.Policy       = (*Quarantine)(nil)
	_ quarantine.Safety       = (*Quarantine)(nil)
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

// User is Accounts.User, and the user's unique ID, by which one made again under
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

// Attach is quarantine.Policy's. A policy that is attached stays so (IAM API
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

// Detach is quarantine.Policy's.
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

// Attached is quarantine.Policy's. It is false for a user that does not exist.
func (q *Quarantine) Attached(ctx context.Context, account, user string) (bool, error) {
	arn := *q.arn(account)
	return q.has(ctx, account, user, func(policy string) bool { return policy == arn })
}

// Administrator is quarantine.Safety's. What groups and inline policies allow
// is not asked: the records of IAM report these.
func (q *Quarantine) Administrator(ctx context.Context, account, user string) (bool, error) {
	return q.has(ctx, account, user, func(policy string) bool { return strings.HasSuffix(policy, ":iam::aws:policy/AdministratorAccess") })
}

// has reports whether one of the policies attached to a user, by its ARN, is what
// is asked for.
func (q *Quarantine) has(ctx context.Context, account, user string, is func(policy string) bool) (bool, error) {
	c, err := q.accounts.of(account)
	if err != nil {
		return false, err
	}
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
		if slices.ContainsFunc(page.AttachedPolicies, func(p types.AttachedPolicy) bool { return is(aws.ToString(p.PolicyArn)) }) {
			return true, nil
		}
	}
	return false, nil
}

// needed is what a user cannot enable MFA without: the call itself, and the one by
// which the console shows the devices that there are.
var needed = []string{"iam:EnableMFADevice", "iam:ListMFADevices"}

// Barred is quarantine.Safety's. It goes by IAM's simulator, which says what
// a permissions boundary and the organization's service control policies allow
// apart from the user's own policies, and knows no condition of the latter (IAM
// API Reference, SimulatePrincipalPolicy, PermissionsBoundaryDecisionDetail and
// OrganizationsDecisionDetail; IAM User Guide, "Testing IAM policies with the IAM
// policy simulator"). That the user's own policies allow none of it bars no one:
// the quarantine policy does. A deny of theirs does.
func (q *Quarantine) Barred(ctx context.Context, account, user string) (why string, err error) {
	c, err := q.accounts.of(account)
	if err != nil {
		return "", err
	}
	found, err := c.client.GetUser(ctx, &sdk.GetUserInput{UserName: &user})
	if err != nil {
		return "", classed("getting user "+user, err)
	}
	if found.User == nil || found.User.Arn == nil {
		return "", fmt.Errorf("getting user %s: the answer has no ARN", user)
	}
	arn := *found.User.Arn // with the user's path
	reported := map[string]bool{}
	pages := sdk.NewSimulatePrincipalPolicyPaginator(c.client, &sdk.SimulatePrincipalPolicyInput{
		PolicySourceArn: &arn, ActionNames: needed, ResourceArns: []string{arn},
		ContextEntries: []types.ContextEntry{
			contextOf("aws:MultiFactorAuthPresent", types.ContextKeyTypeEnumBoolean, "false"),
			contextOf("aws:username", types.ContextKeyTypeEnumString, user),
		},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", classed("simulating the policies of user "+user, err)
		}
		for _, r := range page.EvaluationResults {
			action := aws.ToString(r.EvalActionName)
			reported[action] = true
			switch {
			case r.PermissionsBoundaryDecisionDetail != nil && !r.PermissionsBoundaryDecisionDetail.AllowedByPermissionsBoundary:
				why = cmp.Or(why, "The permissions boundary of the user does not allow "+action)
			case r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations:
				why = cmp.Or(why, "A service control policy of the organization does not allow "+action)
			case r.EvalDecision == types.PolicyEvaluationDecisionTypeExplicitDeny:
				why = cmp.Or(why, "A policy of the user or of its groups denies "+action)
			}
		}
	}
	for _, action := range needed {
		if !reported[action] {
			return "", fmt.Errorf("simulating the policies of user %s: the answer does not say whether %s is allowed", user, action)
		}
	}
	return why, nil
}

func contextOf(key string, kind types.ContextKeyTypeEnum, value string) types.ContextEntry {
	return types.ContextEntry{ContextKeyName: &key, ContextKeyType: kind, ContextKeyValues: []string{value}}
}
