package dynamodb

import (
	"context"
	"errors"
	"strings"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"rootguard/internal/config"
	"rootguard/internal/incident"
)

// What someone without the command writes into the row of an incident's ID, beside
// due_shard "ACKS#" and a due_at: see internal/docs/operating.md.
const (
	ackByAttribute   = "ack_by"
	ackNoteAttribute = "ack_note"
)

var _ incident.WrittenAcks = (*Store)(nil)

// Written is incident.WrittenAcks'.
func (s *Store) Written(ctx context.Context, limit int) ([]incident.Written, error) {
	out, err := s.client.Query(ctx, &sdk.QueryInput{
		TableName: &s.table, IndexName: ptr(config.TableDueIndex),
		KeyConditionExpression:    ptr("#shard = :shard"),
		ExpressionAttributeNames:  map[string]string{"#shard": config.TableDuePartition},
		ExpressionAttributeValues: map[string]types.AttributeValue{":shard": text(writtenPartition)},
		Limit:                     ptr(int32(min(limit, maxBatchGet))), //nolint:gosec // at most maxBatchGet
	})
	if err != nil {
		return nil, classed("listing what is due in "+writtenPartition, err)
	}
	var found []incident.Written
	for _, item := range out.Items {
		// The index lags behind the table, so it only says where to look.
		k := rowFrom(item).key
		got, err := s.client.BatchGetItem(ctx, &sdk.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			s.table: {Keys: []map[string]types.AttributeValue{k.attributes()}, ConsistentRead: ptr(true)},
		}})
		if err != nil {
			return found, classed("reading "+k.pk, err)
		}
		for _, row := range got.Responses[s.table] {
			id, isPointer := strings.CutPrefix(k.pk, incidentPrefix)
			if textOf(row[config.TableDuePartition]) != writtenPartition || !isPointer {
				continue
			}
			found = append(found, incident.Written{
				Incident: id, By: textOf(row[ackByAttribute]), Note: textOf(row[ackNoteAttribute]), Version: textOf(row[versionAttribute]),
			})
		}
	}
	return found, nil
}

// Clear is incident.WrittenAcks'.
func (s *Store) Clear(ctx context.Context, w incident.Written) error {
	k := pointerRow(w.Incident)
	rows, err := s.read(ctx, k)
	if err != nil {
		return err
	}
	r := rows[k]
	if r.version != w.Version {
		return nil
	}
	// As it was made, without what was written, and with a version of its own.
	fresh := row{key: k, doc: r.doc, version: newVersion(), expires: r.expires}
	err = s.put(ctx, &fresh, w.Version)
	var refused *types.ConditionalCheckFailedException
	if err == nil || errors.As(err, &refused) {
		return nil
	}
	return classed("clearing the acknowledgement of incident "+w.Incident, err)
}
