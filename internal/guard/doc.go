// Package guard is the one use case of rootguard: detect, claim, publish,
// record. The Lambda functions and the command line run the same code over
// different adapters.
//
// # What is promised
//
// CloudTrail, EventBridge and Lambda deliver at least once and out of order, and
// any invocation may die between any two steps. Over all of that:
//
//   - every finding is reported, in an alert of its own or counted in a roll-up;
//   - no finding is counted by two alerts with different IDs;
//   - a crash, or a publish that failed though it went through, costs at most
//     one extra copy of one alert, with the ID of the first.
//
// # The order of steps
//
// Facts, claim, publish, complete. The facts come first because the account's
// status must not depend on whether an alert could be sent; but an error of the
// fact store holds no alert back. It is returned at the end, and since adding a
// fact twice changes nothing, the retry repeats the facts alone.
//
// An event is claimed under "account/eventID" with a lease, published, and only
// then marked sent. To mark first would lose the alert to a crash in between;
// to publish without a claim would send the copies that overlapping trails
// deliver. While the lease runs, others get ErrBusy, so that the queue redelivers
// instead of taking the event for handled. A failed publish releases the claim,
// for the retry not to wait for the lease. Where it failed with some receivers
// only, the claim keeps who has the alert, and the retry leaves these out.
//
// The lease is by the clock of the process that takes it. It is longer than a publish may
// take by a minute, by which the clocks of two processes may differ. If they differ
// by more, a copy may come, with the ID of the first; nothing is lost.
//
// Errors of the store of claims fail closed: nothing is published without a claim. An
// alert sent without one would be sent again by every retry, for as long as the
// store is down, and floods get the email subscription suspended. Nothing is
// lost by it, since the record is redelivered, or redriven from the queue of
// failures, which has an alarm of its own. If a permanent error or the last
// retry ends that, the claim says "released" or "leased", never "sent".
//
// # Roll-ups
//
// The first events of a finding in a session are alerted at once (Settings.Burst
// says how many). What repeats them is counted in a Group: the events of one
// session and finding whose times lie in the same quarter of an hour, or whatever
// Settings.DedupWindow is. When that is over, Flush publishes one roll-up of each group.
// A session that keeps calling thus makes one alert and then one roll-up for each
// window, and no event waits for longer than that. As an event's group follows from
// its own time, the order of delivery does not matter: late, shuffled and
// interleaved events make a few messages more than the same in order.
//
// A series (package repeats), "account/session/finding ID", knows which of its events were alerted
// lately and in which groups repeats are only counted. An event repeats an alert of
// its own group, of a window's length around it, or, where it comes late, of a later
// event that was published shortly before. A finding of a kind not yet alerted in
// its session has a series of its own and is never held back. Nor is one more severe
// than all that were alerted near it. Failed root sign-ins have no session and share
// one series an account, and the one with which they become too many is alerted at
// once, as an escalation.
//
// A claim that was granted an alert keeps that right through crashes and releases.
// When its publish fails and no topic took the alert, the grant is taken back, so
// that the next event is alerted at once rather than counted behind an alert that
// no receiver got.
//
// Counting is adding the claim's key to a set, the group's batch, which needs no
// transaction and does the same when done again; so events of one session do not
// contend. A roll-up is claimed under the group's key and the batch's number. It
// seals the batch first, so all attempts publish the same count under the same alert
// ID, which a receiver may drop by, and events that come meanwhile go into the next
// batch.
//
// # Suppressions
//
// A finding that an operator suppressed (package suppression) is recorded as any other,
// and its claim becomes Withheld under the suppression's ID, which is how its uses are
// counted. What is critical once it is decided is never withheld, nor an event that was
// granted an alert before. Where suppressions cannot be read, the alert goes out.
//
// # Rate limit
//
// Amazon SNS delivers 10 e-mails a second to a subscription. Where there is a
// Limiter, an alert therefore takes a token, of which all instances together have
// eight a second. It is taken after the claim, so that only what is to be
// published takes one, and waited for within the lease: three seconds, for what is
// urgent ten. Where no token comes in time, one transaction makes of the claim
// that was granted an alert one that is folded, and the event is reported in the
// roll-up of its group, which is due soon and says that it is late. A crash
// before that transaction leaves a lease that runs out, and the retry publishes.
//
// Roll-ups wait for a token for a second at most, and stay due otherwise, so that
// they leave room for alerts; so do resends.
//
// The limiter spares a mailbox; it must not be able to mute the guard, anyone who
// writes its rows and for whatever reason tokens are gone. So these go out without
// a token:
//
//   - what is urgent, which is what is critical and escalations, once no token comes
//     within ten seconds;
//   - a roll-up or a resend that is overdue by five minutes, too;
//   - any alert where tokens cannot be taken, where it may have been published before
//     (to fold it then would report it twice), and where it has no group.
//
// A group that is still unsent UnsentAfter it was due is a fault, which package
// health reports as critical and the sweep as an error of its run.
//
// The rate therefore holds as long as no more than about 80 urgent alerts, of
// different groups, wait at once: the repeats of one in its session are rolled up
// as all are. Beyond that what is critical is published all the same, and Amazon SNS
// throttles its delivery by e-mail. The other choice, a roll-up of critical alerts of
// different accounts or users, is one that anyone who causes many could hide one in.
package guard
