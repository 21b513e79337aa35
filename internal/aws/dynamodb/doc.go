// Package dynamodb keeps the guard's claims and facts in one DynamoDB table.
//
// # The table
//
// Everything of an account is one item collection, so its status is one query.
//
//	pk               sk            holds
//	ACCOUNT#<id>     CLAIM#<key>   guard.Claim of an event, or of a roll-up of a group
//	ACCOUNT#<id>     SERIES#<key>  repeats.Series
//	ACCOUNT#<id>     WINDOW#<key>  guard.Group, or the window of version 1
//	ACCOUNT#<id>     FACT#<id>     bootstrap.Fact; those of root's use begin with "root_"
//	BATCH#<part>#<group>  BATCH#<number>  a part of the claims that are in a batch of a group
//	ACCOUNT#<id>     USER#<key>    mfadeadline.Deadline
//	ACCOUNT#<id>     QUARANTINE#<key>                    quarantine.Quarantine, only where quarantine is on or in a dry run
//	ACCOUNT#<id>     INCIDENT#<start>/<ID>               incident.Incident
//	ACCOUNT#<id>     ANNOUNCEMENT#<from>/<ID>/<act>      announcement.Entry
//	ACCOUNT#<id>     RECAP#<account>/<from>/<ID>         ending.Row
//	ACCOUNT#<id>     SUPPRESSION#<until>/<ID>/<action>   suppression.AuditEvent
//	ACCOUNT#<id>     SUPPRESSIONEND#<account>/<until>/<ID>  ending.Row
//	INCIDENT#<ID>    INCIDENT#     the incident's key; ack_by and ack_note of one who acknowledges by hand
//	ACCOUNT#<id>     ROUND#<key>   accountcheck.Round: its root's, its users', and in the guard's own account the discovery of accounts
//	ACCOUNTS         ACCOUNT#<id>  that the account is known
//	RATELIMIT        <second>      how many rate limit tokens of a second are taken: see internal/ratelimit
//	HEALTH           STATE         health.State of the guard itself
//	HEALTH           BEAT#<id>     health.Heartbeat
//	DIGEST           DIGEST#state     digestwork.State
//	DIGEST           DIGEST#<period>  digestwork.Collection of the digest that is due then
//
// The times in sort keys are whole seconds of RFC 3339 in UTC, so that what is of
// a time is one query of a range, whatever else the account has.
//
// The account of a claim, series or group is read off its key. A part of a key that is
// too long for DynamoDB (2,048 bytes of pk, 1,024 of sk: Amazon DynamoDB
// Developer Guide, "Service, account, and table quotas") ends in its hash. The
// other attributes:
//
//	doc        the row as JSON
//	ver        a random word, another with every write: what conditions compare
//	expires    epoch seconds after which the row counts as absent (DynamoDB's TTL attribute)
//	due_shard  with due_at the key of the index "due"; only on groups that hold
//	           something unsent and on incidents, deadlines, summaries, rounds and quarantines
//	           that are due, which have shards of their own ("DUE#", "INCIDENTS#", "USERS#",
//	           "RECAPS#", "ROUNDS#<kind>#", "QUARANTINES#", "SUPPRESSIONENDS#"), and on claims
//	           judged under an announcement ("ANNOUNCED#<ID>") or held back by a suppression
//	           ("SUPPRESSED#<ID>"), and where an incident was acknowledged by hand ("ACKS#")
//	tokens     only on RATELIMIT, which has no other but expires: a number
//	due_at     the group's Until, what else has a Due, the event time of a claim; of fixed width
//
// Claims, and incidents about which nothing is due, expire ClaimTTL after they were
// last written, groups that hold nothing unsent, and deadlines and quarantines
// without a time, WindowTTL after, heartbeats HeartbeatTTL after, the count of a second ten
// minutes after it, what is on record of a suppression suppression.KeptFor after its
// end. A fact that was removed, since others replace it, has expired a day before: no
// function may delete a row. Other facts, accounts, rounds, announcements and the
// state of the checks never do, nor does a group before what it holds was sent. DynamoDB deletes expired items days later, so
// reads drop them. A table of an earlier version also has an item TURN, which
// nothing reads.
//
// # Consistency
//
// Update reads both rows with strong consistency and writes under the condition
// that neither changed, in one TransactWriteItems where there are two. A
// conflict repeats all of it, after a pause that is random and grows. As each
// write has a version of its own, a write whose answer got lost is recognized
// when its repetition fails, and decide is not asked again about what it has
// itself brought about. Where decide stores nothing, the two rows it saw may be
// of moments a few milliseconds apart.
//
// An index cannot be read with strong consistency. What lists due rows takes only
// keys from it and reads the rows themselves; one that became due within the last
// moments may be missing from one call.
package dynamodb
