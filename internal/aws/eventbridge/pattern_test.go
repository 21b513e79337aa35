package eventbridge_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/eventbridge"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/eventbridge"
	"rootguard/internal/aws/eventbridge/eventbridgetest"
)

func TestTestPattern(t *testing.T) {
	const tooComplex = `{"EventBusArn": [{"wildcard": "*:*:*:*:*:event-bus/*"}]}`
	for name, tc := range map[string]struct {
		pattern, code string
		refused       bool
		says          string // "" where there is no error
	}{
		"taken":        {`{"source": ["aws.iam"]}`, "", false, ""},
		"that matches": {`{"source": ["aws.signin"]}`, "", false, ""},
		"too complex":  {tooComplex, "", true, "Rule is too complex"},
		"no pattern":   {`{"source": "aws.iam"}`, "", true, "not valid"},
		"denied":       {tooComplex, "AccessDeniedException", false, "AccessDeniedException"},
		"throttled":    {tooComplex, "ThrottlingException", false, "ThrottlingException"},
	} {
		t.Run(name, func(t *testing.T) {
			server := eventbridgetest.New(t)
			server.Code = tc.code
			client := sdk.New(sdk.Options{Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), RetryMaxAttempts: 1, Credentials: aws.NewCredentialsCache(credentials.NewStaticCredentialsProvider("a", "b", ""))})
			err := eventbridge.TestPattern(t.Context(), client, tc.pattern)
			if errors.Is(err, eventbridge.ErrRefused) != tc.refused || (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}
