package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/cli/report"
	"rootguard/internal/config"
	"rootguard/internal/digest"
	"rootguard/internal/digestwork"
	"rootguard/internal/evidence"
	"rootguard/internal/version"
)

type reportCmd struct {
	Output   string `short:"o" placeholder:"FILE" predictor:"path" help:"Where to write it; - is standard output. Default: report.html, of the evidence evidence.html or evidence.csv."`
	Evidence bool   `help:"What auditors ask for instead: each account and control of the CIS AWS Foundations Benchmark (v3, v5, v7) and Security Hub, with its status, since when, and the event that shows it."`
	Format   string `enum:"html,csv" default:"html" placeholder:"html" help:"html, or csv, which is of the evidence alone. Default: html."`

	statusFlags
	Since   moment      `placeholder:"WHEN" help:"Only alerts since then (2026-03-02, 30d)."`
	Account []accountID `placeholder:"ID" predictor:"account" help:"Only this account; may be repeated."`
}

// Help has examples.
func (reportCmd) Help() string {
	return `The page holds everything it shows: no network, no other file. Of more than 20 accounts it has one script, which searches, sorts and pages them; of thousands it shows the steps of the 300 that need attention first, and the 5,000 most severe findings. It reads on a phone, in dark mode and on paper.

The evidence is one row an account and control, and of MFA one row a user with a console password. Its status is met, not met, not applicable, or unknown (nothing in the logs, nor a live check, says).

Examples:
  rootguard report -o report.html
  rootguard report --evidence                        # evidence.html, for auditors
  rootguard report --evidence --format csv -o - | head
  rootguard report --account 111122223333 -o - | gzip > report.html.gz
  rootguard report --aws --profile security           # of the deployed rootguard`
}

// Run writes the report.
func (c reportCmd) Run(ctx context.Context, sys system) (err error) {
	if c.Format == "csv" && !c.Evidence {
		return usageError{"--format csv is of the evidence: add --evidence"}
	}
	since, err := c.Since.at("since", sys.now())
	if err != nil {
		return err
	}
	ahead(sys, "since", since)
	if !since.IsZero() && c.Evidence {
		return usageError{"--since is about alerts, which the evidence has none of"}
	}
	v, statuses, asOf, err := c.openRecords(ctx, sys, c.Account)
	if err != nil {
		return err
	}
	defer closing(v, &err)
	if c.Evidence {
		return c.evidence(sys, v, statuses)
	}
	r := report.Report{Made: sys.now(), Live: v.live, Source: v.source, Version: version.String()}
	for _, s := range statuses {
		r.Accounts = append(r.Accounts, report.Account{Name: s.AccountName, Status: s.Status, DayTwo: s.DayTwo})
		alerts, err := v.alerts(ctx, s.Account)
		if err != nil {
			return err
		}
		for _, a := range alerts {
			if (asOf.IsZero() || !a.Finding.EventTime.After(asOf)) && !a.Finding.EventTime.Before(since) {
				r.Alerts = append(r.Alerts, a)
			}
		}
	}
	if v.incidents != nil && c.AsOf == "" { // they are as of now
		r.HasIncidents = true
		if r.Incidents, err = openIncidents(ctx, v, c.Account); err != nil {
			return err
		}
	}
	if r.Coverage, err = v.coverage(ctx, statuses, c.AsOf == ""); err != nil {
		return err
	}
	var page bytes.Buffer
	if err := report.Write(&page, r); err != nil {
		return err
	}
	return c.write(sys, "report.html", page.Bytes(), fmt.Sprintf("%s, %s", plural(int64(len(r.Accounts)), "account"),
		plural(int64(len(r.Alerts)), "alert")))
}

// coverage is which Regions are covered, or of logs, in which events were read; zero
// where that is not known. What is deployed is as of now.
func (v *view) coverage(ctx context.Context, statuses []accountStatus, now bool) (c report.Coverage, err error) {
	switch of := v.records.(type) {
	case *store:
		c.Read = map[string][]string{}
		for i := range statuses {
			regions, err := of.Regions(ctx, statuses[i].Account)
			if err != nil {
				return c, err
			}
			if len(regions) > 0 {
				c.Read[statuses[i].Account] = regions
			}
		}
	case *dynamodb.Store:
		if v.config == nil || !now {
			break
		}
		names := map[string]string{}
		for i := range statuses {
			names[statuses[i].Account] = statuses[i].AccountName
		}
		c = deployedCoverage(ctx, v.config, of, func(account string) string { return names[account] })
	}
	return c, nil
}

// deployedCoverage is of the digest's source, so that both say the same.
func deployedCoverage(ctx context.Context, cfg *config.Config, table digestwork.Store, name func(account string) string) report.Coverage {
	collector := digestwork.CollectorOf(cfg, table, name)
	g := collector.Guard(ctx)
	c := report.Coverage{Deployed: true, Covered: collector.Regions, Open: g.Regions, Checked: g.Checked, Notes: digest.AccountGaps(g, name)}
	for _, why := range g.Failed {
		c.Notes = append(c.Notes, "Could not be read: "+why)
	}
	return c
}

// openIncidents are those that no one has acknowledged, of the accounts, of all
// where none is named.
func openIncidents(ctx context.Context, v *view, accounts []accountID) (open []report.Incident, err error) {
	all, err := v.incidents(ctx, "")
	if err != nil {
		return nil, err
	}
	for i := range all {
		in := &all[i]
		if !awaited(in) || len(accounts) > 0 && !slices.Contains(accounts, accountID(in.Account)) {
			continue
		}
		f := &in.Finding
		open = append(open, report.Incident{ID: in.ID, Account: in.Account, Severity: f.Severity, Title: f.Title,
			Opened: in.Opened, Events: in.Events})
	}
	return open, nil
}

// evidence writes the evidence for auditors.
func (c reportCmd) evidence(sys system, v *view, statuses []accountStatus) error {
	e := report.Evidence{Made: sys.now(), Live: v.live, Source: v.source, Version: version.String()}
	for i := range statuses {
		e.Rows = append(e.Rows, evidence.Rows(&statuses[i].Status, statuses[i].AccountName)...)
	}
	var out bytes.Buffer
	var err error
	if c.Format == "csv" {
		err = evidence.WriteCSV(&out, e.Rows)
	} else {
		err = report.WriteEvidence(&out, e)
	}
	if err != nil {
		return err
	}
	return c.write(sys, "evidence."+c.Format, out.Bytes(), fmt.Sprintf("%s, %s", plural(int64(len(statuses)), "account"),
		plural(int64(len(e.Rows)), "row")))
}

// write writes to the file that was asked for, or to one of a name, and says so.
// A file that was there is replaced at once or not at all.
func (c reportCmd) write(sys system, name string, data []byte, what string) error {
	if c.Output == "-" {
		return writeText(sys.stdout, string(data))
	}
	if c.Output != "" {
		name = c.Output
	}
	if err := replaceFile(name, data); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return writeText(sys.stdout, fmt.Sprintf("%s: %s, %d KiB\n", name, what, (len(data)+1023)/1024))
}

// replaceFile writes a file under another name first, so that no reader sees half
// of it. What is no regular file, such as a pipe, is written to.
func replaceFile(name string, data []byte) (err error) {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, data, 0o600)
	}
	part, err := os.CreateTemp(filepath.Dir(name), ".rootguard-*")
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		of.Path = name // the other name says nothing to people
	}
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part.Name())
		}
	}()
	_, err = part.Write(data)
	if closeErr := part.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(part.Name(), name)
}
