package report

import (
	"fmt"
	"time"

	"rootguard/internal/bootstrap"
	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// hostile is what a user may be called whose maker knew of this page.
const hostile = `</style><script>alert(1)</script><img src=x onerror=alert(2)>"'` + "`{{.}}\u202e"

var day = time.Date(2026, time.March, 2, 9, 0, 0, 0, time.UTC)

// status is an account with a step in every state and a user in every state.
func status(account string) bootstrap.Status {
	seen := &bootstrap.Evidence{EventID: "0f7f5d5e-3f5a-4c55-8b0e-0d2c7a1b2c3d", Time: day, Actor: "root", What: "EnableMFADevice (passkey or security key)"}
	return bootstrap.Status{
		Account: account, AsOf: day.Add(37 * 24 * time.Hour), FirstEvent: day, LastEvent: day.Add(37 * 24 * time.Hour),
		Steps: []bootstrap.StepStatus{
			{Step: bootstrap.RootMFA, State: bootstrap.Regressed, Since: day, Note: "no device left", Evidence: seen, History: []bootstrap.Transition{
				{From: bootstrap.Unknown, To: bootstrap.Done, At: day, Evidence: *seen},
				{From: bootstrap.Done, To: bootstrap.Regressed, At: day.Add(time.Hour), Evidence: bootstrap.Evidence{What: "DeactivateMFADevice", Actor: "root"}},
			}},
			{Step: bootstrap.RootKeysAbsent, State: bootstrap.Unknown},
			{Step: bootstrap.AdminUser, State: bootstrap.Done, Since: day, Evidence: &bootstrap.Evidence{What: "CreateLoginProfile", Actor: hostile, Time: day}},
			{Step: bootstrap.AdminSignedIn, State: bootstrap.Done, Since: day},
			{Step: bootstrap.AdminPasswordChanged, State: bootstrap.NotApplicable},
			{Step: bootstrap.AdminMFA, State: bootstrap.Done, Since: day},
			{Step: bootstrap.RootQuiet, State: bootstrap.Pending, Note: "12 of 30 days"},
		},
		Users: []bootstrap.UserStatus{
			{Name: "admin", UserID: "AIDACKCEVSQ6C2EXAMPLE", Admin: true, ConsoleAccess: true, MFA: bootstrap.MFAOn, CreatedAt: day, CreatedBy: "root"},
			{Name: hostile, UserID: "AIDAJQABLZS4DANAEXMPL", ConsoleAccess: true, MFA: bootstrap.MFAMissing, GraceDeadline: day.Add(24 * time.Hour), Quarantined: &bootstrap.Evidence{Time: day.Add(96 * time.Hour), Actor: hostile, What: "AttachUserPolicy"}},
			{Name: "a-user-whose-name-is-as-long-as-iam-lets-it-be-0123456789abcdef", ConsoleAccess: true, MFA: bootstrap.MFAPending, GraceDeadline: day.Add(40 * 24 * time.Hour)},
			{Name: "gone", Deleted: true, DeletedAt: day},
		},
	}
}

// alerts are n alerts spread over the accounts, in bursts.
func alerts(n int, accounts []Account) []Alert {
	catalogue := detect.Catalogue()
	out := make([]Alert, 0, n)
	for i := range n {
		e := catalogue[(i*5)%len(catalogue)]
		at := day.Add(time.Duration(i%5)*9*24*time.Hour + time.Duration(i*i%7000)*time.Second)
		name := "admin"
		if i%3 == 0 {
			name = hostile
		}
		f := detect.Finding{
			ID: e.ID, Severity: e.Severity, Title: e.Title + ": " + name, Detail: e.Meaning, NextStep: e.NextStep, CIS: e.CIS, ATTACK: e.ATTACK,
			EventID: fmt.Sprintf("%08x-0000-4000-8000-000000000000", i), EventTime: at, EventSource: "iam.amazonaws.com", EventName: "CreateUser",
			Region: "us-east-1", SourceIP: "198.51.100.77", UserAgent: "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0", MFA: cloudtrail.No,
			Actor:  detect.Actor{Type: "IAMUser", Name: name, ARN: "arn:aws:iam::111122223333:user/" + name},
			Target: detect.Target{UserName: hostile, UserID: "AIDAJQABLZS4DANAEXMPL"},
		}
		if len(accounts) > 0 {
			f.Account = accounts[i%len(accounts)].Status.Account
		}
		out = append(out, Alert{Finding: f, RolledUp: i % 4})
	}
	return out
}

// organization is a report on many accounts, two of them with open incidents.
func organization(accounts, n int) Report {
	r := sample(accounts, n)
	for i := range r.Accounts {
		r.Accounts[i].Status.Account = fmt.Sprintf("1111222%05d", i)
	}
	for i := range r.Alerts {
		r.Alerts[i].Finding.Account = r.Accounts[i%accounts].Status.Account
	}
	r.HasIncidents = true
	for _, i := range []int{3, accounts - 1} {
		r.Incidents = append(r.Incidents, Incident{ID: fmt.Sprintf("inc-%d", i), Account: r.Accounts[i].Status.Account, Severity: detect.Critical, Title: "Root sign-in WITHOUT MFA by " + hostile, Opened: day, Events: 3})
	}
	return r
}

// sample is a report on so many accounts and alerts.
func sample(accounts, n int) Report {
	r := Report{Made: day.Add(38 * 24 * time.Hour), Source: "/home/someone/.local/share/rootguard/rootguard.db", Version: "v0.0.0"}
	for i := range accounts {
		a := Account{Status: status(fmt.Sprintf("1111222233%02d", i))}
		if i%2 == 0 {
			a.Name = fmt.Sprintf("example-%d", i)
		}
		if i%4 == 1 {
			a.Status.Steps, a.Status.Users, a.Status.Bootstrapped = nil, nil, true
			for _, s := range bootstrap.Steps() {
				a.Status.Steps = append(a.Status.Steps, bootstrap.StepStatus{Step: s, State: bootstrap.Done, Since: day})
			}
		}
		r.Accounts = append(r.Accounts, a)
	}
	r.Alerts = alerts(n, r.Accounts)
	return r
}
