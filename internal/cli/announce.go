package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/cli/label"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
)

type announceCmd struct {
	Open   announceOpenCmd   `cmd:"" help:"Announce that root will be used in an account."`
	Deploy announceDeployCmd `cmd:"" help:"Announce that rootguard itself will be deployed."`
	List   announceListCmd   `cmd:"" help:"List what is announced."`
	Close  announceCloseCmd  `cmd:"" help:"End an announcement before its time."`
}

// announcePermissions are what those need who change announcements or acknowledge.
const announcePermissions = `It needs sts:GetCallerIdentity, dynamodb:BatchGetItem, dynamodb:PutItem, dynamodb:Query and dynamodb:UpdateItem on the table, sns:Publish on the topics, kms:GenerateDataKey and kms:Decrypt on their key (which the key's policy allows through Amazon SNS), and lambda:GetFunctionConfiguration on the function rootguard-rootactivity.`

type announceOpenCmd struct {
	alwaysAWS
	writeFlags
	Account accountID `required:"" placeholder:"ID" help:"The account in which root will be used."`
	For     span      `required:"" placeholder:"2h" help:"How long; 24h at most."`
	Reason  string    `required:"" placeholder:"TEXT" help:"Why, for all who get alerts. Name a ticket."`
	Owner   string    `required:"" placeholder:"WHO" help:"Who answers for it and can be asked."`
	From    moment    `placeholder:"TIME" help:"When it begins (2026-03-02T08:00:00Z), 30 days ahead at most. Default: now."`
	New     bool      `help:"The ID is right, though nothing of the account has reached rootguard so far."`
	JSON    bool      `help:"Print a JSON object."`
}

// Help has examples.
func (announceOpenCmd) Help() string {
	return `While it lasts, alerts of root use in the account are lowered to low and say who announced it. They are still sent. As loud as ever stay: a sign-in without MFA or of which MFA is not on record, the use of a root access key, changes of root's keys, password, address and MFA, tampering with rootguard, and failed sign-ins. What counts is when an event happened, not when it arrives.

That it is announced is sent to all who get alerts, before it counts; when it is over they get a summary of what root did. Who opened it (by their AWS identity), when and why stays on record.

` + announcePermissions + `

Examples:
  rootguard announce open --account 111122223333 --for 2h --owner alice@example.com --reason "change the support plan, OPS-17"
  rootguard announce open --account 111122223333 --for 30m --from 2026-03-02T08:00:00Z --owner alice --reason OPS-18`
}

// mostAhead is how far ahead root use can be announced.
const mostAhead = 30 * 24 * time.Hour

// entry is what to announce.
func (c announceOpenCmd) entry(now time.Time) (e announcement.AuditEvent, err error) {
	e.Account = string(c.Account)
	if length := time.Duration(c.For); length > announcement.Max || length < time.Minute {
		return e, usageError{fmt.Sprintf("--for %s: it may last from 1m to %.0fh; announce what comes after when it comes", c.For,
			announcement.Max.Hours())}
	}
	if e.Owner, err = words("owner", c.Owner, "name who answers for it and can be asked"); err != nil {
		return e, err
	}
	if e.Reason, err = words("reason", c.Reason, "say why root is used, best with a ticket"); err != nil {
		return e, err
	}
	if e.From, err = c.From.at("from", now); err != nil {
		return e, err
	}
	switch {
	case e.From.IsZero():
		e.From = now.UTC()
	case e.From.Before(now):
		return e, usageError{fmt.Sprintf("--from %s is in the past, and alerts of then were sent; leave it out to begin now", label.Time(e.From))}
	case e.From.After(now.Add(mostAhead)):
		return e, usageError{fmt.Sprintf("--from %s is more than 30 days ahead; announce it nearer to the time", label.Time(e.From))}
	}
	e.Until = e.From.Add(time.Duration(c.For))
	return e, nil
}

