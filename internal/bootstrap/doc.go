// Package bootstrap is the state machine of an account's bootstrap journey.
//
// A new account is safe once root has MFA and no access keys, an administrator who is
// not root exists, and every IAM user with a password has MFA. Each of these is a step
// with a State: pending, done, regressed, not applicable or unknown, and the Evidence
// that it rests on.
//
// FactsOf takes from a CloudTrail record what it shows about an account. Facts are a
// set: Merge joins two of the same ID whatever their order, so a store may add each any
// number of times. Fold makes the Status of an account at a time from its facts, in
// their own order of time, and with it for each user since when MFA is missing. What a
// live check of IAM found is a fact too. Compact says which facts of an old history may
// be joined without a change of the status.
//
// The package is pure: it knows no clock, no store and no SDK. Times are UTC, of whole
// seconds where they come from CloudTrail, and within one second what protects counts
// before what exposes.
package bootstrap
