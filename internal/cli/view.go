package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"rootguard/internal/alert"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cli/label"
	"rootguard/internal/cli/report"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/config"
	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/incident"
)

// facts are what is known of accounts.
type facts interface {
	Accounts(ctx context.Context) ([]string, error)
	Facts(ctx context.Context, account string) ([]bootstrap.Fact, error)
	Fact(ctx context.Context, account, id string) (f bootstrap.Fact, found bool, err error)
}

// claims are what became of events.
type claims interface {
	Claims(ctx context.Context, account string, fn func(guard.Claim) error) error
	Claim(ctx context.Context, eventID string) ([]guard.Claim, error)
}

// records are what a view is of.
type records interface {
	facts
	claims
}

var (
	_ records = (*store)(nil)
	_ records = (*dynamodb.Store)(nil)
)

// view is what is on record, in the local store or in the deployed table.
type view struct {
	records
	io.Closer // nil: there is nothing to close

	where  string // "the store PATH"
	source string // what a report names as its source
	empty  string // why it may know no account
	absent string // why it may not know an event
	unsent string // what becomes of an event that was not alerted
	live   bool   // it is kept up to date, and so speaks for this moment

	policy    bootstrap.Options                                                      // what statuses depend on
	incidents func(ctx context.Context, account string) ([]incident.Incident, error) // nil: none are on record
	dayTwo    func(ctx context.Context, account string) ([]daytwo.Result, error)     // nil: no steps of day two are on record
	steps     []daytwo.Step                                                          // of day two that are checked, none: those on record
	// the settings that rootguard is deployed with, nil of a local store
	deployed func(ctx context.Context) (config.Config, error)
	config   *config.Config // what deployed returned to asDeployed, nil: it failed
}

// asDeployed takes over the settings that rootguard is deployed with, and returns
// the names of accounts. Where they cannot be read it says so and goes on.
func (v *view) asDeployed(ctx context.Context, sys system) map[string]string {
	if v.deployed == nil {
		return nil
	}
	c, err := v.deployed(ctx)
	if err != nil {
		fmt.Fprintf(sys.stderr, "note: %s; so --grace %.0fh and --quiet-days %d are assumed\n", label.Clean(err.Error()),
			v.policy.Grace.Hours(), v.policy.QuietDays)
		return nil
	}
	v.config = &c
	if v.steps = c.Settings.DayTwo; len(v.steps) == 0 {
		v.dayTwo = nil // what is on record is of settings that are no more
	}
	if b := c.Settings.Bootstrap; b.Grace > 0 {
		v.policy.Grace = b.Grace
	}
	v.policy.QuarantinePolicy, v.policy.AdminRoles = c.Settings.Bootstrap.QuarantinePolicy, c.Settings.Bootstrap.AdminRoles
	if b := c.Settings.Bootstrap; b.QuietDays > 0 {
		v.policy.QuietDays = b.QuietDays
	}
	return c.AccountNames
}

// Close closes what the view is of.
func (v *view) Close() error {
	if v.Closer == nil {
		return nil
	}
	return v.Closer.Close()
}

// view is a view of the store, which it closes.
func (s *store) view() *view {
	absent := "either it was not replayed, or nothing came of it; name the logs to see why"
	if !s.chosen && !s.story {
		absent += ", or --story if it is of the bundled story"
	}
	return &view{
		records: s, Closer: s, where: "the store " + s.path, source: s.path,
		empty: "nothing relevant was replayed into it", absent: absent, unsent: "not alerted yet: replay the same logs again",
		policy: bootstrap.DefaultOptions(),
	}
}

// sourceFlags say which records a command is about: those of the local store, or of AWS.
type sourceFlags struct {
	storeFlag
	storyFlag
	AWS bool `name:"aws" group:"aws" help:"Read the deployed table instead of the local store."`
	stackFlags
}

