package sqs_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/sqs"
	"rootguard/internal/aws/sqs/sqstest"
	"rootguard/internal/config"
	"rootguard/internal/detect"
)

// TestForwarders checks a queue of one name in two Regions, which this server
// does not distinguish: each is asked.
func TestForwarders(t *testing.T) {
	const queue = "rootguard-forward-undelivered"
	server := sqstest.New(t)
	var assumed []string
	denied := errors.New("no role")
	env := aws.Config{BaseEndpoint: &server.URL, HTTPClient: awsenv.KeepAnswers(nil), Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	forwarders := func(partition string) *sqs.Forwarders {
		cfg := config.Config{Partition: partition, Region: "us-east-1", Regions: []string{"eu-north-1"}, Account: "111111111111", Own: detect.Own{Prefix: "rootguard"}}
		return sqs.NewForwarders(&cfg, env, func(account string) (aws.CredentialsProvider, error) {
			assumed = append(assumed, account)
			if account == "333333333333" {
				return nil, denied
			}
			return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
				return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
			}), nil
		})
	}
	check := func(partition, account string, wantErr string, want ...accountcheck.Undelivered) {
		t.Helper()
		got, err := forwarders(partition).Undelivered(t.Context(), account)
		if wantErr == "" && err != nil || wantErr != "" && (err == nil || !strings.Contains(err.Error(), wantErr)) {
			t.Errorf("account %s: got %v, want %q", account, err, wantErr)
		}
		if diff := cmp.Diff(append([]accountcheck.Undelivered{}, want...), append([]accountcheck.Undelivered{}, got...)); diff != "" {
			t.Errorf("account %s (-want +got):\n%s", account, diff)
		}
	}
	at := func(events int) []accountcheck.Undelivered {
		return []accountcheck.Undelivered{
			{Region: "us-east-1", Queue: "https://sqs.us-east-1.amazonaws.com/222222222222/" + queue, Events: events},
			{Region: "eu-north-1", Queue: "https://sqs.eu-north-1.amazonaws.com/222222222222/" + queue, Events: events},
		}
	}
	check("aws", "222222222222", "", at(0)...) // there are none
	server.Queue(queue)
	check("aws", "222222222222", "")
	server.Send(queue, "one", "two")
	check("aws", "222222222222", "", at(2)...)
	check("aws-eusc", "222222222222", "", accountcheck.Undelivered{Region: "us-east-1", Queue: "https://sqs.us-east-1.amazonaws.eu/222222222222/" + queue, Events: 2},
		accountcheck.Undelivered{Region: "eu-north-1", Queue: "https://sqs.eu-north-1.amazonaws.eu/222222222222/" + queue, Events: 2})
	check("aws-cn", "222222222222", "", accountcheck.Undelivered{Region: "us-east-1", Queue: "https://sqs.us-east-1.amazonaws.com.cn/222222222222/" + queue, Events: 2},
		accountcheck.Undelivered{Region: "eu-north-1", Queue: "https://sqs.eu-north-1.amazonaws.com.cn/222222222222/" + queue, Events: 2})
	server.Inject("GetQueueAttributes", 1, sqstest.Fault{Status: http.StatusForbidden, Code: "AccessDenied"})
	if got, err := forwarders("aws").Undelivered(t.Context(), "222222222222"); len(got) != 1 || err == nil || !strings.Contains(err.Error(), "AccessDenied") || strings.Contains(err.Error(), got[0].Queue) {
		t.Errorf("where one Region denies: %+v, %v", got, err)
	}
	check("aws", "333333333333", "no role")
	assumed = nil
	check("aws", "111111111111", "")
	if assumed != nil {
		t.Errorf("the guard's own account was checked")
	}
}

// meeting answers no request before there is a number of them.
type meeting struct{ wait *sync.WaitGroup }

func (m meeting) Do(r *http.Request) (*http.Response, error) {
	m.wait.Done()
	m.wait.Wait()
	return http.DefaultClient.Do(r)
}

// TestForwardersSideBySide holds that no Region waits for another.
func TestForwardersSideBySide(t *testing.T) {
	server := sqstest.New(t)
	server.Queue("rootguard-forward-undelivered")
	var all sync.WaitGroup
	all.Add(3)
	env := aws.Config{BaseEndpoint: &server.URL, HTTPClient: meeting{&all}, Retryer: func() aws.Retryer { return aws.NopRetryer{} }}
	cfg := config.Config{Partition: "aws", Region: "us-east-1", Regions: []string{"eu-north-1", "us-east-2"}, Account: "111111111111", Own: detect.Own{Prefix: "rootguard"}}
	f := sqs.NewForwarders(&cfg, env, func(string) (aws.CredentialsProvider, error) {
		return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}), nil
	})
	done := make(chan error, 1)
	go func() {
		_, err := f.Undelivered(t.Context(), "222222222222")
		done <- err
	}()
	select {
	case err := <-done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("one Region waits for another")
	}
}
