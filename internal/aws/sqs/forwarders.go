package sqs

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"rootguard/internal/accountcheck"
	"rootguard/internal/config"
	"rootguard/internal/partition"
)

var _ accountcheck.Forwarders = (*Forwarders)(nil)

// Forwarders is a accountcheck.Forwarders over the queues of the stacks that forward
// accounts' events: one in each Region, all of one name. The guard's own account
// has other ones, which are not checked here.
type Forwarders struct {
	clients     []*sdk.Client // of each Region, whose connections all accounts share
	credentials func(account string) (aws.CredentialsProvider, error)
	suffix      string // of the names of endpoints, such as "amazonaws.com"
	own         string
	queue       string // name
}

// NewForwarders returns the Forwarders of a function's settings. credentials are
// for reading the queues of an account.
func NewForwarders(cfg *config.Config, env aws.Config, credentials func(account string) (aws.CredentialsProvider, error)) *Forwarders {
	suffix := "amazonaws.com"
	if p, ok := partition.Of(cfg.Partition); ok {
		suffix = p.Suffix
	}
	f := &Forwarders{credentials: credentials, suffix: suffix, own: cfg.Account, queue: config.ForwardQueue(cfg.Own.Prefix)}
	for _, region := range append([]string{cfg.Region}, cfg.Regions...) {
		f.clients = append(f.clients, sdk.NewFromConfig(env, func(o *sdk.Options) { o.Region = region }))
	}
	return f
}

// Undelivered is accountcheck.Forwarders'.
func (f *Forwarders) Undelivered(ctx context.Context, account string) (undelivered []accountcheck.Undelivered, err error) {
	if account == f.own {
		return []accountcheck.Undelivered{}, nil
	}
	credentials, err := f.credentials(account)
	if err != nil {
		return nil, fmt.Errorf("checking the queues of account %s: %w", account, err)
	}
	// Side by side: far Regions take a quarter of a second each, and one that hangs
	// is to leave the others their time.
	found, errs := make([]accountcheck.Undelivered, len(f.clients)), make([]error, len(f.clients))
	var wg sync.WaitGroup
	for i, client := range f.clients {
		wg.Go(func() {
			options := client.Options()
			options.Credentials = credentials
			queue := New(sdk.New(options), f.url(options.Region, account))
			visible, hidden, err := queue.Waiting(ctx)
			var missing *types.QueueDoesNotExist
			if absent := errors.As(err, &missing); absent || visible+hidden > 0 {
				found[i] = accountcheck.Undelivered{Region: options.Region, Queue: queue.url, Events: visible + hidden}
			} else {
				errs[i] = err
			}
		})
	}
	wg.Wait()
	for _, one := range found {
		if one.Queue != "" {
			undelivered = append(undelivered, one)
		}
	}
	return undelivered, errors.Join(errs...)
}

// url is that of the queue (Amazon SQS Developer Guide, "Queue and message
// identifiers"). It is made here, as GetQueueUrl would be one more call a queue.
func (f *Forwarders) url(region, account string) string {
	return fmt.Sprintf("https://sqs.%s.%s/%s/%s", region, f.suffix, account, f.queue)
}
