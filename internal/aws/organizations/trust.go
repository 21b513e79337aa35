package organizations

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
)

// Trusts reports whether an AWS service has trusted access to the organization.
// The management account and delegated administrators may ask.
func Trusts(ctx context.Context, client *sdk.Client, service string) (bool, error) {
	pages := sdk.NewListAWSServiceAccessForOrganizationPaginator(client, &sdk.ListAWSServiceAccessForOrganizationInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, fmt.Errorf("listing the services with trusted access: %w", err)
		}
		for i := range page.EnabledServicePrincipals {
			if aws.ToString(page.EnabledServicePrincipals[i].ServicePrincipal) == service {
				return true, nil
			}
		}
	}
	return false, nil
}
