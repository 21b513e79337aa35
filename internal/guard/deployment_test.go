package guard_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/alert"
	"rootguard/internal/announcement"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/testenv"
	"rootguard/internal/wire"
	"rootguard/internal/wiretest"
)

const (
	hub        = "111122223333"
	deployRole = "arn:aws:sts::" + hub + ":assumed-role/Admin/me"
)

// stacks is a guard.Deployments: of the stack that a call's time belongs to.
type stacks struct {
	began []time.Time // of the deployments of the stack rootguard, oldest first
	err   error
	asked int
}

func (s *stacks) Covers(_ context.Context, f detect.Finding) (d detect.Deployment, ok bool, err error) {
	s.asked++
	if s.err != nil || f.Target.Resource == "rootguard-sweep" {
		return d, false, s.err
	}
	for i, at := range s.began {
		if !f.EventTime.Before(at) {
			d, ok = detect.Deployment{Stack: "rootguard", Event: fmt.Sprintf("event-%d", i), Began: at}, true
		}
	}
	return d, ok, nil
}

// call is one on rootguard's own parts.
type call struct {
	source, name, parameters string
	direct                   bool // not by CloudFormation
	by                       string
	at                       time.Time
	id                       string
	code                     string
}

func (c call) record(t interface{ Fatal(args ...any) }) *cloudtrail.Record {
	address, by := "cloudformation.amazonaws.com", c.by
	if c.direct {
		address = "198.51.100.7"
	}
	if by == "" {
		by = deployRole
	}
	rec, _, err := cloudtrail.Decode([]byte(`{"eventVersion": "1.10", "eventTime": "` + c.at.Format(time.RFC3339) + `", "eventSource": "` + c.source + `.amazonaws.com", "eventName": "` + c.name + `",
		"awsRegion": "us-east-1", "sourceIPAddress": "` + address + `", "requestParameters": ` + c.parameters + `, "eventID": "` + c.id + `", "errorCode": "` + c.code + `", "eventType": "AwsApiCall",
		"recipientAccountId": "` + hub + `", "userIdentity": {"type": "AssumedRole", "principalId": "AROA:me", "arn": "` + by + `", "accountId": "` + hub + `"}}`))
	if err != nil {
		t.Fatal(err)
	}
	return &rec
}

// deployments is a guard whose stack was deployed at some times.
type deployments struct {
	clock     *fake.Clock
	publisher *fake.Publisher
	parts     *wiretest.Parts
	store     *fake.Announcements
}

func newDeployments(known guard.Deployments, at time.Time) *deployments {
	store := &fake.Claims{}
	d := &deployments{clock: fake.NewClock(at), publisher: &fake.Publisher{}, store: &fake.Announcements{Claims: store, Script: &fake.Script{}}}
	d.parts = wiretest.NewParts(wire.Deps{Detector: new(detect.Detector), Claims: store, Facts: &fake.Facts{}, Publisher: d.publisher, Now: d.clock.Now, Deployments: known, Announcements: d.store}, wire.Settings{})
	return d
}

// at sets the clock.
func (d *deployments) at(now time.Time) { d.clock.Advance(now.Sub(d.clock.Now())) }

