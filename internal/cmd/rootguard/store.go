package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"rootguard/internal/bolt"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cmd/rootguard/report"
	"rootguard/internal/cmd/rootguard/story"
	"rootguard/internal/guard"
)

// storeEnv names the variable that says where the store is.
const storeEnv = "ROOTGUARD_STORE"

// storeFlag says where the store is.
type storeFlag struct {
	Store string `placeholder:"FILE" predictor:"path" help:"The store: what was told and what is known ($$ROOTGUARD_STORE). Default: rootguard.db in your data folder; for the bundled story, story.db beside it."`
}

// storyFlag asks for the store that the bundled story is kept in.
type storyFlag struct {
	Story bool `help:"Use the store of the bundled story, where --store names no other."`
}

// store is an open store.
type store struct {
	*bolt.Store
	path   string
	story  bool // its records are those of the bundled story
	chosen bool // the user named it
}

// place is where the store is, and whether it is the bundled story's.
func (f storeFlag) place(sys system, ofStory bool) (*store, error) {
	path := f.Store
	if path == "" {
		path = sys.getenv(storeEnv)
	}
	if path != "" {
		path, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("finding the store: %w", err)
		}
		return &store{path: path, story: ofStory, chosen: true}, nil
	}
	dir, err := sys.dataDir()
	if err != nil {
		return nil, err
	}
	name := "rootguard.db"
	if ofStory {
		name = "story.db"
	}
	return &store{path: filepath.Join(dir, name), story: ofStory}, nil
}

// open opens the store to be written to, and makes it where there is none.
func (f storeFlag) open(sys system, ofStory bool) (*store, error) {
	st, err := f.place(sys, ofStory)
	if err != nil {
		return nil, err
	}
	if st.Store, err = bolt.Open(st.path); err != nil {
		return nil, st.advise(err)
	}
	return st, nil
}

// read opens the store to be read. Where the user named none and has only that
// of the story, it is that.
func (f storeFlag) read(sys system, s storyFlag) (*store, error) {
	st, err := f.place(sys, s.Story)
	if err != nil {
		return nil, err
	}
	_, err = os.Stat(st.path)
	if errors.Is(err, fs.ErrNotExist) && !st.chosen && !s.Story {
		if of, placeErr := f.place(sys, true); placeErr == nil {
			if _, statErr := os.Stat(of.path); statErr == nil {
				st, err = of, nil
			}
		}
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no store at %s yet; rootguard replay PATH makes one, and rootguard replay alone one of the bundled story", st.path)
	}
	if err != nil {
		return nil, fmt.Errorf("looking for the store: %w", err)
	}
	if st.Store, err = bolt.OpenReadOnly(st.path); err != nil {
		return nil, st.advise(err)
	}
	return st, nil
}

// advise adds to an error of opening the store what to do about it.
func (s *store) advise(err error) error {
	var path *fs.PathError
	switch {
	case errors.Is(err, bolt.ErrLocked):
		return fmt.Errorf("%w; wait until it has ended, or name another store with --store", err)
	case errors.Is(err, bolt.ErrNotStore):
		return fmt.Errorf("%w; name another file with --store, and replay makes a store there", err)
	case errors.As(err, &path) && !s.chosen:
		return fmt.Errorf("%w; name another place with --store or %s", err, storeEnv)
	default:
		return err
	}
}

// flags are what a command must be given, in the same environment, to use the same store.
func (s *store) flags(sys system) string {
	switch {
	case s.chosen && sys.getenv(storeEnv) == "":
		return " --store " + quoted(s.path)
	case s.story && !s.chosen:
		return " --story"
	default:
		return ""
	}
}

