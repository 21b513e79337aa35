// Package accessanalyzer looks up whether IAM Access Analyzer watches an account for
// access from outside.
package accessanalyzer

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/accessanalyzer"
	"github.com/aws/aws-sdk-go-v2/service/accessanalyzer/types"

	"rootguard/internal/daytwo"
)

// maxPages bounds the listing; a Region has few analyzers.
const maxPages = 5

// Read lists the analyzers of external access in the client's Region (IAM Access
// Analyzer API Reference, ListAnalyzers). Those of unused and internal access do not
// count.
func Read(ctx context.Context, client *sdk.Client) (daytwo.Analyzers, error) {
	var found daytwo.Analyzers
	in := &sdk.ListAnalyzersInput{}
	for range maxPages {
		out, err := client.ListAnalyzers(ctx, in)
		if err != nil {
			return daytwo.Analyzers{}, fmt.Errorf("listing the analyzers: %w", err)
		}
		for i := range out.Analyzers {
			a := &out.Analyzers[i]
			switch {
			case a.Type != types.TypeAccount && a.Type != types.TypeOrganization:
			case a.Status == types.AnalyzerStatusActive:
				found.Active = append(found.Active, aws.ToString(a.Name))
			default:
				found.Inactive = append(found.Inactive, fmt.Sprintf("%s (%s)", aws.ToString(a.Name), a.Status))
			}
		}
		if in.NextToken = out.NextToken; aws.ToString(in.NextToken) == "" {
			break
		}
	}
	return found, nil
}
