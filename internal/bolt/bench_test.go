package bolt_test

import (
	"context"
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
)

// BenchmarkHandle handles root calls of one long session: each is recorded,
// claimed and folded, one in 900 closes a window.
func BenchmarkHandle(b *testing.B) {
	drop := publisherFunc(func(alert.Alert) error { return nil })
	run := func(b *testing.B, g *guard.Guard) {
		b.Helper()
		b.ReportAllocs()
		ctx := context.Background()
		i := 0
		for b.Loop() {
			if _, err := g.Handle(ctx, record(i)); err != nil {
				b.Fatal(err)
			}
			i++
		}
	}
	b.Run("fake", func(b *testing.B) {
		run(b, guard.New(guard.Deps{
			Detector: detector{}, Claims: &fake.Claims{}, Facts: &fake.Facts{}, Publisher: drop, Now: func() time.Time { return t0 },
		}, guard.Settings{}))
	})
	b.Run("bolt", func(b *testing.B) { run(b, newGuard(newStore(b), drop)) })
	b.Run("bolt batched", func(b *testing.B) { run(b, newGuard(newBatched(b, 3000), drop)) })
}
