package lambdahandler

import (
	"context"
	"log/slog"
	"time"

	"rootguard/internal/accountcheck"
)

// Looker looks at accounts, each in its time.
type Looker interface {
	Census(ctx context.Context, home accountcheck.Home, org accountcheck.Organization, at time.Time) (accountcheck.Censused, error)
	Posture(ctx context.Context, roots accountcheck.Roots, forwarders accountcheck.Forwarders, at time.Time) (accountcheck.Postured, error)
	Reconcile(ctx context.Context, users accountcheck.Users, reports accountcheck.CredentialReports, at time.Time) (accountcheck.Reconciled, error)
	Witness(ctx context.Context, reports accountcheck.CredentialReports, at time.Time) (accountcheck.Witnessed, error)
}

// IAM is all that IAM is asked about accounts.
type IAM interface {
	accountcheck.Asked
	accountcheck.CredentialReports
}

// Rounds are the chores that look at accounts: which there are, how their root
// users and the queues of their forwarders stand, which IAM users they have, and
// whether root was used without an event of it. org and forwarders are nil outside an organization.
func Rounds(g Looker, iam IAM, home accountcheck.Home, org accountcheck.Organization, forwarders accountcheck.Forwarders) []Chore {
	return []Chore{
		{"census", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.Census(ctx, home, org, at)
			if did == (accountcheck.Censused{}) {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("accounts", did.Accounts), slog.Int("enrolled", did.Enrolled), slog.Int("dropped", did.Dropped), slog.Bool("more", did.More),
			}, some("refused", did.Refused)...)...), err
		}},
		{"posture", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.Posture(ctx, iam, forwarders, at)
			if did.Looked+did.Unanswered == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("accounts", did.Looked), slog.Int("told", did.Told), slog.Int("closed", did.Closed), slog.Int("waiting", did.Waiting),
				slog.Int("unanswered", did.Unanswered), slog.Int("queues_with_events", did.Stuck), slog.Int("queues_unread", did.Unread), slog.Bool("more", did.More),
			}, list("silent", did.Silent)...)...), err
		}},
		{"witness", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.Witness(ctx, iam, at)
			if did.Reports+did.Requested+did.Alerted+did.Resolved+did.Unanswered == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("reports", did.Reports), slog.Int("requested", did.Requested), slog.Int("alerted", did.Alerted), slog.Int("resolved", did.Resolved),
				slog.Int("waiting", did.Waiting), slog.Int("unanswered", did.Unanswered), slog.Bool("more", did.More),
			}, list("silent", did.Silent)...)...), err
		}},
		{"reconcile", func(ctx context.Context, at time.Time) (slog.Value, error) {
			did, err := g.Reconcile(ctx, iam, iam, at)
			if did.Accounts+did.Looked+did.Unanswered+did.Waiting == 0 && !did.More {
				return slog.Value{}, err
			}
			return slog.GroupValue(append([]slog.Attr{
				slog.Int("accounts", did.Accounts), slog.Int("users", did.Looked), slog.Int("one_by_one", did.Asked), slog.Int("found", did.Found), slog.Int("gone", did.Gone),
				slog.Int("without_mfa", did.WithoutMFA), slog.Int("unanswered", did.Unanswered), slog.Int("waiting", did.Waiting), slog.Bool("more", did.More),
			}, list("silent", did.Silent)...)...), err
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
