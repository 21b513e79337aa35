// Package deploy deploys rootguard without the CDK: with templates and archives that
// the CDK app made before, when the release was built.
//
// The stacks are those that the CDK makes, by the same names and with the same
// logical IDs, so that either can go on with what the other deployed.
package deploy
