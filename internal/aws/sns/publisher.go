// Package sns publishes alerts to Amazon SNS topics.
//
// Every alert goes to the topic of alerts, in one message with a body for each
// kind of subscription: the text for e-mail, the subject for SMS, and for all
// others (SQS, HTTPS, Lambda, Firehose, e-mail-JSON) the JSON body. The
// attributes severity, finding, account and kind let a subscription choose by
// filter policy.
//
// Critical alerts go to the escalation topic too, if there is one, and so does
// what says that one is less: see alert.Escalates. Amazon Q
// Developer in chat applications reads a body of its own and subscribes over
// HTTPS like other receivers do, so it has a topic of its own, on which that
// body is all there is.
package sns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/alert"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/failure"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

var _ guard.Publisher = (*Publisher)(nil)

// Topics are the ARNs to publish to. All but Alerts may be "".
type Topics struct {
	Alerts     string // every alert
	Escalation string // critical alerts and the like, in addition
	Chat       string // every alert, as a custom notification of Amazon Q Developer
}

// Router knows to which routes accounts belong. It is an accountcheck.Schedule.
type Router interface {
	// RoutesOf are the names of an account's routes.
	RoutesOf(ctx context.Context, account string) ([]string, error)
}

// Publisher is a guard.Publisher over SNS topics. It is safe for concurrent use.
type Publisher struct {
	client  *sdk.Client
	topics  Topics
	version string
	router  Router // nil where no route is by organizational unit or tag
	logger  *slog.Logger
}

// New returns a Publisher.
func New(client *sdk.Client, topics Topics) *Publisher {
	return &Publisher{client: client, topics: topics}
}

// Of has the alerts name the version of rootguard that sends them.
func (p *Publisher) Of(version string) *Publisher {
	p.version = version
	return p
}

// Route has the alerts name the routes of their accounts. Where these cannot be read,
// an alert goes out without them, to the receivers of all alerts, and the log says so.
func (p *Publisher) Route(r Router, logger *slog.Logger) *Publisher {
	p.router, p.logger = r, logger
	return p
}

// budget bounds what one topic may take of the time of a publish. It has room for
// more than one attempt of a request.
const budget = 12 * time.Second

// Publish is guard.Publisher's. It tries every topic but those that took the
// alert before, all at once and each with a time of its own: a topic that hangs or
// refuses takes nothing from the others. It fails where one does not take it.
func (p *Publisher) Publish(ctx context.Context, a alert.Alert) error {
	a.Version = p.version
	type target struct {
		topic   string
		compose func(alert.Alert) (sdk.PublishInput, error)
	}
	routes, err := p.routes(ctx, &a)
	if err != nil {
		return failure.Permanent(err)
	}
	targets := []target{{p.topics.Alerts, message}, {p.topics.Chat, chatMessage}}
	if alert.Escalates(a) {
		targets = slices.Insert(targets, 1, target{p.topics.Escalation, message})
	}
	targets = slices.DeleteFunc(targets, func(t target) bool { return t.topic == "" || slices.Contains(a.DeliveredTo, t.topic) })
	outcomes := make([]error, len(targets))
	var all sync.WaitGroup
	for i, t := range targets {
		all.Go(func() {
			in, err := t.compose(a)
			if err != nil {
				outcomes[i] = failure.Permanent(err)
				return
			}
			if routes.StringValue != nil {
				in.MessageAttributes[config.AttributeRoute] = routes
			}
			outcomes[i] = p.send(ctx, t.topic, in)
		})
	}
	all.Wait()
	took := slices.Clone(a.DeliveredTo)
	for i, t := range targets {
		if outcomes[i] == nil {
			took = append(took, t.topic)
		}
	}
	err = errors.Join(outcomes...)
	if err != nil && len(took) > 0 {
		return &guard.Partial{DeliveredTo: took, Err: err}
	}
	return err
}

// routesTimeout bounds the reading of routes, which the alert waits for.
const routesTimeout = 3 * time.Second

