package organizations

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/organizations"
	"github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/smithy-go"

	"rootguard/internal/accountcheck"
)

var _ accountcheck.Placer = (*Placements)(nil)

// unitHolds is how long a unit's parent and name are taken as known, so that the
// accounts of one run ask for them once: units are moved and renamed seldom, accounts
// are not asked about from memory.
const unitHolds = 30 * time.Minute

// Placements reports where accounts are in the organization. Only the management
// account and delegated administrators may ask (AWS Organizations API Reference,
// ListParents, DescribeOrganizationalUnit, ListTagsForResource). It is safe for
// concurrent use.
type Placements struct {
	client *sdk.Client
	named  bool // names of units are asked for
	now    func() time.Time

	mu    sync.Mutex
	units map[string]knownUnit // by ID
}

type knownUnit struct {
	name   string
	parent string
	until  time.Time
}

// NewPlacements returns Placements. The names of units are asked for where named is
// set; else Unit.Name is "".
func NewPlacements(client *sdk.Client, named bool, now func() time.Time) *Placements {
	return &Placements{client: client, named: named, now: now, units: map[string]knownUnit{}}
}

// Units is accountcheck.Placer's. It asks for the account's parent each time, and for
// those above it where they are not known.
func (p *Placements) Units(ctx context.Context, account string) ([]accountcheck.Unit, error) {
	parent, err := p.parent(ctx, account)
	var gone *types.ChildNotFoundException
	if errors.As(err, &gone) {
		err = errors.Join(accountcheck.ErrNotMember, err)
	}
	if err != nil {
		return nil, err
	}
	var up []accountcheck.Unit
	for id := parent; len(up) < deepest; {
		unit, err := p.unit(ctx, id)
		if err != nil {
			return nil, err
		}
		up = append(up, accountcheck.Unit{ID: id, Name: unit.name})
		if id = unit.parent; id == "" {
			slices.Reverse(up)
			return up, nil
		}
	}
	return nil, fmt.Errorf("listing the units above account %s: there are more than %d", account, deepest)
}

// deepest is more than how deep units are nested, five below the root (AWS
// Organizations User Guide, "Quotas").
const deepest = 10

func (p *Placements) unit(ctx context.Context, id string) (knownUnit, error) {
	p.mu.Lock()
	have, ok := p.units[id]
	p.mu.Unlock()
	if ok && p.now().Before(have.until) {
		return have, nil
	}
	unit := knownUnit{until: p.now().Add(unitHolds)}
	if !strings.HasPrefix(id, "r-") { // a root has neither
		if p.named {
			out, err := p.client.DescribeOrganizationalUnit(ctx, &sdk.DescribeOrganizationalUnitInput{OrganizationalUnitId: &id})
			if err != nil {
				return knownUnit{}, placeError("describing organizational unit "+id, err)
			}
			if out.OrganizationalUnit != nil {
				unit.name = aws.ToString(out.OrganizationalUnit.Name)
			}
		}
		var err error
		if unit.parent, err = p.parent(ctx, id); err != nil {
			return knownUnit{}, err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.units[id] = unit
	return unit, nil
}

// parent is what an account or a unit is directly under. A page may be empty though
// others follow.
func (p *Placements) parent(ctx context.Context, child string) (string, error) {
	pages := sdk.NewListParentsPaginator(p.client, &sdk.ListParentsInput{ChildId: &child})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return "", placeError("listing the parent of "+child, err)
		}
		for i := range page.Parents {
			return aws.ToString(page.Parents[i].Id), nil // a child has one
		}
	}
	return "", fmt.Errorf("listing the parent of %s: AWS Organizations names none", child)
}

// Tags is accountcheck.Placer's.
func (p *Placements) Tags(ctx context.Context, account string) ([]accountcheck.Tag, error) {
	var tags []accountcheck.Tag
	pages := sdk.NewListTagsForResourcePaginator(p.client, &sdk.ListTagsForResourceInput{ResourceId: &account})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, placeError("listing the tags of account "+account, err)
		}
		for i := range page.Tags {
			tags = append(tags, accountcheck.Tag{Key: aws.ToString(page.Tags[i].Key), Value: aws.ToString(page.Tags[i].Value)})
		}
	}
	return tags, nil
}

// placeError classes an error.
func placeError(doing string, err error) error {
	wrapped := fmt.Errorf("%s: %w", doing, err)
	var target *types.TargetNotFoundException
	var api smithy.APIError
	switch {
	case errors.As(err, &target):
		return errors.Join(accountcheck.ErrNotMember, wrapped)
	case !errors.As(err, &api):
		return wrapped
	}
	switch api.ErrorCode() {
	case "TooManyRequestsException", "ThrottlingException":
		return errors.Join(accountcheck.ErrThrottled, wrapped)
	case "AccessDeniedException", "AWSOrganizationsNotInUseException":
		return errors.Join(accountcheck.ErrDenied, wrapped)
	}
	return wrapped
}
