// Package lambda looks up how a deployed function is set, and calls it.
//
// The commands find the guard by the environment of its functions, so that they work
// with the settings that are in force. The health check compares code, settings and what
// is done with failed events with what was deployed.
package lambda

import (
	"context"
	"errors"
	"fmt"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"rootguard/internal/health"
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

var _ health.Functions = (*Functions)(nil)

// Functions is a health.Functions over AWS Lambda. It is safe for concurrent use.
type Functions struct{ client *sdk.Client }

// New returns Functions.
func New(client *sdk.Client) *Functions { return &Functions{client: client} }

// Function is health.Functions'.
func (l *Functions) Function(ctx context.Context, name string) (health.Function, error) {
	var missing *types.ResourceNotFoundException
	c, err := l.client.GetFunctionConfiguration(ctx, &sdk.GetFunctionConfigurationInput{FunctionName: &name})
	switch {
	case errors.As(err, &missing):
		return health.Function{}, fmt.Errorf("reading the configuration of function %s: %w", name, health.ErrAbsent)
	case err != nil:
		return health.Function{}, fmt.Errorf("reading the configuration of function %s: %w", name, err)
	}
	f := health.Function{
		Runtime: string(c.Runtime), State: string(c.State), Reason: deref(c.StateReason),
		Update: string(c.LastUpdateStatus), UpdateWhy: deref(c.LastUpdateStatusReason),
		Code: deref(c.CodeSha256), Handler: deref(c.Handler), Role: deref(c.Role),
	}
	if c.Timeout != nil {
		f.Timeout = time.Duration(*c.Timeout) * time.Second
	}
	if c.VpcConfig != nil {
		f.VPC = deref(c.VpcConfig.VpcId)
	}
	for i := range c.Layers {
		f.Layers = append(f.Layers, deref(c.Layers[i].Arn))
	}
	if c.Environment != nil {
		if e := c.Environment.Error; e != nil {
			return health.Function{}, fmt.Errorf("reading the settings of function %s: %s", name, deref(e.Message))
		}
		f.Environment = c.Environment.Variables
	}
	concurrency, err := l.client.GetFunctionConcurrency(ctx, &sdk.GetFunctionConcurrencyInput{FunctionName: &name})
	if err != nil {
		return health.Function{}, fmt.Errorf("reading the concurrency of function %s: %w", name, err)
	}
	if n := concurrency.ReservedConcurrentExecutions; n != nil {
		reserved := int(*n)
		f.Reserved = &reserved
	}
	// Where there is none, it is "not found" (AWS Lambda API Reference,
	// GetFunctionEventInvokeConfig and GetPolicy).
	async, err := l.client.GetFunctionEventInvokeConfig(ctx, &sdk.GetFunctionEventInvokeConfigInput{FunctionName: &name})
	switch {
	case errors.As(err, &missing):
	case err != nil:
		return health.Function{}, fmt.Errorf("reading the destinations of function %s: %w", name, err)
	case async.DestinationConfig != nil && async.DestinationConfig.OnFailure != nil:
		f.OnFailure = deref(async.DestinationConfig.OnFailure.Destination)
	}
	management, err := l.client.GetRuntimeManagementConfig(ctx, &sdk.GetRuntimeManagementConfigInput{FunctionName: &name})
	if err != nil {
		return health.Function{}, fmt.Errorf("reading the runtime management of function %s: %w", name, err)
	}
	f.RuntimeUpdates = string(management.UpdateRuntimeOn)
	policy, err := l.client.GetPolicy(ctx, &sdk.GetPolicyInput{FunctionName: &name})
	switch {
	case errors.As(err, &missing):
	case err != nil:
		return health.Function{}, fmt.Errorf("reading the policy of function %s: %w", name, err)
	default:
		f.Policy = deref(policy.Policy)
	}
	return f, nil
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Invoke calls a function and waits for it. It fails with ErrNoFunction, and where
// the function itself failed.
func Invoke(ctx context.Context, client *sdk.Client, function string, payload []byte) error {
	out, err := client.Invoke(ctx, &sdk.InvokeInput{FunctionName: &function, Payload: payload})
	var missing *types.ResourceNotFoundException
	switch {
	case errors.As(err, &missing):
		return fmt.Errorf("calling function %s: %w", function, ErrNoFunction)
	case err != nil:
		return fmt.Errorf("calling function %s: %w", function, err)
	case out.FunctionError != nil:
		return fmt.Errorf("calling function %s: it failed (%s): %.300s", function, *out.FunctionError, out.Payload)
	}
	return nil
}

// Unreserved is how many functions may run at once in the client's account and Region,
// besides those for which that is reserved.
func Unreserved(ctx context.Context, client *sdk.Client) (int, error) {
	out, err := client.GetAccountSettings(ctx, &sdk.GetAccountSettingsInput{})
	if err != nil {
		return 0, fmt.Errorf("reading the quotas of functions: %w", err)
	}
	if out.AccountLimit == nil || out.AccountLimit.UnreservedConcurrentExecutions == nil {
		return 0, errors.New("reading the quotas of functions: AWS Lambda does not say them")
	}
	return int(*out.AccountLimit.UnreservedConcurrentExecutions), nil
}
