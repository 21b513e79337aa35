package bolt

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/guard"
	"rootguard/internal/repeats"
)

// Update is guard.ClaimRows'. decide must not use the store.
func (s *Store) Update(ctx context.Context, claimKey, seriesKey string,
	decide func(guard.Claim, repeats.Series) (guard.Claim, repeats.Series)) error {
	err := s.write(ctx, func(tx *bbolt.Tx) error {
		var oldClaim guard.Claim
		var oldSeries repeats.Series
		if err := get(tx.Bucket(claimsBucket), claimKey, &oldClaim); err != nil {
			return err
		}
		if seriesKey != "" {
			if err := get(tx.Bucket(seriesBucket), seriesKey, &oldSeries); err != nil {
				return err
			}
		}
		// decide owns what it is given, so what the indexes need is taken first.
		indexed := indexOf(&oldClaim)
		c, sr := decide(oldClaim, oldSeries)
		if c.Key != "" {
			if err := putClaim(tx, &c, indexed); err != nil {
				return err
			}
		}
		if sr.Key != "" {
			return put(tx.Bucket(seriesBucket), sr.Key, sr)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("updating claim %s: %w", claimKey, err)
	}
	return nil
}

// Read is guard.ClaimRows'.
func (s *Store) Read(ctx context.Context, keys []string) ([]guard.Claim, error) {
	claims := make([]guard.Claim, len(keys))
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		for i, k := range keys {
			if err := get(tx.Bucket(claimsBucket), k, &claims[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading %d claims: %w", len(keys), err)
	}
	return claims, nil
}

// claimIndex is where the indexes list a claim.
type claimIndex struct {
	account string
	event   string
	at      time.Time
}

// indexOf is the zero claimIndex where they do not.
func indexOf(c *guard.Claim) claimIndex {
	if c.Finding == nil {
		return claimIndex{}
	}
	return claimIndex{c.Finding.Account, c.Finding.EventID, c.Finding.EventTime.UTC()}
}

func putClaim(tx *bbolt.Tx, c *guard.Claim, old claimIndex) error {
	if err := put(tx.Bucket(claimsBucket), c.Key, c); err != nil {
		return err
	}
	now := indexOf(c)
	if now == old {
		return nil
	}
	if old != (claimIndex{}) {
		if of := tx.Bucket(claimsByTimeBucket).Bucket(accountName(old.account)); of != nil {
			if err := of.Delete(timeKey(old.at, c.Key)); err != nil {
				return fmt.Errorf("taking claim %s from the index: %w", c.Key, err)
			}
		}
		if err := tx.Bucket(claimsByEventBucket).Delete(eventKey(old.event, c.Key)); err != nil {
			return fmt.Errorf("taking claim %s from the index: %w", c.Key, err)
		}
	}
	if now == (claimIndex{}) {
		return nil
	}
	of, err := tx.Bucket(claimsByTimeBucket).CreateBucketIfNotExists(accountName(now.account))
	if err != nil {
		return fmt.Errorf("making the index of account %s: %w", now.account, err)
	}
	if err := of.Put(timeKey(now.at, c.Key), nil); err != nil {
		return fmt.Errorf("indexing claim %s: %w", c.Key, err)
	}
	if err := tx.Bucket(claimsByEventBucket).Put(eventKey(now.event, c.Key), nil); err != nil {
		return fmt.Errorf("indexing claim %s: %w", c.Key, err)
	}
	return nil
}

// UpdateGroup is guard.Groups'. decide must not use the store.
func (s *Store) UpdateGroup(ctx context.Context, groupKey string, decide func(guard.Group) guard.Group) error {
	err := s.write(ctx, func(tx *bbolt.Tx) error {
		var old guard.Group
		if err := get(tx.Bucket(windowsBucket), groupKey, &old); err != nil {
			return err
		}
		due := dueKey(&old)
		if gr := decide(old); gr.Key != "" {
			return putGroup(tx, &gr, due)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("updating group %s: %w", groupKey, err)
	}
	return nil
}

// Count is guard.Groups'.
func (s *Store) Count(ctx context.Context, group string, number int, claim string) (counted bool, err error) {
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		b, k := tx.Bucket(batchesBucket), append(batchPrefix(group, number), bounded(claim)...)
		switch {
		case b.Get(k) != nil:
			counted = true
		case b.Get(batchPrefix(group, number)) == nil: // not sealed
			counted = true
			return b.Put(k, []byte(claim))
		}
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("counting claim %s: %w", claim, err)
	}
	return counted, nil
}

// Counted is guard.Groups'.
func (s *Store) Counted(ctx context.Context, group string, from, to int, claim string) (number int, found bool, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx) error {
		for number = from; number < to; number++ {
			if tx.Bucket(batchesBucket).Get(append(batchPrefix(group, number), bounded(claim)...)) != nil {
				found = true
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return 0, false, fmt.Errorf("looking for claim %s: %w", claim, err)
	}
	return number, found, nil
}

// Seal is guard.Groups'.
func (s *Store) Seal(ctx context.Context, group string, number int) (claims []string, err error) {
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		b, prefix := tx.Bucket(batchesBucket), batchPrefix(group, number)
		if err := b.Put(prefix, []byte{1}); err != nil {
			return err
		}
		cur := b.Cursor()
		for k, v := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, v = cur.Next() {
			if len(k) > len(prefix) {
				claims = append(claims, string(v))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("sealing batch %d of group %s: %w", number, group, err)
	}
	slices.Sort(claims)
	return claims, nil
}

// batchPrefix begins the keys of what is in a batch, and is the key that a sealed
// batch has.
func batchPrefix(group string, number int) []byte {
	k := append(key(group), 0)
	k = binary.BigEndian.AppendUint32(k, uint32(number)) //nolint:gosec // counted from 0
	return append(k, 0)
}

// dueKey is nil for a group that holds nothing unsent.
func dueKey(gr *guard.Group) []byte {
	if gr.Key == "" || !gr.Unsent() {
		return nil
	}
	return timeKey(gr.Due(), gr.Key)
}

func putGroup(tx *bbolt.Tx, gr *guard.Group, oldDue []byte) error {
	if err := put(tx.Bucket(windowsBucket), gr.Key, gr); err != nil {
		return err
	}
	due := dueKey(gr)
	if bytes.Equal(due, oldDue) {
		return nil
	}
	b := tx.Bucket(windowsDueBucket)
	if oldDue != nil {
		if err := b.Delete(oldDue); err != nil {
			return fmt.Errorf("taking group %s from the index: %w", gr.Key, err)
		}
	}
	if due != nil {
		if err := b.Put(due, nil); err != nil {
			return fmt.Errorf("indexing group %s: %w", gr.Key, err)
		}
	}
	return nil
}

// Due is guard.Groups'.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) ([]guard.Group, error) {
	var due []guard.Group
	end := timeKey(at, "")
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		cur := tx.Bucket(windowsDueBucket).Cursor()
		groups := tx.Bucket(windowsBucket)
		for k, _ := cur.First(); k != nil && len(due) < limit && bytes.Compare(k[:timeSize], end) <= 0; k, _ = cur.Next() {
			var gr guard.Group
			if err := get(groups, string(k[timeSize:]), &gr); err != nil {
				return err
			}
			due = append(due, gr)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing groups due: %w", err)
	}
	return due, nil
}

// get decodes the row under a key; where there is none, to stays as it is.
func get(b *bbolt.Bucket, k string, to any) error {
	raw := b.Get(key(k))
	if raw == nil {
		return nil
	}
	if err := json.Unmarshal(raw, to); err != nil {
		return fmt.Errorf("decoding row %s: %w", k, err)
	}
	return nil
}

func put(b *bbolt.Bucket, k string, row any) error {
	raw, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("encoding row %s: %w", k, err)
	}
	if err := b.Put(key(k), raw); err != nil {
		return fmt.Errorf("storing row %s: %w", k, err)
	}
	return nil
}
