package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"rootguard/internal/bolt"
	"rootguard/internal/cli/story"
)

// storeEnv names the variable that says where the store is.
const storeEnv = "ROOTGUARD_STORE"

// storeFile is the store's name in the data folder.
const storeFile = "rootguard.db"

// storeFlag says where the store is.
type storeFlag struct {
	Store string `placeholder:"FILE" predictor:"path" help:"The store: what was reported and what is known ($$ROOTGUARD_STORE). Default: rootguard.db in your data folder; for the bundled story, story.db beside it."`
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
	name := storeFile
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
// their IDs are of AWS's documentation and belong to no one.
func (n names) known() map[string]string {
	known := story.AccountNames()
	for _, a := range n.AccountName {
		known[string(a.id)] = a.name
	}
	return known
}

func list(accounts []string) string {
	if len(accounts) == 0 {
		return "none"
	}
	return strings.Join(accounts, ", ")
}
