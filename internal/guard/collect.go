package guard

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/keys"
	"rootguard/internal/repeats"
	"rootguard/internal/worker"
)

// Collection names notices that are sent together: what rootguard itself finds about
// many accounts and users at once makes one alert, not one each.
type Collection string

// The collections.
const (
	UserNotices Collection = "users"   // about IAM users without MFA
	RootNotices Collection = "roots"   // problems of root found by the first check of an account
	Resends     Collection = "resends" // incidents that are sent again
)

const (
	// Within a day the first alerts of UserNotices go out as they come; those after
	// them are noticesApart apart, each with all that came meanwhile. What is due at
	// once about few accounts makes one alert each, and leaves one for what comes next.
	noticesAtOnce = 5
	accountsApart = 3
	noticesWithin = 24 * time.Hour
	noticesApart  = 6 * time.Hour

	// collectWait is how long what is collected waits for a run to go on that had no
	// time for all, and collectMost how long in all.
	collectWait = 6 * time.Minute
	collectMost = 45 * time.Minute

	// recounted is in how many of the latest batches of a collection, which go on for
	// years, an event is looked for that may not have been counted.
	recounted = 50

	collected = "collected/"
)

func (of Collection) key() string { return collected + string(of) }

// collection is the collection that a group is, "" of any other.
func (gr *Group) collection() Collection {
	name, is := strings.CutPrefix(cmp.Or(gr.Of, gr.Key), collected)
	if !is {
		return ""
	}
	return Collection(name)
}

// oldest is the first batch in which an event may be that is counted again.
func (gr *Group) oldest() int {
	if gr.collection() == "" {
		return 0
	}
	return max(gr.First, gr.Batches-recounted)
}

// batch is the next batch of a collection, and the key of its claim.
func (gr *Group) batch() (group string, batch int, claim string) {
	if group, batch = gr.Key, gr.Sent; gr.Of != "" {
		group, batch = gr.Of, gr.First
	}
	return group, batch, "group/" + group + "/" + strconv.Itoa(batch)
}

// Collect notes a notice, once, which SendCollected sends with the others of its
// collection. The finding's Account and EventID, or the notice's Claim, say which it is.
func (g *Guard) Collect(ctx context.Context, of Collection, n Notice) (Result, error) {
	var suppression string
	var later error
	if n.Incident == nil {
		n.Finding, suppression, later = g.suppressed(ctx, n.Finding)
	}
	f := alert.BoundFinding(n.Finding)
	res := Result{Outcome: detect.Outcome{Kind: detect.Matched, Finding: f}, Disposition: RolledUp}
	key := claimKey(f.Account, cmp.Or(n.Claim, f.EventID))
	var verdict verdict
	var claim Claim
	err := g.deps.Ledger.Update(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		claim = c
		switch {
		case c.State == Sent || c.State == Folded || c.State == Withheld:
			verdict = duplicate
			return Claim{}, repeats.Series{}
		case suppression != "" && f.Severity < detect.Critical:
			verdict = withhold
			claim.Key, claim.State, claim.Finding, claim.Suppression = key, Withheld, &f, suppression
			return claim, repeats.Series{}
		case g.settings.leased(&c, g.deps.Now()):
			verdict = busy
			return Claim{}, repeats.Series{}
		}
		verdict = fold
		claim.Key, claim.State, claim.LeaseUntil, claim.Finding, claim.Group = key, Folded, time.Time{}, &f, of.key()
		claim.Kind, claim.Incident = n.Kind, n.Incident
		return claim, repeats.Series{}
	})
	switch {
	case err != nil:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, err)
	case verdict == busy:
		return res, fmt.Errorf("claiming event %s: %w", f.EventID, ErrBusy)
	case verdict == withhold:
		res.Disposition, res.Suppression = Suppressed, suppression
		return res, later
	case verdict == duplicate:
		res.Disposition = Duplicate
		if claim.Group != of.key() {
			return res, nil // it had an alert of its own, or none
		}
	}
	return res, errors.Join(g.count(ctx, &claim, nil, verdict == fold, n.At), later)
}

// collect returns a collection's group with a batch that may take a notice, where
// those before sealed are, and reports whether that is a change. The numbers of the
// batches of a new group follow the clock, so that they are none that the group had
// before it expired.
func (gr Group) collect(c *Claim, sealed int, now time.Time) (opened Group, changed bool) {
	if gr.Key == "" {
		first := int(now.Unix() / 60)
		gr = Group{Key: c.Group, Opened: now.UTC(), Finding: *c.Finding, First: first, Sent: first, Batches: first}
	}
	if gr.Sent == gr.Batches {
		gr.Since, gr.Until = now, gr.allowed(now)
	}
	if gr.Sent == gr.Batches || gr.Batches <= sealed {
		gr.Batches, changed = gr.Batches+1, true
	}
	return gr, changed
}

