package testenv_test

import (
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"rootguard/internal/testenv"
)

// TestCheck holds that properties side by side each get their own number of cases,
// and the same cases each time.
func TestCheck(t *testing.T) {
	var mu sync.Mutex
	drawn := map[int][][]int{}
	t.Run("side by side", func(t *testing.T) {
		for _, n := range []int{10, 50, 10, 50} {
			t.Run("", func(t *testing.T) {
				t.Parallel()
				var all []int
				testenv.Check(t, n, func(rt *rapid.T) { all = append(all, rapid.IntRange(0, 1<<30).Draw(rt, "n")) })
				mu.Lock()
				defer mu.Unlock()
				drawn[n] = append(drawn[n], all)
			})
		}
	})
	scale := 100
	flag.Visit(func(f *flag.Flag) {
		if f.Name == "rapid.checks" {
			scale, _ = strconv.Atoi(f.Value.String())
		}
	})
	for n, runs := range drawn {
		if n = n * scale / 100; testenv.Race && scale == 100 {
			n /= 5
		}
		if len(runs[0]) != n || !slices.Equal(runs[0], runs[1]) {
			t.Errorf("%d cases: %d were run, again %d: %v, %v", n, len(runs[0]), len(runs[1]), runs[0], runs[1])
		}
	}
}

// TestTurn holds that nothing of a table is left out for good.
func TestTurn(t *testing.T) {
	var seen []string
	for n := range 3 {
		got := testenv.Turn(n, "a", "b", "c")
		if want := testenv.Size(3, 1); len(got) != want {
			t.Errorf("%d of three, want %d", len(got), want)
		}
		seen = append(seen, got...)
	}
	slices.Sort(seen)
	if got := strings.Join(slices.Compact(seen), ""); got != "abc" {
		t.Errorf("tried %q", got)
	}
}

// TestCheckIsUsed holds that no test goes past Check, which alone has a fixed seed.
func TestCheckIsUsed(t *testing.T) {
	past := regexp.MustCompile(`\brapid\.(Check|MakeCheck)\b`)
	err := filepath.WalkDir(testenv.Root(t), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") || d.Name() == "check_test.go" {
			return err
		}
		text, err := os.ReadFile(path)
		if past.Match(text) {
			t.Errorf("%s calls rapid itself: use testenv.Check", path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}
