// Package s3control looks up whether Amazon S3 blocks public access to all buckets of
// an account.
package s3control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/daytwo"
)

// Read is the public access block of an account, with its own credentials. That
// there is none is an answer and no error (Amazon S3 API Reference,
// GetPublicAccessBlock of Amazon S3 Control: NoSuchPublicAccessBlockConfiguration).
// suffix ends the names of the partition's endpoints.
func Read(ctx context.Context, cfg aws.Config, now func() time.Time, suffix, account string) (daytwo.S3, error) {
	call := awsenv.Call{
		ID: "S3 Control", Signing: "s3", Host: account + ".s3-control." + cfg.Region + "." + suffix,
		Method: http.MethodGet, Path: "/v20180820/configuration/publicAccessBlock", Header: map[string]string{"X-Amz-Account-Id": account},
	}
	var answer struct {
		BlockPublicACLs       bool `xml:"BlockPublicAcls"`
		IgnorePublicACLs      bool `xml:"IgnorePublicAcls"`
		BlockPublicPolicy     bool `xml:"BlockPublicPolicy"`
		RestrictPublicBuckets bool `xml:"RestrictPublicBuckets"`
	}
	err := call.Do(ctx, cfg, now, &answer)
	var refused smithy.APIError
	if errors.As(err, &refused) && refused.ErrorCode() == "NoSuchPublicAccessBlockConfiguration" {
		return daytwo.S3{}, nil
	}
	if err != nil {
		return daytwo.S3{}, fmt.Errorf("getting the public access block: %w", err)
	}
	return daytwo.S3{
		BlockPublicACLs: answer.BlockPublicACLs, IgnorePublicACLs: answer.IgnorePublicACLs,
		BlockPublicPolicy: answer.BlockPublicPolicy, RestrictPublicBuckets: answer.RestrictPublicBuckets,
	}, nil
}
