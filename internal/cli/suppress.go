package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cli/label"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/suppression"
)

type suppressCmd struct {
	Add    suppressAddCmd    `cmd:"" help:"Suppress alerts of a finding, for a time."`
	List   suppressListCmd   `cmd:"" help:"List what is suppressed, and how often it was used."`
	Remove suppressRemoveCmd `cmd:"" help:"End a suppression before its time."`
}

type suppressAddCmd struct {
	alwaysAWS
	writeFlags
	Account   accountID `required:"" placeholder:"ID" help:"The account whose alerts are suppressed."`
	Finding   string    `required:"" placeholder:"FINDING" help:"Which finding (rootguard findings lists them)."`
	Principal string    `required:"" placeholder:"ARN" help:"Whose: the ARN of a user, role, session or root, a unique ID (AIDA..., AROA...), or any."`
	For       span      `required:"" placeholder:"30d" help:"How long; 90d at most."`
	Reason    string    `required:"" placeholder:"TEXT" help:"Why, for all who get alerts. Name a ticket."`
	Owner     string    `required:"" placeholder:"WHO" help:"Who answers for it and can be asked."`
	New       bool      `help:"The ID is right, though nothing of the account has reached rootguard so far."`
	JSON      bool      `help:"Print a JSON object."`
}

// Help has examples.
func (suppressAddCmd) Help() string {
	return `From now on, alerts of the finding by the principal in the account are not sent. They stay on record: status, report and explain show them, the log has them, and each counts as a use of the suppression. The ARN of a role holds for all its sessions. Fix what causes an alert where you can; suppress it where you cannot yet.

Always sent are: what is critical, even where the finding is not critical as a rule (the last reminder of missing MFA is); rootguard's own health, announcements, quarantines and suppressions; the note that something is over; a record that matches another finding too, unless that is suppressed as well. What counts is when an event happened.

That alerts are suppressed is sent to all who get alerts, before it counts, and when it ends they get the number of uses. Who added it (by their AWS identity), when and why stays on record for 400 days after its end. A replay of logs (rootguard replay) knows no suppressions and shows all.

` + announcePermissions + `

Examples:
  rootguard suppress add --account 111122223333 --finding user.admin_granted --principal arn:aws:iam::111122223333:role/Terraform --for 30d --owner alice@example.com --reason "pipeline grants admin until OPS-17 is done"
  rootguard suppress add --account 111122223333 --finding user.signin.no_mfa --principal any --for 7d --owner alice --reason OPS-18`
}

// event is what to suppress.
func (c suppressAddCmd) event(now time.Time) (e suppression.AuditEvent, err error) {
	e.Account, e.Finding = string(c.Account), detect.ID(strings.TrimSpace(c.Finding))
	switch why := detect.Unsuppressible(e.Finding); {
	case !detect.InCatalogue(e.Finding):
		return e, usageError{fmt.Sprintf("--finding %q is no finding; rootguard findings lists them", label.Clean(c.Finding))}
	case why != "":
		return e, usageError{fmt.Sprintf("--finding %s is always sent: %s", e.Finding, why)}
	}
	if e.Principal = strings.TrimSpace(c.Principal); !detect.IsPrincipal(e.Principal) {
		return e, usageError{fmt.Sprintf("--principal %q is none: give an ARN such as arn:aws:iam::%s:role/NAME (no wildcards), a unique ID (AIDA..., AROA...), or any", label.Clean(c.Principal), e.Account)}
	}
	if length := time.Duration(c.For); length > suppression.Max || length < time.Minute {
		return e, usageError{fmt.Sprintf("--for %s: it may last from 1m to %.0fd; add it again when it is over, if it is still needed", c.For,
			suppression.Max.Hours()/24)}
	}
	if e.Owner, err = words("owner", c.Owner, "name who answers for it and can be asked"); err != nil {
		return e, err
	}
	if e.Reason, err = words("reason", c.Reason, "say why these alerts are not wanted, best with a ticket"); err != nil {
		return e, err
	}
	e.Until = now.Add(time.Duration(c.For))
	return e, nil
}

