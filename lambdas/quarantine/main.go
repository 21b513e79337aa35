// Command quarantine is the Lambda function that a schedule calls to quarantine
// users past the last reminder, and to release them. It is deployed where the
// settings ask for it, and the only one that may change IAM.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"rootguard/internal/aws/iam"
	"rootguard/internal/lambdahandler"
)

func main() {
	logger := lambdacontext.NewLogger()
	f, err := lambdahandler.FromEnv(os.Getenv, time.Now, logger)
	if err != nil {
		logger.Error("init failed", "error", err.Error())
		os.Exit(1)
	}
	home := iam.Home{Partition: f.Config.Partition, Account: f.Config.Account}
	policy, role := f.Config.Quarantine()
	users := iam.NewQuarantine(iam.Over(f.AWS, home, role), policy)
	f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.Quarantine(f.Parts.Quarantine, users))
	lambda.Start(lambdahandler.New(f.Deps).Handle)
}
