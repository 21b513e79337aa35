// Package detect holds the rules: one record in, one verdict out.
//
// Detector.Detect judges a record alone: it knows no clock, no store and no other
// record. What it finds is a Finding, which an alert needs nothing besides. Of the
// rules that match a record the one that says most gives the finding its ID, and
// Also names the others.
//
// Catalogue has a row for each kind of finding: severity, controls, what to do next,
// how repeats are alerted, which deployed rules deliver its records, and the function
// that judges them. The rows and their IDs are in the file of their subject: root.go,
// user.go, calls.go and guard.go.
//
// What no record shows, rootguard finds by checks and makes a finding of: MFAMissing,
// RootLive, FaultFound and others. Such a finding has a Subject, which its reminders
// and the note that it is over share.
//
// Candidate says without decoding a record whether any rule could match it.
package detect
