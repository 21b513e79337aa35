package accountcheck

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/worker"
)

const (
	// recordPage is how many accounts on record are gone through between two
	// writes of how far a discovery of accounts has come.
	recordPage = 100

	// refusals is how often a discovery of accounts tries to have all accounts listed.
	refusals = 3

	// The stages of a discovery of accounts, which begin its cursor: the token of a page of the
	// organization's list, or an account on record.
	memberStage = "member/"
	recordStage = "record/"
)

// HubAccount is the guard's own account, and where it runs.
type HubAccount struct {
	Account string
	Region  string
	Members bool // it has a role in other accounts; else they cannot be asked about
}

// Discovered says what DiscoverAccounts did.
type Discovered struct {
	Accounts int    // gone through
	Enrolled int    // checked from now on
	Dropped  int    // closed, suspended or no longer in the organization
	Refused  string // why the organization did not list its accounts
	More     bool   // it goes on in the next run
}

// DiscoverAccounts finds the accounts that are to be checked, once a day: the guard's
// own, those on record, and the active ones of the organization, where org is
// not nil. It drops those that are closed, suspended or no longer in the
// organization; where that cannot be asked it drops none. In the end it reports
// the accounts that IAM has not answered about for hours.
//
// A run that has no time for all accounts notes how far it came, and the next
// goes on there. Where a page's token holds no longer, the list begins again.
func (k *Checker) DiscoverAccounts(ctx context.Context, home HubAccount, org Organization, at time.Time) (Discovered, error) {
	c := discovery{pass: pass{Checker: k, at: at}, home: home, org: org}
	var err error
	if c.row, err = c.schedule.read(ctx, home.Account, KindDiscovery); err != nil {
		return Discovered{}, err
	}
	if c.row.Due.After(at) {
		return Discovered{}, nil
	}
	c.row.Key, c.row.Account, c.row.Kind = checkKey(home.Account, KindDiscovery), home.Account, KindDiscovery
	for !c.over {
		if c.spent(ctx) {
			c.More = true
			break
		}
		if err := c.step(ctx); err != nil {
			return c.Discovered, err
		}
	}
	return c.Discovered, c.err()
}

// discovery is one run.
type discovery struct {
	pass
	Discovered
	home HubAccount
	org  Organization
	row  Check
	over bool
	mu   sync.Mutex // of the counts
}

// step goes through one page and notes how far that is.
func (c *discovery) step(ctx context.Context) error {
	now := c.row
	var err error
	switch {
	case now.Cursor == "":
		now.Discovery = Discovery{Began: c.at}
		if err := c.enroll(ctx, c.home.Account, now.Discovery.Began); err != nil {
			return err
		}
		if now.Cursor = recordStage; c.org != nil {
			now.Cursor = memberStage
		}
	case strings.HasPrefix(now.Cursor, memberStage) && c.org != nil:
		err = c.members(ctx, &now)
	default:
		err = c.onRecord(ctx, &now)
	}
	if err != nil || c.More { // cut off: it stays where it was
		return err
	}
	if !c.store(ctx, &c.row, now) {
		c.over = true // another run goes on with it
	}
	return nil
}

// members enrolls a page of the organization's accounts.
func (c *discovery) members(ctx context.Context, now *Check) error {
	token := strings.TrimPrefix(now.Cursor, memberStage)
	page, next, err := c.org.Members(ctx, token)
	if err != nil {
		if ctx.Err() != nil {
			c.More = true
			return nil //nolint:nilerr // the time was too short for an answer
		}
		c.Refused = err.Error()
		if now.UnansweredChecks++; now.UnansweredChecks < refusals {
			now.Cursor, now.Due = "", c.at.Add(firstRetry) // again: a token may have expired
			c.over = true
			return nil
		}
		now.UnansweredChecks, now.Discovery.Refused, now.Cursor = 0, err.Error(), recordStage
		return nil
	}
	err = c.all(len(page), func(i int) error {
		if page[i].Active || page[i].Account == c.home.Account {
			return c.enroll(ctx, page[i].Account, now.Discovery.Began)
		}
		return c.drop(ctx, page[i].Account)
	})
	if err != nil {
		return err
	}
	c.Accounts += len(page)
	if now.Cursor = memberStage + next; next == "" {
		now.Discovery.Complete, now.Cursor, now.UnansweredChecks = true, recordStage, 0
	}
	return nil
}

