package daytwo

import (
	"slices"
	"time"

	"rootguard/internal/bootstrap"
)

// Result is how a step is by all checks so far, as it is stored.
type Result struct {
	Step Step `json:"step"`
	// by the last check that knew: done, pending, regressed, not_applicable; unknown where none did
	State   bootstrap.State `json:"state"`
	Since   time.Time       `json:"since,omitzero"`     // of that state
	What    string          `json:"what,omitempty"`     // what shows it
	Checked time.Time       `json:"checked,omitzero"`   // when
	WasDone bool            `json:"was_done,omitempty"` // once
	Unknown string          `json:"unknown,omitempty"`  // why the last check did not know; "" where it did
}

// Shown is a step as people are shown it.
func (r *Result) Shown() bootstrap.State {
	if r.Unknown != "" {
		return bootstrap.Unknown
	}
	return r.State
}

// Note says for people what a step rests on.
func (r *Result) Note() string {
	switch {
	case r.Unknown == "":
		return r.What
	case r.Checked.IsZero():
		return "unknown, because " + r.Unknown
	default:
		return "unknown, because " + r.Unknown + "; on " + r.Checked.UTC().Format(time.DateOnly) + ": " + r.What
	}
}

// View is a step as people and programs are shown it.
type View struct {
	Step    Step            `json:"step"`
	Title   string          `json:"title"`
	State   bootstrap.State `json:"state"`
	Since   time.Time       `json:"since,omitzero"`   // of a state that is known
	Checked time.Time       `json:"checked,omitzero"` // when that was last known
	Note    string          `json:"note,omitempty"`
	Fix     string          `json:"fix,omitempty"` // what does it, where it is not done
}

// Views are results as they are shown, those of some steps alone where any are given.
func Views(results []Result, of []Step) []View {
	views := make([]View, 0, len(results))
	for i := range results {
		r := &results[i]
		e, found := Of(r.Step)
		if !found || len(of) > 0 && !slices.Contains(of, r.Step) {
			continue
		}
		v := View{Step: r.Step, Title: e.Title, State: r.Shown(), Checked: r.Checked, Note: r.Note()}
		if r.Unknown == "" {
			v.Since = r.Since
		}
		if v.State == bootstrap.Pending || v.State == bootstrap.Regressed {
			v.Fix = e.Fix
		}
		views = append(views, v)
	}
	return views
}

// Update takes a check at a time into the results of the chosen steps, in their
// order. regressed are the steps that were done and, for the first time, are not
// any more.
func Update(was []Result, chosen []Step, in *Input, at time.Time) (now []Result, regressed []Step) {
	now = make([]Result, 0, len(chosen))
	for _, step := range chosen {
		r := Result{Step: step, State: bootstrap.Unknown}
		if i := slices.IndexFunc(was, func(r Result) bool { return r.Step == step }); i >= 0 {
			r = was[i]
		}
		before := r.State
		r.update(Judge(step, in), at)
		if r.State == bootstrap.Regressed && before != bootstrap.Regressed {
			regressed = append(regressed, step)
		}
		now = append(now, r)
	}
	return now, regressed
}

func (r *Result) update(v Verdict, at time.Time) {
	if v.State == bootstrap.Unknown {
		r.Unknown = v.What // the state stays as it was last known
		return
	}
	state := v.State
	if state == bootstrap.Pending && r.WasDone {
		state = bootstrap.Regressed
	}
	if state != r.State {
		r.State, r.Since = state, at
	}
	r.WasDone = r.WasDone || state == bootstrap.Done
	r.What, r.Checked, r.Unknown = v.What, at, ""
}
