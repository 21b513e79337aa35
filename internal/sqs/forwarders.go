package sqs

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rootguard/internal/config"
	"rootguard/internal/guard"
)

var _ guard.Forwarders = (*Forwarders)(nil)

// Forwarders is a guard.Forwarders over the queues of the stacks that forward
// accounts' events: one in each Region, all of one name. The guard's own account
// has other ones, which are not looked at here.
type Forwarders struct {
	clients     []*sdk.Client // of each Region, whose connections all accounts share
	credentials func(account string) (aws.CredentialsProvider, error)
	partition   string // "aws", "aws-us-gov", "aws-cn"
	own         string
	queue       string // name
}

// NewForwarders returns the Forwarders of a function's settings. credentials are
// for reading the queues of an account.
func NewForwarders(cfg *config.Config, env aws.Config, credentials func(account string) (aws.CredentialsProvider, error)) *Forwarders {
	f := &Forwarders{credentials: credentials, partition: cfg.Partition, own: cfg.Account, queue: config.ForwardQueue(cfg.Own.Prefix)}
	for _, region := range append([]string{cfg.Region}, cfg.Regions...) {
		f.clients = append(f.clients, sdk.NewFromConfig(env, func(o *sdk.Options) { o.Region = region }))
	}
	return f
}

// Undelivered is guard.Forwarders'.
func (f *Forwarders) Undelivered(ctx context.Context, account string) (stuck []guard.Undelivered, err error) {
	if account == f.own {
		return []guard.Undelivered{}, nil
	}
	credentials, err := f.credentials(account)
	if err != nil {
		return nil, fmt.Errorf("looking at the queues of account %s: %w", account, err)
	}
	var errs []error
	for _, client := range f.clients {
		options := client.Options()
		options.Credentials = credentials
		region := options.Region
		queue := New(sdk.New(options), f.url(region, account))
		visible, hidden, err := queue.Waiting(ctx)
		var missing *types.QueueDoesNotExist
		switch {
		case errors.As(err, &missing):
			stuck = append(stuck, guard.Undelivered{Region: region, Queue: queue.url})
		case err != nil:
			errs = append(errs, err)
		case visible+hidden > 0:
			stuck = append(stuck, guard.Undelivered{Region: region, Queue: queue.url, Events: visible + hidden})
		}
	}
	return stuck, errors.Join(errs...)
}

// url is that of the queue (Amazon SQS Developer Guide, "Queue and message
// identifiers"). It is made here, as GetQueueUrl would be one more call a queue.
func (f *Forwarders) url(region, account string) string {
	domain := "amazonaws.com"
	if strings.HasPrefix(f.partition, "aws-cn") {
		domain = "amazonaws.com.cn"
	}
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", region, domain, account, f.queue)
}
