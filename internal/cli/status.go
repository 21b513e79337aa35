package cli

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/daytwo"
)

type statusCmd struct {
	Accounts []accountRef `arg:"" optional:"" name:"account" predictor:"account" help:"Accounts to show, by ID or name; none: all of the store."`

	statusFlags
	watchFlags
	JSON bool `help:"Print a JSON array of statuses."`
}

// Help has examples.
func (statusCmd) Help() string {
	return `A step is done, pending, regressed (it was done and no longer is), not needed, or unknown (nothing in the logs shows it). Each has since when, and the event that shows it.

With --aws, grace, quiet days and the names of accounts are those that rootguard is deployed with, where no flag says otherwise. It needs dynamodb:Query on the table, cloudformation:DescribeStacks and lambda:GetFunctionConfiguration.

Examples:
  rootguard status
  rootguard status 111122223333 --as-of 2026-03-03
  rootguard status --aws prod                  # by the name that alerts use
  rootguard status --aws --profile security    # of the deployed rootguard, as of now
  rootguard status --watch --aws 111122223333  # follow the steps while you do them
  rootguard status --watch --aws-lookup 1d     # the same, where rootguard is not deployed
  rootguard status --json | jq -r '.[] | select(.bootstrapped | not).account'`
}

// accountStatus is a status with what people call the account.
type accountStatus struct {
	AccountName string `json:"account_name,omitempty"`
	bootstrap.Status
	DayTwo []daytwo.View `json:"day_two,omitempty"`
}

// Run shows the status.
func (c statusCmd) Run(ctx context.Context, sys system) (err error) {
	if err := c.check(&c); err != nil {
		return err
	}
	if c.Watch {
		return c.watch(ctx, sys)
	}
	v, statuses, asOf, err := c.openRecords(ctx, sys, ids(c.Accounts))
	if err != nil {
		return err
	}
	defer closing(v, &err)
	if c.JSON {
		return writeJSON(sys.stdout, statuses)
	}
	out := statusView{paint: sys.paint(), unicode: sys.unicode(), chosen: !asOf.IsZero(), quietDays: v.policy.QuietDays,
		width: sys.outputWidth()}
	return writeText(sys.stdout, out.render(statuses))
}

// statusView renders statuses for a terminal.
type statusView struct {
	paint   paint
	unicode bool
	chosen  bool // the user chose the time that the statuses are as of
	b       strings.Builder

	quietDays int
	width     int // of the terminal, 0 where nothing needs to fit one
}

func (v *statusView) render(statuses []accountStatus) string {
	if len(statuses) > 1 {
		v.overview(statuses)
	}
	for i, s := range statuses {
		if i > 0 || len(statuses) > 1 {
			v.b.WriteString("\n")
		}
		v.account(s)
	}
	return v.b.String()
}

func (v *statusView) overview(statuses []accountStatus) {
	rows := make([][]string, 0, len(statuses)+1)
	rows = append(rows, []string{"ACCOUNT", "", "STEPS", "STATUS", "AWAITING MFA", "AS OF"})
	for _, s := range statuses {
		var ticks strings.Builder
		for _, step := range s.Steps {
			ticks.WriteString(label.Glyph(step.State, v.unicode))
		}
		awaiting := 0
		for _, u := range s.Users {
			if label.AwaitsMFA(u) {
				awaiting++
			}
		}
		rows = append(rows, []string{s.Account, label.Clean(s.AccountName), ticks.String(), label.Verdict(s.Status),
			strconv.Itoa(awaiting), label.Time(s.AsOf)})
	}
	if v.width > 0 && tableWidth(rows) > v.width {
		for i := range rows {
			rows[i] = rows[i][:5] // each account says below as of when it is shown
		}
	}
	v.b.WriteString(columns(rows, 6, func(row, column int, text string) string {
		switch {
		case row == 0:
			return v.paint.faint(text)
		case column == 3:
			return v.verdict(statuses[row-1].Status, text)
		}
		return text
	}))
}

func (v *statusView) verdict(s bootstrap.Status, text string) string {
	for _, step := range s.Steps {
		if step.State == bootstrap.Regressed {
			return v.paint.in("1;31", text)
		}
	}
	if s.Bootstrapped {
		return v.paint.in("32", text)
	}
	return v.paint.in("33", text)
}

func (v *statusView) account(s accountStatus) {
	done, of := label.Progress(s.Status)
	title := s.Account
	if s.AccountName != "" {
		title += "  " + label.Clean(s.AccountName)
	}
	fmt.Fprintf(&v.b, "%s  %s  %d of %d steps done\n", v.paint.bold(title), v.verdict(s.Status, label.Verdict(s.Status)), done, of)
	asOf := "as of " + label.Time(s.AsOf)
	switch {
	case s.AsOf.IsZero():
		asOf = "no record says anything about these steps"
	case !v.chosen:
		asOf += ", the newest fact of this account: logs cannot speak for later"
	}
	v.line(0, v.paint.faint, asOf)
	if s.NoRootCredentials {
		v.b.WriteString("This account has no root credentials: no one can sign in as root.\n")
	}
	v.b.WriteString("\n")
	for _, step := range s.Steps {
		v.step(step)
	}
	v.dayTwo(s.DayTwo)
	v.users(s.Status)
}

