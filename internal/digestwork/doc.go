// Package digestwork collects what a digest is made of, and sends it: once a period.
//
// A period is named by the time at which its digest is due, which depends on the
// schedule alone. A run of the sweep reads one small row (State) and compares. Where a
// digest is due, it goes through the accounts on record in their order and keeps a
// digest.Tally, with how far it came, in the row of the period (Collection): ten thousand
// accounts take several runs, and each goes on where the last one ended. Then it sends,
// by the claim that every alert of rootguard has, and at last notes the period as sent.
//
// A crash before that note leaves the digest due: the claim says that it was sent, and
// only the note is made. Of two runs at once one writes the row first and the other
// ends; both may come to send, and one has the claim. Where SNS fails, the next run
// sends what was collected. A period that no run came to in its time is sent by the
// next run; of several, the latest alone is.
//
// The collection of one period is what the next one compares with, so that what changed
// is what differs between the two mails, whenever its events came. It expires after 30
// days.
//
// What cannot be read beside the accounts, as the state of the checks, is named in the
// digest and keeps it from no one.
package digestwork
