package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdksecurityhub "github.com/aws/aws-sdk-go-v2/service/securityhub"
	sdksqs "github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/alert"
	"rootguard/internal/aws/securityhub"
	"rootguard/internal/aws/sqs"
	"rootguard/internal/cli/label"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/redrive"
)

// queuesEnv names the variable that lists queues.
const queuesEnv = "ROOTGUARD_QUEUES"

type redriveCmd struct {
	writeFlags
	Queue     []string `group:"aws" sep:"," placeholder:"URL" help:"A queue to empty, by URL or name; may be repeated ($$ROOTGUARD_QUEUES, separated by commas). Default: both queues of the stack."`
	Forwarder []string `group:"aws" sep:"," placeholder:"REGION" help:"Also empty the queue of the stack that forwards this Region's events; may be repeated."`

	QueueProfile string `group:"aws" placeholder:"NAME" help:"The profile for the queues, where these are another account's; all else goes by --profile. Then only what --queue and --forwarder name is emptied."`

	Discard []string `sep:"," placeholder:"ID" help:"Delete the malformed message of this ID, which a run before named; may be repeated."`

	DryRun bool `help:"Only list what waits."`
	Limit  int  `default:"10000" placeholder:"10000" help:"Read so many messages at most."`
	JSON   bool `help:"Print one JSON object a line and nothing else on standard output."`
}

// Help has examples.
func (redriveCmd) Help() string {
	return `Events wait in one queue when EventBridge could not deliver them to a function, and in another when a function failed on them three times. An alarm says so. Fix the cause, then redrive: each event goes through the same guard as in the function, with the same table and topics, and leaves its queue when it has been handled.

Where alerts go to Security Hub too, those that it did not take wait in the same queues, and are imported.

An event whose alert was sent before is a duplicate, and only leaves the queue: running redrive twice, or again after it was interrupted, sends no alert twice. (Where the network fails just as an alert is sent, one copy of it may go out, with the same alert ID.) What is no event is named on standard error and stays on its queue until you delete it with --discard; so does what fails. Messages are hidden from others while they are handled, for 6 minutes at most.

With --json, each line of standard output is an object with a "schema": "rootguard.redrive/1" for a message, and one "rootguard.redrive_summary/1" as the last line.

It needs cloudformation:DescribeStacks, lambda:GetFunctionConfiguration, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility and sqs:GetQueueAttributes on the queues, and what the function's role allows on the table, the topics and their key; for alerts that wait for Security Hub also securityhub:BatchImportFindings.

An organization's other accounts have a queue in each Region for what could not be sent to the guard, which only that account can read: name a profile of that account with --queue-profile, beside the one of the guard's account, and the Regions with --forwarder.

Examples:
  rootguard redrive --dry-run                     # what waits?
  rootguard redrive --profile security
  rootguard redrive --forwarder eu-north-1        # and what could not be forwarded from there
  rootguard redrive --profile security --queue-profile billing --forwarder us-east-1,eu-north-1
  rootguard redrive --json | jq 'select(.state == "failed")'

Exit codes: 0 everything left its queue; 1 something failed or is hidden by another receiver, run it again; 2 wrong usage; 3 done, but malformed messages were left.`
}

// leftError says that malformed messages were left on their queues.
type leftError struct {
	n    int
	urls []string // of the queues that they are on
}

func (e leftError) Error() string {
	queues := "the queue"
	if len(e.urls) > 1 {
		queues = "the queues"
	}
	return plural(int64(e.n), "malformed message") + " left on " + queues + " " + strings.Join(e.urls, ", ") +
		"; once you know what they are, delete them with --discard ID"
}

