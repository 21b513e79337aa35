package lambdahandler

import (
	"context"
	"log/slog"
	"time"

	"rootguard/internal/accountcheck"
)

// AccountChecker checks accounts, each in its time.
type AccountChecker interface {
	DiscoverAccounts(ctx context.Context, home accountcheck.HubAccount, org accountcheck.Organization, at time.Time) (accountcheck.Discovered,
		error)
	CheckRoots(ctx context.Context, roots accountcheck.Roots, forwarders accountcheck.Forwarders, at time.Time) (accountcheck.RootsChecked,
		error)
	CheckUsers(ctx context.Context, users accountcheck.Users, reports accountcheck.CredentialReports, at time.Time) (accountcheck.UsersChecked,
		error)
	CheckReports(ctx context.Context, reports accountcheck.CredentialReports, at time.Time) (accountcheck.ReportsChecked, error)
}

// DayTwoChecker checks the steps of day two of accounts.
type DayTwoChecker interface {
	CheckDayTwo(ctx context.Context, home accountcheck.HubAccount, reader accountcheck.DayTwoReader, at time.Time) (accountcheck.DayTwoChecked,
		error)
}

// CheckDayTwo is the task of checking the steps of day two.
func CheckDayTwo(g DayTwoChecker, home accountcheck.HubAccount, reader accountcheck.DayTwoReader) Task {
	return taskOf("day_two", func(ctx context.Context, at time.Time) (accountcheck.DayTwoChecked, error) {
		return g.CheckDayTwo(ctx, home, reader, at)
	}, func(did accountcheck.DayTwoChecked) []slog.Attr {
		return []slog.Attr{slog.Int("accounts", did.Accounts), slog.Int("regressed", did.Regressed), slog.Int("alerted", did.Alerted),
			slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More)}
	})
}

// RouteChecker finds to which routes accounts belong.
type RouteChecker interface {
	CheckRoutes(ctx context.Context, home accountcheck.HubAccount, placer accountcheck.Placer, at time.Time) (accountcheck.RoutesChecked,
		error)
}

// CheckRoutes is the task of finding to which routes accounts belong. placer is nil
// where no route asks for it.
func CheckRoutes(g RouteChecker, home accountcheck.HubAccount, placer accountcheck.Placer) Task {
	return taskOf("routes", func(ctx context.Context, at time.Time) (accountcheck.RoutesChecked, error) {
		return g.CheckRoutes(ctx, home, placer, at)
	}, func(did accountcheck.RoutesChecked) []slog.Attr {
		return []slog.Attr{slog.Int("accounts", did.Accounts), slog.Int("changed", did.Changed), slog.Int("unanswered", did.Unanswered),
			slog.Bool("throttled", did.Throttled), slog.Bool("more", did.More)}
	})
}

// IAM is all that IAM is asked about accounts.
type IAM interface {
	accountcheck.IAMReader
	accountcheck.CredentialReports
}

// AccountTasks are the tasks that check accounts: which there are, the status of their root
// users and of the queues of their forwarders, which IAM users they have, and
// whether root was used without an event of it. org and forwarders are nil outside an organization.
func AccountTasks(g AccountChecker, iam IAM, home accountcheck.HubAccount, org accountcheck.Organization,
	forwarders accountcheck.Forwarders) []Task {
	return []Task{
		taskOf("discovery", func(ctx context.Context, at time.Time) (accountcheck.Discovered, error) {
			return g.DiscoverAccounts(ctx, home, org, at)
		}, func(did accountcheck.Discovered) []slog.Attr {
			return append([]slog.Attr{
				slog.Int("accounts", did.Accounts), slog.Int("enrolled", did.Enrolled), slog.Int("dropped", did.Dropped), slog.Bool("more", did.More),
			}, some("refused", did.Refused)...)
		}),
		{"root_checks", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.CheckRoots(ctx, iam, forwarders, at)
			if did.Checked+did.Unanswered == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("accounts", did.Checked), slog.Int("alerted", did.Alerted), slog.Int("resolved", did.Resolved),
				slog.Int("waiting", did.Waiting),
				slog.Int("unanswered", did.Unanswered), slog.Int("queues_with_events", did.Backlogged), slog.Int("queue_failures", did.QueueFailures),
				slog.Bool("more", did.More),
			}, list("unreachable", did.Unreachable)...)...), err
		}},
		{"credential_reports", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.CheckReports(ctx, iam, at)
			if did.Reports+did.Requested+did.Alerted+did.Resolved+did.Unanswered == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("reports", did.Reports), slog.Int("requested", did.Requested), slog.Int("alerted", did.Alerted),
				slog.Int("resolved", did.Resolved),
				slog.Int("waiting", did.Waiting), slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More),
			}, list("unreachable", did.Unreachable)...)...), err
		}},
		{"user_checks", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.CheckUsers(ctx, iam, iam, at)
			if did.Accounts+did.Checked+did.Unanswered+did.Waiting == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("accounts", did.Accounts), slog.Int("users", did.Checked), slog.Int("one_by_one", did.Asked), slog.Int("found", did.Found),
				slog.Int("gone", did.Gone),
				slog.Int("without_mfa", did.WithoutMFA), slog.Int("unanswered", did.Unanswered), slog.Int("waiting", did.Waiting),
				slog.Bool("more", did.More),
			}, list("unreachable", did.Unreachable)...)...), err
		}},
	}
}

func some(name, value string) []slog.Attr {
	if value == "" {
		return []slog.Attr{}
	}
	return []slog.Attr{slog.String(name, value)}
}

func list(name string, values []string) []slog.Attr {
	if len(values) == 0 {
		return []slog.Attr{}
	}
	return []slog.Attr{slog.Any(name, values)}
}
