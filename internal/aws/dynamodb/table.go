package dynamodb

import (
	"context"
	"errors"
	"fmt"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/health"
)

var _ health.Tables = (*Tables)(nil)

// Tables is a health.Tables over Amazon DynamoDB. It is safe for concurrent use.
type Tables struct{ client *sdk.Client }

// NewTables returns Tables.
func NewTables(client *sdk.Client) *Tables { return &Tables{client: client} }

// Table is health.Tables'.
func (t *Tables) Table(ctx context.Context, name string) (health.Table, error) {
	out, err := t.client.DescribeTable(ctx, &sdk.DescribeTableInput{TableName: &name})
	if err != nil {
		return health.Table{}, absent("describing table "+name, err)
	}
	if out.Table == nil {
		return health.Table{}, fmt.Errorf("describing table %s: the answer says nothing of it", name)
	}
	table := health.Table{
		Status: string(out.Table.TableStatus), Indexes: map[string]string{},
		DeletionProtection: out.Table.DeletionProtectionEnabled != nil && *out.Table.DeletionProtectionEnabled,
	}
	limits := func(l *types.OnDemandThroughput) {
		if l == nil {
			return
		}
		table.ReadLimit, table.WriteLimit = lower(table.ReadLimit, l.MaxReadRequestUnits), lower(table.WriteLimit, l.MaxWriteRequestUnits)
	}
	limits(out.Table.OnDemandThroughput)
	for _, i := range out.Table.GlobalSecondaryIndexes {
		table.Indexes[deref(i.IndexName)] = string(i.IndexStatus)
		limits(i.OnDemandThroughput)
	}
	if s := out.Table.SSEDescription; s != nil {
		table.Key = deref(s.KMSMasterKeyArn)
		if at := s.InaccessibleEncryptionDateTime; at != nil {
			table.Inaccessible = at.UTC()
		}
	}
	if b := out.Table.BillingModeSummary; b != nil {
		table.Provisioned = b.BillingMode == types.BillingModeProvisioned
	}
	return table, nil
}

// lower is the lower of two limits, of which 0 and -1 are none (Amazon DynamoDB API
// Reference, OnDemandThroughput).
func lower(a int64, b *int64) int64 {
	if b == nil || *b <= 0 || a > 0 && a < *b {
		return a
	}
	return *b
}

// TablePolicy is health.Tables'.
func (t *Tables) TablePolicy(ctx context.Context, arn string) (string, error) {
	out, err := t.client.GetResourcePolicy(ctx, &sdk.GetResourcePolicyInput{ResourceArn: &arn})
	var none *types.PolicyNotFoundException
	switch {
	case errors.As(err, &none):
		return "", nil
	case err != nil:
		return "", absent("reading the policy of "+arn, err)
	}
	return deref(out.Policy), nil
}

// Protection is health.Tables'.
func (t *Tables) Protection(ctx context.Context, name string) (health.Protection, error) {
	var p health.Protection
	ttl, err := t.client.DescribeTimeToLive(ctx, &sdk.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return p, absent("reading the time to live of table "+name, err)
	}
	if d := ttl.TimeToLiveDescription; d != nil && (d.TimeToLiveStatus == types.TimeToLiveStatusEnabled ||
		d.TimeToLiveStatus == types.TimeToLiveStatusEnabling) {
		p.TTL = deref(d.AttributeName)
	}
	backups, err := t.client.DescribeContinuousBackups(ctx, &sdk.DescribeContinuousBackupsInput{TableName: &name})
	if err != nil {
		return p, absent("reading the backups of table "+name, err)
	}
	if d := backups.ContinuousBackupsDescription; d != nil && d.PointInTimeRecoveryDescription != nil {
		p.PointInTimeRecovery = d.PointInTimeRecoveryDescription.PointInTimeRecoveryStatus == types.PointInTimeRecoveryStatusEnabled
	}
	return p, nil
}

// absent wraps an error, as health.ErrAbsent where it is that there is no table.
func absent(doing string, err error) error {
	var missing *types.ResourceNotFoundException
	var none *types.TableNotFoundException
	if errors.As(err, &missing) || errors.As(err, &none) {
		return fmt.Errorf("%s: %w", doing, health.ErrAbsent)
	}
	return fmt.Errorf("%s: %w", doing, err)
}
