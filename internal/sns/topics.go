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
// that subscribes to alerts: it is nobody who gets them.
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
	t := health.Topic{Key: out.Attributes["KmsMasterKeyId"]}
	for name, into := range map[string]*int{"SubscriptionsConfirmed": &t.Confirmed, "SubscriptionsPending": &t.Pending, "SubscriptionsDeleted": &t.Deleted} {
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
