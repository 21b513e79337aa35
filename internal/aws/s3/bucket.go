package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"rootguard/internal/aws/sdkcall"
	"rootguard/internal/deploy"
)

var _ deploy.Uploads = (*Bucket)(nil)

// Bucket is one that files are put into. Each call names the account that must own
// it, so that nothing goes into a bucket that another account made under its name.
type Bucket struct {
	head                  HeadBucket
	create                sdkcall.Call[sdk.CreateBucketInput, sdk.CreateBucketOutput, sdk.Options]
	headObject            sdkcall.Call[sdk.HeadObjectInput, sdk.HeadObjectOutput, sdk.Options]
	list                  sdkcall.Call[sdk.ListObjectsV2Input, sdk.ListObjectsV2Output, sdk.Options]
	put                   sdkcall.Call[sdk.PutObjectInput, sdk.PutObjectOutput, sdk.Options]
	name, account, region string
	given                 bool // the operator's, of which nothing is changed
}

// NewBucket returns the bucket of a name in the account and Region. One
// that is given is not made, and nothing of it is changed.
func NewBucket(client *sdk.Client, name, account, region string, given bool) *Bucket {
	return &Bucket{client.HeadBucket, client.CreateBucket, client.HeadObject, client.ListObjectsV2, client.PutObject,
		name, account, region, given}
}

// Prepare is deploy.Uploads'. Amazon S3 makes every new bucket private and encrypted;
// what goes into this one is what every release has.
func (b *Bucket) Prepare(ctx context.Context) error {
	_, err := b.head(ctx, &sdk.HeadBucketInput{Bucket: &b.name, ExpectedBucketOwner: &b.account})
	switch {
	case isStatus(err, http.StatusForbidden):
		if err = b.explained(ctx, err); !isRefused(err) { // but the credentials, or the clock
			return fmt.Errorf("checking bucket %s: %w", b.name, err)
		}
		return fmt.Errorf("bucket %s is of another account, or you may not list it: name one of your own: %w", b.name, err)
	case isStatus(err, http.StatusNotFound) && b.given:
		return fmt.Errorf("there is no bucket %s: name one that is there, or none: %w", b.name, err)
	case isStatus(err, http.StatusNotFound):
		return b.make(ctx)
	case err != nil:
		return fmt.Errorf("checking bucket %s: %w", b.name, b.explained(ctx, err))
	}
	return nil
}

// explained is the error that Amazon S3 gives where it has room to say which: the answer to a
// HEAD has no body, and so no code (Amazon S3 API Reference, HeadBucket), so it is asked
// to list one key. Where that works, the error stays as it was.
func (b *Bucket) explained(ctx context.Context, err error) error {
	if !isStatus(err, http.StatusBadRequest) && !isStatus(err, http.StatusForbidden) {
		return err
	}
	if _, named := b.list(ctx, &sdk.ListObjectsV2Input{Bucket: &b.name, MaxKeys: aws.Int32(1),
		ExpectedBucketOwner: &b.account}); named != nil {
		return named
	}
	return err
}

// isRefused reports whether an error is about what the caller may do, and not about who
// the caller is.
func isRefused(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && (api.ErrorCode() == "AccessDenied" || api.ErrorCode() == "Forbidden" ||
		api.ErrorCode() == "AllAccessDisabled")
}

func (b *Bucket) make(ctx context.Context) error {
	in := &sdk.CreateBucketInput{Bucket: &b.name}
	if b.region != "us-east-1" { // which no constraint may name (Amazon S3 API Reference, CreateBucket)
		in.CreateBucketConfiguration = &types.CreateBucketConfiguration{LocationConstraint: types.BucketLocationConstraint(b.region)}
	}
	if _, err := b.create(ctx, in); err != nil && !errors.As(err, new(*types.BucketAlreadyOwnedByYou)) {
		return fmt.Errorf("making bucket %s: %w", b.name, err)
	}
	return nil
}

func isStatus(err error, status int) bool {
	var answer *smithyhttp.ResponseError
	return errors.As(err, &answer) && answer.HTTPStatusCode() == status
}

// Has is deploy.Uploads'.
func (b *Bucket) Has(ctx context.Context, key string) (bool, error) {
	_, err := b.headObject(ctx, &sdk.HeadObjectInput{Bucket: &b.name, Key: &key, ExpectedBucketOwner: &b.account})
	switch {
	case err == nil:
		return true, nil
	case isStatus(err, http.StatusNotFound), isStatus(err, http.StatusForbidden):
		// Without s3:ListBucket a key that is not there is a 403 (Amazon S3 API
		// Reference, HeadObject); the upload then says whether that is allowed.
		return false, nil
	default:
		return false, fmt.Errorf("checking s3://%s/%s: %w", b.name, key, b.explained(ctx, err))
	}
}

// Put is deploy.Uploads'.
func (b *Bucket) Put(ctx context.Context, key string, data []byte) error {
	_, err := b.put(ctx, &sdk.PutObjectInput{
		Bucket: &b.name, Key: &key, Body: bytes.NewReader(data), ExpectedBucketOwner: &b.account,
		ChecksumAlgorithm: types.ChecksumAlgorithmSha256,
		ContentLength:     aws.Int64(int64(len(data))),
	})
	if err != nil {
		return fmt.Errorf("uploading s3://%s/%s: %w", b.name, key, err)
	}
	return nil
}
