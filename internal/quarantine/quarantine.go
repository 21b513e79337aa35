package quarantine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"rootguard/internal/accountfacts"
	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
	"rootguard/internal/keys"
	"rootguard/internal/worker"
)

// Mode is what becomes of users past the last reminder.
type Mode string

// The modes.
const (
	Off    Mode = ""        // nothing
	DryRun Mode = "dry-run" // people are reported what would be done
	On     Mode = "on"      // it is announced, and then done
)

// Settings are about users past the last reminder.
type Settings struct {
	Mode Mode
	// Notice is the time from the announcement to the policy; default 24 h.
	Notice time.Duration
	// PerRun and PerDay are how many users are quarantined at most in one run, and
	// in 24 hours; default 5 and 10. The others wait.
	PerRun, PerDay int
	// Exempt are names, ARNs and unique IDs of users, and accounts, that are never
	// touched.
	Exempt []string

	Bootstrap bootstrap.Options
	// Batch is the most rows that are worked on at a time; default 64, and at most 32.
	Batch int
}

// DefaultSettings are those of which nothing is set.
func DefaultSettings() Settings {
	return Settings{Notice: 24 * time.Hour, PerRun: 5, PerDay: 10, Batch: 64}
}

func (s Settings) withDefaults() Settings {
	d := DefaultSettings()
	s.Bootstrap = s.Bootstrap.WithDefaults()
	if s.Notice <= 0 {
		s.Notice = d.Notice
	}
	if s.PerDay <= 0 {
		s.PerDay = d.PerDay
	}
	if s.PerRun <= 0 {
		s.PerRun = min(d.PerRun, s.PerDay)
	}
	if s.Batch <= 0 {
		s.Batch = d.Batch
	}
	return s
}

// exempts reports whether a user is never to be touched. Names of users differ
// by more than letter case within an account (IAM API Reference, CreateUser), so
// case does not matter; nor does an ARN's path. A unique ID is that of a user
// whatever its name (IAM User Guide, "IAM identifiers"); id is "" where it is not
// known.
func (s *Settings) exempts(account, user, id string) bool {
	return slices.ContainsFunc(s.Exempt, func(e string) bool {
		if e == id && id != "" {
			return true
		}
		if part := strings.Split(e, ":"); len(part) == 6 {
			return part[4] == account && strings.EqualFold(part[5][strings.LastIndex(part[5], "/")+1:], user)
		}
		return e == account || strings.EqualFold(e, user)
	})
}

// State is how far a quarantine has come.
type State string

// The states. The zero value is a user with nothing to do.
const (
	Marked    State = "marked"      // by Sweep: past the last reminder
	Would     State = "would"       // reported by a dry run
	Announced State = "announced"   // Effective says for when
	Spared    State = "spared"      // must not be, as Why says
	Attaching State = "attaching"   // the policy may be attached, or is about to be
	Active    State = "quarantined" // since Effective
	Releasing State = "releasing"   // By and Why say who wants it
	Released  State = "released"
)

// Quarantine is the row of a user past the last reminder.
type Quarantine struct {
	Key      string    `json:"key"` // "account/user"
	Account  string    `json:"account"`
	User     string    `json:"user"`              // name
	UserID   string    `json:"user_id,omitempty"` // as soon as it is known
	State    State     `json:"state,omitempty"`
	Due      time.Time `json:"due,omitzero"` // when it is to be checked; zero: never
	Revision int       `json:"revision"`     // of the row, which begins at 1

	Cycle            string            `json:"cycle,omitempty"`    // shows one quarantine of the user from another
	Since            time.Time         `json:"since,omitzero"`     // without MFA since
	Deadline         time.Time         `json:"deadline,omitzero"`  // until when that was tolerated
	Effective        time.Time         `json:"effective,omitzero"` // when the policy is to be attached, or was
	Attached         bool              `json:"attached,omitempty"`
	By               string            `json:"by,omitempty"`  // who released, "" of rootguard itself
	Why              string            `json:"why,omitempty"` // of the release, or of Spared
	MFA              cloudtrail.Answer `json:"mfa,omitempty"` // of the user, as of the release
	ExemptUntil      time.Time         `json:"exempt_until,omitzero"`
	UnansweredChecks int               `json:"unanswered,omitempty"` // checks in a row in which IAM failed
	Failures         int               `json:"failures,omitempty"`   // attempts in a row that failed otherwise

	// Recent is of the one row, with the key "limit", that counts quarantined users:
	// when each was, by row and cycle. Its Since is when the limit was last reported.
	Recent map[string]time.Time `json:"recent,omitempty"`
}

