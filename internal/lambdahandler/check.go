package lambdahandler

import (
	"context"
	"fmt"
	"slices"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
)

// consistent is how long after a change IAM is trusted to show it everywhere.
// IAM gives no figure (IAM User Guide, "Changes that I make are not always
// immediately visible"); seconds are common.
const consistent = 5 * time.Minute

// checked is what a live check came to, for the log.
type checked struct {
	root   bool
	user   string
	role   string // of a permission set
	admin  bool   // it has administrator rights
	live   bootstrap.LiveFact
	result string // "recorded", or why not
}

// check asks IAM about the user or the root user that the record is about, and
// records the answer. That IAM cannot be asked is logged and no error: the alert
// is out, and the record itself is on file. An error is the fact store's.
//
// Within the first minutes the answer may be older than the record. One that
// contradicts it is dropped, and any other counts as of the record's own time,
// so that it never overrules records of what came after.
func (h *Handler) check(ctx context.Context, rec *cloudtrail.Record, o *outcome) error {
	if role := bootstrap.SignInSet(rec); role != "" {
		return h.checkSet(ctx, rec, role, o)
	}
	who, ok := subjectOf(rec)
	if !ok || rec.EventTime.IsZero() || who.root && h.deps.Roots == nil || !who.root && h.deps.Users == nil {
		return nil
	}
	o.check = &checked{root: who.root, user: who.name}
	live, err := h.ask(ctx, rec.Account(), &who)
	if err != nil {
		o.check.result = "failed: " + err.Error()
		return nil //nolint:nilerr // what was to be reported is reported
	}
	o.check.live = live
	at := h.deps.Now()
	if at.Sub(rec.EventTime) < consistent {
		if why := who.contradicts(live); why != "" {
			o.check.result = "not recorded: " + why
			return nil
		}
		at, live.UserID = rec.EventTime, who.id
	}
	if _, err := h.deps.Facts.Add(ctx, []bootstrap.Fact{bootstrap.LiveFactOf(rec.Account(), at, live)}); err != nil {
		o.check.result = "not recorded"
		return fmt.Errorf("recording the live check of %s: %w", &who, err)
	}
	o.check.result = "recorded"
	return nil
}

// checkSet asks IAM for the rights of the permission set by whose role a person signed
// in: those it had before the first record no record shows. The answer counts as of
// the sign-in, or where that was longer ago as of now.
func (h *Handler) checkSet(ctx context.Context, rec *cloudtrail.Record, role string, o *outcome) error {
	if h.deps.Sets == nil || rec.EventTime.IsZero() {
		return nil
	}
	o.check = &checked{role: role}
	one, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	admin, err := h.deps.Sets.AdminRole(one, rec.Account(), role)
	if err != nil {
		o.check.result = "failed: " + err.Error()
		return nil // what was to be reported is reported; the next sign-in is checked again
	}
	o.check.admin = admin
	at := h.deps.Now()
	if at.Sub(rec.EventTime) < consistent {
		at = rec.EventTime
	}
	if _, err := h.deps.Facts.Add(ctx, []bootstrap.Fact{bootstrap.RoleCheckedFact(rec.Account(), role, admin, at)}); err != nil {
		o.check.result = "not recorded"
		return fmt.Errorf("recording the live check of role %s: %w", role, err)
	}
	o.check.result = "recorded"
	return nil
}

func (h *Handler) ask(ctx context.Context, account string, who *subject) (bootstrap.LiveFact, error) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if who.root {
		return h.deps.Roots.AccountSummary(ctx, account)
	}
	return h.deps.Users.User(ctx, account, who.name)
}

// subject is the user a record is about, and what it did to them.
type subject struct {
	root     bool   // the account's root user; name and id are empty
	name, id string // id: AIDA…, "" where the record does not say it
	event    string
	serial   string            // of an MFA device
	mfa      cloudtrail.Answer // MFAUsed of a sign-in
}

// String names the subject.
func (s *subject) String() string {
	if s.root {
		return "root"
	}
	return "user " + s.name
}

