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

type ackCmd struct {
	alwaysAWS
	writeFlags
	IDs     []string  `arg:"" optional:"" name:"incident" help:"The incidents' IDs, as their alerts have them."`
	Account accountID `placeholder:"ID" help:"All of this account that are not acknowledged, instead of IDs."`
	Finding []string  `placeholder:"FINDING" help:"All that are about this finding, such as user.mfa.missing, instead of IDs; may be repeated."`
	All     bool      `help:"All that are not acknowledged, instead of IDs."`
	Snooze  span      `placeholder:"8h" help:"Do not acknowledge, but put it off for so long, 7d at most: then it is sent again until it is acknowledged."`
	Note    string    `required:"" placeholder:"TEXT" help:"What you found out or do about it, for all who get alerts."`
	By      string    `placeholder:"WHO" help:"Who looks after it. Default: whose AWS credentials these are, who goes on record in any case."`
	JSON    bool      `help:"Print a JSON object, of several incidents an array."`
}

// Help has examples.
func (ackCmd) Help() string {
	return `A critical incident that is not acknowledged is sent again (after 15 minutes and an hour, unless deployed otherwise), to the escalation topic too. An acknowledgement ends that, and all receivers are notified once: of several incidents, in one note. If someone else was faster, their acknowledgement stays and the output names them. Another critical alert in the same incident opens it again, also one that is snoozed.

` + announcePermissions + `

Examples:
  rootguard ack 7K4Q2-X2M9P --note "Alice, changing the support plan, OPS-17"
  rootguard ack 7k4q2x2m9p 3f9d0kq7tb --note "looking into it" --by "the night shift"
  rootguard ack --finding user.mfa.missing --account 111122223333 --note "all get a token on Monday, OPS-18"
  rootguard ack --all --snooze 8h --note "known, until the morning"`
}

// longestSnooze is how far an incident can be put off.
const longestSnooze = 7 * 24 * time.Hour

// filtered reports whether the incidents are chosen by what they are about.
func (c *ackCmd) filtered() bool { return c.Account != "" || len(c.Finding) > 0 || c.All }

