package awsenv_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"rootguard/internal/aws/awsenv"
)

func TestConfig(t *testing.T) {
	env := map[string]string{
		"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_SESSION_TOKEN": "token",
		"AWS_ENDPOINT_URL": "http://all.example", "AWS_ENDPOINT_URL_DYNAMODB": "http://table.example",
	}
	for name, value := range env {
		t.Setenv(name, value) // the clients check some of them themselves
	}
	cfg, err := awsenv.Config(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	creds, err := cfg.Credentials.Retrieve(t.Context())
	if err != nil || creds.AccessKeyID != "id" || creds.SecretAccessKey != "secret" || creds.SessionToken != "token" {
		t.Errorf("credentials: %+v, %v", creds, err)
	}
	table := dynamodb.NewFromConfig(cfg).Options()
	if table.Region != "eu-north-1" || table.BaseEndpoint == nil || *table.BaseEndpoint != "http://table.example" {
		t.Errorf("DynamoDB: region %s, endpoint %v", table.Region, table.BaseEndpoint)
	}
	if n := table.Retryer.MaxAttempts(); n != 4 {
		t.Errorf("DynamoDB: %d attempts", n)
	}
	if topic := sns.NewFromConfig(cfg).Options(); topic.BaseEndpoint == nil || *topic.BaseEndpoint != "http://all.example" {
		t.Errorf("SNS: endpoint %v", topic.BaseEndpoint)
	}
}

func TestNoEndpoints(t *testing.T) {
	env := map[string]string{"AWS_REGION": "eu-north-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	cfg, err := awsenv.Config(func(name string) string { return env[name] })
	if err != nil {
		t.Fatal(err)
	}
	if o := dynamodb.NewFromConfig(cfg).Options(); o.BaseEndpoint != nil {
		t.Errorf("endpoint %s, want that of the Region", *o.BaseEndpoint)
	}
}

func TestMissing(t *testing.T) {
	for _, name := range []string{"AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"} {
		t.Run(name, func(t *testing.T) {
			_, err := awsenv.Config(func(n string) string {
				if n == name {
					return ""
				}
				return "set"
			})
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want an error that names %s", err, name)
			}
		})
	}
}
