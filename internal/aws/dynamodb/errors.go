package dynamodb

import (
	"errors"
	"fmt"
	"slices"

	"rootguard/internal/failure"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
)

// classed wraps an error of DynamoDB. What it says is wrong with the request is
// permanent. All else may pass: throttling, a network that is down, a policy or
// table that a deployment has not finished.
func classed(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	var canceled *types.TransactionCanceledException
	if errors.As(err, &canceled) {
		for _, r := range canceled.CancellationReasons {
			if code := deref(r.Code); code == "ValidationError" || code == "ItemCollectionSizeLimitExceeded" {
				return failure.Permanent(wrapped)
			}
		}
		return wrapped
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "ValidationException", "SerializationException", "ItemCollectionSizeLimitExceededException":
			return failure.Permanent(wrapped)
		}
	}
	return wrapped
}

// conflict reports whether a write did not take place, or may not have, because
// of another one or of too many, so that reading again and deciding again helps.
func conflict(err error) bool {
	var canceled *types.TransactionCanceledException
	if !errors.As(err, &canceled) {
		// By code: the SDK gives an error a type only where the operation's model names it.
		var api smithy.APIError
		return errors.As(err, &api) && slices.Contains([]string{"ConditionalCheckFailedException",
			"TransactionConflictException", "TransactionInProgressException"}, api.ErrorCode())
	}
	some := false
	for _, r := range canceled.CancellationReasons {
		switch deref(r.Code) {
		case "None", "":
		case "ConditionalCheckFailed", "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded":
			some = true
		default:
			return false
		}
	}
	return some
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
