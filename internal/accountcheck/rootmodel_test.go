package accountcheck_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"rootguard/internal/testenv"

	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
)

// rootState is root as it is since a time.
type rootState struct {
	since         time.Time
	devices, keys []string
	password      bool
}

func (s *rootState) answer() bootstrap.LiveFact {
	r := rootUser{mfa: min(1, len(s.devices)), keys: min(1, len(s.keys))} // IAM says whether, not how many
	if s.password {
		r.password = 1
	}
	return r.answer()
}

// wrongs are the aspects that are wrong with root, by the findings of each.
var wrongs = map[string]struct {
	findings []detect.ID
	wrong    func(s *rootState) bool
	calls    []string // that make it wrong
}{
	"mfa": {[]detect.ID{detect.RootMFAMissing, detect.RootMFARemoved},
		func(s *rootState) bool { return len(s.devices) == 0 && s.password }, []string{"DeactivateMFADevice"}},
	"keys": {[]detect.ID{detect.RootAccessKeyPresent, detect.RootAccessKeyCreated},
		func(s *rootState) bool { return len(s.keys) > 0 }, []string{"CreateAccessKey"}},
	"password": {[]detect.ID{detect.RootLoginProfileCreated},
		func(s *rootState) bool { return s.password }, []string{"CreateLoginProfile"}},
}

// rootChanged is a change of root and when its event arrives.
type rootChanged struct {
	at      time.Time
	call    string
	item    string
	arrives time.Time // zero: never
}

// iamLag is by how much IAM's answers may be out of date.
const iamLag = 2 * time.Minute

// soon is how late an event may be that is waited for, with room for a tick.
const soon = 9 * time.Minute

func (c *rootChanged) timely() bool { return !c.arrives.IsZero() && c.arrives.Sub(c.at) <= soon }

// rootModel is root of the account, IAM and the events about it.
type rootModel struct {
	*land
	rt      *rapid.T
	states  []rootState
	changes []rootChanged
	pending []rootChanged
	checks  []rootState // as answered; since is when
	lags    []int       // of IAM's answers, in seconds
}

// AccountSummary is accountcheck.Roots's: an answer may be out of date.
func (m *rootModel) AccountSummary(context.Context, string) (bootstrap.LiveFact, error) {
	now := m.Clock.Now()
	seen := now.Add(-time.Duration(m.lags[len(m.checks)%len(m.lags)]) * time.Second)
	i := len(m.states) - 1
	for i > 0 && m.states[i].since.After(seen) {
		i--
	}
	answered := m.states[i]
	answered.since = now
	m.checks = append(m.checks, answered)
	return answered.answer(), nil
}

func (m *rootModel) change(call, item string) {
	now := m.Clock.Now()
	s := m.states[len(m.states)-1]
	s.since, s.devices, s.keys = now, slices.Clone(s.devices), slices.Clone(s.keys)
	without := func(all []string) []string {
		return slices.DeleteFunc(all, func(one string) bool { return one == item })
	}
	switch call {
	case "EnableMFADevice":
		s.devices = append(s.devices, item)
	case "DeactivateMFADevice":
		s.devices = without(s.devices)
	case "CreateAccessKey":
		s.keys = append(s.keys, item)
	case "DeleteAccessKey":
		s.keys = without(s.keys)
	case "CreateLoginProfile":
		s.password = true
	case "DeleteLoginProfile":
		s.password = false
	}
	m.states = append(m.states, s)
	c := rootChanged{at: now, call: call, item: item}
	switch rapid.SampledFrom([]string{"at once", "soon", "late", "never", "never"}).Draw(m.rt, call+" arrives") {
	case "at once":
		c.arrives = now
	case "soon":
		c.arrives = now.Add(time.Duration(rapid.IntRange(1, int(soon/time.Second)).Draw(m.rt, "seconds")) * time.Second)
	case "late":
		c.arrives = now.Add(time.Duration(rapid.IntRange(240, 600).Draw(m.rt, "minutes")) * time.Minute)
	}
	m.changes = append(m.changes, c)
	if !c.arrives.IsZero() {
		m.pending = append(m.pending, c)
	}
	m.deliver()
}

func (m *rootModel) deliver() {
	m.pending = slices.DeleteFunc(m.pending, func(c rootChanged) bool {
		if c.arrives.After(m.Clock.Now()) {
			return false
		}
		request, response := `{}`, `{}`
		switch c.call {
		case "EnableMFADevice", "DeactivateMFADevice":
			request = deviceRequest(c.item)
		case "CreateAccessKey":
			response = keyResponse(c.item)
		case "DeleteAccessKey":
			request = keyRequest(c.item)
		}
		rec := rootRecord(c.call, c.at, request, response)
		rec.UserIdentity.AccessKeyID = "AKIAROOT" // it does not show that root has a password
		if _, err := m.Handle(context.Background(), rec); err != nil {
			m.rt.Fatal(err)
		}
		return true
	})
}

