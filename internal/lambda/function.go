// Package lambda looks up how a deployed function is set.
package lambda

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// ErrNoFunction is returned where there is no function of the name in the
// client's account and Region.
var ErrNoFunction = errors.New("there is no such function")

// Environment returns a function's environment variables. It fails with
// ErrNoFunction, and where the caller may not decrypt them.
func Environment(ctx context.Context, client *sdk.Client, function string) (map[string]string, error) {
	out, err := client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: &function})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return nil, fmt.Errorf("reading the settings of function %s: %w", function, ErrNoFunction)
	case err != nil:
		return nil, fmt.Errorf("reading the settings of function %s: %w", function, err)
	case out.Environment == nil:
		return map[string]string{}, nil
	case out.Environment.Error != nil && out.Environment.Error.Message != nil:
		return nil, fmt.Errorf("reading the settings of function %s: %s", function, *out.Environment.Error.Message)
	}
	return out.Environment.Variables, nil
}