// onRecord goes through a page of the accounts on record: it enrolls those that
// can be asked about, and drops those that the organization did not list.
func (c *discovery) onRecord(ctx context.Context, now *Check) error {
	accounts, err := c.deps.Checks.Accounts(ctx)
	if err != nil {
		return fmt.Errorf("listing the accounts on record: %w", err)
	}
	behind := strings.TrimPrefix(now.Cursor, recordStage)
	from, found := slices.BinarySearch(accounts, behind)
	if found {
		from++
	}
	page := accounts[from:min(from+recordPage, len(accounts))]
	seen := make([]gaps, len(page))
	err = c.all(len(page), func(i int) (err error) {
		seen[i], err = c.known(ctx, page[i], &now.Discovery)
		return err
	})
	if err != nil {
		return err
	}
	for i, is := range seen {
		switch {
		case is.unreachable:
			count(&now.Discovery.Unreachable, &now.Discovery.UnreachableIDs, page[i])
		case is.queueError != "":
			count(&now.Discovery.QueueFailures, &now.Discovery.QueueFailureIDs, page[i])
			now.Discovery.QueueError = is.queueError
		}
		if !is.unreachable && is.noReport != "" {
			count(&now.Discovery.NoReport, &now.Discovery.NoReportIDs, page[i])
			now.Discovery.NoReportWhy = is.noReport
		}
		if is.unplaced {
			count(&now.Discovery.Unplaced, &now.Discovery.UnplacedIDs, page[i])
		}
	}
	if !now.Discovery.Complete {
		c.Accounts += len(page)
	}
	if len(page) == recordPage {
		now.Cursor = recordStage + page[len(page)-1]
		return nil
	}
	if err := c.report(ctx, &now.Discovery); err != nil {
		return err
	}
	now.Cursor, now.Due, now.Done = "", nextCheck(c.home.Account, daily, c.at), c.at
	c.over = true
	return nil
}

// count adds an account, and names the first of them.
func count(n *int, ids *[]string, account string) {
	if *n++; len(*ids) < namedAccounts {
		*ids = append(slices.Clip(*ids), account)
	}
}

// gaps is what keeps an account from being seen.
type gaps struct {
	unreachable bool   // IAM does not answer about it
	queueError  string // why a queue of its forwarders cannot be seen
	noReport    string // why its credential report cannot be had
	unplaced    bool   // its routes are not known
}

// known enrolls or drops an account on record.
func (c *discovery) known(ctx context.Context, account string, is *Discovery) (gaps, error) {
	if err := c.compactFrom(ctx, account, c.at); err != nil {
		return gaps{}, err
	}
	if account != c.home.Account && !c.home.Members {
		return gaps{}, nil // nothing can be asked there
	}
	r, err := c.schedule.read(ctx, account, KindRoot)
	switch {
	case err != nil:
		return gaps{}, err
	case account != c.home.Account && is.Complete && r.Listed.Before(is.Began):
		return gaps{}, c.drop(ctx, account)
	case r.Suspended:
		return gaps{}, nil
	case r.Key == "":
		return gaps{}, c.enroll(ctx, account, time.Time{})
	case r.UnansweredChecks >= accountfacts.AlertAfter:
		return gaps{unreachable: true}, nil
	}
	var of gaps
	if r.QueueFailures >= queueChecks {
		of.queueError = r.QueueError
	}
	if r, err = c.schedule.read(ctx, account, KindUsers); err != nil {
		return of, err
	}
	of.unreachable = r.UnansweredChecks >= accountfacts.AlertAfter
	r, err = c.schedule.read(ctx, account, KindReport)
	switch {
	case err != nil:
		return of, err
	case r.Key == "": // of a version that had none
		return of, c.enroll(ctx, account, time.Time{})
	case r.UnansweredChecks >= accountfacts.AlertAfter:
		of.noReport = r.Witness.Why
	}
	fresh := false // of a kind that no setting asked for until now
	if len(c.settings.DayTwo) > 0 {
		if r, err = c.schedule.read(ctx, account, KindDayTwo); err != nil {
			return of, err
		}
		fresh = r.Due.IsZero()
	}
	if len(c.settings.Routes) > 0 {
		if r, err = c.schedule.read(ctx, account, KindRoutes); err != nil {
			return of, err
		}
		of.unplaced = unplaced(&r, c.at)
		fresh = fresh || r.Due.IsZero() || r.Routed.Routes != routesID(c.settings.Routes)
	}
	if fresh {
		err = c.enroll(ctx, account, time.Time{})
	}
	return of, err
}

