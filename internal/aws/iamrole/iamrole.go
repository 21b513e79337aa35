// Package iamrole looks up what an IAM role allows, and who may assume it.
//
// The health check compares the roles of rootguard's functions with what was deployed:
// inline policies, attached ones, boundary and trust. A role with more inline policies
// than rootguard's have is not read whole.
package iamrole

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/health"
)

var _ health.Roles = (*Roles)(nil)

// Roles is a health.Roles over AWS IAM. It is safe for concurrent use.
type Roles struct{ in func() *sdk.Client }

// New returns Roles. in returns the SDK's client, when it is first needed.
func New(in func() *sdk.Client) *Roles { return &Roles{in: in} }

// maxPolicies is how many inline policies of a role are read: rootguard's have one.
const maxPolicies = 10

// Role is health.Roles'.
func (r *Roles) Role(ctx context.Context, name string) (health.Role, error) {
	failed := func(doing string, err error) (health.Role, error) {
		var missing *types.NoSuchEntityException
		if errors.As(err, &missing) {
			err = health.ErrAbsent
		}
		return health.Role{}, fmt.Errorf("%s of role %s: %w", doing, name, err)
	}
	about, err := r.in().GetRole(ctx, &sdk.GetRoleInput{RoleName: &name})
	if err != nil {
		return failed("reading the trust policy", err)
	}
	if about.Role == nil {
		return failed("reading the trust policy", errors.New("the answer says nothing of it"))
	}
	role := health.Role{Inline: map[string]string{}}
	if role.Trust, err = document(about.Role.AssumeRolePolicyDocument); err != nil {
		return failed("reading the trust policy", err)
	}
	if b := about.Role.PermissionsBoundary; b != nil {
		role.Boundary = aws.ToString(b.PermissionsBoundaryArn)
	}
	attached, err := r.in().ListAttachedRolePolicies(ctx, &sdk.ListAttachedRolePoliciesInput{RoleName: &name}) // one is too many: one page
	if err != nil {
		return failed("listing the attached policies", err)
	}
	for i := range attached.AttachedPolicies {
		role.Attached = append(role.Attached, aws.ToString(attached.AttachedPolicies[i].PolicyArn))
	}
	inline, err := r.in().ListRolePolicies(ctx, &sdk.ListRolePoliciesInput{RoleName: &name, MaxItems: aws.Int32(100)})
	if err != nil {
		return failed("listing the inline policies", err)
	}
	if inline.IsTruncated || len(inline.PolicyNames) > maxPolicies {
		return failed("listing the inline policies", fmt.Errorf("there are more than %d", maxPolicies))
	}
	for _, policy := range inline.PolicyNames {
		out, err := r.in().GetRolePolicy(ctx, &sdk.GetRolePolicyInput{RoleName: &name, PolicyName: &policy})
		if err != nil {
			return failed("reading the inline policy "+policy, err)
		}
		if role.Inline[policy], err = document(out.PolicyDocument); err != nil {
			return failed("reading the inline policy "+policy, err)
		}
	}
	return role, nil
}

// document decodes a policy, which IAM escapes as in a URL (AWS IAM API Reference,
// GetRolePolicy).
func document(text *string) (string, error) {
	decoded, err := url.QueryUnescape(aws.ToString(text))
	if err != nil {
		return "", fmt.Errorf("decoding it: %w", err)
	}
	return decoded, nil
}
