package lambdahandler

import (
	"cmp"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkdynamodb "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	sdkorganizations "github.com/aws/aws-sdk-go-v2/service/organizations"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/organizations"
	"rootguard/internal/aws/sns"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/ratelimit"
	"rootguard/internal/version"
	"rootguard/internal/wire"
)

// Function is a function put together, and what it is made of.
type Function struct {
	Parts  wire.Parts
	Deps   Deps
	Config config.Config
	AWS    aws.Config
	Store  *dynamodb.Store // the guard's own

	AccountName  func(account string) string
	Organization accountcheck.Organization // nil outside one
	Placer       accountcheck.Placer       // nil where no route is by organizational unit or tag
}

// Addition adds to the Deps what one function alone has.
type Addition func(deps *wire.Deps, cfg config.Config, env aws.Config)

// FromEnv puts a function together from its environment: the guard over
// DynamoDB and SNS, and what a function adds to it. It makes no request.
func FromEnv(getenv func(string) string, now func() time.Time, logger *slog.Logger, add ...Addition) (Function, error) {
	cfg, err := config.Load(getenv)
	if err != nil {
		return Function{}, err
	}
	env, err := awsenv.Config(getenv)
	if err != nil {
		return Function{}, err
	}
	limitMemory(getenv)
	return Assemble(cfg, env, now, logger, add...), nil
}

// limitMemory has the garbage collector work harder before Lambda would end the
// process: from four fifths of the function's memory on (AWS Lambda Developer
// Guide, "Defined runtime environment variables": AWS_LAMBDA_FUNCTION_MEMORY_SIZE,
// in MB). Who sets GOMEMLIMIT knows better.
func limitMemory(getenv func(string) string) {
	size, err := strconv.ParseInt(getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 32)
	if err != nil || size <= 0 || getenv("GOMEMLIMIT") != "" {
		return
	}
	debug.SetMemoryLimit((size << 20) / 5 * 4)
}

// Assemble puts a function together, for FromEnv and for anyone who does its work in
// its stead. It makes no request.
func Assemble(cfg config.Config, env aws.Config, now func() time.Time, logger *slog.Logger, add ...Addition) Function {
	accountName := cfg.AccountName
	var members accountcheck.Organization
	var placer accountcheck.Placer
	if cfg.OrganizationNames {
		client := sdkorganizations.NewFromConfig(env)
		names := organizations.New(client, now, logger)
		if cfg.MemberRole != "" {
			members = organizations.NewAccounts(client)
			if len(cfg.Settings.Routes) > 0 {
				placer = organizations.NewPlacements(client, accountcheck.AskNames(cfg.Settings.Routes), now)
			}
		}
		accountName = func(account string) string {
			if name := cfg.AccountName(account); name != "" {
				return name // Organizations is not asked
			}
			return names.Name(account)
		}
	}
	store := dynamodb.New(sdkdynamodb.NewFromConfig(env), cfg.Table, now)
	topics := sns.Topics{Alerts: cfg.TopicARN, Escalation: cfg.EscalationTopicARN, Chat: cfg.ChatTopicARN}
	publisher := sns.New(sdksns.NewFromConfig(env), topics).Of(cmp.Or(cfg.Version, version.Unknown))
	if len(cfg.Settings.Routes) > 0 {
		publisher.Route(accountcheck.Schedule{Checks: store.Checks()}, logger)
	}
	deps := wire.Deps{
		Detector:  &detect.Detector{Own: cfg.Own},
		Claims:    store,
		Facts:     store,
		FactRows:  store,
		Publisher: Counted(publisher),
		Limiter:   &ratelimit.Limiter{Seconds: store, Now: now, Sleep: ratelimit.Sleep},
		Now:       now,
		Deadlines: store.Deadlines(),
		Checks:    store.Checks(),

		Announcements: store,
		Summaries:     store.Summaries(),
		Suppressions:  store.Suppressions(),
		Expiries:      store.Expiries(),
		Incidents:     store,
		WrittenAcks:   store,
		Quarantines:   store.Quarantines(),

		AccountName: accountName,
	}
	for _, a := range add {
		a(&deps, cfg, env)
	}
	parts := wire.New(deps, cfg.Settings)
	return Function{Parts: parts,
		Deps:   Deps{Guard: parts.Guard, Facts: store, Heartbeats: store, Metrics: cfg.Metrics, Logger: logger, Now: now},
		Config: cfg, AWS: env, Store: store, AccountName: accountName, Organization: members, Placer: placer}
}
