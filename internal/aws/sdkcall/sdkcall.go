// Package sdkcall has the type of one operation of an SDK's client.
//
// The command's parser and its templates find methods by name, so the linker
// keeps every method of each type that may be behind an interface: of a client
// in such a place, the code of all its operations. An operation alone keeps only
// its own.
package sdkcall

import "context"

// Call is one operation, as a method value of a client: client.GetObject.
type Call[In, Out, Options any] func(ctx context.Context, in *In, options ...func(*Options)) (*Out, error)
