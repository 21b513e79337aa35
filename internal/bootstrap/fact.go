package bootstrap

import (
	"time"

	"rootguard/internal/cloudtrail"
)

// FactKind is what a fact says.
type FactKind string

// The kinds of fact. Those about root and about users come from one successful
// call or sign-in each; root_activity, assumed_root and live are described at
// FactsOf and LiveFactOf.
const (
	RootActivity       FactKind = "root_activity"
	RootSignIn         FactKind = "root_signin"
	RootMFAEnabled     FactKind = "root_mfa_enabled"
	RootMFADeactivated FactKind = "root_mfa_deactivated"
	RootKeyCreated     FactKind = "root_key_created"
	RootKeyDeleted     FactKind = "root_key_deleted"
	RootPasswordSet    FactKind = "root_password_set"
	AssumedRoot        FactKind = "assumed_root"

	// RootPasswordRemoved is DeleteLoginProfile of root, which central root access
	// does in member accounts.
	RootPasswordRemoved FactKind = "root_password_removed"

	// RootPasswordUsed is that root's password was right, or set, without a sign-in
	// that is on record for it. No status depends on it.
	RootPasswordUsed FactKind = "root_password_used"

	UserCreated        FactKind = "user_created"
	UserRenamed        FactKind = "user_renamed"
	UserDeleted        FactKind = "user_deleted"
	UserSignIn         FactKind = "user_signin"
	PasswordSet        FactKind = "password_set"     // CreateLoginProfile
	PasswordReset      FactKind = "password_reset"   // UpdateLoginProfile
	PasswordRemoved    FactKind = "password_removed" // DeleteLoginProfile
	PasswordChanged    FactKind = "password_changed" // ChangePassword, by the user
	MFAEnabled         FactKind = "mfa_enabled"
	MFADeactivated     FactKind = "mfa_deactivated"
	UserPolicyGranted  FactKind = "user_policy_granted" // Admin says whether it grants everything
	UserPolicyRevoked  FactKind = "user_policy_revoked"
	UserKeyCreated     FactKind = "user_key_created" // no status depends on it
	GroupCreated       FactKind = "group_created"
	GroupRenamed       FactKind = "group_renamed"
	GroupDeleted       FactKind = "group_deleted"
	GroupPolicyGranted FactKind = "group_policy_granted"
	GroupPolicyRevoked FactKind = "group_policy_revoked"
	GroupJoined        FactKind = "group_joined"
	GroupLeft          FactKind = "group_left"

	// The quarantine policy was put on a user, or taken off. Both the record of
	// the call and rootguard itself report it; Policy is the policy's ARN.
	UserQuarantined FactKind = "user_quarantined"
	UserReleased    FactKind = "user_released"

	// Of roles by which people sign in without an IAM user. Any role's sign-in to
	// the console is a fact; of its policies only those of the roles that IAM
	// Identity Center makes of permission sets.
	RoleSignIn        FactKind = "role_signin"
	RoleCreated       FactKind = "role_created"
	RoleDeleted       FactKind = "role_deleted"
	RolePolicyGranted FactKind = "role_policy_granted" // Admin says whether it grants everything
	RolePolicyRevoked FactKind = "role_policy_revoked"
	RoleChecked       FactKind = "role_checked" // a live check; Admin says whether the role may do everything

	Live FactKind = "live"

	// MFAMissingAlerted notes that an MFAGap was alerted. No status depends
	// on it.
	MFAMissingAlerted FactKind = "mfa_missing_told"
)

