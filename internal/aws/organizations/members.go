package organizations

import (
	"cmp"
	"context"
	"fmt"

	"rootguard/internal/accountcheck"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
)

var _ accountcheck.Organization = (*Accounts)(nil)

// Accounts are the accounts of an organization. Only the management account and
// delegated administrators may list them (Organizations API Reference, ListAccounts).
type Accounts struct{ client *sdk.Client }

// NewAccounts returns Accounts.
func NewAccounts(client *sdk.Client) *Accounts { return &Accounts{client} }

// Members is accountcheck.Organization's. A page has at most 20 accounts, and may have
// none though others follow.
func (a *Accounts) Members(ctx context.Context, token string) (page []accountcheck.Member, next string, err error) {
	in := &sdk.ListAccountsInput{}
	if token != "" {
		in.NextToken = &token
	}
	out, err := a.client.ListAccounts(ctx, in)
	if err != nil {
		return nil, "", fmt.Errorf("listing accounts: %w", err)
	}
	for i := range out.Accounts {
		one := &out.Accounts[i]
		// State replaces Status, which goes away; both know ACTIVE.
		state := cmp.Or(string(one.State), string(one.Status))
		page = append(page, accountcheck.Member{Account: aws.ToString(one.Id), Active: state == string(types.AccountStateActive)})
	}
	return page, aws.ToString(out.NextToken), nil
}
