package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cli/label"
	"rootguard/internal/detect"
	"rootguard/internal/incident"
)

type incidentsCmd struct {
	alwaysAWS
	stackFlags
	Account accountID `placeholder:"ID" help:"Only of this account."`
	Since   moment    `placeholder:"WHEN" help:"Those with an event since then (2026-03-02, 30d), acknowledged ones too, and no others."`
	All     bool      `help:"Also those that are acknowledged, or are not critical, and older than a week."`
	JSON    bool      `help:"Print a JSON array."`
}

// Help has examples.
func (incidentsCmd) Help() string {
	return `The alerts of one session of root are one incident, and so are those of a session in which something critical was done. Listed are all critical ones that are not acknowledged, and what else is of the last week.

It needs dynamodb:Query on the table and cloudformation:DescribeStacks.

Examples:
  rootguard incidents
  rootguard incidents --since 7d                          # the week's review
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
	Snoozed      *ackJSON           `json:"snoozed,omitempty"`
	Earlier      []ackJSON          `json:"acknowledged_before,omitempty"`
	Reopened     *incident.Reopened `json:"reopened,omitempty"`
}

type ackJSON struct {
	By    string       `json:"by"`
	Actor detect.Actor `json:"actor"`
	Note  string       `json:"note"`
	At    time.Time    `json:"at"`
	Until time.Time    `json:"until,omitzero"` // of a snooze
}

func ackOf(a *incident.Ack) *ackJSON {
	return &ackJSON{By: a.By, Actor: a.Actor, Note: a.Note, At: a.At, Until: a.Until}
}

// incidentState is "open" where someone should look after it.
func incidentState(in *incident.Incident, now time.Time) string {
	switch {
	case in.Ack != nil:
		return "acknowledged"
	case in.Snooze != nil && in.Snooze.Until.After(now):
		return "snoozed"
	case in.Cycle > 0:
		return "open"
	default:
		return "noted"
	}
}

func incidentOf(in *incident.Incident, now time.Time) incidentJSON {
	f := &in.Finding
	out := incidentJSON{
		Schema: incidentSchema, ID: in.ID, Account: in.Account, State: incidentState(in, now), Severity: f.Severity,
		Title: f.Title, Finding: f.ID,
		EventID: f.EventID, Opened: in.Opened, LastEvent: in.Last, Events: in.Events, Resent: in.Resent,
	}
	if in.Ack != nil {
		out.Acknowledged = ackOf(in.Ack)
	} else {
		out.NextResend, out.Reopened = in.Due, in.Reopened
	}
	if in.Snooze != nil {
		out.Snoozed = ackOf(in.Snooze)
	}
	for i := range in.Acks {
		out.Earlier = append(out.Earlier, *ackOf(&in.Acks[i]))
	}
	return out
}

// awaited reports whether an incident is critical and no one has acknowledged it.
func awaited(in *incident.Incident) bool { return in.Ack == nil && in.Cycle > 0 }

// recent is for how long an incident is listed that no one needs to look after.
const recent = 7 * 24 * time.Hour

// Run lists.
func (c incidentsCmd) Run(ctx context.Context, sys system) error {
	since, err := c.Since.at("since", sys.now())
	if err != nil {
		return err
	}
	ahead(sys, "since", since)
	store, where, err := c.open(ctx, sys)
	if err != nil {
		return err
	}
	all, err := store.Incidents(ctx, string(c.Account))
	if err != nil {
		return err
	}
	now := sys.now()
	switch {
	case !since.IsZero():
		all = slices.DeleteFunc(all, func(in incident.Incident) bool { return in.Last.Before(since) && in.Opened.Before(since) })
	case !c.All:
		all = slices.DeleteFunc(all, func(in incident.Incident) bool { return !awaited(&in) && in.Opened.Before(now.Add(-recent)) })
	}
	if c.JSON {
		out := make([]incidentJSON, 0, len(all))
		for i := range all {
			out = append(out, incidentOf(&all[i], now))
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
		state := incidentState(in, now)
		if state == "open" {
			open++
		}
		fmt.Fprintf(&b, "%s  account %s  %s  %s\n", p.bold(in.ID), label.Clean(in.Account), p.severity(f.Severity.String(), f.Severity.String()),
			label.Clean(f.Title))
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
		case state == "snoozed":
			fmt.Fprintf(&b, "  %s\n", label.Clean("snoozed until "+label.Time(in.Snooze.Until)+" by "+in.Snooze.By+": "+in.Snooze.Note))
		case state == "open" && !in.Due.IsZero():
			fmt.Fprintf(&b, "  not acknowledged, sent again %s, next %s\n", plural(int64(in.Resent), "time"), label.Time(in.Due))
		case state == "open":
			fmt.Fprintf(&b, "  not acknowledged, sent again %s\n", plural(int64(in.Resent), "time"))
		}
	}
	if open > 0 {
		b.WriteString("To look after one: rootguard ack ID --note \"who it was, and why\"; several: rootguard ack --help\n")
	}
	return writeText(sys.stdout, b.String())
}
