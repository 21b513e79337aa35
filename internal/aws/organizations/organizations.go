// Package organizations asks AWS Organizations what accounts are called, so that
// an alert says "payments-prod" beside twelve digits.
package organizations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"
)

// How long an answer holds. An alert waits for the name, so where Organizations
// does not answer, the alerts after it do not wait again for a while.
const (
	timeout    = time.Second
	nameHolds  = 24 * time.Hour
	noneHolds  = time.Hour   // no such account, or no one here may ask
	pauseHolds = time.Minute // no answer in time
	most       = 1024        // names kept
)

// Names are the names of an organization's accounts. Only the management account
// and delegated administrators may ask (Organizations API Reference,
// DescribeAccount); elsewhere every name is unknown. Names is safe for concurrent
// use.
type Names struct {
	client *sdk.Client
	now    func() time.Time
	logger *slog.Logger

	mu    sync.Mutex
	known map[string]entry
	quiet time.Time // until then, Organizations is not asked about any account
}

type entry struct {
	name  string // "": there is none
	until time.Time
}

// New returns Names. A client that retries would keep alerts waiting: each
// question is asked once.
func New(client *sdk.Client, now func() time.Time, logger *slog.Logger) *Names {
	return &Names{client: client, now: now, logger: logger, known: map[string]entry{}}
}

// Name is an account's name, "" where it is not known. It returns within a
// second. A failure is logged, and no more than once in the time for which it
// keeps from asking: an alert without a name is better than none. A name that
// was known once outlives failures.
func (n *Names) Name(account string) string {
	n.mu.Lock()
	have, ok := n.known[account]
	now := n.now()
	if ok && now.Before(have.until) || now.Before(n.quiet) {
		n.mu.Unlock()
		return have.name
	}
	n.mu.Unlock()

	name, err := n.ask(account)
	n.mu.Lock()
	defer n.mu.Unlock()
	holds := nameHolds
	if err != nil {
		var forAll bool
		if holds, forAll = failure(err); forAll {
			n.quiet = now.Add(holds)
		}
		n.logger.Warn("name of an account not read", "account", account, "error", err.Error(), "again_in", holds.String())
		if forAll {
			return have.name
		}
		name = have.name
	}
	n.keep(account, entry{name, now.Add(holds)})
	return name
}

func (n *Names) ask(account string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	out, err := n.client.DescribeAccount(ctx, &sdk.DescribeAccountInput{AccountId: &account},
		func(o *sdk.Options) { o.Retryer = aws.NopRetryer{} })
	if err != nil {
		return "", fmt.Errorf("describing account: %w", err)
	}
	if out.Account == nil || aws.ToString(out.Account.Name) == "" {
		return "", errUnnamed
	}
	return *out.Account.Name, nil
}

var errUnnamed = errors.New("describing account: Organizations gave no name")

// failure says for how long an error keeps from asking again, and whether about
// every account or about this one alone.
func failure(err error) (holds time.Duration, forAll bool) {
	var unknown *types.AccountNotFoundException
	var invalid *types.InvalidInputException
	if errors.Is(err, errUnnamed) || errors.As(err, &unknown) || errors.As(err, &invalid) {
		return noneHolds, false
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "AccessDeniedException", "AWSOrganizationsNotInUseException":
			return noneHolds, true
		}
	}
	return pauseHolds, true
}

// keep makes room where there is none: first by what holds no longer, then by
// any other.
func (n *Names) keep(account string, e entry) {
	if _, has := n.known[account]; !has && len(n.known) >= most {
		now := n.now()
		for a, old := range n.known {
			if !now.Before(old.until) {
				delete(n.known, a)
			}
		}
		for a := range n.known {
			if len(n.known) < most {
				break
			}
			delete(n.known, a)
		}
	}
	n.known[account] = e
}
