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

// CountRules counts the rules on the default event bus of the client's Region.
func CountRules(ctx context.Context, client *sdk.Client) (int, error) {
	n := 0
	in := &sdk.ListRulesInput{}
	for range maxPages {
		page, err := client.ListRules(ctx, in)
		if err != nil {
			return 0, fmt.Errorf("listing the rules: %w", err)
		}
		n += len(page.Rules)
		if in.NextToken = page.NextToken; in.NextToken == nil {
			break
		}
	}
	return n, nil
}
