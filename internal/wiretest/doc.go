// Package wiretest has guards with all workers beside them over fakes, for the tests of
// each of these packages: they work together, so they are tested together.
package wiretest
