package wiretest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/mfadeadline"
	"rootguard/internal/wire"
)

// IAMCall is a record of an administrator's call about a user.
func IAMCall(name, user string, at time.Time) *cloudtrail.Record {
	return &cloudtrail.Record{
		EventID: name + " " + user + " " + at.Format(time.RFC3339), EventTime: at, EventType: "AwsApiCall",
		EventSource: "iam.amazonaws.com", EventName: name, RecipientAccountID: Account,
		UserIdentity:      cloudtrail.UserIdentity{Type: "IAMUser", UserName: "boss", PrincipalID: "AIDABOSS"},
		RequestParameters: fmt.Appendf(nil, `{"userName":%q,"serialNumber":"arn:aws:iam::%s:mfa/%s"}`, user, Account, user),
		ResponseElements:  fmt.Appendf(nil, `{"user":{"userName":%q,"userId":"AIDA%s"}}`, user, strings.ToUpper(user)),
	}
}

// ErrThrottled is IAM's where LiveUsers is Down.
var ErrThrottled = errors.New("Throttling")

// LiveUser is a user as IAM knows it.
type LiveUser struct{ Password, MFA bool }

// LiveUsers is a mfadeadline.UserChecker. A user that is not in it does not exist.
type LiveUsers struct {
	mu     sync.Mutex
	Users  map[string]LiveUser
	IDs    map[string]string // unique IDs, by name; an answer may lack it
	Down   bool
	Asked  int
	During func() // called once, after the answer was made and before it arrives
}

// User is mfadeadline.UserChecker's.
func (l *LiveUsers) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	l.mu.Lock()
	during := l.During
	l.During = nil
	defer func() {
		l.mu.Unlock()
		if during != nil {
			during()
		}
	}()
	l.Asked++
	if l.Down {
		return bootstrap.LiveFact{}, ErrThrottled
	}
	u, found := l.Users[name]
	if !found {
		return bootstrap.LiveFact{UserName: name, Gone: true}, nil
	}
	live := bootstrap.LiveFact{UserName: name, UserID: l.IDs[name], ConsoleLogin: &u.Password}
	if u.MFA {
		live.MFADevices = []string{"arn:aws:iam::" + Account + ":mfa/" + name}
	}
	return live, nil
}

// Swept is a world whose users are swept.
type Swept struct {
	*World
	IAM       *LiveUsers
	Deadlines *fake.Deadlines
}

// NewSwept returns one without users.
func NewSwept(change ...func(*wire.Settings)) *Swept {
	w := NewWorld(change...)
	s := &Swept{World: w, IAM: &LiveUsers{Users: map[string]LiveUser{}}, Deadlines: &fake.Deadlines{Script: w.Script, Conflicts: true}}
	s.Parts = NewSweptLike(s)
	return s
}

// MustSweep sweeps once and compares what was done.
func (s *Swept) MustSweep(t *testing.T, want mfadeadline.Swept) {
	t.Helper()
	got, err := s.Sweep(t.Context(), s.IAM, s.Clock.Now())
	if err != nil {
		t.Fatalf("sweeping: %v", err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sweep at %v (-want +got):\n%s", s.Clock.Now(), diff)
	}
}

// Call makes a call about eve: IAM knows it at once, the guard by its record.
func (s *Swept) Call(t *testing.T, name string) {
	t.Helper()
	s.Apply(name, "eve")
	s.MustHandle(t, IAMCall(name, "eve", s.Clock.Now()), guard.Recorded)
}

// Apply has a call take effect in IAM alone.
func (s *Swept) Apply(name, user string) {
	s.IAM.mu.Lock()
	defer s.IAM.mu.Unlock()
	u := s.IAM.Users[user]
	switch name {
	case "CreateLoginProfile":
		u.Password = true
	case "DeleteLoginProfile":
		u.Password = false
	case "EnableMFADevice":
		u.MFA = true
	case "DeactivateMFADevice":
		u.MFA = false
	}
	s.IAM.Users[user] = u
	if name == "DeleteUser" {
		delete(s.IAM.Users, user)
	}
}

// Titles are the alerts so far, as "severity title".
func (s *Swept) Titles() []string {
	all := s.Receivers.Published()
	titles := make([]string, 0, len(all))
	for _, a := range all {
		titles = append(titles, a.Finding.Severity.String()+" "+a.Finding.Title)
	}
	return titles
}

// WantTitles compares the alerts so far.
func (s *Swept) WantTitles(t *testing.T, want ...string) {
	t.Helper()
	wantAlerts(t, want, s.Titles())
}

// The titles of the alerts about eve.
const (
	MissingTitle = "high IAM user still without MFA: eve"
	ClosedTitle  = "info IAM user no longer without MFA: eve"
)

// ReminderTitle is that of reminder n about eve.
func ReminderTitle(severity string, n int) string {
	return fmt.Sprintf("%s IAM user still without MFA, reminder %d of 3: eve", severity, n)
}

// LiveFunc is a mfadeadline.UserChecker.
type LiveFunc func(ctx context.Context, account, name string) (bootstrap.LiveFact, error)

// User is mfadeadline.UserChecker's.
func (f LiveFunc) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	return f(ctx, account, name)
}

// NewSweptLike is a guard over the same stores, with the clock that s has now.
func NewSweptLike(s *Swept) *Parts {
	return NewParts(wire.Deps{
		Detector: DetectorFunc(Nothing), Claims: s.Claims, Facts: s.FactRows, FactRows: s.FactRows, Publisher: s.Receivers,
		Now: s.Clock.Now, Deadlines: s.Deadlines,
	}, s.Settings)
}
