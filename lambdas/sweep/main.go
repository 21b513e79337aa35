// Command sweep is the Lambda function that a schedule calls: it checks the
// users whose time to get MFA is over and at each account's root and users, live,
// sends again what no one has acknowledged, says what became of announced root
// use and of suppressions, sends the roll-ups that are due and the digest, and proves
// that the guard itself works.
package main

import (
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"rootguard/internal/aws/awsdaytwo"
	"rootguard/internal/aws/awshealth"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/sqs"
	"rootguard/internal/digestwork"
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
	forwarders := sqs.NewForwarders(&f.Config, f.AWS, accounts.Credentials)
	f.Deps.Users, f.Deps.Sweeper = accounts, f.Parts.Deadlines
	f.Deps.First = append(f.Deps.First, lambdahandler.Compact(f.Parts.Accounts))
	f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.Renotify(f.Parts.Incidents), lambdahandler.Summarize(f.Parts.Announcer),
		lambdahandler.Expire(f.Parts.Suppressor),
		lambdahandler.CheckHealth(awshealth.New(&f.Config, f.AWS, time.Now, lambdahandler.Readable), f.Parts.Guard))
	f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.AccountTasks(f.Parts.Accounts, accounts, f.Config.HubAccount(),
		f.Organization, forwarders)...)
	if f.Placer != nil { // after the accounts are discovered, and before most alerts
		f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.CheckRoutes(f.Parts.Accounts, f.Config.HubAccount(), f.Placer))
	}
	steps := digestwork.DrillReader{
		Drill: digestwork.Drill{Policy: f.Config.Drill, Announcements: f.Store}, Facts: f.Store,
		Rest: awsdaytwo.New(f.AWS, accounts, time.Now),
	}
	f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.SendDigest(f.Digest()))
	f.Deps.Tasks = append(f.Deps.Tasks, lambdahandler.CheckDayTwo(f.Parts.Accounts, f.Config.HubAccount(), steps))
	lambda.Start(lambdahandler.New(f.Deps).Handle)
}