// Run redrives.
func (c redriveCmd) Run(ctx context.Context, sys system) error {
	if c.Limit < 1 {
		return usageError{"--limit must be 1 or more"}
	}
	cfg, err := loadAWS(ctx, c.Profile, c.Region)
	if err != nil {
		return err
	}
	queues, err := c.queues(ctx, sys, cfg)
	if err != nil {
		return err
	}
	settings, err := c.settings(ctx, sys, cfg)
	if err != nil {
		return err
	}
	client := sdksecurityhub.NewFromConfig(cfg, func(o *sdksecurityhub.Options) { o.Region = settings.Region })
	hub := securityhub.New(client, alert.Hub{Partition: settings.Partition, Region: settings.Region, Account: settings.Account})
	g := lambdahandler.Assemble(settings, cfg, sys.now, slog.New(slog.DiscardHandler)).Parts.Guard

	out := redriveOutput{sys: sys, json: c.JSON, progress: progressLine{sys: sys}}
	opt := redrive.Options{Handler: &lambdahandler.Redriver{Guard: g, Importer: hub, Now: sys.now}, DryRun: c.DryRun, Limit: c.Limit,
		Report: out.report, Sleep: pause}
	if lease := settings.Settings.Lease; lease > 0 {
		opt.Timeout = lease * 2 / 3 // over before its claim is anybody else's
	}
	for _, id := range c.Discard {
		if opt.Discard == nil {
			opt.Discard = map[string]bool{}
		}
		opt.Discard[id] = true
	}
	for _, q := range queues {
		opt.Queues = append(opt.Queues, redrive.Named{Name: q.name, Queue: q.Queue})
		if visible, _, err := q.Waiting(ctx); err == nil { // only for the progress line
			out.about += visible
		}
	}
	sum, err := redrive.Run(ctx, opt)
	if sum.Delivered > 0 && err == nil {
		if _, flushErr := g.Flush(ctx, sys.now()); flushErr != nil {
			err = fmt.Errorf("sending roll-ups: %w", flushErr)
		}
	}
	out.progress.clear()
	return out.summary(c, queues, sum, err)
}

// kept are the messages to discard that no run deleted, which is no malformed one
// or none at all.
func (c redriveCmd) kept(discarded map[string]bool) error {
	var kept []string
	for _, id := range c.Discard {
		if !discarded[id] {
			kept = append(kept, label.Clean(id))
		}
	}
	if len(kept) == 0 || c.DryRun {
		return nil
	}
	return fmt.Errorf("no malformed message %s was received, so none was discarded; rootguard redrive --dry-run lists them",
		strings.Join(kept, ", "))
}

// waitingQueue is a queue with its name for people.
type waitingQueue struct {
	*sqs.Queue
	name, url string
}

// queues are those to empty.
//
//nolint:gocognit // the output of each queue, in order
func (c redriveCmd) queues(ctx context.Context, sys system, cfg aws.Config) ([]waitingQueue, error) {
	of := cfg
	if c.QueueProfile != "" {
		if len(c.Queue)+len(c.Forwarder) == 0 {
			return nil, usageError{"--queue-profile is for another account's queues: name them with --queue, or their Regions with --forwarder"}
		}
		var err error
		if of, err = loadAWS(ctx, c.QueueProfile, c.Region); err != nil {
			return nil, fmt.Errorf("for the queues: %w", err)
		}
	}
	client := func(region string) *sdksqs.Client {
		return sdksqs.NewFromConfig(of, func(o *sdksqs.Options) {
			if region != "" {
				o.Region = region
			}
		})
	}
	urls := c.Queue
	if len(urls) == 0 && c.QueueProfile == "" {
		for url := range strings.SplitSeq(sys.getenv(queuesEnv), ",") {
			if url = strings.TrimSpace(url); url != "" {
				urls = append(urls, url)
			}
		}
	}
	if len(urls) == 0 && c.QueueProfile == "" {
		const instead = "name the queues with --queue or " + queuesEnv
		outputs, err := c.outputs(ctx, sys, cfg, instead)
		if err != nil {
			return nil, err
		}
		for _, key := range []string{outputUndelivered, outputFailed} {
			url, err := c.output(sys, outputs, key, instead)
			if err != nil {
				return nil, err
			}
			urls = append(urls, url)
		}
	}
	queues := make([]waitingQueue, 0, len(urls)+len(c.Forwarder))
	for _, url := range urls {
		if !strings.Contains(url, "://") {
			found, err := sqs.Find(ctx, client(""), url)
			if err != nil {
				return nil, fmt.Errorf("%w in %s", err, cfg.Region)
			}
			url = found
		}
		queues = append(queues, waitingQueue{sqs.New(client(sqs.Region(url)), url), sqs.Name(url), url})
	}
	for _, region := range c.Forwarder {
		url, err := sqs.Find(ctx, client(region), config.ForwardQueue(c.stack(sys)))
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, region)
		}
		queues = append(queues, waitingQueue{sqs.New(client(region), url), sqs.Name(url) + " in " + region, url})
	}
	return queues, nil
}