// recent are the alerts of a collection within a day before a time.
func (gr *Group) recent(now time.Time) int {
	n := 0
	for _, at := range gr.Published {
		if at.After(now.Add(-noticesWithin)) {
			n++
		}
	}
	return n
}

// allowed is when the next alert of a collection may go out.
func (gr *Group) allowed(now time.Time) time.Time {
	if gr.collection() != UserNotices || gr.recent(now) < noticesAtOnce {
		return now
	}
	last := gr.Published[len(gr.Published)-1]
	return keys.Latest(now, last.Add(noticesApart))
}

// Ready reports whether what is collected now goes out at once.
func (g *Guard) Ready(ctx context.Context, of Collection, at time.Time) (bool, error) {
	at = keys.Latest(at, g.deps.Now()) // a schedule's time is before what its run collects
	gr, err := g.collection(ctx, of)
	if err != nil {
		return false, err
	}
	if gr.Sent < gr.Batches {
		return !gr.Due().After(at), nil
	}
	gr.Key = of.key()
	return !gr.allowed(at).After(at), nil
}

func (g *Guard) collection(ctx context.Context, of Collection) (gr Group, err error) {
	err = g.deps.Ledger.UpdateGroup(ctx, of.key(), func(was Group) Group {
		gr = was
		return Group{}
	})
	if err != nil {
		return gr, fmt.Errorf("reading collection %s: %w", of, err)
	}
	return gr, nil
}

// SendCollected sends what is collected and due at a time: one notice as the alert that
// it would be alone, those of few accounts in one alert each, those of more in one
// for all. more says that the run that collects goes on, for which it waits. Where
// it fails, all of it stays due. sent counts alerts.
func (g *Guard) SendCollected(ctx context.Context, of Collection, at time.Time, more bool) (sent int, err error) {
	at = keys.Latest(at, g.deps.Now()) // a schedule's time is before what its run collects
	gr, err := g.collection(ctx, of)
	if err != nil || gr.Sent >= gr.Batches || gr.Due().After(at) {
		return 0, err
	}
	if until := at.Add(collectWait); more && until.Before(gr.Since.Add(collectMost)) {
		return 0, g.wait(ctx, &gr, until)
	}
	return g.sendCollected(ctx, gr, at)
}

func (g *Guard) wait(ctx context.Context, gr *Group, until time.Time) error {
	err := g.deps.Ledger.UpdateGroup(ctx, gr.Key, func(cur Group) Group {
		if cur.Sent != gr.Sent || !cur.Until.Before(until) {
			return Group{}
		}
		cur.Until = until
		return cur
	})
	if err != nil {
		return fmt.Errorf("putting off collection %s: %w", gr.Key, err)
	}
	return nil
}

// sendCollected sends the next batch of a collection. It is sealed first, and how many
// alerts it makes is stored, so that a retry after a crash makes the same ones,
// each with a claim of its own.
func (g *Guard) sendCollected(ctx context.Context, gr Group, at time.Time) (sent int, err error) {
	group, batch, key := gr.batch()
	var d decision
	err = g.deps.Ledger.Update(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		now := g.deps.Now()
		switch {
		case c.State == Sent:
			d = decision{verdict: duplicate, claim: c}
			return Claim{}, repeats.Series{}
		case g.settings.leased(&c, now):
			d = decision{verdict: busy}
			return Claim{}, repeats.Series{}
		}
		if c.Cut == nil {
			c.Cut = &Cut{Alerts: max(1, min(accountsApart, noticesAtOnce-1-gr.recent(at)))}
		}
		c.Key, c.State, c.LeaseUntil = key, Leased, now.Add(g.settings.Lease)
		c.Attempts++
		c.Kind, c.AlertID, c.Series = alert.Summarized, alertID(key), gr.Key
		d = decision{verdict: publish, claim: c}
		return c, repeats.Series{}
	})
	switch {
	case err != nil:
		return 0, fmt.Errorf("claiming collection %s: %w", key, err)
	case d.verdict == duplicate: // who sent it may have died before it was noted
		return 0, g.collectedSent(ctx, &gr, 1, at)
	case d.verdict != publish:
		return 0, nil
	}
	release := func(err error) (int, error) {
		return sent, errors.Join(err, g.complete(ctx, key, "", d.undo(&g.settings)))
	}
	keys, err := g.deps.Ledger.Seal(ctx, group, batch)
	if err != nil {
		return release(fmt.Errorf("sealing a batch of collection %s: %w", group, err))
	}
	claims, err := g.deps.Ledger.Read(ctx, keys)
	if err != nil {
		return release(fmt.Errorf("reading the events of collection %s: %w", group, err))
	}
	parts := g.compose(&gr, claims, d.claim.Cut.Alerts)
	errs := make([]error, len(parts))
	reached := true // each part that failed has reached some receiver
	for i := range parts {
		ev := parts[i]
		ev.claim, ev.limited = key+"/"+strconv.Itoa(i), gr.collection() == Resends
		res, err := g.raise(ctx, ev, ev.incident)
		if errs[i] = err; res.Disposition == Alerted {
			sent++
		}
		reached = reached && (err == nil || len(receiversOf(err)) > 0)
	}
	if err := errors.Join(errs...); err != nil {
		if gr.Of == "" && reached {
			err = errors.Join(err, g.leaveBehind(ctx, &gr, len(parts), at))
		}
		return release(err)
	}
	err = g.complete(ctx, key, "", func(c Claim, _ repeats.Series) (Claim, repeats.Series) {
		if c.Key == "" {
			c = d.claim // the row expired
		}
		c.State, c.LeaseUntil = Sent, time.Time{}
		return c, repeats.Series{}
	})
	if err != nil {
		return sent, err
	}
	return sent, g.collectedSent(ctx, &gr, len(parts), at)
}