// all calls do for 0 to n-1, some at a time, and joins the errors.
func (c *discovery) all(n int, do func(i int) error) error {
	errs := make([]error, n)
	worker.Each(n, func(i int) { errs[i] = do(i) })
	return errors.Join(errs...)
}

// enroll has an account checked from now on. began is of the discovery of accounts that found
// it in the organization, zero where that was not asked.
func (c *discovery) enroll(ctx context.Context, account string, began time.Time) error {
	fresh, err := c.Checker.enroll(ctx, account, account == c.home.Account, began, c.at)
	if fresh {
		c.count(&c.Enrolled)
	}
	return err
}

// enroll gives an account its checks, where it has none. Its root and its users are
// checked at once, so that all that the first checks find can be reported together, and
// from then on at a time of its own. fresh is false where it had one.
func (k *Checker) enroll(ctx context.Context, account string, atOnce bool, began, at time.Time) (fresh bool, err error) {
	begin := func(kind Kind, every time.Duration) (bool, error) {
		begun := false
		err := k.schedule.revise(ctx, account, kind, func(r Check) (Check, bool) {
			listed := r.Listed.Before(began)
			if listed {
				r.Listed = began
			}
			if begun = r.Due.IsZero(); begun {
				r.Suspended = false
				if kind == KindReport {
					r.Witness = Witness{Began: at}
				}
				if r.Due = at; !atOnce && kind == KindReport {
					r.Due = at.Add(jitter(account, every))
				}
			}
			other := kind == KindRoutes && r.Due.After(at) && r.UnansweredChecks == 0 && r.Routed.Routes != routesID(k.settings.Routes)
			if other {
				r.Due = at
			}
			return r, begun || other || listed && kind == KindRoot
		})
		return begun, err
	}
	if fresh, err = begin(KindRoot, k.settings.RootInterval); err != nil {
		return fresh, err
	}
	if _, err = begin(KindUsers, daily); err != nil {
		return fresh, err
	}
	if _, err = begin(KindReport, ReportAge); err != nil {
		return fresh, err
	}
	if len(k.settings.DayTwo) > 0 {
		if _, err = begin(KindDayTwo, daily); err != nil {
			return fresh, err
		}
	}
	if len(k.settings.Routes) > 0 {
		_, err = begin(KindRoutes, daily)
	}
	return fresh, err
}

