// Package cloudformation is rootguard's use of AWS CloudFormation.
//
// A Deployer makes change sets for rootguard's own stacks, starts them and removes the
// stacks: `rootguard deploy` and `rootguard destroy` work by it. Deployments say
// whether a call on one of rootguard's resources was part of an update of its stacks,
// so that an update is one note and not an alert for each resource. Outputs are what a
// deployed stack says of itself, by which the other commands find it.
package cloudformation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
)

// ErrNoStack is returned where there is no stack of the name in the client's
// account and Region.
var ErrNoStack = errors.New("there is no such stack")

// Outputs returns a stack's outputs by key. It fails with ErrNoStack.
func Outputs(ctx context.Context, client *sdk.Client, stack string) (map[string]string, error) {
	out, err := client.DescribeStacks(ctx, &sdk.DescribeStacksInput{StackName: &stack})
	if err != nil {
		// It is a ValidationError, "Stack with id NAME does not exist"
		// (AWS CloudFormation API Reference, DescribeStacks).
		var api smithy.APIError
		if errors.As(err, &api) && api.ErrorCode() == "ValidationError" && strings.Contains(api.ErrorMessage(), "does not exist") {
			return nil, fmt.Errorf("looking for stack %s: %w", stack, ErrNoStack)
		}
		return nil, fmt.Errorf("looking for stack %s: %w", stack, err)
	}
	if len(out.Stacks) == 0 {
		return nil, fmt.Errorf("looking for stack %s: %w", stack, ErrNoStack)
	}
	outputs := map[string]string{}
	for _, o := range out.Stacks[0].Outputs {
		if o.OutputKey != nil && o.OutputValue != nil {
			outputs[*o.OutputKey] = *o.OutputValue
		}
	}
	return outputs, nil
}