// ids are those that were given, as they are written, each once.
func (c *ackCmd) ids() ([]string, error) {
	var ids []string
	for _, text := range c.IDs {
		id, ok := keys.ReadID(text)
		if !ok {
			return nil, usageError{fmt.Sprintf("%q is no incident's ID, which looks like 7K4Q2-X2M9P; rootguard incidents lists them", text)}
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	switch {
	case len(ids) == 0 && !c.filtered():
		return nil, usageError{"which incidents? Name their IDs, which rootguard incidents lists, or choose by --account, --finding or --all"}
	case len(ids) > 0 && c.filtered():
		return nil, usageError{"name IDs, or choose by --account, --finding or --all, not both"}
	}
	for _, f := range c.Finding {
		if !detect.InCatalogue(detect.ID(f)) {
			return nil, usageError{fmt.Sprintf("--finding: there is no finding %q; rootguard findings lists them", f)}
		}
	}
	return ids, nil
}

// given is the acknowledgement that the flags ask for, without who gives it.
func (c *ackCmd) given(now time.Time) (ack incident.Ack, err error) {
	if ack.Note, err = words("note", c.Note, "say what you found out, or what you do about it"); err != nil {
		return ack, err
	}
	if ack.By, err = optionalWords("by", c.By, "say who looks after it, or leave it out"); err != nil {
		return ack, err
	}
	if c.Snooze != 0 {
		if d := time.Duration(c.Snooze); d < time.Minute || d > longestSnooze {
			return ack, usageError{fmt.Sprintf("--snooze %s: it may be put off for 1m to 7d; acknowledge what needs no one to look after it",
				c.Snooze)}
		}
		ack.Until = now.Add(time.Duration(c.Snooze)).UTC()
	}
	return ack, nil
}

// Run acknowledges.
func (c ackCmd) Run(ctx context.Context, sys system) error {
	ids, err := c.ids()
	if err != nil {
		return err
	}
	ack, err := c.given(sys.now())
	if err != nil {
		return err
	}
	o, err := c.operator(ctx, sys)
	if err != nil {
		return err
	}
	if ack.Actor = o.actor; ack.By == "" {
		ack.By = o.actor.Name
	}
	single := len(ids) == 1
	if c.filtered() {
		if ids, err = c.chosen(ctx, o, sys.now()); err != nil {
			return err
		}
	}
	var all []incident.Given
	if single {
		in, already, err := o.parts.Incidents.Acknowledge(ctx, ids[0], ack)
		if err != nil && !errors.Is(err, incident.ErrNoIncident) && !errors.Is(err, incident.ErrNotResent) {
			return err
		}
		all = []incident.Given{{ID: ids[0], Incident: in, Already: already, Err: err}}
	}
	var failed error
	if !single {
		for some := range slices.Chunk(ids, incident.BatchLimit) {
			given, err := o.parts.Incidents.AcknowledgeAll(ctx, some, ack, o.config.Account)
			all = append(all, given...)
			failed = errors.Join(failed, err)
		}
	}
	if err := c.print(sys, o, all, single, ack); err != nil {
		return err
	}
	for i := range all {
		switch err := all[i].Err; {
		case errors.Is(err, incident.ErrNoIncident):
			failed = errors.Join(failed, fmt.Errorf("no incident has the ID %s in the table %s; rootguard incidents lists them",
				all[i].ID, o.config.Table))
		case errors.Is(err, incident.ErrNotResent):
			failed = errors.Join(failed, fmt.Errorf("%s is not critical, so it is not sent again, and there is nothing to snooze", all[i].ID))
		default:
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// chosen are the IDs of those that the flags choose.
func (c *ackCmd) chosen(ctx context.Context, o *operator, now time.Time) ([]string, error) {
	all, err := o.store.Incidents(ctx, string(c.Account))
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range all {
		in := &all[i]
		of := len(c.Finding) == 0 || slices.Contains(c.Finding, string(in.Finding.ID))
		// What is snoozed already is not put off again unasked.
		if of && awaited(in) && (c.Snooze == 0 || incidentState(in, now) == "open") {
			ids = append(ids, in.ID)
		}
	}
	return ids, nil
}

// print says what became of each incident.
func (c *ackCmd) print(sys system, o *operator, all []incident.Given, single bool, ack incident.Ack) error {
	if c.JSON {
		out := make([]incidentJSON, 0, len(all))
		for i := range all {
			if all[i].Err == nil {
				out = append(out, incidentOf(&all[i].Incident, sys.now()))
			}
		}
		switch {
		case !single:
			return writeJSON(sys.stdout, out)
		case len(out) == 1:
			return writeJSON(sys.stdout, out[0])
		}
		return nil
	}
	var b strings.Builder
	done := 0
	for i := range all {
		g := &all[i]
		in := &g.Incident
		id := sys.paint().bold(in.ID)
		switch {
		case g.Err != nil:
			continue
		case g.Already:
			fmt.Fprintf(&b, "%s  was acknowledged before, %s by %s: %s\n", id, label.Time(in.Ack.At), label.Clean(in.Ack.By),
				label.Clean(in.Ack.Note))
			continue
		}
		about := fmt.Sprintf("%s in account %s, %s", label.Clean(in.Finding.Title), label.Clean(in.Account), plural(int64(in.Events), "event"))
		did := "acknowledged"
		if !ack.Until.IsZero() {
			did = "snoozed until " + label.Time(ack.Until)
		}
		if done++; single {
			fmt.Fprintf(&b, "%s  %s by %s, and the receivers were notified: %s.\n", id, did, label.Clean(ack.By), about)
			continue
		}
		fmt.Fprintf(&b, "%s  %s: %s\n", id, did, about)
	}
	switch {
	case len(all) == 0:
		fmt.Fprintf(&b, "Nothing to acknowledge: no such incident is open in the table %s.\n", label.Clean(o.config.Table))
	case !single && done > 0:
		did := "acknowledged"
		if !ack.Until.IsZero() {
			did = "snoozed"
		}
		fmt.Fprintf(&b, "%s %s by %s, and the receivers were notified in one note.\n", plural(int64(done), "incident"), did, label.Clean(ack.By))
	}
	return writeText(sys.stdout, b.String())
}