// quoted is a word for a shell.
func quoted(word string) string {
	if !strings.ContainsAny(word, " \t\"'`$&|;<>()*?[]#~\\") {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// known are the names of accounts. The story's accounts have theirs always:
// their IDs are of AWS's documentation and belong to nobody.
func (n names) known() map[string]string {
	known := story.AccountNames()
	for _, a := range n.AccountName {
		known[string(a.id)] = a.name
	}
	return known
}

// standing are the flags of a command that shows how accounts stand.
type standing struct {
	storeFlag
	storyFlag
	policy
	names
	AsOf moment `name:"as-of" placeholder:"WHEN" help:"Show accounts as they stood then (2026-03-02, 7d). Default: the newest fact of each, since logs cannot speak for later."`
}

// look opens the store and reads the statuses of the accounts from it, of all
// where none is named. Where it fails, it leaves no store open.
func (s standing) look(ctx context.Context, sys system, accounts []accountID) (st *store, statuses []accountStatus, asOf time.Time, err error) {
	opt, err := s.options()
	if err != nil {
		return nil, nil, asOf, err
	}
	if asOf, err = s.AsOf.at("as-of", sys.now()); err != nil {
		return nil, nil, asOf, err
	}
	if st, err = s.read(sys, s.storyFlag); err != nil {
		return nil, nil, asOf, err
	}
	if statuses, err = st.statuses(ctx, accounts, opt, asOf, s.known()); err != nil {
		return nil, nil, asOf, errors.Join(err, st.Close())
	}
	return st, statuses, asOf, nil
}

// statuses are those of the accounts, of all in the store where none is named.
// A zero asOf is the time of the newest fact of each account.
func (s *store) statuses(ctx context.Context, accounts []accountID, opt bootstrap.Options, asOf time.Time, known map[string]string) ([]accountStatus, error) {
	all, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	wanted := all
	if len(accounts) > 0 {
		wanted = nil
		for _, a := range accounts {
			if !slices.Contains(all, string(a)) {
				return nil, fmt.Errorf("account %s is not in the store %s; it knows %s", a, s.path, list(all))
			}
			wanted = append(wanted, string(a))
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("the store %s knows no account yet: nothing relevant was replayed into it", s.path)
	}
	out := make([]accountStatus, 0, len(wanted))
	for _, a := range wanted {
		facts, err := s.Facts(ctx, a)
		if err != nil {
			return nil, err
		}
		out = append(out, accountStatus{AccountName: known[a], Status: bootstrap.Fold(a, facts, opt, asOf)})
	}
	return out, nil
}

func list(accounts []string) string {
	if len(accounts) == 0 {
		return "none"
	}
	return strings.Join(accounts, ", ")
}

// alerts are the account's alerts, each with the repeats that were counted with it.
func (s *store) alerts(ctx context.Context, account string) ([]report.Alert, error) {
	var out []report.Alert
	latest := map[string]int{} // by window: the place in out of its latest alert
	early := map[string][]guard.Claim{}
	err := s.Claims(ctx, account, func(c guard.Claim) error {
		i, open := latest[c.Window]
		switch {
		case c.State == guard.Folded && open:
			out[i].RolledUp++
		case c.State == guard.Folded:
			early[c.Window] = append(early[c.Window], c)
		default:
			if c.Window != "" {
				latest[c.Window] = len(out)
			}
			out = append(out, report.Alert{Finding: *c.Finding, RolledUp: len(early[c.Window])})
			delete(early, c.Window)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, window := range slices.Sorted(maps.Keys(early)) { // repeats of an alert that the store lacks
		held := early[window]
		out = append(out, report.Alert{Finding: *held[0].Finding, RolledUp: len(held) - 1})
	}
	return out, nil
}

// factsOf are the facts that an event added.
func (s *store) factsOf(ctx context.Context, event string) ([]bootstrap.Fact, error) {
	accounts, err := s.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var out []bootstrap.Fact
	for _, a := range accounts {
		facts, err := s.Facts(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			if f.EventID == event || f.LastEventID == event {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b bootstrap.Fact) int { return strings.Compare(a.Account+a.ID, b.Account+b.ID) })
	return out, nil
}
