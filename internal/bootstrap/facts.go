package bootstrap

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

const stsSource = "sts.amazonaws.com"

// assumeRootDuration is how long the credentials of sts:AssumeRoot hold where
// the request does not say (STS API Reference, AssumeRoot).
const assumeRootDuration = 900 * time.Second

// FactsOf returns what a record says about the bootstrap journey. It is empty
// for a record the journey does not depend on: one that changed nothing, one
// that is of no call, and one without an eventTime, which has no place in a
// history.
//
// Activity of the true root user is one fact per access key (or principal),
// session and UTC hour, so that a busy session does not fill the store. Reads
// and denied calls are activity, since root left alone means alone; failed
// sign-ins and requests for password recovery are not, since anyone can make
// them. A session of sts:AssumeRoot is one fact per access key, under the
// account it was aimed at. Everything else is one fact per event.
func FactsOf(rec *cloudtrail.Record) []Fact {
	if rec.EventTime.IsZero() || !rec.Category.IsCall() {
		return nil
	}
	var facts []Fact
	if f, ok := activityFact(rec); ok {
		facts = append(facts, f)
	}
	if f, ok := assumedRootFact(rec); ok {
		facts = append(facts, f)
	}
	if f, ok := signInFact(rec); ok {
		facts = append(facts, f)
	}
	if f, ok := passwordFact(rec); ok {
		facts = append(facts, f)
	}
	if f, ok := changeFact(rec); ok {
		facts = append(facts, f)
	}
	if f, ok := roleFact(rec); ok {
		facts = append(facts, f)
	}
	return facts
}

// AssumedRootFactID is the ID of the fact that a session of sts:AssumeRoot
// leaves under the account it was aimed at. The call itself is recorded in the
// account of the caller; the member's own records may lack assumedRoot and are
// known by this access key alone.
func AssumedRootFactID(accessKeyID string) string { return string(AssumedRoot) + "/" + accessKeyID }

// LiveFactOf is the fact of one live check, made at the given time.
func LiveFactOf(account string, at time.Time, live LiveFact) Fact {
	live.MFADevices = slices.Compact(slices.Sorted(slices.Values(live.MFADevices)))
	at = at.UTC().Round(0)
	sum := sha256.Sum256(liveContent(live))
	return Fact{
		Account: account,
		ID:      string(Live) + "/" + at.Format(time.RFC3339Nano) + "/" + hex.EncodeToString(sum[:8]),
		Kind:    Live,
		Time:    at,
		Live:    &live,
	}
}

// MFAMissingAlertedFact notes that a user's gap was alerted. stage says of
// which alert about it, "" being the first.
func MFAMissingAlertedFact(account string, u *UserStatus, gap MFAGap, stage string) Fact {
	id := string(MFAMissingAlerted) + "/" + cmp.Or(u.UserID, u.Name) + "/" + gap.Deadline.UTC().Format(time.RFC3339)
	if stage != "" {
		id += "/" + stage
	}
	return Fact{
		Account:  account,
		ID:       id,
		Kind:     MFAMissingAlerted,
		Stage:    stage,
		Time:     gap.From,
		Until:    gap.Deadline,
		UserName: u.Name,
		UserID:   u.UserID,
	}
}

// QuarantineFact is the fact that rootguard has put the quarantine policy on a
// user, or taken it off: kind is UserQuarantined or UserReleased. cycle separates one
// quarantine of the user from another; actor and what are for people.
func QuarantineFact(account string, kind FactKind, userName, userID, policyARN, cycle string, at time.Time, actor, what string) Fact {
	return Fact{
		Account:  account,
		ID:       string(kind) + "/" + cmp.Or(userID, userName) + "/" + cycle,
		Kind:     kind,
		Time:     at.UTC().Round(0),
		UserName: userName,
		UserID:   userID,
		Policy:   policyARN,
		Actor:    actor,
		What:     what,
	}
}

// RoleCheckedFact is the fact of a live check of a role, made at the given time:
// admin says whether the role may do everything. Those of one UTC day with the
// same answer are one fact.
func RoleCheckedFact(account, role string, admin bool, at time.Time) Fact {
	at = at.UTC().Round(0)
	return Fact{Account: account, ID: roleCheckedID(role, at, admin), Kind: RoleChecked, Time: at, Role: role, Admin: admin}
}

func roleCheckedID(role string, at time.Time, admin bool) string {
	answer := "other"
	if admin {
		answer = "admin"
	}
	return strings.Join([]string{string(RoleChecked), role, at.UTC().Format(time.DateOnly), answer}, "/")
}

