package dynamotest

import (
	"context"
	"crypto/rand"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/config"
)

// EndpointEnv is the variable with the URL of another DynamoDB to test against,
// such as moto or DynamoDB Local.
const EndpointEnv = "ROOTGUARD_DYNAMODB_ENDPOINT"

// Endpoint is the URL in EndpointEnv, or that of a new Server.
func Endpoint(tb testing.TB) string {
	tb.Helper()
	if url := os.Getenv(EndpointEnv); url != "" {
		return url
	}
	return New(tb).URL
}

// Client is the SDK's client for an endpoint. It retries at once.
func Client(endpoint string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region:       "us-east-1",
		BaseEndpoint: &endpoint, HTTPClient: awsenv.KeepAnswers(nil),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
}

// Table creates the table as the stack does, under a new name, for the test.
func Table(tb testing.TB, client *dynamodb.Client) string {
	tb.Helper()
	name := "rootguard-" + rand.Text()
	text := func(names ...string) (defs []types.AttributeDefinition) {
		for _, n := range names {
			defs = append(defs, types.AttributeDefinition{AttributeName: &n, AttributeType: types.ScalarAttributeTypeS})
		}
		return defs
	}
	schema := func(hash, rng string) []types.KeySchemaElement {
		return []types.KeySchemaElement{{AttributeName: &hash, KeyType: types.KeyTypeHash}, {AttributeName: &rng, KeyType: types.KeyTypeRange}}
	}
	due := config.TableDueIndex
	_, err := client.CreateTable(tb.Context(), &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          types.BillingModePayPerRequest,
		AttributeDefinitions: text(config.TablePartitionKey, config.TableSortKey, config.TableDuePartition, config.TableDueSort),
		KeySchema:            schema(config.TablePartitionKey, config.TableSortKey),
		GlobalSecondaryIndexes: []types.GlobalSecondaryIndex{{
			IndexName:  &due,
			KeySchema:  schema(config.TableDuePartition, config.TableDueSort),
			Projection: &types.Projection{ProjectionType: types.ProjectionTypeKeysOnly},
		}},
	})
	if err != nil {
		tb.Fatalf("creating table %s: %v", name, err)
	}
	tb.Cleanup(func() {
		_, _ = client.DeleteTable(context.Background(), &dynamodb.DeleteTableInput{TableName: &name}) // it goes with the server too
	})
	return name
}
