// Package trail looks up which trails of AWS CloudTrail log, and which
// management events they log. Package eventhistory is about its Event history.
package trail

import (
	"context"
	"errors"
	"fmt"
	"slices"

	sdk "github.com/aws/aws-sdk-go-v2/service/cloudtrail"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/aws/sdkcall"
	"rootguard/internal/health"
)

var _ health.Trails = (*Trails)(nil)

// Trails is a health.Trails over AWS CloudTrail. It is safe for concurrent use.
type Trails struct {
	region    string
	describe  sdkcall.Call[sdk.DescribeTrailsInput, sdk.DescribeTrailsOutput, sdk.Options]
	status    sdkcall.Call[sdk.GetTrailStatusInput, sdk.GetTrailStatusOutput, sdk.Options]
	selectors sdkcall.Call[sdk.GetEventSelectorsInput, sdk.GetEventSelectorsOutput, sdk.Options]
}

// New returns Trails, of the client's Region: its own, and those that log in it.
func New(client *sdk.Client) *Trails {
	return &Trails{client.Options().Region, client.DescribeTrails, client.GetTrailStatus, client.GetEventSelectors}
}

// Trails is health.Trails'.
func (t *Trails) Trails(ctx context.Context) ([]health.Trail, error) {
	out, err := t.describe(ctx, &sdk.DescribeTrailsInput{})
	if err != nil {
		return nil, fmt.Errorf("listing trails: %w", err)
	}
	trails := make([]health.Trail, 0, len(out.TrailList))
	for i := range out.TrailList {
		d := &out.TrailList[i]
		one := health.Trail{
			Name: deref(d.Name), ARN: deref(d.TrailARN), HomeRegion: deref(d.HomeRegion),
			MultiRegion: is(d.IsMultiRegionTrail), GlobalServiceEvents: is(d.IncludeGlobalServiceEvents),
		}
		foreign := is(d.IsOrganizationTrail) || one.HomeRegion != t.region
		one.Err = t.fill(ctx, &one, foreign)
		trails = append(trails, one)
	}
	return trails, nil
}

// refusals are the codes of errors that no repetition cures (AWS CloudTrail API
// Reference, GetEventSelectors and common errors).
var refusals = []string{
	"AccessDenied", "AccessDeniedException", "OperationNotPermittedException", "TrailNotFoundException", "UnsupportedOperationException",
}

// fill asks what a trail does. It is named by its ARN, as that of another
// account or Region must be (AWS CloudTrail API Reference, GetTrailStatus). What
// such a foreign one logs may be refused to be reported.
func (t *Trails) fill(ctx context.Context, trail *health.Trail, foreign bool) error {
	status, err := t.status(ctx, &sdk.GetTrailStatusInput{Name: &trail.ARN})
	if err != nil {
		return fmt.Errorf("reading the status of trail %s: %w", trail.Name, err)
	}
	trail.Logging, trail.DeliveryError = is(status.IsLogging), deref(status.LatestDeliveryError)
	selectors, err := t.selectors(ctx, &sdk.GetEventSelectorsInput{TrailName: &trail.ARN})
	if err != nil {
		err = fmt.Errorf("reading the event selectors of trail %s: %w", trail.Name, err)
		var refused smithy.APIError
		if foreign && errors.As(err, &refused) && slices.Contains(refusals, refused.ErrorCode()) {
			trail.Unseen = err
			return nil
		}
		return err
	}
	trail.Reads, trail.Writes, trail.Partly = management(selectors.EventSelectors, selectors.AdvancedEventSelectors)
	return nil
}

// management says which management events selectors take, and by which field of
// an advanced one (AWS CloudTrail API Reference, AdvancedFieldSelector) some may
// be left out.
func management(basic []types.EventSelector, advanced []types.AdvancedEventSelector) (reads, writes bool, partly string) {
	if len(basic)+len(advanced) == 0 {
		return true, true, "" // a trail without selectors logs all of them
	}
	for i := range basic {
		s := &basic[i]
		if s.IncludeManagementEvents != nil && !*s.IncludeManagementEvents {
			continue
		}
		reads = reads || s.ReadWriteType != types.ReadWriteTypeWriteOnly
		writes = writes || s.ReadWriteType != types.ReadWriteTypeReadOnly
	}
	whole := reads && writes
	for i := range advanced {
		r, w, field := managementOf(advanced[i].FieldSelectors)
		reads, writes = reads || r, writes || w
		if (r || w) && field == "" {
			whole = whole || r && w
		}
		if (r || w) && field != "" {
			partly = field
		}
	}
	if whole {
		partly = ""
	}
	return reads, writes, partly
}

// droppable are the sources that a selector may leave out without harm: their
// events are many, and none is about root, IAM or the guard (the key's own are
// seen by the check of the key).
var droppable = []string{"kms.amazonaws.com", "rdsdata.amazonaws.com"}

func managementOf(fields []types.AdvancedFieldSelector) (reads, writes bool, partly string) {
	reads, writes = true, true
	about := false
	for i := range fields {
		f := &fields[i]
		switch deref(f.Field) {
		case "eventCategory":
			about = slices.Contains(f.Equals, "Management")
		case "readOnly":
			reads, writes = slices.Contains(f.Equals, "true"), slices.Contains(f.Equals, "false")
		case "eventSource":
			only := len(f.Equals)+len(f.StartsWith)+len(f.EndsWith)+len(f.NotStartsWith)+len(f.NotEndsWith) > 0
			if only || slices.ContainsFunc(f.NotEquals, func(source string) bool { return !slices.Contains(droppable, source) }) {
				partly = "eventSource"
			}
		default:
			partly = deref(f.Field)
		}
	}
	return reads && about, writes && about, partly
}

func is(b *bool) bool { return b != nil && *b }

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
