package detect

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"rootguard/internal/cloudtrail"
)

// header is the header of a decoded record.
func header(rec *cloudtrail.Record) cloudtrail.Header {
	return cloudtrail.Header{EventSource: []byte(rec.EventSource), EventName: []byte(rec.EventName), IdentityType: []byte(rec.UserIdentity.Type), IssuerType: []byte(rec.UserIdentity.Session.IssuerType)}
}

// checkOutcome checks what holds for the verdict on any record.
func checkOutcome(tb testing.TB, rec *cloudtrail.Record, o Outcome) {
	tb.Helper()
	if o.Kind != Skipped && !Candidate(header(rec)) {
		tb.Errorf("a record that a rule checks is no candidate: %s %s by %s", rec.EventSource, rec.EventName, rec.UserIdentity.Type)
	}
	if o.Kind != Matched {
		if o.Reason == "" {
			tb.Error("no reason why the record was not flagged")
		}
		return
	}
	f := o.Finding
	if o.Reason != "" {
		tb.Errorf("a finding with a reason against it: %s", o.Reason)
	}
	if e := entry(f.ID); e.Title == "" || !isStep(&e, &f) {
		tb.Errorf("%s is not as the catalogue has it", f.ID)
	}
	for _, also := range f.Also {
		if also == f.ID || entry(also).Title == "" {
			tb.Errorf("%s also makes %s", f.ID, also)
		}
	}
	for name, missing := range map[string]bool{
		"title": f.Title == "", "detail": f.Detail == "", "actor type": f.Actor.Type == "", "session": f.Session == "",
		"CIS": len(f.CIS) == 0, "ATT&CK": len(f.ATTACK) == 0,
	} {
		if missing {
			tb.Errorf("%s has no %s", f.ID, name)
		}
	}
	if strings.ContainsFunc(f.Title, func(r rune) bool { return r < ' ' || r > '~' }) || len(f.Title) > 200 {
		tb.Errorf("title %q is not short printable ASCII", f.Title)
	}
	if f.EventID != rec.EventID || !f.EventTime.Equal(rec.EventTime) || f.Account != rec.Account() || f.Severity > Critical {
		tb.Errorf("finding is not of its record: %+v", f)
	}
}

// isStep reports whether a finding's next step is one of its kind, with or without
// the name of what it is about.
func isStep(e *Entry, f *Finding) bool {
	return slices.ContainsFunc(append(slices.Clone(steps[f.ID]), e.NextStep, stepAttempt), func(step string) bool {
		return regexp.MustCompile("^" + strings.ReplaceAll(regexp.QuoteMeta(step), "NAME", "[^ ]+") + "$").MatchString(f.NextStep)
	})
}
