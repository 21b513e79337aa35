package digestwork

import (
	"context"
	"fmt"
	"strings"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/digest"
	"rootguard/internal/suppression"
)

// Suppressed notes which alerts of an account are not sent, and how many were not.
type Suppressed struct{ Store suppression.Store }

var _ Noter = Suppressed{}

// Title is Noter's.
func (Suppressed) Title() (topic digest.Topic, title string) {
	return "suppressions", "ALERTS SUPPRESSED"
}

// Notes is Noter's: one note of an account, of the suppressions in force, and of those
// that ended since the last digest and held something back, by when the first of them ends.
func (n Suppressed) Notes(ctx context.Context, status *bootstrap.Status, _ []bootstrap.Fact, since, at time.Time) ([]digest.Note, error) {
	account := status.Account
	if since.IsZero() {
		since = at.Add(-suppression.Max)
	}
	events, err := n.Store.Events(ctx, account, since, at.Add(suppression.Max))
	if err != nil {
		return nil, fmt.Errorf("reading suppressions of account %s: %w", account, err)
	}
	note := digest.Note{Topic: "suppressions", Account: account}
	var texts []string
	for _, s := range suppression.Of(events) {
		end, verb := s.End(), "until"
		if s.From().After(at) || !end.After(since) {
			continue
		}
		uses, err := n.Store.Uses(ctx, s.Added.ID)
		if err != nil {
			return nil, fmt.Errorf("counting what suppression %s held back: %w", s.Added.ID, err)
		}
		if !s.InForce(at) {
			if uses == 0 {
				continue
			}
			verb = "ended"
		}
		if note.Since.IsZero() || end.Before(note.Since) {
			note.Since = end
		}
		texts = append(texts, fmt.Sprintf("%s %s %s, owner %s: %d held back", s.Added.Finding, verb, end.UTC().Format(time.DateOnly),
			s.Added.Owner, uses))
	}
	if len(texts) == 0 {
		return nil, nil
	}
	note.Text = strings.Join(texts, "; ")
	return []digest.Note{note}, nil
}
