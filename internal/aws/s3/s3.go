// Package s3 copies CloudTrail's log files from a bucket into a folder, so that
// they can be replayed.
package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"rootguard/internal/aws/sdkcall"

	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Scheme begins a path in S3.
const Scheme = "s3://"

// Source is the part of a bucket whose keys begin with a prefix.
type Source struct {
	Bucket, Prefix string
}

// Parse reads "s3://bucket/prefix". The prefix may be missing.
func Parse(path string) (Source, error) {
	rest, ok := strings.CutPrefix(path, Scheme)
	bucket, prefix, _ := strings.Cut(rest, "/")
	if !ok || bucket == "" || strings.Trim(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-_ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Source{}, fmt.Errorf("%q is no path in S3: give s3://BUCKET or s3://BUCKET/PREFIX, such as s3://my-trail/AWSLogs/111122223333/",
			path)
	}
	return Source{Bucket: bucket, Prefix: prefix}, nil
}

func (s Source) String() string { return Scheme + s.Bucket + "/" + s.Prefix }

// Span is the time that the wanted events are of. A zero end is open.
type Span struct {
	Since, Until time.Time
}

// HeadBucket is the operation of that name.
type HeadBucket = sdkcall.Call[sdk.HeadBucketInput, sdk.HeadBucketOutput, sdk.Options]

// Region returns the Region that a bucket is in. S3 names it in each answer about
// the bucket, a refusal included (Amazon S3 API Reference, HeadBucket); it is ""
// where this one does not.
func Region(ctx context.Context, head HeadBucket, bucket string) (string, error) {
	out, err := head(ctx, &sdk.HeadBucketInput{Bucket: &bucket})
	if err == nil {
		if out.BucketRegion == nil {
			return "", nil
		}
		return *out.BucketRegion, nil
	}
	var answer *smithyhttp.ResponseError
	if !errors.As(err, &answer) || answer.Response == nil {
		return "", fmt.Errorf("finding bucket %s: %w", bucket, err)
	}
	if region := answer.Response.Header.Get("X-Amz-Bucket-Region"); region != "" {
		return region, nil
	}
	switch answer.HTTPStatusCode() {
	case http.StatusNotFound:
		return "", fmt.Errorf("finding bucket %s: there is no bucket of that name", bucket)
	case http.StatusForbidden, http.StatusBadRequest:
		return "", nil // the listing says what is not allowed, or that the credentials have expired: the answer to a HEAD has no body
	}
	return "", fmt.Errorf("finding bucket %s: %w", bucket, err)
}
