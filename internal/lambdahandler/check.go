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
	user   string
	live   bootstrap.LiveFact
	result string // "recorded", or why not
}

// check asks IAM about the user that the record is about and records the
// answer. That IAM cannot be asked is logged and no error: the alert is out,
// and the record itself is on file. An error is the journal's.
//
// Within the first minutes the answer may be older than the record. One that
// contradicts it is dropped, and any other counts as of the record's own time,
// so that it never overrules records of what came after.
func (h *Handler) check(ctx context.Context, rec *cloudtrail.Record, o *outcome) error {
	who, ok := subjectOf(rec)
	if !ok || rec.EventTime.IsZero() {
		return nil
	}
	o.check = &checked{user: who.name}
	checkCtx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	live, err := h.deps.Users.User(checkCtx, rec.Account(), who.name)
	if err != nil {
		o.check.result = "failed: " + err.Error()
		return nil
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
	if _, err := h.deps.Journal.Add(ctx, []bootstrap.Fact{bootstrap.LiveFactOf(rec.Account(), at, live)}); err != nil {
		o.check.result = "not recorded"
		return fmt.Errorf("recording the live check of user %s: %w", who.name, err)
	}
	o.check.result = "recorded"
	return nil
}

// subject is the user a record is about, and what it did to them.
type subject struct {
	name, id string // id: AIDA…, "" where the record does not say it
	event    string
	serial   string // of an MFA device
}

// checkedChanges are the IAM calls after which password or MFA may be others,
// or the user may be under another name. A deleted user needs no check.
var checkedChanges = map[string]bool{
	"CreateUser": true, "UpdateUser": true,
	"CreateLoginProfile": true, "UpdateLoginProfile": true, "DeleteLoginProfile": true, "ChangePassword": true,
	"EnableMFADevice": true, "DeactivateMFADevice": true,
}

func subjectOf(rec *cloudtrail.Record) (subject, bool) {
	if c, ok := rec.IAMChange(); ok {
		s := subject{name: c.UserName, id: c.UserID, event: c.Name, serial: c.SerialNumber}
		if c.NewUserName != "" {
			s.name = c.NewUserName
		}
		return s, checkedChanges[c.Name] && !c.Root && s.name != ""
	}
	ui := &rec.UserIdentity
	s := subject{name: ui.UserName, id: ui.PrincipalID, event: rec.EventName}
	return s, rec.EventSource == cloudtrail.SigninSource && rec.EventName == "ConsoleLogin" && ui.Type == "IAMUser" && !rec.Failed() && s.name != ""
}

// contradicts says how an answer of IAM differs from what the record says was
// done, "" where it does not.
func (s *subject) contradicts(live bootstrap.LiveFact) string {
	const lag = ", which the record contradicts; IAM may lag behind"
	has := live.ConsoleLogin != nil && *live.ConsoleLogin
	switch {
	case live.Gone:
		return "IAM does not know the user" + lag
	case !has && (s.event == "CreateLoginProfile" || s.event == "UpdateLoginProfile" || s.event == "ChangePassword" || s.event == "ConsoleLogin"):
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
