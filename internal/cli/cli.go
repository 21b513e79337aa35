// Package cli is the rootguard command: its commands on logs, and those on a
// deployed guardrail.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/willabides/kongplete"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/lazyre"
)

// The exit codes.
const (
	exitOK        = 0
	exitError     = 1
	exitUsage     = 2
	exitMalformed = 3 // it was done, but some input was malformed
	exitWarning   = 4 // doctor: something is not as it should, or could not be checked
	exitFailed    = 5 // doctor: something does not work
)

// commandLine is the command line.
type commandLine struct {
	Replay     replayCmd     `cmd:"" help:"Replay CloudTrail logs and print what rootguard would have reported."`
	Status     statusCmd     `cmd:"" help:"Show the status of accounts: a checklist with evidence."`
	Report     reportCmd     `cmd:"" help:"Write a self-contained HTML page of accounts and findings."`
	Enroll     enrollCmd     `cmd:"" aliases:"adopt" help:"Make accounts known to the deployed rootguard, and check their root and users at once."`
	Doctor     doctorCmd     `cmd:"" help:"Check that every part of the deployed rootguard works, and say what fixes it."`
	Deploy     deployCmd     `cmd:"" help:"Deploy rootguard to the account of your AWS credentials, or change what is deployed."`
	Upgrade    upgradeCmd    `cmd:"" help:"Deploy this version of rootguard, with the settings that are deployed."`
	Destroy    destroyCmd    `cmd:"" help:"Remove the deployed rootguard, and say what stays."`
	Digest     digestCmd     `cmd:"" help:"Print the digest: all accounts, what changed, who awaits MFA, and rootguard itself."`
	Preflight  preflightCmd  `cmd:"" help:"Ask AWS, before anything is deployed, whether it takes what will be."`
	Redrive    redriveCmd    `cmd:"" help:"Deliver the events that wait in the queues of the deployed rootguard."`
	Announce   announceCmd   `cmd:"" aliases:"window" help:"Announce that root will be used, so that alerts of it are lowered."`
	Suppress   suppressCmd   `cmd:"" help:"Suppress alerts of a finding for a time, and list and remove suppressions."`
	Incidents  incidentsCmd  `cmd:"" help:"List the incidents of the deployed rootguard, and who acknowledged them."`
	Ack        ackCmd        `cmd:"" help:"Acknowledge an incident, so that it is not sent again."`
	Release    releaseCmd    `cmd:"" help:"Let an IAM user out of the quarantine of the deployed rootguard."`
	Explain    explainCmd    `cmd:"" help:"Show what became of one event, and why."`
	Findings   findingsCmd   `cmd:"" help:"List every finding, with what it means and what to do."`
	Story      storyCmd      `cmd:"" help:"Print the bundled example log, to read or to replay."`
	Completion completionCmd `cmd:"" help:"Print a script that completes commands in your shell."`
	Man        manCmd        `cmd:"" hidden:"" help:"Print the manual page."`
	Version    versionCmd    `cmd:"" help:"Print what was built, from what, with what."`
}

const description = `An AWS account's first-day security, watched for ever: what rootguard would have reported about CloudTrail logs, and the status of each account.

Examples:
  rootguard replay                       # the bundled story of an account
  rootguard replay ./AWSLogs             # your own logs: files, folders, .gz, or - for stdin
  rootguard replay --aws-lookup 90d      # what AWS has kept of your account
  rootguard status                       # then: the status of each account
  rootguard report -o report.html        # the same as a page

Exit codes: 0 fine; 1 error; 2 wrong usage; 3 done, but some of the input was malformed; of doctor also 4 warnings, 5 something does not work.`

// usageError is an error in how a command was called.
type usageError struct{ text string }

func (e usageError) Error() string { return e.text }

// malformedError says that the work was done though some input was malformed.
type malformedError struct{ lost, used int64 }

func (e malformedError) Error() string {
	return fmt.Sprintf("%s in the input: %d skipped, %d used all the same", plural(e.lost+e.used, "problem"), e.lost, e.used)
}

// closing closes c and makes its error the command's, unless that failed before.
// A malformed input is no failure.
func closing(c io.Closer, err *error) {
	closeErr := c.Close()
	var malformed malformedError
	if closeErr != nil && (*err == nil || errors.As(*err, &malformed)) {
		*err = closeErr
	}
}

// exit carries kong's wish to exit out of its parser.
type exit int

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, sys system) (code int) {
	ctx, sys, stop := watchCalls(ctx, sys)
	defer stop()
	var g commandLine
	parser, err := kong.New(&g,
		kong.Name("rootguard"),
		kong.Description(description),
		kong.Writers(sys.stdout, sys.stderr),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ExplicitGroups([]kong.Group{{Key: "aws", Title: "Flags about AWS:"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(sys),
	)
	if err != nil {
		fmt.Fprintln(sys.stderr, "rootguard: building the command line:", err)
		return exitError
	}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(exit)
			if !ok {
				panic(r)
			}
			code = int(e)
		}
	}()
	if sys.getenv("COMP_LINE") != "" {
		kongplete.Complete(parser, kongplete.WithPredictors(predictors(ctx, sys)))
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
		defer func() {
			if err := writeText(sys.stdout, sys.begin()); err != nil {
				fmt.Fprintln(sys.stderr, "rootguard:", err)
				code = exitError
			}
		}()
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		args = append([]string{"version"}, args[1:]...)
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		var parse *kong.ParseError
		if errors.As(err, &parse) {
			parsed = parse.Context
		}
		return usage(sys, parsed, err)
	}
	return outcome(sys, parsed, parsed.Run())
}

// readOnly are commands after which nothing is left to go on with.
var readOnly = []string{"doctor", "explain", "findings", "incidents", "list", "preflight", "report", "status", "version"}

// outcome turns a command's error into words and an exit code.
func outcome(sys system, parsed *kong.Context, err error) int {
	var wrong usageError
	var malformed malformedError
	var left leftError
	var unhealthy unhealthyError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		return usage(sys, parsed, err)
	case errors.As(err, &unhealthy):
		fmt.Fprintln(sys.stderr, "rootguard:", err)
		return unhealthy.code
	case errors.As(err, &malformed), errors.As(err, &left):
		fmt.Fprintln(sys.stderr, "rootguard:", err)
		return exitMalformed
	case errors.Is(err, context.Canceled):
		text := "interrupted"
		if parsed == nil || parsed.Selected() == nil || !slices.Contains(readOnly, parsed.Selected().Name) {
			text += "; run the same command again to go on, nothing is reported twice"
		}
		fmt.Fprintln(sys.stderr, "rootguard:", text)
		return exitError
	case errors.As(err, new(*dynamotypes.ResourceNotFoundException)):
		fmt.Fprintln(sys.stderr,
			"rootguard: reading the table: there is no such table in the Region; check --table (or ROOTGUARD_TABLE) and --region, or leave --table out, for the stack to say")
		return exitError
	default:
		fmt.Fprintln(sys.stderr, "rootguard:", label.CleanText(inWords(err)))
		return exitError
	}
}

// argument is how kong names one that it could not read, such as "[<account> ...]: ".
var argument = lazyre.New(`^\[?<([a-z-]+)>(?: \.\.\.)?\]?: `)

// dashed is how kong says that a flag's value begins with a dash.
var dashed = lazyre.New(`^(--[a-z-]+): expected .* value but got "(-[^"]*)" \((?:short|long) flag\)`)

// unknown is how kong says that there is no such flag.
var unknown = lazyre.New(`^unknown flag --([A-Za-z-]+)`)

// usage says what was wrong with the command line, and where to read on.
func usage(sys system, parsed *kong.Context, err error) int {
	command := "rootguard"
	if parsed != nil && parsed.Selected() != nil {
		command = parsed.Selected().FullPath()
	}
	text := argument().ReplaceAllString(err.Error(), "$1: ")
	if m := dashed().FindStringSubmatch(text); m != nil {
		text = m[1] + ": " + strconv.Quote(m[2]) + " is read as a flag; a value that begins with - is given as " + m[1] + "=" + m[2]
		if _, err := time.ParseDuration(m[2]); err == nil {
			text = m[1] + ": " + strconv.Quote(m[2]) + " is not a length of time such as 36h, 7d or 2w"
		}
	}
	if m := unknown().FindStringSubmatch(text); m != nil && parsed != nil && parsed.Selected() != nil {
		text = cmp.Or(settingOf(parsed.Selected().Name, m[1]), text)
	}
	fmt.Fprintln(sys.stderr, "rootguard:", label.CleanText(text))
	fmt.Fprintf(sys.stderr, "Try '%s --help'.\n", command)
	return exitUsage
}

// policy is what a status depends on beside the records. What is not given is
// as deployed, or else the default.
type policy struct {
	Grace     span     `placeholder:"24h" help:"How long an IAM user with a console password may be without MFA (36h, 3d). Default: 24h."`
	QuietDays *int     `placeholder:"30" help:"Days without root activity until root counts as left alone. Default: 30."`
	AdminRole []string `placeholder:"NAME" help:"A role, or a permission set, by which administrators sign in; may be repeated. Of permission sets, needed where no record shows their rights."`
}

// over are the options where base holds what was not given.
func (p policy) over(base bootstrap.Options) (bootstrap.Options, error) {
	if p.Grace > 0 {
		base.Grace = time.Duration(p.Grace)
	}
	if p.QuietDays != nil {
		if *p.QuietDays < 1 {
			return bootstrap.Options{}, usageError{"--quiet-days must be 1 or more"}
		}
		base.QuietDays = *p.QuietDays
	}
	if len(p.AdminRole) > 0 {
		base.AdminRoles = p.AdminRole
	}
	return base, nil
}

// names are what people call accounts.
type names struct {
	AccountName []accountName `sep:";" placeholder:"ID=NAME" env:"ROOTGUARD_ACCOUNT_NAMES" help:"What you call an account; may be repeated, or several separated by a semicolon."`
}
