package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdkiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"

	"rootguard/internal/aws/eventhistory"
	"rootguard/internal/aws/iam"
	"rootguard/internal/bolt"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
)

// watchFlags ask for a status that is followed.
type watchFlags struct {
	Watch      bool    `help:"Follow the steps as they are done, and name the next one and where it is in the console, until Ctrl-C or until all are done."`
	Every      span    `placeholder:"15s" help:"With --watch: how long to wait between two reads. Default: 15s, with --aws-lookup 1m."`
	AWSLookup  span    `name:"aws-lookup" group:"aws" placeholder:"1d" help:"With --watch, where rootguard is not deployed: read the Event history that CloudTrail keeps of your account, so far back. Events come there some minutes after they happen."`
	LookupRate float64 `group:"aws" default:"2" placeholder:"2" help:"With --aws-lookup: requests a second in a Region. AWS allows 2 for all who ask in an account."`
}

const (
	watchEvery  = 15 * time.Second
	lookupEvery = time.Minute
	// watchFailures is how many reads in a row may fail before a watch ends.
	watchFailures = 5
)

// check finds fault with how the flags go with others.
func (f watchFlags) check(c *statusCmd) error {
	switch {
	case !f.Watch && (f.Every != 0 || f.AWSLookup != 0):
		return usageError{"--every and --aws-lookup are about a watch: add --watch; replay --aws-lookup reads the Event history once"}
	case !f.Watch:
		return nil
	case c.JSON || c.AsOf != "":
		return usageError{"--watch follows the status as it is now: leave out --json and --as-of"}
	case len(c.Accounts) > 1:
		return usageError{"--watch follows one account: name one"}
	case f.Every != 0 && time.Duration(f.Every) < time.Second:
		return usageError{"--every must be 1s or more"}
	case f.AWSLookup != 0 && (c.AWS || c.Store != "" || c.Story):
		return usageError{"--aws-lookup reads the Event history, --aws the deployed table, --store and --story a local store: choose one"}
	case f.LookupRate <= 0:
		return usageError{"--lookup-rate must be more than 0"}
	case time.Duration(f.AWSLookup) > eventhistory.Span:
		return usageError{"--aws-lookup: CloudTrail's Event history has 90 days and no more"}
	}
	return nil
}

// every is how long to wait between two reads.
func (f watchFlags) every() time.Duration {
	switch {
	case f.Every > 0:
		return time.Duration(f.Every)
	case f.AWSLookup > 0:
		return lookupEvery
	default:
		return watchEvery
	}
}