// pending reports whether there is something to release.
func (q *Quarantine) pending() bool {
	switch q.State {
	case Marked, Spared, Announced, Attaching, Active:
		return true
	default:
		return false
	}
}

// CanRelease reports whether Release has something to do, or to wait for.
func (q *Quarantine) CanRelease() bool { return q.pending() || q.State == Releasing }

func (q *Quarantine) target() detect.Target {
	return detect.Target{UserName: q.User, UserID: q.UserID}
}

// ReleaseFor is how long a user is left alone who was released, where no one
// says otherwise.
const ReleaseFor = 7 * 24 * time.Hour

const (
	// recheckInterval is how often a quarantined user is checked, events apart.
	recheckInterval = time.Hour
	// verifyAfter is when it is checked once more whether a user is out of
	// quarantine: an invocation that had decided otherwise is over by then.
	verifyAfter = 10 * time.Minute

	// announcementExpiry is how long after its time an announcement no longer counts, such as
	// one of before quarantine was switched off for a while.
	announcementExpiry = 7 * 24 * time.Hour

	quarantineBatch   = 32
	quarantineReserve = 6 * time.Second // what must be left of the context's time for a batch
)

const consistencyDelay = accountfacts.ConsistencyDelay

// RowKey is worker.Row's.
func (q Quarantine) RowKey() string { return q.Key }

// RowDue is worker.Row's.
func (q Quarantine) RowDue() time.Time { return q.Due }

// Rows keeps how far the quarantine of each user has come.
type Rows = worker.Rows[Quarantine]

// ErrNotQuarantined is returned by Release for a user who is neither quarantined
// nor about to be.
var ErrNotQuarantined = errors.New("the user is neither quarantined nor about to be")

// Of reads how far the quarantine of a user has come; its State is "" where there
// is none.
func Of(ctx context.Context, rows Rows, account, user string) (Quarantine, error) {
	return rows.Get(ctx, keys.User(account, user)) //nolint:wrapcheck // the caller says for what
}

// Release asks for a user to be released, and left alone until a time. The
// function that holds the permission does it, at its next run at the latest.
// It returns the row as it was before; asking twice changes nothing.
func Release(ctx context.Context, rows Rows, account, user, by, why string, at, until time.Time) (before Quarantine, err error) {
	err = rows.Update(ctx, keys.User(account, user), func(q Quarantine) Quarantine {
		before = q
		if !q.pending() {
			return Quarantine{}
		}
		q.State, q.By, q.Why, q.MFA, q.ExemptUntil = Releasing, by, why, cloudtrail.Unknown, until
		q.Due, q.UnansweredChecks = at.Truncate(time.Second), 0 // a schedule's time has no parts of a second
		q.Revision++
		return q
	})
	if err == nil && !before.CanRelease() {
		err = ErrNotQuarantined
	}
	return before, err
}

// Marks schedules users to be quarantined. It is a guard.FactsHook, and a
// mfadeadline.Marker.
type Marks struct {
	rows     Rows
	settings Settings
}

// NewMarks returns Marks over rows.
func NewMarks(rows Rows, settings Settings) *Marks { return &Marks{rows, settings.withDefaults()} }

