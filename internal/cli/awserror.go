package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/lazyre"
)

// awsFault is what went wrong between the command and AWS, where it is of a kind
// that one thing fixes, whichever command met it.
type awsFault struct {
	raw  string // how the SDK says it
	text string // what it is, and the fix
}

// inWords is an error's text with AWS's faults in people's words. What failed for one
// reason in several places, such as each stack of a deployment, is one sentence.
func inWords(err error) string {
	text := err.Error()
	faults := faultsOf(err)
	for _, f := range faults {
		text = strings.Replace(text, f.raw, f.text, 1)
	}
	type sentence struct {
		before, fault, after string
		alike                int
	}
	var all []*sentence
	for line := range strings.SplitSeq(text, "\n") {
		s := &sentence{before: line}
		for _, f := range faults {
			if before, after, ok := strings.Cut(line, f.text); ok {
				*s = sentence{before: before, fault: f.text, after: after}
				break
			}
		}
		i := slices.IndexFunc(all, func(earlier *sentence) bool { return s.fault != "" && earlier.fault == s.fault })
		if i < 0 {
			all = append(all, s)
			continue
		}
		all[i].alike++
		all[i].after = cmp.Or(all[i].after, s.after)
	}
	lines := make([]string, len(all))
	for i, s := range all {
		if s.alike > 0 {
			s.fault += "; " + plural(int64(s.alike), "more call") + " failed alike"
		}
		lines[i] = s.before + s.fault + s.after
	}
	return strings.Join(lines, "\n")
}

// faultsOf finds all faults in a tree of errors.
func faultsOf(err error) []awsFault {
	switch e := err.(type) { //nolint:errorlint // each error of the tree is checked by itself
	case *smithy.OperationError:
		if text := faultText(e); text != "" {
			return []awsFault{{e.Error(), text}}
		}
	case interface{ Unwrap() error }:
		return faultsOf(e.Unwrap())
	case interface{ Unwrap() []error }:
		var all []awsFault
		for _, one := range e.Unwrap() {
			all = append(all, faultsOf(one)...)
		}
		return all
	}
	return nil
}

// Error codes that services share (IAM API Reference and the like, "Common Error
// Types"; Amazon S3 API Reference, "Error responses").
var (
	expiredCodes = []string{"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}
	unknownCodes = []string{
		"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException",
		"AuthFailure", "IncompleteSignature", "MissingAuthenticationToken", "MissingAuthenticationTokenException", "InvalidToken",
	}
	skewedCodes = []string{"RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"}
	deniedCodes = []string{"Forbidden", "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthorizationError",
		"AuthorizationErrorException"}
)

// actionsOfS3 are the permissions that calls of Amazon S3 need, whose answers name
// none (Amazon S3 User Guide, "Required permissions for Amazon S3 API operations").
var actionsOfS3 = map[string]string{
	"CreateBucket": "s3:CreateBucket", "GetObject": "s3:GetObject", "HeadBucket": "s3:ListBucket", "HeadObject": "s3:GetObject",
	"ListObjectsV2": "s3:ListBucket", "PutObject": "s3:PutObject",
}

// permission is the one that an answer of AWS names.
var permission = lazyre.New(`not authorized to perform: ([a-z0-9-]+:[A-Za-z0-9]+)`)

// noPages is a client to which a web page is no list of files: what Amazon S3 says in
// XML, the SDK takes from a page as a bucket with nothing in it.
type noPages struct{ next aws.HTTPClient }

var _ aws.HTTPClient = noPages{}

var errPage = errors.New("a web page answered in place of AWS; sign in to the network or the proxy with a browser")

func (c noPages) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.next.Do(req)
	if err == nil && req.URL.Query().Has("list-type") && strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") {
		_ = resp.Body.Close()
		return nil, errPage
	}
	return resp, err //nolint:wrapcheck // a client's
}

// awsFaultOf finds the fault in an error.
func awsFaultOf(err error) (awsFault, bool) {
	var op *smithy.OperationError
	if !errors.As(err, &op) {
		return awsFault{}, false
	}
	text := faultText(op)
	return awsFault{op.Error(), text}, text != ""
}

func faultText(op *smithy.OperationError) string {
	call := op.Service() + "'s " + op.Operation()
	var answer *smithyhttp.ResponseError
	if errors.As(op, &answer) && answer.Response != nil && answer.Response.Response != nil &&
		strings.HasPrefix(answer.Response.Header.Get("Content-Type"), "text/html") {
		return "a web page answered in place of AWS; sign in to the network or the proxy with a browser, then run the command again"
	}
	var api smithy.APIError
	if errors.As(op, &api) {
		code := api.ErrorCode()
		is := func(codes []string) bool {
			for _, c := range codes {
				if c == code {
					return true
				}
			}
			return false
		}
		_, throttled := retry.DefaultThrottleErrorCodes[code]
		throttled = throttled || answer != nil && answer.HTTPStatusCode() == http.StatusServiceUnavailable // all that Amazon S3 says to a HEAD
		switch {
		case is(expiredCodes):
			return "your AWS credentials have expired (" + code + "); sign in again (aws sso login), then run the command again"
		case is(unknownCodes):
			return "AWS does not accept your credentials (" + code +
				"); check the access key, or name a profile with --profile: aws sts get-caller-identity must work"
		case is(skewedCodes):
			return "AWS does not accept the request's time (" + code + "); set this machine's clock"
		case is(deniedCodes):
			if m := permission().FindStringSubmatch(api.ErrorMessage()); m != nil {
				return "you have no permission " + m[1] + " (" + code + "); ask for it, or name a profile that has it with --profile"
			}
			if action := actionsOfS3[op.Operation()]; action != "" && op.Service() == "S3" {
				return "you have no permission " + action + " (" + code + "); ask for it, or name a profile that has it with --profile"
			}
			return "you may not call " + call + " (" + code + "); ask for the permission, or name a profile that has it with --profile"
		case op.Service() == "S3" && code == "BadRequest": // of a HEAD, which has no more to say
			return "Amazon S3 does not accept the request, and does not say why: your AWS credentials may have expired, or the bucket is in another Region; run aws sts get-caller-identity, and check the bucket's Region"
		case throttled:
			return "AWS limits how often " + call + " may be called (" + code + "); run the command again in a minute"
		}
		return ""
	}
	var dns *net.DNSError
	var sent *smithyhttp.RequestSendError
	var late awsenv.AttemptError
	switch {
	case errors.As(op, &dns) && dns.IsNotFound:
		return fmt.Sprintf("AWS cannot be reached: there is no host %s; check the Region and the network", dns.Name)
	case errors.As(op, &late):
		return fmt.Sprintf("AWS cannot be reached: %s, and again; check the network, the proxy and the VPN", late)
	case errors.Is(op, errPage):
		return errPage.Error() + ", then run the command again"
	case errors.As(op, &sent) && !errors.Is(op, context.Canceled):
		return fmt.Sprintf("AWS cannot be reached: %v; check the network, the proxy and the VPN", sent.Err)
	}
	return ""
}
