package bolt

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"
)

const (
	maxKey   = 1024
	timeSize = 12
)

// bounded is a key that bbolt takes: it refuses those over 32,768 bytes.
func bounded(key string) string {
	if len(key) <= maxKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	return key[:maxKey-2*sha256.Size] + hex.EncodeToString(sum[:])
}

func key(s string) []byte { return []byte(bounded(s)) }

func accountName(account string) []byte { return []byte("=" + bounded(account)) }

// timeKey begins a key with a time.
func timeKey(t time.Time, rest string) []byte {
	k := make([]byte, timeSize, timeSize+len(rest))
	binary.BigEndian.PutUint64(k, uint64(t.Unix())^(1<<63))   //nolint:gosec // the sign bit is flipped, so that the order stays
	binary.BigEndian.PutUint32(k[8:], uint32(t.Nanosecond())) //nolint:gosec // 0 to 999,999,999
	return append(k, bounded(rest)...)
}

func eventKey(eventID, claimKey string) []byte {
	return append(eventPrefix(eventID), bounded(claimKey)...)
}

func eventPrefix(eventID string) []byte { return append(key(eventID), 0) }
