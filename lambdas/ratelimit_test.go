package lambdas_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/config"
)

// take takes all tokens of some seconds from a time, or gives them back.
func (c *cloud) take(t *testing.T, from time.Time, seconds, tokens int) {
	t.Helper()
	table := c.env[config.EnvTable]
	for i := range seconds {
		second := from.Add(time.Duration(i) * time.Second).UTC().Truncate(time.Second)
		_, err := dynamotest.Client(c.table.URL).PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
			config.TablePartitionKey: &types.AttributeValueMemberS{Value: "RATELIMIT"},
			config.TableSortKey:      &types.AttributeValueMemberS{Value: second.Format(time.RFC3339)},
			"tokens":                 &types.AttributeValueMemberN{Value: strconv.Itoa(tokens)},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestNoToken has others take all tokens when a user is created: it is published as
// soon as there is one, and once.
func TestNoToken(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	f, sweep := c.start(t, "iamuser"), c.start(t, "sweep")
	event := c.createUser("e-1")
	c.take(t, time.Now(), 60, 8)
	handled(t, f, event)
	handled(t, f, event)
	schedule := func(after time.Duration) {
		t.Helper()
		handled(t, sweep, fmt.Appendf(nil, `{"version":"0","id":"s","detail-type":"Scheduled Event","source":"aws.events","account":%q,"time":%q,"region":"us-east-1","resources":[],"detail":{}}`,
			account, time.Now().Add(after).UTC().Format(time.RFC3339)))
	}
	schedule(2 * time.Minute)
	c.wantFindings(t)

	// The next second has a token again.
	c.take(t, time.Now().Add(time.Second), 5, 0)
	schedule(3 * time.Minute)
	schedule(4 * time.Minute)
	handled(t, f, event)
	c.wantFindings(t, "user.created info e-1")
	if a := c.alerts(t)[0]; a.Kind != alert.RollUp || !a.Late || a.Count != 1 {
		t.Errorf("published: %+v", a)
	}

	// Where no tokens can be taken alerts go out all the same.
	c.table.Inject("UpdateItem", 100, dynamotest.Fault{Code: "AccessDeniedException"})
	handled(t, f, c.createLoginProfile("e-2"))
	c.wantFindings(t, "user.created info e-1", "user.console_access medium e-2")
}

// TestAllTokensTaken holds that anyone who takes every token mutes nothing: what is
// critical is published at once, the rest some minutes later.
func TestAllTokensTaken(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	root, user, sweep := c.start(t, "rootactivity"), c.start(t, "iamuser"), c.start(t, "sweep")
	c.take(t, time.Now().Add(-5*time.Second), 120, 1<<40)
	handled(t, user, c.createUser("e-1"))
	c.wantFindings(t)
	handled(t, root, c.rootSignIn("e-2", "No", "Success"))
	c.wantFindings(t, "root.signin.no_mfa critical e-2")
	handled(t, sweep, fmt.Appendf(nil, `{"version":"0","id":"s","detail-type":"Scheduled Event","source":"aws.events","account":%q,"time":%q,"region":"us-east-1","resources":[],"detail":{}}`,
		account, time.Now().Add(8*time.Minute).UTC().Format(time.RFC3339)))
	c.wantFindings(t, "root.signin.no_mfa critical e-2", "user.created info e-1")
}