// redriveOutput prints a redrive as it goes.
type redriveOutput struct {
	sys      system
	json     bool
	progress progressLine
	about    int // messages that were visible at the start
	seen     int

	discarded map[string]bool // by ID
	malformed []string        // the names of the queues that have such messages
}

// malformedOn are the URLs of the queues that malformed messages are on.
func (o *redriveOutput) malformedOn(queues []waitingQueue) []string {
	var urls []string
	for _, q := range queues {
		if slices.Contains(o.malformed, q.name) {
			urls = append(urls, label.Clean(q.url))
		}
	}
	return urls
}

// redriveSchema is the version of a redriven message's JSON.
const redriveSchema = "rootguard.redrive/1"

type redriven struct {
	Schema      string            `json:"schema"`
	Queue       string            `json:"queue"`
	MessageID   string            `json:"message_id"`
	Sent        time.Time         `json:"sent,omitzero"`
	Receives    int               `json:"receives"`
	State       redrive.State     `json:"state"`
	EventID     string            `json:"event_id,omitempty"`
	EventTime   time.Time         `json:"event_time,omitzero"`
	EventName   string            `json:"event_name,omitempty"`
	Account     string            `json:"account,omitempty"`
	Disposition guard.Disposition `json:"disposition,omitempty"`
	Finding     detect.ID         `json:"finding,omitempty"`
	AlertID     string            `json:"alert_id,omitempty"`
	Error       string            `json:"error,omitempty"`
}

// report says what became of a message.
func (o *redriveOutput) report(it redrive.Item) error {
	o.progress.clear()
	defer func() {
		o.seen++
		o.progress.draw(fmt.Sprintf("%d of about %s", o.seen, plural(int64(max(o.about, o.seen)), "message")))
	}()
	if it.State == redrive.Discarded {
		if o.discarded == nil {
			o.discarded = map[string]bool{}
		}
		o.discarded[it.Message.ID] = true
	}
	if it.State == redrive.Malformed {
		o.malformed = append(o.malformed, it.Queue)
	}
	if it.Err != nil {
		what := "message " + it.Message.ID
		if rec := it.Event.Record; rec != nil {
			what += ", event " + rec.EventID
		}
		fmt.Fprintf(o.sys.stderr, "%s: %s, %s: %s (left on the queue)\n", it.State, label.Clean(it.Queue), label.Clean(what),
			label.Clean(it.Err.Error()))
	}
	if o.json {
		return writeLine(o.sys.stdout, redrivenOf(it))
	}
	if it.Err != nil {
		return nil
	}
	if it.State == redrive.Discarded {
		return writeText(o.sys.stdout, fmt.Sprintf("%-9s  message %s (%s)\n", it.State, label.Clean(it.Message.ID), label.Clean(it.Queue)))
	}
	text := "an event of rootguard's own schedule or heartbeat"
	if alerts := it.Event.Alerts; len(alerts) > 0 {
		text = fmt.Sprintf("%s for Security Hub: alert %s", alerts[0].Alert.Finding.ID, alerts[0].Alert.ID)
	}
	if rec := it.Event.Record; rec != nil {
		text = fmt.Sprintf("%s %s in %s, event %s", rec.EventTime.UTC().Format("2006-01-02 15:04:05Z"), rec.EventName, rec.Account(), rec.EventID)
	}
	if it.State == redrive.Delivered && it.Result.Disposition != "" {
		text += ": " + strings.ReplaceAll(string(it.Result.Disposition), "_", " ")
		if it.Result.Outcome.Kind == detect.Matched {
			text += " as " + string(it.Result.Outcome.Finding.ID)
		}
	}
	return writeText(o.sys.stdout, fmt.Sprintf("%-9s  %s (%s)\n", it.State, label.Clean(text), label.Clean(it.Queue)))
}

