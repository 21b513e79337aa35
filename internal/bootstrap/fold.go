package bootstrap

import (
	"time"

	"rootguard/internal/cloudtrail"
)

// DefaultOptions are a day of grace and thirty days of quiet.
func DefaultOptions() Options { return Options{Grace: 24 * time.Hour, QuietDays: 30} }

// FactsOf returns what a record tells about the bootstrap journey.
func FactsOf(_ *cloudtrail.Record) []Fact { return nil }

// Merge joins two facts of the same Account and ID.
func Merge(a, _ Fact) Fact { return a }

// LiveFactOf is the fact of one live check.
func LiveFactOf(account string, at time.Time, live LiveFact) Fact {
	return Fact{Account: account, Time: at, Live: &live}
}

// Fold is the status that a set of facts adds up to.
func Fold(account string, _ []Fact, _ Options, asOf time.Time) Status {
	return Status{Account: account, AsOf: asOf}
}

// AssumedRootFactID is the ID of the fact that sts:AssumeRoot leaves under the
// account it was aimed at.
func AssumedRootFactID(accessKeyID string) string { return "assumed-root/" + accessKeyID }