// leaveBehind gives a batch that not all receivers have a row of its own, which Flush
// sends to the others, and lets its collection go on: a topic that is gone holds
// nothing back from those that are there.
func (g *Guard) leaveBehind(ctx context.Context, gr *Group, alerts int, at time.Time) error {
	key := gr.Key + "/" + strconv.Itoa(gr.Sent)
	err := g.deps.Ledger.UpdateGroup(ctx, key, func(cur Group) Group {
		if cur.Key != "" {
			return Group{}
		}
		now := g.deps.Now()
		return Group{Key: key, Of: gr.Key, First: gr.Sent, Batches: 1, Opened: gr.Opened, Since: now, Until: now, Finding: gr.Finding}
	})
	if err != nil {
		return fmt.Errorf("leaving batch %d of collection %s behind: %w", gr.Sent, gr.Key, err)
	}
	return g.collectedSent(ctx, gr, alerts, at)
}

// collectedSent notes that the next batch of a collection was sent, in so many alerts.
func (g *Guard) collectedSent(ctx context.Context, gr *Group, alerts int, at time.Time) error {
	err := g.deps.Ledger.UpdateGroup(ctx, gr.Key, func(cur Group) Group {
		if cur.Key == "" || cur.Sent != gr.Sent || cur.Sent >= cur.Batches {
			return Group{}
		}
		for range alerts {
			cur.Published = append(cur.Published, at.UTC())
		}
		cur.Published = cur.Published[max(0, len(cur.Published)-noticesAtOnce):]
		cur.Sent++
		cur.Failures, cur.Retry = 0, time.Time{}
		if cur.Sent < cur.Batches {
			cur.Since, cur.Until = at, cur.allowed(at)
		}
		return cur
	})
	if err != nil {
		return fmt.Errorf("noting that collection %s was sent: %w", gr.Key, err)
	}
	return nil
}

// compose makes the alerts of a batch, at most some where its accounts are more.
func (g *Guard) compose(gr *Group, claims []Claim, most int) []event {
	claims = current(claims)
	byAccount := map[string][]Claim{}
	for _, c := range claims {
		byAccount[c.Finding.Account] = append(byAccount[c.Finding.Account], c)
	}
	of := gr.collection()
	accounts := slices.Sorted(maps.Keys(byAccount))
	var parts []event
	switch {
	case len(claims) == 0:
	case of == RootNotices && len(accounts) == 1, of == Resends && len(claims) <= 2:
		for i := range claims {
			parts = append(parts, g.part(gr, claims[i:i+1]))
		}
	case of == UserNotices && len(accounts) <= most:
		for _, account := range accounts {
			parts = append(parts, g.part(gr, byAccount[account]))
		}
	default:
		parts = append(parts, g.part(gr, claims))
	}
	return parts
}

