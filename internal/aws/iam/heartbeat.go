package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"rootguard/internal/eventrules"
	"rootguard/internal/health"
)

var _ health.Recorder = (*Heartbeats)(nil)

// Heartbeats makes a call that changes nothing but a tag of the role of the
// function sweep, so that CloudTrail has something to record.
type Heartbeats struct {
	client *sdk.Client
	role   string
}

// NewHeartbeats returns the Heartbeats of the guard with a prefix.
func NewHeartbeats(client *sdk.Client, prefix string) *Heartbeats {
	return &Heartbeats{client, eventrules.SweepRole(prefix)}
}

// Record is health.Recorder's. The value of the tag is replaced (IAM API Reference, TagRole).
func (h *Heartbeats) Record(ctx context.Context, id string) error {
	_, err := h.client.TagRole(ctx, &sdk.TagRoleInput{RoleName: &h.role,
		Tags: []types.Tag{{Key: aws.String(eventrules.HeartbeatTag), Value: &id}}})
	if err != nil {
		return classed("tagging role "+h.role, err)
	}
	return nil
}
