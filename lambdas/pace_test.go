package lambdas_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/alert"
	"rootguard/internal/config"
	"rootguard/internal/dynamodb/dynamotest"
)

// turn sets when the next turn to publish begins.
func (c *cloud) turn(t *testing.T, at time.Time) {
	t.Helper()
	table := c.env[config.EnvTable]
	_, err := dynamotest.Client(c.table.URL).PutItem(t.Context(), &sdk.PutItemInput{TableName: &table, Item: map[string]types.AttributeValue{
		config.TablePartitionKey: &types.AttributeValueMemberS{Value: "TURN"}, config.TableSortKey: &types.AttributeValueMemberS{Value: "TURN"},
		"turn": &types.AttributeValueMemberN{Value: strconv.FormatInt(at.UnixMilli(), 10)},
	}})
	if err != nil {
		t.Fatal(err)
	}
}

// TestNoTurn has others use up all turns when a user is created: it is told of
// as soon as there is one, and once.
func TestNoTurn(t *testing.T) {
	c := newCloud(t)
	f, sweep := c.start(t, "iamuser"), c.start(t, "sweep")
	event := c.createUser("e-1")
	c.turn(t, time.Now().Add(20*time.Second))
	handled(t, f, event)
	handled(t, f, event)
	schedule := func(after time.Duration) {
		t.Helper()
		handled(t, sweep, fmt.Appendf(nil, `{"version":"0","id":"s","detail-type":"Scheduled Event","source":"aws.events","account":%q,"time":%q,"region":"us-east-1","resources":[],"detail":{}}`,
			account, time.Now().Add(after).UTC().Format(time.RFC3339)))
	}
	schedule(2 * time.Minute)
	c.wantFindings(t)

	c.turn(t, time.Now().Add(300*time.Millisecond))
	began := time.Now()
	schedule(2 * time.Minute)
	schedule(4 * time.Minute)
	handled(t, f, event)
	c.wantFindings(t, "user.created info e-1")
	if a := c.alerts(t)[0]; a.Kind != alert.RollUp || !a.Late || a.Count != 1 {
		t.Errorf("told: %+v", a)
	}
	if waited := time.Since(began); waited < 200*time.Millisecond {
		t.Errorf("it was told after %v, before its turn", waited)
	}

	// Without the row alerts go out all the same.
	c.table.Inject("UpdateItem", 100, dynamotest.Fault{Code: "AccessDeniedException"})
	handled(t, f, c.createLoginProfile("e-2"))
	c.wantFindings(t, "user.created info e-1", "user.console_access medium e-2")
}
