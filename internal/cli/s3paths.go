package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	sdks3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/s3"
	"rootguard/internal/cli/label"
	"rootguard/internal/replay"
)

// buckets are copies of what paths in S3 name, there to be replayed.
type buckets struct {
	spools []*s3.Spool
}

// inS3 reports whether a path is one in S3.
func inS3(path string) bool { return strings.HasPrefix(path, s3.Scheme) }

// copyBuckets copies the files that paths in S3 name, and returns the paths with
// the folders of the copies in their stead. A file that cannot be copied is a
// problem of the input.
func (f lookupFlags) copyBuckets(ctx context.Context, sys system, st *store, paths []string, span s3.Span,
	problem func(replay.Problem)) (*buckets, []string, error) {
	b := &buckets{}
	out := make([]string, len(paths))
	for i, path := range paths {
		if out[i] = path; !inS3(path) {
			continue
		}
		source, err := s3.Parse(path)
		if err != nil {
			return nil, nil, usageError{err.Error()}
		}
		spool, err := s3.Open(st.path+".s3", source)
		if err != nil {
			return nil, nil, err
		}
		client, err := f.bucketClient(ctx, source.Bucket)
		if err != nil {
			return nil, nil, err
		}
		if err := copyBucket(ctx, sys, client, source, spool, span, problem); err != nil {
			return nil, nil, err
		}
		b.spools = append(b.spools, spool)
		out[i] = spool.Dir()
	}
	return b, out, nil
}

func copyBucket(ctx context.Context, sys system, client s3.API, source s3.Source, spool *s3.Spool, span s3.Span,
	problem func(replay.Problem)) error {
	line := progressLine{sys: sys}
	fmt.Fprintf(sys.stderr, "note: copying log files from %s\n", label.Clean(source.String()))
	did, err := spool.Fill(ctx, client, s3.Options{
		Span: span, Now: sys.now,
		Report: func(p s3.Progress) {
			line.draw(fmt.Sprintf("%d of %s listed so far, %d MB", p.Copied, plural(p.Objects, "file"), p.Bytes/1e6))
		},
		Failed: func(f s3.Failure) {
			line.clear()
			problem(replay.Problem{File: s3.Scheme + source.Bucket + "/" + f.Key, Index: -1, Reason: "cannot be copied: " + f.Err.Error(),
				Lost: true})
		},
	})
	line.clear()
	if err != nil {
		if ctx.Err() != nil || errors.Is(err, s3.ErrGaveUp) {
			return fmt.Errorf("%w; what is copied is kept, and the same command goes on from there", err)
		}
		return err
	}
	for _, folder := range did.Others {
		fmt.Fprintf(sys.stderr, "note: ignored the logs of another service in %s\n", label.Clean(s3.Scheme+source.Bucket+"/"+folder))
	}
	if did.Frozen > 0 {
		problem(replay.Problem{File: source.String(), Index: -1, Lost: true,
			Reason: plural(did.Frozen, "file") +
				" in the storage class Glacier or Deep Archive cannot be read: restore them first (aws s3api restore-object)"})
	}
	if did.Objects == 0 && did.Frozen == 0 {
		return fmt.Errorf("found no file in %s%s; the folder of a trail's files is s3://BUCKET/[PREFIX/]AWSLogs/ACCOUNT/CloudTrail/", source,
			within(span))
	}
	return nil
}

func within(span s3.Span) string {
	if span == (s3.Span{}) {
		return ""
	}
	return " of that time"
}

// bucketClient is a client of the Region that a bucket is in.
func (f lookupFlags) bucketClient(ctx context.Context, bucket string) (s3.API, error) {
	region := ""
	if len(f.Region) > 0 {
		region = f.Region[0]
	}
	cfg, err := loadAWS(ctx, f.Profile, region)
	if err != nil {
		return s3.API{}, err
	}
	options := func(o *sdks3.Options) {
		o.UsePathStyle = o.BaseEndpoint != nil // an emulation has no host for each bucket
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxAttempts = bucketAttempts })
	}
	if region == "" {
		ctx, cancel := context.WithTimeout(ctx, bucketTimeout)
		defer cancel()
		found, err := s3.Region(ctx, sdks3.NewFromConfig(cfg, options).HeadBucket, bucket)
		if err != nil {
			return s3.API{}, err
		}
		if found != "" {
			cfg.Region = found
		}
	}
	return s3.Of(sdks3.NewFromConfig(awsenv.Streaming(cfg), options)), nil // package s3 bounds each file itself
}

const (
	bucketAttempts = 5
	bucketTimeout  = 30 * time.Second
)

// name is the path in S3 of a file that was copied, for people.
func (b *buckets) name(file string) string {
	if b == nil {
		return file
	}
	for _, s := range b.spools {
		file = s.Name(file)
	}
	return file
}

// done removes the copies: what they hold is in the store now.
func (b *buckets) done(err error) error {
	var malformed malformedError
	if b == nil || err != nil && !errors.As(err, &malformed) {
		return err
	}
	for _, s := range b.spools {
		err = errors.Join(err, s.Remove())
	}
	return err
}
