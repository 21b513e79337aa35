package bolt

import (
	"bytes"
	"cmp"
	"container/heap"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	bbolt "go.etcd.io/bbolt"

	"rootguard/internal/guard"
)

// Accounts returns every account that has a fact or a claim, in order.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	var accounts []string
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		for _, bucket := range [][]byte{factsBucket, claimsByTimeBucket} {
			err := tx.Bucket(bucket).ForEachBucket(func(name []byte) error {
				accounts = append(accounts, string(name[1:]))
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing accounts: %w", err)
	}
	slices.Sort(accounts)
	return slices.Compact(accounts), nil
}

// Claims calls fn with the claim of every event of an account, of all accounts
// where account is "", in the order of event time. fn must not use the store;
// an error of it ends the listing and is returned.
func (s *Store) Claims(ctx context.Context, account string, fn func(guard.Claim) error) error {
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		var lists claimLists
		add := func(name []byte) error {
			if of := tx.Bucket(claimsByTimeBucket).Bucket(name); of != nil {
				l := &claimList{cursor: of.Cursor()}
				if l.next, _ = l.cursor.First(); l.next != nil {
					lists = append(lists, l)
				}
			}
			return nil
		}
		if account != "" {
			_ = add(accountName(account))
		} else if err := tx.Bucket(claimsByTimeBucket).ForEachBucket(add); err != nil {
			return err
		}
		heap.Init(&lists)
		claims := tx.Bucket(claimsBucket)
		for len(lists) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			l := lists[0]
			var c guard.Claim
			if err := get(claims, string(l.next[timeSize:]), &c); err != nil {
				return err
			}
			if err := fn(c); err != nil {
				return err
			}
			if l.next, _ = l.cursor.Next(); l.next == nil {
				heap.Pop(&lists)
			} else {
				heap.Fix(&lists, 0)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("listing claims: %w", err)
	}
	return nil
}

// claimList is one account's claims by time, from next on.
type claimList struct {
	cursor *bbolt.Cursor
	next   []byte
}

// claimLists is a heap of those, the earliest next first.
type claimLists []*claimList

func (l claimLists) Len() int           { return len(l) }
func (l claimLists) Less(i, j int) bool { return bytes.Compare(l[i].next, l[j].next) < 0 }
func (l claimLists) Swap(i, j int)      { l[i], l[j] = l[j], l[i] }

// Push is heap.Interface's.
func (l *claimLists) Push(x any) { *l = append(*l, x.(*claimList)) }

// Pop is heap.Interface's.
func (l *claimLists) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}

// Claim returns the claims of an event, of each account that has it.
func (s *Store) Claim(ctx context.Context, eventID string) ([]guard.Claim, error) {
	var found []guard.Claim
	prefix := eventPrefix(eventID)
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		cur := tx.Bucket(claimsByEventBucket).Cursor()
		claims := tx.Bucket(claimsBucket)
		for k, _ := cur.Seek(prefix); bytes.HasPrefix(k, prefix); k, _ = cur.Next() {
			var c guard.Claim
			if err := get(claims, string(k[len(prefix):]), &c); err != nil {
				return err
			}
			if c.Finding != nil && c.Finding.EventID == eventID {
				found = append(found, c)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading claims of event %s: %w", eventID, err)
	}
	return found, nil
}

// Groups returns every group of an account, of all accounts where account is "", in
// the order they were opened.
func (s *Store) Groups(ctx context.Context, account string) ([]guard.Group, error) {
	var groups []guard.Group
	err := s.read(ctx, func(tx *bbolt.Tx) error {
		return tx.Bucket(windowsBucket).ForEach(func(k, raw []byte) error {
			var gr guard.Group
			if err := json.Unmarshal(raw, &gr); err != nil {
				return fmt.Errorf("decoding group %s: %w", k, err)
			}
			if account == "" || gr.Finding.Account == account {
				groups = append(groups, gr)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("listing groups: %w", err)
	}
	slices.SortFunc(groups, func(a, b guard.Group) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Key, b.Key))
	})
	return groups, nil
}
