package mfadeadline

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/worker"
)

// errNoTime is of a check that was cut off, or not begun, since others took the
// time: it says nothing about its account.
var errNoTime = errors.New("no time was left to ask")

// errUnreachable is of a check that was left out, since IAM answers nothing about
// its account.
var errUnreachable = errors.New("IAM does not answer about the account")

// maxUnanswered is how many checks of an account may fail before it is taken for
// unreachable, where none had an answer.
const maxUnanswered = 5

// reachability is what the checks of one run say about an account.
type reachability struct {
	mu         sync.Mutex
	answered   bool
	unanswered int
}

// reachable reports whether it is worth while to ask more.
func (r *reachability) reachable() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.answered || r.unanswered < maxUnanswered
}

// note takes in the end of one check. One that hangs shows as much as several
// that fail at once, and takes more of the others' time.
func (r *reachability) note(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case err == nil:
		r.answered = true
	case errors.Is(err, context.DeadlineExceeded):
		r.unanswered += maxUnanswered
	default:
		r.unanswered++
	}
}

func (s *sweep) reach(account string) *reachability {
	r := s.reached[account]
	if r == nil {
		r = &reachability{}
		s.reached[account] = r
	}
	return r
}

// userCheck is a live check of one user.
type userCheck struct {
	due     *deadlineCheck
	account int // index of the account
	name    string
	reach   *reachability

	answer bootstrap.LiveFact
	err    error
}

// checkUsers asks IAM about users, some at a time: first about those of whom it
// answered the last time, and in turn about each account, so that one of which
// nothing is to be had takes little time from the others.
func checkUsers(ctx context.Context, live UserChecker, checks []*userCheck) {
	turn := map[int]int{}
	turns := make(map[*userCheck]int, len(checks))
	for _, c := range checks {
		turns[c] = turn[c.account]
		turn[c.account]++
	}
	order := slices.Clone(checks)
	slices.SortStableFunc(order, func(a, b *userCheck) int {
		return cmp.Or(cmp.Compare(a.due.UnansweredChecks, b.due.UnansweredChecks), cmp.Compare(turns[a], turns[b]))
	})
	part, cancel := context.WithTimeout(ctx, accountfacts.ChecksTimeout)
	defer cancel()
	worker.Each(len(order), func(i int) {
		c := order[i]
		switch {
		case part.Err() != nil:
			c.err = errNoTime
			return
		case !c.reach.reachable():
			c.err = errUnreachable
			return
		}
		one, cancel := context.WithTimeout(part, accountfacts.CheckTimeout)
		defer cancel()
		if c.answer, c.err = live.User(one, c.due.Account, c.name); c.err != nil && part.Err() != nil {
			c.err = errNoTime
			return
		}
		if c.err != nil && one.Err() != nil {
			c.err = errors.Join(c.err, one.Err())
		}
		c.reach.note(c.err)
	})
}
