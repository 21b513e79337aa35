package eventbridge

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"
	"github.com/aws/aws-sdk-go-v2/service/eventbridge/types"
)

// ErrRefused is returned for a pattern that EventBridge takes for no rule.
var ErrRefused = errors.New("EventBridge refuses the pattern")

// sample has what TestEventPattern asks of an event (EventBridge API Reference).
const sample = `{"id": "1", "account": "123456789012", "source": "aws.signin", "time": "2026-01-01T00:00:00Z", "region": "us-east-1",
	"resources": [], "detail-type": "AWS API Call via CloudTrail", "detail": {"eventName": "ConsoleLogin"}}`

// TestPattern asks whether EventBridge takes a pattern, and makes nothing. It
// fails with ErrRefused where it does not.
func TestPattern(ctx context.Context, client *sdk.Client, pattern string) error {
	event := sample
	_, err := client.TestEventPattern(ctx, &sdk.TestEventPatternInput{EventPattern: &pattern, Event: &event})
	var invalid *types.InvalidEventPatternException
	if errors.As(err, &invalid) {
		return fmt.Errorf("%w: %s", ErrRefused, invalid.ErrorMessage())
	}
	if err != nil {
		return fmt.Errorf("testing a pattern: %w", err)
	}
	return nil
}
