// Package failure says which errors a retry can cure.
//
// An adapter marks with Permanent what the service will refuse every time, such as a
// row that cannot be decoded. Every other error may pass, and what it was about stays
// due. Where several errors are joined, one that may pass is enough for a retry: an
// alert too many is better than one too few.
package failure

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
