package account

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/account"
	"github.com/aws/aws-sdk-go-v2/service/account/types"

	"rootguard/internal/daytwo"
)

// SecurityContact is whether the account of the client's credentials has a security
// contact. Without an AccountId the call is about the caller's own account, in an
// organization too (AWS Account Management Reference Guide, GetAlternateContact:
// ResourceNotFoundException where there is none).
func (c *Client) SecurityContact(ctx context.Context) (daytwo.Contact, error) {
	out, err := c.in().GetAlternateContact(ctx, &sdk.GetAlternateContactInput{AlternateContactType: types.AlternateContactTypeSecurity})
	var none *types.ResourceNotFoundException
	switch {
	case errors.As(err, &none):
		return daytwo.Contact{}, nil
	case err != nil:
		return daytwo.Contact{}, fmt.Errorf("getting the security contact: %w", err)
	default:
		return daytwo.Contact{Set: out.AlternateContact != nil}, nil
	}
}
