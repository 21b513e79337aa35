package e2e

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rootguard/internal/alert"
)

// TestSweepsOverlap has two execution environments sweep the same users at the
// same time, the second while the first is publishing.
func TestSweepsOverlap(t *testing.T) {
	const n = 6
	c := deployed(t)
	var want []string
	for i := range n {
		u := c.createUser(fmt.Sprintf("user%d", i))
		c.handled(c.deliver(u.setPassword()))
		want = append(want, "user.console_access medium "+u.name)
	}
	c.wantAlerts(want...)
	at := time.Now().Add(day + time.Hour/2)
	event := c.scheduled(c.arn("events", "rule/rootguard-schedule-sweep"), at)
	publishing := c.hold("sns", "Publish")
	var wg sync.WaitGroup
	sweep := func() {
		if res := c.attempt("rootguard-sweep", event); res.Error != nil {
			t.Errorf("sweeping: %v", res.Error)
		}
	}
	wg.Go(sweep)
	publishing.wait(t)
	wg.Go(sweep)
	time.Sleep(time.Second) // it is on its way, or done but for the alert about the user
	publishing.release()
	wg.Wait()
	sweep()
	alerted := map[string]int{}
	for _, a := range c.alerts()[n:] {
		for _, one := range alert.Each(a.Alert) {
			alerted[fmt.Sprintf("%s %s %s", one.Finding.ID, one.Finding.Severity, one.Finding.Target.UserName)]++
		}
	}
	for i := range n {
		if line := fmt.Sprintf("user.mfa.missing high user%d", i); alerted[line] != 1 {
			t.Errorf("%q came %d times", line, alerted[line])
		}
	}
	if len(alerted) != n {
		t.Errorf("alerts: %v", alerted)
	}
}
