// Package internal holds rootguard's code, in layers. An arrow reads "may import":
//
//	lambdas, cmd/rootguard
//	   -> dynamodb, sns, iam, bolt      adapters, named after the technology; none imports another
//	   -> replay, guard                 the file pipeline and the one use case
//	   -> detect, bootstrap, alert      the decisions
//	   -> cloudtrail                    what a record says
//
// cloudtrail, eventpattern, credentialreport, detect, bootstrap and alert are pure: no SDK, no
// clock, no files, no logger, so every decision can be repeated from its input.
// TestLayers holds all of this.
package internal
