package dynamodb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/bootstrap"
)

// Add is guard.Facts's. Where it fails, added counts those that were stored;
// adding all of them again is safe.
func (s *Store) Add(ctx context.Context, facts []bootstrap.Fact) (added int, err error) {
	merged := map[key]bootstrap.Fact{}
	var keys []key
	for _, f := range facts {
		k := factRow(f.Account, f.ID)
		if old, twice := merged[k]; twice {
			f = bootstrap.Merge(old, f)
		} else {
			keys = append(keys, k)
		}
		merged[k] = f
	}
	fresh := make([]bool, len(keys))
	err = parallel(ctx, len(keys), workers, func(ctx context.Context, i int) (err error) {
		f := merged[keys[i]]
		if err := s.register(ctx, f.Account); err != nil {
			return err
		}
		fresh[i], err = s.addFact(ctx, keys[i], f)
		return err
	})
	for _, is := range fresh {
		if is {
			added++
		}
	}
	return added, err
}

// addFact stores a fact as new, which it mostly is, and merges it where it is
// not: the refusal carries the stored one.
//
//nolint:gocognit // the answers of one conditional write
func (s *Store) addFact(ctx context.Context, k key, f bootstrap.Fact) (fresh bool, err error) {
	was, value := row{}, f
	tried := map[string]bool{}
	for attempt := 1; attempt <= attempts; attempt++ {
		r, err := rowOf(k, value)
		if err != nil {
			return false, err
		}
		if was.doc == r.doc {
			return false, nil
		}
		if err := r.fits(); err != nil {
			return false, err
		}
		tried[r.version] = was.version == "" || was.expired(s.now())
		err = s.put(ctx, &r, was.version)
		if err == nil {
			return was.version == "" || was.expired(s.now()), nil
		}
		if !conflict(err) {
			return false, classed("storing fact "+f.ID, err)
		}
		var refused *types.ConditionalCheckFailedException
		if errors.As(err, &refused) && len(refused.Item) > 0 {
			was = rowFrom(refused.Item)
		} else {
			rows, err := s.read(ctx, k)
			if err != nil {
				return false, err
			}
			was = rows[k]
		}
		if first, ours := tried[was.version]; ours {
			return first, nil // it had gone through, and its answer got lost
		}
		value = f
		if was.version != "" {
			var old bootstrap.Fact
			if err := was.decode(s.now(), &old); err != nil {
				return false, err
			}
			value = bootstrap.Merge(old, f)
		}
		if attempt > 1 {
			if err := pause(ctx, attempt-1); err != nil {
				return false, fmt.Errorf("storing fact %s: %w", f.ID, err)
			}
		}
	}
	return false, fmt.Errorf("storing fact %s: others kept changing it", f.ID)
}

// Fact is guard.Facts's.
func (s *Store) Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error) {
	k := factRow(account, id)
	rows, err := s.read(ctx, k)
	if err != nil {
		return f, false, err
	}
	r := rows[k]
	if err := r.decode(s.now(), &f); err != nil {
		return f, false, err
	}
	return f, r.version != "" && !r.expired(s.now()), nil
}

// Facts is guard.Facts's.
func (s *Store) Facts(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	facts := []bootstrap.Fact{}
	err := s.Pages(ctx, account, "", func(page []bootstrap.Fact) error {
		facts = append(facts, page...)
		return nil
	})
	return facts, err
}

// Pages is accountcheck.FactRows': a page of DynamoDB's, of about 1 MB, at a time, with
// strong consistency.
func (s *Store) Pages(ctx context.Context, account, prefix string, fn func([]bootstrap.Fact) error) error {
	in := s.begins(partition(account), factPrefix+prefix)
	return s.eachPage(ctx, in, "facts of "+account, func(rows []row) error {
		now := s.now()
		rows = slices.DeleteFunc(rows, func(r row) bool { return r.expired(now) })
		facts, err := decoded[bootstrap.Fact](rows, now)
		if err != nil || len(facts) == 0 {
			return err
		}
		return fn(facts)
	})
}

// Remove is accountcheck.FactRows'. It has a row expire, which DynamoDB deletes later:
// no function may delete a row.
func (s *Store) Remove(ctx context.Context, facts []bootstrap.Fact) (removed int, err error) {
	keys := make([]key, len(facts))
	for i, f := range facts {
		keys[i] = factRow(f.Account, f.ID)
	}
	rows, err := s.read(ctx, keys...)
	if err != nil {
		return 0, err
	}
	var n atomic.Int64
	err = parallel(ctx, len(facts), workers, func(ctx context.Context, i int) error {
		was := rows[keys[i]]
		var is bootstrap.Fact
		if was.version == "" || was.expired(s.now()) {
			return nil
		}
		if err := was.decode(s.now(), &is); err != nil {
			return err
		}
		if !is.Equal(facts[i]) {
			return nil
		}
		r, err := rowOf(keys[i], struct{}{})
		if err != nil {
			return err
		}
		r.expires = s.now().Add(-24 * time.Hour).Unix() // also by a clock that is behind
		switch err := s.put(ctx, &r, was.version); {
		case err == nil:
			n.Add(1)
		case !conflict(err):
			return classed("removing fact "+facts[i].ID, err)
		}
		return nil // another changed it: it stays
	})
	return int(n.Load()), err
}