// openRecords opens the records to be read.
func (p sourceFlags) openRecords(ctx context.Context, sys system) (*view, error) {
	if !p.AWS {
		if flags := p.given(); len(flags) > 0 {
			return nil, usageError{strings.Join(flags, " and ") + " " + are(len(flags)) + " about the deployed table: add --aws"}
		}
		st, err := p.read(sys, p.storyFlag)
		if err != nil {
			return nil, err
		}
		return st.view(), nil
	}
	if p.Store != "" || p.Story {
		return nil, usageError{"--aws reads the deployed table, and --store and --story are about the local one: choose one"}
	}
	return p.view(ctx, sys)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

// statusFlags are the flags of a command that shows the status of accounts.
type statusFlags struct {
	sourceFlags
	policy
	names
	AsOf moment `name:"as-of" placeholder:"WHEN" help:"Show the status of accounts as of then (2026-03-02, 7d). Default: the newest fact of each, since logs cannot speak for later; with --aws now."`
}

// openRecords opens the records and reads the statuses of the accounts from them, of
// all where none is named. Where it fails, it leaves nothing open.
func (s statusFlags) openRecords(ctx context.Context, sys system, accounts []accountID) (v *view, statuses []accountStatus,
	asOf time.Time, err error) {
	if _, err = s.over(bootstrap.DefaultOptions()); err != nil {
		return nil, nil, asOf, err // before anything is opened
	}
	if asOf, err = s.AsOf.at("as-of", sys.now()); err != nil {
		return nil, nil, asOf, err
	}
	ahead(sys, "as-of", asOf)
	if v, err = s.sourceFlags.openRecords(ctx, sys); err != nil {
		return nil, nil, asOf, err
	}
	if asOf.IsZero() && v.live {
		asOf = sys.now().UTC()
	}
	known := s.known()
	maps.Copy(known, v.asDeployed(ctx, sys))
	for _, a := range s.AccountName {
		known[string(a.id)] = a.name
	}
	if v.policy, err = s.over(v.policy); err == nil {
		accounts, err = called(accounts, known)
	}
	if err == nil {
		statuses, err = v.statuses(ctx, accounts, asOf, known)
	}
	if err == nil && s.AsOf == "" { // the steps of day two are as of now
		err = v.addDayTwo(ctx, statuses)
	}
	if err != nil {
		closing(v, &err)
		return nil, nil, asOf, err
	}
	return v, statuses, asOf, nil
}

// ahead says that a time which looks back lies in the future.
func ahead(sys system, flag string, at time.Time) {
	if at.After(sys.now()) {
		fmt.Fprintf(sys.stderr, "note: --%s %s is in the future; is the year right, and this machine's clock?\n", flag, label.Time(at))
	}
}

// called are accounts of which some are given by their name in known, each with its ID.
func called(accounts []accountID, known map[string]string) ([]accountID, error) {
	ids := slices.Clone(accounts)
	for i, a := range accounts {
		if (*accountID)(nil).valid(string(a)) {
			continue
		}
		var of []string
		names := make([]string, 0, len(known))
		for id, name := range known {
			if names = append(names, label.Clean(name)); strings.EqualFold(name, string(a)) {
				of = append(of, id)
			}
		}
		slices.Sort(of)
		slices.Sort(names)
		switch {
		case len(of) == 1:
			ids[i] = accountID(of[0])
		case len(of) > 1:
			return nil, usageError{fmt.Sprintf("%s are called %q: %s; say which by its ID", plural(int64(len(of)), "account"),
				string(a), strings.Join(of, ", "))}
		case len(names) == 0:
			return nil, usageError{fmt.Sprintf("%q is not an AWS account ID, which has 12 digits, and no account has a name here; name one with --account-name ID=NAME", string(a))}
		default:
			return nil, usageError{fmt.Sprintf("%q is neither an AWS account ID, which has 12 digits, nor the name of an account: %s", string(a),
				list(names))}
		}
	}
	return ids, nil
}

// statuses are those of the accounts, of all that are known where none is named.
// A zero asOf is the time of the newest fact of each account.
func (v *view) statuses(ctx context.Context, accounts []accountID, asOf time.Time, known map[string]string) ([]accountStatus, error) {
	all, err := v.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	wanted := all
	if len(accounts) > 0 {
		wanted = nil
		for _, a := range accounts {
			if !slices.Contains(all, string(a)) {
				return nil, fmt.Errorf("account %s is not in %s; it knows %s", a, v.where, list(all))
			}
			wanted = append(wanted, string(a))
		}
	}
	if len(wanted) == 0 {
		return nil, fmt.Errorf("%s knows no account yet: %s", v.where, v.empty)
	}
	out := make([]accountStatus, 0, len(wanted))
	for _, a := range wanted {
		facts, err := v.Facts(ctx, a)
		if err != nil {
			return nil, err
		}
		out = append(out, accountStatus{AccountName: known[a], Status: bootstrap.Fold(a, facts, v.policy, asOf)})
	}
	return out, nil
}

// addDayTwo adds the steps of day two to statuses, where any are checked.
func (v *view) addDayTwo(ctx context.Context, statuses []accountStatus) error {
	if v.dayTwo == nil {
		return nil
	}
	for i := range statuses {
		results, err := v.dayTwo(ctx, statuses[i].Account)
		if err != nil {
			return err
		}
		if views := daytwo.Views(results, v.steps); len(views) > 0 {
			statuses[i].DayTwo = views
		}
	}
	return nil
}

// alerts are the account's alerts, each with the repeats that were counted with it.
func (v *view) alerts(ctx context.Context, account string) ([]report.Alert, error) {
	var out []report.Alert
	latest := map[string]int{} // by window: the place in out of its latest alert
	early := map[string][]guard.Claim{}
	err := v.Claims(ctx, account, func(c guard.Claim) error {
		i, open := latest[c.Series]
		switch {
		case c.State == guard.Folded && !open && detect.IsCounted(c.Finding.ID):
			// too few for an alert
		case c.State == guard.Folded && open:
			out[i].RolledUp++
		case c.State == guard.Folded:
			early[c.Series] = append(early[c.Series], c)
		case c.State == guard.Withheld:
			f := *c.Finding
			if c.Deployment != "" {
				f.Title += " (part of a deployment)"
			} else {
				f.Title += " (suppressed)"
			}
			out = append(out, report.Alert{Finding: f})
		default:
			if c.Series != "" {
				latest[c.Series] = len(out)
			}
			a := report.Alert{Finding: *c.Finding, RolledUp: len(early[c.Series])}
			if c.Kind == alert.Escalation {
				a.Count = guard.DefaultSettings().FailedSigninsHigh
			}
			out = append(out, a)
			delete(early, c.Series)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for _, window := range slices.Sorted(maps.Keys(early)) { // repeats of an alert that is not on record
		held := early[window]
		out = append(out, report.Alert{Finding: *held[0].Finding, RolledUp: len(held) - 1})
	}
	return out, nil
}

// factsOf are the facts that an event added.
func (v *view) factsOf(ctx context.Context, event string) ([]bootstrap.Fact, error) {
	accounts, err := v.Accounts(ctx)
	if err != nil {
		return nil, err
	}
	var out []bootstrap.Fact
	for _, a := range accounts {
		facts, err := v.Facts(ctx, a)
		if err != nil {
			return nil, err
		}
		for _, f := range facts {
			if f.EventID == event || f.LastEventID == event {
				out = append(out, f)
			}
		}
	}
	slices.SortFunc(out, func(a, b bootstrap.Fact) int { return strings.Compare(a.Account+a.ID, b.Account+b.ID) })
	return out, nil
}

// assumedRoot is what is on record of the record's access key.
func (v *view) assumedRoot(ctx context.Context, rec *cloudtrail.Record) (*detect.AssumedRoot, error) {
	var assumed *detect.AssumedRoot
	key := rec.UserIdentity.AccessKeyID
	if key == "" {
		return assumed, nil
	}
	f, found, err := v.Fact(ctx, rec.Account(), bootstrap.AssumedRootFactID(key))
	if err != nil {
		return assumed, fmt.Errorf("looking up access key %s: %w", key, err)
	}
	if found {
		assumed = &detect.AssumedRoot{TaskPolicy: f.TaskPolicy, By: f.Actor, EventID: f.EventID}
	}
	return assumed, nil
}
