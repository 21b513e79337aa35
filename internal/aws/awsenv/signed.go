package awsenv

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

// Call is one request to a service that speaks XML and of whose API one call is
// needed: a client of the SDK for it is more to compile (Amazon EC2), or finds no
// other endpoint than AWS's own (S3 Control).
type Call struct {
	ID      string // of the service, as in AWS_ENDPOINT_URL_<ID>: "EC2"
	Signing string // its name in signatures: "ec2"
	Host    string // where no endpoint is set: "ec2.us-east-1.amazonaws.com"

	Method, Path string
	Body         []byte
	Header       map[string]string
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 1 << 20

// callAttempts is how often a request is sent.
const callAttempts = 2

// Do signs the request with the credentials of cfg (AWS Signature Version 4), sends
// it, and decodes the answer. What the service answers instead is a
// *smithy.GenericAPIError. Where it is down or throttles it is asked once more.
func (c *Call) Do(ctx context.Context, cfg aws.Config, now func() time.Time, answer any) error {
	for attempt := 1; ; attempt++ {
		again, err := c.once(ctx, cfg, now(), answer)
		if err == nil || !again || attempt == callAttempts || ctx.Err() != nil {
			return err
		}
	}
}

func (c *Call) once(ctx context.Context, cfg aws.Config, at time.Time, answer any) (again bool, err error) {
	req, err := http.NewRequestWithContext(ctx, c.Method, c.endpoint(ctx, cfg)+c.Path, bytes.NewReader(c.Body))
	if err != nil {
		return false, fmt.Errorf("making the request: %w", err)
	}
	for name, value := range c.Header {
		req.Header.Set(name, value)
	}
	hash := sha256.Sum256(c.Body)
	payload := hex.EncodeToString(hash[:])
	req.Header.Set("X-Amz-Content-Sha256", payload)
	credentials, err := cfg.Credentials.Retrieve(ctx)
	if err != nil {
		return false, fmt.Errorf("finding credentials: %w", err)
	}
	if err := v4.NewSigner().SignHTTP(ctx, credentials, req, payload, c.Signing, cfg.Region, at); err != nil {
		return false, fmt.Errorf("signing the request: %w", err)
	}
	client := cfg.HTTPClient
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return true, fmt.Errorf("asking %s: %w", c.ID, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return true, fmt.Errorf("reading the answer of %s: %w", c.ID, err)
	}
	if resp.StatusCode/100 != 2 {
		return resp.StatusCode >= http.StatusInternalServerError || resp.StatusCode == http.StatusTooManyRequests, refusal(resp.StatusCode, body)
	}
	if err := xml.Unmarshal(body, answer); err != nil {
		return false, fmt.Errorf("decoding the answer of %s: %w", c.ID, err)
	}
	return false, nil
}

// endpoint is where the service is, as the SDK's clients find it.
func (c *Call) endpoint(ctx context.Context, cfg aws.Config) string {
	for _, source := range cfg.ConfigSources {
		from, ok := source.(interface {
			GetServiceBaseEndpoint(ctx context.Context, sdkID string) (string, bool, error)
		})
		if !ok {
			continue
		}
		if url, found, err := from.GetServiceBaseEndpoint(ctx, c.ID); err == nil && found {
			return url
		}
	}
	if cfg.BaseEndpoint != nil {
		return *cfg.BaseEndpoint
	}
	return "https://" + c.Host
}

// refusal is the error of an answer: Code and Message, however deep they are (Amazon
// EC2 API Reference, "Error responses"; Amazon S3 API Reference, "REST error
// responses").
func refusal(status int, body []byte) error {
	e := &smithy.GenericAPIError{Code: fmt.Sprintf("HTTP %d", status), Message: http.StatusText(status)}
	decoder, in := xml.NewDecoder(bytes.NewReader(body)), ""
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) || err != nil {
			return e
		}
		switch t := token.(type) {
		case xml.StartElement:
			in = t.Name.Local
		case xml.EndElement:
			in = ""
		case xml.CharData:
			switch in {
			case "Code":
				e.Code = string(t)
			case "Message":
				e.Message = string(t)
			}
		}
	}
}
