package awsenv_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"

	"rootguard/internal/aws/awsenv"
)

// TestKeepAnswers holds that an answer arrives though the writer of the request
// only learns that it is done after the answer began.
func TestKeepAnswers(t *testing.T) {
	requests := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		_, _ = io.Copy(io.Discard, r.Body)
		// More than net/http reads along with the answer's header.
		_, _ = io.WriteString(w, strings.Repeat(" ", 64<<10)+`<PublishResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>`)
	}))
	t.Cleanup(server.Close)
	publish := func(wrap func(aws.HTTPClient) aws.HTTPClient) (string, error) {
		slow := &slowWriter{answered: make(chan struct{}), closed: make(chan struct{})}
		client := sns.New(sns.Options{
			Region: "eu-west-1", BaseEndpoint: &server.URL, Retryer: aws.NopRetryer{}, Credentials: credentials.NewStaticCredentialsProvider("id", "secret", ""),
			HTTPClient: wrap(slow.client(t)),
		})
		out, err := client.Publish(t.Context(), &sns.PublishInput{Message: aws.String("a message"), TopicArn: aws.String("arn:aws:sns:eu-west-1:111122223333:alerts")})
		if err != nil {
			return "", err
		}
		return aws.ToString(out.MessageId), nil
	}
	if id, err := publish(awsenv.KeepAnswers); err != nil || id != "m-1" {
		t.Errorf("got message %q, %v", id, err)
	}
	// Without it the message is published all the same, and reported as failed.
	bare := func(c aws.HTTPClient) aws.HTTPClient { return c }
	if _, err := publish(bare); err == nil || !strings.Contains(err.Error(), "use of closed network connection") {
		t.Errorf("the SDK alone: %v; where it keeps the answer by itself, KeepAnswers can go", err)
	}
	if requests != 2 {
		t.Errorf("%d requests, want 2", requests)
	}
}

// slowWriter is a client whose write of a body returns when the answer is read.
type slowWriter struct {
	answered, closed chan struct{}
	once, ended      sync.Once
}

func (s *slowWriter) client(t *testing.T) aws.HTTPClient {
	t.Helper()
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, address)
		return &slowConn{Conn: conn, of: s}, err
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return doer(func(req *http.Request) (*http.Response, error) {
		resp, err := (&http.Client{Transport: transport}).Do(req)
		if err == nil {
			resp.Body = &lateBody{ReadCloser: resp.Body, of: s}
		}
		return resp, err
	})
}

type doer func(*http.Request) (*http.Response, error)

func (d doer) Do(req *http.Request) (*http.Response, error) { return d(req) }

type slowConn struct {
	net.Conn
	of *slowWriter
}

func (c *slowConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	if strings.Contains(string(p), "Action=Publish") {
		<-c.of.answered
	}
	return n, err
}

func (c *slowConn) Close() error {
	c.of.ended.Do(func() { close(c.of.closed) })
	return c.Conn.Close()
}

type lateBody struct {
	io.ReadCloser
	of *slowWriter
}

func (b *lateBody) Read(p []byte) (int, error) {
	b.of.once.Do(func() {
		close(b.of.answered)
		select { // what the writer makes of it
		case <-b.of.closed:
		case <-time.After(200 * time.Millisecond):
		}
	})
	return b.ReadCloser.Read(p)
}