// policyName is the name in a policy's ARN, or the name itself.
func policyName(policy string) string { return policy[strings.LastIndex(policy, "/")+1:] }

// factOf is a fact of one event.
func factOf(rec *cloudtrail.Record, kind FactKind) Fact {
	name, id := actor(&rec.UserIdentity)
	return Fact{
		Account: rec.Account(),
		ID:      string(kind) + "/" + rec.EventID,
		Kind:    kind,
		Time:    rec.EventTime.UTC(),
		EventID: rec.EventID,
		Actor:   name,
		ActorID: id,
		What:    rec.EventName,
	}
}

func activityFact(rec *cloudtrail.Record) (Fact, bool) {
	if rec.RootUse() != cloudtrail.RootTrue || isSignInAttempt(rec) {
		return Fact{}, false
	}
	f := factOf(rec, RootActivity)
	ui := &rec.UserIdentity
	if ui.AccountID != "" {
		f.Account = ui.AccountID // a copy in the account of a resource is about the caller's root
	}
	session := "-"
	if !ui.Session.CreationDate.IsZero() {
		session = ui.Session.CreationDate.UTC().Format(time.RFC3339)
	}
	who := ui.AccessKeyID
	if who == "" {
		who = ui.PrincipalID
	}
	f.ID = strings.Join([]string{string(RootActivity), who, session, f.Time.Format("2006-01-02T15")}, "/")
	f.AccessKeyID = ui.AccessKeyID
	f.What = strings.TrimSuffix(rec.EventSource, ".amazonaws.com") + ":" + rec.EventName
	f.Last, f.LastEventID, f.LastWhat = f.Time, f.EventID, f.What
	return f, true
}

// isSignInAttempt reports whether a record of the sign-in service is of an
// attempt anyone can make, or of a sign-in, which has a fact of its own.
func isSignInAttempt(rec *cloudtrail.Record) bool {
	if rec.EventSource != cloudtrail.SigninSource {
		return false
	}
	if rec.UserIdentity.IssuedByRoot() && !rec.Failed() {
		return false // no fact of its own: MFAUsed says nothing of root's MFA
	}
	return rec.Failed() || rec.EventName == "ConsoleLogin" || rec.EventName == "PasswordRecoveryRequested"
}

func assumedRootFact(rec *cloudtrail.Record) (Fact, bool) {
	var f Fact
	switch {
	case rec.RootUse() == cloudtrail.RootSession:
		f = factOf(rec, AssumedRoot)
		f.Account = rec.UserIdentity.AccountID
		f.AccessKeyID = rec.UserIdentity.AccessKeyID
		f.Actor, f.ActorID, f.What = "", "", "session of AssumeRoot" // who assumed root is in the call alone
	case rec.EventSource == stsSource && rec.EventName == "AssumeRoot" && !rec.Failed():
		f = factOf(rec, AssumedRoot)
		f.Account = targetAccount(rec.Request("targetPrincipal"))
		f.AccessKeyID = member(rec.ResponseElements, "credentials", "accessKeyId")
		f.TaskPolicy = member(rec.RequestParameters, "taskPolicyArn", "arn")
		if f.TaskPolicy == "" {
			f.TaskPolicy = rec.Request("taskPolicyArn")
		}
		f.Until = f.Time.Add(assumeRootDuration)
		if s, err := strconv.Atoi(member(rec.RequestParameters, "durationSeconds")); err == nil && s > 0 && s <= 3600 {
			f.Until = f.Time.Add(time.Duration(s) * time.Second)
		}
	}
	f.ID = AssumedRootFactID(f.AccessKeyID)
	return f, f.Account != "" && f.AccessKeyID != ""
}

// targetAccount is the account of sts:AssumeRoot's targetPrincipal, which is
// "The member account principal ARN or account ID" (STS API Reference).
func targetAccount(principal string) string {
	if part := strings.Split(principal, ":"); len(part) >= 6 && part[0] == "arn" {
		return part[4]
	}
	return principal
}

// member is a scalar inside nested objects, as text; "" where there is none.
func member(raw json.RawMessage, path ...string) string {
	for _, name := range path {
		var o map[string]json.RawMessage
		if json.Unmarshal(raw, &o) != nil {
			return ""
		}
		raw = o[name]
	}
	var s string
	if json.Unmarshal(raw, &s) == nil {
		return s
	}
	var n json.Number
	if json.Unmarshal(raw, &n) == nil {
		return n.String()
	}
	return ""
}