var _ guard.FactsHook = (*Marks)(nil)

// Mark has Run check a user who is past the last reminder.
func (m *Marks) Mark(ctx context.Context, account string, u *bootstrap.UserStatus, gap bootstrap.MFAGap, at time.Time) error {
	s := &m.settings
	if s.Mode == Off || u.Name == "" || s.exempts(account, u.Name, u.UserID) {
		return nil
	}
	key := keys.User(account, u.Name)
	return m.rows.Update(ctx, key, func(q Quarantine) Quarantine {
		reported := q.State == Would && s.Mode == DryRun && q.Since.Equal(gap.From)
		if q.pending() || q.State == Releasing || reported || at.Before(q.ExemptUntil) {
			return Quarantine{}
		}
		return Quarantine{
			Key: key, Account: account, User: u.Name, UserID: u.UserID, State: Marked, Due: at, Revision: q.Revision + 1,
			Cycle: at.UTC().Format(time.RFC3339), Since: gap.From, Deadline: gap.Deadline,
		}
	})
}

// Added has Run check users soon about which facts report that they may be out of
// quarantine.
func (m *Marks) Added(ctx context.Context, facts []bootstrap.Fact) error {
	if m.settings.Mode == Off {
		return nil
	}
	var errs []error
	for i := range facts {
		f := &facts[i]
		switch f.Kind {
		case bootstrap.MFAEnabled, bootstrap.PasswordRemoved, bootstrap.UserDeleted, bootstrap.UserRenamed, bootstrap.UserReleased:
		default:
			continue
		}
		soon := f.Time.Add(consistencyDelay)
		errs = append(errs, m.rows.Update(ctx, keys.User(f.Account, f.UserName), func(q Quarantine) Quarantine {
			if !q.pending() || !soon.Before(q.Due) {
				return Quarantine{}
			}
			q.Due = soon
			q.Revision++
			return q
		}))
	}
	return errors.Join(errs...)
}

// Done says what a Quarantine did.
type Done struct {
	Checked    int  // users
	Would      int  // reported by a dry run
	Announced  int  // reported that they will be quarantined
	Attached   int  // quarantined
	Spared     int  // reported that they are not, and why
	Released   int  // out of quarantine, or called off
	Unanswered int  // users about whom IAM failed; they are checked again
	More       bool // some are due that were left to the next run
}

// Guard raises findings. It is a *guard.Guard.
type Guard interface {
	Raise(ctx context.Context, f detect.Finding) (guard.Result, error)
}

// Deps are what a Worker works with. All but Pages are required.
type Deps struct {
	Guard Guard
	Facts guard.Facts
	Pages accountfacts.Pages // nil where facts are read whole
	Rows  Rows
	Now   func() time.Time
}

// Worker quarantines users, and releases them.
type Worker struct {
	deps     Deps
	settings Settings
	facts    accountfacts.Reader
}

// New returns a Worker. A zero field of the settings means its default.
func New(deps Deps, settings Settings) *Worker {
	settings = settings.withDefaults()
	return &Worker{deps, settings, accountfacts.Reader{Facts: deps.Facts, Pages: deps.Pages, Options: settings.Bootstrap}}
}

