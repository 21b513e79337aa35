package guard_test

import (
	"rootguard/internal/wiretest"

	"fmt"
	"strings"
	"testing"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/guard"
)

// failedSignIn is a failed sign-in of an identity in an account, from an address.
func failedSignIn(n int, identity cloudtrail.UserIdentity, in, address string, at time.Time) *cloudtrail.Record {
	identity.AccountID = in
	return &cloudtrail.Record{
		EventID: fmt.Sprintf("signin-%d", n), EventTime: at, EventType: "AwsConsoleSignIn", EventSource: "signin.amazonaws.com", EventName: "ConsoleLogin",
		RecipientAccountID: in, SourceIPAddress: address, UserIdentity: identity, ErrorMessage: "Failed authentication",
		ResponseElements: []byte(`{"ConsoleLogin":"Failure"}`), AdditionalEventData: []byte(`{"MFAUsed":"No"}`),
	}
}

func TestFailedUserSignIns(t *testing.T) {
	user := func(name string) cloudtrail.UserIdentity {
		return cloudtrail.UserIdentity{Type: "IAMUser", UserName: name}
	}
	type attempt struct {
		user, address string
		minute        float64
	}
	times := func(n int, of func(i int) attempt) (all []attempt) {
		for i := range n {
			all = append(all, of(i))
		}
		return all
	}
	for name, tt := range map[string]struct {
		attempts []attempt
		want     []string // parts of each alert's title
	}{
		"four of one user":                    {times(4, func(i int) attempt { return attempt{"eve", "192.0.2.1", float64(i)} }), nil},
		"five of one user":                    {times(5, func(i int) attempt { return attempt{"eve", "192.0.2.1", float64(i)} }), []string{"5 sign-ins of IAM user eve failed within 15 minutes"}},
		"five of one user, of many addresses": {times(5, func(i int) attempt { return attempt{"eve", fmt.Sprintf("192.0.2.%d", i), float64(i)} }), []string{"5 sign-ins of IAM user eve"}},
		"five users, one address":             {times(5, func(i int) attempt { return attempt{fmt.Sprintf("u%d", i), "192.0.2.1", float64(i)} }), []string{"5 sign-ins of IAM users from one address"}},
		"five users, as many addresses": {times(5, func(i int) attempt {
			return attempt{fmt.Sprintf("u%d", i), fmt.Sprintf("192.0.2.%d", i), float64(i)}
		}), nil},
		"hidden names, one address": {times(5, func(i int) attempt { return attempt{"HIDDEN_DUE_TO_SECURITY_REASONS", "192.0.2.1", float64(i)} }), []string{"from one address"}},
		"hidden names, as many addresses": {times(5, func(i int) attempt {
			return attempt{"HIDDEN_DUE_TO_SECURITY_REASONS", fmt.Sprintf("192.0.2.%d", i), float64(i)}
		}), nil},
		"one an hour":              {times(9, func(i int) attempt { return attempt{"eve", "192.0.2.1", float64(60 * i)} }), nil},
		"across two windows":       {times(5, func(i int) attempt { return attempt{"eve", "192.0.2.1", []float64{0, 12, 13, 16, 17}[i]} }), nil},
		"across two, but close":    {times(6, func(i int) attempt { return attempt{"eve", "192.0.2.1", []float64{0, 12, 13, 16, 17, 18}[i]} }), []string{"5 sign-ins of IAM user eve"}},
		"more after it, rolled up": {times(9, func(i int) attempt { return attempt{"eve", "192.0.2.1", float64(i)} }), []string{"5 sign-ins", "9 sign-ins"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := wiretest.RealWorld()
			for i, a := range tt.attempts {
				rec := failedSignIn(i, user(a.user), wiretest.Account, a.address, wiretest.T0.Add(time.Duration(a.minute*float64(time.Minute))))
				res, err := w.Handle(t.Context(), rec)
				if err != nil {
					t.Fatal(err)
				}
				if res.Disposition == guard.Counted && (res.Outcome.Kind != detect.NotMatched || res.Outcome.Reason == "") {
					t.Errorf("a counted sign-in: %+v", res.Outcome)
				}
				if again, err := w.Handle(t.Context(), rec); err != nil || again.Disposition != guard.Duplicate {
					t.Errorf("handled again: %s, %v", again.Disposition, err)
				}
			}
			if _, err := w.Flush(t.Context(), wiretest.T0.Add(24*time.Hour)); err != nil {
				t.Fatal(err)
			}
			alerts := w.Receivers.Published()
			if len(alerts) != len(tt.want) {
				t.Fatalf("%d alerts, want %d: %+v", len(alerts), len(tt.want), alerts)
			}
			for i, a := range alerts {
				if a.Finding.ID != detect.UserSigninFailed || !strings.Contains(a.Finding.Title, tt.want[i]) {
					t.Errorf("alert %s %q, want %q", a.Finding.ID, a.Finding.Title, tt.want[i])
				}
			}
		})
	}
}

