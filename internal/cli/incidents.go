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
	"rootguard/internal/incident"
	"rootguard/internal/keys"
)

type incidentsCmd struct {
	alwaysAWS
	deployed
	Account accountID `placeholder:"ID" help:"Only of this account."`
	All     bool      `help:"Also those that are acknowledged, or are not critical, and older than a week."`
	JSON    bool      `help:"Print a JSON array."`
}

// Help has examples.
func (incidentsCmd) Help() string {
	return `The alerts of one session of root are one incident, and so are those of a session in which something critical was done. Listed are all critical ones that are not acknowledged, and what else is of the last week.

It needs dynamodb:Query on the table and cloudformation:DescribeStacks.

Examples:
  rootguard incidents
  rootguard incidents --json | jq '.[] | select(.state == "open").id'`
}

// incidentSchema is the version of an incident's JSON.
const incidentSchema = "rootguard.incident/1"

type incidentJSON struct {
	Schema       string             `json:"schema"`
	ID           string             `json:"id"`
	Account      string             `json:"account"`
	State        string             `json:"state"`
	Severity     detect.Severity    `json:"severity"`
	Title        string             `json:"title"`
	Finding      detect.ID          `json:"finding"`
	EventID      string             `json:"event_id"`
	Opened       time.Time          `json:"opened"`
	LastEvent    time.Time          `json:"last_event,omitzero"`
	Events       int                `json:"events"`
	Resent       int                `json:"resent"`
	NextResend   time.Time          `json:"next_resend,omitzero"`
	Acknowledged *ackJSON           `json:"acknowledged,omitempty"`
	Earlier      []ackJSON          `json:"acknowledged_before,omitempty"`
	Reopened     *incident.Reopened `json:"reopened,omitempty"`
}

type ackJSON struct {
	By    string       `json:"by"`
	Actor detect.Actor `json:"actor"`
	Note  string       `json:"note"`
	At    time.Time    `json:"at"`
}

func ackOf(a *incident.Ack) ackJSON {
	return ackJSON{By: a.By, Actor: a.Actor, Note: a.Note, At: a.At}
}

// incidentState is "open" where someone should look after it.
func incidentState(in *incident.Incident) string {
	switch {
	case in.Ack != nil:
		return "acknowledged"
	case in.Cycle > 0:
		return "open"
	default:
		return "noted"
	}
}

func incidentOf(in *incident.Incident) incidentJSON {
	f := &in.Finding
	out := incidentJSON{
		Schema: incidentSchema, ID: in.ID, Account: in.Account, State: incidentState(in), Severity: f.Severity, Title: f.Title, Finding: f.ID,
		EventID: f.EventID, Opened: in.Opened, LastEvent: in.Last, Events: in.Events, Resent: in.Resent,
	}
	if in.Ack != nil {
		ack := ackOf(in.Ack)
		out.Acknowledged = &ack
	} else {
		out.NextResend, out.Reopened = in.Due, in.Reopened
	}
	for i := range in.Acks {
		out.Earlier = append(out.Earlier, ackOf(&in.Acks[i]))
	}
	return out
}

// recent is for how long an incident is listed that no one needs to look after.
const recent = 7 * 24 * time.Hour

