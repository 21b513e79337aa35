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
// detector. -rapid.checks and RAPID_CHECKS, whose default is 100, scale that: with
// 2000 there are 20 times as many, whatever watches. -rapid.seed and RAPID_SEED give
// another seed, 0 a random one. It may run beside others.
func Check(t *testing.T, n int, prop func(*rapid.T)) {
	t.Helper()
	checking.Lock()
	checks, seeds := flag.Lookup("rapid.checks"), flag.Lookup("rapid.seed")
	was := checks.Value.String()
	begun := sync.OnceFunc(func() {
		defer checking.Unlock()
		set(t, checks, was)
	})
	defer begun()
	if given(checks, "RAPID_CHECKS") {
		scale, err := strconv.Atoi(was)
		if err != nil {
			t.Fatalf("reading -rapid.checks: %v", err)
		}
		n = max(1, n*scale/100)
	} else if Race {
		n = (n + raceShare - 1) / raceShare
	}
	set(t, checks, strconv.Itoa(n))
	if !given(seeds, "RAPID_SEED") {
		set(t, seeds, strconv.Itoa(seed))
	}
	rapid.Check(t, func(rt *rapid.T) {
		begun() // rapid read its flags
		prop(rt)
	})
}

// given reports whether the command line or the environment set a flag.
func given(one *flag.Flag, env string) bool {
	_, found := os.LookupEnv(env)
	flag.Visit(func(f *flag.Flag) { found = found || f == one })
	return found
}

// set is not flag.Set, after which the flag would count as given.
func set(t *testing.T, one *flag.Flag, value string) {
	t.Helper()
	if err := one.Value.Set(value); err != nil {
		t.Fatalf("setting -%s: %v", one.Name, err)
	}
}

// Soak leaves a test, or a part of one, to make soak where the race detector watches:
// what takes long, and runs in processes that it does not see or has only goroutines
// that other tests start too. Each test that calls this, Check, Size or Turn is run by
// make soak, see internal/cmd/soaked.
func Soak(tb testing.TB) {
	tb.Helper()
	if Race {
		tb.Skip("left to make soak: it takes long and the race detector would see little")
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
