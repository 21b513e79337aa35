package bootstrap

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"
)

// Merge joins two facts of the same Account and ID. It is commutative,
// associative and idempotent, so that a store may add facts in any order and
// any number of times: the earliest and the latest event are kept with what
// they were, and of every other field the greater value, where absent is least.
func Merge(a, b Fact) Fact {
	m := a
	if before(b.Time, a.Time, b.EventID, a.EventID, b.What, a.What) {
		m.Time, m.EventID, m.What = b.Time, b.EventID, b.What
	}
	if c := cmp.Or(b.Last.Compare(a.Last), cmp.Compare(b.LastEventID, a.LastEventID), cmp.Compare(b.LastWhat, a.LastWhat)); c > 0 {
		m.Last, m.LastEventID, m.LastWhat = b.Last, b.LastEventID, b.LastWhat
	}
	m.Account = max(a.Account, b.Account)
	m.ID = max(a.ID, b.ID)
	m.Kind = max(a.Kind, b.Kind)
	m.Actor = max(a.Actor, b.Actor)
	m.ActorID = max(a.ActorID, b.ActorID)
	m.Stage = max(a.Stage, b.Stage)
	m.UserName = max(a.UserName, b.UserName)
	m.UserID = max(a.UserID, b.UserID)
	m.NewName = max(a.NewName, b.NewName)
	m.Group = max(a.Group, b.Group)
	m.Role = max(a.Role, b.Role)
	m.Policy = max(a.Policy, b.Policy)
	m.Admin = a.Admin || b.Admin
	m.Serial = max(a.Serial, b.Serial)
	m.AccessKeyID = max(a.AccessKeyID, b.AccessKeyID)
	m.TaskPolicy = max(a.TaskPolicy, b.TaskPolicy)
	if b.Until.After(a.Until) {
		m.Until = b.Until
	}
	m.Reset = max(a.Reset, b.Reset)
	m.MFA = max(a.MFA, b.MFA)
	m.Live = greaterLive(a.Live, b.Live)
	return m
}

// before orders events by time, the one without a time last.
func before(t, u time.Time, rest ...string) bool {
	if t.IsZero() != u.IsZero() {
		return u.IsZero()
	}
	c := t.Compare(u)
	for i := 0; c == 0 && i+1 < len(rest); i += 2 {
		c = cmp.Compare(rest[i], rest[i+1])
	}
	return c < 0
}

// greaterLive chooses by content. The ID of a live fact is made of its content,
// so two with one ID differ only if a store was tampered with.
func greaterLive(a, b *LiveFact) *LiveFact {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	if bytes.Compare(liveContent(*b), liveContent(*a)) > 0 {
		return b
	}
	return a
}

// liveContent is the canonical text of a live check. Its types always marshal.
func liveContent(l LiveFact) []byte {
	text, _ := json.Marshal(l)
	return text
}

// Equal reports whether two facts say the same, also where the one was stored since.
func (f Fact) Equal(g Fact) bool {
	return bytes.Equal(factContent(f), factContent(g))
}

// factContent is the canonical text of a fact. Its types always marshal, except
// for years that JSON has not, which no store keeps.
func factContent(f Fact) []byte {
	text, _ := json.Marshal(f)
	return text
}
