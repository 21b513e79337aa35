package accountcheck

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/collection"
	"rootguard/internal/credentialreport"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/worker"
)

const (
	// chunk is how many users are checked between two writes of how far it has come.
	chunk = 100

	// listTimeout bounds the listing of an account's users, a thousand with a call.
	// It ends before a run does, so that an account that hangs is put off.
	listTimeout = 10 * time.Second

	// reportWaits is how often a credential report that is being made is waited
	// for before the users are checked one by one.
	reportWaits = 4
)

// UsersChecked says what CheckUsers did.
type UsersChecked struct {
	Accounts    int      // checked to the end
	Checked     int      // users checked
	Asked       int      // of these one by one; the others by the credential report
	Found       int      // users not on record until then
	Gone        int      // users on record that IAM no longer knows
	WithoutMFA  int      // users checked who have a console password and no MFA
	Tracked     int      // deadlines set or moved
	Waiting     int      // accounts whose credential report is waited for
	Unanswered  int      // users, and accounts, that IAM gave no answer about
	Unreachable []string // the first of these accounts
	More        bool     // some are due that were left to the next run
}

// CheckUsers finds the users that no event reported: once a day it lists the users
// of each account and checks each. What differs from what is on record
// becomes a fact, a user without MFA gets its grace from when it was found, and
// one that IAM no longer knows is closed. What the first check of an account finds
// is reported at once, together with that of other accounts.
//
// The account's credential report says of all users in one call whether they have
// password and MFA. It is up to four hours old and knows no unique IDs, so it
// counts for a user only who was created at the same second under the same name
// and of whom no event shows since; and it raises no suspicion by itself: that it
// shows otherwise than the record does, or without MFA, is checked live. So are
// all where there is no report, or reports is nil.
//
// A run that has no time for all users of an account notes the last one that it
// checked, in the order of their unique IDs, and the next run goes on behind
// it. It lists them again: a listing takes one call for a thousand users, a check
// two for one, and IAM does not say for how long the marker of a page holds.
func (k *Checker) CheckUsers(ctx context.Context, users Users, reports CredentialReports, at time.Time) (UsersChecked, error) {
	c := userRun{pass: pass{Checker: k, at: at}, iam: users, reports: reports, left: k.settings.Users}
	err := c.walk(ctx, KindUsers, worker.Parallel, func(ctx context.Context, due []Check) {
		for _, r := range due {
			if c.halt || c.spent(ctx) {
				c.more = true
				return
			}
			c.account(ctx, r)
		}
	})
	c.More = c.more
	_, sendErr := k.deps.Notices.Send(ctx, collection.UserNotices, at, c.More || c.Waiting > 0)
	return c.UsersChecked, errors.Join(err, sendErr)
}

// userRun is one run.
type userRun struct {
	pass
	UsersChecked
	iam     Users
	reports CredentialReports
	left    int   // users that may still be checked live
	why     error // of the last account without an answer

	progress func(checked, of int) // nil: nothing is called
}

// candidateUser is a user to be checked.
type candidateUser struct {
	key    string // in the order of which users are checked
	name   string
	id     string // "" where it is not known
	listed bool
	taken  bool // not listed, and its name is another user's: it is gone

	created  time.Time           // of a listed user
	reported *bootstrap.LiveFact // what the credential report says, where that is enough
}

