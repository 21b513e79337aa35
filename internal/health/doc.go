// Package health proves that rootguard works, by looking: that every link of
// the chain from CloudTrail to a person is there and as deployed, and that a
// recorded call comes out at the functions.
//
// # Checks
//
// Checks lists what is looked at. Each has a name, says what it proves, and comes
// to ok, a warning (it works, though not as it should), failed, or unknown (AWS did
// not answer, or refused to). What is not ok says why and what mends it. The
// Lambda function sweep and the command doctor make the same checks.
//
// The checks that need few calls are made in each run, the others every
// SlowEvery, and in each run while one of them is not well: every call is a
// record in the account's trails.
//
// # Heartbeats
//
// There are two. Every HeartbeatEvery the sweep makes a harmless call, a tag on its
// own role, that CloudTrail records and a rule brings to the functions, which note in
// the table that it came. Nobody else can make one: the source is AWS's, the caller
// the role itself, and the ID, which is random, on file before the call. It proves
// the trail, the delivery, the rule, the permission, the function and the table. A
// later run fails the check of a function that had not noted it within Timely, and
// names the first link that is not as deployed.
//
// And each run that could read and write the table, could alert, and knows of
// nothing critical, nor of a heartbeat that is missing, puts an event on the bus.
// An alarm waits for it, where there is another Region that events are forwarded
// from in that one: so it goes off for what cannot be told here. No function is
// called by it, since whoever may put events can make one up.
//
// # What is told
//
// A check that fails opens an episode, which is told of once as guard.unhealthy,
// at once where what was seen is certain and else after FailingRuns in a row, and
// reminded of once a day. When it has been well for WellRuns, a note closes it. What
// could not be checked for UnknownRuns in a row is told likewise. A further Region's
// forwarder, which is deployed after the guard, is waited for for NewRuns as long
// as it was never there. A run is known by the time at which its schedule was due,
// so that a repeated or overlapping one counts once.
//
// Order: results, state, alert, mark. The state is one row under a condition; it
// names the episodes before anything is told of them, and an alert's ID is made
// of its episode, so that two runs, or a run repeated after a crash, raise the
// same finding, which the guard's ledger sends once. Only then is the episode
// marked as told. A fault that ended before it could be told of, such as that of
// the topic itself, is told and closed afterwards.
//
// Where the table cannot be reached there is neither state nor claim: nothing is
// told here, the run ends in an error, and CloudWatch's alarms about errors and
// heartbeats of the functions speak. They are also what speaks when no run takes place.
package health
