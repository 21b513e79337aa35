// Package bolt keeps the guard's claims and facts in one file, a bbolt
// database, for the command line.
//
// # Layout
//
// Values are JSON, in the form the guard's types have. Buckets and keys:
//
//	meta             "schema" -> the layout's version, in decimal
//	claims           claim key -> guard.Claim
//	claims_by_time   one bucket an account: event time + claim key -> nothing
//	claims_by_event  event ID + 0x00 + claim key -> nothing
//	series           series key -> repeats.Series
//	windows          group key -> guard.Group
//	windows_due      Due + group key -> nothing, of groups with something unsent
//	batches          group key + 0x00 + batch number (4 bytes) + 0x00 + claim key -> that
//	                 claim key; without it, that the batch is sealed
//	facts            one bucket an account: fact ID -> bootstrap.Fact
//	regions          account -> the Regions in which events of it were read, a list;
//	                 not there before the first
//
// An account's bucket is named "=" + the account, as a bucket's name cannot be
// empty. A time in a key is 12 bytes that sort as the times do: the seconds
// since 1970 with the sign bit flipped, then the nanoseconds, both big-endian.
// A key longer than 1,024 bytes is cut and ends in its SHA-256 sum. The indexes
// list only the claims of events, which have a Finding.
//
// A store of schema 1 has no series and no batches, and its windows hold what is
// counted themselves. It is upgraded when it is opened for writing.
//
// # Durability
//
// Each write is a transaction that is on disk when the call returns, which
// costs an fsync. Batch lets many share one.
package bolt
