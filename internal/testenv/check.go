package testenv

import (
	"flag"
	"os"
	"strconv"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// seed is where the cases of every property begin unless -rapid.seed says otherwise,
// so that the same change passes or fails each time.
const seed = 20240229

// raceShare is which part of a property's cases the race detector runs: it makes
// each five to ten times as slow.
const raceShare = 5

// checking is held while a property reads rapid's flags, which are the process's.
var checking sync.Mutex

// Check runs a property over n random cases, or a fifth of them under the race
// detector. -rapid.checks and RAPID_CHECKS give every property that many instead;
// -rapid.seed and RAPID_SEED another seed, 0 one by chance. It may run beside others.
func Check(t *testing.T, n int, prop func(*rapid.T)) {
	t.Helper()
	checking.Lock()
	begun := sync.OnceFunc(checking.Unlock)
	defer begun()
	if Race {
		n = (n + raceShare - 1) / raceShare
	}
	unlessGiven(t, "rapid.checks", "RAPID_CHECKS", strconv.Itoa(n))
	unlessGiven(t, "rapid.seed", "RAPID_SEED", strconv.Itoa(seed))
	rapid.Check(t, func(rt *rapid.T) {
		begun() // rapid read its flags
		prop(rt)
	})
}

// unlessGiven sets a flag that neither the command line nor the environment gave.
func unlessGiven(t *testing.T, name, env, value string) {
	t.Helper()
	_, given := os.LookupEnv(env)
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	if given {
		return
	}
	// Not flag.Set, after which the flag would count as given.
	if err := flag.Lookup(name).Value.Set(value); err != nil {
		t.Fatalf("setting -%s: %v", name, err)
	}
}

// Size is how large a test makes its load: full, or small under the race detector.
func Size(full, small int) int {
	if Race {
		return small
	}
	return full
}

// Turn lists what a table tries at its n-th place: all, or under the race detector
// one, by turns.
func Turn[T any](n int, all ...T) []T {
	if Race {
		n %= len(all)
		return all[n : n+1]
	}
	return all
}
