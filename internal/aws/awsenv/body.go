package awsenv

import (
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

// KeepAnswers returns a client that loses no answer of a request that was
// delivered. The SDK closes a request's body as soon as the answer begins. Where
// net/http then asks that body, which implements io.WriterTo, whether it holds
// more than its length, it gets an error, takes the request for failed and closes
// the connection under the answer. The SDK then sends the request again: a message
// is received by no one, or published twice. A body that can only be read reports
// its end instead.
// Of nil it makes the SDK's own client.
func KeepAnswers(next aws.HTTPClient) aws.HTTPClient {
	if next == nil {
		next = awshttp.NewBuildableClient()
	}
	return answersKept{next}
}

type answersKept struct{ next aws.HTTPClient }

var _ aws.HTTPClient = answersKept{}

func (c answersKept) Do(req *http.Request) (*http.Response, error) {
	if req.Body != nil && req.Body != http.NoBody {
		req = req.WithContext(req.Context()) // a copy: the SDK closes the body of its own
		req.Body = readOnly{req.Body}
		if again := req.GetBody; again != nil {
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := again()
				return readOnly{body}, err
			}
		}
	}
	return c.next.Do(req)
}

// readOnly hides what else a body implements.
type readOnly struct{ body io.ReadCloser }

func (r readOnly) Read(p []byte) (int, error) { return r.body.Read(p) }
func (r readOnly) Close() error               { return r.body.Close() }
