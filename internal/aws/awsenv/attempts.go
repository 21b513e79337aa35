package awsenv

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go/middleware"
)

// Attempt bounds one attempt of a request where no other limit is set. It leaves
// time for all attempts in the shortest time that a function has.
const Attempt = 5 * time.Second

// attemptID names the middleware, of which a stack has one.
const attemptID = "rootguardAttempt"

// WithAttempts is a copy of cfg whose clients give up on one attempt of a request
// after the limit and try again, as often as their retryer lets them: one
// connection that hangs must not take all the time there is. It replaces a limit
// that was set before.
//
// The limit covers the answer's body too, so a client whose answers are streams,
// such as S3's GetObject, needs one of its own: see [Streaming].
func WithAttempts(cfg aws.Config, limit time.Duration) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		m := middleware.FinalizeMiddlewareFunc(attemptID, func(ctx context.Context, in middleware.FinalizeInput,
			next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			one, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			out, meta, err := next.HandleFinalize(one, in)
			if err != nil && one.Err() != nil && ctx.Err() == nil {
				err = AttemptError{limit}
			}
			return out, meta, err //nolint:wrapcheck // the SDK's, for the SDK
		})
		if _, ok := stack.Finalize.Get(attemptID); ok {
			_, err := stack.Finalize.Swap(attemptID, m)
			return err //nolint:wrapcheck // the SDK's, for the SDK
		}
		return stack.Finalize.Insert(m, "Retry", middleware.After)
	})
	return cfg
}

// Streaming is a copy of cfg without the limit of [WithAttempts].
func Streaming(cfg aws.Config) aws.Config {
	cfg = cfg.Copy()
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), func(stack *middleware.Stack) error {
		if _, ok := stack.Finalize.Get(attemptID); ok {
			_, err := stack.Finalize.Remove(attemptID)
			return err //nolint:wrapcheck // the SDK's, for the SDK
		}
		return nil
	})
	return cfg
}

// AttemptError is that an attempt had no answer in its time. It hides the error
// of the context, which the SDK would take for the caller's giving up.
type AttemptError struct{ Limit time.Duration }

func (e AttemptError) Error() string { return fmt.Sprintf("no answer in %s", e.Limit) }

// RetryableError is what the SDK asks.
func (AttemptError) RetryableError() bool { return true }
