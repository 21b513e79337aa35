package dynamodb_test

import (
	"encoding/json"
	"errors"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/incident"
)

// byHand is the documented line of the AWS CLI that acknowledges an incident.
func byHand(t *testing.T, table, id string) *sdk.UpdateItemInput {
	t.Helper()
	doc, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile("(?s)```sh\n(aws dynamodb update-item .*?)\n```").FindSubmatch(doc)
	if line == nil {
		t.Fatal("operating.md does not say how to acknowledge without the command")
	}
	text := strings.NewReplacer("\\\n", " ", "TABLE", table, "7K4Q2-X2M9P", id).Replace(string(line[1]))
	flags := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+) +('[^']*'|[^ ']+)`).FindAllStringSubmatch(text, -1) {
		flags[m[1]] = strings.Trim(m[2], "'")
	}
	attributes := func(flag string) map[string]types.AttributeValue {
		var values map[string]struct{ S string }
		if err := json.Unmarshal([]byte(flags[flag]), &values); err != nil {
			t.Fatalf("--%s %s: %v", flag, flags[flag], err)
		}
		out := map[string]types.AttributeValue{}
		for name, v := range values {
			out[name] = &types.AttributeValueMemberS{Value: v.S}
		}
		return out
	}
	in := &sdk.UpdateItemInput{
		TableName: aws.String(flags["table-name"]), Key: attributes("key"), UpdateExpression: aws.String(flags["update-expression"]),
		ConditionExpression: aws.String(flags["condition-expression"]), ExpressionAttributeValues: attributes("expression-attribute-values"),
	}
	if len(flags) != 6 || flags["region"] == "" {
		t.Fatalf("the line has the flags %v", flags)
	}
	return in
}

// TestWrittenByHand holds that the documented line of the AWS CLI acknowledges an
// incident, once, and one that exists.
func TestWrittenByHand(t *testing.T) {
	const id = "7K4Q2-X2M9P"
	s, server, table := local(t, fixed)
	client := dynamotest.Client(server.URL)
	if err := update(t, s, func([]incident.Incident) incident.Incident { return anIncident(t0) }); err != nil {
		t.Fatal(err)
	}
	written := func(want int) []incident.Written {
		t.Helper()
		some, err := s.Written(t.Context(), 10)
		if err != nil || len(some) != want {
			t.Fatalf("written: %+v, %v, want %d", some, err, want)
		}
		return some
	}
	written(0)
	if _, err := client.UpdateItem(t.Context(), byHand(t, table, id)); err != nil {
		t.Fatal(err)
	}
	w := written(1)[0]
	if w.Incident != id || w.By != "Alice" || w.Note != "calling the owner" || w.Version == "" {
		t.Errorf("written: %+v", w)
	}
	var refused *types.ConditionalCheckFailedException
	for _, other := range []string{id, "00000-00000"} {
		if _, err := client.UpdateItem(t.Context(), byHand(t, table, other)); !errors.As(err, &refused) {
			t.Errorf("writing %s again: %v", other, err)
		}
	}
	if in, found, err := incident.One(t.Context(), s, id); !found || err != nil || in.Account != "a" {
		t.Errorf("found by its ID: %+v, %v, %v", in, found, err)
	}
	// Another version of the row stays.
	old := w
	old.Version = "another"
	if err := s.Clear(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	written(1)
	for range 2 {
		if err := s.Clear(t.Context(), w); err != nil {
			t.Fatal(err)
		}
	}
	written(0)
	if in, found, err := incident.One(t.Context(), s, id); !found || err != nil || in.ID != id {
		t.Errorf("found by its ID, when it is cleared: %+v, %v, %v", in, found, err)
	}
	if _, err := client.UpdateItem(t.Context(), byHand(t, table, id)); err != nil {
		t.Fatal(err)
	}
	if again := written(1)[0]; again.Version == w.Version {
		t.Error("what is written later cannot be told from what was cleared")
	}

	// Rows that are no incident's are left alone, and errors come back.
	server.Inject("Query", 50, dynamotest.Fault{Code: "AccessDeniedException"})
	if _, err := s.Written(t.Context(), 10); err == nil {
		t.Error("no error")
	}
	server.Recover("Query")
	server.Inject("PutItem", 50, dynamotest.Fault{Code: "AccessDeniedException"})
	if err := s.Clear(t.Context(), written(1)[0]); err == nil {
		t.Error("no error")
	}
}

// TestWrittenRow holds that the row of an ID keeps its expiry when it is cleared.
func TestWrittenRow(t *testing.T) {
	s, server, table := local(t, func() time.Time { return t0 })
	if err := update(t, s, func([]incident.Incident) incident.Incident { return anIncident(t0) }); err != nil {
		t.Fatal(err)
	}
	if _, err := dynamotest.Client(server.URL).UpdateItem(t.Context(), byHand(t, table, "7K4Q2-X2M9P")); err != nil {
		t.Fatal(err)
	}
	some, err := s.Written(t.Context(), 1)
	if err != nil || len(some) != 1 {
		t.Fatal(some, err)
	}
	if err := s.Clear(t.Context(), some[0]); err != nil {
		t.Fatal(err)
	}
	for _, item := range server.Items(table) {
		if item.Str("pk") != "INCIDENT#7K4Q2-X2M9P" {
			continue
		}
		if len(item) != 5 || item.Num("expires") == "" || item.Str("ack_by") != "" || item.Str("due_shard") != "" {
			t.Errorf("the row of the ID: %v", item)
		}
	}
}
