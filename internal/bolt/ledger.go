package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"time"

	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/guard"
)

// Update is guard.Ledger's. decide must not use the store.
func (s *Store) Update(ctx context.Context, claimKey, windowKey string, decide func(guard.Claim, guard.Window) (guard.Claim, guard.Window)) error {
	err := s.write(ctx, func(tx *bbolt.Tx) error {
		var oldClaim guard.Claim
		var oldWindow guard.Window
		if err := get(tx.Bucket(claimsBucket), claimKey, &oldClaim); err != nil {
			return err
		}
		if windowKey != "" {
			if err := get(tx.Bucket(windowsBucket), windowKey, &oldWindow); err != nil {
				return err
			}
		}
		// decide owns what it is given, so what the indexes need is taken first.
		indexed := indexOf(&oldClaim)
		due := dueKey(&oldWindow)
		c, w := decide(oldClaim, oldWindow)
		if c.Key != "" {
			if err := putClaim(tx, &c, indexed); err != nil {
				return err
			}
		}
		if w.Key != "" {
			return putWindow(tx, &w, due)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("updating claim %s: %w", claimKey, err)
	}
	return nil
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

// dueKey is nil for a window that holds nothing unsent.
func dueKey(w *guard.Window) []byte {
	if w.Key == "" || !w.Unsent() {
		return nil
	}
	return timeKey(w.Until, w.Key)
}

func putWindow(tx *bbolt.Tx, w *guard.Window, oldDue []byte) error {
	if err := put(tx.Bucket(windowsBucket), w.Key, w); err != nil {
		return err
	}
	due := dueKey(w)
	if bytes.Equal(due, oldDue) {
		return nil
	}
	b := tx.Bucket(windowsDueBucket)
	if oldDue != nil {
		if err := b.Delete(oldDue); err != nil {
			return fmt.Errorf("taking window %s from the index: %w", w.Key, err)
		}
	}
	if due != nil {
		if err := b.Put(due, nil); err != nil {
			return fmt.Errorf("indexing window %s: %w", w.Key, err)
		}
	}
	return nil
}

// Due is guard.Ledger's.
func (s *Store) Due(ctx context.Context, at time.Time, limit int) ([]guard.Window, error) {
	var due []guard.Window
	end := timeKey(at, "")
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		cur := tx.Bucket(windowsDueBucket).Cursor()
		windows := tx.Bucket(windowsBucket)
		for k, _ := cur.First(); k != nil && len(due) < limit && bytes.Compare(k[:timeSize], end) <= 0; k, _ = cur.Next() {
			var w guard.Window
			if err := get(windows, string(k[timeSize:]), &w); err != nil {
				return err
			}
			due = append(due, w)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing windows due: %w", err)
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