// Quarantine checks the users that Sweep has marked: it says what would be
// done, or announces it and does it when the time of notice is over. Right before
// each of these it asks IAM again, and drops who has MFA by now, has no password,
// is gone, or is another by its unique ID. It spares the last administrator who
// can sign in, and a user that a permissions boundary or an organization's policy
// keeps from enabling MFA, and says so. Users in quarantine it releases when
// they have MFA, and anyone who Release was called for.
//
// The order is: the row, which says what is about to be done, IAM, then the fact,
// the alert and the row again. Each can be done twice, so that a crash anywhere leaves the row due and the next run ends what
// this one began: an alert is reported once, by its claim, and never before what it
// reports. Where the row changed meanwhile, it stays as it is and is checked
// again; and a user out of quarantine is checked once more, so that no
// invocation that was late leaves a policy on someone who was released.
func (w *Worker) Quarantine(ctx context.Context, live UserChecker, policy Policy, safety Safety, at time.Time) (Done, error) {
	q := run{deps: &w.deps, settings: &w.settings, facts: w.facts, live: live, policy: policy, safety: safety, at: at,
		moved: map[string]bool{}}
	batch := min(w.settings.Batch, quarantineBatch)
	loop := worker.Loop[Quarantine]{
		What: "users to quarantine", At: at, Now: w.deps.Now, Backoff: worker.AfterFailure(),
		Page: batch, Batch: batch, Reserve: quarantineReserve,
		Due:    w.deps.Rows.Due,
		Row:    func(row *Quarantine) (string, int) { return row.Key, max(row.Failures, row.UnansweredChecks) },
		Do:     q.batch,
		PutOff: q.putOff,
	}
	run := loop.Run(ctx)
	q.More = q.More || run.More
	return q.Done, run.Err()
}

// run is one run.
type run struct {
	deps     *Deps
	settings *Settings
	facts    accountfacts.Reader
	live     UserChecker
	policy   Policy
	safety   Safety
	at       time.Time

	mu sync.Mutex
	Done
	reserving sync.Mutex
	begun     int             // users for whom there was room in this run
	moved     map[string]bool // rows of the batch of which is stored how far they have come
}

func (q *run) count(n *int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	*n++
}

func (q *run) batch(ctx context.Context, _ int, due []Quarantine) []worker.Result {
	clear(q.moved)
	results := make([]worker.Result, len(due))
	byAccount := map[string][]int{}
	for i := range due {
		byAccount[due[i].Account] = append(byAccount[due[i].Account], i)
	}
	for _, account := range slices.Sorted(maps.Keys(byAccount)) {
		q.account(ctx, account, byAccount[account], due, results)
	}
	return results
}

