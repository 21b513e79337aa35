package bolt

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/bootstrap"
)

// Add is guard.Facts's.
func (s *Store) Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error) {
	if len(facts) == 0 {
		return 0, nil
	}
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		for _, f := range facts {
			of, err := tx.Bucket(factsBucket).CreateBucketIfNotExists(accountName(f.Account))
			if err != nil {
				return fmt.Errorf("making the facts of account %s: %w", f.Account, err)
			}
			if of.Get(key(f.ID)) == nil {
				added++
			} else {
				var old bootstrap.Fact
				if err := get(of, f.ID, &old); err != nil {
					return err
				}
				f = bootstrap.Merge(old, f)
			}
			if err := put(of, f.ID, f); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("adding %d facts: %w", len(facts), err)
	}
	return added, nil
}

// Fact is guard.Facts's.
func (s *Store) Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx) error {
		of := tx.Bucket(factsBucket).Bucket(accountName(account))
		if of == nil || of.Get(key(id)) == nil {
			return nil
		}
		found = true
		return get(of, id, &f)
	})
	if err != nil {
		return bootstrap.Fact{}, false, fmt.Errorf("reading fact %s of account %s: %w", id, account, err)
	}
	return f, found, nil
}

// Facts is guard.Facts's.
func (s *Store) Facts(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	var facts []bootstrap.Fact
	err := s.Pages(ctx, account, "", func(page []bootstrap.Fact) error {
		facts = append(facts, page...)
		return nil
	})
	return facts, err
}

// pageSize is how many facts Pages hands on at a time.
const pageSize = 1000

// Pages is accountcheck.FactRows'. fn is called outside of any transaction.
func (s *Store) Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error {
	from := key(prefix)
	for more := true; more; {
		var page []bootstrap.Fact
		err := s.read(ctx, func(tx *bbolt.Tx) error {
			more = false
			of := tx.Bucket(factsBucket).Bucket(accountName(account))
			if of == nil {
				return nil
			}
			c := of.Cursor()
			for k, raw := c.Seek(from); k != nil && bytes.HasPrefix(k, key(prefix)); k, raw = c.Next() {
				if len(page) == pageSize {
					from, more = bytes.Clone(k), true
					return nil
				}
				var f bootstrap.Fact
				if err := json.Unmarshal(raw, &f); err != nil {
					return fmt.Errorf("decoding fact %s: %w", k, err)
				}
				page = append(page, f)
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading facts of account %s: %w", account, err)
		}
		if len(page) > 0 {
			if err := fn(page); err != nil {
				return err
			}
		}
	}
	return nil
}

// Remove is accountcheck.FactRows'.
func (s *Store) Remove(ctx context.Context, facts []bootstrap.Fact) (removed int, err error) {
	if len(facts) == 0 {
		return 0, nil
	}
	err = s.write(ctx, func(tx *bbolt.Tx) error {
		removed = 0
		for _, f := range facts {
			of := tx.Bucket(factsBucket).Bucket(accountName(f.Account))
			if of == nil || of.Get(key(f.ID)) == nil {
				continue
			}
			var is bootstrap.Fact
			if err := get(of, f.ID, &is); err != nil {
				return err
			}
			if !is.Equal(f) {
				continue
			}
			if err := of.Delete(key(f.ID)); err != nil {
				return fmt.Errorf("removing fact %s: %w", f.ID, err)
			}
			removed++
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("removing %d facts: %w", len(facts), err)
	}
	return removed, nil
}
