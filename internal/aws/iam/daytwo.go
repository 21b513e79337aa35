package iam

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

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
	return daytwo.Policy{Set: true, Length: int(aws.ToInt32(p.MinimumPasswordLength)), Remembers: int(aws.ToInt32(p.PasswordReusePrevention))}, nil
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