// current are the notices of a batch that are still to be sent: the latest about each
// subject, and none where a subject was both opened and resolved since the last alert.
func current(claims []Claim) []Claim {
	claims = slices.DeleteFunc(slices.Clone(claims), func(c Claim) bool { return c.Finding == nil }) // it expired
	slices.SortStableFunc(claims, func(a, b Claim) int {
		return cmp.Or(a.Finding.EventTime.Compare(b.Finding.EventTime), cmp.Compare(a.Key, b.Key))
	})
	last, opened := map[string]int{}, map[string]bool{}
	subject := func(c *Claim) string {
		if c.Incident != nil {
			return "incident/" + c.Incident.ID
		}
		return c.Finding.SubjectID()
	}
	for i := range claims {
		id := subject(&claims[i])
		last[id] = i
		opened[id] = opened[id] || claims[i].Finding.Subject.Phase == detect.PhaseOpened
	}
	var left []Claim
	for i := range claims {
		c := &claims[i]
		id := subject(c)
		if last[id] == i && (c.Incident != nil || c.Finding.Subject.Phase != detect.PhaseResolved || !opened[id]) {
			left = append(left, *c)
		}
	}
	return left
}

// part is the alert of some notices.
func (g *Guard) part(gr *Group, claims []Claim) event {
	if len(claims) == 1 {
		c := &claims[0]
		return event{finding: *c.Finding, kind: c.Kind, incident: c.Incident}
	}
	s := &alert.Summary{FindingCount: len(claims)}
	at := map[string]int{}
	findings := make([]detect.Finding, 0, len(claims))
	again := true
	for i := range claims {
		f := claims[i].Finding
		n, ok := at[f.Account]
		if !ok {
			n = len(s.Accounts)
			at[f.Account] = n
			s.Accounts = append(s.Accounts, alert.SummaryAccount{Account: f.Account, Name: g.deps.AccountName(f.Account)})
		}
		s.Accounts[n].Findings = append(s.Accounts[n].Findings, alert.ItemOf(f, claims[i].Incident))
		if again = again && claims[i].Incident != nil; again {
			s.AckFlags = claims[i].Incident.AckFlags
		}
		findings = append(findings, *f)
	}
	s.AccountCount = len(s.Accounts)
	s.Sort()
	_, batch, _ := gr.batch()
	id := fmt.Sprintf("%s/%d/%s", gr.collection(), batch, s.Accounts[0].Account)
	slices.SortStableFunc(findings, func(a, b detect.Finding) int { // the account of the first is the alert's
		return cmp.Compare(boolInt(b.Account == s.Accounts[0].Account), boolInt(a.Account == s.Accounts[0].Account))
	})
	if again {
		return event{finding: detect.Repeated(id, findings), kind: alert.Resend, summary: s, incident: &alert.Incident{}}
	}
	return event{finding: detect.Summed(id, findings), kind: alert.Summarized, summary: s}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// attachEach stores the incidents that a summary's findings belong to: of users
// without MFA one for each account, of root one for each finding.
// That of a summary about the users of one account is returned, else nil.
func (g *Guard) attachEach(ctx context.Context, a *alert.Alert) (*alert.Incident, error) {
	var only *alert.Incident
	type sub struct {
		alert alert.Alert
		id    *string
	}
	var subs []sub
	for i := range a.Summary.Accounts {
		of := &a.Summary.Accounts[i]
		if strings.HasPrefix(string(a.Finding.ID), "user.") {
			one := *a
			one.Summary = &alert.Summary{Accounts: []alert.SummaryAccount{*of}, AccountCount: 1, FindingCount: len(of.Findings)}
			one.Finding = summedOf(a, of)
			subs = append(subs, sub{one, &of.Incident})
			continue
		}
		for j := range of.Findings {
			it := &of.Findings[j]
			one := alert.Alert{Schema: a.Schema, ID: a.ID, Kind: alert.First, AccountName: of.Name, Finding: listed(of, it)}
			subs = append(subs, sub{one, &it.Incident})
		}
	}
	errs := make([]error, len(subs))
	worker.Each(len(subs), func(i int) {
		in, err := g.deps.Incidents.Attach(ctx, &subs[i].alert)
		if errs[i] = err; in != nil {
			*subs[i].id = in.ID
			if i == 0 {
				a.Summary.AckFlags = in.AckFlags
			}
			if len(subs) == 1 && subs[i].alert.Summary != nil {
				only = in
			}
		}
	})
	return only, errors.Join(errs...)
}

// summedOf is the finding about the users of one account of a summary.
func summedOf(a *alert.Alert, of *alert.SummaryAccount) detect.Finding {
	if len(of.Findings) == 1 {
		return listed(of, &of.Findings[0])
	}
	all := make([]detect.Finding, 0, len(of.Findings))
	for i := range of.Findings {
		all = append(all, listed(of, &of.Findings[i]))
	}
	return detect.Summed(a.ID+"/"+of.Account, all)
}

func listed(of *alert.SummaryAccount, it *alert.SummaryItem) detect.Finding {
	return detect.Listed(it.Finding, of.Account, detect.Target{UserName: it.User, UserID: it.UserID}, it.MFADue, it.Stage == alert.StageResolved, it.At)
}