func (q *run) account(ctx context.Context, account string, of []int, due []Quarantine, results []worker.Result) {
	rows := make([]Quarantine, len(of))
	for n, i := range of {
		rows[n] = due[i]
	}
	facts, err := q.facts.About(ctx, account, usersOf(rows)...)
	if err != nil {
		for _, i := range of {
			results[i] = guard.ResultOf(fmt.Errorf("reading facts of account %s: %w", account, err))
		}
		return
	}
	users := q.facts.Users(account, facts, q.at)
	worker.Each(len(rows), func(n int) {
		row, result := rows[n], &results[of[n]]
		if err := q.step(ctx, row, users); err != nil {
			*result = guard.ResultOf(fmt.Errorf("quarantine of user %s of account %s: %w", row.User, row.Account, err))
			return
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		if q.moved[row.Key] {
			result.Outcome = worker.Moved
		}
	})
}

// putOff stores that an attempt failed, unless the row has changed.
func (q *run) putOff(ctx context.Context, row *Quarantine, failures int, until time.Time) (stored bool, err error) {
	err = q.deps.Rows.Update(ctx, row.Key, func(now Quarantine) Quarantine {
		begun := now.State == Attaching && now.Revision == row.Revision+1 // by this attempt
		if stored = now.Revision == row.Revision || begun; !stored {
			return Quarantine{}
		}
		now.Due, now.Failures = until, failures
		now.Revision++
		return now
	})
	return stored, err
}

// usersOf are the users of rows, by name and ID.
func usersOf(due []Quarantine) []string {
	users := make([]string, 0, 2*len(due))
	for i := range due {
		users = append(users, due[i].User, due[i].UserID)
	}
	return users
}

// step takes the next step of one user.
func (q *run) step(ctx context.Context, row Quarantine, users map[string][]*bootstrap.UserStatus) error {
	u := accountfacts.Present(users[cmp.Or(row.UserID, row.User)])
	if row.CanRelease() && u != nil && row.UserID != "" && u.Name != "" && u.Name != row.User {
		return q.follow(ctx, row, u.Name)
	}
	switch {
	case row.State == Releasing:
		return q.release(ctx, row, u)
	case row.pending():
		return q.judge(ctx, row, u)
	default:
		return q.verify(ctx, row)
	}
}

// store keeps how far a user has come, unless the row changed since it was read:
// then what changed is checked in the light of what was done here.
func (q *run) store(ctx context.Context, was int, row Quarantine) error {
	moved := false
	err := q.deps.Rows.Update(ctx, row.Key, func(now Quarantine) Quarantine {
		if moved = now.Revision == was; moved {
			row.Revision, row.Failures = was+1, 0
			return row
		}
		now.Due = q.at
		now.Revision++
		return now
	})
	if err != nil {
		return fmt.Errorf("storing how far it has come: %w", err)
	}
	if moved {
		q.mu.Lock()
		defer q.mu.Unlock()
		q.Checked++
		q.moved[row.Key] = true
	}
	return nil
}

// postpone checks again later, since IAM failed, and reports it if it goes on.
func (q *run) postpone(ctx context.Context, row Quarantine, failed error) error {
	if err := ctx.Err(); err != nil {
		return failed // it is due for the next run
	}
	row.Due = q.at.Add(worker.Unreachable().After(row.Key, row.UnansweredChecks+1))
	row.UnansweredChecks++
	q.count(&q.Unanswered)
	if row.UnansweredChecks >= accountfacts.AlertAfter {
		what := fmt.Sprintf("User %s cannot be checked, quarantined or released, %d times in a row: %v", row.User, row.UnansweredChecks, failed)
		if _, err := q.deps.Guard.Raise(ctx, detect.Unhealthy(row.Account, "", "quarantine of "+row.User, what, q.at)); err != nil {
			return err
		}
	}
	return q.store(ctx, row.Revision, row)
}

// iam makes one call of IAM, in bounded time.
func iam[T any](ctx context.Context, call func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, accountfacts.CheckTimeout)
	defer cancel()
	return call(ctx)
}

// errUserWentAway is of a user who may have been renamed, whose record says where
// the policy went.
var errUserWentAway = errors.New("IAM does not know the user, and no record shows its end")

// judge decides about a user who is to be quarantined, or is.
func (q *run) judge(ctx context.Context, row Quarantine, u *bootstrap.UserStatus) error {
	if q.settings.exempts(row.Account, row.User, row.UserID) {
		return q.end(ctx, row, "The settings exempt the user", cloudtrail.Unknown)
	}
	live, err := iam(ctx, func(ctx context.Context) (bootstrap.LiveFact, error) { return q.live.User(ctx, row.Account, row.User) })
	if err != nil {
		return q.postpone(ctx, row, err)
	}
	switch {
	case live.Gone && (row.State == Active || row.State == Attaching) && u != nil && row.UnansweredChecks < accountfacts.AlertAfter:
		return q.postpone(ctx, row, errUserWentAway)
	case live.Gone:
		return q.end(ctx, row, "The user does not exist any more", cloudtrail.Unknown)
	case row.UserID != "" && live.UserID != "" && row.UserID != live.UserID:
		return q.end(ctx, row, "Another user has its name", cloudtrail.Unknown)
	case q.settings.exempts(row.Account, row.User, live.UserID):
		return q.end(ctx, row, "The settings exempt the user", cloudtrail.Unknown)
	case len(live.MFADevices) > 0:
		return q.end(ctx, row, "The user has MFA", cloudtrail.Yes)
	case live.ConsoleLogin == nil || !*live.ConsoleLogin:
		return q.end(ctx, row, "The user has no console password", cloudtrail.Unknown)
	case row.State != Active && !overdue(u, q.at):
		return q.end(ctx, row, "Its records show MFA, a password removed or a new deadline", cloudtrail.Unknown)
	}
	row.UserID = cmp.Or(row.UserID, live.UserID)
	mode := q.settings.Mode
	switch {
	case row.State == Active:
		return q.stay(ctx, row)
	case row.State == Attaching && mode != On:
		return q.end(ctx, row, "Quarantine was switched off while the policy was being attached", cloudtrail.No)
	case row.State == Attaching:
		return q.attach(ctx, row, u)
	case mode != DryRun && mode != On:
		row.State, row.Due = "", time.Time{}
		return q.store(ctx, row.Revision, row)
	case mode == On && row.State == Announced && !q.at.After(row.Effective.Add(announcementExpiry)):
		if q.at.Before(row.Effective) {
			row.Due, row.UnansweredChecks = row.Effective, 0
			return q.store(ctx, row.Revision, row)
		}
		return q.attach(ctx, row, u)
	}
	if why, err := q.spareReason(ctx, &row, u); err != nil {
		return q.postpone(ctx, row, err)
	} else if why != "" {
		return q.spare(ctx, row, why)
	}
	if mode == DryRun {
		return q.would(ctx, row)
	}
	if row.State != Marked {
		row.newCycle()
	}
	return q.announce(ctx, row)
}