func (d *deployments) announce(t *testing.T, by ...string) announcement.Announcement {
	t.Helper()
	a, err := announcement.AnnounceDeployment(t.Context(), d.store, announcement.AuditEvent{
		Account: hub, Until: d.clock.Now().Add(time.Hour), Owner: "alice", Reason: "OPS-17", Version: "1.2.3", By: by, Actor: detect.Actor{ARN: deployRole},
	}, d.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestDeploymentIsOneNote holds what a change of rootguard itself is: part of a
// deployment, with one note for all, where CloudFormation says that rootguard's stack
// made it and a new version makes such a call; else critical, announced or not.
func TestDeploymentIsOneNote(t *testing.T) {
	begun := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	const (
		topic = "arn:aws:sns:us-east-1:" + hub + ":rootguard-Topic"
		own   = `{"functionName": "rootguard-rootactivity"}`
	)
	function := call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: own}
	changeSet := call{source: "cloudformation", name: "ExecuteChangeSet", parameters: `{"stackName": "rootguard", "changeSetName": "x"}`, direct: true}
	by := func(c call, arn string) call { c.by = arn; return c }
	for name, tc := range map[string]struct {
		call      call
		deploys   bool
		severity  detect.Severity // unless it deploys: announced and not
		says      string
		announced string // where it says something else when announced
	}{
		"a function's code":                {call: function, deploys: true},
		"its settings":                     {call: call{source: "lambda", name: "UpdateFunctionConfiguration20150331v2", parameters: own}, deploys: true},
		"its permission":                   {call: call{source: "lambda", name: "RemovePermission20150331v2", parameters: own}, deploys: true},
		"a role's policy":                  {call: call{source: "iam", name: "PutRolePolicy", parameters: `{"roleName": "rootguard-SweepRole"}`}, deploys: true},
		"a rule's pattern":                 {call: call{source: "events", name: "PutRule", parameters: `{"name": "rootguard-rootactivity", "state": "ENABLED"}`}, deploys: true},
		"a rule's target":                  {call: call{source: "events", name: "PutTargets", parameters: `{"rule": "rootguard-rootactivity"}`}, deploys: true},
		"an alarm":                         {call: call{source: "monitoring", name: "PutMetricAlarm", parameters: `{"alarmName": "rootguard-dead"}`}, deploys: true},
		"a change set":                     {call: changeSet, deploys: true},
		"a stack's update":                 {call: call{source: "cloudformation", name: "UpdateStack", parameters: `{"stackName": "rootguard"}`, direct: true}, deploys: true},
		"a function's code, by hand":       {call: call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: own, direct: true}, severity: detect.Critical, says: "The function runs other code now."},
		"another's stack":                  {call: call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: `{"functionName": "rootguard-sweep"}`}, severity: detect.Critical, says: "No stack of rootguard's made this change."},
		"denied":                           {call: call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: own, code: "AccessDenied"}, severity: detect.High, says: "denied"},
		"a rule disabled":                  {call: call{source: "events", name: "DisableRule", parameters: `{"name": "rootguard-rootactivity"}`}, severity: detect.Critical, says: "a new version does nothing like that"},
		"a rule disabled by its state":     {call: call{source: "events", name: "PutRule", parameters: `{"name": "rootguard-rootactivity", "state": "DISABLED"}`}, severity: detect.Critical, says: "a new version"},
		"a rule deleted":                   {call: call{source: "events", name: "DeleteRule", parameters: `{"name": "rootguard-rootactivity"}`}, severity: detect.Critical, says: "a new version"},
		"a target removed":                 {call: call{source: "events", name: "RemoveTargets", parameters: `{"rule": "rootguard-rootactivity", "ids": ["1"]}`}, severity: detect.Critical, says: "a new version"},
		"a receiver removed":               {call: call{source: "sns", name: "Unsubscribe", parameters: `{"subscriptionArn": "` + topic + `:1"}`}, severity: detect.Critical, says: "a new version"},
		"a receiver's filter":              {call: call{source: "sns", name: "SetSubscriptionAttributes", parameters: `{"subscriptionArn": "` + topic + `:1", "attributeName": "FilterPolicy"}`}, severity: detect.Critical, says: "a new version"},
		"a topic deleted":                  {call: call{source: "sns", name: "DeleteTopic", parameters: `{"topicArn": "` + topic + `"}`}, severity: detect.Critical, says: "a new version"},
		"a topic's policy":                 {call: call{source: "sns", name: "SetTopicAttributes", parameters: `{"topicArn": "` + topic + `", "attributeName": "Policy"}`}, severity: detect.Critical, says: "a new version"},
		"the table deleted":                {call: call{source: "dynamodb", name: "DeleteTable", parameters: `{"tableName": "rootguard-Table"}`}, severity: detect.Critical, says: "a new version"},
		"the table's backups":              {call: call{source: "dynamodb", name: "UpdateContinuousBackups", parameters: `{"tableName": "rootguard-Table"}`}, severity: detect.Critical, says: "a new version"},
		"a function deleted":               {call: call{source: "lambda", name: "DeleteFunction20150331", parameters: own}, severity: detect.Critical, says: "a new version"},
		"a function starved":               {call: call{source: "lambda", name: "PutFunctionConcurrency20171031", parameters: `{"functionName": "rootguard-rootactivity", "reservedConcurrentExecutions": 0}`}, severity: detect.Critical, says: "a new version"},
		"who may become a role":            {call: call{source: "iam", name: "UpdateAssumeRolePolicy", parameters: `{"roleName": "rootguard-SweepRole"}`}, severity: detect.Critical, says: "a new version"},
		"an alarm deleted":                 {call: call{source: "monitoring", name: "DeleteAlarms", parameters: `{"alarmNames": ["rootguard-dead"]}`}, severity: detect.Critical, says: "a new version"},
		"an alarm without actions":         {call: call{source: "monitoring", name: "PutMetricAlarm", parameters: `{"alarmName": "rootguard-dead", "actionsEnabled": false}`}, severity: detect.Critical, says: "a new version"},
		"the schedule off":                 {call: call{source: "scheduler", name: "UpdateSchedule", parameters: `{"name": "rootguard-schedule", "groupName": "default", "state": "DISABLED"}`}, severity: detect.Critical, says: "a new version"},
		"the trail off":                    {call: call{source: "cloudtrail", name: "StopLogging", parameters: `{"name": "rootguard-trail"}`}, severity: detect.Critical, says: "a new version"},
		"a key's name":                     {call: call{source: "kms", name: "DeleteAlias", parameters: `{"aliasName": "alias/rootguard-topics"}`}, severity: detect.Critical, says: "a new version"},
		"a change set by another":          {call: by(changeSet, "arn:aws:sts::"+hub+":assumed-role/Mallory/me"), deploys: true, severity: detect.Critical, announced: "by another than who made this change"},
		"a change by another's deployment": {call: by(function, "arn:aws:sts::"+hub+":assumed-role/Mallory/me"), deploys: true, severity: detect.Critical, announced: "by another than who made this change"},
		"the stack deleted":                {call: call{source: "cloudformation", name: "DeleteStack", parameters: `{"stackName": "rootguard"}`, direct: true}, severity: detect.Critical, says: "Everything the stack made goes with it."},
	} {
		for _, announced := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, announced %v", name, announced), func(t *testing.T) {
				d := newDeployments(&stacks{began: []time.Time{begun}}, begun)
				if announced {
					d.announce(t, deployRole)
				}
				c := tc.call
				c.at, c.id = begun.Add(30*time.Second), "e-1"
				d.at(begun.Add(time.Minute))
				res, err := d.parts.Handle(t.Context(), c.record(t))
				if err != nil || res.Disposition != guard.Alerted {
					t.Fatalf("%s %v", res.Disposition, err)
				}
				severity, says := tc.severity, tc.says
				switch {
				case announced && tc.announced != "":
					says = tc.announced
				case announced && tc.deploys:
					severity, says = detect.Low, "Announcement "
				case tc.deploys:
					severity, says = detect.High, "No one had announced it."
				}
				f := d.publisher.Published()[0].Finding
				if f.ID != detect.GuardTampered || f.Severity != severity || !strings.Contains(f.Detail, says) {
					t.Errorf("%s %s, want %s: %s: %s", f.ID, f.Severity, severity, f.Title, f.Detail)
				}
				if deployed := strings.HasPrefix(f.Title, "rootguard was deployed by Admin/me") || strings.HasPrefix(f.Title, "rootguard was deployed by Mallory/me"); deployed != (severity == detect.Low || severity == detect.High && tc.deploys) {
					t.Errorf("title %q", f.Title)
				}
			})
		}
	}
}

