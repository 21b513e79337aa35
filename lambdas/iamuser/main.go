// Command iamuser is the Lambda function for IAM users: who is created, who may
// sign in, and who has MFA. It checks each user live.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"rootguard/internal/aws/iam"
	"rootguard/internal/eventrules"
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
	accounts := iam.Over(f.AWS, home, f.Config.MemberRole)
	f.Deps.Users, f.Deps.Roots, f.Deps.Sets = accounts, accounts, accounts
	f.Deps.Name = eventrules.IAMUser
	lambda.Start(lambdahandler.New(f.Deps).Handle)
}
