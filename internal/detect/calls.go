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
)

// callRule judges one call that weakens an account, whoever makes it. judge fills
// in a finding of the rule's kind; it returns the reason where the call is not
// flagged.
type callRule struct {
	id    ID
	judge func(rec *cloudtrail.Record, req params, f *Finding) (pass string)
	// attempts says that a call that was denied or failed is flagged too.
	attempts bool
}

// callRules are the rules by eventSource and eventName.
var callRules = map[string]map[string]callRule{
	cloudtrail.IAMSource: {
		attachRolePolicy:       {id: RoleAdminGranted, judge: roleAdmin},
		putRolePolicy:          {id: RoleAdminGranted, judge: roleAdmin},
		createRole:             {id: RoleTrustOpened, judge: roleTrust},
		updateAssumeRolePolicy: {id: RoleTrustOpened, judge: roleTrust},

		"UploadSigningCertificate": {id: RootCertificateUploaded, judge: signingCertificate},

		"EnableOrganizationsRootCredentialsManagement":  {id: OrgRootAccessChanged, judge: rootAccess},
		"EnableOrganizationsRootSessions":               {id: OrgRootAccessChanged, judge: rootAccess},
		"DisableOrganizationsRootCredentialsManagement": {id: OrgRootAccessChanged, judge: rootAccess},
		"DisableOrganizationsRootSessions":              {id: OrgRootAccessChanged, judge: rootAccess},

		"DeleteAccountPasswordPolicy": {id: PasswordPolicyWeakened, judge: passwordPolicyGone},
		"UpdateAccountPasswordPolicy": {id: PasswordPolicyWeakened, judge: passwordPolicy},
	},
	organizationsSource: {
		"LeaveOrganization":             {id: OrgAccountLeft, judge: leftOrganization, attempts: true},
		"RemoveAccountFromOrganization": {id: OrgAccountLeft, judge: leftOrganization, attempts: true},
		"CloseAccount":                  {id: OrgAccountClosed, judge: accountClosed, attempts: true},
	},
	accountSource: {
		"CloseAccount":           {id: OrgAccountClosed, judge: accountClosed, attempts: true},
		"PutAlternateContact":    {id: SecurityContactChanged, judge: securityContact},
		"DeleteAlternateContact": {id: SecurityContactChanged, judge: securityContact},
		"EnableRegion":           {id: RegionEnabled, judge: regionEnabled},
	},
	trailSource: {
		"StopEventDataStoreIngestion": {id: EventStoreStopped, judge: eventStore, attempts: true},
		"DeleteEventDataStore":        {id: EventStoreStopped, judge: eventStore, attempts: true},
	},
	cloudtrail.SigninSource: {
		"PutConsoleAuthorizationConfiguration":    {id: SigninPolicyChanged, judge: signinPolicy, attempts: true},
		"DeleteConsoleAuthorizationConfiguration": {id: SigninPolicyChanged, judge: signinPolicy, attempts: true},
		"PutResourcePermissionStatement":          {id: SigninPolicyChanged, judge: signinPolicy, attempts: true},
		"DeleteResourcePermissionStatement":       {id: SigninPolicyChanged, judge: signinPolicy, attempts: true},
	},
}

// isRuledCall reports whether there is a rule for a call. It allocates nothing.
func isRuledCall(source, name []byte) bool {
	_, ok := callRules[string(source)][string(name)]
	return ok
}

// ruledCall judges the calls of callRules.
func ruledCall(rec *cloudtrail.Record) Outcome {
	rule, ok := callRules[rec.EventSource][rec.EventName]
	if !ok {
		return skipped()
	}
	how := attempt(rec)
	if how != "" && (!rule.attempts || nothingThere(rec.ErrorCode)) {
		return passed("the call changed nothing: %s", orUnnamed(rec.ErrorCode, rec.ErrorMessage, "the response says Failure"))
	}
	f := finding(rec, rule.id)
	if pass := rule.judge(rec, paramsOf(rec.RequestParameters), &f); pass != "" {
		return passed("%s", pass)
	}
	if how != "" {
		f.Severity = lower(f.Severity)
		f.Title += " (" + how + ")"
		f.Detail = ended(rec)
	} else if by := onBehalf(rec); by != "" {
		f.Detail += " " + sentence(strings.ToUpper(by[:1])+by[1:])
	}
	return matched(f)
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
		return fmt.Sprintf("policy %s is not AdministratorAccess, and as far as the record shows it does not allow everything", orUnnamed(policy))
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
// nobody else.
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
	name := req.str("userName")
	root := rec.UserIdentity.Type == "Root" || rec.UserIdentity.IssuedByRoot()
	if !root || name != "" && name != "AWS ROOT USER" {
		return "a signing certificate of an IAM user, not of root"
	}
	f.Detail = "Whoever has its private key signs as root where certificates are still taken, and it does not expire with a session."
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

func passwordPolicyGone(_ *cloudtrail.Record, _ params, f *Finding) string {
	f.Severity = High
	f.Title = "Password policy of IAM users deleted"
	f.Detail = "Passwords of IAM users now need 8 characters, and old ones may be used again."
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
func passwordPolicy(_ *cloudtrail.Record, req params, f *Finding) string {
	var short []string
	if n, _ := req.at("minimumPasswordLength").(float64); n < leastPasswordLength {
		short = append(short, fmt.Sprintf("passwords need %s characters, not %d", orElse(number(n), "6"), leastPasswordLength))
	}
	if n, _ := req.at("passwordReusePrevention").(float64); n < leastPasswordReuse {
		short = append(short, fmt.Sprintf("the last %s passwords may not be used again, not the last %d", orElse(number(n), "0"), leastPasswordReuse))
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
