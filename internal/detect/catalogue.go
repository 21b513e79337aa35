package detect

import (
	"slices"

	"rootguard/internal/cloudtrail"
)

// Entry is the row of one kind of finding: what all its occurrences have in common,
// and the rule that makes them.
type Entry struct {
	ID       ID
	Severity Severity // the default; what a record says can raise or lower it
	Title    string   // of the kind; an occurrence has a more precise one
	Meaning  string   // one line
	CIS      []string // controls of the CIS AWS Foundations Benchmark, as v1.4.0 to v3.0.0 number them
	ATTACK   []string // techniques of MITRE ATT&CK for Enterprise, IaaS matrix
	NextStep string   // one sentence of runbook

	Repeats Repeats
	Counted bool // single events are counted and not alerted, until there are many

	// Rules are the deployed rules of package eventrules that deliver its records,
	// by name; those of root at work deliver what root does besides. None: no record
	// shows it, rootguard itself finds it.
	Rules []string

	// The rule, of a finding that one call makes. judge fills in what is found and
	// returns "", or returns why the call is not flagged. change does the same for a
	// successful change of a user or group, or of root's own credentials. Findings
	// without are made by the functions that judge sign-ins, who made a call, and
	// tampering.
	calls       calls
	judge       func(rec *cloudtrail.Record, req params, f *Finding) (pass string)
	attempts    bool // a call that was denied or failed is flagged too
	userChanges []string
	rootChanges []string
	change      func(rec *cloudtrail.Record, c cloudtrail.IAMChange, f *Finding) (pass string)
}

// calls are names of events by their source.
type calls map[string][]string

// Repeats says how further events of a finding in one session are alerted.
type Repeats uint8

// The ways.
const (
	_      Repeats = iota // a row must say
	RollUp                // they say nothing new: the first is alerted, the rest is one roll-up
	Each                  // each is alerted, up to a number that a person can read one by one
)

// Catalogue lists every finding in the order of the documentation. The slice is
// the caller's own.
func Catalogue() []Entry { return slices.Clone(catalogue) }

var catalogue = slices.Concat(rootFindings, userFindings, callFindings, dayTwoFindings, guardFindings)

// InCatalogue reports whether there is such a finding.
func InCatalogue(id ID) bool { return entry(id).Title != "" }

// entry is the catalogue's entry for a finding.
func entry(id ID) Entry {
	for _, e := range catalogue {
		if e.ID == id {
			return e
		}
	}
	return Entry{ID: id}
}

// The rows by what they judge.
var (
	callRules  = callsOf(catalogue)
	userRules  = changesOf(catalogue, func(e *Entry) []string { return e.userChanges })
	rootRules  = changesOf(catalogue, func(e *Entry) []string { return e.rootChanges })
	countedIDs = countedOf(catalogue)
)

// callsOf are the rows by eventSource and eventName.
func callsOf(rows []Entry) map[string]map[string][]*Entry {
	by := map[string]map[string][]*Entry{}
	for i := range rows {
		for source, names := range rows[i].calls {
			if by[source] == nil {
				by[source] = map[string][]*Entry{}
			}
			for _, name := range names {
				by[source][name] = append(by[source][name], &rows[i])
			}
		}
	}
	return by
}

// changesOf are the rows by the name of the change.
func changesOf(rows []Entry, changes func(*Entry) []string) map[string][]*Entry {
	by := map[string][]*Entry{}
	for i := range rows {
		for _, name := range changes(&rows[i]) {
			by[name] = append(by[name], &rows[i])
		}
	}
	return by
}

func countedOf(rows []Entry) map[ID]bool {
	counted := map[ID]bool{}
	for i := range rows {
		if rows[i].Counted {
			counted[rows[i].ID] = true
		}
	}
	return counted
}

// IsCounted reports whether single events of a finding are counted and not
// alerted, until there are many.
func IsCounted(id ID) bool { return countedIDs[id] }

// judged is what rows make of a record, by a function that fills in the finding of a
// row or returns why there is none. The first of several that match gives the
// finding, and Also names the others.
func judged(rec *cloudtrail.Record, rows []*Entry, fill func(row *Entry, f *Finding) (pass string)) Outcome {
	o := Outcome{Kind: NotMatched}
	for _, row := range rows {
		f := finding(rec, row.ID)
		switch pass := fill(row, &f); {
		case pass != "":
			o.Reason = pass
		case o.Kind == Matched:
			first := &o.Finding
			first.Also = append(first.Also, f.ID)
			first.Severity = max(first.Severity, f.Severity)
			first.CIS, first.ATTACK = union(first.CIS, f.CIS), union(first.ATTACK, f.ATTACK)
		default:
			o.Kind, o.Finding = Matched, f
		}
	}
	if o.Kind == Matched {
		o.Reason = ""
	}
	return o
}

// Next steps of occurrences that need another than their kind.
const (
	stepPasswordKnown = "If this was not the holder of the root credentials, change the root password now: " +
		"only MFA kept the caller out, and it may be tried again."

	stepAttempt = "Nothing was changed. Find out who tried this and why, then check what else the same session did."

	stepRootAttempt = "Nothing was changed, but root made the call: ask the holder of the root credentials whether this was them; " +
		"if not, reset the root password and call AWS Support."

	stepRootKey = "Make root access key NAME inactive and delete it: sign in as root, Security credentials, Access keys. " +
		"Then check for other calls made with it."

	stepCredentialsRemoved = "Check that the management account is removing this account's root credentials, " +
		"and that the root password and access keys are gone too; if not, sign in as root and add MFA."
)

// steps are those by finding.
var steps = map[ID][]string{
	RootSigninFailed: {stepPasswordKnown},
	RootMFARemoved:   {stepCredentialsRemoved},
	RootActivity:     {stepRootAttempt, stepRootKey},
}
