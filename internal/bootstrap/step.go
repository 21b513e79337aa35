package bootstrap

import "time"

// step is one step while facts are folded.
type step struct {
	StepStatus
	wasDone bool // it was satisfied once, or a record proves that it had been
}

// set enters a state, and keeps what it rests on.
func (s *step) set(state State, at time.Time, ev Evidence) {
	s.Evidence = &ev
	if state == Done || state == NotApplicable {
		s.wasDone = true
	}
	if state == s.State {
		return
	}
	s.History = append(s.History, Transition{From: s.State, To: state, At: at, Evidence: ev})
	s.State, s.Since = state, at
}

// fail is Regressed for a step that was satisfied before, else Pending.
func (s *step) fail(at time.Time, ev Evidence) {
	if s.wasDone {
		s.set(Regressed, at, ev)
		return
	}
	s.set(Pending, at, ev)
}