func signInFact(rec *cloudtrail.Record) (Fact, bool) {
	if !rec.SignedIn() {
		return Fact{}, false
	}
	var f Fact
	switch {
	case rec.RootUse() == cloudtrail.RootTrue && !rec.UserIdentity.IssuedByRoot():
		f = factOf(rec, RootSignIn)
	case rec.UserIdentity.Type == "IAMUser":
		f = factOf(rec, UserSignIn)
		f.UserName, f.UserID = f.Actor, f.ActorID
	case rec.UserIdentity.Type == "AssumedRole" && rec.RootUse() == cloudtrail.NotRoot:
		f = factOf(rec, RoleSignIn)
		f.Role = signInRole(&rec.UserIdentity)
		return f, f.Role != "" // its MFAUsed means nothing
	default:
		return Fact{}, false
	}
	f.MFA = rec.MFAUsed()
	switch f.MFA {
	case cloudtrail.Yes:
		f.What = "ConsoleLogin, MFAUsed=Yes"
	case cloudtrail.No:
		f.What = "ConsoleLogin, MFAUsed=No"
	default:
	}
	return f, f.Kind == RootSignIn || f.UserName != "" || f.UserID != ""
}

// PasswordAccepted is What of a fact that IAM took root's password and asked for
// MFA. Whether a sign-in follows is another record's to show.
const PasswordAccepted = "CheckMfa, Success" //nolint:gosec // no credential

// passwordFact is of the records by which IAM may take root's password for used
// though root did not sign in: a step that only the right password leads to, and
// a password that was set. Anybody who has the password can make them, so those
// of one UTC hour are one fact.
func passwordFact(rec *cloudtrail.Record) (Fact, bool) {
	if rec.EventSource != cloudtrail.SigninSource {
		return Fact{}, false
	}
	use := rec.RootUse()
	switch rec.EventName {
	case "ConsoleLogin":
		// MFA is asked for after the password (AWS CloudTrail User Guide, "AWS
		// Management Console sign-in events", the example of root's failed MFA).
		if use != cloudtrail.RootTrue || rec.Succeeded("ConsoleLogin") || rec.Failed() && rec.MFAUsed() != cloudtrail.Yes {
			return Fact{}, false
		}
	case "CheckMfa":
		if use != cloudtrail.RootStep {
			return Fact{}, false
		}
	case "PasswordUpdated", "PasswordRecoveryCompleted":
		if use == cloudtrail.RootTrue || rec.Failed() || rec.UserIdentity.Type != "" && rec.UserIdentity.Type != "Root" {
			return Fact{}, false // root's is activity; others are about another's password
		}
	default:
		return Fact{}, false
	}
	f := factOf(rec, RootPasswordUsed)
	if rec.EventName == "CheckMfa" && rec.Succeeded("CheckMfa") {
		f.What = PasswordAccepted
	}
	f.ID = string(RootPasswordUsed) + "/" + f.Time.Format("2006-01-02T15")
	f.Actor, f.ActorID = "", ""
	f.Last, f.LastEventID, f.LastWhat = f.Time, f.EventID, f.What
	return f, true
}

var rootChanges = map[string]FactKind{
	"EnableMFADevice":     RootMFAEnabled,
	"DeactivateMFADevice": RootMFADeactivated,
	"CreateAccessKey":     RootKeyCreated,
	"DeleteAccessKey":     RootKeyDeleted,
	"CreateLoginProfile":  RootPasswordSet,
	"DeleteLoginProfile":  RootPasswordRemoved,
}

var userChanges = map[string]FactKind{
	"CreateAccessKey":     UserKeyCreated,
	"CreateUser":          UserCreated,
	"UpdateUser":          UserRenamed,
	"DeleteUser":          UserDeleted,
	"CreateLoginProfile":  PasswordSet,
	"UpdateLoginProfile":  PasswordReset,
	"DeleteLoginProfile":  PasswordRemoved,
	"ChangePassword":      PasswordChanged,
	"EnableMFADevice":     MFAEnabled,
	"DeactivateMFADevice": MFADeactivated,
	"AttachUserPolicy":    UserPolicyGranted,
	"PutUserPolicy":       UserPolicyGranted,
	"DetachUserPolicy":    UserPolicyRevoked,
	"DeleteUserPolicy":    UserPolicyRevoked,
	"AddUserToGroup":      GroupJoined,
	"RemoveUserFromGroup": GroupLeft,
}

var groupChanges = map[string]FactKind{
	"CreateGroup":       GroupCreated,
	"UpdateGroup":       GroupRenamed,
	"DeleteGroup":       GroupDeleted,
	"AttachGroupPolicy": GroupPolicyGranted,
	"PutGroupPolicy":    GroupPolicyGranted,
	"DetachGroupPolicy": GroupPolicyRevoked,
	"DeleteGroupPolicy": GroupPolicyRevoked,
}

