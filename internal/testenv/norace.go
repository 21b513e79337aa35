//go:build !race

package testenv

// Race reports whether the race detector watches the test.
const Race = false
