package cloudformation_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/cloudformation"
)

func TestOutputs(t *testing.T) {
	const has = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks><member><StackName>rootguard</StackName><CreationTime>2025-03-01T12:00:00Z</CreationTime><StackStatus>CREATE_COMPLETE</StackStatus><Outputs>
		<member><OutputKey>TableName</OutputKey><OutputValue>rootguard-Table-1</OutputValue></member><member><OutputKey>TopicArn</OutputKey><OutputValue>arn</OutputValue></member></Outputs></member></Stacks></DescribeStacksResult></DescribeStacksResponse>`
	const none = `<DescribeStacksResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><DescribeStacksResult><Stacks></Stacks></DescribeStacksResult></DescribeStacksResponse>`
	fault := func(code, message string) string {
		return fmt.Sprintf(`<ErrorResponse xmlns="http://cloudformation.amazonaws.com/doc/2010-05-15/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>r</RequestId></ErrorResponse>`, code, message)
	}
	for _, tt := range []struct {
		name, body string
		status     int
		want       map[string]string
		missing    bool
		err        string
	}{
		{"a stack", has, 200, map[string]string{"TableName": "rootguard-Table-1", "TopicArn": "arn"}, false, ""},
		{"no stack", fault("ValidationError", "Stack with id rootguard does not exist"), 400, nil, true, "looking for stack rootguard: there is no such stack"},
		{"no stack in the answer", none, 200, nil, true, "no such stack"},
		{"another wrong value", fault("ValidationError", "1 validation error detected"), 400, nil, false, "1 validation error detected"},
		{"denied", fault("AccessDenied", "not authorized to perform: cloudformation:DescribeStacks"), 403, nil, false, "cloudformation:DescribeStacks"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.FormValue("Action") != "DescribeStacks" || r.FormValue("StackName") != "rootguard" {
					t.Errorf("asked %v", r.Form)
				}
				w.Header().Set("Content-Type", "text/xml")
				w.WriteHeader(tt.status)
				_, _ = w.Write([]byte(tt.body))
			}))
			defer server.Close()
			client := sdk.New(sdk.Options{
				Region: "us-east-1", BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil),
				Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
					return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
				}),
			})
			got, err := cloudformation.Outputs(t.Context(), client, "rootguard")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("outputs (-want +got):\n%s", diff)
			}
			if (err != nil) != (tt.err != "") || errors.Is(err, cloudformation.ErrNoStack) != tt.missing || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("got %v, want %q", err, tt.err)
			}
		})
	}
}
