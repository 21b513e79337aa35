package awsenv_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"rootguard/internal/aws/awsenv"
)

// hanging is a network on which the first answers, or their bodies, never come.
type hanging struct {
	hangs    int
	body     bool // the head of the answer comes, and the body hangs
	requests int
	times    []time.Duration // from the first request to each
	began    time.Time
}

func (h *hanging) Do(r *http.Request) (*http.Response, error) {
	if h.requests++; h.requests == 1 {
		h.began = time.Now()
	}
	h.times = append(h.times, time.Since(h.began))
	const answer = `<PublishResponse><PublishResult><MessageId>1</MessageId></PublishResult></PublishResponse>`
	body := io.NopCloser(strings.NewReader(answer))
	if h.requests <= h.hangs {
		if !h.body {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		body = io.NopCloser(stuck{r.Context()})
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, Body: body, Request: r}, nil
}

// stuck is a body that never comes.
type stuck struct{ ctx context.Context }

func (s stuck) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

// call makes one request with a function's configuration over the network, in
// virtual time, and returns how long it took.
func call(t *testing.T, h *hanging, within time.Duration, change func(aws.Config) aws.Config) (took time.Duration, err error) {
	t.Helper()
	env := map[string]string{"AWS_REGION": "us-east-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret"}
	synctest.Test(t, func(t *testing.T) {
		cfg, cfgErr := awsenv.Config(func(name string) string { return env[name] })
		if cfgErr != nil {
			t.Fatal(cfgErr)
		}
		cfg.HTTPClient = h
		ctx, cancel := context.WithTimeout(t.Context(), within)
		defer cancel()
		began := time.Now()
		_, err = sns.NewFromConfig(change(cfg)).Publish(ctx, &sns.PublishInput{TopicArn: aws.String("arn:aws:sns:us-east-1:111122223333:t"), Message: aws.String("m")})
		took = time.Since(began)
	})
	return took, err
}

func same(cfg aws.Config) aws.Config { return cfg }

// TestHungAttempt holds that a connection that hangs is given up and tried again
// within an invocation's time, whether its head or its body does not come.
func TestHungAttempt(t *testing.T) {
	for _, body := range []bool{false, true} {
		h := &hanging{hangs: 2, body: body}
		took, err := call(t, h, 28*time.Second, same)
		if err != nil || h.requests != 3 {
			t.Errorf("body %v: %d requests, %v", body, h.requests, err)
		}
		if took < 2*awsenv.Attempt || took > 2*awsenv.Attempt+5*time.Second {
			t.Errorf("body %v: it took %s", body, took)
		}
	}
}

// TestHungForGood holds that a service that never answers ends in an error that
// says so, after all attempts, and before that where the caller gives up.
func TestHungForGood(t *testing.T) {
	h := &hanging{hangs: 99}
	_, err := call(t, h, time.Hour, same)
	var attempt awsenv.AttemptError
	if !errors.As(err, &attempt) || h.requests != 4 || !strings.Contains(err.Error(), "no answer in 5s") {
		t.Errorf("%d requests, %v", h.requests, err)
	}
	h = &hanging{hangs: 99}
	took, err := call(t, h, 3*time.Second, same)
	if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &attempt) || h.requests != 1 || took != 3*time.Second {
		t.Errorf("the caller's time: %d requests in %s, %v", h.requests, took, err)
	}
}

// TestAttemptLimits holds that a limit replaces the one before, in either
// direction, that what it was copied from keeps its own, and that streams have none.
func TestAttemptLimits(t *testing.T) {
	for _, limit := range []time.Duration{time.Second, 20 * time.Second} {
		h := &hanging{hangs: 1}
		_, err := call(t, h, time.Hour, func(cfg aws.Config) aws.Config {
			changed := awsenv.WithAttempts(cfg, limit)
			_ = awsenv.Streaming(changed)
			return changed
		})
		if err != nil || len(h.times) != 2 || h.times[1] < limit || h.times[1] > limit+3*time.Second {
			t.Errorf("limit %s: requests after %v, %v", limit, h.times, err)
		}
	}
	h := &hanging{hangs: 1}
	if _, err := call(t, h, time.Hour, awsenv.Streaming); !errors.Is(err, context.DeadlineExceeded) || h.requests != 1 {
		t.Errorf("a stream: %d requests, %v", h.requests, err)
	}
}
