// Package iam asks IAM for the status of an account or a user, where the records of
// CloudTrail cannot report or came too late to.
package iam

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
	"rootguard/internal/failure"
)

// Client asks about one account.
type Client struct{ client *sdk.Client }

// New returns a Client of the account that the SDK client's credentials belong to.
func New(client *sdk.Client) *Client { return &Client{client} }

// AccountSummary is the status of the account's root user. GetAccountSummary is the
// only call that counts passkeys too (IAM API Reference). Where root has MFA,
// ListVirtualMFADevices is asked too; that only shows the kind of device, so
// where it fails RootVirtualMFA stays nil and the rest counts.
func (c *Client) AccountSummary(ctx context.Context) (bootstrap.LiveFact, error) {
	out, err := c.client.GetAccountSummary(ctx, &sdk.GetAccountSummaryInput{})
	if err != nil {
		return bootstrap.LiveFact{}, classed("getting account summary", err)
	}
	value := func(key types.SummaryKeyType) *int {
		n, ok := out.SummaryMap[string(key)]
		if !ok {
			return nil
		}
		v := int(n)
		return &v
	}
	live := bootstrap.LiveFact{
		AccountMFAEnabled:        value(types.SummaryKeyTypeAccountMFAEnabled),
		AccountAccessKeysPresent: value(types.SummaryKeyTypeAccountAccessKeysPresent),
		AccountPasswordPresent:   value(types.SummaryKeyTypeAccountPasswordPresent),
	}
	if live.AccountMFAEnabled == nil {
		return bootstrap.LiveFact{}, errors.New("getting account summary: it lacks AccountMFAEnabled")
	}
	if *live.AccountMFAEnabled == 1 {
		if virtual, err := c.rootHasVirtualMFA(ctx); err == nil {
			live.RootVirtualMFA = &virtual
		}
	}
	return live, nil
}

// rootHasVirtualMFA looks for root among the users of the account's virtual
// devices. Where an answer leaves the user out, it goes by the name that the
// console gave root's only device before root could have several.
func (c *Client) rootHasVirtualMFA(ctx context.Context) (bool, error) {
	pages := sdk.NewListVirtualMFADevicesPaginator(c.client, &sdk.ListVirtualMFADevicesInput{
		AssignmentStatus: types.AssignmentStatusTypeAssigned, MaxItems: aws.Int32(1000),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, err
		}
		for _, d := range page.VirtualMFADevices {
			of, ending := d.SerialNumber, ":mfa/root-account-mfa-device"
			if d.User != nil && d.User.Arn != nil {
				of, ending = d.User.Arn, ":root"
			}
			if strings.HasSuffix(aws.ToString(of), ending) {
				return true, nil
			}
		}
	}
	return false, nil
}

// Users lists the account's users, a thousand with a call (IAM API Reference, ListUsers).
func (c *Client) Users(ctx context.Context) ([]accountcheck.ListedUser, error) {
	var users []accountcheck.ListedUser
	pages := sdk.NewListUsersPaginator(c.client, &sdk.ListUsersInput{MaxItems: aws.Int32(1000)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, classed("listing users", err)
		}
		for i := range page.Users {
			users = append(users, accountcheck.ListedUser{Name: aws.ToString(page.Users[i].UserName), ID: aws.ToString(page.Users[i].UserId),
				Created: aws.ToTime(page.Users[i].CreateDate)})
		}
	}
	return users, nil
}

// User is whether a user has a console password, and all of its MFA devices.
// Gone is set where there is no such user. IAM is eventually consistent, so a
// user created or renamed moments ago may be Gone too.
func (c *Client) User(ctx context.Context, name string) (bootstrap.LiveFact, error) {
	if name == "" {
		// Without a name, IAM would report the caller.
		return bootstrap.LiveFact{}, failure.Permanent(errors.New("checking user: it has no name"))
	}
	var (
		wg       sync.WaitGroup
		password bool
		devices  []string
		pErr     error
		dErr     error
	)
	wg.Go(func() { password, pErr = c.hasPassword(ctx, name) })
	wg.Go(func() { devices, dErr = c.devices(ctx, name) })
	wg.Wait()
	var gone *types.NoSuchEntityException
	if errors.As(dErr, &gone) {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	if err := errors.Join(pErr, dErr); err != nil {
		return bootstrap.LiveFact{}, classed("checking user "+name, err)
	}
	return bootstrap.LiveFact{UserName: name, ConsoleLogin: &password, MFADevices: devices}, nil
}

func (c *Client) hasPassword(ctx context.Context, name string) (bool, error) {
	_, err := c.client.GetLoginProfile(ctx, &sdk.GetLoginProfileInput{UserName: &name})
	var none *types.NoSuchEntityException
	if errors.As(err, &none) {
		return false, nil
	}
	return err == nil, err
}

func (c *Client) devices(ctx context.Context, name string) ([]string, error) {
	var serials []string
	pages := sdk.NewListMFADevicesPaginator(c.client, &sdk.ListMFADevicesInput{UserName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, d := range page.MFADevices {
			if d.SerialNumber != nil {
				serials = append(serials, *d.SerialNumber)
			}
		}
	}
	return serials, nil
}

// classed wraps an error of IAM or STS. Only what it says is wrong with the
// request is permanent.
func classed(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ValidationError", "InvalidInput", "InvalidInputException":
			return failure.Permanent(wrapped)
		}
	}
	return wrapped
}
