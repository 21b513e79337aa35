package fake

import (
	"errors"
	"fmt"
	"sync"
)

// Fault is how a call goes wrong.
type Fault uint8

// The faults. A crash is the end of the process: from then on no call of any
// fake on the same Script does anything, until Restart.
const (
	None        Fault = iota
	FailBefore        // an error, and nothing was done
	FailAfter         // an error, though it was done: an answer that got lost
	CrashBefore       // died, and nothing was done
	CrashAfter        // died when it was done
)

func (f Fault) String() string {
	return [...]string{"none", "fail before", "fail after", "crash before", "crash after"}[f]
}

// The errors that faulty calls return.
var (
	ErrFault = errors.New("fault injected")
	ErrCrash = errors.New("process is dead")
)

// Script decides which calls of the fakes that share it go wrong. A nil Script
// lets all go well. It is safe for concurrent use.
type Script struct {
	mu    sync.Mutex
	calls []string
	plan  map[int]Fault // by index into calls
	fails map[string]int
	dead  bool

	before func(n int)
}

// Before sets what is called before the call of each number, 0 the first. It may
// make calls itself, as another process would in between.
func (s *Script) Before(f func(n int)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = f
}

// Pause calls f before the n-th call from now on, once, as another process would run
// whole in between; 1 is the next, 0 is none. It takes the place of Before.
func (s *Script) Pause(n int, f func()) {
	at, paused := len(s.Calls())+n-1, false
	s.Before(func(call int) {
		if call == at && !paused {
			paused = true // f makes calls too
			f()
		}
	})
}

// Inject makes the n-th call from now on go wrong; 1 is the next.
func (s *Script) Inject(n int, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.plan == nil {
		s.plan = map[int]Fault{}
	}
	s.plan[len(s.calls)+n-1] = f
}

// Fail makes the next n calls of a name fail, with nothing done.
func (s *Script) Fail(name string, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fails == nil {
		s.fails = map[string]int{}
	}
	s.fails[name] = n
}

// Calls lists the calls made so far, as "Claims.Update".
func (s *Script) Calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.calls...)
}

// Restart brings the process back after a crash, with what was stored. Faults
// that have not come up are dropped. It reports whether there was a crash.
func (s *Script) Restart() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	dead := s.dead
	s.dead, s.plan = false, nil
	return dead
}

// Revive is Restart, but faults that have not come up still do.
func (s *Script) Revive() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = false
}

// call does the work of one call as the plan says.
func (s *Script) call(name string, work func() error) error {
	s.meanwhile()
	f, err := s.next(name)
	if err != nil {
		return err
	}
	if f == None || f == FailAfter || f == CrashAfter {
		err = work()
	}
	switch f {
	case FailBefore, FailAfter:
		err = fmt.Errorf("%s: %w", name, ErrFault)
	case CrashBefore, CrashAfter:
		err = fmt.Errorf("%s: %w", name, s.die())
	case None:
	}
	return err
}

// meanwhile calls what Before set, with the number of the call to come.
func (s *Script) meanwhile() {
	if s == nil {
		return
	}
	s.mu.Lock()
	before, n := s.before, len(s.calls)
	s.mu.Unlock()
	if before != nil {
		before(n)
	}
}

func (s *Script) next(name string) (Fault, error) {
	if s == nil {
		return None, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return None, fmt.Errorf("%s: %w", name, ErrCrash)
	}
	f := s.plan[len(s.calls)]
	if s.fails[name] > 0 {
		s.fails[name]--
		f = FailBefore
	}
	s.calls = append(s.calls, name)
	return f, nil
}

func (s *Script) die() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dead = true
	return ErrCrash
}
