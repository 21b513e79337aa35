package s3

import (
	"context"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"rootguard/internal/aws/sdkcall"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// ListObjects is the operation ListObjectsV2.
type ListObjects = sdkcall.Call[sdk.ListObjectsV2Input, sdk.ListObjectsV2Output, sdk.Options]

// Object is a file in a bucket.
type Object struct {
	Key  string
	Size int64
	ETag string // of its content
}

// Listing is what was found.
type Listing struct {
	Objects int64    // to be copied
	Bytes   int64    // of these
	Others  []string // prefixes of other services' logs, which were not listed
	Frozen  int64    // in a storage class that must be restored before it is read
}

// service is the folder of one service's logs in one account:
// [PREFIX/]AWSLogs/[o-ORGANIZATION/]ACCOUNT/SERVICE/ (AWS CloudTrail User Guide,
// "CloudTrail log file name format"; the other services' guides have it alike).
var service = regexp.MustCompile(`(?:^|/)AWSLogs/(?:o-[a-z0-9]+/)?[0-9]{12}/([^/]+)/$`)

// trailRegion is the folder of one Region in CloudTrail's, and what follows it.
var trailRegion = regexp.MustCompile(`^(.*/CloudTrail/[a-z]{2,}-[a-z-]+-[0-9]/)(.*)$`)

// lister walks the folders of a source.
type lister struct {
	page    ListObjects
	source  Source
	span    Span
	listing Listing
	found   func(Object) error
}

// List calls found for each log file of the source whose folder is of the span,
// in no particular order. Folders of other services are skipped unlisted.
// Where it fails, what was found so far is in the Listing.
func List(ctx context.Context, page ListObjects, source Source, span Span, found func(Object) error) (Listing, error) {
	l := &lister{page: page, source: source, span: span, found: found}
	if err := l.folder(ctx, source.Prefix); err != nil {
		return l.listing, fmt.Errorf("listing %s: %w", source, err)
	}
	return l.listing, nil
}

// folder lists what is below a prefix: level by level as far as the folders of
// CloudTrail's Regions, and from there on all at once, since a page then has
// 1,000 files and not a folder's few.
func (l *lister) folder(ctx context.Context, prefix string) error {
	if m := trailRegion.FindStringSubmatch(prefix); m != nil {
		return l.days(ctx, m[1], prefix)
	}
	var below []string
	err := l.pages(ctx, &sdk.ListObjectsV2Input{Prefix: &prefix, Delimiter: aws.String("/")},
		func(page *sdk.ListObjectsV2Output) (bool, error) {
			for _, common := range page.CommonPrefixes {
				below = append(below, aws.ToString(common.Prefix))
			}
			return true, l.objects(page.Contents)
		})
	if err != nil {
		return err
	}
	for _, folder := range below {
		if m := service.FindStringSubmatch(folder); m != nil && m[1] != "CloudTrail" {
			l.listing.Others = append(l.listing.Others, folder)
			continue
		}
		if err := l.folder(ctx, folder); err != nil {
			return err
		}
	}
	return nil
}

// days lists a Region's files from the day of Since on to the day after Until:
// their keys sort by the day on which they were delivered, which is that of their
// events or, seldom, a later one.
func (l *lister) days(ctx context.Context, region, prefix string) error {
	in := &sdk.ListObjectsV2Input{Prefix: &prefix}
	if !l.span.Since.IsZero() {
		in.StartAfter = aws.String(region + l.span.Since.UTC().Format("2006/01/02/"))
	}
	end := ""
	if !l.span.Until.IsZero() {
		end = region + l.span.Until.UTC().Add(lateDelivery).Add(24*time.Hour).Format("2006/01/02/")
	}
	return l.pages(ctx, in, func(page *sdk.ListObjectsV2Output) (bool, error) {
		objects := page.Contents
		for i := range objects {
			if end != "" && aws.ToString(objects[i].Key) >= end {
				return false, l.objects(objects[:i])
			}
		}
		return true, l.objects(objects)
	})
}

// lateDelivery is how long after its event a file may be delivered that is still
// looked for: CloudTrail takes 5 minutes on average, and gives no bound (AWS
// CloudTrail User Guide, "How CloudTrail works").
const lateDelivery = 24 * time.Hour

// pages calls each with every page, until it says that it has enough.
func (l *lister) pages(ctx context.Context, in *sdk.ListObjectsV2Input, each func(*sdk.ListObjectsV2Output) (more bool, err error)) error {
	in.Bucket = &l.source.Bucket
	in.EncodingType = types.EncodingTypeUrl // a key may hold what XML cannot
	for {
		page, err := l.page(ctx, in)
		if err != nil {
			return err
		}
		if err := decode(page); err != nil {
			return err
		}
		more, err := each(page)
		if err != nil || !more || !aws.ToBool(page.IsTruncated) {
			return err
		}
		if token := aws.ToString(page.NextContinuationToken); token == "" || token == aws.ToString(in.ContinuationToken) {
			return fmt.Errorf("S3 said that there is more below %s, and not how to get it", aws.ToString(in.Prefix))
		}
		in.ContinuationToken = page.NextContinuationToken
	}
}

// decode undoes the encoding of a page's keys.
func decode(page *sdk.ListObjectsV2Output) error {
	if page.EncodingType != types.EncodingTypeUrl {
		return nil
	}
	texts := make([]*string, 0, len(page.Contents)+len(page.CommonPrefixes))
	for i := range page.Contents {
		texts = append(texts, page.Contents[i].Key)
	}
	for i := range page.CommonPrefixes {
		texts = append(texts, page.CommonPrefixes[i].Prefix)
	}
	for _, text := range texts {
		plain, err := url.QueryUnescape(aws.ToString(text))
		if err != nil {
			return fmt.Errorf("reading the key %q: %w", aws.ToString(text), err)
		}
		if text != nil {
			*text = plain
		}
	}
	return nil
}

// objects passes on the files of a page.
func (l *lister) objects(page []types.Object) error {
	for _, o := range page {
		key, size := aws.ToString(o.Key), aws.ToInt64(o.Size)
		if size == 0 || strings.HasSuffix(key, "/") {
			continue // a folder's own mark
		}
		if o.StorageClass == types.ObjectStorageClassGlacier || o.StorageClass == types.ObjectStorageClassDeepArchive {
			l.listing.Frozen++
			continue
		}
		l.listing.Objects++
		l.listing.Bytes += size
		if err := l.found(Object{Key: key, Size: size, ETag: aws.ToString(o.ETag)}); err != nil {
			return err
		}
	}
	return nil
}
