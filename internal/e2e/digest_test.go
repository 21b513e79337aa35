package e2e

import (
	"testing"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/digest"
)

// TestDigest has sweeps pass the time of two digests, by the schedule and with the
// permissions that are deployed.
func TestDigest(t *testing.T) {
	c := deployed(t)
	c.digest = true
	u := c.createUser("eve")
	c.handled(c.deliver(u.created()))
	c.handled(c.deliver(u.setPassword()))
	s := digest.Default(digest.Weekly)
	now := time.Now()
	first := s.Next(now)
	for _, at := range []time.Time{now, first.Add(-time.Minute), first, first, first.Add(5 * time.Minute), s.Next(first), s.Next(first).Add(5 * time.Minute)} {
		c.handled(c.tick(at))
	}
	var digests []alert.Alert
	for _, a := range c.alerts() {
		if a.Kind == alert.Scheduled {
			digests = append(digests, a.Alert)
		}
	}
	if len(digests) != 2 {
		t.Fatalf("%d digests, want 2", len(digests))
	}
	if d := digests[0].Digest; d.Counts.AwaitingMFA != 1 || !d.Next.Equal(s.Next(first)) {
		t.Errorf("the first: %+v, next %s", d.Counts, d.Next)
	}
	if d := digests[1].Digest; !d.Since.Equal(digests[0].Digest.At) || !d.Next.Equal(s.Next(s.Next(first))) {
		t.Errorf("the second: since %s, next %s", d.Since, d.Next)
	}
}
