package iam_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/credentialreport"
	"rootguard/internal/failure"
)

// TestCredentialReport follows a report from the first request to its successor,
// in the own account and in a member's.
func TestCredentialReport(t *testing.T) {
	for _, account := range []string{home, member} {
		t.Run(account, func(t *testing.T) {
			server := iamtest.New(t, home)
			now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
			server.Now, server.ReportTakes = func() time.Time { return now }, 2*time.Minute
			server.AllowRole("arn:aws:iam::" + member + ":role/rootguard-read")
			used := now.Add(-time.Hour)
			state := iamtest.Account{
				Root:  iamtest.Root{PasswordLastUsed: used, MFA: true, Keys: [2]iamtest.Key{{}, {Active: true, LastUsed: used, Region: "eu-west-3", Service: "s3"}}},
				Users: map[string]iamtest.User{"eve": {Password: true}},
			}
			server.Set(account, state)
			a := iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(server), stsClient(server), "rootguard-read")
			get := func(want accountcheck.ReportState) accountcheck.CredentialReport {
				t.Helper()
				got, err := a.CredentialReport(t.Context(), account)
				if err != nil || got.State != want {
					t.Fatalf("at %v the report is %q, %v, want %q", now, got.State, err, want)
				}
				return got
			}
			request := func(want accountcheck.ReportState) {
				t.Helper()
				if got, err := a.RequestCredentialReport(t.Context(), account); err != nil || got != want {
					t.Fatalf("at %v: %q, %v, want %q", now, got, err, want)
				}
			}
			get(accountcheck.ReportAbsent)
			request(accountcheck.ReportInProgress)
			get(accountcheck.ReportInProgress)
			request(accountcheck.ReportInProgress)
			server.Set(account, iamtest.Account{}) // what comes after shows in the next one
			now = now.Add(2 * time.Minute)
			report := get(accountcheck.ReportReady)
			if !report.Generated.Equal(now) || string(report.CSV) != iamtest.CSV(account, state) {
				t.Errorf("of %v: %s", report.Generated, report.CSV)
			}
			var names []string
			defects, err := credentialreport.Read(report.CSV, func(r credentialreport.Row) bool {
				if names = append(names, r.User); r.Root() && (!r.PasswordLastUsed.Equal(used) || !r.Keys[1].LastUsed.Equal(used) || r.Keys[1].Region != "eu-west-3") {
					t.Errorf("root: %+v", r)
				}
				return true
			})
			if diff := cmp.Diff([]string{credentialreport.RootUser, "eve"}, names); diff != "" || err != nil || defects.Count != 0 {
				t.Errorf("rows (-want +got):\n%s%v %+v", diff, err, defects)
			}
			now = now.Add(accountcheck.ReportAge - time.Second)
			request(accountcheck.ReportReady)
			if again := get(accountcheck.ReportReady); !again.Generated.Equal(report.Generated) {
				t.Error("there is another one within four hours")
			}
			now = now.Add(time.Second)
			get(accountcheck.ReportAbsent)
			request(accountcheck.ReportInProgress)
			now = now.Add(2 * time.Minute)
			if next := get(accountcheck.ReportReady); !next.Generated.Equal(now) || string(next.CSV) == string(report.CSV) {
				t.Errorf("the next one is of %v: %s", next.Generated, next.CSV)
			}
		})
	}
}

func TestCredentialReportFaults(t *testing.T) {
	for _, tt := range []struct {
		action, code string
		times        int
		ok           bool
	}{
		{"GetCredentialReport", "Throttling", 2, true},
		{"GetCredentialReport", "Throttling", 9, false},
		{"GetCredentialReport", "AccessDenied", 1, false},
		{"GetCredentialReport", "ServiceFailure", 9, false},
		{"GenerateCredentialReport", "Throttling", 2, true},
		{"GenerateCredentialReport", "LimitExceeded", 9, false},
		{"GenerateCredentialReport", "AccessDenied", 1, false},
	} {
		server := iamtest.New(t, home)
		client := iam.New(iamClient(server))
		if _, err := client.RequestCredentialReport(t.Context()); err != nil {
			t.Fatal(err)
		}
		server.Inject(tt.action, tt.times, tt.code)
		var err error
		var state accountcheck.ReportState
		if tt.action == "GetCredentialReport" {
			var report accountcheck.CredentialReport
			report, err = client.CredentialReport(t.Context())
			state = report.State
		} else {
			state, err = client.RequestCredentialReport(t.Context())
		}
		if (err == nil) != tt.ok || tt.ok != (state == accountcheck.ReportReady) || err != nil && (!failure.Retryable(err) || !strings.Contains(err.Error(), tt.code)) {
			t.Errorf("%s %d %s: %q, %v", tt.action, tt.times, tt.code, state, err)
		}
	}
	// Without a role other accounts are out of reach.
	a := iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(iamtest.New(t, home)), nil, "")
	if _, err := a.CredentialReport(t.Context(), member); err == nil {
		t.Error("a report of an account out of reach")
	}
	if _, err := a.RequestCredentialReport(t.Context(), member); err == nil {
		t.Error("a report of an account out of reach was requested")
	}
}

// TestCredentialReportAnswers holds that what is no report is an error.
func TestCredentialReportAnswers(t *testing.T) {
	const answer = "<GetCredentialReportResponse><GetCredentialReportResult>%</GetCredentialReportResult></GetCredentialReportResponse>"
	for content, ok := range map[string]bool{
		"<Content>dXNlcg==</Content><ReportFormat>text/csv</ReportFormat><GeneratedTime>2026-03-02T09:00:00Z</GeneratedTime>":         true,
		"<Content>dXNlcg==</Content><GeneratedTime>2026-03-02T09:00:00Z</GeneratedTime>":                                              true,
		"<Content>dXNlcg==</Content><ReportFormat>application/json</ReportFormat><GeneratedTime>2026-03-02T09:00:00Z</GeneratedTime>": false,
		"<Content>dXNlcg==</Content><ReportFormat>text/csv</ReportFormat>":                                                            false,
		"<ReportFormat>text/csv</ReportFormat><GeneratedTime>2026-03-02T09:00:00Z</GeneratedTime>":                                    false,
	} {
		web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Replace(answer, "%", content, 1)))
		}))
		server := &iamtest.Server{URL: web.URL}
		if got, err := iam.New(iamClient(server)).CredentialReport(t.Context()); (err == nil) != ok || (got.State == accountcheck.ReportReady) != ok {
			t.Errorf("%s: %+v, %v", content, got, err)
		}
		web.Close()
	}
}
