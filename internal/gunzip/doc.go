// Package gunzip reads gzip about twice as fast as the libraries in Go do, which is most
// of the time of a replay: it decodes from a buffer with 56 bits at hand, several
// literals at once, and copies matches eight bytes at a time. compress/gzip is what its
// tests compare it with.
package gunzip
