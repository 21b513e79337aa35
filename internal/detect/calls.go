package detect

import (
	"fmt"
	"slices"
	"strings"

	"rootguard/internal/cloudtrail"
)

const (
	organizationsSource = "organizations.amazonaws.com"

	attachRolePolicy       = "AttachRolePolicy"
	putRolePolicy          = "PutRolePolicy"
	createRole             = "CreateRole"
	updateAssumeRolePolicy = "UpdateAssumeRolePolicy"

	closeAccount         = "CloseAccount"
	deletePasswordPolicy = "DeleteAccountPasswordPolicy"
)

// The findings about roles, the account, its organization and its trails.
const (
	RoleAdminGranted       ID = "role.admin_granted"
	RoleTrustOpened        ID = "role.trust_opened"
	OrgRootAccessChanged   ID = "org.root_access.changed"
	OrgAccountLeft         ID = "org.account.left"
	OrgAccountClosed       ID = "org.account.closed"
	PasswordPolicyWeakened ID = "account.password_policy.weakened"
	SecurityContactChanged ID = "account.security_contact.changed"
	RegionEnabled          ID = "account.region.enabled"
	SigninPolicyChanged    ID = "account.signin_policy.changed"
	EventStoreStopped      ID = "trail.event_store.stopped"
)

// callFindings are their rows.
var callFindings = []Entry{
	{
		ID: RoleAdminGranted, Severity: Medium, Title: "Administrator access granted to a role",
		Meaning: "A role may now do everything; many in one session are one roll-up.",
		CIS:     []string{"1.16", "4.4"}, ATTACK: []string{"T1098.003"},
		NextStep: "Check that this role is meant to have every permission, and who may assume it; if not, detach the policy.",
		Repeats:  RollUp, Rules: []string{"role-change"},
		calls: calls{cloudtrail.IAMSource: {attachRolePolicy, putRolePolicy}}, judge: roleAdmin,
	},
	{
		ID: RoleTrustOpened, Severity: High, Title: "Role opened to another account",
		Meaning: "A role may now be assumed from another account (medium under a condition), or by everyone (critical).",
		CIS:     []string{"1.20", "4.4"}, ATTACK: []string{"T1098.003", "T1199"},
		NextStep: "Check whose account this is and who asked for it; if no one did, put the former trust policy back and check for " +
			"sts:AssumeRole of the role.",
		Repeats: RollUp, Rules: []string{"role-change"},
		calls: calls{cloudtrail.IAMSource: {createRole, updateAssumeRolePolicy}}, judge: roleTrust,
	},
	{
		ID: OrgRootAccessChanged, Severity: Medium, Title: "Central root access changed",
		Meaning: "Who may manage root credentials, or open root sessions, in member accounts was switched on, or off (high).",
		CIS:     []string{"1.7", "4.15"}, ATTACK: []string{"T1098.003", "T1484.002"},
		NextStep: "Check that the management account meant this change; if not, undo it and check for sts:AssumeRoot in between.",
		Repeats:  Each, Rules: []string{"account-change"},
		calls: calls{cloudtrail.IAMSource: {
			"EnableOrganizationsRootCredentialsManagement", "EnableOrganizationsRootSessions",
			"DisableOrganizationsRootCredentialsManagement", "DisableOrganizationsRootSessions",
		}}, judge: rootAccess,
	},
	{
		ID: OrgAccountLeft, Severity: High, Title: "Account leaves the organization",
		Meaning: "An account left its organization or was removed from it, and with that its policies and organization trail.",
		CIS:     []string{"4.15"}, ATTACK: []string{"T1666"},
		NextStep: "If this was not planned, end the sessions of who did it, invite the account again and check what its root user " +
			"did since.",
		Repeats: Each, Rules: []string{"account-change"},
		calls: calls{organizationsSource: {"LeaveOrganization", "RemoveAccountFromOrganization"}}, judge: leftOrganization, attempts: true,
	},
	{
		ID: OrgAccountClosed, Severity: High, Title: "Account closed",
		Meaning: "An AWS account was closed, by itself or by the management account.",
		CIS:     []string{"4.15"}, ATTACK: []string{"T1531", "T1666"},
		NextStep: "If this was not planned, sign in as root within 90 days and call AWS Support to open the account again.",
		Repeats:  Each, Rules: []string{"account-change"},
		calls: calls{organizationsSource: {closeAccount}, accountSource: {closeAccount}}, judge: accountClosed, attempts: true,
	},
	{
		ID: PasswordPolicyWeakened, Severity: Medium, Title: "Password policy of IAM users below what CIS asks",
		Meaning: "The account's password policy was deleted (high), or set to less than 14 characters or 24 former passwords.",
		CIS:     []string{"1.8", "1.9"}, ATTACK: []string{"T1556"},
		NextStep: "Set the policy again: aws iam update-account-password-policy --minimum-password-length 14 " +
			"--password-reuse-prevention 24.",
		Repeats: RollUp, Rules: []string{"account-change"},
		calls: calls{cloudtrail.IAMSource: {deletePasswordPolicy, "UpdateAccountPasswordPolicy"}}, judge: passwordPolicy,
	},
	{
		ID: SecurityContactChanged, Severity: Medium, Title: "Security contact changed",
		Meaning: "The contact that AWS writes to about abuse and leaked keys was changed, or deleted (high).",
		CIS:     []string{"1.2"}, ATTACK: []string{"T1562.001"},
		NextStep: "Check the contact: aws account get-alternate-contact --alternate-contact-type SECURITY; set it back if it is not " +
			"yours.",
		Repeats: RollUp, Rules: []string{"account-change"},
		calls: calls{accountSource: {"PutAlternateContact", "DeleteAlternateContact"}}, judge: securityContact,
	},
	{
		ID: RegionEnabled, Severity: Medium, Title: "Region enabled",
		Meaning: "A Region that was off can now be used in the account.",
		CIS:     []string{"3.1"}, ATTACK: []string{"T1535"},
		NextStep: "Check that this Region is needed; if so, have rootguard forward from it, else disable it and check for resources " +
			"there.",
		Repeats: RollUp, Rules: []string{"account-change"},
		calls: calls{accountSource: {"EnableRegion"}}, judge: regionEnabled,
	},
	{
		ID: SigninPolicyChanged, Severity: High, Title: "Console sign-in policy changed",
		Meaning: "A policy of AWS Sign-In changed: it says which networks and principals may use the console.",
		CIS:     []string{"1.7", "4.4"}, ATTACK: []string{"T1556.009"},
		NextStep: "Check who meant this change, and that you can still sign in: aws signin get-resource-policy; undo what is not " +
			"yours.",
		Repeats: Each, Rules: []string{"account-change"},
		calls: calls{cloudtrail.SigninSource: {
			"PutConsoleAuthorizationConfiguration", "DeleteConsoleAuthorizationConfiguration",
			"PutResourcePermissionStatement", "DeleteResourcePermissionStatement",
		}}, judge: signinPolicy, attempts: true,
	},
	{
		ID: EventStoreStopped, Severity: High, Title: "CloudTrail event data store stopped",
		Meaning: "An event data store of CloudTrail Lake was deleted, or no longer takes in events.",
		CIS:     []string{"3.1", "4.5"}, ATTACK: []string{"T1562.008"},
		NextStep: "If this was not planned, start it again (aws cloudtrail start-event-data-store-ingestion) or restore it within 7 " +
			"days, and check what the same session did.",
		Repeats: Each, Rules: []string{"account-change"},
		calls: calls{trailSource: {"StopEventDataStoreIngestion", "DeleteEventDataStore"}}, judge: eventStore, attempts: true,
	},
}