// drop has an account checked no more.
func (c *discovery) drop(ctx context.Context, account string) error {
	dropped := false
	err := c.schedule.revise(ctx, account, KindRoot, func(r Check) (Check, bool) {
		dropped = !r.Suspended
		r.Due, r.Suspended, r.UnansweredChecks, r.Root = time.Time{}, true, 0, Root{}
		r.QueueFailures, r.QueueError = 0, ""
		return r, dropped
	})
	if err != nil {
		return err
	}
	if dropped {
		c.count(&c.Dropped)
	}
	err = c.schedule.revise(ctx, account, KindUsers, func(r Check) (Check, bool) {
		was := r.Due
		r.Due, r.Cursor, r.UnansweredChecks = time.Time{}, "", 0
		return r, !was.IsZero()
	})
	if err != nil {
		return err
	}
	err = c.schedule.revise(ctx, account, KindReport, func(r Check) (Check, bool) {
		was := r.Due
		r.Due, r.UnansweredChecks, r.Witness = time.Time{}, 0, Witness{}
		return r, !was.IsZero()
	})
	if err != nil {
		return err
	}
	if len(c.settings.DayTwo) > 0 {
		err = c.schedule.revise(ctx, account, KindDayTwo, func(r Check) (Check, bool) {
			was := r.Due
			r.Due, r.UnansweredChecks, r.DayTwo = time.Time{}, 0, DayTwo{}
			return r, !was.IsZero()
		})
	}
	if err != nil || len(c.settings.Routes) == 0 {
		return err
	}
	// It stays in its routes: what its last records report is for those who had it.
	return c.schedule.revise(ctx, account, KindRoutes, func(r Check) (Check, bool) {
		was := r.Due
		r.Due, r.UnansweredChecks = time.Time{}, 0
		return r, !was.IsZero()
	})
}

func (c *discovery) count(n *int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	*n++
}

// report reports that accounts are not checked, and why: that is once a day at most.
func (c *discovery) report(ctx context.Context, is *Discovery) error {
	raise := func(check, what string) error {
		if _, err := c.deps.Guard.Raise(ctx, detect.Unhealthy(c.home.Account, c.home.Region, check, what, c.at)); err != nil &&
			!errors.Is(err, guard.ErrBusy) {
			return err
		}
		return nil
	}
	var errs []error
	if is.Refused != "" {
		errs = append(errs, raise("organization accounts",
			"AWS Organizations does not list the accounts, so those that sent no event yet are not checked live, and closed ones are not known as such. "+
				"Only the management account and delegated administrators may ask. It said: "+is.Refused))
	}
	named := func(n int, ids []string) string {
		names := strings.Join(ids, ", ")
		if more := n - len(ids); more > 0 {
			names += fmt.Sprintf(" and %d more", more)
		}
		return names
	}
	if is.Unreachable > 0 {
		errs = append(errs,
			raise("live checks",
				fmt.Sprintf("IAM has not answered for hours about %d of the accounts: %s. What happens there is known from events alone. "+
					"Check that the member role is deployed there, in its present version, and may be assumed.", is.Unreachable, named(is.Unreachable,
					is.UnreachableIDs))))
	}
	if is.QueueFailures > 0 {
		errs = append(errs,
			raise("forwarder queues",
				fmt.Sprintf("Whether events wait that EventBridge could not send to rootguard cannot be seen in %d of the accounts: %s. "+
					"Deploy the stack set of the members again, to all Regions. Of one of them: %s", is.QueueFailures, named(is.QueueFailures,
					is.QueueFailureIDs), is.QueueError)))
	}
	if is.NoReport > 0 {
		errs = append(errs,
			raise("credential reports",
				fmt.Sprintf("IAM gives no credential report of %d of the accounts: %s. Use of root there is not found if its events do not arrive, "+
					"and users are checked one by one. Check that rootguard's role there, in its present version, and the service control policies allow iam:GenerateCredentialReport and iam:GetCredentialReport. Of one of them: %s",
					is.NoReport, named(is.NoReport, is.NoReportIDs), is.NoReportWhy)))
	}
	if is.Unplaced > 0 {
		errs = append(errs,
			raise(routesHealth, fmt.Sprintf("Which routes by ou or tag %d of the accounts belong to was not found out for a day or longer: %s. "+
				"The receivers of all alerts get their alerts; those of a route get them as at the last answer. AWS Organizations does not answer about them, or too many ask it in your organization.", is.Unplaced, named(is.Unplaced, is.UnplacedIDs))))
	}
	return errors.Join(errs...)
}
