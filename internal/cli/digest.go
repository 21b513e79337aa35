package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/digest"
	"rootguard/internal/digestwork"
)

type digestCmd struct {
	sourceFlags
	policy
	names
	AsOf  moment `name:"as-of" placeholder:"WHEN" help:"Show it as of then (2026-03-02, 7d). Default: the newest fact of the store; with --aws now."`
	Since moment `placeholder:"WHEN" help:"What changed since then (2026-03-02, 30d). Default: with --aws the digest that was sent last; else a week before."`
	JSON  bool   `help:"Print a JSON object."`
}

// Help has examples.
func (digestCmd) Help() string {
	return `The deployed rootguard sends the digest by itself, weekly unless the setting digest says otherwise: that it does not come is the sign that rootguard does not work. This prints it as it would be now, and sends nothing. From logs it has only what logs show: the accounts, what changed, and who awaits MFA.

With --aws it needs dynamodb:Query and dynamodb:BatchGetItem on the table, cloudformation:DescribeStacks and lambda:GetFunctionConfiguration.

Examples:
  rootguard digest                        # of the logs that were replayed
  rootguard digest --since 30d
  rootguard digest --aws --profile security
  rootguard digest --aws --json | jq .counts`
}

// digestSchema is the version of the JSON.
const digestSchema = "rootguard.digest/1"

type digestJSON struct {
	Schema string `json:"schema"`
	Title  string `json:"title"`
	*alert.Digest
}

// Run prints the digest.
func (c digestCmd) Run(ctx context.Context, sys system) (err error) {
	options, err := c.over(bootstrap.DefaultOptions())
	if err != nil {
		return err // before anything is opened
	}
	at, err := c.AsOf.at("as-of", sys.now())
	if err != nil {
		return err
	}
	since, err := c.Since.at("since", sys.now())
	if err != nil {
		return err
	}
	v, err := c.openRecords(ctx, sys)
	if err != nil {
		return err
	}
	defer closing(v, &err)
	names := c.known()
	collector := digestwork.Collector{Accounts: v, Options: options}
	var last digest.Snapshot
	if table, ok := v.records.(*dynamodb.Store); ok {
		if collector, err = c.deployedCollector(ctx, v, table, names); err != nil {
			return err
		}
		if at.IsZero() {
			at = sys.now().UTC()
		}
		if since.IsZero() {
			if last, since, err = digestwork.Last(ctx, table.DigestStates(), table.DigestCollections()); err != nil {
				return err
			}
		}
	}
	collector.Name = func(account string) string { return names[account] }
	if at.IsZero() {
		if at, err = v.newest(ctx); err != nil {
			return err
		}
	}
	if since.IsZero() {
		since = at.Add(-7 * 24 * time.Hour)
	}
	if !since.Before(at) {
		return usageError{"--since is to be before " + label.Time(at) + ", as of when the digest is"}
	}
	title, d, err := collector.Preview(ctx, last, since, at)
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(sys.stdout, digestJSON{digestSchema, title, d})
	}
	return writeDigest(sys.stdout, sys.paint(), title, d)
}

// deployedCollector reads the deployed table, by the settings that rootguard is deployed with.
func (c digestCmd) deployedCollector(ctx context.Context, v *view, table *dynamodb.Store, names map[string]string) (digestwork.Collector,
	error) {
	cfg, err := v.deployed(ctx)
	if err != nil {
		return digestwork.Collector{}, fmt.Errorf("%w; name the stack with --stack and its Region with --region", err)
	}
	maps.Copy(names, cfg.AccountNames)
	for _, a := range c.AccountName {
		names[string(a.id)] = a.name
	}
	collector := digestwork.CollectorOf(&cfg, table, nil)
	collector.Options, err = c.over(collector.Options.WithDefaults())
	return collector, err
}

// newest is the time of the newest fact of all accounts.
func (v *view) newest(ctx context.Context) (at time.Time, err error) {
	accounts, err := v.Accounts(ctx)
	if err != nil {
		return at, err
	}
	if len(accounts) == 0 {
		return at, fmt.Errorf("%s knows no account yet: %s", v.where, v.empty)
	}
	for _, account := range accounts {
		facts, err := v.Facts(ctx, account)
		if err != nil {
			return at, err
		}
		if last := newest(facts); last.After(at) {
			at = last
		}
	}
	return at, nil
}

// writeDigest prints a digest for a terminal.
func writeDigest(out io.Writer, p paint, title string, d *alert.Digest) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n", p.bold(label.Clean(title)), p.faint("as of "+label.Time(d.At)))
	if !d.Since.IsZero() {
		fmt.Fprintf(&b, "%s\n", p.faint("what changed is since "+label.Time(d.Since)))
	}
	if d.NextText != "" {
		fmt.Fprintf(&b, "The next digest is sent on %s\n", label.Clean(d.NextText))
	}
	for i := range d.Sections {
		s := &d.Sections[i]
		fmt.Fprintf(&b, "\n%s\n", p.bold(label.Clean(s.Title)))
		for _, l := range s.Lines {
			fmt.Fprintf(&b, "  %s\n", label.Clean(l))
		}
		if s.More > 0 {
			fmt.Fprintf(&b, "  and %d more: rootguard status\n", s.More)
		}
	}
	return writeText(out, b.String())
}

var _ digestwork.Store = (*dynamodb.Store)(nil)
