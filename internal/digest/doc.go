// Package digest composes the mail whose absence is noticed: at fixed times, by a
// Schedule, one message says the status of all accounts and of rootguard itself, what
// changed since the last one, and when to expect the next.
//
// A Tally takes in one account after the other and keeps what a digest shows: counts
// of all, and of each list the worst few. So it has a bounded size however many
// accounts there are, and can be stored between two runs where one has too little
// time for all. It also keeps a Snapshot, which is how far each account is in a few
// bytes: the next digest compares with that.
//
// Compose makes the message of a Tally and of what is known beside the accounts. Its
// lists are cut to a size that a person reads, and say how much is left out.
//
// # Adding a section
//
// What is known of all accounts together is one alert.DigestSection more in
// Input.Extra: package digestwork takes them from its Sources, each a type with one
// method. What is known of one account is a Note on it (Account.Notes): notes of one
// Topic are counted and listed as one section, the most urgent first. Neither needs a
// change in this package.
package digest