// TestDeploymentUnknown holds that what cannot be asked quiets nothing.
func TestDeploymentUnknown(t *testing.T) {
	begun := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	c := call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: `{"functionName": "rootguard-rootactivity"}`, at: begun.Add(time.Second), id: "e-1"}
	for name, tc := range map[string]struct {
		known guard.Deployments
		table bool // fails
		says  string
	}{
		"nothing to ask":    {nil, false, "for a stack that the record does not name"},
		"no answer":         {&stacks{err: errors.New("denied")}, false, "could not be checked"},
		"no answer, table":  {&stacks{began: []time.Time{begun}}, true, "could not be looked up"},
		"a deployment then": {&stacks{began: []time.Time{begun.Add(time.Hour)}}, false, "No stack of rootguard's made this change."},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployments(tc.known, begun)
			d.announce(t, deployRole)
			if tc.table {
				d.store.Script.Fail("Announcements.Entries", 1)
			}
			if _, err := d.parts.Handle(t.Context(), c.record(t)); err != nil {
				t.Logf("it is to be retried: %v", err)
			}
			f := d.publisher.Published()[0].Finding
			if f.Severity != detect.Critical || !strings.Contains(f.Detail, tc.says) {
				t.Errorf("%s: %s", f.Severity, f.Detail)
			}
		})
	}
}