// pass lets time pass, in which events arrive and root is checked when it is due.
func (m *rootModel) pass(d time.Duration) {
	const tick = 5 * time.Minute
	for end := m.Clock.Now().Add(d); m.Clock.Now().Before(end); {
		now := m.Clock.Now()
		next := now.Truncate(tick).Add(tick)
		due := !next.After(end)
		m.Clock.Advance(earlier(next, end).Sub(now))
		m.deliver()
		if !due {
			continue
		}
		if _, err := m.CheckRoots(context.Background(), m, nil, m.Clock.Now()); err != nil {
			m.rt.Fatal(err)
		}
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// TestRootModel holds that of each time for which root is worse than it was, a
// check alerts exactly once where no event explains it, within a bounded time, and
// never where its event arrived. Events may be late or lost, IAM lags, and root
// has several devices and keys.
func TestRootModel(t *testing.T) {
	t.Parallel()
	testenv.Check(t, 100, func(rt *rapid.T) {
		m := &rootModel{land: newLand(), rt: rt}
		m.lags = rapid.SliceOfN(rapid.IntRange(0, int(iamLag/time.Second)), 1, 30).Draw(rt, "lags")
		m.rounds.Conflicts, m.Claims.Conflicts = false, false
		m.Clock.Advance(time.Duration(rapid.IntRange(0, 3600).Draw(rt, "begins")) * time.Second)
		first := rootState{since: m.Clock.Now(), password: rapid.Bool().Draw(rt, "password")}
		for i := range rapid.IntRange(1, 2).Draw(rt, "devices") {
			first.devices = append(first.devices, fmt.Sprint("first", i))
		}
		m.states = append(m.states, first)
		if _, err := m.DiscoverAccounts(context.Background(), m.home, nil, m.Clock.Now()); err != nil {
			rt.Fatal(err)
		}
		m.pass(70 * time.Minute)
		for n := range rapid.IntRange(1, 12).Draw(rt, "changes") {
			now := m.states[len(m.states)-1]
			var calls []string
			if len(now.devices) < 3 {
				calls = append(calls, "EnableMFADevice")
			}
			if len(now.devices) > 0 {
				calls = append(calls, "DeactivateMFADevice", "DeactivateMFADevice", "replace device")
			}
			if len(now.keys) < 2 {
				calls = append(calls, "CreateAccessKey", "CreateAccessKey")
			}
			if len(now.keys) > 0 {
				calls = append(calls, "DeleteAccessKey", "DeleteAccessKey", "rotate key")
			}
			calls = append(calls, map[bool]string{false: "CreateLoginProfile", true: "DeleteLoginProfile"}[now.password])
			name := fmt.Sprint("new", n)
			switch call := rapid.SampledFrom(calls).Draw(rt, "call"); call {
			case "DeactivateMFADevice":
				m.change(call, rapid.SampledFrom(now.devices).Draw(rt, "device"))
			case "DeleteAccessKey":
				m.change(call, rapid.SampledFrom(now.keys).Draw(rt, "key"))
			case "replace device":
				m.change("EnableMFADevice", name)
				m.pass(time.Minute)
				m.change("DeactivateMFADevice", now.devices[0])
			case "rotate key":
				m.change("CreateAccessKey", name)
				m.pass(time.Minute)
				m.change("DeleteAccessKey", now.keys[0])
			default:
				m.change(call, name)
			}
			m.pass(time.Duration(rapid.IntRange(25, 300).Draw(rt, "minutes")) * time.Minute)
		}
		m.pass(4 * time.Hour)
		for _, aspect := range slices.Sorted(maps.Keys(wrongs)) {
			m.judge(aspect)
		}
	})
}

// judge compares the alerts of checks about an aspect with what was so.
func (m *rootModel) judge(aspect string) {
	w := wrongs[aspect]
	var alerts []time.Time // when it was first seen
	for _, a := range m.Receivers.Published() {
		if a.Finding.Session == "live" && slices.Contains(w.findings, a.Finding.ID) {
			alerts = append(alerts, a.Finding.EventTime)
		}
	}
	counted := 0
	for i := 1; i < len(m.states); i++ {
		if !w.wrong(&m.states[i]) || w.wrong(&m.states[i-1]) {
			continue
		}
		begin, end := m.states[i].since, m.Clock.Now()
		for _, s := range m.states[i+1:] {
			if !w.wrong(&s) {
				end = s.since
				break
			}
		}
		// The last check that saw it right, and what made it wrong since. Where none
		// did since it was wrong before, it is wrong still, as far as can be known.
		right, ended := m.states[0].since, true
		for _, c := range m.checks {
			if c.since.Before(begin.Add(iamLag)) && !w.wrong(&c) {
				right = c.since
			}
			if c.since.Before(begin) {
				ended = !w.wrong(&c)
			}
		}
		reported, lost := 0, 0
		for _, c := range m.changes {
			if slices.Contains(w.calls, c.call) && c.at.After(right.Add(-settledFor)) && c.at.Before(end) {
				if c.timely() {
					reported++
				} else {
					lost++
				}
			}
		}
		n := 0
		for _, at := range alerts {
			if !at.Before(begin) && at.Before(end.Add(iamLag)) {
				n++
			}
		}
		counted += n
		lasted := end.Sub(begin)
		switch what := fmt.Sprintf("%s wrong from %s for %s, last seen right at %s, alerts %v, changes %+v", aspect,
			begin.Format(time.RFC3339), lasted, right.Format(time.RFC3339), alerts, m.changes); {
		case n > 1:
			m.rt.Errorf("%d alerts: %s", n, what)
		case n > 0 && lost == 0 && reported > 0:
			m.rt.Errorf("alerted though its event arrived: %s", what)
		case n == 0 && reported == 0 && ended && lasted >= 2*time.Hour && right.Add(settledFor).After(m.lastChange(w.calls, begin)):
			m.rt.Errorf("lost: %s", what)
		}
	}
	if counted != len(alerts) {
		m.rt.Errorf("%s: %d alerts of nothing that was wrong: %v of %+v", aspect, len(alerts)-counted, alerts, m.states)
	}
}

// settledFor is how long after a change IAM is trusted to show it.
const settledFor = 5 * time.Minute

// lastChange is when the last change by one of the calls was whose event arrived,
// before a time.
func (m *rootModel) lastChange(calls []string, before time.Time) (last time.Time) {
	for _, c := range m.changes {
		if slices.Contains(calls, c.call) && !c.arrives.IsZero() && c.at.Before(before) {
			last = c.at
		}
	}
	return last
}
