// Package guard is the one use case of rootguard: detect, claim, publish,
// record. The Lambda functions and the command line run the same code over
// different adapters.
//
// # What is promised
//
// CloudTrail, EventBridge and Lambda deliver at least once and out of order, and
// any invocation may die between any two steps. Over all of that:
//
//   - every finding is told of, in an alert of its own or counted in a roll-up;
//   - no finding is counted by two alerts with different IDs;
//   - a crash, or a publish that failed though it went through, costs at most
//     one extra copy of one alert, with the ID of the first.
//
// # The order of steps
//
// Facts, claim, publish, complete. The facts come first because the account's
// status must not depend on whether an alert could be sent; but an error of the
// journal holds no alert back. It is returned at the end, and since adding a
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
// The lease is by the clock of whoever takes it. It is longer than a publish may
// take by a minute, by which the clocks of two processes may differ. If they differ
// by more, a copy may come, with the ID of the first; nothing is lost.
//
// Errors of the ledger fail closed: nothing is published without a claim. An
// alert sent without one would be sent again by every retry, for as long as the
// ledger is down, and floods get the email subscription suspended. Nothing is
// lost by it, since the record is redelivered, or redriven from the queue of
// failures, which has an alarm of its own. If a permanent error or the last
// retry ends that, the claim says "released" or "leased", never "sent".
//
// # Roll-ups
//
// The first events of a finding in a session are alerted at once (Settings.Burst
// says how many). What repeats them is counted in a Group: the events of one
// session and finding whose times lie in the same quarter of an hour, or whatever
// Settings.Window is. When that is over, Flush publishes one roll-up of each group.
// A session that keeps calling thus makes one alert and then one roll-up for each
// window, and no event waits for longer than that. As an event's group follows from
// its own time, the order of delivery does not matter: late, shuffled and
// interleaved events make a few messages more than the same in order.
//
// A Series, "account/session/finding ID", knows which of its events were alerted
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
// The limiter spares a mailbox; it must not be able to mute the guard, whoever
// writes its rows and for whatever reason tokens are gone. So these go out without
// a token:
//
//   - what is urgent, which is what is critical and escalations, once no token comes
//     within ten seconds;
//   - a roll-up or a resend that is overdue by five minutes, likewise;
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
// different accounts or users, is one that whoever causes many could hide one in.
//
// # Deadlines
//
// That a user has no MFA when its grace is over is no event. Handle therefore
// puts the user on an index, with the time at which Sweep is to look at it: the
// end of the grace where a record may open a time without MFA, a few minutes
// later where one may close it. It writes that after the facts, so that a crash
// between is mended by the redelivery, and each write is a new revision.
//
// Sweep takes who is due, reads the account's facts, asks IAM, adds the answer
// as a fact dated back by as long as IAM may lag, raises what is to be told, notes
// it in the journal, and only then moves the user on, to the next reminder or off
// the index, and only if the revision is the one it began with. A crash anywhere
// leaves the user due: what was told is known by its claim and by its note. Of an
// alert that was cut off by a fault, and whose user gets MFA before the next
// sweep, there may be no note that it is closed.
//
// No user keeps the others back: a row that cannot be read is passed over, and a
// user whose alert is refused for good is tried again in an hour. Both are errors of
// the sweep, so that somebody is told.
//
// # Announced root use
//
// An announcement lowers the alerts of what root does while it lasts (see
// detect.Announce), so who may write one may silence rootguard. Announce therefore
// publishes first that it is opened, to the escalation topic too, and stores the
// entry that makes it count last: a crash between leaves an alert about nothing,
// never an announcement that nobody was told of. Close stores first and tells
// then, since it only makes alerts louder; if it dies between, Recap tells. Entries
// are never changed or deleted. They do not protect from somebody who writes the
// table itself: who can do that can mark alerts as sent, too. What is lowered is
// still sent, with the name of who announced it.
//
// An event is judged by its own time and by the announcements known when it is
// handled, so late delivery changes nothing. One that comes before its announcement
// is stored is not lowered, and where the announcements cannot be read nothing is.
//
// # Incidents
//
// The alerts of one session are one incident (see sessionOf). It is stored after
// the claim and before the alert is published, with the time at which it is to be
// sent again:
//
//   - who dies before it is stored has published nothing, and the redelivery does
//     all of it;
//   - who dies after it is stored, before or after publishing, leaves an incident
//     that Insist sends again in time, whether the redelivery comes or not;
//   - the redelivery counts nothing twice, as the incident knows its alerts by ID;
//   - where it cannot be stored the alert goes out without, the claim says so
//     (Claim.Unlisted), and the redelivery stores it and sends nothing.
//
// Insist sends a resend under a claim of its own, named by incident, round and
// number, and then moves the incident on. A crash between sends nothing twice: the
// next run finds the claim sent. It reads the incident anew before each resend, so
// that one is at most on its way when somebody acknowledges. An acknowledgement is
// stored first, which stops the resends, with the incident due at once; it is due
// no more when the note about it was sent, by Acknowledge or by the next Insist.
//
// # Rounds
//
// What no event tells is found by looking: Posture asks how each account's root
// user stands, Reconcile lists each account's users and checks them, Census finds
// which accounts there are. Each account has a row for each of the first two,
// with the time at which it is due; the times of accounts are spread over the
// interval by a hash, so a run's work is bounded and in proportion to what is due.
// A run writes a row last, under its revision, so a crash or a run beside it leaves
// the account due, and what was done is done again to no effect.
//
// A problem of root is not told when it is first seen but 15 minutes later, if it
// is still there and no event that explains it came: IAM may lag, and an event
// says more than a look does. Where one comes later still, both are told. The row
// remembers what was told, so that it is told once and closed once; an answer of
// IAM becomes a fact only where the status is another by it.
//
// Users are checked in the order of their unique IDs, and the row has the last
// one checked. A user on record whom IAM neither lists nor knows by name is gone.
// One found without MFA has its grace from when it was found.
//
// Each look is bounded so that what hangs, be it an account, a user or a Region's
// queue, is put off within the least time a run has: what is cut off is done
// again, so that it would else be first, and in the way of all, for ever.
//
// Where an organization's list could not be read to its end, no account is
// dropped. An account that IAM does not answer about is asked less and less often,
// at least once an hour, and is named once a day.
//
// # Quarantine
//
// Sweep marks a user past the last reminder, before it moves the user on.
// Quarantine, in a function of its own that alone may write to IAM, takes it from
// there; its steps are told at that method. The row says how far it has come, and
// is written last: whatever a crash leaves undone is done again from the row, and
// all of it can be. A release is a wish written into the row, by whoever may
// write to the table, which the same function grants: so one role changes IAM,
// and any other detachment of the policy is guard.tampered.
package guard