// account goes on with one account. What goes wrong leaves it due where it is.
func (c *userRun) account(ctx context.Context, r Check) {
	report, wait := c.report(ctx, &r)
	if wait {
		now := r
		now.UnansweredChecks = 0
		now.Waited, now.Due = r.Waited+1, c.at.Add(reportPoll)
		if c.store(ctx, &r, now) {
			c.Waiting++
		}
		return
	}
	one, cancel := context.WithTimeout(ctx, listTimeout)
	listed, err := c.iam.Users(one, r.Account)
	cancel()
	if err != nil {
		c.unreachable(ctx, r, err)
		return
	}
	if c.spent(ctx) {
		c.more = true
		return
	}
	facts, err := c.deps.Facts.Facts(ctx, r.Account)
	if err != nil {
		c.failCheck(&r, fmt.Errorf("reading facts of account %s: %w", r.Account, err))
		return
	}
	on := record{account: r.Account, first: r.Done.IsZero(), facts: facts, changed: accountfacts.Changes(facts), reported: report.generated}
	on.status = c.facts.Fold(r.Account, facts, c.at)
	todo := candidatesOf(on.status, listed)
	all := len(todo)
	behind, found := slices.BinarySearchFunc(todo, r.Cursor, func(u candidateUser, key string) int { return cmp.Compare(u.key, key) })
	if found {
		behind++
	}
	todo = todo[behind:]
	known := byID(on.status)
	for i := range todo {
		todo[i].reported = report.of(&on, known, &todo[i])
	}
	for {
		part, asked := c.part(todo)
		if len(part) > 0 {
			silent, err := c.check(ctx, &on, part)
			switch {
			case err != nil:
				c.failCheck(&r, err)
				return
			case silent != nil:
				c.unreachable(ctx, r, silent)
				return
			}
			todo = todo[len(part):]
			c.left -= asked
		}
		now := r
		now.UnansweredChecks = 0
		now.Due = c.at // still, but behind those that have waited for longer
		if len(todo) == 0 {
			now.Cursor, now.Waited, now.Done, now.Due = "", 0, c.at, nextCheck(r.Account, daily, c.at)
		} else if len(part) > 0 {
			now.Cursor = part[len(part)-1].key
		}
		if !c.store(ctx, &r, now) {
			return
		}
		if c.progress != nil {
			c.progress(all-len(todo), all)
		}
		if len(todo) == 0 {
			c.Accounts++
			return
		}
		if c.left <= 0 {
			c.halt = true
		}
		if c.halt || c.spent(ctx) {
			c.more = true
			return
		}
	}
}

// unreachable puts off an account that IAM does not answer about, where it is.
func (c *userRun) unreachable(ctx context.Context, r Check, why error) {
	if ctx.Err() != nil {
		return // the time was too short for an answer
	}
	c.Unanswered++
	c.why = why
	if len(c.Unreachable) < namedAccounts {
		c.Unreachable = append(c.Unreachable, r.Account)
	}
	now := r
	now.noAnswer(c.at)
	c.store(ctx, &r, now)
}

// candidatesOf are the users that IAM lists, and those on record that it does
// not, in the order of their keys.
func candidatesOf(status bootstrap.Status, listed []ListedUser) []candidateUser {
	todo := make([]candidateUser, 0, len(listed))
	ids, names := make(map[string]bool, len(listed)), make(map[string]bool, len(listed))
	for _, u := range listed {
		ids[u.ID], names[u.Name] = true, true
		todo = append(todo, candidateUser{key: u.ID, name: u.Name, id: u.ID, listed: true, created: u.Created})
	}
	for i := range status.Users {
		u := &status.Users[i]
		switch {
		case u.Deleted || u.UserID != "" && ids[u.UserID] || u.UserID == "" && names[u.Name]:
		case u.UserID == "":
			todo = append(todo, candidateUser{key: "name/" + u.Name, name: u.Name})
		default:
			todo = append(todo, candidateUser{key: u.UserID, name: u.Name, id: u.UserID, taken: names[u.Name]})
		}
	}
	slices.SortFunc(todo, func(a, b candidateUser) int { return cmp.Compare(a.key, b.key) })
	return todo
}

// record is what is on record of an account.
type record struct {
	account string
	first   bool // it was not checked to the end before
	facts   []bootstrap.Fact
	changed map[string]time.Time
	status  bootstrap.Status // of the facts

	reported time.Time // when the credential report was made
}

