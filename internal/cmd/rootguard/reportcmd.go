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

	storeFlag
	storyFlag
	policy
	names
	Account []accountID `placeholder:"ID" predictor:"account" help:"Only this account; may be repeated."`
	AsOf    moment      `name:"as-of" placeholder:"WHEN" help:"Show accounts as they stood then. Default: the newest fact of each."`
}

// Help has examples.
func (reportCmd) Help() string {
	return `The page holds everything it shows: no script, no network, no other file. It reads on a phone, in dark mode and on paper.

Examples:
  rootguard report -o report.html
  rootguard report --account 111122223333 -o - | gzip > report.html.gz`
}

// Run writes the report.
func (c reportCmd) Run(ctx context.Context, sys system) (err error) {
	opt, err := c.options()
	if err != nil {
		return err
	}
	asOf, err := c.AsOf.at("as-of", sys.now())
	if err != nil {
		return err
	}
	st, err := c.read(sys, c.storyFlag)
	if err != nil {
		return err
	}
	defer closing(st, &err)
	known := c.known()
	statuses, err := st.statuses(ctx, c.Account, opt, asOf, known)
	if err != nil {
		return err
	}
	r := report.Report{Made: sys.now(), Source: st.path, Version: version()}
	for _, s := range statuses {
		r.Accounts = append(r.Accounts, report.Account{Name: s.AccountName, Status: s.Status})
		alerts, err := st.alerts(ctx, s.Account)
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