// Run suppresses.
func (c suppressAddCmd) Run(ctx context.Context, sys system) error {
	e, err := c.event(sys.now())
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
	e, err = o.parts.Suppressor.Suppress(ctx, e)
	var overlap *suppression.OverlapError
	if errors.As(err, &overlap) {
		with := overlap.With.Added
		return fmt.Errorf("%s suppressed these alerts until %s already; use that, or end it first: rootguard suppress remove --account %s %s",
			with.Owner, label.Time(overlap.With.End()), with.Account, with.ID)
	}
	if err != nil {
		return err
	}
	s := suppression.Suppression{Added: e}
	if c.JSON {
		return writeJSON(sys.stdout, suppressionOf(&s, 0, sys.now()))
	}
	return writeText(sys.stdout,
		fmt.Sprintf("%s  alerts of %s in account %s are suppressed until %s, and the receivers were notified.\nTo end it before: rootguard suppress remove --account %s %s\n",
			sys.paint().bold(e.ID), e.Finding, e.Account, label.Time(e.Until), e.Account, e.ID))
}

type suppressListCmd struct {
	alwaysAWS
	stackFlags
	Account accountID `placeholder:"ID" help:"Only of this account."`
	All     bool      `help:"Also what is over, for the 400 days that it stays on record."`
	JSON    bool      `help:"Print a JSON array."`
}

// Help has examples.
func (suppressListCmd) Help() string {
	return `It needs dynamodb:Query on the table and its index, and cloudformation:DescribeStacks. A use of the last seconds may not be counted yet.

Examples:
  rootguard suppress list
  rootguard suppress list --json | jq '.[] | select(.uses == 0).id'`
}

// suppressionSchema is the version of a suppression's JSON.
const suppressionSchema = "rootguard.suppression/1"

type suppressionJSON struct {
	Schema    string       `json:"schema"`
	ID        string       `json:"id"`
	Account   string       `json:"account"`
	Finding   detect.ID    `json:"finding"`
	Principal string       `json:"principal"`
	State     string       `json:"state"`
	Uses      int          `json:"uses"`
	From      time.Time    `json:"from"`
	Until     time.Time    `json:"until"` // as added, or removed
	Owner     string       `json:"owner"`
	Reason    string       `json:"reason"`
	AddedBy   detect.Actor `json:"added_by"`
	Removed   *closedJSON  `json:"removed,omitempty"`
}

func suppressionOf(s *suppression.Suppression, uses int, now time.Time) suppressionJSON {
	a := &s.Added
	j := suppressionJSON{
		Schema: suppressionSchema, ID: a.ID, Account: a.Account, Finding: a.Finding, Principal: a.Principal, State: "in force", Uses: uses,
		From: s.From(), Until: s.End(), Owner: a.Owner, Reason: a.Reason, AddedBy: a.Actor,
	}
	if r := s.Removed; r != nil {
		j.Removed = closedOf(r.Actor, r.At, r.Reason)
	}
	switch {
	case s.Removed != nil && !s.Removed.At.After(now):
		j.State = "removed"
	case !now.Before(s.End()):
		j.State = "over"
	}
	return j
}