// check asks about some users and keeps what is new. silent is set where IAM
// answered about none of them.
//
//nolint:funlen,gocognit // each case of a user as a live check may find it
func (c *userRun) check(ctx context.Context, on *record, users []candidateUser) (silent, err error) {
	answers, errs := make([]bootstrap.LiveFact, len(users)), make([]error, len(users))
	part, cancel := context.WithTimeout(ctx, accountfacts.ChecksTimeout)
	defer cancel()
	worker.Each(len(users), func(i int) {
		switch u := users[i]; {
		case u.taken || u.name == "":
			answers[i] = bootstrap.LiveFact{UserName: u.name, Gone: true}
			return
		case u.reported != nil:
			answers[i] = *u.reported
			return
		}
		one, cancel := context.WithTimeout(part, accountfacts.CheckTimeout)
		defer cancel()
		answers[i], errs[i] = c.iam.User(one, on.account, users[i].name)
	})
	failed := 0
	for i, u := range users {
		if errs[i] != nil {
			failed++
			continue
		}
		answers[i].UserID = u.id
	}
	if failed == len(users) {
		return errs[0], nil
	}

	known := byID(on.status)
	var added []bootstrap.Fact
	fresh := make([]bool, len(users))
	for i, u := range users {
		was := onRecord(known, &u)
		switch live := answers[i]; {
		case errs[i] != nil:
			if was != nil || !u.listed {
				break
			}
			// The sweep asks about those who are on record.
			live = bootstrap.LiveFact{UserName: u.name, UserID: u.id}
			added = append(added, bootstrap.LiveFactOf(on.account, c.at.Add(-consistencyDelay), live))
			c.Found++
		case c.at.Sub(on.changed[u.name]).Abs() < consistencyDelay:
			// The event is on record, and the function that had it asked IAM.
		case live.Gone == u.listed:
			// Gone since it was listed, or there though it was not: IAM is not
			// settled about it.
		case was.Agrees(live):
		default:
			// As in the sweep: what came after may be in the answer or not.
			asOf := c.at
			if u.reported != nil {
				asOf = on.reported
			}
			added, fresh[i] = append(added, bootstrap.LiveFactOf(on.account, asOf.Add(-consistencyDelay), live)), true
			switch {
			case live.Gone:
				c.Gone++
			case was == nil:
				c.Found++
			}
		}
	}
	if len(added) > 0 {
		if _, err := c.deps.Facts.Add(ctx, added); err != nil {
			return nil, fmt.Errorf("recording live checks of account %s: %w", on.account, err)
		}
		on.facts = append(on.facts, added...)
		on.status = c.facts.Fold(on.account, on.facts, c.at)
		known = byID(on.status)
	}

	for i, u := range users {
		if errs[i] != nil {
			c.Unanswered++
			if err := c.scheduleUser(ctx, on.account, u.name, c.at.Add(firstRetry), true); err != nil {
				return nil, err
			}
			continue
		}
		c.Checked++
		if u.asked() {
			c.Asked++
		}
		is := known[cmp.Or(u.id, u.name)]
		if is == nil || u.name == "" {
			continue
		}
		gap, open := openGap(is)
		switch {
		case open:
			c.WithoutMFA++
			if err = c.scheduleUser(ctx, on.account, u.name, gap.Deadline, fresh[i]); err == nil && on.first && gap.Evidence.Live() &&
				c.at.Before(gap.Deadline) {
				// Of one that an event showed, its alert names the deadline.
				f := detect.MFAPending(on.account, detect.Target{UserName: is.Name, UserID: is.UserID}, gap.From, gap.Deadline)
				_, err = c.deps.Notices.Collect(ctx, collection.UserNotices, guard.Notice{Finding: f, At: c.at})
			}
		case fresh[i]:
			err = c.scheduleSoon(ctx, on.account, u.name)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// part is the next of the users that are checked together, and how many of them
// one by one.
func (c *userRun) part(todo []candidateUser) (part []candidateUser, asked int) {
	most := min(chunk, max(c.left, 0))
	for n := range todo {
		if !todo[n].asked() {
			continue
		}
		if asked == most {
			return todo[:n], asked
		}
		asked++
	}
	return todo, asked
}

// asked reports whether IAM is asked about the user itself.
func (u *candidateUser) asked() bool { return u.reported == nil && !u.taken && u.name != "" }

// userReport is what a credential report says of an account's users; the zero
// value says nothing.
type userReport struct {
	generated time.Time
	users     map[string]reportedUser // by name
}

type reportedUser struct {
	created       time.Time
	password, mfa bool
}

// report is the account's credential report, if there is one. wait is set where
// one is being made, for which it has not been waited too often yet.
func (c *userRun) report(ctx context.Context, r *Check) (report userReport, wait bool) {
	if c.reports == nil {
		return userReport{}, false
	}
	one, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	got, err := c.reports.CredentialReport(one, r.Account)
	if err == nil && got.State == ReportAbsent && r.Waited < reportWaits {
		got.State, err = c.reports.RequestCredentialReport(one, r.Account)
		if got.State == ReportReady {
			got.State = ReportInProgress // it is not at hand
		}
	}
	switch {
	case err != nil || got.State == ReportAbsent:
		return userReport{}, false // Witness reports why
	case got.State == ReportInProgress:
		return userReport{}, r.Waited < reportWaits
	case c.at.Sub(got.Generated) > 2*ReportAge:
		return userReport{}, false // IAM has let it expire by then
	}
	report = userReport{got.Generated, map[string]reportedUser{}}
	_, err = credentialreport.Read(got.CSV, func(row credentialreport.Row) bool {
		if !row.Root() && row.PasswordEnabled != cloudtrail.Unknown && row.MFAActive != cloudtrail.Unknown {
			report.users[row.User] = reportedUser{row.Created, row.PasswordEnabled == cloudtrail.Yes, row.MFAActive == cloudtrail.Yes}
		}
		return true
	})
	if err != nil {
		return userReport{}, false
	}
	return report, false
}

// of is what the report says of a user, nil where that is not enough.
func (p *userReport) of(on *record, known map[string]*bootstrap.UserStatus, u *candidateUser) (live *bootstrap.LiveFact) {
	is, ok := p.users[u.name]
	switch {
	case !ok || !u.listed || u.created.IsZero() || !is.created.Truncate(time.Second).Equal(u.created.Truncate(time.Second)):
		return nil // another of the name, or one that was renamed since
	case !on.changed[u.name].Before(p.generated.Add(-consistencyDelay)):
		return nil // an event reports a change that it may not show
	}
	live = &bootstrap.LiveFact{UserName: u.name, UserID: u.id, ConsoleLogin: &is.password, MFAActive: &is.mfa}
	was := onRecord(known, u)
	if was == nil && is.password && !is.mfa || was != nil && !was.Agrees(*live) {
		return nil
	}
	return live
}

// onRecord is a user as it is on record, nil where it is not.
func onRecord(known map[string]*bootstrap.UserStatus, u *candidateUser) *bootstrap.UserStatus {
	was := known[cmp.Or(u.id, u.name)]
	if was == nil && u.listed {
		if was = known[u.name]; was != nil && was.UserID != "" {
			was = nil // another of the same name
		}
	}
	return was
}

// byID are an account's users by unique ID, those without one by name, and by
// name also those who are there.
func byID(status bootstrap.Status) map[string]*bootstrap.UserStatus {
	users := make(map[string]*bootstrap.UserStatus, 2*len(status.Users))
	for i := range status.Users {
		u := &status.Users[i]
		if u.UserID != "" {
			users[u.UserID] = u
		}
		if !u.Deleted || users[u.Name] == nil && u.UserID == "" {
			users[u.Name] = u
		}
	}
	return users
}

func openGap(u *bootstrap.UserStatus) (gap bootstrap.MFAGap, open bool) {
	if n := len(u.MFAGaps); n > 0 && !u.Deleted {
		gap = u.MFAGaps[n-1]
	}
	return gap, !gap.From.IsZero() && gap.To.IsZero()
}

// scheduleUser has Sweep check a user at a time, or before where that is set. A row
// is written also where the time stays, if there are facts that a sweep under
// way has not seen.
func (c *userRun) scheduleUser(ctx context.Context, account, user string, at time.Time, facts bool) error {
	return c.reschedule(ctx, account, user, func(d mfadeadline.Deadline) (time.Time, bool) {
		switch {
		case d.Due.IsZero():
			return at, true
		case at.Before(d.Due):
			return at, facts
		default:
			return d.Due, facts
		}
	})
}

// scheduleSoon has Sweep check a user that it tracks, since that may be over.
func (c *userRun) scheduleSoon(ctx context.Context, account, user string) error {
	return c.reschedule(ctx, account, user, func(d mfadeadline.Deadline) (time.Time, bool) {
		if d.Due.IsZero() || d.Due.Before(c.at) {
			return d.Due, !d.Due.IsZero()
		}
		return c.at, true
	})
}

func (c *userRun) reschedule(ctx context.Context, account, user string, next func(mfadeadline.Deadline) (due time.Time, write bool)) error {
	key, wrote := keys.User(account, user), false
	err := c.deps.Deadlines.Update(ctx, key, func(d mfadeadline.Deadline) mfadeadline.Deadline {
		due, write := next(d)
		if wrote = write; !write {
			return mfadeadline.Deadline{}
		}
		d.Key, d.Account, d.User, d.Due = key, account, user, due
		d.Revision++
		return d
	})
	if err != nil {
		return fmt.Errorf("storing when to check user %s of account %s: %w", user, account, err)
	}
	if wrote {
		c.Tracked++
	}
	return nil
}
