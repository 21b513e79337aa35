package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"
)

// TestHealthy holds that a guard that is deployed and left alone finds nothing
// wrong with itself, by all its checks and its heartbeats.
func TestHealthy(t *testing.T) {
	c := deployed(t)
	now := time.Now()
	for i := range 4 {
		c.handled(c.tick(now.Add(time.Duration(i) * 5 * time.Minute)))
	}
	c.wantAlerts()
	if n := len(c.calls("events", "PutEvents")); n != 4 {
		t.Errorf("%d events on the bus in 4 runs", n)
	}
	if n := len(c.calls("iam", "TagRole")); n != 2 {
		t.Errorf("%d recorded heartbeats in 4 runs", n)
	}
}

// TestQueuesGone holds that the guard reports queues that are no more.
func TestQueuesGone(t *testing.T) {
	c := deployed(t)
	c.fault(fault{service: "sqs", action: "GetQueueAttributes", times: always, status: http.StatusBadRequest, code: "com.amazonaws.sqs#QueueDoesNotExist"})
	now := time.Now()
	for i := range 3 {
		c.handled(c.tick(now.Add(time.Duration(i) * 5 * time.Minute)))
	}
	if got := lines(c.alerts()); len(got) == 0 || !slices.Contains(got, "guard.unhealthy high queue.failed") {
		t.Errorf("with no queue for what fails, alerts: %v", got)
	}
}
