package dynamodb

import (
	"cmp"
	"context"
	"slices"

	"rootguard/internal/guard"
	"rootguard/internal/keys"
)

// Accounts returns every account that has facts or findings or is checked, in
// order. It is accountcheck.Rounds' too.
func (s *Store) Accounts(ctx context.Context) ([]string, error) {
	rows, err := s.query(ctx, accountsPartition, accountPrefix)
	if err != nil {
		return nil, err
	}
	accounts, err := decoded[string](rows, s.now())
	if err != nil {
		return nil, err
	}
	slices.Sort(accounts)
	return accounts, nil
}

// Claims calls fn with the claim of every event of an account, of all accounts
// where account is "", in the order of event time. An error of fn ends the
// listing and is returned.
func (s *Store) Claims(ctx context.Context, account string, fn func(guard.Claim) error) error {
	claims, err := all[guard.Claim](ctx, s, account, claimPrefix)
	if err != nil {
		return err
	}
	claims = slices.DeleteFunc(claims, func(c guard.Claim) bool { return c.Finding == nil }) // of roll-ups
	slices.SortFunc(claims, func(a, b guard.Claim) int {
		return cmp.Or(a.Finding.EventTime.Compare(b.Finding.EventTime), cmp.Compare(a.Key, b.Key))
	})
	for _, c := range claims {
		if err := fn(c); err != nil {
			return err
		}
	}
	return nil
}

// Claim returns the claims of an event, of each account that has it.
func (s *Store) Claim(ctx context.Context, eventID string) ([]guard.Claim, error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	wanted := make([]key, len(accounts))
	for i, account := range accounts {
		wanted[i] = claimRow(keys.Claim(account, eventID))
	}
	rows, err := s.read(ctx, wanted...)
	if err != nil {
		return nil, err
	}
	var found []guard.Claim
	for _, k := range wanted {
		var c guard.Claim
		r := rows[k]
		if err := r.decode(s.now(), &c); err != nil {
			return nil, err
		}
		if c.Finding != nil && c.Finding.EventID == eventID {
			found = append(found, c)
		}
	}
	return found, nil
}

// Groups returns every group of an account, of all accounts where account is "", in
// the order they were opened.
func (s *Store) Groups(ctx context.Context, account string) ([]guard.Group, error) {
	groups, err := all[guard.Group](ctx, s, account, windowPrefix)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(groups, func(a, b guard.Group) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Key, b.Key))
	})
	return groups, nil
}

// all returns the rows of one kind, of an account or of all.
func all[T any](ctx context.Context, s *Store, account, prefix string) ([]T, error) {
	accounts := []string{account}
	if account == "" {
		var err error
		if accounts, err = s.Accounts(ctx); err != nil {
			return nil, err
		}
	}
	of := make([][]T, len(accounts))
	err := parallel(ctx, len(accounts), workers, func(ctx context.Context, i int) error {
		rows, err := s.query(ctx, partition(accounts[i]), prefix)
		if err != nil {
			return err
		}
		of[i], err = decoded[T](rows, s.now())
		return err
	})
	return slices.Concat(of...), err
}
