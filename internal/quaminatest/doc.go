// Package quaminatest compares the pattern language of package eventpattern, and the
// deployed rules, with quamina, another implementation of it. It is a module of its own,
// since a replace in a go.mod keeps "go install" from that module. It has tests alone.
package quaminatest
