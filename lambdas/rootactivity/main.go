// Command rootactivity is the Lambda function for what the root user does, and
// for what is done to rootguard itself. It checks root live, and the users that
// root creates or changes.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/aws"

	"rootguard/internal/aws/cloudformation"
	"rootguard/internal/aws/iam"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/wire"
)

func main() {
	logger := lambdacontext.NewLogger()
	f, err := lambdahandler.FromEnv(os.Getenv, time.Now, logger, func(deps *wire.Deps, cfg config.Config, env aws.Config) {
		deps.Deployments = cloudformation.NewDeployments(env, cfg.Own.Prefix, cfg.Account)
	})
	if err != nil {
		logger.Error("init failed", "error", err.Error())
		os.Exit(1)
	}
	home := iam.Home{Partition: f.Config.Partition, Account: f.Config.Account}
	accounts := iam.Over(f.AWS, home, f.Config.MemberRole)
	f.Deps.Users, f.Deps.Roots = accounts, accounts
	f.Deps.Name = eventrules.RootActivity
	lambda.Start(lambdahandler.New(f.Deps).Handle)
}