// overdue reports whether the facts know a user without MFA beyond the deadline.
func overdue(u *bootstrap.UserStatus, at time.Time) bool {
	if u == nil || len(u.MFAGaps) == 0 {
		return false
	}
	gap := u.MFAGaps[len(u.MFAGaps)-1]
	return gap.To.IsZero() && at.After(gap.Deadline)
}

// follow moves the row of a user who was renamed to the new name.
func (q *run) follow(ctx context.Context, row Quarantine, name string) error {
	key := keys.User(row.Account, name)
	err := q.deps.Rows.Update(ctx, key, func(now Quarantine) Quarantine {
		if now.pending() || now.State == Releasing {
			return Quarantine{}
		}
		moved := row
		moved.Key, moved.User, moved.Due, moved.Revision = key, name, q.at, now.Revision+1
		return moved
	})
	if err != nil {
		return fmt.Errorf("following the user to its new name: %w", err)
	}
	row.State, row.Due, row.Attached = "", time.Time{}, false
	return q.store(ctx, row.Revision, row)
}

func (q *run) alert(ctx context.Context, row *Quarantine, stage detect.QuarantineStage, n *int) error {
	res, err := q.deps.Guard.Raise(ctx, detect.Quarantined(row.Account, row.target(), row.Deadline, stage, row.Cycle, q.at, row.Effective))
	if err == nil && res.Reported() {
		q.count(n)
	}
	return err
}

func (q *run) would(ctx context.Context, row Quarantine) error {
	if err := q.alert(ctx, &row, detect.QuarantineWould, &q.Would); err != nil {
		return err
	}
	row.State, row.Due, row.UnansweredChecks = Would, time.Time{}, 0
	return q.store(ctx, row.Revision, row)
}

func (q *run) announce(ctx context.Context, row Quarantine) error {
	// Of a schedule's event that comes late, the time is past: notice begins now.
	row.Effective = keys.Latest(q.at, q.deps.Now()).Add(q.settings.Notice).Truncate(time.Second)
	if err := q.alert(ctx, &row, detect.QuarantineAnnounced, &q.Announced); err != nil {
		return err
	}
	row.State, row.Due, row.UnansweredChecks = Announced, row.Effective, 0
	return q.store(ctx, row.Revision, row)
}

func (q *run) note(ctx context.Context, row *Quarantine, kind bootstrap.FactKind, actor, what string) error {
	policy := cmp.Or(q.settings.Bootstrap.QuarantinePolicy, bootstrap.DefaultQuarantinePolicy)
	fact := bootstrap.QuarantineFact(row.Account, kind, row.User, row.UserID, policy, row.Cycle, q.at, actor, what)
	if _, err := q.deps.Facts.Add(ctx, []bootstrap.Fact{fact}); err != nil {
		return fmt.Errorf("recording it: %w", err)
	}
	return nil
}