// isRuledCall reports whether there is a rule for a call. It allocates nothing.
func isRuledCall(source, name []byte) bool {
	_, ok := callRules[string(source)][string(name)]
	return ok
}

// ruledCall judges the calls of callRules, anyone who makes them.
func ruledCall(rec *cloudtrail.Record) Outcome {
	rows := callRules[rec.EventSource][rec.EventName]
	if rows == nil {
		return skipped()
	}
	how, req := attempt(rec), paramsOf(rec.RequestParameters)
	return judged(rec, rows, func(row *Entry, f *Finding) string {
		if how != "" && (!row.attempts || nothingThere(rec.ErrorCode)) {
			return changedNothing(rec)
		}
		if pass := row.judge(rec, req, f); pass != "" {
			return pass
		}
		if how != "" {
			f.Severity = lower(f.Severity)
			f.Title += " (" + how + ")"
			f.Detail, f.NextStep = ended(rec), stepAttempt
		} else if by := onBehalf(rec); by != "" {
			f.Detail += " " + sentence(strings.ToUpper(by[:1])+by[1:])
		}
		return ""
	})
}

// changedNothing is why a call that was denied or failed is not flagged.
func changedNothing(rec *cloudtrail.Record) string {
	return "the call changed nothing: " + orUnnamed(rec.ErrorCode, rec.ErrorMessage, "the response says Failure")
}

// roleAdmin judges policies given to roles. Whether a customer's managed policy
// allows everything is not in the record.
func roleAdmin(rec *cloudtrail.Record, req params, f *Finding) string {
	name := req.str("roleName")
	policy := orElse(req.str("policyArn"), req.str("policyName"))
	admin := strings.HasSuffix(policy, ":iam::aws:policy/AdministratorAccess")
	if rec.EventName == putRolePolicy {
		admin = cloudtrail.AdminPolicy(document(req, "policyDocument"))
	}
	if !admin {
		return notAdmin(policy)
	}
	f.Title = "Administrator access granted to role: " + printable(orUnnamed(name))
	f.Detail = sentence("Policy " + orUnnamed(policy))
	f.Target.Resource = "role " + name
	return ""
}

