package main

import (
	"bytes"
	"context"
	"fmt"
	"os"

	"rootguard/internal/cmd/rootguard/report"
)

type reportCmd struct {
	Output string `short:"o" default:"report.html" placeholder:"FILE" predictor:"path" help:"Where to write the page; - is standard output. Default: report.html."`

	standing
	Account []accountID `placeholder:"ID" predictor:"account" help:"Only this account; may be repeated."`
}

// Help has examples.
func (reportCmd) Help() string {
	return `The page holds everything it shows: no script, no network, no other file. It reads on a phone, in dark mode and on paper.

Examples:
  rootguard report -o report.html
  rootguard report --account 111122223333 -o - | gzip > report.html.gz
  rootguard report --aws --profile security           # of the deployed rootguard`
}

// Run writes the report.
func (c reportCmd) Run(ctx context.Context, sys system) (err error) {
	v, statuses, asOf, err := c.look(ctx, sys, c.Account)
	if err != nil {
		return err
	}
	defer closing(v, &err)
	r := report.Report{Made: sys.now(), Live: v.live, Source: v.source, Version: version()}
	for _, s := range statuses {
		r.Accounts = append(r.Accounts, report.Account{Name: s.AccountName, Status: s.Status})
		alerts, err := v.alerts(ctx, s.Account)
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if asOf.IsZero() || !a.Finding.EventTime.After(asOf) {
				r.Alerts = append(r.Alerts, a)
			}
		}
	}
	var page bytes.Buffer
	if err := report.Write(&page, r); err != nil {
		return err
	}
	if c.Output == "-" {
		return writeText(sys.stdout, page.String())
	}
	if err := os.WriteFile(c.Output, page.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return writeText(sys.stdout, fmt.Sprintf("%s: %s, %s, %d KiB\n", c.Output, plural(int64(len(r.Accounts)), "account"), plural(int64(len(r.Alerts)), "alert"), (page.Len()+1023)/1024))
}
