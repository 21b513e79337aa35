package detect

import "slices"

// Entry describes one kind of finding: what every occurrence of it has in common.
type Entry struct {
	ID       ID
	Severity Severity // the default; what a record says can raise or lower it
	Title    string   // of the kind; an occurrence has a more precise one
	Meaning  string   // one line
	CIS      []string // controls of the CIS AWS Foundations Benchmark, as v1.4.0 to v3.0.0 number them
	ATTACK   []string // techniques of MITRE ATT&CK for Enterprise, IaaS matrix
	NextStep string   // one sentence of runbook
}

// Catalogue lists every finding in the order of the documentation. The slice is
// the caller's own.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// entry is the catalogue's entry for a finding.
func entry(id ID) Entry {
	for _, e := range catalogue {
		if e.ID == id {
			return e
		}
	}
	return Entry{ID: id}
}

// Next steps of occurrences that need another than their kind.
const (
	stepPasswordKnown = "If this was not the holder of the root credentials, change the root password now: only MFA kept the caller out, and it may be tried again."

	stepCredentialsRemoved = "Check that the management account is removing this account's root credentials, and that the root password and access keys are gone too; if not, sign in as root and add MFA."
)

// steps are those by finding.
var steps = map[ID][]string{
	RootSigninFailed: {stepPasswordKnown},
	RootMFARemoved:   {stepCredentialsRemoved},
}