// Run lists.
func (c suppressListCmd) Run(ctx context.Context, sys system) error {
	store, where, err := c.open(ctx, sys)
	if err != nil {
		return err
	}
	events, err := store.AllSuppressions(ctx, string(c.Account))
	if err != nil {
		return err
	}
	now := sys.now()
	out := []suppressionJSON{}
	for _, s := range suppression.Of(events) {
		if !c.All && !now.Before(s.End()) {
			continue
		}
		uses, err := store.Suppressions().Uses(ctx, s.Added.ID)
		if err != nil {
			return err
		}
		out = append(out, suppressionOf(&s, uses, now))
	}
	if c.JSON {
		return writeJSON(sys.stdout, out)
	}
	if len(out) == 0 {
		what := "is suppressed"
		if c.All {
			what = "is or was suppressed"
		}
		return writeText(sys.stdout, fmt.Sprintf("Nothing %s in %s.\n", what, where))
	}
	var b strings.Builder
	p := sys.paint()
	for i := range out {
		s := &out[i]
		fmt.Fprintf(&b, "%s  account %s  %s  %s  %s to %s\n", p.bold(s.ID), s.Account, s.Finding, s.State,
			label.Time(s.From), label.Time(s.Until))
		fmt.Fprintf(&b, "  by %s, used %s\n", label.Clean(s.Principal), times(s.Uses))
		fmt.Fprintf(&b, "  %s\n", label.Clean(s.Owner+": "+s.Reason))
		fmt.Fprintf(&b, "  %s\n", p.faint(label.Clean("added "+label.Time(s.From)+" by "+s.AddedBy.ARN)))
		if r := s.Removed; r != nil {
			fmt.Fprintf(&b, "  %s\n", p.faint(r.line("removed")))
		}
	}
	return writeText(sys.stdout, b.String())
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

type suppressRemoveCmd struct {
	alwaysAWS
	writeFlags
	ID      string    `arg:"" help:"Which suppression (rootguard suppress list)."`
	Account accountID `required:"" placeholder:"ID" help:"The account that it is of."`
	Reason  string    `placeholder:"TEXT" help:"Why, for all who get alerts."`
	JSON    bool      `help:"Print a JSON object."`
}

// Help has examples.
func (suppressRemoveCmd) Help() string {
	return `From then on these alerts are sent. All receivers get a note. What was held back stays on record and is not sent later: rootguard report shows it.

` + announcePermissions + `

Examples:
  rootguard suppress remove --account 111122223333 3F9D0-KQ7TB --reason "OPS-17 is done"`
}

// Run removes.
func (c suppressRemoveCmd) Run(ctx context.Context, sys system) error {
	reason, err := optionalWords("reason", c.Reason, "say why, or leave it out")
	if err != nil {
		return err
	}
	id, ok := keys.ReadID(c.ID)
	if !ok {
		return usageError{fmt.Sprintf("%q is no suppression's ID, which looks like 3F9D0-KQ7TB; rootguard suppress list shows them", c.ID)}
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	events, err := o.store.AllSuppressions(ctx, string(c.Account))
	if err != nil {
		return err
	}
	all := suppression.Of(events)
	i := slices.IndexFunc(all, func(s suppression.Suppression) bool { return s.Added.ID == id })
	if i < 0 {
		return fmt.Errorf("account %s has no suppression %s; rootguard suppress list --account %s --all shows those it has",
			c.Account, id, c.Account)
	}
	s := all[i]
	if s.Removed == nil && !sys.now().Before(s.End()) {
		return fmt.Errorf("suppression %s of account %s is over since %s", id, c.Account, label.Time(s.End()))
	}
	removed, already, err := o.parts.Suppressor.Remove(ctx, s, o.actor, reason)
	if err != nil {
		return err
	}
	if c.JSON {
		uses, err := o.store.Suppressions().Uses(ctx, id)
		if err != nil {
			return err
		}
		return writeJSON(sys.stdout, suppressionOf(&removed, uses, sys.now()))
	}
	text := "%s  alerts of %s in account %s are no longer suppressed, and the receivers were notified.\n"
	if already {
		text = "%s  alerts of %s in account %s: it was removed before, " + label.Time(removed.Removed.At) + " by " +
			label.Clean(removed.Removed.Actor.ARN) + ".\n"
	}
	return writeText(sys.stdout, fmt.Sprintf(text, sys.paint().bold(id), s.Added.Finding, c.Account))
}
