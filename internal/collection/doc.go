// Package collection sends notices together. What rootguard itself finds about many
// accounts and users at once (users without MFA, roots that the first check of an
// account found unprotected, incidents that are sent again) makes a few mails and not
// one each.
//
// A Collector takes a notice as the guard would, once, by its claim, and counts it in
// the batch of its collection, which is a group of the guard's that goes on for years.
// Send seals the batch and stores how many alerts it makes, so that a retry after a
// crash sends the same ones, each with a claim of its own. Of the notices about one
// user or incident the latest is sent. A batch that a receiver is missing is left
// behind in a row of its own, which the guard's Flush has sent again, and its
// collection goes on.
package collection
