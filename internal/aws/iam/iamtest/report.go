package iamtest

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Root is a root user, for the credential report.
type Root struct {
	PasswordLastUsed time.Time // zero: no_information
	MFA              bool
	Keys             [2]Key
}

// Key is an access key of root.
type Key struct {
	Active          bool
	LastUsed        time.Time // zero: N/A
	Region, Service string
}

// reportHolds is for how long the service hands out a report, and makes no other.
const reportHolds = 4 * time.Hour

// report is a credential report. It shows what was when it was begun.
type report struct {
	begun time.Time
	csv   string
}

// created is when a user was created.
func (u User) created() time.Time {
	if u.Created.IsZero() {
		return time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	}
	return u.Created.UTC()
}

func (s *Server) generate(account string) (string, *apiError) {
	now := s.Now()
	state, text := "COMPLETE", "A report was made within the last four hours"
	switch r, ok := s.reports[account]; {
	case ok && now.Before(r.begun.Add(s.ReportTakes)):
		state, text = "INPROGRESS", "The report is being made"
	case !ok || !now.Before(r.begun.Add(s.ReportTakes+reportHolds)):
		s.reports[account] = report{now, CSV(account, s.accounts[account])}
		state, text = "STARTED", "No report exists. Starting a new report generation task"
	}
	return "<State>" + state + "</State><Description>" + text + "</Description>", nil
}

func (s *Server) report(account string) (string, *apiError) {
	now := s.Now()
	r, ok := s.reports[account]
	done := r.begun.Add(s.ReportTakes)
	switch {
	case !ok:
		return "", &apiError{http.StatusGone, "ReportNotPresent", "There is no credential report."}
	case now.Before(done):
		return "", &apiError{http.StatusNotFound, "ReportInProgress", "The credential report is still being generated."}
	case !now.Before(done.Add(reportHolds)):
		return "", &apiError{http.StatusGone, "ReportExpired", "The most recent credential report has expired."}
	}
	return "<Content>" + base64.StdEncoding.EncodeToString([]byte(r.csv)) + "</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>" +
		done.UTC().Format(time.RFC3339) + "</GeneratedTime>", nil
}

// CSV is the credential report of an account as IAM writes it.
func CSV(account string, a Account) string {
	var b strings.Builder
	b.WriteString("user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active," +
		"access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service," +
		"access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service," +
		"cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated\n")
	at := func(t time.Time, none string) string {
		if t.IsZero() {
			return none
		}
		return t.UTC().Format("2006-01-02T15:04:05-07:00")
	}
	text := func(value string) string {
		if value == "" {
			return "N/A"
		}
		return value
	}
	key := func(k Key) string {
		return fmt.Sprintf("%v,N/A,%s,%s,%s", k.Active, at(k.LastUsed, "N/A"), text(k.Region), text(k.Service))
	}
	fmt.Fprintf(&b, "<root_account>,arn:aws:iam::%s:root,2020-01-01T00:00:00+00:00,not_supported,%s,not_supported,not_supported,%v,%s,%s,false,N/A,false,N/A\n",
		account, at(a.Root.PasswordLastUsed, "no_information"), a.Root.MFA, key(a.Root.Keys[0]), key(a.Root.Keys[1]))
	for _, name := range slices.Sorted(maps.Keys(a.Users)) {
		u := a.Users[name]
		fmt.Fprintf(&b, "%s,arn:aws:iam::%s:user/%s,%s,%s,N/A,N/A,N/A,%v,%s,%s,false,N/A,false,N/A\n",
			name, account, name, at(u.created(), ""), strings.ToUpper(strconv.FormatBool(u.Password)), len(u.Devices) > 0, key(Key{}), key(Key{}))
	}
	return b.String()
}
