// Package account asks AWS Account Management about one account: which Regions it has
// enabled, for doctor and the health check, and whether it has a security contact, for
// the steps of day two.
//
// Every call is about the account whose credentials it is made with. The Regions that
// are being enabled count as enabled.
package account

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"

	"rootguard/internal/health"
)

var _ health.Regions = (*Client)(nil)

// Client asks AWS Account Management. It is safe for concurrent use.
type Client struct{ in func() *sdk.Client }

// New returns a Client. in returns the SDK's, when it is first needed.
func New(in func() *sdk.Client) *Client { return &Client{in: in} }

// maxPages bounds the listing, of 50 Regions a page.
const maxPages = 10

// Enabled is health.Regions'. One that is being enabled is among them.
func (c *Client) Enabled(ctx context.Context) ([]string, error) {
	in := &sdk.ListRegionsInput{MaxResults: aws.Int32(50), RegionOptStatusContains: []types.RegionOptStatus{types.RegionOptStatusEnabled,
		types.RegionOptStatusEnabledByDefault, types.RegionOptStatusEnabling}}
	regions := []string{}
	for range maxPages {
		out, err := c.in().ListRegions(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("listing the account's Regions: %w", err)
		}
		for i := range out.Regions {
			regions = append(regions, aws.ToString(out.Regions[i].RegionName))
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			return regions, nil
		}
	}
	return nil, fmt.Errorf("listing the account's Regions: there are more than %d pages", maxPages)
}
