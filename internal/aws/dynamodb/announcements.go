package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/announcement"
	"rootguard/internal/guard"
)

// Append is announcement.Store'.
func (s *Store) Append(ctx context.Context, e announcement.AuditEvent) (announcement.AuditEvent, error) {
	return appended(ctx, s, timedRow(announcementPrefix, e.Key), e.Account, "entry "+e.Key, 0, e)
}

// appended stores what happened to an account under its key, unless there is something,
// and returns what is there then. It expires in a second since 1970; 0 is never.
func appended[T any](ctx context.Context, s *Store, k key, account, what string, expires int64, e T) (there T, err error) {
	r, err := rowOf(k, e)
	if err != nil {
		return there, err
	}
	r.expires = expires
	if err := r.fits(); err != nil {
		return there, err
	}
	if err := s.register(ctx, account); err != nil {
		return there, err
	}
	var refused *types.ConditionalCheckFailedException
	if err := s.put(ctx, &r, ""); err != nil && !errors.As(err, &refused) {
		return there, classed("storing "+what, err)
	}
	rows, err := s.read(ctx, k)
	if err != nil {
		return there, err
	}
	at := rows[k]
	err = at.decode(s.now(), &there)
	return there, err
}

// Entries is announcement.Store'.
func (s *Store) Entries(ctx context.Context, account string, from, to time.Time) ([]announcement.AuditEvent, error) {
	rows, err := s.between(ctx, partition(account), announcementPrefix, from, to)
	if err != nil {
		return nil, err
	}
	entries, err := decoded[announcement.AuditEvent](rows, s.now())
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e announcement.AuditEvent) bool { return e.From.Before(from) || e.From.After(to) })
	sortEntries(entries)
	return entries, nil
}

// AllEntries returns the entries of an account, of all accounts where account is
// "", by From.
func (s *Store) AllEntries(ctx context.Context, account string) ([]announcement.AuditEvent, error) {
	entries, err := all[announcement.AuditEvent](ctx, s, account, announcementPrefix)
	if err != nil {
		return nil, err
	}
	sortEntries(entries)
	return entries, nil
}

func sortEntries(entries []announcement.AuditEvent) {
	slices.SortFunc(entries, func(a, b announcement.AuditEvent) int {
		return cmp.Or(a.From.Compare(b.From), cmp.Compare(a.Key, b.Key))
	})
}

// announcedShard is the partition of the index with what was judged under an announcement.
func announcedShard(announcement string) string {
	return fit(announcedPartition+announcement, maxPartitionKey)
}

// ClaimsDuring is announcement.Store'. It costs what it hands on, and holds a page of it.
func (s *Store) ClaimsDuring(ctx context.Context, announcement string, fn func(guard.Claim) error) error {
	end := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	malformed, err := pages(ctx, s, announcedShard(announcement), end, maxBatchGet, func(page []guard.Claim) (bool, error) {
		for _, c := range page {
			if c.Finding == nil || c.Finding.Announced == nil || c.Finding.Announced.ID != announcement {
				continue
			}
			if err := fn(c); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	if err = cmp.Or(err, malformed); err != nil {
		return fmt.Errorf("reading what was done under announcement %s: %w", announcement, err)
	}
	return nil
}
