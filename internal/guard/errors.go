package guard

import (
	"errors"
	"fmt"
	"slices"

	"rootguard/internal/worker"
)

// ErrBusy is returned while another invocation holds the event's claim, or
// while the lease of one that died has not run out. It is retryable: nothing is
// known to be published until the claim says so. Where publishing failed and
// the claim could be released, the next attempt does not see it.
var ErrBusy = errors.New("event is being handled by another invocation")

type permanentError struct{ err error }

func (e *permanentError) Error() string { return e.err.Error() }
func (e *permanentError) Unwrap() error { return e.err }

// Permanent marks an error that no retry cures, such as a message the service
// refuses. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return &permanentError{err}
}

// Partial is a Publisher's error where some of its receivers took the alert and
// others did not. The next attempt, in whatever process, names them in Alert.Took.
type Partial struct {
	Took []string // all that have the alert by now
	Err  error
}

func (e *Partial) Error() string { return e.Err.Error() }
func (e *Partial) Unwrap() error { return e.Err }

// tookOf are the receivers that have an alert of which publishing failed.
func tookOf(err error) []string {
	var p *Partial
	if errors.As(err, &p) {
		return p.Took
	}
	return nil
}

// Retryable reports whether handling the same record again can succeed: true
// for every error that is not marked with Permanent, and for a join in which
// any error is retryable. An unknown error is retried rather than dropped.
func Retryable(err error) bool {
	for err != nil {
		switch e := err.(type) { //nolint:errorlint // walks the tree itself
		case *permanentError:
			return false
		case interface{ Unwrap() []error }:
			for _, one := range e.Unwrap() {
				if Retryable(one) {
					return true
				}
			}
			return false
		case interface{ Unwrap() error }:
			if inner := e.Unwrap(); inner != nil {
				err = inner
				continue
			}
			return true
		default:
			return true
		}
	}
	return false
}

// listed adds the error of listing what is due, and reports whether what was
// listed beside it can be worked through. It can where the error is about rows
// that cannot be read: these would be in the way of all others for ever. As each
// listing has it again, it is added once.
func listed(errs *[]error, what string, err error) bool {
	if err == nil {
		return true
	}
	err = fmt.Errorf("listing %s: %w", what, err)
	if !slices.ContainsFunc(*errs, func(e error) bool { return e.Error() == err.Error() }) {
		*errs = append(*errs, err)
	}
	return !Retryable(err)
}

// ResultOf is the result of a row that is moved on unless there is an error.
func ResultOf(err error) worker.Result {
	switch {
	case err == nil:
		return worker.Result{Outcome: worker.Moved}
	case errors.Is(err, ErrBusy):
		return worker.Result{Outcome: worker.Left}
	case errors.Is(err, ErrRateLimited):
		return worker.Result{Outcome: worker.Stop}
	default:
		return worker.Result{Outcome: worker.Failed, Err: err}
	}
}
