package bolt

import (
	"context"
	"encoding/json"
	"fmt"

	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/bootstrap"
)

// Add is guard.Journal's.
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

// Fact is guard.Journal's.
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

// Facts is guard.Journal's.
func (s *Store) Facts(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	var facts []bootstrap.Fact
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		of := tx.Bucket(factsBucket).Bucket(accountName(account))
		if of == nil {
			return nil
		}
		return of.ForEach(func(k, raw []byte) error {
			var f bootstrap.Fact
			if err := json.Unmarshal(raw, &f); err != nil {
				return fmt.Errorf("decoding fact %s: %w", k, err)
			}
			facts = append(facts, f)
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("reading facts of account %s: %w", account, err)
	}
	return facts, nil
}