// stay checks whether the policy is still there. Someone who took it off by hand
// is not fought with: CloudTrail's record of that is guard.tampered, and the user
// is left alone for as long as after a release.
func (q *run) stay(ctx context.Context, row Quarantine) error {
	if shown := row.Effective.Add(consistencyDelay); q.at.Before(shown) {
		row.Due = shown // IAM may not show it yet
		return q.store(ctx, row.Revision, row)
	}
	attached, err := iam(ctx, func(ctx context.Context) (bool, error) { return q.policy.Attached(ctx, row.Account, row.User) })
	if err != nil {
		return q.postpone(ctx, row, err)
	}
	if !attached {
		row.ExemptUntil = q.at.Add(ReleaseFor)
		return q.end(ctx, row, "The policy was taken off the user, and not by rootguard", cloudtrail.No)
	}
	row.Due, row.UnansweredChecks = q.at.Add(recheckInterval), 0
	return q.store(ctx, row.Revision, row)
}

// end releases a user for whom quarantine is no longer called for, and drops one
// of whom no one was reported.
func (q *run) end(ctx context.Context, row Quarantine, why string, mfa cloudtrail.Answer) error {
	was := row.Revision
	if row.State == Marked || row.State == Spared {
		row.State, row.Why, row.Due = "", "", time.Time{}
		return q.store(ctx, was, row)
	}
	row.State, row.By, row.Why, row.MFA, row.Due, row.UnansweredChecks = Releasing, "", why, mfa, q.at, 0
	return q.store(ctx, was, row) // and then it is due at once
}

func (q *run) release(ctx context.Context, row Quarantine, u *bootstrap.UserStatus) error {
	was, err := iam(ctx, func(ctx context.Context) (bool, error) { return q.policy.Detach(ctx, row.Account, row.User) })
	if err != nil {
		return q.postpone(ctx, row, err)
	}
	if !was && row.Attached && u != nil && row.UnansweredChecks < accountfacts.AlertAfter {
		live, err := iam(ctx, func(ctx context.Context) (bootstrap.LiveFact, error) { return q.live.User(ctx, row.Account, row.User) })
		if err == nil && live.Gone {
			err = errUserWentAway
		}
		if err != nil {
			return q.postpone(ctx, row, err)
		}
	}
	done := was || row.Attached
	if done {
		if err := q.note(ctx, &row, bootstrap.UserReleased, cmp.Or(row.By, "rootguard"), "release: "+row.Why); err != nil {
			return err
		}
	}
	why := row.Why
	if !row.ExemptUntil.IsZero() {
		why += "; left alone until " + row.ExemptUntil.UTC().Format(time.RFC3339)
	}
	res, err := q.deps.Guard.Raise(ctx, detect.Released(row.Account, row.target(), row.Cycle, done, row.MFA, row.By, why, q.at))
	if err != nil {
		return err
	}
	if res.Reported() {
		q.count(&q.Released)
	}
	row.State, row.Attached, row.Due, row.UnansweredChecks = Released, false, q.at.Add(verifyAfter), 0
	return q.store(ctx, row.Revision, row)
}

// verify checks once more a user who is not in quarantine.
func (q *run) verify(ctx context.Context, row Quarantine) error {
	was, err := iam(ctx, func(ctx context.Context) (bool, error) { return q.policy.Detach(ctx, row.Account, row.User) })
	if err != nil {
		return q.postpone(ctx, row, err)
	}
	row.Due, row.UnansweredChecks = time.Time{}, 0
	if was {
		row.Due = q.at.Add(verifyAfter)
	}
	return q.store(ctx, row.Revision, row)
}