// roleTrust judges who may assume a role.
func roleTrust(rec *cloudtrail.Record, req params, f *Finding) string {
	t := trustOf(orElse(document(req, "assumeRolePolicyDocument"), document(req, "policyDocument")), rec.Account())
	name := printable(orUnnamed(req.str("roleName")))
	f.Target.Resource = "role " + req.str("roleName")
	who := strings.Join(t.accounts, ", ")
	switch {
	case t.everyone:
		f.Severity = Critical
		f.Title = "Role can be assumed by everyone: " + name
		f.Detail = "Its trust policy names every principal of every account, under no condition."
	case t.everyoneIf:
		f.Title = "Role can be assumed by everyone who meets a condition: " + name
		f.Detail = "Its trust policy names every principal of every account, and a condition."
	case len(t.accounts) > 0 && t.conditions:
		f.Severity = Medium
		f.Title = "Role can be assumed from another account: " + name
		f.Detail = sentence("Account "+printable(who), "under a condition")
	case len(t.accounts) > 0:
		f.Title = "Role can be assumed from another account: " + name
		f.Detail = sentence("Account " + printable(who) + ", under no condition")
	default:
		return "the role's trust policy names no other account, as far as the record shows"
	}
	return ""
}

// trust is what a trust policy opens a role to, beyond its own account.
type trust struct {
	everyone   bool // without a condition
	everyoneIf bool
	accounts   []string // sorted
	conditions bool     // all statements about these have one
}

// trustOf reads a role's trust policy (IAM User Guide, "AWS JSON policy elements:
// Principal"). Services, identity providers and the role's own account open it to
// no one else.
func trustOf(text, own string) trust {
	t := trust{conditions: true}
	for _, s := range statements(text) {
		if s.str("Effect") != "Allow" {
			continue
		}
		principals := s.strs("Principal", "AWS")
		if p := s.str("Principal"); p != "" {
			principals = append(principals, p)
		}
		if s.at("NotPrincipal") != nil {
			principals = append(principals, "*") // everybody but some
		}
		condition, _ := s.at("Condition").(map[string]any)
		for _, p := range principals {
			if p == "*" {
				t.everyone = t.everyone || len(condition) == 0
				t.everyoneIf = t.everyoneIf || len(condition) > 0
				continue
			}
			if account := accountOf(p); account != "" && account != own {
				t.accounts = append(t.accounts, account)
				t.conditions = t.conditions && len(condition) > 0
			}
		}
	}
	slices.Sort(t.accounts)
	t.accounts = slices.Compact(t.accounts)
	return t
}

// accountOf is the account of a principal given by its ARN or by the account's ID.
func accountOf(principal string) string {
	if part := strings.Split(principal, ":"); len(part) > 4 && part[0] == "arn" {
		principal = part[4]
	}
	if len(principal) != 12 || strings.Trim(principal, "0123456789") != "" {
		return ""
	}
	return principal
}

// signingCertificate judges certificates that sign for root. Those of IAM users
// sign requests of old SOAP interfaces alone.
func signingCertificate(rec *cloudtrail.Record, req params, f *Finding) string {
	if rec.RootUse() == cloudtrail.RootByService {
		return "an AWS service acted, not the root user"
	}
	name := req.str("userName")
	root := rec.UserIdentity.Type == "Root" || rec.UserIdentity.IssuedByRoot()
	if !root || name != "" && name != "AWS ROOT USER" {
		return "a signing certificate of an IAM user, not of root"
	}
	f.Detail = "A caller with its private key signs as root where certificates are still taken, and it does not expire with a session."
	f.Target.Resource = paramsOf(rec.ResponseElements).str("certificate", "certificateId")
	return ""
}

// rootAccess judges who may hold and use root in member accounts.
func rootAccess(rec *cloudtrail.Record, _ params, f *Finding) string {
	what := "central management of root credentials"
	effect := "The management account and its delegated administrator may delete root credentials of member accounts and let them be recovered."
	if strings.HasSuffix(rec.EventName, "RootSessions") {
		what = "root sessions in member accounts"
		effect = "The management account and its delegated administrator may open root sessions in member accounts."
	}
	state := "on"
	if strings.HasPrefix(rec.EventName, "Disable") {
		state, f.Severity = "off", High
		effect = "What rested on it ends: " + strings.Replace(strings.Replace(effect, " may ", " may no longer ", 1), " and let ", " or let ", 1)
	}
	f.Title = "Central root access: " + what + " switched " + state
	f.Detail = effect
	return ""
}

