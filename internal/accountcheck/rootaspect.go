package accountcheck

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// rootAspect is one thing about root that a live check can find wrong.
//
// A check is compared with the last check that saw it right, not with all of
// history: an event explains the change only if it is later than that check. Root
// may have several devices and keys, of which events report one at a time, and
// IAM shows only whether there is any.
type rootAspect struct {
	findings []detect.ID // under which it is alerted
	// state is Yes where an answer shows it right, No where wrong, Unknown where the
	// answer does not say.
	state func(live *bootstrap.LiveFact) cloudtrail.Answer
	// seen is when a check last saw it right.
	seen func(s *RootSeen) *time.Time
	// explained reports whether one of the facts, all of which are later than that
	// check and in order of time, explains that it is wrong. never is true where no
	// check saw it right; then the facts are all that there are.
	explained func(facts []bootstrap.Fact, never bool) bool
	// finding is under which it is alerted. last is the answer before the one that
	// shows it wrong, nil where there is none.
	finding func(facts []bootstrap.Fact, last *bootstrap.LiveFact, never bool) detect.ID
}

var rootAspects = []rootAspect{
	{
		[]detect.ID{detect.RootMFAMissing, detect.RootMFARemoved},
		func(l *bootstrap.LiveFact) cloudtrail.Answer {
			switch {
			case positive(l.AccountMFAEnabled), is(l.AccountPasswordPresent, 0):
				return cloudtrail.Yes
			case is(l.AccountMFAEnabled, 0):
				return cloudtrail.No
			default:
				return cloudtrail.Unknown
			}
		},
		func(s *RootSeen) *time.Time { return &s.MFA },
		mfaExplained,
		mfaFinding,
	},
	{
		[]detect.ID{detect.RootAccessKeyPresent, detect.RootAccessKeyCreated},
		func(l *bootstrap.LiveFact) cloudtrail.Answer { return absent(l.AccountAccessKeysPresent) },
		func(s *RootSeen) *time.Time { return &s.NoKeys },
		keyExplained,
		func(_ []bootstrap.Fact, _ *bootstrap.LiveFact, never bool) detect.ID {
			if never {
				return detect.RootAccessKeyPresent
			}
			return detect.RootAccessKeyCreated
		},
	},
	{
		[]detect.ID{detect.RootLoginProfileCreated},
		func(l *bootstrap.LiveFact) cloudtrail.Answer { return absent(l.AccountPasswordPresent) },
		func(s *RootSeen) *time.Time { return &s.NoPassword },
		func(facts []bootstrap.Fact, never bool) bool {
			return never || slices.ContainsFunc(facts, func(f bootstrap.Fact) bool { return needsPassword(&f) })
		},
		func([]bootstrap.Fact, *bootstrap.LiveFact, bool) detect.ID { return detect.RootLoginProfileCreated },
	},
}

func is(value *int, n int) bool { return value != nil && *value == n }

func positive(value *int) bool { return value != nil && *value > 0 }

func absent(value *int) cloudtrail.Answer {
	switch {
	case value == nil:
		return cloudtrail.Unknown
	case *value == 0:
		return cloudtrail.Yes
	default:
		return cloudtrail.No
	}
}

// mfaExplained reports whether a device was removed and, by the facts, none is
// left of those that were enabled.
func mfaExplained(facts []bootstrap.Fact, _ bool) bool {
	removed, left := false, map[string]struct{}{} // by serial number
	for i := range facts {
		f := &facts[i]
		switch {
		case f.Kind == bootstrap.RootMFAEnabled:
			left[f.Serial] = struct{}{}
		case f.Kind == bootstrap.RootMFADeactivated:
			removed = true
			delete(left, f.Serial)
			if f.Serial == "" {
				clear(left)
			}
		case f.Kind == bootstrap.RootSignIn && f.MFA == cloudtrail.Yes:
			removed = false // another device was left
		}
	}
	return removed && len(left) == 0
}

