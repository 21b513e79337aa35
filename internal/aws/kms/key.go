// Package kms looks up whether a key can be used.
//
// rootguard's topics, queues and table may be encrypted with a key of the operator. One
// that is disabled or about to be deleted stops alerts, which the health check reports.
package kms

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"rootguard/internal/health"
)

var _ health.Keys = (*Keys)(nil)

// Keys is a health.Keys over AWS KMS. It is safe for concurrent use.
type Keys struct{ client *sdk.Client }

// New returns Keys.
func New(client *sdk.Client) *Keys { return &Keys{client: client} }

// Key is health.Keys'.
func (k *Keys) Key(ctx context.Context, id string) (health.Key, error) {
	out, err := k.client.DescribeKey(ctx, &sdk.DescribeKeyInput{KeyId: &id})
	var missing *types.NotFoundException
	switch {
	case errors.As(err, &missing):
		return health.Key{}, fmt.Errorf("describing key %s: %w", id, health.ErrAbsent)
	case err != nil:
		return health.Key{}, fmt.Errorf("describing key %s: %w", id, err)
	case out.KeyMetadata == nil:
		return health.Key{}, fmt.Errorf("describing key %s: the answer says nothing of it", id)
	}
	key := health.Key{State: string(out.KeyMetadata.KeyState)}
	if at := out.KeyMetadata.DeletionDate; at != nil {
		key.Deleted = at.UTC()
	}
	return key, nil
}
