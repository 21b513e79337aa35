package iam

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/smithy-go/middleware"

	"rootguard/internal/guard"
)

// reportAttempt bounds one attempt at a report of up to some megabytes, so that
// a connection that hangs leaves time for another.
const reportAttempt = 4 * time.Second

// CredentialReport is the account's credential report. That there is none, an
// expired one, or one in the making is an answer and no error (IAM API Reference,
// GetCredentialReport: ReportNotPresent, ReportExpired, ReportInProgress).
func (c *Client) CredentialReport(ctx context.Context) (guard.CredentialReport, error) {
	out, err := c.client.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{}, perAttempt(reportAttempt))
	var (
		never   *types.CredentialReportNotPresentException
		expired *types.CredentialReportExpiredException
		making  *types.CredentialReportNotReadyException
	)
	switch {
	case errors.As(err, &never), errors.As(err, &expired):
		return guard.CredentialReport{State: guard.ReportAbsent}, nil
	case errors.As(err, &making):
		return guard.CredentialReport{State: guard.ReportInProgress}, nil
	case err != nil:
		return guard.CredentialReport{}, classed("getting the credential report", err)
	case out.GeneratedTime == nil || len(out.Content) == 0:
		return guard.CredentialReport{}, errors.New("getting the credential report: the answer lacks its time or its content")
	case out.ReportFormat != "" && out.ReportFormat != types.ReportFormatTypeTextCsv:
		return guard.CredentialReport{}, fmt.Errorf("getting the credential report: its format is %q, not %s", out.ReportFormat, types.ReportFormatTypeTextCsv)
	}
	return guard.CredentialReport{State: guard.ReportReady, Generated: aws.ToTime(out.GeneratedTime).UTC(), CSV: out.Content}, nil
}

// RequestCredentialReport has IAM make the account's credential report (IAM API
// Reference, GenerateCredentialReport: STARTED, INPROGRESS, COMPLETE).
func (c *Client) RequestCredentialReport(ctx context.Context) (guard.ReportState, error) {
	out, err := c.client.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{}, perAttempt(reportAttempt))
	if err != nil {
		return "", classed("requesting a credential report", err)
	}
	if out.State == types.ReportStateTypeComplete {
		return guard.ReportReady, nil
	}
	return guard.ReportInProgress, nil
}

// attemptError is that an attempt had no answer in its time. It hides the error
// of the context, of which the SDK takes it that the caller has given up.
type attemptError struct{ limit time.Duration }

func (e attemptError) Error() string { return fmt.Sprintf("no answer in %s", e.limit) }

// RetryableError is what the SDK asks.
func (attemptError) RetryableError() bool { return true }

// perAttempt gives each attempt of a request its own time.
func perAttempt(limit time.Duration) func(*sdk.Options) {
	attempt := middleware.FinalizeMiddlewareFunc("AttemptTimeout", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
		one, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		out, meta, err := next.HandleFinalize(one, in)
		if err != nil && one.Err() != nil && ctx.Err() == nil {
			err = attemptError{limit}
		}
		return out, meta, err //nolint:wrapcheck // the SDK's, for the SDK
	})
	return func(o *sdk.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(attempt, "Retry", middleware.After)
		})
	}
}