// mfaFinding distinguishes root that had MFA from root that never had, or had no password
// when it was checked last and got one without MFA.
func mfaFinding(facts []bootstrap.Fact, last *bootstrap.LiveFact, never bool) detect.ID {
	had := slices.ContainsFunc(facts, func(f bootstrap.Fact) bool {
		return f.Kind == bootstrap.RootMFAEnabled || f.Kind == bootstrap.RootSignIn && f.MFA == cloudtrail.Yes ||
			f.Kind == bootstrap.Live && positive(f.Live.AccountMFAEnabled)
	})
	if had || !never && (last == nil || positive(last.AccountMFAEnabled)) {
		return detect.RootMFARemoved
	}
	return detect.RootMFAMissing
}

// keyExplained reports whether a key was created that, by the facts, is still
// there.
func keyExplained(facts []bootstrap.Fact, _ bool) bool {
	left := map[string]struct{}{} // by access key ID
	for i := range facts {
		switch f := &facts[i]; f.Kind {
		case bootstrap.RootKeyCreated:
			left[f.AccessKeyID] = struct{}{}
		case bootstrap.RootKeyDeleted:
			delete(left, f.AccessKeyID)
		default:
		}
	}
	return len(left) > 0
}

// needsPassword reports whether a fact shows that root has a password: it was
// set or recovered, or root was at work without an access key.
func needsPassword(f *bootstrap.Fact) bool {
	switch f.Kind {
	case bootstrap.RootPasswordSet, bootstrap.RootSignIn, bootstrap.RootPasswordUsed:
		return true
	case bootstrap.RootActivity:
		return !strings.HasPrefix(f.AccessKeyID, "AKIA")
	default:
		return false
	}
}

// update takes an answer of IAM, read at a time, into what checks have seen.
func (s *RootSeen) update(live *bootstrap.LiveFact, at time.Time) {
	for i := range rootAspects {
		a := &rootAspects[i]
		if t := a.seen(s); a.state(live) == cloudtrail.Yes && at.After(*t) {
			*t = at
		}
	}
}

// rootFacts are the facts about root alone, in order of time, without those of
// sessions of sts:AssumeRoot. Of two in one second, the one that makes root
// better is first.
func rootFacts(facts []bootstrap.Fact) []bootstrap.Fact {
	assumed := map[string]bool{}
	for i := range facts {
		if f := &facts[i]; f.Kind == bootstrap.AssumedRoot && f.AccessKeyID != "" {
			assumed[f.AccessKeyID] = true
		}
	}
	about := make([]bootstrap.Fact, 0, len(facts))
	for i := range facts {
		if f := &facts[i]; accountfacts.AboutRoot(f) && (f.Kind != bootstrap.RootActivity || !assumed[f.AccessKeyID]) {
			about = append(about, *f)
		}
	}
	worse := func(f *bootstrap.Fact) int {
		switch f.Kind {
		case bootstrap.RootMFADeactivated:
			return 1
		case bootstrap.RootKeyDeleted: // of the key that was created
			return 1
		default:
			return 0
		}
	}
	slices.SortStableFunc(about, func(a, b bootstrap.Fact) int {
		return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(worse(&a), worse(&b)))
	})
	return about
}

// since are the facts of which something is later than a time.
func since(facts []bootstrap.Fact, at time.Time) []bootstrap.Fact {
	var later []bootstrap.Fact
	for i := range facts {
		if f := &facts[i]; f.Time.After(at) || f.Last.After(at) {
			later = append(later, *f)
		}
	}
	return later
}

// unexplained is the finding under which an aspect that is wrong is to be
// alerted; ok is false where an event explains it, or where it is as it always
// was and that is no problem.
//
// IAM may have answered the last check with what was so some time before. Events
// of that time explain the change too: CheckRoots checks root again after each event,
// so that soon none is as near as that.
func (a *rootAspect) unexplained(r *Root, facts []bootstrap.Fact) (id detect.ID, ok bool) {
	seen := *a.seen(&r.Seen)
	for i := range facts {
		if f := &facts[i]; f.Kind == bootstrap.Live && f.Time.After(seen) && a.state(f.Live) == cloudtrail.Yes {
			seen = f.Time
		}
	}
	never := seen.IsZero()
	if !never {
		facts = since(facts, seen.Add(-consistencyDelay))
	}
	if a.explained(facts, never) {
		return "", false
	}
	return a.finding(facts, r.Known, never), true
}
