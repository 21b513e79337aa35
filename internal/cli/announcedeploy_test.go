package cli

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"rootguard/internal/announcement"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/deploy"
)

// TestDeployAnnounces holds that a deployment announces itself, for who runs it and for
// the role by which CloudFormation works, and ends that; and that one which cannot says so.
func TestDeployAnnounces(t *testing.T) {
	c := newCloud(t)
	const caller = "arn:aws:sts::111122223333:assumed-role/ci/run-7"
	const role = "arn:aws:iam::111122223333:role/cdk-exec"
	var stderr bytes.Buffer
	d := &deployment{
		sys: system{stderr: &stderr, now: time.Now}, bundle: &deploy.Bundle{Manifest: deploy.Manifest{Version: "1.2.3"}}, account: "111122223333", caller: caller,
		cfg: aws.Config{
			Region: "us-east-1", BaseEndpoint: &c.dynamo.URL, RetryMaxAttempts: 1,
			Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
			}),
		},
	}
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	known := func() []announcement.Announcement {
		entries, err := store.AllEntries(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if len(announcement.Of(entries)) > 0 {
			t.Error("it is taken for one of root use")
		}
		return announcement.DeploymentsOf(entries)
	}

	d.announces(t.Context(), &deploy.Stack{})(t.Context())
	if all := known(); len(all) != 0 || stderr.Len() > 0 {
		t.Fatalf("without a guard: %v %s", all, stderr.String())
	}
	done := d.announces(t.Context(), &deploy.Stack{Outputs: map[string]string{outputTable: c.table}, Role: role})
	all := known()
	if len(all) != 1 || all[0].EndedEarly != nil {
		t.Fatalf("%+v", all)
	}
	if o := all[0].Opened; o.Version != "1.2.3" || !slices.Equal(o.By, []string{caller, role}) || o.Account != "111122223333" || o.Owner != "ci/run-7" || o.Actor.ARN != caller {
		t.Errorf("%+v", o)
	}
	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	done(interrupted)
	if all := known(); len(all) != 1 || all[0].EndedEarly == nil || stderr.Len() > 0 {
		t.Errorf("it is not ended: %+v %s", all, stderr.String())
	}
	d.announces(t.Context(), &deploy.Stack{Outputs: map[string]string{outputTable: "no-such-table"}})
	if got := stderr.String(); !strings.HasPrefix(got, "warning: the deployment could not be announced, so that it makes an alert of severity high: ResourceNotFoundException") || strings.Count(got, "\n") != 1 {
		t.Errorf("warning %q", got)
	}
}
