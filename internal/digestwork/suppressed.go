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

// Notes is Noter's: one note of an account with suppressions in force, by when the
// first of them ends.
func (n Suppressed) Notes(ctx context.Context, status *bootstrap.Status, _ []bootstrap.Fact, at time.Time) ([]digest.Note, error) {
	account := status.Account
	events, err := n.Store.Events(ctx, account, at, at.Add(suppression.Max))
	if err != nil {
		return nil, fmt.Errorf("reading suppressions of account %s: %w", account, err)
	}
	note := digest.Note{Topic: "suppressions", Account: account}
	var texts []string
	for _, s := range suppression.Of(events) {
		if !s.InForce(at) {
			continue
		}
		uses, err := n.Store.Uses(ctx, s.Added.ID)
		if err != nil {
			return nil, fmt.Errorf("counting what suppression %s held back: %w", s.Added.ID, err)
		}
		end := s.End()
		if note.Since.IsZero() || end.Before(note.Since) {
			note.Since = end
		}
		texts = append(texts, fmt.Sprintf("%s until %s by %s, %d held back", s.Added.Finding, end.UTC().Format(time.DateOnly), s.Added.Owner,
			uses))
	}
	if len(texts) == 0 {
		return nil, nil
	}
	note.Text = strings.Join(texts, "; ")
	return []digest.Note{note}, nil
}
