package e2e

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/securityhub"
	"github.com/aws/aws-sdk-go-v2/service/securityhub/types"

	"rootguard/internal/alert"
)

// export delivers alerts to the function that imports them, as Amazon SNS does:
// moto cannot call one.
func (c *cloud) export(alerts ...received) {
	c.t.Helper()
	for _, a := range alerts {
		body, err := alert.JSON(a.Alert)
		if err != nil {
			c.t.Fatal(err)
		}
		event, err := json.Marshal(map[string]any{"Records": []any{map[string]any{
			"EventSource": "aws:sns", "EventVersion": "1.0",
			"Sns": map[string]any{"Type": "Notification", "TopicArn": c.output("TopicArn"), "Message": string(body), "Timestamp": time.Now().UTC().Format("2006-01-02T15:04:05.000Z")},
		}}})
		if err != nil {
			c.t.Fatal(err)
		}
		if attempts, failed := c.invoke(c.output("SecurityhubFunction"), event); failed {
			c.t.Errorf("importing alert %s: %v", a.ID, attempts[len(attempts)-1].Error)
		}
	}
}

// TestSecurityHub has an alert be a finding of Security Hub, once.
func TestSecurityHub(t *testing.T) {
	c, o := organized(t)
	others := o.plain
	event := c.rootSignIn(others, "No", "Success", nil)
	c.handled(c.deliver(event))
	got := c.alerts()
	c.export(got...)
	c.export(got...) // SNS delivers at least once
	if _, failed := c.invoke(c.output("SecurityhubFunction"), []byte(`"no event"`)); !failed || c.waiting("FailedQueueUrl") != "1" {
		t.Error("what is no event did not come to the queue of failures")
	}

	out, err := securityhub.NewFromConfig(c.d.aws).GetFindings(c.ctx, &securityhub.GetFindingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	id := "rootguard/root.signin.no_mfa/" + others + "/" + c.eventID(event)
	if len(out.Findings) != 1 || aws.ToString(out.Findings[0].Id) != id {
		t.Fatalf("%d findings, want one with the ID %s: %+v", len(out.Findings), id, out.Findings)
	}
	f := out.Findings[0]
	if aws.ToString(f.AwsAccountId) != c.d.account || f.Severity.Label != types.SeverityLabelCritical ||
		!slices.ContainsFunc(f.Resources, func(r types.Resource) bool { return aws.ToString(r.Id) == "AWS::::Account:"+others }) {
		t.Errorf("finding: account %s, severity %v, resources %v", aws.ToString(f.AwsAccountId), f.Severity, f.Resources)
	}
}
