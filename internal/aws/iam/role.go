package iam

import (
	"context"
	"errors"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/cloudtrail"
)

// AdminRole reports whether a role has administrator rights: AdministratorAccess
// attached, or an inline policy that allows everything. A role that does not
// exist has none. It calls iam:ListAttachedRolePolicies, ListRolePolicies and
// GetRolePolicy.
func (c *Client) AdminRole(ctx context.Context, role string) (admin bool, err error) {
	admin, err = c.adminRole(ctx, role)
	var none *types.NoSuchEntityException
	if errors.As(err, &none) {
		return false, nil
	}
	if err != nil {
		return false, classed("checking role "+role, err)
	}
	return admin, nil
}

func (c *Client) adminRole(ctx context.Context, role string) (bool, error) {
	attached := sdk.NewListAttachedRolePoliciesPaginator(c.client, &sdk.ListAttachedRolePoliciesInput{RoleName: &role})
	for attached.HasMorePages() {
		page, err := attached.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, p := range page.AttachedPolicies {
			if strings.HasSuffix(aws.ToString(p.PolicyArn), ":iam::aws:policy/AdministratorAccess") {
				return true, nil
			}
		}
	}
	inline := sdk.NewListRolePoliciesPaginator(c.client, &sdk.ListRolePoliciesInput{RoleName: &role})
	for inline.HasMorePages() {
		page, err := inline.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, name := range page.PolicyNames {
			out, err := c.client.GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: &role, PolicyName: &name})
			if err != nil {
				return false, err
			}
			if cloudtrail.AdminPolicy(aws.ToString(out.PolicyDocument)) {
				return true, nil
			}
		}
	}
	return false, nil
}
