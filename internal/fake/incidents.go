package fake

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"rootguard/internal/announcement"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
	"rootguard/internal/suppression"
)

var (
	_ incident.Store     = (*Incidents)(nil)
	_ announcement.Store = (*Announcements)(nil)
	_ suppression.Store  = (*Suppressions)(nil)

	_ incident.WrittenAcks = (*Incidents)(nil)
)

// Incidents is a incident.Store in memory. The zero value is ready.
type Incidents struct {
	Script *Script
	// Conflicts makes every UpdateIncidents call decide once in vain.
	Conflicts bool

	mu      sync.Mutex
	all     table[incident.Incident]
	stored  int                         // how often a row was stored
	written map[string]incident.Written // by incident
	version map[string]int              // of the row of each
}

// Write acknowledges an incident as someone does by hand.
func (s *Incidents) Write(id, by, note string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.written == nil {
		s.written, s.version = map[string]incident.Written{}, map[string]int{}
	}
	s.written[id] = incident.Written{Incident: id, By: by, Note: note}
}

// Written is incident.WrittenAcks'.
func (s *Incidents) Written(ctx context.Context, limit int) (some []incident.Written, err error) {
	err = s.Script.call("Incidents.Written", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing acknowledgements: %w", err)
		}
		for id, w := range s.written {
			w.Version = strconv.Itoa(s.version[id])
			some = append(some, w)
		}
		slices.SortFunc(some, func(a, b incident.Written) int { return cmp.Compare(a.Incident, b.Incident) })
		some = some[:min(limit, len(some))]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return some, nil
}

// Clear is incident.WrittenAcks'.
func (s *Incidents) Clear(ctx context.Context, w incident.Written) error {
	return s.Script.call("Incidents.Clear", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("clearing an acknowledgement: %w", err)
		}
		if strconv.Itoa(s.version[w.Incident]) == w.Version {
			delete(s.written, w.Incident)
			s.version[w.Incident]++
		}
		return nil
	})
}

// UpdateIncidents is incident.Store's.
func (s *Incidents) UpdateIncidents(ctx context.Context, account string, from, to time.Time,
	decide func([]incident.Incident) incident.Incident) error {
	return s.Script.call("Incidents.UpdateIncidents", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing an incident of %s: %w", account, err)
		}
		found := func() []incident.Incident {
			return s.rows(func(in *incident.Incident) bool {
				return in.Account == account && !in.Start.Before(from) && !in.Start.After(to)
			})
		}
		if s.Conflicts {
			decide(found())
		}
		in := decide(found())
		if in.Key != "" {
			s.stored++
		}
		return s.all.put(in.Key, in)
	})
}

// Stored is how often a row was stored.
func (s *Incidents) Stored() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored
}

// rows are the incidents that are wanted, by Start.
func (s *Incidents) rows(want func(*incident.Incident) bool) []incident.Incident {
	some := s.all.find(want)
	slices.SortStableFunc(some, func(a, b incident.Incident) int { return a.Start.Compare(b.Start) })
	return some
}

// Find is incident.Store's.
func (s *Incidents) Find(ctx context.Context, ids []string) (found map[string]incident.Incident, err error) {
	err = s.Script.call("Incidents.Find", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("looking for incidents: %w", err)
		}
		some := s.rows(func(in *incident.Incident) bool { return slices.Contains(ids, in.ID) })
		found = make(map[string]incident.Incident, len(some))
		for _, in := range some {
			found[in.ID] = in
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// DueIncidents is incident.Store's.
func (s *Incidents) DueIncidents(ctx context.Context, at time.Time, limit int) (due []incident.Incident, err error) {
	err = s.Script.call("Incidents.DueIncidents", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing incidents: %w", err)
		}
		due = s.rows(func(in *incident.Incident) bool { return !in.Due.IsZero() && !in.Due.After(at) })
		slices.SortFunc(due, func(a, b incident.Incident) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Key, b.Key)) })
		due = due[:min(limit, len(due))]
		return nil
	})
	if err != nil {
		return nil, err
	}
	return due, nil
}

// All returns every incident, by Start.
func (s *Incidents) All() []incident.Incident {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rows(func(*incident.Incident) bool { return true })
}

// Announcements is a announcement.Store in memory, over the claims of a Claims.
type Announcements struct {
	Script *Script
	Claims *Claims

	mu  sync.Mutex
	all table[announcement.AuditEvent]
}

// Append is announcement.Store'.
func (s *Announcements) Append(ctx context.Context, e announcement.AuditEvent) (there announcement.AuditEvent, err error) {
	err = s.Script.call("Announcements.Append", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing entry %s: %w", e.Key, err)
		}
		there, err = s.all.add(e.Key, e)
		return err
	})
	if err != nil {
		return announcement.AuditEvent{}, err
	}
	return there, nil
}

// Entries is announcement.Store'.
func (s *Announcements) Entries(ctx context.Context, account string, from, to time.Time) (some []announcement.AuditEvent, err error) {
	err = s.Script.call("Announcements.Entries", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing announcements of %s: %w", account, err)
		}
		some = s.all.find(func(e *announcement.AuditEvent) bool {
			return e.Account == account && !e.From.Before(from) && !e.From.After(to)
		})
		slices.SortStableFunc(some, func(a, b announcement.AuditEvent) int { return a.From.Compare(b.From) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return some, nil
}

// ClaimsDuring is announcement.Store'.
func (s *Announcements) ClaimsDuring(ctx context.Context, announcement string, fn func(guard.Claim) error) error {
	return s.Script.call("Announcements.ClaimsDuring", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing what was done under %s: %w", announcement, err)
		}
		claims := slices.DeleteFunc(s.Claims.All(), func(c guard.Claim) bool {
			return c.Finding == nil || c.Finding.Announced == nil || c.Finding.Announced.ID != announcement
		})
		slices.SortStableFunc(claims, func(a, b guard.Claim) int { return a.Finding.EventTime.Compare(b.Finding.EventTime) })
		for _, c := range claims {
			if err := fn(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// Suppressions is a suppression.Store in memory, over the claims of a Claims.
type Suppressions struct {
	Script *Script
	Claims *Claims

	mu  sync.Mutex
	all table[suppression.AuditEvent]
}

// Append is suppression.Store's.
func (s *Suppressions) Append(ctx context.Context, e suppression.AuditEvent) (there suppression.AuditEvent, err error) {
	err = s.Script.call("Suppressions.Append", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("storing suppression %s: %w", e.Key, err)
		}
		there, err = s.all.add(e.Key, e)
		return err
	})
	if err != nil {
		return suppression.AuditEvent{}, err
	}
	return there, nil
}

// Events is suppression.Store's.
func (s *Suppressions) Events(ctx context.Context, account string, from, to time.Time) (some []suppression.AuditEvent, err error) {
	err = s.Script.call("Suppressions.Events", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("listing suppressions of %s: %w", account, err)
		}
		some = s.all.find(func(e *suppression.AuditEvent) bool {
			return e.Account == account && !e.Until.Before(from) && !e.Until.After(to)
		})
		slices.SortStableFunc(some, func(a, b suppression.AuditEvent) int { return a.Until.Compare(b.Until) })
		return nil
	})
	if err != nil {
		return nil, err
	}
	return some, nil
}

// Uses is suppression.Store's.
func (s *Suppressions) Uses(ctx context.Context, id string) (uses int, err error) {
	err = s.Script.call("Suppressions.Uses", func() error {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("counting what %s held back: %w", id, err)
		}
		for _, c := range s.Claims.All() {
			if c.State == guard.Withheld && c.Suppression == id {
				uses++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return uses, nil
}
