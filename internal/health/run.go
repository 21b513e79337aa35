package health

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"rootguard/internal/guard"
)

const (
	// after is what a run keeps of its time for what comes after the checks.
	after = 6 * time.Second
	// hopeless is how many alerts in a row may fail before the rest is left to the
	// next run.
	hopeless = 3
)

// Run makes the checks that are due at a time, and reports what begins, lasts or
// is over. What it could not report is reported by the next run. The value, for the
// log, says what it did.
func (c *Checker) Run(ctx context.Context, raiser Raiser, at time.Time) (slog.Value, error) {
	state, err := c.ports.Store.Health(ctx)
	if err != nil {
		return slog.Value{}, fmt.Errorf("reading the state of the checks: %w", err)
	}
	seen := ctx
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		seen, cancel = context.WithDeadline(ctx, end.Add(-min(after, end.Sub(c.now())/2)))
		defer cancel()
	}
	var beat Heartbeat
	var unproved error
	if !state.repeats(at, c.now()) && state.heartbeatDue(at) {
		beat, unproved = c.record(seen, at)
	}
	all := c.checks(state, unproved, at)
	tiers := state.tiers(at)
	exists := map[string]bool{}
	var due []check
	for _, k := range all {
		exists[k.id] = true
		if k.idle {
			continue
		}
		if tiers[k.every] || state.open(k.id, false) >= 0 || state.open(k.id, true) >= 0 {
			due = append(due, k)
		}
	}
	results := made(seen, due)

	now, nonce := c.now(), rand.Text()
	var dated error
	if state.ahead(at, now) {
		dated = fmt.Errorf("the state of the checks is dated %s, which is yet to come: another clock is wrong, or someone else writes the table",
			stamp(state.At))
	}
	err = c.ports.Store.UpdateHealth(ctx, func(was State) (State, bool) {
		state = was.observed(at, now, results, exists, nonce)
		if was.repeats(at, now) {
			return state, false
		}
		state.made(tiers, at)
		state.Lost = c.readUntil(was, results, at)
		if beat.ID != "" && unproved == nil {
			state.Heartbeats = append(slices.Clone(state.Heartbeats), Outstanding{ID: beat.ID, At: at})
			state.Heartbeats = state.Heartbeats[max(0, len(state.Heartbeats)-outstanding):]
		}
		return state, true
	})
	if err != nil {
		return slog.Value{}, fmt.Errorf("storing the state of the checks: %w", err)
	}
	reported, err := c.report(ctx, raiser, state, at)
	return summary(results, reported, unproved, c.alive(ctx, state, err, at)), errors.Join(err, unsentOf(results), dated)
}

// reporting is a stage of an episode that was reported.
type reporting struct {
	episode Episode
	stage   stage
}

// report raises what is to be reported, and notes it.
func (c *Checker) report(ctx context.Context, raiser Raiser, state State, at time.Time) ([]reporting, error) {
	var reported []reporting
	var errs []error
	failures := 0
episodes:
	for i := range state.Episodes {
		e := &state.Episodes[i]
		for _, s := range e.stages(at) {
			_, err := raiser.Raise(ctx, e.finding(c.want.Account, at, s))
			switch {
			case errors.Is(err, guard.ErrBusy): // another run is reporting it
				continue episodes
			case err != nil:
				errs = append(errs, fmt.Errorf("reporting check %s: %w", e.Check, err))
				if failures++; failures >= hopeless {
					break episodes
				}
				continue episodes
			}
			failures = 0
			reported = append(reported, reporting{*e, s})
		}
	}
	if len(reported) > 0 {
		err := c.ports.Store.UpdateHealth(ctx, func(now State) (State, bool) {
			now.Episodes = slices.Clone(now.Episodes)
			for i := range reported {
				now.reported(&reported[i].episode, at, reported[i].stage)
			}
			return now, true
		})
		if err != nil {
			errs = append(errs, fmt.Errorf("noting what was reported of the checks: %w", err))
		}
	}
	return reported, errors.Join(errs...)
}

// summary is what a run came to, for the log.
func summary(results []Result, reported []reporting, unproved error, sign heartbeat) slog.Value {
	of := map[Outcome][]string{}
	for _, r := range results {
		of[r.Outcome] = append(of[r.Outcome], r.ID)
	}
	attrs := []slog.Attr{slog.Int("checks", len(results))}
	for _, o := range []Outcome{Failed, Unknown, Warning} {
		if len(of[o]) > 0 {
			attrs = append(attrs, slog.Any(string(o), of[o]))
		}
	}
	if unproved != nil {
		attrs = append(attrs, slog.String("heartbeat", unproved.Error()))
	}
	if sign.err != nil {
		attrs = append(attrs, slog.String("bus", sign.err.Error()))
	}
	if len(sign.withheld) > 0 {
		attrs = append(attrs, slog.Any("withheld", sign.withheld))
	}
	counts := map[stage]int{}
	for _, t := range reported {
		counts[t.stage]++
	}
	for _, s := range []struct {
		stage stage
		name  string
	}{{first, "reported"}, {worse, "worse"}, {reminder, "reminded"}, {closing, "resolved"}} {
		if counts[s.stage] > 0 {
			attrs = append(attrs, slog.Int(s.name, counts[s.stage]))
		}
	}
	return slog.GroupValue(attrs...)
}