// checkedChanges are the IAM calls after which password or MFA may be others,
// or the user may be under another name. A deleted user needs no check.
var checkedChanges = map[string]bool{
	"CreateUser": true, "UpdateUser": true,
	"CreateLoginProfile": true, "UpdateLoginProfile": true, "DeleteLoginProfile": true, "ChangePassword": true,
	"EnableMFADevice": true, "DeactivateMFADevice": true,
}

// checkedRootChanges are the IAM calls after which what GetAccountSummary shows
// of root may be otherwise.
var checkedRootChanges = map[string]bool{
	"EnableMFADevice": true, "DeactivateMFADevice": true, "CreateAccessKey": true, "DeleteAccessKey": true,
	"CreateLoginProfile": true, "DeleteLoginProfile": true,
}

func subjectOf(rec *cloudtrail.Record) (subject, bool) {
	if c, ok := rec.IAMChange(); ok && c.Root {
		return subject{root: true, event: c.Name}, checkedRootChanges[c.Name]
	} else if ok {
		s := subject{name: c.UserName, id: c.UserID, event: c.Name, serial: c.SerialNumber}
		if c.NewUserName != "" {
			s.name = c.NewUserName
		}
		return s, checkedChanges[c.Name] && s.name != ""
	}
	signedIn := rec.IsConsoleSignIn() && rec.SigninResult() != cloudtrail.Failure
	if rec.RootUse() == cloudtrail.RootTrue {
		return subject{root: true, event: rec.EventName, mfa: rec.MFAUsed()}, signedIn
	}
	ui := &rec.UserIdentity
	s := subject{name: ui.UserName, id: ui.PrincipalID, event: rec.EventName}
	return s, signedIn && ui.Type == "IAMUser" && s.name != ""
}

// contradicts says how an answer of IAM differs from what the record says was
// done, "" where it does not.
func (s *subject) contradicts(live bootstrap.LiveFact) string {
	const lag = ", which the record contradicts; IAM may lag behind"
	if s.root {
		if why := s.contradictsRoot(live); why != "" {
			return why + lag + "; root is checked again soon"
		}
		return ""
	}
	has := live.ConsoleLogin != nil && *live.ConsoleLogin
	switch {
	case live.Gone:
		return "IAM does not know the user" + lag
	case !has && (s.event == "CreateLoginProfile" || s.event == "UpdateLoginProfile" || s.event == "ChangePassword" ||
		s.event == "ConsoleLogin"):
		return "IAM knows no console password" + lag
	case has && s.event == "DeleteLoginProfile":
		return "IAM knows a console password" + lag
	case s.serial != "" && s.event == "EnableMFADevice" && !slices.Contains(live.MFADevices, s.serial):
		return "IAM does not know the MFA device" + lag
	case s.serial != "" && s.event == "DeactivateMFADevice" && slices.Contains(live.MFADevices, s.serial):
		return "IAM still knows the MFA device" + lag
	default:
		return ""
	}
}

// contradictsRoot is contradicts for root. Where one of several devices or keys
// was removed IAM is right to know another, but that cannot be reported from an old
// answer, by which a device removed would count as attached. What is not recorded
// now is found some minutes later: the event has the checks of accounts check root again.
func (s *subject) contradictsRoot(live bootstrap.LiveFact) string {
	is := func(value *int, n int) bool { return value != nil && *value == n }
	switch {
	case is(live.AccountMFAEnabled, 0) && (s.event == "EnableMFADevice" || s.mfa == cloudtrail.Yes):
		return "IAM knows no MFA device of root"
	case is(live.AccountMFAEnabled, 1) && s.event == "DeactivateMFADevice":
		return "IAM still knows an MFA device of root"
	case is(live.AccountAccessKeysPresent, 0) && s.event == "CreateAccessKey":
		return "IAM knows no access key of root"
	case is(live.AccountAccessKeysPresent, 1) && s.event == "DeleteAccessKey":
		return "IAM still knows an access key of root"
	case is(live.AccountPasswordPresent, 0) && (s.event == "CreateLoginProfile" || s.event == "ConsoleLogin"):
		return "IAM knows no password of root"
	case is(live.AccountPasswordPresent, 1) && s.event == "DeleteLoginProfile":
		return "IAM still knows a password of root"
	default:
		return ""
	}
}
