// Package sns publishes alerts to Amazon SNS topics.
//
// Every alert goes to the topic of alerts, in one message with a body for each
// kind of subscription: the text for e-mail, the subject for SMS, and for all
// others (SQS, HTTPS, Lambda, Firehose, e-mail-JSON) the JSON body. The
// attributes severity, finding, account and kind let a subscription choose by
// filter policy.
//
// Critical alerts go to the escalation topic too, if there is one. Amazon Q
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
	"sync"

	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/alert"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

var _ guard.Publisher = (*Publisher)(nil)

// Topics are the ARNs to publish to. All but Alerts may be "".
type Topics struct {
	Alerts     string // every alert
	Escalation string // critical alerts, in addition
	Chat       string // every alert, as a custom notification of Amazon Q Developer
}

// Publisher is a guard.Publisher over SNS topics. It is safe for concurrent use.
type Publisher struct {
	client *sdk.Client
	topics Topics

	mu   sync.Mutex
	took map[delivery]bool // of alerts that not every topic took
}

type delivery struct{ alertID, topic string }

// maxTook bounds what is remembered while one of several topics is down.
const maxTook = 1000

// New returns a Publisher.
func New(client *sdk.Client, topics Topics) *Publisher {
	return &Publisher{client: client, topics: topics, took: map[delivery]bool{}}
}

// Publish is guard.Publisher's. It tries every topic, and fails where one did
// not take the alert. When the alert comes again, this Publisher leaves out the
// topics that did.
func (p *Publisher) Publish(ctx context.Context, a alert.Alert) error {
	in, err := message(a)
	if err != nil {
		return guard.Permanent(err)
	}
	topics := []string{p.topics.Alerts}
	if p.topics.Escalation != "" && a.Finding.Severity >= detect.Critical {
		topics = append(topics, p.topics.Escalation)
	}
	var errs []error
	for _, topic := range topics {
		errs = append(errs, p.send(ctx, a.ID, topic, in))
	}
	if p.topics.Chat != "" {
		topics = append(topics, p.topics.Chat)
		in, err := chatMessage(a)
		if err != nil {
			errs = append(errs, guard.Permanent(err))
		} else {
			errs = append(errs, p.send(ctx, a.ID, p.topics.Chat, in))
		}
	}
	err = errors.Join(errs...)
	if err == nil {
		p.forget(a.ID, topics)
	}
	return err
}

func (p *Publisher) send(ctx context.Context, alertID, topic string, in sdk.PublishInput) error {
	d := delivery{alertID, topic}
	p.mu.Lock()
	done := p.took[d]
	p.mu.Unlock()
	if done {
		return nil
	}
	in.TopicArn = &topic
	if _, err := p.client.Publish(ctx, &in); err != nil {
		return classed("publishing to "+topic, err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.took) >= maxTook {
		clear(p.took) // costs copies, which receivers drop by the alert's ID
	}
	p.took[d] = true
	return nil
}

func (p *Publisher) forget(alertID string, topics []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range topics {
		delete(p.took, delivery{alertID, t})
	}
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
	for name, value := range map[string]string{config.AttributeSeverity: severity, config.AttributeKind: kind, config.AttributeAccount: account} {
		if value != "" {
			attributes[name] = types.MessageAttributeValue{DataType: &text, StringValue: &value}
		}
	}
	return attributes, nil
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
			return guard.Permanent(wrapped)
		}
	}
	return wrapped
}
