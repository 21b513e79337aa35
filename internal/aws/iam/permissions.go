package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/aws/sdkcall"
	"rootguard/internal/deploy"
)

var _ deploy.Permissions = (*Permissions)(nil)

// Permissions asks IAM's simulator what the policies of one user or role allow.
type Permissions struct {
	simulate sdkcall.Call[sdk.SimulatePrincipalPolicyInput, sdk.SimulatePrincipalPolicyOutput, sdk.Options]
	getRole  sdkcall.Call[sdk.GetRoleInput, sdk.GetRoleOutput, sdk.Options]
	caller   string // its ARN, as STS reports it
}

// NewPermissions returns those of a caller, by the ARN that GetCallerIdentity reports.
func NewPermissions(client *sdk.Client, caller string) *Permissions {
	return &Permissions{client.SimulatePrincipalPolicy, client.GetRole, caller}
}

// Source is deploy.Permissions'. The ARN of a role's session lacks the role's path, so
// that the role is asked for (IAM User Guide, "IAM identifiers").
func (p *Permissions) Source(ctx context.Context) (string, error) {
	parts := strings.SplitN(p.caller, ":", 6)
	if len(parts) != 6 {
		return "", fmt.Errorf("%q is no ARN", p.caller)
	}
	kind, name, _ := strings.Cut(parts[5], "/")
	switch {
	case parts[2] == "iam" && kind == "user":
		return p.caller, nil
	case parts[2] == "iam" && kind == "root":
		return "", errors.New("root has no policies")
	case parts[2] == "sts" && kind == "assumed-role":
		role, _, _ := strings.Cut(name, "/")
		out, err := p.getRole(ctx, &sdk.GetRoleInput{RoleName: &role})
		if err != nil {
			return "", fmt.Errorf("getting role %s: %w", role, err)
		}
		if out.Role == nil || out.Role.Arn == nil {
			return "", fmt.Errorf("getting role %s: the answer has no ARN", role)
		}
		return *out.Role.Arn, nil
	default:
		return "", fmt.Errorf("%s is neither a user nor a role", p.caller)
	}
}

// Denied is deploy.Permissions'. What depends on a condition is not known and so not
// denied; nor is what a service control policy denies, since the simulator does not
// evaluate those with global conditions, such as the Region (IAM User Guide, "Testing
// IAM policies with the IAM policy simulator").
func (p *Permissions) Denied(ctx context.Context, source string, actions []string, resource string) ([]string, error) {
	in := &sdk.SimulatePrincipalPolicyInput{PolicySourceArn: &source, ActionNames: actions, ResourceArns: []string{resource}}
	var denied []string
	for {
		out, err := p.simulate(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("simulating the policies of %s: %w", source, err)
		}
		for i := range out.EvaluationResults {
			r := &out.EvaluationResults[i]
			switch {
			case r.EvalDecision == types.PolicyEvaluationDecisionTypeAllowed, len(r.MissingContextValues) > 0:
			case r.OrganizationsDecisionDetail != nil && !r.OrganizationsDecisionDetail.AllowedByOrganizations:
			default:
				denied = append(denied, aws.ToString(r.EvalActionName))
			}
		}
		if !out.IsTruncated || aws.ToString(out.Marker) == "" || aws.ToString(out.Marker) == aws.ToString(in.Marker) {
			return denied, nil
		}
		in.Marker = out.Marker
	}
}