// TestFailedUserSignInPublish holds that a burst whose alert could not be sent is sent later.
func TestFailedUserSignInPublish(t *testing.T) {
	w := wiretest.RealWorld()
	last := failedSignIn(4, cloudtrail.UserIdentity{Type: "IAMUser", UserName: "eve"}, wiretest.Account, "192.0.2.1", wiretest.T0.Add(4*time.Minute))
	for i := range 4 {
		w.MustHandle(t, failedSignIn(i, last.UserIdentity, wiretest.Account, "192.0.2.1", wiretest.T0.Add(time.Duration(i)*time.Minute)), guard.Counted)
	}
	w.Script.Fail("Publisher.Publish", 1)
	if _, err := w.Handle(t.Context(), last); err == nil {
		t.Fatal("the alert was not sent, and there is no error")
	}
	w.MustHandle(t, last, guard.Alerted)
	if got := w.Receivers.Published(); len(got) != 1 || !strings.HasPrefix(got[0].Finding.Title, "5 sign-ins") {
		t.Errorf("alerts: %+v", got)
	}
}

func TestSpraying(t *testing.T) {
	root := cloudtrail.UserIdentity{Type: "Root"}
	for name, tt := range map[string]struct {
		accounts  []string
		addresses []string
		minutes   []int
		want      int
	}{
		"two accounts":                    {[]string{"111111111111", "222222222222", "111111111111"}, []string{"a", "a", "a"}, []int{0, 1, 2}, 0},
		"three accounts":                  {[]string{"111111111111", "222222222222", "333333333333"}, []string{"a", "a", "a"}, []int{0, 20, 40}, 1},
		"three accounts, three addresses": {[]string{"111111111111", "222222222222", "333333333333"}, []string{"a", "b", "c"}, []int{0, 1, 2}, 0},
		"three accounts in three hours":   {[]string{"111111111111", "222222222222", "333333333333"}, []string{"a", "a", "a"}, []int{0, 60, 120}, 0},
		"four accounts, no address":       {[]string{"111111111111", "222222222222", "333333333333", "444444444444"}, []string{"", "", "", ""}, []int{0, 1, 2, 3}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			w := wiretest.RealWorld()
			for i := range tt.accounts {
				for range 2 { // delivered twice
					if _, err := w.Handle(t.Context(), failedSignIn(i, root, tt.accounts[i], tt.addresses[i], wiretest.T0.Add(time.Duration(tt.minutes[i])*time.Minute))); err != nil {
						t.Fatal(err)
					}
				}
			}
			n := 0
			for _, a := range w.Receivers.Published() {
				if a.Finding.ID == detect.RootSigninSpraying {
					n++
					for _, in := range tt.accounts {
						if !strings.Contains(a.Finding.Detail, in) {
							t.Errorf("account %s is not in %q", in, a.Finding.Detail)
						}
					}
				}
			}
			if n != tt.want {
				t.Errorf("%d alerts of spraying, want %d", n, tt.want)
			}
		})
	}
}

func TestAccessKeyOwner(t *testing.T) {
	hour := func(h int) time.Time { return wiretest.T0.Add(time.Duration(h) * time.Hour) }
	for name, tt := range map[string]struct {
		before []string // calls about the user, one an hour
		want   detect.Severity
	}{
		"nothing on record":                {nil, detect.High},
		"new user without a password":      {[]string{"CreateUser"}, detect.Info},
		"its second key":                   {[]string{"CreateUser", "CreateAccessKey"}, detect.High},
		"new user with a password, no MFA": {[]string{"CreateUser", "CreateLoginProfile"}, detect.High},
		"password removed again":           {[]string{"CreateUser", "CreateLoginProfile", "DeleteLoginProfile"}, detect.Info},
		"made again":                       {[]string{"CreateUser", "DeleteUser"}, detect.High},
	} {
		t.Run(name, func(t *testing.T) {
			w := wiretest.RealWorld()
			for i, name := range tt.before {
				if _, err := w.Handle(t.Context(), wiretest.IAMCall(name, "eve", hour(i))); err != nil {
					t.Fatal(err)
				}
			}
			res, err := w.Handle(t.Context(), wiretest.IAMCall("CreateAccessKey", "eve", hour(10)))
			if err != nil || res.Outcome.Finding.ID != detect.UserAccessKeyCreated || res.Outcome.Finding.Severity != tt.want {
				t.Errorf("%s %s, %v, want %s", res.Outcome.Finding.Severity, res.Outcome.Finding.ID, err, tt.want)
			}
		})
	}
}
