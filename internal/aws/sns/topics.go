package sns

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"

	"rootguard/internal/health"
)

var _ health.Topics = (*Inspector)(nil)

// Inspector is a health.Topics over Amazon SNS. It is safe for concurrent use.
type Inspector struct {
	client *sdk.Client
	own    string
}

// NewInspector returns an Inspector. own is the name of rootguard's own function
// that subscribes to alerts: it is no one who gets them.
func NewInspector(client *sdk.Client, own string) *Inspector {
	return &Inspector{client: client, own: own}
}

// in has a call made in the Region of a topic, since no other knows it.
func in(arn string) func(*sdk.Options) {
	return func(o *sdk.Options) {
		if parts := strings.SplitN(arn, ":", 6); len(parts) == 6 && parts[3] != "" {
			o.Region = parts[3]
		}
	}
}

// pendingARN is what a subscription that is not confirmed has for an ARN (Amazon
// SNS API Reference, ListSubscriptionsByTopic).
const pendingARN = "PendingConfirmation"

// maxWaiting is how many subscriptions that are not confirmed are named.
const maxWaiting = 5

// Topic is health.Topics'.
func (i *Inspector) Topic(ctx context.Context, arn string) (health.Topic, error) {
	there := in(arn)
	out, err := i.client.GetTopicAttributes(ctx, &sdk.GetTopicAttributesInput{TopicArn: &arn}, there)
	var missing *types.NotFoundException
	switch {
	case errors.As(err, &missing):
		return health.Topic{}, fmt.Errorf("reading the attributes of %s: %w", arn, health.ErrAbsent)
	case err != nil:
		return health.Topic{}, fmt.Errorf("reading the attributes of %s: %w", arn, err)
	}
	t := health.Topic{Key: out.Attributes["KmsMasterKeyId"], Policy: out.Attributes["Policy"],
		DeliveryPolicy: out.Attributes["DeliveryPolicy"]}
	for name, into := range map[string]*int{"SubscriptionsConfirmed": &t.Confirmed, "SubscriptionsPending": &t.Pending,
		"SubscriptionsDeleted": &t.Deleted} {
		if *into, err = strconv.Atoi(out.Attributes[name]); err != nil {
			return health.Topic{}, fmt.Errorf("reading the attributes of %s: %s: %w", arn, name, err)
		}
	}
	if t.Pending == 0 && t.Confirmed != 1 {
		return t, nil // among two there is one that is not the function's
	}
	page, err := i.client.ListSubscriptionsByTopic(ctx, &sdk.ListSubscriptionsByTopicInput{TopicArn: &arn}, there)
	if err != nil {
		return t, nil //nolint:nilerr // the names are an extra; how many there are is known
	}
	for _, s := range page.Subscriptions {
		if s.Protocol != nil && *s.Protocol == "lambda" && s.Endpoint != nil && strings.HasSuffix(*s.Endpoint, ":function:"+i.own) {
			t.Confirmed--
		}
		if s.SubscriptionArn != nil && *s.SubscriptionArn == pendingARN && s.Protocol != nil && s.Endpoint != nil && len(t.Waiting) < maxWaiting {
			t.Waiting = append(t.Waiting, *s.Protocol+" "+*s.Endpoint)
		}
	}
	return t, nil
}

// deletedARN is what a subscription that ended of late has for an ARN.
const deletedARN = "Deleted"

// How many subscriptions of a topic are listed, and read one by one.
const (
	maxPages = 10 // of 100
	maxRead  = 25
)

// Receivers is health.Topics'.
func (i *Inspector) Receivers(ctx context.Context, arn string) (health.Receivers, error) {
	var r health.Receivers
	list, there := &sdk.ListSubscriptionsByTopicInput{TopicArn: &arn}, in(arn)
	for page := 0; ; page++ {
		out, err := i.client.ListSubscriptionsByTopic(ctx, list, there)
		if err != nil {
			return health.Receivers{}, absent("listing the subscriptions of "+arn, err)
		}
		for _, s := range out.Subscriptions {
			one := health.Receiver{Protocol: deref(s.Protocol), Endpoint: deref(s.Endpoint), ARN: deref(s.SubscriptionArn)}
			switch one.ARN {
			case pendingARN:
				one.ARN, one.Pending = "", true
			case deletedARN:
				one.ARN, one.Deleted = "", true
			}
			r.List = append(r.List, one)
		}
		if list.NextToken = out.NextToken; deref(list.NextToken) == "" {
			break
		}
		if page == maxPages {
			return health.Receivers{}, fmt.Errorf("listing the subscriptions of %s: there are more than %d pages", arn, maxPages)
		}
	}
	read := 0
	for n := range r.List {
		s := &r.List[n]
		if s.ARN == "" {
			continue
		}
		if read++; read > maxRead {
			s.Unread = true
			r.More++
			continue
		}
		if err := i.read(ctx, s); err != nil {
			return health.Receivers{}, err
		}
	}
	// Amazon SNS has closed these policies to new customers, and does not say what it
	// answers them.
	out, err := i.client.GetDataProtectionPolicy(ctx, &sdk.GetDataProtectionPolicyInput{ResourceArn: &arn}, there)
	if err != nil {
		r.Unprotected = fmt.Errorf("reading the data protection policy of %s: %w", arn, err)
		return r, nil
	}
	r.DataProtection = deref(out.DataProtectionPolicy)
	return r, nil
}

// read reads the attributes of a subscription.
func (i *Inspector) read(ctx context.Context, s *health.Receiver) error {
	out, err := i.client.GetSubscriptionAttributes(ctx, &sdk.GetSubscriptionAttributesInput{SubscriptionArn: &s.ARN}, in(s.ARN))
	var missing *types.NotFoundException
	switch {
	case errors.As(err, &missing):
		s.Deleted = true // since it was listed
		return nil
	case err != nil:
		return fmt.Errorf("reading the attributes of the subscription %s: %w", s.ARN, err)
	}
	s.Filter, s.FilterScope = out.Attributes["FilterPolicy"], out.Attributes["FilterPolicyScope"]
	s.Authenticated = out.Attributes["ConfirmationWasAuthenticated"] == "true"
	return nil
}

// Texting is health.Topics'.
func (i *Inspector) Texting(ctx context.Context) (health.Texting, error) {
	status, err := i.client.GetSMSSandboxAccountStatus(ctx, &sdk.GetSMSSandboxAccountStatusInput{})
	if err != nil {
		return health.Texting{}, fmt.Errorf("reading whether text messages are in the sandbox: %w", err)
	}
	const limit = "MonthlySpendLimit"
	out, err := i.client.GetSMSAttributes(ctx, &sdk.GetSMSAttributesInput{Attributes: []string{limit}})
	if err != nil {
		return health.Texting{}, fmt.Errorf("reading the attributes of text messages: %w", err)
	}
	return health.Texting{Sandbox: status.IsInSandbox, Limit: out.Attributes[limit]}, nil
}

func absent(doing string, err error) error {
	var missing *types.NotFoundException
	if errors.As(err, &missing) {
		err = health.ErrAbsent
	}
	return fmt.Errorf("%s: %w", doing, err)
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
