package incident

import (
	"context"
	"errors"
	"strings"

	"rootguard/internal/alert"
	"rootguard/internal/detect"
	"rootguard/internal/worker"
)

// attachEach stores the incidents that a summary's findings belong to: of users
// without MFA one for each account, of root one for each finding.
// That of a summary about the users of one account is returned, else nil.
func (b *Book) attachEach(ctx context.Context, a *alert.Alert) (*alert.Incident, error) {
	var only *alert.Incident
	type sub struct {
		alert alert.Alert
		id    *string
	}
	var subs []sub
	for i := range a.Summary.Accounts {
		of := &a.Summary.Accounts[i]
		if strings.HasPrefix(string(a.Finding.ID), "user.") {
			one := *a
			one.Summary = &alert.Summary{Accounts: []alert.SummaryAccount{*of}, AccountCount: 1, FindingCount: len(of.Findings)}
			one.Finding = summedOf(a, of)
			subs = append(subs, sub{one, &of.Incident})
			continue
		}
		for j := range of.Findings {
			it := &of.Findings[j]
			one := alert.Alert{Schema: a.Schema, ID: a.ID, Kind: alert.First, AccountName: of.Name, Finding: alert.Listed(of.Account, it)}
			subs = append(subs, sub{one, &it.Incident})
		}
	}
	errs := make([]error, len(subs))
	worker.Each(len(subs), func(i int) {
		in, err := b.attach(ctx, &subs[i].alert)
		if errs[i] = err; in != nil {
			*subs[i].id = in.ID
			if i == 0 {
				a.Summary.AckFlags = in.AckFlags
			}
			if len(subs) == 1 && subs[i].alert.Summary != nil {
				only = in
			}
		}
	})
	return only, errors.Join(errs...)
}

// summedOf is the finding about the users of one account of a summary.
func summedOf(a *alert.Alert, of *alert.SummaryAccount) detect.Finding {
	if len(of.Findings) == 1 {
		return alert.Listed(of.Account, &of.Findings[0])
	}
	all := make([]detect.Finding, 0, len(of.Findings))
	for i := range of.Findings {
		all = append(all, alert.Listed(of.Account, &of.Findings[i]))
	}
	return detect.Summed(a.ID+"/"+of.Account, all)
}