func redrivenOf(it redrive.Item) redriven {
	out := redriven{
		Schema: redriveSchema, Queue: it.Queue, MessageID: it.Message.ID, Sent: it.Message.Sent, Receives: it.Message.Receives,
		State: it.State, Disposition: it.Result.Disposition,
	}
	if rec := it.Event.Record; rec != nil {
		out.EventID, out.EventTime, out.EventName, out.Account = rec.EventID, rec.EventTime, rec.EventName, rec.Account()
	}
	if it.Result.Outcome.Kind == detect.Matched {
		out.Finding = it.Result.Outcome.Finding.ID
	}
	if it.Result.Alert != nil {
		out.AlertID = it.Result.Alert.ID
	}
	if alerts := it.Event.Alerts; len(alerts) > 0 {
		out.Account, out.Finding, out.AlertID = alerts[0].Alert.Finding.Account, alerts[0].Alert.Finding.ID, alerts[0].Alert.ID
	}
	if it.Err != nil {
		out.Error = it.Err.Error()
	}
	return out
}

// redriveSummarySchema is the version of the JSON of a redrive's summary.
const redriveSummarySchema = "rootguard.redrive_summary/1"

// summary prints the counts, and says by its error what is left. ran is how the
// run itself ended.
func (o *redriveOutput) summary(c redriveCmd, queues []waitingQueue, sum redrive.Summary, ran error) error {
	names := make([]string, 0, len(queues))
	for _, q := range queues {
		names = append(names, q.name)
	}
	var err error
	if o.json {
		err = writeLine(o.sys.stdout, struct {
			Schema string   `json:"schema"`
			DryRun bool     `json:"dry_run"`
			Queues []string `json:"queues"`
			redrive.Summary
		}{redriveSummarySchema, c.DryRun, names, sum})
	} else {
		err = writeText(o.sys.stdout, o.counts(c, names, sum))
	}
	kept := c.kept(o.discarded)
	switch left := sum.Busy + sum.Failed; {
	case err != nil || ran != nil:
		return errors.Join(ran, err)
	case sum.Failed > 0:
		return fmt.Errorf("%s failed and stayed on the queues; fix the cause and run it again", plural(int64(left), "message"))
	case sum.Busy > 0:
		return fmt.Errorf("%s stayed on the queues, as another process is handling the event or died doing so; run it again in two minutes",
			plural(int64(left), "message"))
	case sum.Hidden > 0:
		return fmt.Errorf("%s stayed on the queues, hidden: another process received them, or an answer of SQS was lost on its way; run it again in 6 minutes", plural(int64(sum.Hidden), "message"))
	case kept != nil:
		return kept
	case sum.Malformed > 0:
		return leftError{sum.Malformed, o.malformedOn(queues)}
	default:
		return nil
	}
}

func (o *redriveOutput) counts(c redriveCmd, names []string, sum redrive.Summary) string {
	if sum.Seen()+sum.Hidden == 0 {
		return "Nothing waits in " + label.Clean(strings.Join(names, " and ")) + ".\n"
	}
	var parts []string
	for _, part := range []struct {
		n    int
		what string
	}{{sum.Waiting, "waiting"}, {sum.Delivered, "delivered"}, {sum.Duplicates, "reported before"}, {sum.Busy, "busy"}, {sum.Failed,
		"failed"}, {sum.Malformed, "malformed"}, {sum.Discarded, "discarded"}, {sum.Hidden, "hidden"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	text := plural(int64(sum.Seen()+sum.Hidden), "message") + ": " + strings.Join(parts, ", ") + ".\n"
	if sum.LimitReached {
		text += fmt.Sprintf("Stopped at %s (--limit); more may wait.\n", plural(int64(c.Limit), "message"))
	}
	if sum.Waiting > 0 {
		text += "Nothing was changed. To deliver them: the same command without --dry-run.\n"
	}
	return text
}