func changeFact(rec *cloudtrail.Record) (Fact, bool) {
	c, ok := rec.IAMChange()
	if !ok {
		return Fact{}, false
	}
	if c.Root {
		kind, ok := rootChanges[c.Name]
		if !ok {
			return Fact{}, false
		}
		f := factOf(rec, kind)
		f.Serial, f.AccessKeyID = c.SerialNumber, c.AccessKeyID
		f.What = withDevice(kind, c)
		return f, true
	}

	kind, isUser := userChanges[c.Name]
	if !isUser {
		if kind, ok = groupChanges[c.Name]; !ok {
			return Fact{}, false
		}
	}
	f := factOf(rec, kind)
	f.UserName, f.UserID = c.UserName, userID(c.UserID)
	f.NewName = c.NewUserName
	f.Group = c.GroupName
	f.Policy, f.Admin = c.Policy, c.Admin
	f.Serial, f.AccessKeyID = c.SerialNumber, c.AccessKeyID
	f.Reset = c.PasswordResetRequired
	f.What = withDevice(kind, c)
	if f.UserName == "" && f.UserID != "" && f.UserID == f.ActorID {
		f.UserName = f.Actor
	}

	if strings.HasSuffix(policyName(f.Policy), QuarantineSuffix) && !f.Admin {
		switch c.Name {
		case "AttachUserPolicy":
			kind = UserQuarantined
		case "DetachUserPolicy":
			kind = UserReleased
		default:
		}
		f.Kind, f.ID = kind, string(kind)+"/"+rec.EventID
	}

	switch kind {
	case UserRenamed:
		ok = f.NewName != "" && f.NewName != f.UserName
	case GroupRenamed:
		f.NewName = rec.Request("newGroupName")
		ok = f.NewName != "" && f.NewName != f.Group
	case UserPolicyGranted, GroupPolicyGranted:
		// An inline policy may replace one of its name; an attached one replaces nothing.
		ok = f.Admin || strings.HasPrefix(c.Name, "Put")
	case UserPolicyRevoked, GroupPolicyRevoked:
		ok = strings.HasPrefix(c.Name, "Delete") || strings.HasSuffix(f.Policy, ":iam::aws:policy/AdministratorAccess")
	default:
	}
	if isUser && f.UserName == "" && f.UserID == "" {
		return Fact{}, false
	}
	if kind == GroupJoined || kind == GroupLeft || !isUser {
		ok = ok && f.Group != ""
	}
	return f, ok
}

// withDevice is the evidence's text: the eventName, and of an MFA change the kind of device.
func withDevice(kind FactKind, c cloudtrail.IAMChange) string {
	switch kind {
	case RootMFAEnabled, RootMFADeactivated, MFAEnabled, MFADeactivated:
		return c.Name + " (" + cloudtrail.MFADeviceKind(c.SerialNumber) + ")"
	case PasswordSet, PasswordReset:
		if c.PasswordResetRequired == cloudtrail.Yes {
			return c.Name + " (passwordResetRequired)"
		}
	case UserPolicyGranted, UserPolicyRevoked, GroupPolicyGranted, GroupPolicyRevoked:
		return c.Name + " (" + policyName(c.Policy) + ")"
	case GroupJoined, GroupLeft:
		return c.Name + " (" + c.GroupName + ")"
	default:
	}
	return c.Name
}

// actor is who made the call, for people, and the unique ID where it is an IAM user.
func actor(ui *cloudtrail.UserIdentity) (name, id string) {
	resource := ui.ARN[strings.LastIndex(ui.ARN, ":")+1:]
	switch ui.Type {
	case "Root":
		return "root", ""
	case "IAMUser":
		name = ui.UserName
		if name == "" && strings.HasPrefix(resource, "user/") {
			name = resource[strings.LastIndex(resource, "/")+1:]
		}
		return name, userID(ui.PrincipalID)
	case "AssumedRole":
		if session, ok := strings.CutPrefix(resource, "assumed-role/"); ok {
			return session, ""
		}
	}
	for _, name := range []string{ui.UserName, ui.InvokedBy, ui.PrincipalID} {
		if name != "" {
			return name, ""
		}
	}
	return ui.Type, ""
}

// userID is the ID if it can be the unique ID of an IAM user (IAM User Guide,
// "IAM identifiers"), else "": logs made public have theirs masked, all alike.
func userID(id string) string {
	if rest, ok := strings.CutPrefix(id, "AIDA"); !ok || rest == "" || strings.ContainsFunc(rest, notWord) {
		return ""
	}
	return id
}

func notWord(r rune) bool {
	return r != '_' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
}