// watch follows one account. Ctrl-C ends it without an error.
func (c statusCmd) watch(ctx context.Context, sys system) error {
	read := func(ctx context.Context) (accountStatus, int, error) { return c.read(ctx, sys, c.statusFlags) }
	if c.AWSLookup > 0 {
		dir, err := os.MkdirTemp("", "rootguard-watch-*")
		if err != nil {
			return fmt.Errorf("making a folder for the event history: %w", err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		read = func(ctx context.Context) (accountStatus, int, error) {
			return c.readHistory(ctx, sys, filepath.Join(dir, "watch.db"))
		}
	}
	w := watcher{sys: sys, every: c.every(), read: read}
	err := w.run(ctx)
	if ctx.Err() != nil {
		return nil // interrupted, as a watch is meant to be
	}
	return err
}

// read reads the status of the account once.
func (c statusCmd) read(ctx context.Context, sys system, from statusFlags) (s accountStatus, quietDays int, err error) {
	v, statuses, _, err := from.openRecords(ctx, sys, ids(c.Accounts))
	if err != nil {
		return s, 0, err
	}
	defer closing(v, &err)
	if len(statuses) > 1 {
		known := make([]string, len(statuses))
		for i, s := range statuses {
			known[i] = s.Account
		}
		return s, 0, usageError{"--watch follows one account: name one of " + list(known)}
	}
	s = statuses[0]
	if !v.live { // a local store is as old as its newest fact, root_quiet goes on
		facts, factsErr := v.Facts(ctx, s.Account)
		if factsErr != nil {
			return s, 0, factsErr
		}
		s.Status = bootstrap.Fold(s.Account, facts, v.policy, sys.now().UTC())
	}
	return s, v.policy.QuietDays, nil
}

// readHistory brings a store up to date from the Event history, and reads it.
func (c statusCmd) readHistory(ctx context.Context, sys system, path string) (accountStatus, int, error) {
	quiet := sys
	quiet.stdout, quiet.stderr, quiet.stdoutTerminal, quiet.stderrTerminal = io.Discard, io.Discard, false, false
	replay := replayCmd{
		storeFlag: storeFlag{Store: path}, policy: c.policy, names: c.names, Format: "text", Window: span(time.Minute),
		lookupFlags: lookupFlags{AWSLookup: c.AWSLookup, Profile: c.Profile, LookupRate: c.LookupRate},
	}
	if c.Region != "" {
		replay.Region = []string{c.Region}
	}
	var malformed malformedError
	if err := replay.Run(ctx, quiet); err != nil && !errors.As(err, &malformed) {
		return accountStatus{}, 0, err
	}
	if err := c.checkLive(ctx, sys, path); err != nil {
		return accountStatus{}, 0, err
	}
	from := c.statusFlags
	from.sourceFlags = sourceFlags{storeFlag: storeFlag{Store: path}}
	return c.read(ctx, sys, from)
}

// checkLive asks IAM about the root user and the roles of permission sets by which
// people signed in, of which no event shows all, and keeps the answers in the
// store. Without the permissions the steps are shown by events alone.
func (c statusCmd) checkLive(ctx context.Context, sys system, path string) (err error) {
	cfg, err := loadAWS(ctx, c.Profile, c.Region)
	if err != nil {
		return err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("finding out which account the credentials are of: %w", err)
	}
	account := aws.ToString(who.Account)
	client := iam.New(sdkiam.NewFromConfig(cfg))
	live, err := client.AccountSummary(ctx)
	if isDenied(err) {
		return nil
	}
	if err != nil {
		return err
	}
	st, err := storeFlag{Store: path}.open(sys, false)
	if err != nil {
		return err
	}
	defer closing(st, &err)
	facts, err := st.Facts(ctx, account)
	if err != nil {
		return err
	}
	found := []bootstrap.Fact{bootstrap.LiveFactOf(account, sys.now(), live)}
	for _, role := range bootstrap.SignInRoles(facts) {
		admin, err := client.AdminRole(ctx, role)
		if isDenied(err) {
			break
		}
		if err != nil {
			return err
		}
		found = append(found, bootstrap.RoleCheckedFact(account, role, admin, sys.now()))
	}
	_, err = st.Add(ctx, found)
	return err
}

// isDenied reports whether AWS refused a call for lack of a permission.
func isDenied(err error) bool {
	var answer smithy.APIError
	return errors.As(err, &answer) && slices.Contains(deniedCodes, answer.ErrorCode())
}

// watcher shows one account again and again.
type watcher struct {
	sys   system
	every time.Duration
	read  func(ctx context.Context) (s accountStatus, quietDays int, err error)

	last  *accountStatus
	lines int // drawn on the terminal, to be drawn over
	next  string
}

// run ends when all steps are done, when ctx is, or when reads keep failing.
func (w *watcher) run(ctx context.Context) error {
	failures := 0
	for {
		s, quietDays, err := w.read(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			var wrong usageError
			if failures++; isDenied(err) || w.last == nil || failures >= watchFailures || errors.As(err, &wrong) ||
				errors.Is(err, bolt.ErrNotStore) {
				return err
			}
			w.say(fmt.Sprintf("note: %s; reading again in %s\n", label.CleanText(inWords(err)), w.every))
		default:
			failures = 0
			if err := w.show(&s, quietDays); err != nil {
				return err
			}
			if s.Bootstrapped {
				return writeText(w.sys.stdout, "All steps are done.\n")
			}
		}
		if err := w.sys.wait(ctx, w.every); err != nil {
			return err
		}
	}
}

// say writes a note below what is shown, which is then drawn again.
func (w *watcher) say(text string) {
	w.lines = 0
	fmt.Fprint(w.sys.stderr, text)
}

// draws reports whether what is shown can be drawn over.
func (w *watcher) draws() bool { return w.sys.stdoutTerminal && w.sys.getenv("TERM") != "dumb" }

func (w *watcher) show(s *accountStatus, quietDays int) error {
	was := w.last
	w.last = s
	if w.draws() {
		text := w.screen(s, quietDays)
		over := ""
		if w.lines > 0 {
			over = fmt.Sprintf("\x1b[%dA\x1b[J", w.lines)
		}
		w.lines = strings.Count(text, "\n")
		return writeText(w.sys.stdout, over+text)
	}
	return writeText(w.sys.stdout, w.changes(was, s))
}

// screen is the account in a few lines, none wider than the terminal.
func (w *watcher) screen(s *accountStatus, quietDays int) string {
	v := statusView{paint: w.sys.paint(), unicode: w.sys.unicode(), quietDays: quietDays, width: w.sys.outputWidth()}
	done, of := label.Progress(s.Status)
	v.line(0, v.paint.bold, fmt.Sprintf("%s  %d of %d steps done", title(s), done, of))
	v.line(0, v.paint.faint, label.Time(w.sys.now())+", Ctrl-C ends")
	for i := range s.Steps {
		step := &s.Steps[i]
		text := v.stepName(step.Step) + ": " + label.State(step.State)
		if step.State == bootstrap.NotApplicable && step.Note != "" {
			text += ", " + step.Note
		}
		mark := label.Glyph(step.State, v.unicode)
		for n, l := range wrap(label.Clean(text), v.width-4) {
			if n > 0 {
				mark = " "
			}
			v.b.WriteString("  " + v.paint.in(stateColor(step.State), mark+" "+l) + "\n")
		}
	}
	if a, found := label.Next(&s.Status); found {
		v.line(0, v.paint.bold, "Next: "+v.stepName(a.Step))
		v.line(2, nil, label.Clean(a.Do))
		if a.Path != "" {
			v.line(2, nil, label.Clean(a.Path))
		}
	}
	return v.b.String()
}

// changes is a line for each step that is another than it was.
func (w *watcher) changes(was, s *accountStatus) string {
	var b strings.Builder
	at := w.sys.now().UTC().Format("2006-01-02 15:04:05Z")
	if was == nil {
		done, of := label.Progress(s.Status)
		fmt.Fprintf(&b, "%s %s: %d of %d steps done\n", at, title(s), done, of)
	}
	for i := range s.Steps {
		now := &s.Steps[i]
		from := bootstrap.Unknown
		if was != nil {
			from = was.Steps[i].State
		}
		if from == now.State && was != nil {
			continue
		}
		fmt.Fprintf(&b, "%s %s: %s", at, label.Step(now.Step), label.State(now.State))
		if was != nil {
			fmt.Fprintf(&b, ", was %s", label.State(from))
		}
		if e := now.Evidence; e != nil && was != nil {
			fmt.Fprintf(&b, " (%s", label.Clean(e.What))
			if e.Actor != "" {
				fmt.Fprintf(&b, " by %s", label.Clean(e.Actor))
			}
			b.WriteString(")")
		}
		b.WriteString("\n")
	}
	next := ""
	if a, found := label.Next(&s.Status); found {
		next = label.Clean("Next: " + a.Do)
		if a.Path != "" {
			next += " " + label.Clean(a.Path)
		}
	}
	if next != "" && next != w.next {
		fmt.Fprintf(&b, "%s %s\n", at, next)
	}
	w.next = next
	return b.String()
}

// title is an account's number and name.
func title(s *accountStatus) string {
	if s.AccountName == "" {
		return s.Account
	}
	return s.Account + "  " + label.Clean(s.AccountName)
}
