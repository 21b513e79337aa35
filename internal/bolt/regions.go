package bolt

import (
	"context"
	"fmt"
	"maps"
	"slices"

	bbolt "go.etcd.io/bbolt"
)

// AddRegions adds, by account, Regions in which events of the account were read.
func (s *Store) AddRegions(ctx context.Context, regions map[string][]string) error {
	err := s.write(ctx, func(tx *bbolt.Tx) error {
		b, err := tx.CreateBucketIfNotExists(regionsBucket)
		if err != nil {
			return fmt.Errorf("creating bucket %s: %w", regionsBucket, err)
		}
		for _, account := range slices.Sorted(maps.Keys(regions)) {
			var known []string
			if err := get(b, account, &known); err != nil {
				return err
			}
			all := slices.Concat(known, regions[account])
			slices.Sort(all)
			if all = slices.Compact(all); len(all) == len(known) {
				continue
			}
			if err := put(b, account, all); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the Regions of %d accounts: %w", len(regions), err)
	}
	return nil
}

// Regions are those in which events of an account were read, in order; none of an
// account that was read by a version that did not store them.
func (s *Store) Regions(ctx context.Context, account string) (regions []string, err error) {
	err = s.read(ctx, func(tx *bbolt.Tx) error {
		b := tx.Bucket(regionsBucket)
		if b == nil {
			return nil
		}
		return get(b, account, &regions)
	})
	if err != nil {
		return nil, fmt.Errorf("reading the Regions of account %s: %w", account, err)
	}
	return regions, nil
}
