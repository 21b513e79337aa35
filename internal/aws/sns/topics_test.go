package sns_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/sns"
	"rootguard/internal/health"
)

func TestTopic(t *testing.T) {
	attributes := func(confirmed, pending, deleted, key string) string {
		entry := func(k, v string) string { return "<entry><key>" + k + "</key><value>" + v + "</value></entry>" }
		return `<GetTopicAttributesResponse><GetTopicAttributesResult><Attributes>` + entry("SubscriptionsConfirmed", confirmed) + entry("SubscriptionsPending", pending) +
			entry("SubscriptionsDeleted", deleted) + entry("KmsMasterKeyId", key) + `</Attributes></GetTopicAttributesResult></GetTopicAttributesResponse>`
	}
	member := func(arn, protocol, endpoint string) string {
		return "<member><SubscriptionArn>" + arn + "</SubscriptionArn><Protocol>" + protocol + "</Protocol><Endpoint>" + endpoint + "</Endpoint></member>"
	}
	of := func(members string) string {
		return `<ListSubscriptionsByTopicResponse><ListSubscriptionsByTopicResult><Subscriptions>` + members + `</Subscriptions></ListSubscriptionsByTopicResult></ListSubscriptionsByTopicResponse>`
	}
	list := of(member(alerts+":1", "email", "a@example.com") + member("PendingConfirmation", "email", "ops@example.com"))
	const function = "arn:aws:lambda:us-east-1:111122223333:function:"
	failure := func(code string) string {
		return `<ErrorResponse><Error><Type>Sender</Type><Code>` + code + `</Code><Message>no</Message></Error></ErrorResponse>`
	}
	for name, tc := range map[string]struct {
		answers map[string]string
		want    health.Topic
		absent  bool
		err     string
	}{
		"well":           {answers: map[string]string{"GetTopicAttributes": attributes("2", "0", "1", "arn:k")}, want: health.Topic{Confirmed: 2, Deleted: 1, Key: "arn:k"}},
		"pending":        {answers: map[string]string{"GetTopicAttributes": attributes("1", "1", "0", ""), "ListSubscriptionsByTopic": list}, want: health.Topic{Confirmed: 1, Pending: 1, Waiting: []string{"email ops@example.com"}}},
		"pending, which": {answers: map[string]string{"GetTopicAttributes": attributes("0", "1", "0", ""), "ListSubscriptionsByTopic": failure("AuthorizationError")}, want: health.Topic{Pending: 1}},
		"one":            {answers: map[string]string{"GetTopicAttributes": attributes("1", "0", "0", ""), "ListSubscriptionsByTopic": of(member(alerts+":1", "lambda", function+"pager"))}, want: health.Topic{Confirmed: 1}},
		"itself":         {answers: map[string]string{"GetTopicAttributes": attributes("1", "0", "1", ""), "ListSubscriptionsByTopic": of(member(alerts+":1", "lambda", function+"rootguard-securityhub"))}, want: health.Topic{Deleted: 1}},
		"itself alone": {answers: map[string]string{"GetTopicAttributes": attributes("1", "1", "0", ""), "ListSubscriptionsByTopic": of(member(alerts+":1", "lambda", function+"rootguard-securityhub") +
			member("PendingConfirmation", "email", "ops@example.com"))}, want: health.Topic{Pending: 1, Waiting: []string{"email ops@example.com"}}},
		"gone":         {answers: map[string]string{"GetTopicAttributes": failure("NotFound")}, absent: true, err: "attributes of " + alerts},
		"denied":       {answers: map[string]string{"GetTopicAttributes": failure("AuthorizationError")}, err: "attributes of " + alerts},
		"not a number": {answers: map[string]string{"GetTopicAttributes": attributes("x", "0", "0", "")}, err: "SubscriptionsConfirmed"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				answer := tc.answers[r.FormValue("Action")]
				if answer == "" || r.FormValue("TopicArn") != alerts {
					t.Errorf("asked %v", r.Form)
				}
				w.Header().Set("Content-Type", "text/xml")
				if strings.Contains(answer, "<Error>") {
					w.WriteHeader(http.StatusBadRequest)
				}
				_, _ = w.Write([]byte(answer))
			}))
			defer server.Close()
			got, err := sns.NewInspector(client(server.URL), "rootguard-securityhub").Topic(t.Context(), alerts)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if errors.Is(err, health.ErrAbsent) != tc.absent || (err != nil) != (tc.err != "") || err != nil && !strings.Contains(err.Error(), tc.err) {
				t.Errorf("got %v, want %q", err, tc.err)
			}
		})
	}
}
