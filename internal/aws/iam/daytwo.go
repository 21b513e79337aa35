package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/daytwo"
)

// Root is what IAM says of the account's root user (IAM API Reference,
// GetAccountSummary). Where ListVirtualMFADevices fails, Virtual stays nil.
func (c *Client) Root(ctx context.Context) (daytwo.Root, error) {
	out, err := c.client.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})
	if err != nil {
		return daytwo.Root{}, classed("getting account summary", err)
	}
	flag := func(key types.SummaryKeyType) *bool {
		n, ok := out.SummaryMap[string(key)]
		if !ok {
			return nil
		}
		set := n != 0
		return &set
	}
	root := daytwo.Root{Password: flag(types.SummaryKeyTypeAccountPasswordPresent), MFA: flag(types.SummaryKeyTypeAccountMFAEnabled)}
	if n, ok := out.SummaryMap[string(types.SummaryKeyTypeAccountSigningCertificatesPresent)]; ok {
		root.Certificates = aws.Int(int(n))
	}
	if root.MFA != nil && *root.MFA {
		if virtual, err := c.rootHasVirtualMFA(ctx); err == nil {
			root.Virtual = &virtual
		}
	}
	return root, nil
}

// PasswordPolicy is the account's password policy; that there is none is an answer
// and no error (IAM API Reference, GetAccountPasswordPolicy: NoSuchEntity).
func (c *Client) PasswordPolicy(ctx context.Context) (daytwo.Policy, error) {
	out, err := c.client.GetAccountPasswordPolicy(ctx, &sdk.GetAccountPasswordPolicyInput{})
	var none *types.NoSuchEntityException
	switch {
	case errors.As(err, &none):
		return daytwo.Policy{}, nil
	case err != nil:
		return daytwo.Policy{}, classed("getting the password policy", err)
	case out.PasswordPolicy == nil:
		return daytwo.Policy{}, errors.New("getting the password policy: the answer lacks it")
	}
	p := out.PasswordPolicy
	return daytwo.Policy{Set: true, Length: int(aws.ToInt32(p.MinimumPasswordLength)), Remembers: int(aws.ToInt32(p.PasswordReusePrevention))},
		nil
}

// Root is Client.Root for an account.
func (a *Accounts) Root(ctx context.Context, account string) (daytwo.Root, error) {
	c, err := a.of(account)
	if err != nil {
		return daytwo.Root{}, fmt.Errorf("checking root of account %s: %w", account, err)
	}
	return c.Root(ctx)
}

// PasswordPolicy is Client.PasswordPolicy for an account.
func (a *Accounts) PasswordPolicy(ctx context.Context, account string) (daytwo.Policy, error) {
	c, err := a.of(account)
	if err != nil {
		return daytwo.Policy{}, fmt.Errorf("getting the password policy of account %s: %w", account, err)
	}
	return c.PasswordPolicy(ctx)
}

// Central is whether the organization manages root access of its members centrally.
// That an account is not the one to ask is an answer and no error (IAM API Reference,
// ListOrganizationsFeatures).
func (c *Client) Central(ctx context.Context) (daytwo.Central, error) {
	out, err := c.client.ListOrganizationsFeatures(ctx, &sdk.ListOrganizationsFeaturesInput{})
	code := ""
	if answer := smithy.APIError(nil); errors.As(err, &answer) {
		code = strings.TrimSuffix(answer.ErrorCode(), "Exception") // the reference has them without, the SDK's model with it
	}
	switch {
	case code == "OrganizationNotFound":
		return daytwo.Central{Outside: "the account is in no organization"}, nil
	case code == "AccountNotManagementOrDelegatedAdministrator":
		return daytwo.Central{Outside: "it is a matter of the organization's management account"}, nil
	case code == "ServiceAccessNotEnabled", code == "OrganizationNotInAllFeaturesMode":
		return daytwo.Central{}, nil // without trusted access or all features nothing is enabled
	case err != nil:
		return daytwo.Central{}, classed("listing the organization's features", err)
	}
	var is daytwo.Central
	for _, feature := range out.EnabledFeatures {
		is.Credentials = is.Credentials || feature == types.FeatureTypeRootCredentialsManagement
		is.Sessions = is.Sessions || feature == types.FeatureTypeRootSessions
	}
	return is, nil
}

// Central is Client.Central for an account.
func (a *Accounts) Central(ctx context.Context, account string) (daytwo.Central, error) {
	c, err := a.of(account)
	if err != nil {
		return daytwo.Central{}, fmt.Errorf("listing the features of account %s: %w", account, err)
	}
	return c.Central(ctx)
}
