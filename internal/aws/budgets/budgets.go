// Package budgets looks up whether a budget of AWS Budgets reports to a receiver.
//
// A budget without a notification, and a notification to a topic without a confirmed
// subscription, reach no one. So the notifications of each budget are read, and for
// topics also who subscribes to them. An account without any budget is an answer and no
// error.
package budgets

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/budgets"
	"github.com/aws/aws-sdk-go-v2/service/budgets/types"

	"rootguard/internal/daytwo"
)

// What is read of an account at most: the first budgets and, of each, the first
// notifications (an account has at most 20,000 budgets, a budget 10 notifications with
// 11 receivers each: AWS Cost Management User Guide, "Quotas and restrictions").
const (
	maxBudgets       = 10
	maxNotifications = 10
	maxSubscribers   = 20
)

// Topics reports how many subscriptions of an SNS topic are confirmed.
type Topics interface {
	Confirmed(ctx context.Context, topicARN string) (int, error)
}

// Read reads the budgets of an account with its own credentials. That it has none is
// an answer and no error (AWS Budgets API Reference, DescribeBudgets:
// NotFoundException). It ends with the first receiver that gets the notifications.
func Read(ctx context.Context, client *sdk.Client, topics Topics, account string) (daytwo.Budgets, error) {
	r := reader{client: client, topics: topics, account: &account}
	out, err := client.DescribeBudgets(ctx, &sdk.DescribeBudgetsInput{AccountId: r.account, MaxResults: aws.Int32(maxBudgets)})
	var none *types.NotFoundException
	if errors.As(err, &none) {
		return daytwo.Budgets{}, nil
	}
	if err != nil {
		return daytwo.Budgets{}, fmt.Errorf("listing the budgets: %w", err)
	}
	r.found.Count, r.found.More = len(out.Budgets), aws.ToString(out.NextToken) != ""
	for i := range out.Budgets {
		if err := r.budget(ctx, out.Budgets[i].BudgetName); err != nil {
			return daytwo.Budgets{}, err
		}
		if r.found.Emails+r.found.Confirmed > 0 {
			break
		}
	}
	return r.found, nil
}

type reader struct {
	client  *sdk.Client
	topics  Topics
	account *string
	found   daytwo.Budgets
}

// budget reads the notifications of a budget and their receivers. An e-mail address
// needs no confirmation; a topic does of its subscriptions.
func (r *reader) budget(ctx context.Context, name *string) error {
	var none *types.NotFoundException
	notifications, err := r.client.DescribeNotificationsForBudget(ctx, &sdk.DescribeNotificationsForBudgetInput{AccountId: r.account,
		BudgetName: name, MaxResults: aws.Int32(maxNotifications)})
	if errors.As(err, &none) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing the notifications of a budget: %w", err)
	}
	for i := range notifications.Notifications {
		out, err := r.client.DescribeSubscribersForNotification(ctx, &sdk.DescribeSubscribersForNotificationInput{
			AccountId: r.account, BudgetName: name, Notification: &notifications.Notifications[i], MaxResults: aws.Int32(maxSubscribers),
		})
		if errors.As(err, &none) {
			continue
		}
		if err != nil {
			return fmt.Errorf("listing the receivers of a budget: %w", err)
		}
		for _, s := range out.Subscribers {
			r.receiver(ctx, s)
		}
	}
	return nil
}

func (r *reader) receiver(ctx context.Context, s types.Subscriber) {
	if s.SubscriptionType == types.SubscriptionTypeEmail {
		r.found.Emails++
		return
	}
	switch n, err := r.topics.Confirmed(ctx, aws.ToString(s.Address)); {
	case err != nil:
		r.found.Unknown = append(r.found.Unknown, err.Error())
	case n > 0:
		r.found.Confirmed++
	default:
		r.found.Pending++
	}
}
