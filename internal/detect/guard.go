package detect

import "time"

// The findings about rootguard itself and what its operators do.
const (
	GuardTampered        ID = "guard.tampered"
	GuardUnhealthy       ID = "guard.unhealthy"
	RootUseAnnounced     ID = "root.use.announced"
	IncidentAcknowledged ID = "incident.acknowledged"
	GuardDigest          ID = "guard.digest"
	AlertsSuppressed     ID = "alerts.suppressed"
)

// guardFindings are their rows.
var guardFindings = []Entry{
	{
		ID: GuardTampered, Severity: Critical, Title: "Guardrail tampered with",
		Meaning: "Something rootguard needs, or the trail that feeds it, was switched off, removed or changed.",
		CIS:     []string{"4.3", "4.5"}, ATTACK: []string{"T1562.001", "T1562.008"},
		NextStep: "Unless you are deploying rootguard right now, undo the change, then check what the same session did before and " +
			"after.",
		Repeats: Each, Rules: []string{"guard-trail", "guard-delivery", "guard-function", "guard-watch", "guard-policy", "role-change"},
	},
	{
		ID: GuardUnhealthy, Severity: High, Title: "Guardrail unhealthy",
		Meaning: "A part of rootguard does not work, so that an alert may not come.",
		CIS:     []string{"4.3"},
		NextStep: "Run rootguard doctor and fix what it names; then rootguard redrive for events that waited, and rootguard replay " +
			"over the logs written since.",
		Repeats: Each,
	},
	{
		ID: RootUseAnnounced, Severity: High, Title: "Root use announced",
		Meaning: "Root use was announced (rootguard announce open), or an announcement ended.",
		CIS:     []string{"1.7", "4.3"}, ATTACK: []string{"T1562.001"},
		NextStep: "If you do not know of this, end it now with rootguard announce close, and find out who announced it: until then " +
			"alerts of root use are low.",
		Repeats: RollUp,
	},
	{
		ID: IncidentAcknowledged, Severity: Info, Title: "Incident acknowledged",
		Meaning:  "Someone looks after an incident, which is not sent again.",
		CIS:      []string{"4.3"},
		NextStep: "If you do not know who this is, investigate the incident yourself: rootguard incidents.",
		Repeats:  RollUp,
	},
	{
		ID: GuardDigest, Severity: Info, Title: "Digest",
		Meaning:  "The status of all accounts and of rootguard itself, at fixed times: that it does not come is the sign that rootguard does not work.",
		CIS:      []string{"4.3"},
		NextStep: "Read what is regressed, who awaits MFA and what is not covered; if the next digest does not come, run rootguard doctor.",
		Repeats:  Each,
	},
	{
		ID: AlertsSuppressed, Severity: High, Title: "Alerts suppressed",
		Meaning: "Alerts of a finding were suppressed (rootguard suppress add), or a suppression ended.",
		CIS:     []string{"4.3"}, ATTACK: []string{"T1562.001"},
		NextStep: "If you do not know of this, end it now with rootguard suppress remove, and find out who added it: until then these " +
			"alerts are not sent.",
		Repeats: RollUp,
	},
}

// Digest is the finding of a digest that is due at a time, which every attempt to send
// it has the same. what says for people what matters most in it.
func Digest(account, what string, due time.Time) Finding {
	f := base(GuardDigest)
	f.Title += ": " + what
	f.Account, f.EventTime = account, due.UTC()
	f.opens(string(GuardDigest)+"/"+account+"/"+due.UTC().Format(time.RFC3339), due)
	f.Session = "digest"
	f.Actor = Actor{Type: "AWSService", Name: "rootguard"}
	return f
}
