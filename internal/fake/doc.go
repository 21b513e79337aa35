// Package fake has in-memory versions of the guard's ports, and a Script that
// makes them fail, or die, at a chosen call.
package fake
