package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdkcloudtrail "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rootguard/internal/aws/eventhistory"
	"rootguard/internal/cli/label"
)

// lookupFlags ask for a replay of CloudTrail's Event history.
type lookupFlags struct {
	AWSLookup  span     `name:"aws-lookup" group:"aws" placeholder:"90d" help:"Replay the Event history that CloudTrail keeps of your account, so far back; 90d at most. Needs no trail."`
	Region     []string `group:"aws" sep:"," placeholder:"REGION" help:"A Region whose history to read; may be repeated. Of a path in S3: that of the bucket, which is found out otherwise. Default: us-east-1, which has IAM's and root's events, and us-east-2, eu-north-1 and ap-southeast-2, in which IAM users sign in."`
	Profile    string   `group:"aws" placeholder:"NAME" help:"A profile of your AWS configuration, as for the AWS CLI ($$AWS_PROFILE)."`
	LookupRate float64  `group:"aws" default:"2" placeholder:"2" help:"Requests a second in a Region. AWS allows 2 for all who ask in an account."`
}

// check finds fault with how the flags go with others.
func (f lookupFlags) check(c *replayCmd) error {
	if f.AWSLookup == 0 {
		if (len(f.Region) > 0 || f.Profile != "") && !slices.ContainsFunc(c.Paths, inS3) {
			return usageError{"--region and --profile are about the Event history of AWS and about paths in S3: add --aws-lookup 90d, or name s3://BUCKET/PREFIX"}
		}
		return nil
	}
	switch {
	case time.Duration(f.AWSLookup) > eventhistory.Span:
		return usageError{"--aws-lookup: CloudTrail's Event history has 90 days and no more; older events are in the files of a trail"}
	case len(c.Paths) > 0:
		return usageError{"--aws-lookup replays the Event history and PATH replays files: choose one"}
	case c.Since != "" || c.Until != "":
		return usageError{"--aws-lookup says how far back to go; --since and --until are about files"}
	case f.LookupRate <= 0:
		return usageError{"--lookup-rate must be more than 0"}
	}
	return nil
}

// signInRegions are those besides us-east-1 in which IAM users sign in who do
// not ask for a Region (AWS Sign-In User Guide, "Logging with CloudTrail").
var signInRegions = []string{"us-east-2", "eu-north-1", "ap-southeast-2"}

// lookup is a download of the Event history that is there to be replayed.
type lookup struct {
	spool  *eventhistory.Spool
	folder string // of its log files
}

// download downloads the Event history, or what an interrupted download left out.
func (f lookupFlags) download(ctx context.Context, sys system, st *store) (*lookup, error) {
	cfg, err := loadAWS(ctx, f.Profile, "")
	if err != nil {
		return nil, err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return nil, fmt.Errorf("finding out which account the credentials are of: %w", err)
	}
	now := sys.now().UTC().Truncate(time.Second)
	scope := eventhistory.Scope{
		Account: aws.ToString(who.Account), Span: time.Duration(f.AWSLookup), Regions: f.regions(cfg.Region), Home: cfg.Region,
		Since: now.Add(-time.Duration(f.AWSLookup)), Until: now,
	}
	spool, resumed, err := eventhistory.Open(st.path+".lookup", scope)
	if err != nil {
		return nil, err
	}
	scope = spool.Scope()
	if resumed {
		fmt.Fprintf(sys.stderr, "note: going on with the lookup begun at %s; run the command once more for the events since then\n",
			label.Time(scope.Until))
	}
	fmt.Fprintf(sys.stderr, "note: reading the event history of account %s from %s in %s\n", label.Clean(scope.Account),
		label.Time(scope.Since), strings.Join(scope.Regions, ", "))

	askers := map[string]eventhistory.Asker{}
	for _, region := range scope.Regions {
		api := sdkcloudtrail.NewFromConfig(cfg, func(o *sdkcloudtrail.Options) {
			o.Region = region
			o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts, o.MaxBackoff = lookupAttempts, lookupBackoff })
		})
		askers[region] = eventhistory.New(api, f.LookupRate, sys.now, pause)
	}
	line := progressLine{sys: sys}
	err = spool.Fill(ctx, askers, func(p eventhistory.Progress) {
		text := fmt.Sprintf("%s: %d of %d questions answered, %s", p.Region, p.Questions, p.Total, plural(int64(p.Events), "event"))
		if !p.Reached.IsZero() {
			text += ", " + p.Question.Value + " back to " + p.Reached.Format(time.DateOnly)
		}
		line.draw(text)
	})
	line.clear()
	if err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w; what came so far is kept, and the same command goes on from there", err)
		}
		return nil, err
	}
	folder, err := spool.Sort()
	if err != nil {
		return nil, err
	}
	return &lookup{spool: spool, folder: folder}, nil
}

// Others who ask for events of the account use up the same allowance, so that
// being throttled for a while is to be expected.
const (
	lookupAttempts = 12
	lookupBackoff  = 20 * time.Second
)

// regions are those to read, the home Region first.
func (f lookupFlags) regions(home string) []string {
	if len(f.Region) == 0 {
		regions := []string{home}
		if home == "us-east-1" {
			regions = append(regions, signInRegions...)
		}
		return regions
	}
	regions := slices.Clone(f.Region)
	slices.SortFunc(regions, func(a, b string) int {
		if (a == home) != (b == home) {
			if a == home {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return slices.Compact(regions)
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}

// done removes what was downloaded: it is in the store now.
func (l *lookup) done(err error) error {
	var malformed malformedError
	if err != nil && !errors.As(err, &malformed) {
		return err
	}
	return errors.Join(err, l.spool.Remove())
}
