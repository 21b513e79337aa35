// Command rootactivity is the Lambda function for what the root user does, and
// for what is done to rootguard itself.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"rootguard/internal/lambdahandler"
)

func main() {
	logger := lambdacontext.NewLogger()
	f, err := lambdahandler.FromEnv(os.Getenv, time.Now, logger)
	if err != nil {
		logger.Error("not started", "error", err.Error())
		os.Exit(1)
	}
	lambda.Start(lambdahandler.New(f.Deps).Handle)
}
