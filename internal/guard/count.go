package guard

import (
	"context"
	"time"

	"rootguard/internal/attempts"
	"rootguard/internal/detect"
)

// span is how long the window of a finding's groups is.
func (s *Settings) span(id detect.ID) time.Duration {
	if id == detect.RootSigninSpraying {
		return attempts.SprayTime
	}
	return s.DedupWindow
}

// spraying counts a failed root sign-in among those of all accounts from its
// address.
func (g *Guard) spraying(ctx context.Context, f *detect.Finding) error {
	if f.ID != detect.RootSigninFailed || f.SourceIP == "" {
		return nil
	}
	s := detect.Spraying(*f)
	_, err := g.Raise(ctx, s)
	return err
}