// routes is the attribute that names the routes of an alert's accounts; without a
// value where there are none.
func (p *Publisher) routes(ctx context.Context, a *alert.Alert) (types.MessageAttributeValue, error) {
	none := types.MessageAttributeValue{}
	accounts := []string{a.Finding.Account}
	if a.Summary != nil && a.Summary.AccountCount > 1 {
		accounts = summaryAccounts(a.Summary)
	}
	if p.router == nil || len(accounts) == 1 && accounts[0] == "" {
		return none, nil
	}
	ctx, cancel := context.WithTimeout(ctx, routesTimeout)
	defer cancel()
	found, errs := make([][]string, len(accounts)), make([]error, len(accounts))
	worker.Each(len(accounts), func(i int) { found[i], errs[i] = p.router.RoutesOf(ctx, accounts[i]) })
	for i, err := range errs {
		if err != nil {
			p.logger.Warn("routes of an account not read: its alert goes to the receivers of all alerts alone", "account", accounts[i], "alert",
				a.ID, "error", err.Error())
			break
		}
	}
	names := slices.Concat(found...)
	slices.Sort(names)
	if names = slices.Compact(names); len(names) == 0 {
		return none, nil
	}
	value, err := encode(names)
	if err != nil {
		return none, fmt.Errorf("encoding routes of alert %s: %w", a.ID, err)
	}
	list := "String.Array"
	return types.MessageAttributeValue{DataType: &list, StringValue: &value}, nil
}

// send publishes to one topic within its budget.
func (p *Publisher) send(ctx context.Context, topic string, in sdk.PublishInput) error {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	in.TopicArn = &topic
	if _, err := p.client.Publish(ctx, &in); err != nil {
		return classed("publishing to "+topic, err)
	}
	return nil
}

// message is the alert with a body for each kind of subscription. The bodies'
// own limits keep it within the 256 KiB of a message (Amazon SNS API Reference,
// Publish); a subject fits one SMS.
func message(a alert.Alert) (sdk.PublishInput, error) {
	machine, err := alert.JSON(a)
	if err != nil {
		return sdk.PublishInput{}, err
	}
	subject := alert.Subject(a)
	bodies := map[string]string{"default": string(machine), "email": alert.Text(a), "sms": subject}
	body, err := encode(bodies)
	if err != nil {
		return sdk.PublishInput{}, fmt.Errorf("encoding message of alert %s: %w", a.ID, err)
	}
	attributes, err := attributesOf(a)
	if err != nil {
		return sdk.PublishInput{}, err
	}
	structure := "json"
	return sdk.PublishInput{Subject: &subject, Message: &body, MessageStructure: &structure, MessageAttributes: attributes}, nil
}

func chatMessage(a alert.Alert) (sdk.PublishInput, error) {
	raw, err := alert.AmazonQ(a)
	if err != nil {
		return sdk.PublishInput{}, err
	}
	attributes, err := attributesOf(a)
	if err != nil {
		return sdk.PublishInput{}, err
	}
	body := string(raw)
	return sdk.PublishInput{Message: &body, MessageAttributes: attributes}, nil
}

// attributesOf are the message attributes. SNS refuses an empty value, so one
// that is not known is left out.
func attributesOf(a alert.Alert) (map[string]types.MessageAttributeValue, error) {
	f := &a.Finding
	ids := append([]detect.ID{f.ID}, f.Also...)
	findings, err := encode(ids)
	if err != nil {
		return nil, fmt.Errorf("encoding findings of alert %s: %w", a.ID, err)
	}
	text, list := "String", "String.Array"
	severity, kind, account := f.Severity.String(), string(a.Kind), f.Account
	attributes := map[string]types.MessageAttributeValue{
		config.AttributeFinding: {DataType: &list, StringValue: &findings},
	}
	for name, value := range map[string]string{config.AttributeSeverity: severity, config.AttributeKind: kind,
		config.AttributeAccount: account} {
		if value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: &text, StringValue: &value}
		}
	}
	if a.Summary != nil && a.Summary.AccountCount > 1 {
		accounts, err := encode(summaryAccounts(a.Summary))
		if err != nil {
			return nil, fmt.Errorf("encoding accounts of alert %s: %w", a.ID, err)
		}
		attributes[config.AttributeAccount] = types.MessageAttributeValue{DataType: &list, StringValue: &accounts}
	}
	return attributes, nil
}

// accountsInAttribute keeps an attribute, which counts to the size of the message,
// far from its limit.
const accountsInAttribute = 1000

// summaryAccounts are the accounts of a summary, for a filter policy to match any of.
func summaryAccounts(s *alert.Summary) []string {
	accounts := make([]string, min(len(s.Accounts), accountsInAttribute))
	for i := range accounts {
		accounts[i] = s.Accounts[i].Account
	}
	return accounts
}

// encode is JSON without the escapes for browsers, which take six bytes each.
func encode(v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return string(bytes.TrimSuffix(b.Bytes(), []byte("\n"))), nil
}

// classed wraps an error of SNS. What it says is wrong with the message is
// permanent. All else may pass: throttling, a network that is down, a topic,
// key or policy that a deployment has not finished.
func classed(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "InvalidParameter", "InvalidParameterValue", "ParameterValueInvalid", "ValidationError", "ValidationException":
			return failure.Permanent(wrapped)
		}
	}
	return wrapped
}
