// Package settings reads what an operator may choose about the deployment from
// the CDK context: the object "rootguard" in cdk.json, and single values given
// as `-c key=value`, which win.
package settings

import (
	"slices"
	"time"

	"rootguard/internal/config"
	"rootguard/internal/partition"
)

// Settings are the validated choices. Parse fills in what was not given.
type Settings struct {
	// Prefix begins the name of every stack, and through it of every resource;
	// the functions know their own resources by it. Default "rootguard".
	Prefix string
	// Partition is the ID of one of package partition; it decides where the guard runs.
	Partition string
	// Regions are the further Regions whose events are forwarded, by name. Default:
	// all that every account of the partition has. A call to a Regional service is
	// an event of that Region alone, so what is left out is not watched.
	Regions []string

	// Receivers get every alert, Escalation the critical ones besides; an empty
	// Escalation makes no topic for them.
	Receivers  Receivers
	Escalation Receivers
	// Routes are further receivers, of the alerts of some accounts.
	Routes []Route
	// NoReceivers says that it is meant where no one receives the alerts.
	NoReceivers bool
	// Slack is the channel that Amazon Q Developer writes to.
	Slack *Slack
	// ChatTopic makes the topic for Amazon Q without a channel, for a client
	// that is set up by hand. It is true where Slack is set.
	ChatTopic bool

	// SecurityHub has every alert imported into the Security Hub of the guard's
	// account and Region, which must be enabled.
	SecurityHub bool

	Grace        time.Duration     // from console access to an alarm about missing MFA; default 24 h
	Reminders    []time.Duration   // from there to the reminders, shortest first; default 1 h, 24 h, 72 h
	Resend       []time.Duration   // from a critical alert to its resends, shortest first; default 15 min, 1 h
	Window       time.Duration     // length of a roll-up window; default 15 min
	Posture      time.Duration     // how often each account's root user is checked; default 1 h
	QuietDays    int               // days without root activity; default 30
	Digest       string            // when the digest comes, as package digest reads it; default weekly
	Drill        time.Duration     // within what time root must have been used under an announcement; 0: no drill is expected
	DrillUsers   []string          // IAM users whose use is a drill too
	AccountNames map[string]string // account ID to the name in alerts
	AdminRoles   []string          // names of roles or permission sets whose sign-ins are an administrator's

	// DayTwo are the steps of day two that are checked, by their names in package daytwo.
	DayTwo []string

	// Quarantine is "", QuarantineDryRun or QuarantineOn: what becomes of users who
	// are still without MFA after the last reminder.
	Quarantine       string
	QuarantineNotice time.Duration // from its announcement to it; default 24 h
	QuarantineDaily  int           // users quarantined in 24 hours at most; default 10
	QuarantineExempt []string      // users by name, ARN or unique ID, and accounts, never quarantined

	// Trail makes a multi-Region trail and its bucket, for accounts without one.
	Trail bool
	// Trails are the names or ARNs of trails that already feed the guard.
	Trails []string
	// Encrypt makes a customer key for the topics. Without it their messages are
	// as safe on disk, and no call on a key can silence them.
	Encrypt bool
	// Metrics has the functions write metrics of their own, which CloudWatch bills.
	Metrics bool
	// Table is the name of a table that an earlier stack left, which the guard goes
	// on with; "" makes one.
	Table string
	// Operators are the ARNs of the roles that may write to the table besides the
	// functions'; without any, every caller with permissions may.
	Operators []string
	// LogDays is how long the functions' logs are kept; default 90.
	LogDays int
	// TerminationProtection keeps CloudFormation from deleting the guard's stack.
	TerminationProtection bool

	// Version is what is deployed, such as v1.4.0 (abc1234), which alerts name; "" is not
	// known. It is no setting of an operator's.
	Version string

	// Organization extends the guard to the accounts of an AWS organization.
	Organization *Organization
}

// The modes of quarantine besides "", which is off.
const (
	QuarantineDryRun = "dry-run"
	QuarantineOn     = "on"
)

// Receivers are the endpoints that an SNS topic delivers to.
type Receivers struct {
	Email []string
	SMS   []string // E.164; gets alerts of severity high and critical only
	HTTPS []string
}

// Empty reports whether no one would receive anything.
func (r Receivers) Empty() bool { return len(r.Email)+len(r.SMS)+len(r.HTTPS) == 0 }

// Deployable is the *Error of settings by which alerts would reach no one, as where
// the address of an earlier deployment is left out of this one, and nil where they
// reach a receiver or NoReceivers says that it is meant. Text messages alone count:
// they leave out what is below high, of which the deployment warns.
func (s *Settings) Deployable() error {
	if s.NoReceivers || s.Slack != nil || !s.Receivers.Empty() {
		return nil
	}
	return &Error{Key: Object + ".email",
		Fix: `no one would receive the alerts, and a deployment would remove the receivers of an earlier one: put the address into cdk.json, as in {"context": {"rootguard": {"email": ["ops@example.com"]}}}, or give it each time with -c email=ops@example.com (make deploy EMAIL=ops@example.com); sms, https and slack are receivers too. If it is meant that there are none, set receivers to "none"`}
}

// Route is who gets the alerts of some accounts besides the receivers of all. A
// receiver that it names gets no others.
type Route struct {
	config.Route
	Receivers
}

// Slack names a channel of a workspace that Amazon Q Developer may write to.
type Slack struct {
	Workspace string // "T…", as the Amazon Q Developer console shows it
	Channel   string // "C…" or "G…"
}

// Organization is an AWS organization whose member accounts forward their events.
type Organization struct {
	ID         string   // "o-…"
	Management string   // account ID of the management account
	Hub        string   // account ID of the account the guard is deployed to
	Units      []string // organizational units ("ou-…") or the root ("r-…") whose accounts are watched
}

// Delegated reports whether the guard runs in another account than the
// management account, which service-managed stack sets never reach.
func (o *Organization) Delegated() bool { return o.Hub != o.Management }

// Home is the Region the guard runs in.
func (s *Settings) Home() string { return s.partition().Home }

// Second is the Region of the second way out; "" where there is none.
func (s *Settings) Second() string {
	p := s.partition()
	return p.SecondOf(s.Regions)
}

// Unwatched are the Regions that every account of the partition has and none of
// whose events reach the guard.
func (s *Settings) Unwatched() []string {
	p := s.partition()
	return slices.DeleteFunc(p.Further(), func(r string) bool { return slices.Contains(s.Regions, r) })
}

// OptIn are the Regions that must be enabled in an account before anything can
// be deployed there.
func (s *Settings) OptIn() []string {
	p := s.partition()
	return slices.DeleteFunc(slices.Clone(s.Regions), func(r string) bool { return slices.Contains(p.Regions, r) })
}

func (s *Settings) partition() partition.Partition {
	p, _ := partition.Of(s.Partition) // Parse lets no other through
	return p
}
