package dynamodb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/incident"

	sdk "github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// UpdateIncidents is incident.Store's. It fails where others keep changing the same row for
// several seconds, and repeats decide until then. decide must return an incident
// that is among those it was given, or whose Start lies between the times.
func (s *Store) UpdateIncidents(ctx context.Context, account string, from, to time.Time,
	decide func([]incident.Incident) incident.Incident) error {
	tried := ""
	var last error
	for attempt := 1; attempt <= attempts; attempt++ {
		rows, err := s.between(ctx, partition(account), incidentPrefix, from, to)
		if err != nil {
			return err
		}
		if tried != "" && slices.ContainsFunc(rows, func(r row) bool { return r.version == tried }) {
			return nil // the attempt before had gone through, and its answer got lost
		}
		now := s.now()
		versions := map[key]string{}
		var found []incident.Incident
		for i := range rows {
			versions[rows[i].key] = rows[i].version
			var in incident.Incident
			if err := rows[i].decode(now, &in); err != nil {
				return err
			}
			if in.Key != "" && !in.Start.Before(from) && !in.Start.After(to) {
				found = append(found, in)
			}
		}
		in := decide(found)
		if in.Key == "" {
			return nil
		}
		r, err := incidentRow(&in, now)
		if err != nil {
			return err
		}
		version, known := versions[r.key]
		if !known {
			// First, so that nothing is in force that cannot be found by its ID.
			if err := s.point(ctx, &in, now); err != nil {
				return err
			}
		}
		if err = s.put(ctx, &r, version); err == nil {
			return nil
		}
		if !conflict(err) {
			return classed("storing incident "+in.Key, err)
		}
		tried, last = r.version, err
		if err := pause(ctx, attempt); err != nil {
			return fmt.Errorf("storing incident %s: %w", in.Key, err)
		}
	}
	return fmt.Errorf("storing an incident of account %s: others kept changing it: %w", account, last)
}

func incidentRow(in *incident.Incident, now time.Time) (row, error) {
	r, err := rowOf(timedRow(incidentPrefix, in.Key), in)
	if err != nil {
		return row{}, err
	}
	if in.Due.IsZero() {
		r.expires = now.Add(ClaimTTL).Unix()
	} else {
		r.shard, r.due = dueShardOf(incidentShard, in.Key), dueAt(in.Due)
	}
	return r, r.fits()
}

// point makes an incident findable by its ID. Its key does not change, so that
// another write of the same is the same.
func (s *Store) point(ctx context.Context, in *incident.Incident, now time.Time) error {
	r, err := rowOf(pointerRow(in.ID), in.Key)
	if err != nil {
		return err
	}
	r.expires = now.Add(2 * ClaimTTL).Unix()
	if _, err := s.client.PutItem(ctx, &sdk.PutItemInput{TableName: &s.table, Item: r.item()}); err != nil {
		return classed("storing the ID of incident "+in.Key, err)
	}
	return nil
}

// Find is incident.Store'.
func (s *Store) Find(ctx context.Context, ids []string) (map[string]incident.Incident, error) {
	pointers := make([]key, 0, len(ids))
	for _, id := range slices.Compact(slices.Sorted(slices.Values(ids))) {
		pointers = append(pointers, pointerRow(id))
	}
	rows, err := s.read(ctx, pointers...)
	if err != nil {
		return nil, err
	}
	var unreadable []error
	keys := make([]key, 0, len(rows))
	for _, pointer := range pointers {
		r := rows[pointer]
		var incidentKey string
		if err := r.decode(s.now(), &incidentKey); err != nil {
			unreadable = append(unreadable, err)
		}
		if incidentKey != "" {
			keys = append(keys, timedRow(incidentPrefix, incidentKey))
		}
	}
	if rows, err = s.read(ctx, keys...); err != nil {
		return nil, err
	}
	found := make(map[string]incident.Incident, len(keys))
	for _, k := range keys {
		r := rows[k]
		var in incident.Incident
		if err := r.decode(s.now(), &in); err != nil {
			unreadable = append(unreadable, err)
		} else if in.Key != "" {
			found[in.ID] = in
		}
	}
	return found, errors.Join(unreadable...)
}

// DueIncidents is incident.Store'.
func (s *Store) DueIncidents(ctx context.Context, at time.Time, limit int) ([]incident.Incident, error) {
	isDue := func(in incident.Incident) bool { return !in.Due.IsZero() && !in.Due.After(at) }
	return due(ctx, s, incidentShard, at, limit, isDue, func(a, b incident.Incident) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key))
	})
}

// IncidentsBetween returns the incidents of an account whose session began between two
// times, by the time they were opened.
func (s *Store) IncidentsBetween(ctx context.Context, account string, from, to time.Time) ([]incident.Incident, error) {
	rows, err := s.between(ctx, partition(account), incidentPrefix, from, to)
	if err != nil {
		return nil, err
	}
	incidents, err := decoded[incident.Incident](rows, s.now())
	if err != nil {
		return nil, err
	}
	incidents = slices.DeleteFunc(incidents, func(in incident.Incident) bool {
		return in.Key == "" ||
			in.Start.Before(from) || in.Start.After(to)
	})
	slices.SortFunc(incidents, func(a, b incident.Incident) int { return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Key, b.Key)) })
	return incidents, nil
}

// Incidents returns every incident of an account, of all accounts where account
// is "", by the time it was opened.
func (s *Store) Incidents(ctx context.Context, account string) ([]incident.Incident, error) {
	incidents, err := all[incident.Incident](ctx, s, account, incidentPrefix)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(incidents, func(a, b incident.Incident) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.Key, b.Key))
	})
	return incidents, nil
}
