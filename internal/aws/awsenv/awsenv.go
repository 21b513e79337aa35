// Package awsenv configures the AWS SDK from the environment that Lambda gives a
// function. Lambda sets region and credentials there, so none of the other
// sources that the SDK's own config package searches is needed; leaving them out
// makes a function start faster and its binary smaller.
package awsenv

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

// Retries suit a function that is itself called again when it fails: its time
// is better spent on a fresh attempt than on long pauses.
const (
	maxAttempts = 4
	maxBackoff  = 2 * time.Second
)

// Config reads AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
// AWS_SESSION_TOKEN, and makes the clients heed AWS_ENDPOINT_URL and
// AWS_ENDPOINT_URL_<SERVICE> (AWS SDKs and Tools Reference Guide,
// "Service-specific endpoints").
func Config(getenv func(string) string) (aws.Config, error) {
	region, id, secret := getenv("AWS_REGION"), getenv("AWS_ACCESS_KEY_ID"), getenv("AWS_SECRET_ACCESS_KEY")
	if region == "" {
		return aws.Config{}, errors.New("reading AWS settings: AWS_REGION is not set; Lambda sets it")
	}
	if id == "" || secret == "" {
		return aws.Config{},
			errors.New("reading AWS settings: AWS_ACCESS_KEY_ID or AWS_SECRET_ACCESS_KEY is not set; Lambda sets them for a function with a role")
	}
	cfg := aws.Config{
		Region:        region,
		Credentials:   credentials.NewStaticCredentialsProvider(id, secret, getenv("AWS_SESSION_TOKEN")),
		ConfigSources: []any{endpoints{getenv}},
		HTTPClient:    KeepAnswers(nil),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts, o.MaxBackoff = maxAttempts, maxBackoff
			})
		},
	}
	if url := getenv("AWS_ENDPOINT_URL"); url != "" {
		cfg.BaseEndpoint = &url
	}
	return WithAttempts(cfg, Attempt), nil
}

// endpoints is what the service clients ask for their own endpoint.
type endpoints struct{ getenv func(string) string }

// GetServiceBaseEndpoint is called by the service clients.
func (e endpoints) GetServiceBaseEndpoint(_ context.Context, sdkID string) (url string, found bool, err error) {
	url = e.getenv("AWS_ENDPOINT_URL_" + strings.ReplaceAll(strings.ToUpper(sdkID), " ", "_"))
	return url, url != "", nil
}
