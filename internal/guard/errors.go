package guard

import (
	"errors"

	"rootguard/internal/worker"
)

// ErrBusy is returned while another invocation holds the event's claim, or
// while the lease of one that died has not run out. It is retryable: nothing is
// known to be published until the claim says so. Where publishing failed and
// the claim could be released, the next attempt does not see it.
var ErrBusy = errors.New("event is being handled by another invocation")

// Partial is a Publisher's error where some of its receivers took the alert and
// others did not. The next attempt, in whatever process, names them in Alert.Took.
type Partial struct {
	DeliveredTo []string // all that have the alert by now
	Err         error
}

func (e *Partial) Error() string { return e.Err.Error() }
func (e *Partial) Unwrap() error { return e.Err }

// DeliveredTo are the receivers that have an alert of which publishing failed.
func DeliveredTo(err error) []string {
	var p *Partial
	if errors.As(err, &p) {
		return p.DeliveredTo
	}
	return nil
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
