// Package ec2 looks up whether new volumes of Amazon EBS are encrypted.
//
// The setting is one of a Region. Only that of the Region that is asked is read: this is
// one step of day two, and not an inventory.
package ec2

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/daytwo"
)

// Read is whether encryption by default is on in the Region of cfg (Amazon EC2 API
// Reference, GetEbsEncryptionByDefault). suffix ends the names of the partition's
// endpoints.
func Read(ctx context.Context, cfg aws.Config, now func() time.Time, suffix string) (daytwo.EBS, error) {
	call := awsenv.Call{
		ID: "EC2", Signing: "ec2", Host: "ec2." + cfg.Region + "." + suffix,
		Method: http.MethodPost, Path: "/", Body: []byte("Action=GetEbsEncryptionByDefault&Version=2016-11-15"),
		Header: map[string]string{"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
	}
	var answer struct {
		Default *bool `xml:"ebsEncryptionByDefault"`
	}
	if err := call.Do(ctx, cfg, now, &answer); err != nil {
		return daytwo.EBS{}, fmt.Errorf("getting EBS encryption by default: %w", err)
	}
	if answer.Default == nil {
		return daytwo.EBS{}, errors.New("getting EBS encryption by default: the answer lacks it")
	}
	return daytwo.EBS{Region: cfg.Region, Default: *answer.Default}, nil
}
