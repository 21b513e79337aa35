// Package cloudtrail reads CloudTrail records: what they say, typed, without judging it.
//
// A Reader takes a log in any of the forms that CloudTrail and its neighbors write,
// and returns one Entry after the other; a filter sees the Header of a record before
// anything is decoded. Decode reads one record. A defect of a field costs the field,
// a malformed record costs the record, and neither stops the rest.
//
// A record is classified here once, for every package that judges it: who made the
// call (RootUse), whether MFA was used (MFAUsed), whether it writes, what it changes in
// IAM (IAMChange), whether it failed.
package cloudtrail