// dayTwo shows the steps of day two that the settings choose.
func (v *statusView) dayTwo(steps []daytwo.View) {
	if len(steps) == 0 {
		return
	}
	v.b.WriteString("\n  Day two, which counts for no status\n")
	for i := range steps {
		s := &steps[i]
		state := label.State(s.State)
		if !s.Since.IsZero() {
			state += " since " + label.Time(s.Since)
		}
		v.row(s.State, s.Title, state)
		if s.Note != "" {
			v.line(6, nil, label.Clean(s.Note))
		}
		if s.Fix != "" {
			v.line(6, v.paint.faint, s.Fix)
		}
	}
}

func (v *statusView) step(s bootstrap.StepStatus) {
	state := label.State(s.State)
	if !s.Since.IsZero() {
		state += " since " + label.Time(s.Since)
	}
	v.row(s.State, v.stepName(s.Step), state)
	if s.Note != "" {
		v.line(6, nil, label.Clean(s.Note))
	}
	if e := s.Evidence; e != nil {
		line := e.What
		if e.Actor != "" {
			line += " by " + e.Actor
		}
		if !e.Time.IsZero() && !e.Time.Equal(s.Since) {
			line += ", " + label.Time(e.Time)
		}
		if e.EventID != "" {
			line += ", event " + e.EventID
		}
		v.line(6, v.paint.faint, label.Clean(line))
	}
}

// row is the line of a step: its name, and how it is in words.
func (v *statusView) row(is bootstrap.State, name, state string) {
	color := stateColor(is)
	const stateColumn = 46
	fmt.Fprintf(&v.b, "  %s ", v.paint.in(color, label.Glyph(is, v.unicode)))
	if v.width > 0 && len("  x   ")+stateColumn+len(state) > v.width {
		fmt.Fprintf(&v.b, "%s\n      %s\n", name, v.paint.in(color, state))
	} else {
		fmt.Fprintf(&v.b, "%s  %s\n", pad(name, stateColumn), v.paint.in(color, state))
	}
}

// stepName is a step in words, root_quiet with its days.
func (v *statusView) stepName(s bootstrap.Step) string {
	if s == bootstrap.RootQuiet {
		return fmt.Sprintf("%s for %d days", label.Step(s), v.quietDays)
	}
	return label.Step(s)
}

// stateColor is the terminal's color of a state.
func stateColor(s bootstrap.State) string {
	switch s {
	case bootstrap.Done:
		return "32"
	case bootstrap.Regressed:
		return "1;31"
	case bootstrap.Pending:
		return "33"
	default:
		return "2"
	}
}

// line writes indented text, on several lines where the terminal is narrow.
func (v *statusView) line(indent int, style func(string) string, text string) {
	for _, l := range wrap(text, v.width-indent) {
		if style != nil {
			l = style(l)
		}
		v.b.WriteString(strings.Repeat(" ", indent) + l + "\n")
	}
}

func (v *statusView) users(s bootstrap.Status) {
	var awaiting, others []bootstrap.UserStatus
	width := 0
	for _, u := range s.Users {
		width = max(width, utf8.RuneCountInString(name(u)))
		if label.AwaitsMFA(u) {
			awaiting = append(awaiting, u)
		} else {
			others = append(others, u)
		}
	}
	if len(awaiting) > 0 {
		v.b.WriteString("\n  IAM users who can sign in and have no MFA\n")
		for _, u := range awaiting {
			color := "33"
			if u.MFA == bootstrap.MFAMissing {
				color = "1;31"
			}
			fmt.Fprintf(&v.b, "    %s  %s\n", pad(name(u), width), v.paint.in(color, "MFA "+label.Deadline(u.GraceDeadline, s.AsOf)))
			v.line(6, v.paint.faint, label.Clean(origin(u)+"; last sign-in "+label.Time(u.LastSignIn)))
			v.quarantined(u)
		}
	}
	if len(others) > 0 {
		v.b.WriteString("\n  Other IAM users\n")
		for _, u := range others {
			state := "MFA " + label.MFA(u.MFA)
			if u.Deleted {
				state = "deleted " + label.Time(u.DeletedAt)
			}
			fmt.Fprintf(&v.b, "    %s  %s\n", pad(name(u), width), state)
			v.quarantined(u)
		}
	}
}

// quarantined says since when a user is in quarantine, if it is.
func (v *statusView) quarantined(u bootstrap.UserStatus) {
	q := u.Quarantined
	if q == nil {
		return
	}
	line := "quarantined since " + label.Time(q.Time)
	if q.Actor != "" {
		line += " by " + q.Actor
	}
	v.line(6, func(text string) string { return v.paint.in("1;31", text) }, label.Clean(line))
}

// name is a user's name, with what matters most about it.
func name(u bootstrap.UserStatus) string {
	n := label.Clean(u.Name)
	if n == "" {
		n = u.UserID
	}
	if u.Admin && !u.Deleted {
		n += " (administrator)"
	}
	return n
}

// origin says where a user came from.
func origin(u bootstrap.UserStatus) string {
	text := "there before the first record"
	if !u.CreatedAt.IsZero() {
		text = "created " + label.Time(u.CreatedAt)
		if u.CreatedBy != "" {
			text += " by " + u.CreatedBy
		}
	}
	if u.UserID != "" {
		text += ", " + u.UserID
	}
	return text
}

// pad fills text up to a width in characters.
func pad(text string, width int) string {
	if n := width - utf8.RuneCountInString(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}

// newest is the time of the newest of the facts. A note has that of a deadline.
func newest(facts []bootstrap.Fact) time.Time {
	var at time.Time
	for _, f := range facts {
		if f.Kind == bootstrap.MFAMissingAlerted {
			continue
		}
		for _, t := range []time.Time{f.Time, f.Last} {
			if t.After(at) {
				at = t
			}
		}
	}
	return at
}
