package guard

import (
	"context"

	"rootguard/internal/bootstrap"
)

// userFacts are the facts of an account that tell of users, by name or ID, and of
// groups. Of the others at most a page is in memory.
func (g *Guard) userFacts(ctx context.Context, account string, users ...string) ([]bootstrap.Fact, error) {
	if g.deps.FactRows == nil {
		return g.deps.Journal.Facts(ctx, account)
	}
	about := bootstrap.NewAbout(users...)
	for {
		err := g.deps.FactRows.Pages(ctx, account, "", func(page []bootstrap.Fact) error {
			about.Add(page)
			return nil
		})
		if err != nil {
			return nil, err
		}
		if facts, whole := about.Facts(); whole {
			return facts, nil
		}
	}
}

// quarantined are the users of rows, by name and ID.
func quarantined(due []Quarantine) []string {
	users := make([]string, 0, 2*len(due))
	for i := range due {
		users = append(users, due[i].User, due[i].UserID)
	}
	return users
}

// rootPrefixes begin the IDs of all facts that a status of root rests on, but for
// live checks.
var rootPrefixes = []string{"root_", string(bootstrap.AssumedRoot) + "/"}

// rootUse are the facts of what root did in an account, and of the sessions of
// sts:AssumeRoot: no other is read.
func (g *Guard) rootUse(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	return g.underPrefixes(ctx, account, rootPrefixes, func(*bootstrap.Fact) bool { return true })
}

// rootFacts are rootUse and the live checks of root.
func (g *Guard) rootFacts(ctx context.Context, account string) ([]bootstrap.Fact, error) {
	return g.underPrefixes(ctx, account, append([]string{string(bootstrap.Live) + "/"}, rootPrefixes...), aboutRoot)
}

func (g *Guard) underPrefixes(ctx context.Context, account string, prefixes []string, want func(*bootstrap.Fact) bool) ([]bootstrap.Fact, error) {
	if g.deps.FactRows == nil {
		return g.deps.Journal.Facts(ctx, account)
	}
	var facts []bootstrap.Fact
	for _, prefix := range prefixes {
		err := g.deps.FactRows.Pages(ctx, account, prefix, func(page []bootstrap.Fact) error {
			for i := range page {
				if want(&page[i]) {
					facts = append(facts, page[i])
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return facts, nil
}