// TestDeploymentTimes holds when an announcement counts: from a moment before it was
// made until it ends, or a moment after it was closed, by the time of the call.
func TestDeploymentTimes(t *testing.T) {
	begun := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		at     time.Duration
		closed time.Duration // 0: not
		want   detect.Severity
	}{
		"long before":       {-3 * time.Minute, 0, detect.High},
		"a clock behind":    {-time.Minute, 0, detect.Low},
		"at its end":        {time.Hour, 0, detect.High},
		"the last second":   {time.Hour - time.Second, 0, detect.Low},
		"as it is closed":   {11 * time.Minute, 10 * time.Minute, detect.Low},
		"after it is":       {12 * time.Minute, 10 * time.Minute, detect.High},
		"before it was":     {9 * time.Minute, 10 * time.Minute, detect.Low},
		"delivered an hour": {time.Minute, 10 * time.Minute, detect.Low},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDeployments(&stacks{began: []time.Time{begun.Add(-time.Hour)}}, begun)
			a := d.announce(t, deployRole)
			if tc.closed > 0 {
				if _, err := announcement.CloseDeployment(t.Context(), d.store, a, detect.Actor{}, "done", begun.Add(tc.closed)); err != nil {
					t.Fatal(err)
				}
			}
			d.at(begun.Add(2 * time.Hour))
			c := call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: `{"functionName": "rootguard-rootactivity"}`, at: begun.Add(tc.at), id: "e-1"}
			if _, err := d.parts.Handle(t.Context(), c.record(t)); err != nil {
				t.Fatal(err)
			}
			if got := d.publisher.Published()[0].Finding.Severity; got != tc.want {
				t.Errorf("severity %s, want %s", got, tc.want)
			}
		})
	}
}

