// Package eventpattern has the event patterns of rootguard's EventBridge rules,
// and matches events against patterns as EventBridge does: what is deployed and
// what is tested locally have one source.
//
// The pattern language is that of the Amazon EventBridge User Guide, "Comparison
// operators for use in event patterns". Compile refuses whatever it does not
// know, so that a pattern never means less here than where it is deployed.
package eventpattern
