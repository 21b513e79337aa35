// Command securityhub is the Lambda function to which Amazon SNS delivers every
// alert: it imports it into AWS Security Hub.
package main

import (
	"errors"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	sdk "github.com/aws/aws-sdk-go-v2/service/securityhub"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/securityhub"
	"rootguard/internal/config"
	"rootguard/internal/lambdahandler"
)

func main() {
	logger := lambdacontext.NewLogger()
	hub, err := config.LoadHub(os.Getenv)
	metrics, metricsErr := config.LoadMetrics(os.Getenv)
	env, envErr := awsenv.Config(os.Getenv)
	if err = errors.Join(err, metricsErr, envErr); err != nil {
		logger.Error("init failed", "error", err.Error())
		os.Exit(1)
	}
	importer := securityhub.New(sdk.NewFromConfig(env), hub)
	lambda.Start((&lambdahandler.Exports{Importer: importer, Metrics: metrics, Logger: logger, Now: time.Now}).Handle)
}
