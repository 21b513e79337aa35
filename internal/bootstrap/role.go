package bootstrap

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
)

// Names of the roles that IAM Identity Center makes in an account, one of each
// permission set that is assigned there: AWSReservedSSO_permission-set_unique-suffix,
// under this path (IAM Identity Center User Guide, "Referencing permission sets in
// resource policies"). Its service-linked role, or in the management account the
// caller by way of the service, makes them, attaches their policies and deletes
// them (AWSSSOServiceRolePolicy).
const (
	permissionSetRole = "AWSReservedSSO_"
	permissionSetPath = ":role/aws-reserved/sso.amazonaws.com/"
)

// IsPermissionSet reports whether a role has the name of one that IAM Identity
// Center made.
func IsPermissionSet(role string) bool {
	set := PermissionSet(role)
	return set != "" && set != role
}

// PermissionSet is the permission set whose role has the name; of another role
// it is the name itself.
func PermissionSet(role string) string {
	rest, ok := strings.CutPrefix(role, permissionSetRole)
	end := strings.LastIndexByte(rest, '_')
	if !ok || end < 1 {
		return role
	}
	return rest[:end]
}

// AdminRole reports whether the settings name the role, or its permission set, as
// an administrator's.
func (o *Options) AdminRole(role string) bool {
	return slices.Contains(o.AdminRoles, role) || slices.Contains(o.AdminRoles, PermissionSet(role))
}

// SignInRoles are the roles of permission sets, sorted, by which people signed in
// according to facts.
func SignInRoles(facts []Fact) []string {
	var roles []string
	for i := range facts {
		if f := &facts[i]; f.Kind == RoleSignIn && IsPermissionSet(f.Role) {
			roles = append(roles, f.Role)
		}
	}
	slices.Sort(roles)
	return slices.Compact(roles)
}

// SignInSet is the role of a permission set by which a person signed in to the
// console, "" where the record is of something else.
func SignInSet(rec *cloudtrail.Record) string {
	if !rec.SignedIn() || rec.UserIdentity.Type != "AssumedRole" {
		return ""
	}
	role := signInRole(&rec.UserIdentity)
	if !IsPermissionSet(role) {
		return ""
	}
	return role
}

// signInRole is the role by which a person signed in; "" where it is not known,
// or where it only has such a name as IAM Identity Center gives. The ARN of a
// session has no path, that of the role has.
func signInRole(ui *cloudtrail.UserIdentity) string {
	role := ui.Session.IssuerUserName
	if _, rest, ok := strings.Cut(ui.ARN, ":assumed-role/"); ok && role == "" {
		role, _, _ = strings.Cut(rest, "/")
	}
	if IsPermissionSet(role) && ui.Session.IssuerARN != "" && !strings.Contains(ui.Session.IssuerARN, permissionSetPath) {
		return ""
	}
	return role
}

var roleChanges = map[string]FactKind{
	"CreateRole":       RoleCreated,
	"DeleteRole":       RoleDeleted,
	"AttachRolePolicy": RolePolicyGranted,
	"PutRolePolicy":    RolePolicyGranted,
	"DetachRolePolicy": RolePolicyRevoked,
	"DeleteRolePolicy": RolePolicyRevoked,
}

// roleFact is of what is done to the role of a permission set.
func roleFact(rec *cloudtrail.Record) (Fact, bool) {
	kind, ok := roleChanges[rec.EventName]
	role := rec.Request("roleName")
	if !ok || rec.EventSource != cloudtrail.IAMSource || rec.Failed() || !IsPermissionSet(role) {
		return Fact{}, false
	}
	f := factOf(rec, kind)
	f.Role = role
	f.Policy = cmp.Or(rec.Request("policyArn"), rec.Request("policyName"))
	administrator := strings.HasSuffix(f.Policy, ":iam::aws:policy/AdministratorAccess")
	switch rec.EventName {
	case "AttachRolePolicy":
		f.Admin = administrator
		ok = f.Admin
	case "DetachRolePolicy":
		ok = administrator
	case "PutRolePolicy":
		f.Admin = cloudtrail.AdminPolicy(rec.Request("policyDocument"))
	default:
	}
	if f.Policy != "" {
		f.What += " (" + policyName(f.Policy) + ")"
	}
	return f, ok
}

// iamConsistency is how long after a change IAM is trusted to show it everywhere.
// IAM gives no figure (IAM User Guide, "Changes that I make are not always
// immediately visible"); seconds are common.
const iamConsistency = 5 * time.Minute

// role is one role by which people sign in, while facts are folded.
type role struct {
	name     string
	inLog    bool                // its creation is in the log
	policies map[string]struct{} // that grant everything, by ARN or inline name
	other    bool                // a live check found such rights, and no record says of which policy
	known    bool                // there are no others
	changed  time.Time           // when a record last said something of its policies
	signedIn *Evidence           // the first time
	carry    eligibility         // signed in, with administrator rights
}

// admin says whether the role may do everything.
func (r *role) admin() cloudtrail.Answer {
	switch {
	case len(r.policies) > 0 || r.other:
		return cloudtrail.Yes
	case r.known || r.inLog:
		return cloudtrail.No
	default:
		return cloudtrail.Unknown
	}
}

// applyRole takes a fact about a role.
func (j *journey) applyRole(f *Fact, ev Evidence) {
	if f.Role == "" {
		return
	}
	r := j.roles[f.Role]
	if f.Kind == RoleCreated || f.Kind == RoleDeleted {
		if r != nil {
			r.carry.now(false, ev) // what follows is about another role of the name
		}
		delete(j.roles, f.Role)
		if f.Kind == RoleDeleted {
			return
		}
		r = nil
	}
	if r == nil {
		r = &role{name: f.Role, policies: map[string]struct{}{}}
		j.roles[f.Role] = r
	}
	switch f.Kind {
	case RoleCreated:
		r.inLog, r.changed = true, f.Time
	case RoleSignIn:
		if r.signedIn == nil {
			r.signedIn = &ev
		}
	case RolePolicyGranted, RolePolicyRevoked:
		r.changed = f.Time
		_, had := r.policies[f.Policy]
		switch {
		case f.Kind == RolePolicyGranted && f.Admin:
			r.policies[f.Policy] = struct{}{}
		case had:
			delete(r.policies, f.Policy)
		case f.Kind == RolePolicyRevoked:
			r.other = false // it may have been that one
		}
	case RoleChecked:
		if !r.changed.IsZero() && f.Time.Sub(r.changed) < iamConsistency {
			break // IAM may not show the change yet
		}
		if r.other = f.Admin && len(r.policies) == 0; !f.Admin {
			clear(r.policies)
			r.known = true
		}
	default:
	}
	if r.carry.now(r.signedIn != nil && (r.admin() == cloudtrail.Yes || j.opt.AdminRole(r.name)), ev) {
		j.queue = append(j.queue, candidate{role: r, term: r.carry.term})
	}
}

// roleChecked is the evidence's text for a live check of a role.
func roleChecked(name string, admin bool) string {
	if admin {
		return liveCheck + ": role " + name + " has administrator rights"
	}
	return liveCheck + ": role " + name + " has no administrator rights"
}
