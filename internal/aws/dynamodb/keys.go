package dynamodb

import (
	"crypto/sha256"
	"encoding/hex"
	"hash/fnv"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	accountsPartition = "ACCOUNTS"
	accountPrefix     = "ACCOUNT#"
	claimPrefix       = "CLAIM#"
	seriesPrefix      = "SERIES#"
	windowPrefix      = "WINDOW#" // of groups, too
	batchPrefix       = "BATCH#"
	factPrefix        = "FACT#"
	userPrefix        = "USER#"
	roundPrefix       = "ROUND#"
	healthPartition   = "HEALTH"
	heartbeatPrefix   = "BEAT#"
	limiterPartition  = "RATELIMIT"
	quarantinePrefix  = "QUARANTINE#"
	digestPartition   = "DIGEST"
	digestPrefix      = "DIGEST#"

	incidentPrefix     = "INCIDENT#"
	announcementPrefix = "ANNOUNCEMENT#"
	recapPrefix        = "RECAP#"
	suppressionPrefix  = "SUPPRESSION#"
	expiryPrefix       = "SUPPRESSIONEND#"

	// The shards of the index, by what is due in them.
	windowShard   = "DUE#"
	deadlineShard = "USERS#"
	recapShard    = "RECAPS#"
	incidentShard = "INCIDENTS#"
	// The partition of the index that has the acknowledgements written by hand.
	writtenPartition = "ACKS#"
	// The partition of the index that has the claims judged under an announcement.
	announcedPartition = "ANNOUNCED#"
	// That which has the claims that a suppression held back.
	suppressedPartition = "SUPPRESSED#"
	expiryShard         = "SUPPRESSIONENDS#"
	roundShard          = "ROUNDS#" // and the kind of round
	quarantineShard     = "QUARANTINES#"

	maxPartitionKey = 2048 // bytes
	maxSortKey      = 1024

	// dueShards spreads the index over partitions: one takes 1,000 writes a
	// second, and a throttled index throttles the table.
	dueShards = 4
)

type key struct{ pk, sk string }

// secondRow counts the rate limit tokens of a second.
func secondRow(second time.Time) key { return key{limiterPartition, second.UTC().Format(time.RFC3339)} }

func claimRow(claimKey string) key {
	return key{partition(accountOf(claimKey)), sortKey(claimPrefix, claimKey)}
}
func seriesRow(seriesKey string) key {
	return key{partition(accountOf(seriesKey)), sortKey(seriesPrefix, seriesKey)}
}
func windowRow(groupKey string) key {
	return key{partition(accountOf(groupKey)), sortKey(windowPrefix, groupKey)}
}
func deadlineRow(prefix, deadlineKey string) key {
	return key{partition(accountOf(deadlineKey)), sortKey(prefix, deadlineKey)}
}
func roundRow(roundKey string) key {
	return key{partition(accountOf(roundKey)), sortKey(roundPrefix, roundKey)}
}

// timedRow is of a key that is "account/time/…": the sort key begins with the time.
func timedRow(prefix, timedKey string) key {
	_, rest, _ := strings.Cut(timedKey, "/")
	return key{partition(accountOf(timedKey)), sortKey(prefix, rest)}
}

// pointerRow says which incident has an ID.
func pointerRow(id string) key       { return key{fit(incidentPrefix+id, maxPartitionKey), incidentPrefix} }
func factRow(account, id string) key { return key{partition(account), sortKey(factPrefix, id)} }
func accountRow(account string) key  { return key{accountsPartition, sortKey(accountPrefix, account)} }

// healthRow holds the state of all checks.
var healthRow = key{healthPartition, "STATE"}

func heartbeatRow(id string) key { return key{healthPartition, sortKey(heartbeatPrefix, id)} }

func partition(account string) string { return fit(accountPrefix+account, maxPartitionKey) }

func sortKey(prefix, name string) string { return fit(prefix+name, maxSortKey) }

// accountOf is the account that the key of a claim, series or group begins with. It only
// decides where the row is kept; the sort key has the whole key.
func accountOf(key string) string {
	account, _, _ := strings.Cut(strings.TrimPrefix(strings.TrimPrefix(key, "window/"), "group/"), "/")
	if plain, err := url.PathUnescape(account); err == nil {
		return plain
	}
	return account
}

// fit is the text itself, or its beginning and its hash where DynamoDB would
// refuse it or where JSON would change it.
func fit(text string, limit int) string {
	if len(text) <= limit && utf8.ValidString(text) {
		return text
	}
	sum := sha256.Sum256([]byte(text))
	end := "#" + hex.EncodeToString(sum[:])
	return strings.ToValidUTF8(text[:min(len(text), limit-len(end)-utf8.UTFMax)], "") + end
}

func dueShard(kind string, n uint32) string { return kind + strconv.FormatUint(uint64(n), 10) }

func dueShardOf(kind, key string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key)) // never fails
	return dueShard(kind, h.Sum32()%dueShards)
}

// dueAt sorts as the times do, from year 0 to 9999.
func dueAt(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }
