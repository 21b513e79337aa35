package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"rootguard/internal/alert"
	"rootguard/internal/aws/s3"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/cli/story"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/replay"
	"rootguard/internal/wire"
)

type replayCmd struct {
	Paths []string `arg:"" optional:"" name:"path" predictor:"path" help:"Log files (.json, .json.gz, JSON lines, exports, archives), folders of them, s3://BUCKET/PREFIX, or - for standard input. None: the bundled story."`

	storeFlag
	policy
	names
	Since    moment      `placeholder:"WHEN" help:"Only events from then on: 2026-03-02, 2026-03-02T08:00:00Z, 7d, 24h."`
	Until    moment      `placeholder:"WHEN" help:"Only events before then."`
	Account  []accountID `placeholder:"ID" help:"Only this account; may be repeated."`
	Window   span        `default:"15m" placeholder:"15m" help:"Repeats within this time of one session become one alert."`
	Explain  bool        `help:"Also print each record that a rule checked and did not flag, and why."`
	Format   format      `placeholder:"FORMAT" predictor:"format" help:"How alerts are printed: text, json (one object a line and nothing else on standard output), ocsf (Detection Finding of OCSF 1.3), ocsf-1.6 (the same of 1.6, which AWS Security Hub uses) or asff (AWS Security Finding Format). Default: text."`
	JSON     bool        `help:"Short for --format json."`
	Problems string      `type:"path" placeholder:"FILE" help:"Write every problem in the input to this file, one JSON object a line."`
	Workers  int         `default:"0" placeholder:"N" help:"Files read at the same time; 0 is as many as there are processors."`

	lookupFlags
}

// Help has examples.
func (replayCmd) Help() string {
	return `What was reported once is in the store and is not reported again: replaying the same files twice changes nothing. Repeats of one finding in one session are rolled up into one alert with a count.

With --format json, each line of standard output is an object with a "schema": "rootguard.alert/1" for an alert, "rootguard.verdict/1" for a record that a rule ignored (--explain), and one "rootguard.summary/1" as the last line. With ocsf and asff each line is a finding of OCSF's class Detection Finding, or of the AWS Security Finding Format for the account's own Security Hub, and nothing else; what updates a finding has the ID of that finding. Without it, findings come as they are found, then a table counts them.

It reads whole records wherever they are: CloudTrail's log files; single records, JSON lines and arrays; EventBridge events and archives; the output of LookupEvents, CloudWatch Logs (subscriptions, exports to S3, aws logs tail, filter-log-events, Logs Insights), SNS, SQS, Kinesis, Firehose and CloudTrail Lake; exports of Elastic, OpenSearch, Splunk, Datadog, Wazuh, Panther, Sumo Logic, Loki and others that keep the record; CSV with the record in a column; Athena's columns as JSON. Compressed with gzip, zstd or bzip2, in zip and tar archives, in UTF-8 or UTF-16. What it cannot read (Parquet, OCSF, some columns of records) is named, with a way to get the records. Network activity, Insights and aggregated events are counted and not judged.

The logs end with their latest record, relevant or not, or at --until: MFA that was due by then and is missing is reported.

Malformed records are named on standard error with file, index and reason, counted and skipped; the exit code is then 3. A progress line is shown where standard error is a terminal.

With --aws-lookup it replays the Event history, which CloudTrail keeps of every account for 90 days, also where there is no trail. It asks for the events that matter by name, since AWS allows 2 requests a second: about a minute where an account is calm. What came is kept beside the store until it was replayed, so that the same command goes on where it was interrupted. It needs cloudtrail:LookupEvents, and reads the account of your credentials alone.

A path s3://BUCKET/PREFIX is the bucket of a trail. With --since and --until, only the folders of those days are listed. The files are copied beside the store, and removed when they were replayed; an interrupted copy goes on where it was. It needs s3:ListBucket on the bucket, s3:GetObject on its files, and kms:Decrypt where a key of yours encrypts them.

Examples:
  rootguard replay                                   # the bundled story
  rootguard replay ./AWSLogs                         # a folder as CloudTrail writes it to S3
  rootguard replay --since 30d --account 111122223333 ./AWSLogs
  rootguard replay --since 30d --profile logs s3://my-trail/AWSLogs/111122223333/
  rootguard replay --aws-lookup 90d --profile prod   # the Event history of an account
  rootguard replay --json ./AWSLogs | jq 'select(.finding.severity == "critical")'
  rootguard replay --format ocsf ./AWSLogs >> findings.jsonl
  rootguard replay --explain event.json              # why was this not flagged?

Exit codes: 0 fine; 1 error; 2 wrong usage; 3 done, but some of the input was malformed.`
}

// waitsFor names the pipes among the paths, which nothing may ever write to.
func waitsFor(sys system, paths []string) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.Mode()&os.ModeNamedPipe != 0 {
			fmt.Fprintf(sys.stderr, "note: %s is a pipe: waiting for what another process writes to it\n", label.Clean(path))
		}
	}
}

// writesPerCommit is how many writes to the store share a transaction.
const writesPerCommit = 1000

// Run replays.
func (c replayCmd) Run(ctx context.Context, sys system) (err error) { //nolint:funlen,gocognit // the steps of a run, in order
	if err := c.check(&c); err != nil {
		return err
	}
	format, err := c.chosen()
	if err != nil {
		return err
	}
	opt, err := c.options(sys)
	if err != nil {
		return err
	}
	policy, err := c.over(bootstrap.DefaultOptions())
	if err != nil {
		return err
	}
	ahead(sys, "since", opt.Since)
	waitsFor(sys, opt.Paths)
	st, err := c.open(sys, len(c.Paths) == 0 && c.AWSLookup == 0)
	if err != nil {
		return err
	}
	defer closing(st, &err)

	var l *lookup
	if c.AWSLookup > 0 {
		if l, err = c.download(ctx, sys, st); err != nil {
			return err
		}
		opt.Paths = []string{l.folder}
	}
	var b *buckets

	out := &replayOutput{sys: sys, format: format, explain: c.Explain, paint: sys.paint(), line: progressLine{sys: sys},
		tally: map[tallyKey]*tally{}, unseen: map[string]unseenSession{}}
	if c.Problems != "" {
		f, createErr := os.Create(c.Problems)
		if createErr != nil {
			return fmt.Errorf("creating the file of problems: %w", createErr)
		}
		defer closing(f, &err)
		out.problemFile = f
	}
	opt.Progress, opt.Problem, opt.Note = out.progress, out.problem, out.note
	if slices.ContainsFunc(opt.Paths, inS3) {
		if b, opt.Paths, err = c.copyBuckets(ctx, sys, st, opt.Paths, s3.Span{Since: opt.Since, Until: opt.Until}, out.problem); err != nil {
			return err
		}
		out.name = b.name
	}

	// Publish writes without a buffer, so that nothing needs to be flushed before a commit.
	if err := st.Batch(writesPerCommit, nil); err != nil {
		return err
	}
	settings := wire.DefaultSettings()
	settings.DedupWindow, settings.Bootstrap = time.Duration(c.Window), policy
	settings.Lease = time.Nanosecond // the store is this process's alone, so a lease left in it is of a dead one
	accountNames := c.known()
	parts := wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: st, Facts: st, Publisher: out, Now: sys.now,
		AccountName: func(account string) string { return accountNames[account] },
	}, settings)

	g := parts.Guard
	accounts := map[string]bool{}
	clock := logClock{window: settings.DedupWindow}
	handle := func(ctx context.Context, rec *cloudtrail.Record, at replay.Place) error {
		res, err := g.Handle(ctx, rec)
		accounts[rec.Account()] = true
		if u := res.Unseen; u != nil {
			if first, known := out.unseen[u.EventID]; !known || u.EventTime.Before(first.finding.EventTime) {
				out.unseen[u.EventID] = unseenSession{*u, res.Began}
			}
		}
		if err != nil {
			return err
		}
		if err := out.handled(rec, at, res); err != nil {
			return err
		}
		if rec.EventTime.After(sys.now().Add(maxSkew)) {
			return nil
		}
		if over, due := clock.move(rec.EventTime); due {
			_, err = g.Flush(ctx, over)
		}
		return err
	}
	var unplaced []placedRecord
	sum, err := replay.Run(ctx, opt, func(ctx context.Context, rec *cloudtrail.Record, at replay.Place) error {
		if len(unplaced) < maxUnplaced {
			if wait, err := g.Unplaced(ctx, rec); err != nil {
				return err
			} else if wait {
				unplaced = append(unplaced, placedRecord{rec, at})
				return nil
			}
		}
		return handle(ctx, rec, at)
	})
	for _, u := range unplaced {
		if err == nil {
			err = handle(ctx, u.rec, u.at)
		}
	}
	out.clear()
	if err != nil {
		return err
	}
	if sum.NoLogs() && out.problems.count() == 0 && l == nil {
		return noLogs(c.Paths, sum.SkippedFiles)
	}
	for _, a := range c.Account {
		if !accounts[string(a)] {
			fmt.Fprintf(sys.stderr, "note: these logs hold no relevant record of account %s\n", a)
		}
	}
	until := sum.Last
	switch {
	case l != nil:
		until = l.spool.Scope().Until
	case !opt.Until.IsZero(): // the user says that the logs go that far
		until = opt.Until
	}
	if now := sys.now(); until.After(now) {
		until = now
	}
	for _, account := range sum.Accounts {
		if len(opt.Accounts) == 0 || slices.Contains(opt.Accounts, account) {
			accounts[account] = true
		}
	}
	if err := out.finish(ctx, parts, st, until, accounts); err != nil {
		return err
	}
	if len(opt.Accounts) > 0 {
		maps.DeleteFunc(sum.Regions, func(account string, _ []string) bool { return !slices.Contains(opt.Accounts, account) })
	}
	if err := st.AddRegions(ctx, sum.Regions); err != nil {
		return err
	}
	if err := st.Commit(); err != nil {
		return err
	}
	known, err := st.Accounts(ctx)
	if err != nil {
		return err
	}
	err = out.summary(c, st, sum, len(known) > 0)
	if l != nil {
		err = l.done(err)
	}
	return b.done(err)
}

// placedRecord is a record that waits for the end of the logs.
type placedRecord struct {
	rec *cloudtrail.Record
	at  replay.Place
}

// maxUnplaced bounds how many records of root sessions wait until the logs have
// shown what the sessions are.
const maxUnplaced = 10_000

// noLogs says that there was nothing to replay: silence would read as "all is well".
func noLogs(paths []string, skipped int) error {
	text := "found no CloudTrail log file in " + strings.Join(paths, ", ")
	if skipped > 0 {
		text += fmt.Sprintf("; skipped %s of other kinds, such as digests and hidden files", plural(int64(skipped), "file"))
	}
	return errors.New(text)
}

// options are the replay's, from the flags.
func (c replayCmd) options(sys system) (replay.Options, error) {
	opt := replay.Options{Paths: c.Paths, Stdin: sys.stdin, Workers: c.Workers, Filter: detect.Candidate, Now: sys.now}
	for _, a := range c.Account {
		opt.Accounts = append(opt.Accounts, string(a))
	}
	var err error
	if opt.Since, err = c.Since.at("since", sys.now()); err != nil {
		return opt, err
	}
	if opt.Until, err = c.Until.at("until", sys.now()); err != nil {
		return opt, err
	}
	if !opt.Until.IsZero() && !opt.Since.Before(opt.Until) {
		return opt, usageError{"--since is not before --until, so that no event can match"}
	}
	if err := exist(c.Paths); err != nil {
		return opt, err
	}
	if len(c.Paths) == 0 && c.AWSLookup == 0 {
		var b bytes.Buffer
		if err := story.Write(&b); err != nil {
			return opt, err
		}
		opt.Paths, opt.Stdin = []string{"-"}, &b
	}
	return opt, nil
}

// bounds names the flags that left records out.
func (c replayCmd) bounds() string {
	var flags []string
	if c.Since != "" {
		flags = append(flags, "--since")
	}
	if c.Until != "" {
		flags = append(flags, "--until")
	}
	if len(c.Account) > 0 {
		flags = append(flags, "--account")
	}
	if len(flags) == 0 {
		return ""
	}
	return " within " + strings.Join(flags, " and ")
}

// exist checks that every path can be checked, before any work is done.
func exist(paths []string) error {
	for _, p := range paths {
		if p == "-" {
			continue
		}
		if inS3(p) {
			if _, err := s3.Parse(p); err != nil {
				return usageError{err.Error()}
			}
			continue
		}
		if _, err := os.Stat(p); err != nil {
			return fmt.Errorf("reading logs: %w", err)
		}
	}
	return nil
}

// replayOutput prints a replay as it goes. It is the guard's Publisher.
type replayOutput struct {
	sys     system
	format  format
	explain bool
	paint   paint

	tally       map[tallyKey]*tally
	unseen      map[string]unseenSession // by the finding's EventID
	rollUps     int                      // alerts that stand for several events
	problems    problems
	notes       notes
	problemFile io.Writer
	line        progressLine
	ending      bool // what comes now is reported because the logs have ended
	err         error

	name func(file string) string // for people; nil: as it is
}

// file is the name of a file for people.
func (o *replayOutput) file(path string) string {
	if o.name == nil {
		return path
	}
	return o.name(path)
}

// unseenSession is what is to be raised at the end of the logs if they do not show
// how a root session began.
type unseenSession struct {
	finding detect.Finding
	began   time.Time
}

type tallyKey struct {
	account string
	finding detect.ID
}

type tally struct {
	severity                     detect.Severity
	alerts, rolledUp, duplicates int
}

func (o *replayOutput) count(f *detect.Finding) *tally {
	k := tallyKey{f.Account, f.ID}
	t := o.tally[k]
	if t == nil {
		t = &tally{}
		o.tally[k] = t
	}
	t.severity = max(t.severity, f.Severity)
	return t
}

// Publish prints an alert.
func (o *replayOutput) Publish(_ context.Context, a alert.Alert) error {
	o.clear()
	line, err := o.format.render(a, o.sys.now())
	if err != nil {
		return failure.Permanent(err)
	}
	if o.format == formatText {
		text := o.fitted(string(line), a)
		if name := strings.ToUpper(a.Finding.Severity.String()); o.paint.on {
			text = strings.Replace(text, name, o.paint.severity(name, name), 1)
		}
		if o.ending {
			heading := wrap("At the end of the logs: IAM users whose time for MFA was over, root sessions without a sign-in, and repeats not reported yet", o.sys.outputWidth())
			text = o.paint.faint(strings.Join(heading, "\n")) + "\n" + text
			o.ending = false
		}
		line = []byte(text)
	}
	if _, err := o.sys.stdout.Write(append(line, '\n')); err != nil {
		return failure.Permanent(fmt.Errorf("writing output: %w", err))
	}
	if a.Kind == alert.RollUp {
		o.rollUps++
		return nil
	}
	o.count(&a.Finding).alerts++
	return nil
}

// fitted is the line of an alert, or where the terminal is narrower its two lines.
func (o *replayOutput) fitted(line string, a alert.Alert) string {
	width := o.sys.outputWidth()
	if width == 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	head, body := alert.Pair(a)
	return strings.Join(wrap(head, width), "\n    ") + "\n    " + strings.Join(wrap(body, width-4), "\n    ")
}

// handled counts what became of a record, and explains it where asked to.
func (o *replayOutput) handled(rec *cloudtrail.Record, at replay.Place, res guard.Result) error {
	switch res.Disposition {
	case guard.RolledUp:
		o.count(&res.Outcome.Finding).rolledUp++
	case guard.Duplicate:
		o.count(&res.Outcome.Finding).duplicates++
	default: // Publish counts what was alerted
	}
	if !o.explain || res.Outcome.Kind != detect.NotMatched {
		return nil
	}
	o.clear()
	if o.format == formatJSON {
		return writeLine(o.sys.stdout, verdict{
			Schema: verdictSchema, EventID: rec.EventID, EventTime: rec.EventTime, Account: rec.Account(),
			EventSource: rec.EventSource, EventName: rec.EventName, File: o.file(at.File), Index: at.Index,
			Verdict: res.Outcome.Kind.String(), Reason: res.Outcome.Reason,
		})
	}
	text := fmt.Sprintf("%s not flagged: %s %s in %s: %s (event %s)", eventTime(rec.EventTime),
		label.Clean(rec.EventSource), label.Clean(rec.EventName), label.Clean(rec.Account()), label.Clean(res.Outcome.Reason),
		label.Clean(rec.EventID))
	return writeText(o.sys.stdout, o.paint.faint(text)+"\n")
}

// eventTime is a record's time for people.
func eventTime(t time.Time) string {
	if t.IsZero() {
		return "time unknown:"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}

// verdictSchema is the version of a verdict's JSON.
const verdictSchema = "rootguard.verdict/1"

// verdict is what was decided on one record.
type verdict struct {
	Schema      string    `json:"schema"`
	EventID     string    `json:"event_id"`
	EventTime   time.Time `json:"event_time,omitzero"` // left out where it is not known
	Account     string    `json:"account"`
	EventSource string    `json:"event_source"`
	EventName   string    `json:"event_name"`
	File        string    `json:"file"`
	Index       int       `json:"index"`
	Verdict     string    `json:"verdict"`
	Reason      string    `json:"reason,omitempty"`
}

func writeLine(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("writing output: %w", err)
	}
	return nil
}

// problem names a problem in the input.
func (o *replayOutput) problem(p replay.Problem) {
	p.File = o.file(p.File)
	if o.problemFile != nil {
		o.err = errors.Join(o.err, writeLine(o.problemFile, p))
	}
	o.clear()
	o.problems.report(o.sys.stderr, p)
}

// note names what was skipped.
func (o *replayOutput) note(n replay.Note) {
	n.File = o.file(n.File)
	o.clear()
	o.notes.show(o.sys.stderr, n)
}

// progress draws the progress line.
func (o *replayOutput) progress(p replay.Progress) {
	share := ""
	if p.BytesTotal > 0 {
		share = fmt.Sprintf(", %d %%", 100*p.Bytes/p.BytesTotal)
	}
	o.line.draw(fmt.Sprintf("%d of %s%s, %d records, %d relevant", p.Files, plural(int64(p.FilesTotal), "file"), share,
		p.Records, p.Candidates))
}

// clear takes the progress line away.
func (o *replayOutput) clear() { o.line.clear() }

// finish says what only the end of the logs can report: the repeats still held
// back, and the users whose time for MFA was over by then.
func (o *replayOutput) finish(ctx context.Context, parts wire.Parts, st *store, until time.Time, accounts map[string]bool) error {
	o.ending = true
	for _, account := range slices.Sorted(maps.Keys(accounts)) {
		asOf := until
		facts, err := st.Facts(ctx, account)
		if err != nil {
			return err
		}
		if at := newest(facts); at.After(asOf) && !at.After(o.sys.now().Add(maxSkew)) {
			asOf = at
		}
		if _, err := parts.Deadlines.MissingMFA(ctx, account, asOf); err != nil {
			return err
		}
		if _, err := parts.Passwords.Abandoned(ctx, account, time.Time{}, asOf); err != nil {
			return err
		}
	}
	for _, id := range slices.Sorted(maps.Keys(o.unseen)) {
		if _, err := parts.Guard.RaiseUnseen(ctx, o.unseen[id].finding, o.unseen[id].began); err != nil {
			return err
		}
	}
	// A log that has been read is over, and so is every window in it.
	_, err := parts.Guard.Flush(ctx, endOfTime)
	return err
}

// maxSkew is how far after now a record may be that says how far the logs go.
const maxSkew = 24 * time.Hour

// endOfTime is after every window.
var endOfTime = time.Date(9999, time.December, 31, 0, 0, 0, 0, time.UTC)

// summarySchema is the version of a summary's JSON.
const summarySchema = "rootguard.summary/1"

type summaryRow struct {
	Account    string          `json:"account"`
	Finding    detect.ID       `json:"finding"`
	Severity   detect.Severity `json:"severity"`
	Alerts     int             `json:"alerts"`
	RolledUp   int             `json:"rolled_up"`
	Duplicates int             `json:"duplicates"`
}

// summary prints the counts, and says by its error whether input was malformed.
func (o *replayOutput) summary(c replayCmd, st *store, sum replay.Summary, anyAccount bool) error {
	rows := make([]summaryRow, 0, len(o.tally))
	total := summaryRow{}
	for k, t := range o.tally {
		rows = append(rows, summaryRow{k.account, k.finding, t.severity, t.alerts, t.rolledUp, t.duplicates})
		total.Alerts += t.alerts
		total.RolledUp += t.rolledUp
		total.Duplicates += t.duplicates
	}
	slices.SortFunc(rows, func(a, b summaryRow) int {
		return cmp.Or(cmp.Compare(a.Account, b.Account), cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Finding, b.Finding))
	})
	hint := ", --problems FILE writes them all"
	if c.Problems != "" {
		hint = ", all of them are in " + c.Problems
	}
	o.notes.rest(o.sys.stderr)
	o.problems.rest(o.sys.stderr, hint)
	var err error
	switch o.format {
	case formatJSON:
		err = writeLine(o.sys.stdout, struct {
			Schema string         `json:"schema"`
			Replay replay.Summary `json:"replay"`
			Rows   []summaryRow   `json:"findings"`
			Store  string         `json:"store"`
		}{summarySchema, sum, rows, st.path})
	case formatOCSF, formatOCSF16, formatASFF:
		fmt.Fprintln(o.sys.stderr, o.reported(c, total))
	default:
		err = writeText(o.sys.stdout, o.table(c, st, sum, rows, total, anyAccount))
	}
	if err = errors.Join(err, o.err); err != nil {
		return err
	}
	return o.problems.err()
}

func (o *replayOutput) table(c replayCmd, st *store, sum replay.Summary, rows []summaryRow, total summaryRow, anyAccount bool) string {
	var b strings.Builder
	if len(rows) > 0 {
		b.WriteString("\n" + o.counts(c.known(), rows, total) + "\n")
	}
	from := "in " + plural(int64(sum.Files), "file")
	if c.AWSLookup > 0 {
		from = "of " + plural(int64(sum.Files), "day")
	}
	read := fmt.Sprintf("%s %s, %d of them relevant", plural(sum.Records, "record"), from, sum.Candidates)
	if !sum.First.IsZero() {
		read += fmt.Sprintf(", from %s to %s", label.Time(sum.First), label.Time(sum.Last))
	}
	read += categories(sum)
	if sum.SkippedFiles > 0 {
		read += fmt.Sprintf("; %s of other kinds skipped", plural(int64(sum.SkippedFiles), "file"))
	}
	b.WriteString(strings.Join(wrap(read+".", o.sys.outputWidth()), "\n") + "\n")
	b.WriteString(o.reported(c, total) + "\n")
	fmt.Fprintf(&b, "Store: %s\n", st.path)
	if anyAccount {
		fmt.Fprintf(&b, "Next: rootguard status%s\n", st.flags(o.sys))
	}
	return b.String()
}

// categories are the records that are no management events.
func categories(sum replay.Summary) string {
	var text strings.Builder
	for _, c := range []struct {
		n    int64
		name string
	}{{sum.Data, "data event"}, {sum.NetworkActivity, "network activity event"}, {sum.Insights, "Insights event"}, {sum.Aggregated,
		"aggregated or other event"}} {
		if c.n > 0 {
			text.WriteString("; " + plural(c.n, c.name))
		}
	}
	return text.String()
}

// reported says how much was reported.
func (o *replayOutput) reported(c replayCmd, total summaryRow) string {
	switch {
	case total.Alerts+o.rollUps > 0:
		return fmt.Sprintf("%s sent, %s of repeats.", plural(int64(total.Alerts), "alert"), plural(int64(o.rollUps), "roll-up"))
	case total.Duplicates > 0:
		return "Nothing new: every finding was reported before."
	default:
		return "Nothing to report" + c.bounds() + "."
	}
}

// counts is the table of a summary. Where a terminal is too narrow for it, the
// accounts are headings in it and no column.
func (o *replayOutput) counts(known map[string]string, rows []summaryRow, total summaryRow) string {
	cells := make([][]string, 0, len(rows)+2)
	cells = append(cells, []string{"ACCOUNT", "FINDING", "SEVERITY", "ALERTS", "ROLLED UP", "DUPLICATES"})
	for _, r := range rows {
		account := r.Account
		if n := known[r.Account]; n != "" {
			account += " " + n
		}
		cells = append(cells, []string{label.Clean(account), string(r.Finding), r.Severity.String(), strconv.Itoa(r.Alerts),
			strconv.Itoa(r.RolledUp), strconv.Itoa(r.Duplicates)})
	}
	cells = append(cells, []string{"total", "", "", strconv.Itoa(total.Alerts), strconv.Itoa(total.RolledUp), strconv.Itoa(total.Duplicates)})
	headings := o.sys.outputWidth() > 0 && tableWidth(cells) > o.sys.outputWidth()
	severity := 2
	accounts := make([]string, len(cells))
	if headings {
		severity = 1
		for i, row := range cells {
			accounts[i], cells[i] = row[0], row[1:]
		}
		cells[len(cells)-1][0] = "total"
	}
	table := columns(cells, severity+1, func(row, column int, text string) string {
		switch {
		case row == 0:
			return o.paint.faint(text)
		case column == severity && row < len(cells)-1:
			return o.paint.severity(strings.TrimSpace(text), text)
		}
		return text
	})
	if !headings {
		return table
	}
	var b strings.Builder
	for i, line := range slices.Collect(strings.Lines(table)) {
		if i > 0 && i < len(cells)-1 && accounts[i] != accounts[i-1] {
			b.WriteString(o.paint.bold(accounts[i]) + "\n")
		}
		b.WriteString("  " + line)
	}
	return b.String()
}

func plural(n int64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