// Run lists.
func (c incidentsCmd) Run(ctx context.Context, sys system) error {
	store, where, err := c.open(ctx, sys)
	if err != nil {
		return err
	}
	all, err := store.Incidents(ctx, string(c.Account))
	if err != nil {
		return err
	}
	if !c.All {
		since := sys.now().Add(-recent)
		all = slices.DeleteFunc(all, func(in incident.Incident) bool { return incidentState(&in) != "open" && in.Opened.Before(since) })
	}
	if c.JSON {
		out := make([]incidentJSON, 0, len(all))
		for i := range all {
			out = append(out, incidentOf(&all[i]))
		}
		return writeJSON(sys.stdout, out)
	}
	if len(all) == 0 {
		return writeText(sys.stdout, fmt.Sprintf("No incidents in %s.\n", where))
	}
	var b strings.Builder
	p := sys.paint()
	open := 0
	for i := range all {
		in := &all[i]
		f := &in.Finding
		state := incidentState(in)
		if state == "open" {
			open++
		}
		fmt.Fprintf(&b, "%s  account %s  %s  %s\n", p.bold(in.ID), label.Clean(in.Account), p.severity(f.Severity.String(), f.Severity.String()), label.Clean(f.Title))
		line := plural(int64(in.Events), "event")
		if !in.Last.IsZero() {
			line += ", the last of " + label.Time(in.Last)
		}
		line += ", first reported " + label.Time(in.Opened)
		fmt.Fprintf(&b, "  %s\n", line)
		if in.Ack == nil && in.Reopened != nil && len(in.Acks) > 0 {
			former := in.Acks[len(in.Acks)-1]
			fmt.Fprintf(&b, "  %s\n", label.Clean("acknowledged "+label.Time(former.At)+" by "+former.By+", reopened by "+in.Reopened.Title))
		}
		switch {
		case in.Ack != nil:
			fmt.Fprintf(&b, "  %s\n", label.Clean("acknowledged "+label.Time(in.Ack.At)+" by "+in.Ack.By+": "+in.Ack.Note))
		case state == "open" && !in.Due.IsZero():
			fmt.Fprintf(&b, "  not acknowledged, sent again %s, next %s\n", plural(int64(in.Resent), "time"), label.Time(in.Due))
		case state == "open":
			fmt.Fprintf(&b, "  not acknowledged, sent again %s\n", plural(int64(in.Resent), "time"))
		}
	}
	if open > 0 {
		b.WriteString("To look after one: rootguard ack ID --note \"who it was, and why\"\n")
	}
	return writeText(sys.stdout, b.String())
}

type ackCmd struct {
	alwaysAWS
	acting
	ID   string `arg:"" name:"incident" help:"The incident's ID, as its alerts have it."`
	Note string `required:"" placeholder:"TEXT" help:"What you found out or do about it, for all who get alerts."`
	By   string `placeholder:"WHO" help:"Who looks after it. Default: whose AWS credentials these are, who goes on record in any case."`
	JSON bool   `help:"Print a JSON object."`
}

// Help has examples.
func (ackCmd) Help() string {
	return `A critical incident that is not acknowledged is sent again (after 15 minutes and an hour, unless deployed otherwise), to the escalation topic too. An acknowledgement ends that, and all receivers are notified once. If someone else was faster, their acknowledgement stays and you are told who it was. Another critical alert in the same incident opens it again.

` + announcePermissions + `

Examples:
  rootguard ack 7K4Q2-X2M9P --note "Alice, changing the support plan, OPS-17"
  rootguard ack 7k4q2x2m9p --note "looking into it" --by "the night shift"`
}

// Run acknowledges.
func (c ackCmd) Run(ctx context.Context, sys system) error {
	id, ok := keys.ReadID(c.ID)
	if !ok {
		return usageError{fmt.Sprintf("%q is no incident's ID, which looks like 7K4Q2-X2M9P; rootguard incidents lists them", c.ID)}
	}
	ack := incident.Ack{}
	var err error
	if ack.Note, err = words("note", c.Note, "say what you found out, or what you do about it"); err != nil {
		return err
	}
	if c.By != "" {
		if ack.By, err = words("by", c.By, "say who looks after it, or leave it out"); err != nil {
			return err
		}
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	if ack.Actor = o.actor; ack.By == "" {
		ack.By = o.actor.Name
	}
	in, already, err := o.parts.Incidents.Acknowledge(ctx, id, ack)
	if errors.Is(err, incident.ErrNoIncident) {
		return fmt.Errorf("no incident has the ID %s in the table %s; rootguard incidents lists them", id, o.config.Table)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(sys.stdout, incidentOf(&in))
	}
	text := fmt.Sprintf("%s  acknowledged by %s, and the receivers were notified: %s in account %s, %s.\n", sys.paint().bold(in.ID),
		label.Clean(in.Ack.By), label.Clean(in.Finding.Title), label.Clean(in.Account), plural(int64(in.Events), "event"))
	if already {
		text = fmt.Sprintf("%s  was acknowledged before, %s by %s: %s\n", sys.paint().bold(in.ID), label.Time(in.Ack.At), label.Clean(in.Ack.By), label.Clean(in.Ack.Note))
	}
	return writeText(sys.stdout, text)
}
