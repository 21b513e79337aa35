package securityhub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/alert"
	"rootguard/internal/aws/sdkcall"
	"rootguard/internal/failure"
)

// The limits of a request (AWS Security Hub User Guide, "Using BatchImportFindings").
const (
	maxFindings = 100
	maxBytes    = 6 << 20
)

// Hub is one account's Security Hub in one Region. It is safe for concurrent use.
type Hub struct {
	batchImport sdkcall.Call[sdk.BatchImportFindingsInput, sdk.BatchImportFindingsOutput, sdk.Options]
	of          alert.Hub
}

// New returns the Hub of an account, over a client of that account and Region.
func New(client *sdk.Client, of alert.Hub) *Hub {
	return &Hub{batchImport: client.BatchImportFindings, of: of}
}

// Import imports alerts, in order. It tries all; the error names the findings
// that Security Hub did not take, and is permanent where no retry would cure it.
func (h *Hub) Import(ctx context.Context, alerts []alert.Published) error {
	var errs []error
	var batch []types.AwsSecurityFinding
	size, ids := 0, map[string]bool{}
	send := func() {
		if len(batch) > 0 {
			errs = append(errs, h.send(ctx, batch))
		}
		batch, size, ids = nil, 0, map[string]bool{}
	}
	for _, p := range alerts {
		body, err := alert.ASFF(p.Alert, h.of, p.At)
		if err != nil {
			errs = append(errs, failure.Permanent(err))
			continue
		}
		finding, err := findingOf(body)
		if err != nil {
			errs = append(errs, failure.Permanent(fmt.Errorf("reading the finding of alert %s: %w", p.Alert.ID, err)))
			continue
		}
		// An update of what is in the batch waits for the next, or either might win.
		if len(batch) == maxFindings || size+len(body) > maxBytes || ids[*finding.Id] {
			send()
		}
		batch, size, ids[*finding.Id] = append(batch, finding), size+len(body), true
	}
	send()
	return errors.Join(errs...)
}

// findingOf reads ASFF into the SDK's type, the fields of which are named as
// those of the format. A field that it does not know would be lost.
func findingOf(body []byte) (types.AwsSecurityFinding, error) {
	var f types.AwsSecurityFinding
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&f)
	return f, err
}

func (h *Hub) send(ctx context.Context, batch []types.AwsSecurityFinding) error {
	out, err := h.batchImport(ctx, &sdk.BatchImportFindingsInput{Findings: batch})
	if err != nil {
		ids := make([]string, len(batch))
		for i := range batch {
			ids[i] = *batch[i].Id
		}
		return classed(fmt.Errorf("importing %s into Security Hub: %w", strings.Join(ids, ", "), err))
	}
	var errs []error
	for _, f := range out.FailedFindings {
		errs = append(errs, classed(fmt.Errorf("importing %s into Security Hub: %w", aws.ToString(f.Id),
			&smithy.GenericAPIError{Code: aws.ToString(f.ErrorCode), Message: aws.ToString(f.ErrorMessage)})))
	}
	if n := aws.ToInt32(out.FailedCount); int(n) > len(errs) {
		errs = append(errs, fmt.Errorf("importing into Security Hub: %d of %d findings failed, and %d were named", n, len(batch), len(errs)))
	}
	return errors.Join(errs...)
}

// classed marks what is wrong with a finding itself. All else may pass: no
// access, for example, until Security Hub is enabled.
func classed(err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "InvalidInputException", "InvalidInput", "ValidationException":
			return failure.Permanent(err)
		}
	}
	return err
}
