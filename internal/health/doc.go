// Package health checks that rootguard works: that every link of
// the chain from CloudTrail to a person is there and as deployed, and that a
// recorded call comes out at the functions.
//
// # Checks
//
// Checks lists what is checked. Each has a name, says what it proves, and comes
// to ok, a warning (it works, though not as it should), failed, or unknown (AWS did
// not answer, or refused to). What is not ok says why and what fixes it. The
// Lambda function sweep and the command doctor make the same checks.
//
// The checks that need few calls are made in each run, the others every SlowEvery,
// Hourly or Rarely, and in each run while one of them is not well: every call is a
// record in the account's trails. With every Region there are about 10,000 calls a
// day (TestCallsADay), and MetricReads metrics are read a month.
//
// What was deployed and cannot be seen from names, such as the hash of the
// functions' code and the receivers, the deployment notes for the sweep
// (config.Deployed). Of what silences the guard without an error are checked: the
// functions' code and roles, their VPC and layers, keys of others on the table and
// the event buses, resource policies of the table, the topics and the buses, limits
// of the table, filters and data protection of subscriptions, receivers that are
// gone, alarms and what mutes them, and how text messages are sent. What EventBridge,
// AWS Lambda and Amazon SNS lost is read from their metrics: of each moment once,
// ten minutes to an hour later.
//
// # Heartbeats
//
// There are two. Every HeartbeatEvery the sweep makes a harmless call, a tag on its
// own role, that CloudTrail records and a rule brings to the functions, which note in
// the table that it came. No one else can make one: the source is AWS's, the caller
// the role itself, and the ID, which is random, on file before the call. It proves
// the trail, the delivery, the rule, the permission, the function and the table. A
// later run fails the check of a function that had not noted it within Timely, and
// names the first link that is not as deployed.
//
// And each run that could read and write the table, could alert, and knows of
// nothing critical, nor of a heartbeat that is missing, puts an event on the bus.
// An alarm waits for it, where there is another Region that events are forwarded
// from in that one: so it goes off for what cannot be reported here. No function is
// called by it, since anyone who may put events can make one up.
//
// # What reports instead of an alarm
//
// Each metric of an alarm is billed, so there are six: events wait undelivered,
// events wait that a function failed on, errors of rootactivity, the sweep is silent
// (two), and, in another Region, no event came from the guard. The rest is reported by
// these checks. "Two runs" are up to 10 minutes, and the slow checks come every
// SlowEvery, so that the worst is that and two runs.
//
//	of a function: errors             queue.failed, the alarm on that queue        3 tries (about 3 minutes), then at once
//	of a function: throttled          function.NAME where it is set to zero,       half an hour
//	                                  else heartbeat.NAME                          half an hour, see below
//	of a function: failures are lost  failures.NAME, lost.functions                half an hour, an hour and a quarter
//	rootactivity, iamuser are silent  heartbeat.NAME                               HeartbeatEvery + Timely + a run: half an hour
//	quarantine is silent              rule. and target.schedule-quarantine,        two runs, half an hour
//	                                  function.quarantine
//	rules lose events                 rule.NAME, target.NAME, permission.NAME      two runs, half an hour
//	                                  lost.rules                                   an hour and a quarter
//	alerts cannot be published        the alarm on errors of rootactivity; of the  5 minutes;
//	                                  sweep, no event on the bus                   15 minutes, in the other Region
//	a topic's receivers fail          topic.NAME where none is left                two runs
//	                                  receivers.NAME where one is gone, lost.topics  half an hour, an hour and a quarter
//	a forwarder's queue               queue.REGION                                 half an hour
//	the table, the key, the trail     table, key, trail, and no event on the bus   at once to half an hour, then 15 minutes
//
// # What is reported
//
// A check that fails opens an episode, which is reported once as guard.unhealthy,
// at once where what was seen is certain and else after FailingRuns in a row, and
// reminded of once a day. When it has been healthy for HealthyRuns, a note closes it. What
// could not be checked for UnknownRuns in a row is reported too. Malformed messages
// alone in a queue are not reminded of: the digest names them. A further Region's
// forwarder, which is deployed after the guard, is waited for for NewRuns as long
// as it was never there. A run is known by the time at which its schedule was due,
// so that a repeated or overlapping one counts once.
//
// Order: results, state, alert, mark. The state is one row under a condition; it
// names the episodes before anything is reported about them, and an alert's ID is made
// of its episode, so that two runs, or a run repeated after a crash, raise the
// same finding, which the guard sends once, by its claim. Only then is the episode
// marked as reported. A fault that ended before it could be reported, such as that of
// the topic itself, is reported and closed afterwards.
//
// Where the table cannot be reached there is neither state nor claim: nothing is
// reported here, the run ends in an error, and CloudWatch's alarms about errors and
// heartbeats of the functions speak. They are also what speaks when no run takes place.
package health
