package iam_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"rootguard/internal/aws/iam"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
)

const policyName = "rootguard-quarantine"

func policyIn(account string) string { return "arn:aws:iam::" + account + ":policy/" + policyName }

// TestQuarantine puts a user under the policy and takes it off, in the own
// account and in a member, each step twice.
func TestQuarantine(t *testing.T) {
	for _, account := range []string{home, member} {
		t.Run(account, func(t *testing.T) {
			server := iamtest.New(t, home)
			server.PageSize = 2
			server.AllowRole("arn:aws:iam::" + member + ":role/rootguard-quarantine-member")
			server.Set(account, iamtest.Account{Users: map[string]iamtest.User{
				"eve": {Password: true, ID: "AIDAEVE", Policies: []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B", "arn:aws:iam::aws:policy/" + policyName}},
			}})
			before := server.User(account, "eve").Policies
			q := iam.NewQuarantine(iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(server), stsClient(server), "rootguard-quarantine-member"), policyName)

			live, err := q.User(t.Context(), account, "eve")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(bootstrap.LiveFact{UserName: "eve", UserID: "AIDAEVE", ConsoleLogin: ptr(true)}, live); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
			check := func(user string, want bool) {
				t.Helper()
				if got, err := q.Attached(t.Context(), account, user); err != nil || got != want {
					t.Errorf("attached to %s: %v, %v, want %v", user, got, err, want)
				}
			}
			check("eve", false)
			for range 2 {
				if err := q.Attach(t.Context(), account, "eve"); err != nil {
					t.Fatal(err)
				}
				check("eve", true)
				if got := server.User(account, "eve").Policies; !slices.Equal(got, append(slices.Clone(before), policyIn(account))) {
					t.Errorf("policies %v", got)
				}
			}
			for _, want := range []bool{true, false} {
				if was, err := q.Detach(t.Context(), account, "eve"); err != nil || was != want {
					t.Errorf("detached: %v, %v, want %v", was, err, want)
				}
				check("eve", false)
			}

			// A user that does not exist is out of quarantine, and cannot be put in.
			check("adam", false)
			if was, err := q.Detach(t.Context(), account, "adam"); err != nil || was {
				t.Errorf("detached from nobody: %v, %v", was, err)
			}
			if live, err := q.User(t.Context(), account, "adam"); err != nil || !live.Gone {
				t.Errorf("nobody: %+v, %v", live, err)
			}
			if err := q.Attach(t.Context(), account, "adam"); err == nil {
				t.Error("attached to nobody")
			}
		})
	}
}

// TestQuarantineFaults holds that what IAM refuses is an error, and no answer.
func TestQuarantineFaults(t *testing.T) {
	server := iamtest.New(t, home)
	server.Set(home, iamtest.Account{Users: map[string]iamtest.User{"eve": {Password: true, ID: "AIDAEVE"}}})
	q := iam.NewQuarantine(iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(server), nil, ""), policyName)
	for action, call := range map[string]func() error{
		"GetUser":                  func() error { _, err := q.User(t.Context(), home, "eve"); return err },
		"AttachUserPolicy":         func() error { return q.Attach(t.Context(), home, "eve") },
		"DetachUserPolicy":         func() error { _, err := q.Detach(t.Context(), home, "eve"); return err },
		"ListAttachedUserPolicies": func() error { _, err := q.Attached(t.Context(), home, "eve"); return err },
		"SimulatePrincipalPolicy":  func() error { _, err := q.Barred(t.Context(), home, "eve"); return err },
	} {
		server.Inject(action, 1, "AccessDenied")
		if err := call(); err == nil {
			t.Errorf("%s: no error", action)
		}
	}
	// Without a role other accounts are out of reach.
	for name, call := range map[string]func() error{
		"User":     func() error { _, err := q.User(t.Context(), member, "eve"); return err },
		"Attach":   func() error { return q.Attach(t.Context(), member, "eve") },
		"Detach":   func() error { _, err := q.Detach(t.Context(), member, "eve"); return err },
		"Attached": func() error { _, err := q.Attached(t.Context(), member, "eve"); return err },
		"Barred":   func() error { _, err := q.Barred(t.Context(), member, "eve"); return err },
		"Administrator": func() error {
			_, err := q.Administrator(t.Context(), member, "eve")
			return err
		},
	} {
		if err := call(); err == nil {
			t.Errorf("%s in another account: no error", name)
		}
	}
}

// TestQuarantineSafety holds what bars a user from MFA, and what does not, and who
// is an administrator.
func TestQuarantineSafety(t *testing.T) {
	const enable, list = "iam:EnableMFADevice", "iam:ListMFADevices"
	server := iamtest.New(t, home)
	server.PageSize = 1
	server.Set(home, iamtest.Account{Users: map[string]iamtest.User{
		"free":     {Path: "/ops/", Policies: []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::" + home + ":policy/AdministratorAccess"}},
		"bounded":  {Bounded: true, Policies: []string{"arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/AdministratorAccess"}},
		"barred":   {Bounded: true, Denied: map[string]string{enable: "boundary"}},
		"unlisted": {Bounded: true, Denied: map[string]string{list: "boundary"}},
		"scp":      {Denied: map[string]string{enable: "organization"}},
		"denied":   {Denied: map[string]string{enable: "policy"}},
		"other":    {Bounded: true, Denied: map[string]string{"s3:GetObject": "boundary"}},
	}})
	q := iam.NewQuarantine(iam.NewAccounts(iam.Home{Partition: "aws", Account: home}, iamClient(server), nil, ""), policyName)
	for user, want := range map[string]string{
		"free": "", "bounded": "", "other": "",
		"barred":   "The permissions boundary of the user does not allow " + enable,
		"unlisted": "The permissions boundary of the user does not allow " + list,
		"scp":      "A service control policy of the organization does not allow " + enable,
		"denied":   "A policy of the user or of its groups denies " + enable,
	} {
		if why, err := q.Barred(t.Context(), home, user); err != nil || why != want {
			t.Errorf("%s: %q, %v, want %q", user, why, err, want)
		}
		if admin, err := q.Administrator(t.Context(), home, user); err != nil || admin != (user == "bounded") {
			t.Errorf("%s is an administrator: %v, %v", user, admin, err)
		}
	}
	if why, err := q.Barred(t.Context(), home, "nobody"); err == nil {
		t.Errorf("a user that does not exist: %q", why)
	}
}
