package iam

import (
	"context"
	"errors"
	"fmt"

	"rootguard/internal/accountcheck"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// CredentialReport is the account's credential report. That there is none, an
// expired one, or one in the making is an answer and no error (IAM API Reference,
// GetCredentialReport: ReportNotPresent, ReportExpired, ReportInProgress).
func (c *Client) CredentialReport(ctx context.Context) (accountcheck.CredentialReport, error) {
	out, err := c.client.GetCredentialReport(ctx, &sdk.GetCredentialReportInput{})
	var (
		never   *types.CredentialReportNotPresentException
		expired *types.CredentialReportExpiredException
		making  *types.CredentialReportNotReadyException
	)
	switch {
	case errors.As(err, &never), errors.As(err, &expired):
		return accountcheck.CredentialReport{State: accountcheck.ReportAbsent}, nil
	case errors.As(err, &making):
		return accountcheck.CredentialReport{State: accountcheck.ReportInProgress}, nil
	case err != nil:
		return accountcheck.CredentialReport{}, classed("getting the credential report", err)
	case out.GeneratedTime == nil || len(out.Content) == 0:
		return accountcheck.CredentialReport{}, errors.New("getting the credential report: the answer lacks its time or its content")
	case out.ReportFormat != "" && out.ReportFormat != types.ReportFormatTypeTextCsv:
		return accountcheck.CredentialReport{}, fmt.Errorf("getting the credential report: its format is %q, not %s", out.ReportFormat,
			types.ReportFormatTypeTextCsv)
	}
	return accountcheck.CredentialReport{State: accountcheck.ReportReady, Generated: aws.ToTime(out.GeneratedTime).UTC(), CSV: out.Content},
		nil
}

// RequestCredentialReport has IAM make the account's credential report (IAM API
// Reference, GenerateCredentialReport: STARTED, INPROGRESS, COMPLETE).
func (c *Client) RequestCredentialReport(ctx context.Context) (accountcheck.ReportState, error) {
	out, err := c.client.GenerateCredentialReport(ctx, &sdk.GenerateCredentialReportInput{})
	if err != nil {
		return "", classed("requesting a credential report", err)
	}
	if out.State == types.ReportStateTypeComplete {
		return accountcheck.ReportReady, nil
	}
	return accountcheck.ReportInProgress, nil
}
