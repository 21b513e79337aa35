package lambdas_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"

	"rootguard/infra/lambdabuild"
	"rootguard/internal/config"
	"rootguard/internal/lambdatest"
	"rootguard/internal/testenv"
)

const (
	benchStarts      = 15
	benchInvocations = 200

	// The goals, of each function.
	goalZip  = 6 << 20
	goalInit = 40 * time.Millisecond
	goalRSS  = 40 << 20
)

// measured are the figures of one function.
type measured struct {
	init  time.Duration // median over benchStarts, from exec to the first /next
	idle  time.Duration // median, of a record that asks for nothing
	alert time.Duration // median, of a root sign-in: table and topic are in this process
	rss   int64         // most memory resident over benchInvocations of the latter
	zip   int64         // of the archive that is deployed, for arm64
}

// BenchmarkFunctions compares the functions with the least one there can be,
// prints a table, and fails where one misses its goals.
func BenchmarkFunctions(b *testing.B) {
	for b.Loop() {
		names := []string{"hello", "rootactivity", "iamuser", "sweep"}
		binaries := map[string]string{"hello": buildHello(b)}
		figures := map[string]*measured{}
		for _, name := range names {
			figures[name] = &measured{}
			if name == "hello" {
				continue
			}
			binaries[name] = binary(b, name)
			arm, err := lambdabuild.Build(b.Context(), testenv.Root(b), name, lambdabuild.ARM64)
			if err != nil {
				b.Fatal(err)
			}
			info, err := os.Stat(arm.Zip)
			if err != nil {
				b.Fatal(err)
			}
			figures[name].zip = info.Size()
		}
		measureInit(b, names, binaries, figures)
		for _, name := range names {
			measureWarm(b, binaries[name], figures[name])
		}
		report(b, names, figures)
	}
}

func buildHello(b *testing.B) string {
	b.Helper()
	path := filepath.Join(b.TempDir(), "bootstrap")
	cmd := exec.CommandContext(b.Context(), "go", "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=", "-o", path, "./testdata/hello")
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+runtime.GOARCH, "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("building hello: %v\n%s", err, out)
	}
	return path
}

// measureInit starts the functions in turn, so that what else the machine does
// meets all of them.
func measureInit(b *testing.B, names []string, binaries map[string]string, figures map[string]*measured) {
	b.Helper()
	c := newCloud(b)
	all := map[string][]time.Duration{}
	for range benchStarts {
		for _, name := range names {
			f, err := lambdatest.Start(b.Context(), lambdatest.Options{Binary: binaries[name], Env: c.env})
			if err != nil {
				b.Fatal(err)
			}
			all[name] = append(all[name], f.Init)
			if err := f.Close(); err != nil {
				b.Fatal(err)
			}
		}
	}
	for name, durations := range all {
		figures[name].init = median(durations)
	}
}

func measureWarm(b *testing.B, path string, m *measured) {
	b.Helper()
	c := newCloud(b)
	f, err := lambdatest.Start(b.Context(), lambdatest.Options{Binary: path, Env: c.env})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	run := func(event func(i int) []byte) time.Duration {
		var all []time.Duration
		for i := range benchInvocations {
			res, err := f.Invoke(b.Context(), event(i))
			if err != nil || res.Error != nil {
				b.Fatalf("invocation %d: %v, %v", i, err, res.Error)
			}
			all = append(all, res.Took)
		}
		return median(all)
	}
	nothing := c.record("e", "iam.amazonaws.com", "ListUsers", map[string]any{"readOnly": true})
	m.idle = run(func(int) []byte { return nothing })
	m.alert = run(func(i int) []byte { return c.rootSignIn(fmt.Sprintf("e-%d", i), "No", "Success") })
	if m.rss, err = f.MaxRSS(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSweep has 10,000 users due at once, 5,000 in each of two accounts,
// which is all that IAM lets one have, and prints what a sweep that is called
// until none is left makes of it. It fails where one takes more than goalHistory.
func BenchmarkSweep(b *testing.B) {
	const each = 5000
	for b.Loop() {
		c := newCloud(b)
		c.env[config.EnvMemberRole] = "rootguard-member"
		c.iam.AllowRole("arn:aws:iam::" + member + ":role/rootguard-member")
		c.due(b, account, each)
		c.due(b, member, each)
		f, err := lambdatest.Start(b.Context(), lambdatest.Options{Binary: binary(b, "sweep"), Env: c.env, Timeout: 4 * time.Minute})
		if err != nil {
			b.Fatal(err)
		}
		var took, longest time.Duration
		at, runs, rows, calls := time.Now(), 0, c.table.Total(), len(c.iam.Calls())
		for ; runs == 0 || c.stillDue(b) > 0; runs++ {
			res, err := f.Invoke(b.Context(), scheduled(at))
			if err != nil || res.Error != nil {
				b.Fatalf("run %d: %v, %v", runs, err, res.Error)
			}
			took, longest = took+res.Took, max(longest, res.Took)
		}
		rows, calls = c.table.Total()-rows, len(c.iam.Calls())-calls
		if res, err := f.Invoke(b.Context(), scheduled(at.Add(20*time.Minute))); err != nil || res.Error != nil {
			b.Fatalf("sending roll-ups: %v, %v", err, res.Error)
		}
		rss, err := f.MaxRSS()
		if err != nil {
			b.Fatal(err)
		}
		users, alerts, copies := c.missing(b)
		if users != 2*each || copies != 0 {
			b.Errorf("%d users were reported, with %d copies", users, copies)
		}
		b.Logf("%d users in %d alerts by %d runs, the longest %v, %.0f users/s, %.1f requests of the table and %.1f of IAM a user, at most %.0f MB",
			users, alerts, runs, longest.Round(100*time.Millisecond), 2*each/took.Seconds(), float64(rows)/(2*each), float64(calls)/(2*each), mb(rss))
		if rss > goalHistory {
			b.Errorf("it took more than %d MB", goalHistory>>20)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

func report(b *testing.B, names []string, figures map[string]*measured) {
	b.Helper()
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tinit ms\twarm ms, nothing to do\twarm ms, alert\tmax RSS MB\tzip MB\t")
	hello := figures["hello"]
	for _, name := range names {
		m := figures[name]
		zip := "-"
		if m.zip > 0 {
			zip = fmt.Sprintf("%.1f", mb(m.zip))
		}
		fmt.Fprintf(w, "%s\t%.1f\t%.2f\t%.2f\t%.1f\t%s\t\n", name, millis(m.init), millis(m.idle), millis(m.alert), mb(m.rss), zip)
	}
	for _, name := range names[1:] {
		m := figures[name]
		fmt.Fprintf(w, "%s / hello\t%.2f\t%.2f\t%.2f\t%.2f\t\t\n", name, ratio(m.init, hello.init), ratio(m.idle, hello.idle), ratio(m.alert, hello.alert), ratio(m.rss, hello.rss))
		if m.zip >= goalZip || m.init >= goalInit || m.rss >= goalRSS {
			b.Errorf("%s misses a goal: zip under %d MB, init under %v, RSS under %d MB", name, goalZip>>20, goalInit, goalRSS>>20)
		}
	}
	_ = w.Flush() // a Builder takes all
	b.Logf("medians of %d starts and %d invocations\n%s", benchStarts, benchInvocations, text.String())
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func mb(n int64) float64 { return float64(n) / (1 << 20) }

func ratio[T time.Duration | int64](a, b T) float64 { return float64(a) / float64(b) }