// Run announces.
func (c announceOpenCmd) Run(ctx context.Context, sys system) error {
	e, err := c.entry(sys.now())
	if err != nil {
		return err
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	if err := o.refuseUnknown(ctx, e.Account, c.New); err != nil {
		return err
	}
	e.Actor = o.actor
	e, err = o.parts.Announcer.Announce(ctx, e)
	var overlap *announcement.OverlapError
	if errors.As(err, &overlap) {
		with := overlap.With.Opened
		return fmt.Errorf("%s announced root use in account %s until %s already; use that, or end it first: rootguard announce close --account %s %s",
			with.Owner, with.Account, label.Time(overlap.With.End()), with.Account, with.ID)
	}
	if err != nil {
		return err
	}
	a := announcement.Announcement{Opened: e}
	if c.JSON {
		return writeJSON(sys.stdout, windowOf(&a, sys.now()))
	}
	return writeText(sys.stdout,
		fmt.Sprintf("%s  root use in account %s is announced from %s until %s, and the receivers were notified.\nTo end it before: rootguard announce close --account %s %s\n",
			sys.paint().bold(e.ID), e.Account, label.Time(e.From), label.Time(e.Until), e.Account, e.ID))
}

type announceListCmd struct {
	alwaysAWS
	stackFlags
	Account accountID `placeholder:"ID" help:"Only of this account."`
	All     bool      `help:"Also what is over: all that was ever announced."`
	JSON    bool      `help:"Print a JSON array."`
}

// Help has examples.
func (announceListCmd) Help() string {
	return `It needs dynamodb:Query on the table and cloudformation:DescribeStacks.

Examples:
  rootguard announce list
  rootguard announce list --all --json | jq '.[] | select(.owner == "alice@example.com")'`
}

// windowSchema is the version of an announcement's JSON.
const windowSchema = "rootguard.window/1"

type windowJSON struct {
	Schema   string       `json:"schema"`
	ID       string       `json:"id"`
	Account  string       `json:"account"`
	State    string       `json:"state"`
	From     time.Time    `json:"from"`
	Until    time.Time    `json:"until"` // as announced, or closed
	Owner    string       `json:"owner"`
	Reason   string       `json:"reason"`
	OpenedBy detect.Actor `json:"opened_by"`
	OpenedAt time.Time    `json:"opened_at"`
	Closed   *closedJSON  `json:"closed,omitempty"`

	Kind    string   `json:"kind,omitempty"` // "deployment" of one of rootguard itself
	By      []string `json:"by,omitempty"`   // who deploys
	Version string   `json:"version,omitempty"`
}

type closedJSON struct {
	By     detect.Actor `json:"by"`
	At     time.Time    `json:"at"`
	Reason string       `json:"reason,omitempty"`
}

func closedOf(by detect.Actor, at time.Time, reason string) *closedJSON {
	return &closedJSON{By: by, At: at, Reason: reason}
}

// line says it to people: what was done, when, by whose credentials and why.
func (c *closedJSON) line(done string) string {
	line := done + " " + label.Time(c.At) + " by " + c.By.ARN
	if c.Reason != "" {
		line += ": " + c.Reason
	}
	return label.Clean(line)
}

func isDeployment(a *announcement.Announcement) bool {
	return a.Opened.Action == announcement.DeploymentOpened
}

// announced are all announcements of some entries, by the time they begin.
func announced(entries []announcement.AuditEvent) []announcement.Announcement {
	all := append(announcement.Of(entries), announcement.DeploymentsOf(entries)...)
	slices.SortStableFunc(all, func(a, b announcement.Announcement) int { return a.Opened.From.Compare(b.Opened.From) })
	return all
}

func windowOf(a *announcement.Announcement, now time.Time) windowJSON {
	o := &a.Opened
	w := windowJSON{
		Schema: windowSchema, ID: o.ID, Account: o.Account, State: stateOf(a, now), From: o.From, Until: a.End(),
		Owner: o.Owner, Reason: o.Reason,
		OpenedBy: o.Actor, OpenedAt: o.At,
	}
	if isDeployment(a) {
		w.Kind, w.By, w.Version = "deployment", o.By, o.Version
	}
	if c := a.EndedEarly; c != nil {
		w.Closed = closedOf(c.Actor, c.At, c.Reason)
	}
	return w
}

func stateOf(a *announcement.Announcement, now time.Time) string {
	switch {
	case a.EndedEarly != nil && !a.EndedEarly.At.After(now):
		return "closed"
	case !now.Before(a.End()):
		return "over"
	case now.Before(a.Opened.From):
		return "to come"
	default:
		return "open"
	}
}

// Run lists.
func (c announceListCmd) Run(ctx context.Context, sys system) error {
	store, where, err := c.open(ctx, sys)
	if err != nil {
		return err
	}
	entries, err := store.AllEntries(ctx, string(c.Account))
	if err != nil {
		return err
	}
	now := sys.now()
	all := announced(entries)
	if !c.All {
		all = slices.DeleteFunc(all, func(a announcement.Announcement) bool { return !now.Before(a.End()) })
	}
	if c.JSON {
		out := make([]windowJSON, 0, len(all))
		for i := range all {
			out = append(out, windowOf(&all[i], now))
		}
		return writeJSON(sys.stdout, out)
	}
	if len(all) == 0 {
		what := "is announced"
		if c.All {
			what = "was ever announced"
		}
		return writeText(sys.stdout, fmt.Sprintf("No root use and no deployment %s in %s.\n", what, where))
	}
	var b strings.Builder
	p := sys.paint()
	for i := range all {
		a := &all[i]
		o := &a.Opened
		fmt.Fprintf(&b, "%s  account %s  %s  %s to %s\n", p.bold(o.ID), o.Account, stateOf(a, now), label.Time(o.From), label.Time(o.Until))
		if isDeployment(a) {
			fmt.Fprintf(&b, "  %s\n", label.Clean(strings.TrimSuffix("deployment of rootguard "+o.Version, " ")+", by "+strings.Join(o.By, ", ")))
		}
		fmt.Fprintf(&b, "  %s\n", label.Clean(o.Owner+": "+o.Reason))
		fmt.Fprintf(&b, "  %s\n", p.faint(label.Clean("opened "+label.Time(o.At)+" by "+o.Actor.ARN)))
		if c := a.EndedEarly; c != nil {
			fmt.Fprintf(&b, "  %s\n", p.faint(closedOf(c.Actor, c.At, c.Reason).line("closed")))
		}
	}
	return writeText(sys.stdout, b.String())
}

type announceCloseCmd struct {
	alwaysAWS
	writeFlags
	ID      string    `arg:"" optional:"" help:"Which announcement. Default: the one of the account that is not over."`
	Account accountID `required:"" placeholder:"ID" help:"The account that it is of."`
	Reason  string    `placeholder:"TEXT" help:"Why, for all who get alerts."`
	JSON    bool      `help:"Print a JSON object."`
}

// Help has examples.
func (announceCloseCmd) Help() string {
	return `From then on root use, or a deployment of rootguard, is reported as always. Of root use all receivers get a note, and some minutes later the summary. An announcement that has not begun never does.

` + announcePermissions + `

Examples:
  rootguard announce close --account 111122223333
  rootguard announce close --account 111122223333 3F9D0-KQ7TB --reason "done early"`
}

// Run closes.
func (c announceCloseCmd) Run(ctx context.Context, sys system) error {
	reason, err := optionalWords("reason", c.Reason, "say why, or leave it out")
	if err != nil {
		return err
	}
	id := ""
	if c.ID != "" {
		var ok bool
		if id, ok = keys.ReadID(c.ID); !ok {
			return usageError{fmt.Sprintf("%q is no announcement's ID, which looks like 3F9D0-KQ7TB; rootguard announce list shows them", c.ID)}
		}
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	entries, err := o.store.AllEntries(ctx, string(c.Account))
	if err != nil {
		return err
	}
	now := sys.now()
	a, err := c.choose(announced(entries), id, now)
	if err != nil {
		return err
	}
	if a.EndedEarly == nil && !now.Before(a.End()) {
		return fmt.Errorf("announcement %s of account %s is over since %s", a.Opened.ID, c.Account, label.Time(a.End()))
	}
	if isDeployment(&a) {
		return c.closeDeployment(ctx, sys, o, a, reason)
	}
	closed, already, err := o.parts.Announcer.Close(ctx, a, o.actor, reason)
	if err != nil {
		return err
	}
	return c.closed(sys, &closed, already, "root use in account "+string(c.Account), ", and the receivers were notified")
}

// closed prints that an announcement of something is closed, and what came of that, or
// that it was before.
func (c announceCloseCmd) closed(sys system, a *announcement.Announcement, already bool, what, came string) error {
	if c.JSON {
		return writeJSON(sys.stdout, windowOf(a, sys.now()))
	}
	state := "is no longer announced" + came
	if already {
		state = "was closed before, " + label.Time(a.EndedEarly.At) + " by " + label.Clean(a.EndedEarly.Actor.ARN)
	}
	return writeText(sys.stdout, sys.paint().bold(a.Opened.ID)+"  "+what+" "+state+".\n")
}

// closeDeployment ends the announcement of a deployment.
func (c announceCloseCmd) closeDeployment(ctx context.Context, sys system, o *operator, a announcement.Announcement, reason string) error {
	already := a.EndedEarly != nil
	closed, err := announcement.CloseDeployment(ctx, o.store, a, o.actor, reason, sys.now())
	if err != nil {
		return err
	}
	return c.closed(sys, &closed, already, "the deployment of rootguard", "")
}

// choose is the announcement of an ID, or the only one that is not over.
func (c announceCloseCmd) choose(all []announcement.Announcement, id string, now time.Time) (announcement.Announcement, error) {
	fits := func(a announcement.Announcement) bool { return a.Opened.ID == id }
	if id == "" {
		fits = func(a announcement.Announcement) bool { return now.Before(a.End()) }
	}
	all = slices.DeleteFunc(all, func(a announcement.Announcement) bool { return !fits(a) })
	switch {
	case len(all) == 1:
		return all[0], nil
	case len(all) == 0 && id != "":
		return announcement.Announcement{},
			fmt.Errorf("account %s has no announcement %s; rootguard announce list --account %s --all shows those it has", c.Account, id, c.Account)
	case len(all) == 0:
		return announcement.Announcement{}, fmt.Errorf("nothing is announced in account %s; rootguard announce list shows where it is", c.Account)
	}
	ids := make([]string, len(all))
	for i := range all {
		ids[i] = all[i].Opened.ID + " (from " + label.Time(all[i].Opened.From) + ")"
	}
	return announcement.Announcement{}, usageError{fmt.Sprintf("account %s has several announcements; say which: %s", c.Account,
		strings.Join(ids, ", "))}
}
