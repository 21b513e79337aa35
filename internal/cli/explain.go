package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"rootguard/internal/alert"
	"rootguard/internal/cli/label"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/replay"
)

type explainCmd struct {
	Event string   `arg:"" name:"event-id" help:"eventID of the record."`
	Paths []string `arg:"" optional:"" name:"path" predictor:"path" help:"Logs to find the record in: files, folders, or - for standard input."`

	sourceFlags
}

// Help has examples.
func (explainCmd) Help() string {
	return `From the store, or with --aws from the deployed table: the finding it made, the alert or roll-up that reported it, and the facts it added to an account's status. With paths also the record itself, and the verdict on it with the reason, even where it was not flagged.

Examples:
  rootguard explain 3f2a1c9e-0d0b-4c53-9d53-6f0f8f0f1a2b
  rootguard explain 3f2a1c9e-0d0b-4c53-9d53-6f0f8f0f1a2b ./AWSLogs
  rootguard explain --aws 3f2a1c9e-0d0b-4c53-9d53-6f0f8f0f1a2b`
}

// Run explains.
func (c explainCmd) Run(ctx context.Context, sys system) (err error) {
	c.Event = strings.TrimSpace(c.Event)
	v, err := c.openRecords(ctx, sys)
	if err != nil {
		return err
	}
	defer closing(v, &err)

	var b strings.Builder
	p := sys.paint()
	claims, err := v.Claim(ctx, c.Event)
	if err != nil {
		return err
	}
	for _, claim := range claims {
		explainClaim(&b, p, claim, v.unsent, sys.outputWidth())
	}
	facts, err := v.factsOf(ctx, c.Event)
	if err != nil {
		return err
	}
	if len(facts) > 0 {
		fmt.Fprintf(&b, "%s\n", p.bold("Facts it added to the status"))
		for _, f := range facts {
			what := f.What
			if what == "" {
				what = string(f.Kind)
			}
			line := fmt.Sprintf("account %s: %s (%s)", f.Account, what, f.Kind)
			if f.UserName != "" {
				line += ", user " + f.UserName
			}
			if f.Actor != "" {
				line += ", by " + f.Actor
			}
			fmt.Fprintf(&b, "  %s\n", label.Clean(line))
		}
	}
	known := len(claims)+len(facts) > 0
	var wrong problems
	found, err := c.search(ctx, sys, v, &b, &wrong)
	if err != nil {
		return err
	}
	if !known && found == 0 {
		where := v.where
		if len(c.Paths) > 0 {
			where += " nor in " + strings.Join(c.Paths, ", ")
		} else {
			where += ": " + v.absent
		}
		return fmt.Errorf("event %s is not in %s", label.Clean(c.Event), where)
	}
	if !known {
		b.WriteString("Nothing came of it: " + v.where + " has neither a finding nor a fact of this event.\n")
	}
	if err := writeText(sys.stdout, b.String()); err != nil {
		return err
	}
	return wrong.err()
}

// fieldWidth is that of the names before an alert's lines, such as "Who:     ".
const fieldWidth = 9

// hanging is a line of an alert, wrapped below where its text begins. A command
// is left whole, to be copied.
func hanging(line string, width int) string {
	name := ""
	if len(line) > fieldWidth && strings.HasSuffix(strings.TrimRight(line[:fieldWidth], " "), ":") {
		name, line = line[:fieldWidth], line[fieldWidth:]
	}
	if strings.HasPrefix(line, "aws ") {
		return name + line
	}
	return name + strings.Join(wrap(line, width-len(name)), "\n  "+strings.Repeat(" ", len(name)))
}

// explainClaim prints a finding and how it was reported.
func explainClaim(b *strings.Builder, p paint, c guard.Claim, unsent string, width int) {
	f := c.Finding
	fmt.Fprintf(b, "%s %s in account %s\n", p.bold("Finding "+string(f.ID)), p.severity(f.Severity.String(), f.Severity.String()),
		label.Clean(f.Account))
	text := alert.Text(alert.Alert{Schema: alert.Schema, ID: c.AlertID, Kind: alert.First, Finding: *f})
	for line := range strings.Lines(text) {
		b.WriteString("  " + hanging(strings.TrimRight(line, "\n"), width-2) + "\n")
	}
	var what string
	switch c.State {
	case guard.Sent:
		what = "reported in an alert of its own"
		if c.Kind == alert.Escalation {
			what = "reported at once, as an escalation"
		}
	case guard.Folded:
		what = "a repeat, counted in the roll-up of its session"
	case guard.Withheld:
		if c.Deployment != "" {
			what = "part of a deployment of rootguard, which one note reports (" + label.Clean(c.Deployment) + ")"
			break
		}
		what = "on record and counted, and not sent: suppression " + label.Clean(c.Suppression) + " held it back (rootguard suppress list --all)"
	case guard.Leased, guard.Released:
		what = unsent
	default:
		what = "in the state " + string(c.State)
	}
	fmt.Fprintf(b, "%s %s\n", p.bold("What became of it:"), what)
	if c.AlertID != "" {
		fmt.Fprintf(b, "  alert %s\n", label.Clean(c.AlertID))
	}
	if c.Series != "" {
		fmt.Fprintf(b, "  window %s\n", label.Clean(c.Series))
	}
}

// search looks for the event in the logs and reports the record and the verdict on it.
func (c explainCmd) search(ctx context.Context, sys system, v *view, b *strings.Builder, wrong *problems) (found int, err error) {
	if len(c.Paths) == 0 {
		return 0, nil
	}
	if err := exist(c.Paths); err != nil {
		return 0, err
	}
	p := sys.paint()
	opt := replay.Options{Paths: c.Paths, Stdin: sys.stdin, Now: sys.now, Problem: func(p replay.Problem) { wrong.report(sys.stderr, p) }}
	_, err = replay.Run(ctx, opt, func(ctx context.Context, rec *cloudtrail.Record, at replay.Place) error {
		if rec.EventID != c.Event && rec.Addendum.CopyID != c.Event {
			return nil
		}
		found++
		fmt.Fprintf(b, "%s %s, record %d\n", p.bold("Record"), label.Clean(at.File), at.Index)
		if found > 1 {
			b.WriteString("  another copy of the same event\n")
			return nil
		}
		assumed, err := v.assumedRoot(ctx, rec)
		if err != nil {
			return err
		}
		switch o := (&detect.Detector{}).Detect(rec, assumed); o.Kind {
		case detect.Matched:
			fmt.Fprintf(b, "  verdict: %s (%s): %s\n", o.Finding.ID, o.Finding.Severity, label.Clean(o.Finding.Title))
		default:
			fmt.Fprintf(b, "  verdict: not flagged: %s\n", label.Clean(o.Reason))
		}
		for line := range strings.Lines(indented(rec.Raw)) {
			b.WriteString("  " + label.CleanText(line))
		}
		b.WriteString("\n")
		return nil
	})
	wrong.rest(sys.stderr, "")
	return found, err
}

// indented is a record for people to read, unchanged where it cannot be indented.
func indented(raw []byte) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return string(raw)
	}
	return b.String()
}