var catalogue = []Entry{
	{RootSigninNoMFA, Critical, "Root sign-in WITHOUT MFA",
		"The root user signed in to the console with the password alone.",
		[]string{"1.5", "1.7", "4.3"}, []string{"T1078.004"},
		"If this was not you, reset the root password, end its sessions and call AWS Support; if it was, enable MFA for root now."},
	{RootSignin, Critical, "Root sign-in",
		"The root user signed in to the console, with MFA or without saying so.",
		[]string{"1.7", "4.3"}, []string{"T1078.004"},
		"Ask the holder of the root credentials whether this was them and why; if not, reset the root password and call AWS Support."},
	{RootSigninFailed, Medium, "Root sign-in failed",
		"Somebody tried to sign in as root and did not get in.",
		[]string{"1.7", "4.3"}, []string{"T1110"},
		"Ask the holder of the root credentials whether they mistyped; if not, check that root has MFA and a long, unique password."},
	{RootActivity, High, "Root activity",
		"The root user made a call: a write, aws login, or anything with a root access key.",
		[]string{"1.7", "4.3"}, []string{"T1078.004"},
		"Find out who used root and for what, undo what was not meant, and do the task with an IAM role next time."},
	{RootSession, Medium, "Root session by sts:AssumeRoot",
		"The management account took a short-term root session in a member account, or used one.",
		[]string{"1.7", "4.3"}, []string{"T1078.004", "T1548.005"},
		"Check that the caller in the management account had a ticket for this task policy and this member account."},
	{RootAccessKeyCreated, Critical, "Root access key created",
		"A long-term access key of the root user now exists.",
		[]string{"1.4", "1.7", "4.3"}, []string{"T1098.001"},
		"Delete the key now: sign in as root, Security credentials, Access keys; then look for calls made with it."},
	{RootPasswordRecovery, Critical, "Root password recovery",
		"Somebody asked to recover the root password, or did recover it.",
		[]string{"1.7", "4.3"}, []string{"T1078.004", "T1098"},
		"If nobody on your side asked for it, secure the root mailbox first, then reset the root password yourself."},
	{RootPasswordChanged, High, "Root password changed",
		"The password of the root user was set anew.",
		[]string{"1.7", "4.3"}, []string{"T1098"},
		"Ask the holder of the root credentials whether they changed it; if not, recover the password through the root mailbox at once."},
	{RootEmailChanged, Critical, "Root email address changed",
		"The address that recovers the root password was changed, or a change was started.",
		[]string{"1.7", "4.3"}, []string{"T1098", "T1531"},
		"If nobody on your side did this, call AWS Support now: who holds this address can take the account over."},
	{RootMFARemoved, Critical, "Root MFA removed",
		"An MFA device of the root user was deactivated.",
		[]string{"1.5", "1.6", "4.3"}, []string{"T1556.006"},
		"Enable MFA for root again now, and find out who removed it; a device being replaced is followed by a new one within minutes."},
	{RootMFAAdded, Info, "Root MFA added",
		"An MFA device was enabled for the root user.",
		[]string{"1.5", "1.6", "4.3"}, []string{"T1098.005"},
		"Check that the new device is in the hands of those who should hold it."},
	{RootMFAMissing, Critical, "Root has no MFA",
		"A live check found the root user of an account with a password and without MFA, and nothing tells that it ever had any.",
		[]string{"1.5", "4.3"}, []string{"T1078.004"},
		"Sign in as root and enable MFA today, or have the management account remove the root credentials of this member account."},
	{RootAccessKeyPresent, Critical, "Root has an access key",
		"A live check found a long-term access key of the root user, and nothing tells when it was created.",
		[]string{"1.4", "4.3"}, []string{"T1078.004"},
		"Find out what still uses the key (its last use is under Security credentials of root), move that to a role, and delete the key."},
	{RootLoginProfileCreated, High, "Root password created",
		"A member account's root user, which had none, was given a password.",
		[]string{"1.7", "4.3"}, []string{"T1098.001"},
		"Check that the management account meant to restore this root password, and delete it again when the task is done."},
	{RootUseUnseen, Critical, "Root used, and no event arrived",
		"The IAM credential report shows a use of root's password or access key of which no event reached rootguard.",
		[]string{"1.7", "4.3"}, []string{"T1078.004", "T1562.008"},
		"Ask the holder of the root credentials whether this was them; if not, reset the password, delete the keys and call AWS Support. Then find out why no event arrived: rootguard doctor."},
	{UserCreated, Info, "IAM user created",
		"An IAM user exists that did not before; it has no MFA yet.",
		[]string{"1.10"}, []string{"T1136.003"},
		"Check that somebody asked for this user, and that it enables MFA before the deadline if it gets a password."},
	{UserConsoleAccess, Medium, "Console password set for an IAM user",
		"An IAM user can sign in to the console with a password somebody else set.",
		[]string{"1.10"}, []string{"T1098.001"},
		"Check that somebody asked for this password, and that the user enables MFA before the deadline."},
	{UserAdminGranted, Medium, "Administrator access granted",
		"An IAM user or group may now do everything.",
		[]string{"1.10"}, []string{"T1098.003"},
		"Check that this user or group is meant to have every permission; if not, detach the policy."},
	{UserMFAMissing, High, "IAM user still without MFA",
		"An IAM user has a console password and no MFA, and the time allowed for it is over.",
		[]string{"1.10"}, []string{"T1078.004"},
		"Have the user enable MFA today, or delete the console password: aws iam delete-login-profile --user-name NAME."},
	{UserSigninNoMFA, High, "IAM user sign-in WITHOUT MFA",
		"An IAM user signed in to the console with the password alone.",
		[]string{"1.10", "4.2"}, []string{"T1078.004"},
		"Ask the user whether it was them, and have them enable MFA before they sign in again."},
	{UserMFARemoved, High, "IAM user's MFA removed",
		"An MFA device of an IAM user was deactivated.",
		[]string{"1.10"}, []string{"T1556.006"},
		"Check with the user that they asked for it, and that a new device follows within minutes."},
	{UserMFAAdded, Info, "IAM user's MFA added",
		"An MFA device was enabled for an IAM user.",
		[]string{"1.10"}, []string{"T1098.005"},
		"Nothing to do if the user did this; if another did, check whose device it is."},
	{UserQuarantined, High, "IAM user quarantined for want of MFA",
		"An IAM user past the last reminder may now do nothing but enable MFA, or is about to be so; only where quarantine is switched on.",
		[]string{"1.10"}, []string{"T1078.004"},
		"Have the user sign in and enable MFA, which ends it; in an emergency: rootguard release NAME --account ID --reason TEXT."},
	{UserReleased, Info, "IAM user released from quarantine",
		"An IAM user's quarantine is over: it has MFA, or somebody released it.",
		[]string{"1.10"}, nil,
		"Nothing to do if the user has MFA; if it was released, see to it that it enables MFA before the release runs out."},
	{GuardTampered, Critical, "Guardrail tampered with",
		"Something rootguard needs, or the trail that feeds it, was switched off, removed or changed.",
		[]string{"4.3", "4.5"}, []string{"T1562.001", "T1562.008"},
		"Unless you are deploying rootguard right now, undo the change, then look at what the same session did before and after."},
	{GuardUnhealthy, High, "Guardrail unhealthy",
		"rootguard found that a part of it does not work, so that an alert may not come.",
		[]string{"4.3"}, nil,
		"Run rootguard doctor and mend what it names; then rootguard redrive for events that waited, and rootguard replay over the logs written since."},
	{RootUseAnnounced, High, "Root use announced",
		"Somebody announced that root will be used (rootguard window open), or an announcement ended.",
		[]string{"1.7", "4.3"}, []string{"T1562.001"},
		"If you do not know of this, end it now with rootguard window close, and find out who announced it: until then root at work is told of as low."},
	{IncidentAcknowledged, Info, "Incident acknowledged",
		"Somebody says that they look after an incident, which is not sent again.",
		[]string{"4.3"}, nil,
		"If you do not know who this is, look into the incident yourself: rootguard incidents."},
}
