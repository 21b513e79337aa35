// Package mfadeadline reports IAM users who have a console password and no MFA
// when their grace is over.
//
// That is no event. A Tracker therefore puts users on an index, with the time at
// which Sweep checks them: the end of the grace where a record may open a time
// without MFA, a few minutes later where one may close it. It writes after the
// facts are stored, so the redelivery repairs what a crash between leaves out, and
// each write is a new revision of the row.
//
// Sweep takes who is due, reads the account's facts, asks IAM, adds the answer as a
// fact dated back by as long as IAM may lag, stores in the user's row what it is about to
// report, collects that, notes it as facts, and only then moves the user on: to the
// next reminder or off the index, and only if the row is as it was. A crash anywhere
// leaves the user due. What was reported is known by its claim and by its note, and what
// may have been by the row: it is completed as what it was, though by then the user has
// a unique ID or the deadline has moved. A note keeps what opened the subject, so that
// reminders and the end are about the same.
//
// No user holds the others back. A row that cannot be read is skipped, and a user
// whose alert is refused for good is tried again in an hour. Both are errors of the
// sweep, which raises an alarm.
package mfadeadline
