package e2e

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"rootguard/internal/bootstrap"
)

const throttled = "ProvisionedThroughputExceededException"

// TestThrottled has DynamoDB throttle each kind of call that an event makes.
func TestThrottled(t *testing.T) {
	for _, action := range []string{"PutItem", "BatchGetItem", "TransactWriteItems"} {
		t.Run(action, func(t *testing.T) {
			c := deployed(t)
			eve := c.createUser("eve")
			c.fault(fault{service: "dynamodb", action: action, times: 2, status: http.StatusBadRequest, code: throttled})
			c.handled(c.deliver(eve.created()))
			c.handled(c.deliver(eve.created()))
			c.wantAlerts("user.created info eve")
			if u := c.user("eve", time.Now()); u.UserID != eve.id {
				t.Errorf("on record: %+v", u)
			}
		})
	}
}

// TestSNSDown holds that an event whose alert cannot be published is kept, and
// reported once when it is redriven.
func TestSNSDown(t *testing.T) {
	c := deployed(t)
	down := c.fault(fault{service: "sns", action: "Publish", times: always, status: http.StatusInternalServerError, code: "InternalError"})
	event := c.rootSignIn("111122223333", "No", "Success", nil)
	got := c.deliver(event)
	if len(got) != 1 || !got[0].failed || len(got[0].attempts) != 3 || !strings.Contains(got[0].attempts[2].Error.Message, "publishing") {
		t.Fatalf("with SNS down: %+v", got)
	}
	c.wantAlerts()
	if n := c.waiting("FailedQueueUrl"); n != "1" {
		t.Fatalf("%s messages on the queue of failures", n)
	}

	list := c.rootguard("redrive", "--dry-run")
	if list.code != 0 || !strings.Contains(list.stdout, c.eventID(event)) || !strings.Contains(list.stdout, "1 waiting") || list.stderr != "" {
		t.Errorf("redrive --dry-run: %+v", list)
	}
	if failed := c.rootguard("redrive"); failed.code != 1 || !strings.Contains(failed.stdout, "1 failed") || !strings.Contains(failed.stderr, "publishing") {
		t.Errorf("redrive while SNS is down: %+v", failed)
	}
	c.repair(down)
	done := c.rootguard("redrive")
	if done.code != 0 || !strings.Contains(done.stdout, "alerted as root.signin.no_mfa") || !strings.Contains(done.stdout, "1 message: 1 delivered.") {
		t.Errorf("redrive: %+v", done)
	}
	if again := c.rootguard("redrive"); again.code != 0 || !strings.HasPrefix(again.stdout, "Nothing waits in ") {
		t.Errorf("redrive again: %+v", again)
	}
	c.handled(c.deliver(event))
	c.wantAlerts("root.signin.no_mfa critical 111122223333")
}

// TestUndeliverable holds that what a rule may not deliver is kept, and reported
// when it is redriven.
func TestUndeliverable(t *testing.T) {
	c := deployed(t)
	c.bar("rootguard-rootactivity")
	event := c.rootSignIn("111122223333", "No", "Success", nil)
	if got := c.deliver(event); len(got) != 1 || !got[0].undelivered {
		t.Fatalf("without permission: %+v", got)
	}
	if n := c.waiting("UndeliveredQueueUrl"); n != "1" {
		t.Fatalf("%s messages on the queue of the rules", n)
	}
	if done := c.rootguard("redrive"); done.code != 0 || !strings.Contains(done.stdout, "1 message: 1 delivered.") {
		t.Errorf("redrive: %+v", done)
	}
	c.wantAlerts("root.signin.no_mfa critical 111122223333")
}

// TestConcurrent has two execution environments handle one event at a time when
// the first is publishing. The second fails, and finds it reported when it is called again.
func TestConcurrent(t *testing.T) {
	c := deployed(t)
	event := c.rootSignIn("111122223333", "No", "Success", nil)
	publishing := c.hold("sns", "Publish")
	var wg sync.WaitGroup
	wg.Go(func() { c.handled(c.deliver(event)) })
	publishing.wait(t)
	if res := c.attempt("rootguard-rootactivity", event); res.Error == nil || !strings.Contains(res.Error.Message, "being handled by another invocation") {
		t.Errorf("the second answered %+v", res)
	}
	publishing.release()
	wg.Wait()
	c.handled(c.deliver(event))
	c.wantAlerts("root.signin.no_mfa critical 111122223333")
}

// TestIAMSilent holds that an alert waits for no live check, and that no one is
// reported, or forgotten, on a guess.
func TestIAMSilent(t *testing.T) {
	c := deployed(t)
	eve := c.createUser("eve")
	password := eve.setPassword()
	silent := c.fault(fault{service: "iam", action: "ListMFADevices", times: always, status: http.StatusBadRequest, code: "Throttling"})
	c.handled(c.deliver(password))
	c.wantAlerts("user.console_access medium eve")
	late := time.Now().Add(day + time.Hour)
	c.handled(c.tick(late))
	c.wantAlerts("user.console_access medium eve")
	c.repair(silent)
	c.handled(c.tick(late.Add(10 * time.Minute)))
	c.wantAlerts("user.console_access medium eve", "user.mfa.missing high eve")
	if u := c.user("eve", late); u.MFA == bootstrap.MFAOn {
		t.Errorf("on record: %+v", u)
	}
}