func leftOrganization(rec *cloudtrail.Record, req params, f *Finding) string {
	account := rec.Account()
	f.Title = "Account leaves the organization"
	if rec.EventName == "RemoveAccountFromOrganization" {
		account = req.str("accountId")
		f.Title = "Account removed from the organization"
	}
	f.Title += ": " + printable(orUnnamed(account))
	f.Detail = "The organization's policies, its trail and rootguard's roles no longer reach the account."
	if account != "" {
		f.Target.Resource = "account " + account
	}
	return ""
}

func accountClosed(rec *cloudtrail.Record, req params, f *Finding) string {
	account := orElse(req.str("accountId"), rec.Account())
	f.Title = "Account closed: " + printable(orUnnamed(account))
	f.Detail = "Its resources stop; it can be opened again within 90 days, and is gone after that."
	f.Target.Resource = "account " + account
	return ""
}

// What CIS asks of the password policy (CIS AWS Foundations Benchmark v3.0.0, 1.8
// and 1.9).
const (
	leastPasswordLength = 14
	leastPasswordReuse  = 24
)

// passwordPolicy judges a password policy as the call leaves it: what the call
// does not say returns to its default (IAM API Reference,
// UpdateAccountPasswordPolicy).
func passwordPolicy(rec *cloudtrail.Record, req params, f *Finding) string {
	if rec.EventName == deletePasswordPolicy {
		f.Severity = High
		f.Title = "Password policy of IAM users deleted"
		f.Detail = "Passwords of IAM users now need 8 characters, and old ones may be used again."
		return ""
	}
	var short []string
	if n, _ := req.at("minimumPasswordLength").(float64); n < leastPasswordLength {
		short = append(short, fmt.Sprintf("passwords need %s characters, not %d", orElse(number(n), "6"), leastPasswordLength))
	}
	if n, _ := req.at("passwordReusePrevention").(float64); n < leastPasswordReuse {
		short = append(short, fmt.Sprintf("the last %s passwords may not be used again, not the last %d",
			orElse(number(n), "0"), leastPasswordReuse))
	}
	if len(short) == 0 {
		return "the password policy asks for as much as CIS does"
	}
	f.Detail = sentence("Less than CIS asks for", short[0], strings.Join(short[1:], "; "))
	return ""
}

// number is a whole number, "" for 0.
func number(n float64) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("%.0f", n)
}

// securityContact judges alternate contacts. CloudTrail hides what they are.
func securityContact(rec *cloudtrail.Record, req params, f *Finding) string {
	kind := orElse(req.str("alternateContactType"), req.str("AlternateContactType"))
	if kind != "SECURITY" {
		return "the alternate contact for " + orUnnamed(kind) + " is not the security contact"
	}
	f.Title = "Security contact of the account changed"
	f.Detail = "AWS writes about abuse and leaked keys to the new contact; CloudTrail does not show who that is."
	if rec.EventName == "DeleteAlternateContact" {
		f.Severity = High
		f.Title = "Security contact of the account deleted"
		f.Detail = "What AWS writes about abuse and leaked keys goes to the root mailbox alone."
	}
	if member := orElse(req.str("accountId"), req.str("AccountId")); member != "" {
		f.Target.Resource = "account " + member
	}
	return ""
}

func regionEnabled(_ *cloudtrail.Record, req params, f *Finding) string {
	region := orElse(req.str("regionName"), req.str("RegionName"))
	f.Title = "Region enabled: " + printable(orUnnamed(region))
	f.Detail = "Resources can be made there, and events there reach rootguard only where it forwards them."
	f.Target.Resource = region
	return ""
}

func eventStore(rec *cloudtrail.Record, req params, f *Finding) string {
	store := req.str("eventDataStore")
	what := "stopped"
	if rec.EventName == "DeleteEventDataStore" {
		what = "deleted"
	}
	f.Title = "CloudTrail event data store " + what + ": " + printable(orUnnamed(lastPart(store)))
	f.Detail = "What is done from now on is not in it."
	f.Target.Resource = store
	return ""
}

func signinPolicy(rec *cloudtrail.Record, _ params, f *Finding) string {
	change := "changed"
	if strings.HasPrefix(rec.EventName, "Delete") {
		change = "removed"
	}
	f.Title = "Console sign-in policy " + change + ": " + rec.EventName
	f.Detail = "Another set of networks and principals may now sign in to the console, root included; the wrong one locks the account's own people out."
	return ""
}

// document is a policy document under a name, as text.
func document(req params, name string) string {
	if s := req.str(name); s != "" {
		return s
	}
	return encoded(req.at(name))
}
