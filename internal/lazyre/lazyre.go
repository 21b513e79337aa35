// Package lazyre compiles a regular expression when it is used first: a function or the
// command starts with all of them, and one invocation uses few.
package lazyre

import (
	"regexp"
	"sync"
)

// New returns what compiles an expression at its first call, and panics then where it is
// none. It is safe for concurrent use.
func New(expr string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(expr) })
}