// Fact is the part of one record, or of one live check, that a status is made
// of. A set of facts has no order: equal IDs are merged, and Fold sorts by Time
// and EventID, so the status depends on neither arrival order nor repeats.
type Fact struct {
	Account string    `json:"account"`
	ID      string    `json:"id"` // unique in the account; see FactsOf
	Kind    FactKind  `json:"kind"`
	Time    time.Time `json:"time"`
	EventID string    `json:"event_id,omitempty"`

	// Last is the latest of a fact that many events share (root activity in
	// one session); Time and EventID are then the earliest. Of MFAMissingAlerted
	// EventID is that of the alert that opened the subject, and Last the deadline then.
	Last        time.Time `json:"last,omitzero"`
	LastEventID string    `json:"last_event_id,omitempty"`
	LastWhat    string    `json:"last_what,omitempty"`

	Actor   string `json:"actor,omitempty"`    // for people
	ActorID string `json:"actor_id,omitempty"` // principalId

	// of MFAMissingAlerted: "" of the first alert, "intended" before it, else which later one
	Stage string `json:"stage,omitempty"`

	UserName string `json:"user_name,omitempty"`
	UserID   string `json:"user_id,omitempty"`
	NewName  string `json:"new_name,omitempty"`
	Group    string `json:"group,omitempty"`
	Role     string `json:"role,omitempty"`
	Policy   string `json:"policy,omitempty"`
	Admin    bool   `json:"admin,omitempty"`
	Serial   string `json:"serial,omitempty"`

	AccessKeyID string `json:"access_key_id,omitempty"`
	TaskPolicy  string `json:"task_policy,omitempty"` // of sts:AssumeRoot
	// of sts:AssumeRoot: when its key expires; of MFAMissingAlerted: a time within the gap
	Until time.Time         `json:"until,omitzero"`
	Reset cloudtrail.Answer `json:"reset,omitempty"` // passwordResetRequired
	MFA   cloudtrail.Answer `json:"mfa,omitempty"`   // MFAUsed of a successful sign-in
	What  string            `json:"what,omitempty"`  // evidence, for people
	Live  *LiveFact         `json:"live,omitempty"`
}

// LiveFact is what IAM said when asked. A nil field was not asked.
type LiveFact struct {
	// Of GetAccountSummary (IAM API Reference): 0 or 1 each.
	AccountMFAEnabled        *int `json:"account_mfa_enabled,omitempty"`
	AccountAccessKeysPresent *int `json:"account_access_keys_present,omitempty"`
	AccountPasswordPresent   *int `json:"account_password_present,omitempty"`
	// Of ListVirtualMFADevices: whether root has a virtual device. With
	// AccountMFAEnabled set, false leaves passkeys, security keys and hardware
	// TOTP tokens, which that call does not list.
	RootVirtualMFA *bool `json:"root_virtual_mfa,omitempty"`
	// Of one user: GetLoginProfile and ListMFADevices; with MFAActive the credential report.
	UserID       string   `json:"user_id,omitempty"`
	UserName     string   `json:"user_name,omitempty"`
	ConsoleLogin *bool    `json:"console_login,omitempty"`
	MFADevices   []string `json:"mfa_devices,omitempty"` // serial numbers, with ConsoleLogin set: all there are
	MFAActive    *bool    `json:"mfa_active,omitempty"`  // whether there is any MFA device, where MFADevices was not asked
	Gone         bool     `json:"gone,omitempty"`        // the user does not exist
}

// Options are the settings a status depends on.
type Options struct {
	Grace     time.Duration // from console access to user.mfa.missing; default 24 h
	QuietDays int           // days without root activity; default 30

	// QuarantinePolicy is the name of the policy by which users are quarantined;
	// default DefaultQuarantinePolicy.
	QuarantinePolicy string

	// AdminRoles are the roles, or permission sets, whose sign-ins are those of an
	// administrator whatever is known of their rights: the operator says so.
	AdminRoles []string
}

// QuarantineSuffix ends the name of the quarantine policy, after the prefix of
// rootguard's resources.
const QuarantineSuffix = "-quarantine"

// DefaultQuarantinePolicy is the policy's name where no prefix was set.
const DefaultQuarantinePolicy = "rootguard" + QuarantineSuffix
