// Package accountcheck checks accounts for what no event reports.
//
// CheckRoots asks IAM about each account's root user, CheckReports reads its
// credential report for uses of root without an event, CheckUsers lists its users
// and checks them, DiscoverAccounts finds which accounts there are, and
// CompactFacts removes the facts that others make superfluous. Each account has a
// row for each of these (Check), with the time at which it is due. The times of
// accounts are spread over the interval by a hash, so a run's work is bounded and
// in proportion to what is due. A run writes a row last, under its revision: a crash,
// or a run beside it, leaves the account due, and doing it again changes nothing.
//
// A problem of root is not alerted when it is first seen but 15 minutes later, if it
// is still there and no event that explains it came: IAM may lag, and an event says
// more than a check does. Where one comes later still, both are alerted. The row
// remembers what was alerted, so that it is alerted once and resolved once. An answer
// of IAM becomes a fact only where it changes the status.
//
// Users are checked in the order of their unique IDs, and the row has the last one
// checked. A user on record that IAM neither lists nor knows by name is gone. One
// found without MFA has its grace from when it was found.
//
// Each check is bounded, so that what hangs (an account, a user, a Region's queue) is
// put off within the least time a run has. What is cut off is done again, and would
// otherwise come first, ahead of all others, for ever.
//
// Where an organization's list could not be read to its end, no account is dropped.
// An account that IAM does not answer about is asked less and less often, at least
// once an hour, and is named once a day.
package accountcheck
