package iam

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rootguard/internal/accountcheck"
	"rootguard/internal/bootstrap"
)

var (
	_ accountcheck.Roots = (*Accounts)(nil)
	_ accountcheck.Users = (*Accounts)(nil)

	_ accountcheck.CredentialReports = (*Accounts)(nil)
)

// clients is how many accounts' clients and credentials are kept. An account is
// asked about several times in a row, and then not for an hour, when its
// credentials no longer hold.
const clients = 256

// ErrOutOfReach is returned for an account that cannot be asked about, since no
// role to assume in it is configured.
var ErrOutOfReach = errors.New("no role is configured for live checks in other accounts")

// Home says which account the caller's own credentials belong to.
type Home struct {
	Partition string // its ID, as in ARNs: "aws"
	Account   string
}

// Accounts asks about several accounts: its own, and others by assuming a role.
// It is safe for concurrent use.
type Accounts struct {
	home Home
	own  *sdk.Client
	role string
	sts  stscreds.AssumeRoleAPIClient

	mu      sync.Mutex
	clients map[string]*Client
}

// NewAccounts returns Accounts. role is the name of the role to assume in other
// accounts; with "", roles is not used and other accounts are out of reach.
func NewAccounts(home Home, own *sdk.Client, roles stscreds.AssumeRoleAPIClient, role string) *Accounts {
	return &Accounts{home: home, own: own, role: role, sts: roles, clients: map[string]*Client{home.Account: New(own)}}
}

// Over returns Accounts over the SDK's configuration of the account at home.
func Over(env aws.Config, home Home, role string) *Accounts {
	return NewAccounts(home, sdk.NewFromConfig(env), sts.NewFromConfig(env), role)
}

// User is Client.User for a user of an account.
func (a *Accounts) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	c, err := a.of(account)
	if err != nil {
		return bootstrap.LiveFact{}, fmt.Errorf("checking user %s of account %s: %w", name, account, err)
	}
	return c.User(ctx, name)
}

// Users is Client.Users for an account.
func (a *Accounts) Users(ctx context.Context, account string) ([]accountcheck.ListedUser, error) {
	c, err := a.of(account)
	if err != nil {
		return nil, fmt.Errorf("listing users of account %s: %w", account, err)
	}
	return c.Users(ctx)
}

// AccountSummary is Client.AccountSummary for an account.
func (a *Accounts) AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error) {
	c, err := a.of(account)
	if err != nil {
		return bootstrap.LiveFact{}, fmt.Errorf("checking account %s: %w", account, err)
	}
	return c.AccountSummary(ctx)
}

// CredentialReport is Client.CredentialReport for an account.
func (a *Accounts) CredentialReport(ctx context.Context, account string) (accountcheck.CredentialReport, error) {
	c, err := a.of(account)
	if err != nil {
		return accountcheck.CredentialReport{}, fmt.Errorf("getting the credential report of account %s: %w", account, err)
	}
	return c.CredentialReport(ctx)
}

// RequestCredentialReport is Client.RequestCredentialReport for an account.
func (a *Accounts) RequestCredentialReport(ctx context.Context, account string) (accountcheck.ReportState, error) {
	c, err := a.of(account)
	if err != nil {
		return "", fmt.Errorf("requesting the credential report of account %s: %w", account, err)
	}
	return c.RequestCredentialReport(ctx)
}

// AdminRole is Client.AdminRole for a role of an account.
func (a *Accounts) AdminRole(ctx context.Context, account, role string) (bool, error) {
	c, err := a.of(account)
	if err != nil {
		return false, fmt.Errorf("checking role %s of account %s: %w", role, account, err)
	}
	return c.AdminRole(ctx, role)
}

// Credentials are those with which an account is asked, for other services in it.
func (a *Accounts) Credentials(account string) (aws.CredentialsProvider, error) {
	c, err := a.of(account)
	if err != nil {
		return nil, fmt.Errorf("assuming the role in account %s: %w", account, err)
	}
	return c.client.Options().Credentials, nil
}

func (a *Accounts) of(account string) (*Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.clients[account]; c != nil {
		return c, nil
	}
	if a.role == "" || a.sts == nil {
		return nil, ErrOutOfReach
	}
	arn := fmt.Sprintf("arn:%s:iam::%s:role/%s", a.home.Partition, account, a.role)
	options := a.own.Options()
	options.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(a.sts, arn, func(o *stscreds.AssumeRoleOptions) {
		o.RoleSessionName = "rootguard"
	}))
	c := New(sdk.New(options))
	for other := range a.clients {
		if len(a.clients) < clients {
			break
		}
		if other != a.home.Account {
			delete(a.clients, other)
		}
	}
	a.clients[account] = c
	return c, nil
}