// TestDeploymentsProperty delivers the calls of some deployments, and of an attacker
// among them, out of order and several times, with publishing that fails now and then:
// each announced deployment has just one note, each critical call its alert.
func TestDeploymentsProperty(t *testing.T) {
	testenv.Check(t, 100, func(rt *rapid.T) {
		begun := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
		n := rapid.IntRange(1, 3).Draw(rt, "deployments")
		known := &stacks{}
		d := newDeployments(known, begun)
		var calls []call
		for i := range n {
			at := begun.Add(time.Duration(i) * 5 * time.Hour)
			known.began = append(known.began, at)
			_, err := announcement.AnnounceDeployment(t.Context(), d.store, announcement.AuditEvent{
				Account: hub, Until: at.Add(time.Hour), Owner: "alice", Reason: "OPS-17", By: []string{"Adm*"}, Actor: detect.Actor{ARN: deployRole},
			}, at)
			if err != nil {
				rt.Fatal(err)
			}
			calls = append(calls, call{source: "cloudformation", name: "ExecuteChangeSet", parameters: `{"stackName": "rootguard"}`, direct: true, at: at.Add(time.Second)})
			for range rapid.IntRange(0, 8).Draw(rt, "parts") {
				calls = append(calls, call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: `{"functionName": "rootguard-rootactivity"}`, at: at.Add(time.Minute)})
			}
		}
		harms := rapid.IntRange(0, 3).Draw(rt, "removals")
		for i := range harms {
			calls = append(calls, call{source: "events", name: "DeleteRule", parameters: fmt.Sprintf(`{"name": "rootguard-rule-%d"}`, i), at: begun.Add(2 * time.Minute)})
		}
		for i := range calls {
			calls[i].id = fmt.Sprintf("e-%d", i)
		}
		all := rapid.Permutation(append(calls, calls...)).Draw(rt, "order")
		d.at(begun.Add(16 * time.Hour))
		for len(all) > 0 {
			c := all[0]
			all = all[1:]
			broken := rapid.IntRange(0, 4).Draw(rt, "publishing fails") == 0
			d.publisher.Refuse = func(alert.Alert) error {
				if broken {
					return errors.New("broken")
				}
				return nil
			}
			if _, err := d.parts.Handle(t.Context(), c.record(rt)); err != nil {
				all = append(all, c) // Lambda calls again
			}
		}
		notes, removed := 0, map[string]int{}
		for _, a := range d.publisher.Published() {
			if a.Finding.Severity == detect.Critical {
				removed[a.Finding.Target.Resource]++
				continue
			}
			notes++
			if a.Finding.Severity != detect.Low {
				rt.Errorf("%s: %s", a.Finding.Severity, a.Finding.Title)
			}
		}
		if notes != n || len(removed) != harms {
			rt.Errorf("%d notes about %d deployments, alerts about %v of %d removals", notes, n, removed, harms)
		}
	})
}

// TestUnannouncedDeployments holds that one alert goes out at once where no one
// announced, and one roll-up for the stacks that follow.
func TestUnannouncedDeployments(t *testing.T) {
	begun := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	known := &stacks{began: []time.Time{begun, begun.Add(time.Minute), begun.Add(2 * time.Minute)}}
	d := newDeployments(known, begun)
	d.at(begun.Add(3 * time.Minute))
	got := map[guard.Disposition]int{}
	for i := range 12 {
		c := call{source: "lambda", name: "UpdateFunctionCode20150331v2", parameters: `{"functionName": "rootguard-rootactivity"}`, at: begun.Add(time.Duration(i*15) * time.Second), id: fmt.Sprintf("e-%d", i)}
		for range 2 {
			res, err := d.parts.Handle(t.Context(), c.record(t))
			if err != nil {
				t.Fatal(err)
			}
			got[res.Disposition]++
		}
	}
	if got[guard.Alerted] != 1 || got[guard.RolledUp] != 2 || got[guard.Noted] != 9 || got[guard.Duplicate] != 12 {
		t.Errorf("dispositions %v", got)
	}
	d.at(begun.Add(2 * time.Hour))
	if _, err := d.parts.Flush(t.Context(), d.clock.Now()); err != nil {
		t.Fatal(err)
	}
	if all := d.publisher.Published(); len(all) != 2 || all[1].Kind != alert.RollUp || all[1].Count != 2 || all[1].Finding.Severity != detect.High {
		t.Errorf("%d alerts, the last %+v", len(all), all[len(all)-1])
	}
}
