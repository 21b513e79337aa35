package dynamodb

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"rootguard/internal/guard"
)

// Revise is guard.Rounds'. It fails where others keep changing the same row for
// several seconds, and repeats decide until then.
func (s *Store) Revise(ctx context.Context, roundKey string, decide func(guard.Round) guard.Round) error {
	k := roundRow(roundKey)
	return change(ctx, s, k, "round "+roundKey, func(r guard.Round) (out row, write bool, err error) {
		if r = decide(r); r.Key == "" {
			return row{}, false, nil
		}
		if r.Key != roundKey {
			return row{}, false, guard.Permanent(fmt.Errorf("storing round %q: only %q was read", r.Key, roundKey))
		}
		if err := s.register(ctx, r.Account); err != nil {
			return row{}, false, err
		}
		if out, err = rowOf(k, r); err != nil {
			return row{}, false, err
		}
		if !r.Due.IsZero() && r.Kind != guard.CensusRound {
			out.shard, out.due = dueShardOf(shardsOf(r.Kind), roundKey), dueAt(r.Due)
		}
		return out, true, nil
	})
}

func shardsOf(kind guard.RoundKind) string { return roundShard + string(kind) + "#" }

// Rounds is guard.Rounds'.
func (s *Store) Rounds(ctx context.Context, kind guard.RoundKind, at time.Time, limit int) ([]guard.Round, error) {
	isDue := func(r guard.Round) bool { return r.Kind == kind && !r.Due.IsZero() && !r.Due.After(at) }
	return due(ctx, s, shardsOf(kind), at, limit, isDue, func(a, b guard.Round) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
}
