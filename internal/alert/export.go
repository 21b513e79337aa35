package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"slices"
	"strings"
	"time"
	"unicode/utf16"

	"rootguard/internal/detect"
)

// change is what an alert does to the finding it is about, in a system that
// keeps findings.
type change uint8

const (
	creates change = iota + 1
	updates
	closes
)

// export is what OCSF and ASFF say alike.
type export struct {
	uid     string // of the finding: the same for all alerts about it
	change  change
	created time.Time // when the finding began, zero where that is not known
	first   time.Time // the earliest event of this alert
	last    time.Time // the latest event of this alert
	types   []string  // of the ASFF's taxonomy
	title   string
	desc    string
	step    string // what to do next
}

// exported prepares an alert within its limits.
//
// A roll-up updates the finding of the event that opened its window. Of findings
// that rootguard makes, it is a finding of its own: each of those is about one
// user or one check, and may be closed while others in the roll-up are not. A
// reminder updates the finding it reminds of, and a closing note closes it.
func exported(a Alert) export {
	f := &a.Finding
	s := f.Subject
	e := export{change: creates, created: f.EventTime, first: f.EventTime, last: f.EventTime}
	key := string(f.ID) + "/" + f.Account + "/" + f.EventID
	if f.Synthetic() {
		key = s.ID
		if !s.Began.IsZero() {
			e.created = s.Began
		}
	}
	switch {
	case a.Kind == RollUp && f.Synthetic():
		key, e.created = key+"/"+a.ID, f.EventTime
		if s.Phase == detect.PhaseResolved {
			e.change = closes
		}
	case s.Phase == detect.PhaseResolved:
		e.change = closes
	case a.Kind == RollUp && !a.Late, a.Kind == Resend, s.Phase == detect.PhaseUpdated:
		e.change = updates
	}
	if several(a) && !a.FirstTime.IsZero() && !a.LastTime.IsZero() {
		e.first, e.last = a.FirstTime, a.LastTime
	}
	e.uid = "rootguard/" + key
	if len(e.uid) > 480 || strings.ContainsFunc(e.uid, func(r rune) bool { return r <= ' ' || r > '~' }) {
		sum := sha256.Sum256([]byte(key))
		e.uid = "rootguard/sha256/" + hex.EncodeToString(sum[:])
	}

	times := repeated(a)
	a = readable(a)
	f = &a.Finding
	e.step = f.NextStep
	if e.title = display(title(a), 180) + times; strings.TrimSpace(e.title) == "" {
		e.title = "alert"
	}
	parts := []string{who(f) + " from " + from(f) + ", " + span(a) + "."}
	if detail := display(f.Detail, 700); detail != "" {
		parts = append(parts, detail)
	}
	if state := mfa(a); state != "" {
		parts = append(parts, "MFA: "+state+".")
	}
	e.desc = strings.Join(parts, " ")
	e.types = typesOf(f)
	return e
}

// technique is one of MITRE ATT&CK for Enterprise.
type technique struct{ name, tactic string }

// techniques are those of the catalogue and the ones they are part of, each with
// the tactic that rootguard's findings are about where ATT&CK names several.
var techniques = map[string]technique{
	"T1078":     {"Valid Accounts", "Initial Access"},
	"T1078.004": {"Cloud Accounts", "Initial Access"},
	"T1098":     {"Account Manipulation", "Persistence"},
	"T1098.001": {"Additional Cloud Credentials", "Persistence"},
	"T1098.003": {"Additional Cloud Roles", "Persistence"},
	"T1098.005": {"Device Registration", "Persistence"},
	"T1110":     {"Brute Force", "Credential Access"},
	"T1110.001": {"Password Guessing", "Credential Access"},
	"T1110.003": {"Password Spraying", "Credential Access"},
	"T1136":     {"Create Account", "Persistence"},
	"T1136.003": {"Cloud Account", "Persistence"},
	"T1199":     {"Trusted Relationship", "Initial Access"},
	"T1484":     {"Domain or Tenant Policy Modification", "Privilege Escalation"},
	"T1484.002": {"Trust Modification", "Privilege Escalation"},
	"T1531":     {"Account Access Removal", "Impact"},
	"T1535":     {"Unused/Unsupported Cloud Regions", "Defense Evasion"},
	"T1548":     {"Abuse Elevation Control Mechanism", "Privilege Escalation"},
	"T1548.005": {"Temporary Elevated Cloud Access", "Privilege Escalation"},
	"T1550":     {"Use Alternate Authentication Material", "Defense Evasion"},
	"T1550.001": {"Application Access Token", "Defense Evasion"},
	"T1552":     {"Unsecured Credentials", "Credential Access"},
	"T1552.001": {"Credentials In Files", "Credential Access"},
	"T1556":     {"Modify Authentication Process", "Credential Access"},
	"T1556.006": {"Multi-Factor Authentication", "Credential Access"},
	"T1556.009": {"Conditional Access Policies", "Credential Access"},
	"T1562":     {"Impair Defenses", "Defense Evasion"},
	"T1562.001": {"Disable or Modify Tools", "Defense Evasion"},
	"T1562.008": {"Disable or Modify Cloud Logs", "Defense Evasion"},
	"T1666":     {"Modify Cloud Resource Hierarchy", "Defense Evasion"},
}

// tactics are the IDs of ATT&CK's tactics.
var tactics = map[string]string{
	"Initial Access": "TA0001", "Persistence": "TA0003", "Privilege Escalation": "TA0004",
	"Defense Evasion": "TA0005", "Credential Access": "TA0006", "Impact": "TA0040",
}

// bestPractices is the type of what a check finds, and no attacker need have done.
const bestPractices = "Software and Configuration Checks/AWS Security Best Practices"

// typesOf classes a finding (AWS Security Hub User Guide, "Types taxonomy for
// ASFF"). That taxonomy has no Impact among its TTPs.
func typesOf(f *detect.Finding) []string {
	var types []string
	if f.EventName != "" {
		for _, id := range f.ATTACK {
			if t, ok := techniques[id]; ok && t.tactic != "Impact" && !slices.Contains(types, "TTPs/"+t.tactic) {
				types = append(types, "TTPs/"+t.tactic)
			}
		}
	}
	if len(types) == 0 {
		types = []string{bestPractices}
	}
	return types
}

// address is the caller's address, or the name of the service that is in its
// place in a record; one of them at most.
func address(f *detect.Finding) (ip netip.Addr, service string) {
	if ip, err := netip.ParseAddr(f.SourceIP); err == nil && ip.Zone() == "" {
		return ip.Unmap(), ""
	}
	return netip.Addr{}, clean(f.SourceIP, 120)
}

// partitionOf is the partition of a Region (AWS General Reference, "ARNs").
func partitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	default:
		return "aws"
	}
}

// userARN is the ARN of an IAM user as far as records report: without its path.
func userARN(f *detect.Finding, name string) string {
	return "arn:" + partitionOf(f.Region) + ":iam::" + clean(f.Account, 20) + ":user/" + clean(name, 128)
}

// units cuts s to at most limit UTF-16 code units, in which a character outside
// the Basic Multilingual Plane counts twice; that suits whatever counts characters.
func units(s string, limit int) string {
	if len(utf16.Encode([]rune(s))) <= limit {
		return s
	}
	n := 3
	for i, r := range s {
		if n += utf16.RuneLen(r); n > limit {
			return strings.TrimRight(s[:i], " ") + "..."
		}
	}
	return s
}
