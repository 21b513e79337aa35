// Package eventpattern matches events against patterns as EventBridge does, and
// measures how complex a pattern is to it.
//
// The pattern language is that of the Amazon EventBridge User Guide, "Comparison
// operators for use in event patterns". Compile refuses whatever it does not
// know, so that a pattern never means less here than where it is deployed.
package eventpattern
