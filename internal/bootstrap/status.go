package bootstrap

import (
	"strings"
	"time"
)

// Step is one step of an account's bootstrap journey.
type Step string

// The steps, in the order of the journey.
const (
	RootMFA              Step = "root_mfa"
	RootKeysAbsent       Step = "root_keys_absent"
	AdminUser            Step = "admin_user"
	AdminSignedIn        Step = "admin_signed_in"
	AdminPasswordChanged Step = "admin_password_changed"
	AdminMFA             Step = "admin_mfa"
	RootQuiet            Step = "root_quiet"
)

// Steps lists every step in the order of the journey.
func Steps() []Step {
	return []Step{RootMFA, RootKeysAbsent, AdminUser, AdminSignedIn, AdminPasswordChanged, AdminMFA, RootQuiet}
}

// State is the state of a step.
type State string

// The states.
const (
	Pending       State = "pending"
	Done          State = "done"
	Regressed     State = "regressed"
	NotApplicable State = "not_applicable"
	Unknown       State = "unknown" // nothing seen, in logs or live, that shows it
)

// Evidence is what a state rests on.
type Evidence struct {
	EventID string    `json:"event_id,omitempty"` // empty for a live check
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor,omitempty"`
	What    string    `json:"what"` // e.g. "EnableMFADevice (security key)", "live check: AccountMFAEnabled=1"
}

// Live reports whether the evidence is a live check, and no event.
func (e *Evidence) Live() bool { return e.EventID == "" && strings.HasPrefix(e.What, liveCheck) }

// liveCheck begins the evidence of a live check.
const liveCheck = "live check"

// Transition is one change of a step's state.
type Transition struct {
	From     State     `json:"from"`
	To       State     `json:"to"`
	At       time.Time `json:"at"`
	Evidence Evidence  `json:"evidence"`
}

// StepStatus is one row of the checklist.
type StepStatus struct {
	Step     Step         `json:"step"`
	State    State        `json:"state"`
	Since    time.Time    `json:"since,omitzero"`
	Note     string       `json:"note,omitempty"` // e.g. the device kind, or what is still needed
	Evidence *Evidence    `json:"evidence,omitempty"`
	History  []Transition `json:"history,omitempty"` // oldest first
}

// MFAState is the state of an IAM user's MFA.
type MFAState string

// The states of a user's MFA.
const (
	MFANotNeeded  MFAState = "not_needed"  // no console password
	MFAPending    MFAState = "pending_mfa" // console password, no MFA, within the grace time
	MFAMissing    MFAState = "missing"     // console password, no MFA, grace time over
	MFAOn         MFAState = "on"
	MFAUnknownYet MFAState = "unknown" // existed before the first record: nothing says
)

// UserStatus is one tracked IAM user. Its identity is UserID, not the name.
type UserStatus struct {
	UserID          string    `json:"user_id,omitempty"` // AIDA…; empty while only the name is known
	Name            string    `json:"name"`
	FormerNames     []string  `json:"former_names,omitempty"`
	CreatedAt       time.Time `json:"created_at,omitzero"`
	CreatedBy       string    `json:"created_by,omitempty"`
	Deleted         bool      `json:"deleted,omitempty"`
	DeletedAt       time.Time `json:"deleted_at,omitzero"`
	ConsoleAccess   bool      `json:"console_access"`
	Admin           bool      `json:"admin"`
	MFA             MFAState  `json:"mfa"`
	MFASince        time.Time `json:"mfa_since,omitzero"`
	MFADevices      []string  `json:"mfa_devices,omitempty"` // serial numbers
	GraceDeadline   time.Time `json:"grace_deadline,omitzero"`
	LastSignIn      time.Time `json:"last_sign_in,omitzero"`
	MFAGaps         []MFAGap  `json:"mfa_gaps,omitempty"` // every time with a password and without MFA, oldest first
	ConsoleEvidence *Evidence `json:"console_evidence,omitempty"`
	Quarantined     *Evidence `json:"quarantined,omitempty"` // what put the user under the quarantine policy, and when; nil: it is not
}

// MFAGap is a time in which a user could sign in to the console without MFA.
type MFAGap struct {
	From     time.Time `json:"from"`
	Deadline time.Time `json:"deadline"`
	To       time.Time `json:"to,omitzero"` // zero while open
	Evidence Evidence  `json:"evidence"`    // what opened it
}

// Status is the status of one account.
type Status struct {
	Account           string       `json:"account"`
	AsOf              time.Time    `json:"as_of"`
	Bootstrapped      bool         `json:"bootstrapped"`        // every applicable step is done
	NoRootCredentials bool         `json:"no_root_credentials"` // centralized root access removed them
	Steps             []StepStatus `json:"steps"`               // in the order of Steps()
	Users             []UserStatus `json:"users"`               // by CreatedAt, then name; deleted ones too
	FirstEvent        time.Time    `json:"first_event,omitzero"`
	LastEvent         time.Time    `json:"last_event,omitzero"`

	RootDevices RootDevices `json:"-"`
}

// RootDevices are root's MFA devices that events named.
type RootDevices struct {
	Serials []string // sorted
	All     bool     // there are known to be no others
}
