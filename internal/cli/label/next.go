package label

import (
	"cmp"
	"fmt"

	"rootguard/internal/bootstrap"
)

// Advice is what a person does next about an account, in plain words.
type Advice struct {
	Step bootstrap.Step
	Do   string
	Path string // the way through the AWS console, "" where there is none
}

// Where things are in the AWS console.
const (
	credentialsPage = "Console: your name at the top right > Security credentials > "
	usersPage       = "Console: IAM > Users > "
)

// Next is what to do next: the first step that is neither done nor left out,
// those that regressed and those that are pending before those of which nothing
// is known. found is false where nothing is left.
func Next(s *bootstrap.Status) (a Advice, found bool) {
	for _, unknown := range []bool{false, true} {
		for i := range s.Steps {
			step := &s.Steps[i]
			open := step.State == bootstrap.Pending || step.State == bootstrap.Regressed
			if open && !unknown || unknown && step.State == bootstrap.Unknown {
				return advice(s, step), true
			}
		}
	}
	return Advice{}, false
}

func advice(s *bootstrap.Status, step *bootstrap.StepStatus) Advice {
	a := Advice{Step: step.Step}
	unknown := step.State == bootstrap.Unknown
	admin := AdminName(s)
	switch step.Step {
	case bootstrap.RootMFA:
		a.Do = "Sign in as the root user and add an MFA device. A passkey or a security key is the safest."
		if unknown {
			a.Do = "Sign in as the root user and see that it has an MFA device; add one if it has none."
		}
		a.Path = credentialsPage + "Multi-factor authentication (MFA) > Assign MFA device"
	case bootstrap.RootKeysAbsent:
		a.Do = "Sign in as the root user and delete its access keys. Deactivate each first, and see that nothing breaks."
		if unknown {
			a.Do = "See that the root user has no access key. rootguard knows only after it asks IAM: the deployed guard does that each hour."
		}
		a.Path = credentialsPage + "Access keys > Actions"
	case bootstrap.AdminUser:
		a.Do = "Give one person administrator rights, so that root is not needed. With an organization, use IAM Identity Center: create the permission set AdministratorAccess and assign it to the person for this account. Else create an IAM user with a console password and the policy AdministratorAccess."
		a.Path = "Console: IAM Identity Center > Permission sets, then AWS accounts > Assign users or groups; or IAM > Users > Create user"
		if unknown && step.Note != "" {
			a.Do = "Find out whether there is an administrator: " + step.Note + ". If there is none: " + a.Do
		}
	case bootstrap.AdminSignedIn:
		a.Do = fmt.Sprintf("Sign out of root, and sign in to the console as %s.", cmp.Or(admin, "the administrator"))
		a.Path = "Sign-in page: IAM user, with the account ID " + s.Account
	case bootstrap.AdminPasswordChanged:
		a.Do = fmt.Sprintf("%s must set a new password; the console asks for it at the sign-in.", cmp.Or(admin, "The administrator"))
		a.Path = credentialsPage + "Console sign-in > Update console password"
	case bootstrap.AdminMFA:
		a.Do = fmt.Sprintf("Sign in as %s and add an MFA device.", cmp.Or(admin, "the administrator"))
		a.Path = credentialsPage + "Multi-factor authentication (MFA) > Assign MFA device; for another user: " +
			usersPage[len("Console: "):] + cmp.Or(admin, "the user") + " > Security credentials"
	case bootstrap.RootQuiet:
		a.Do = "Leave root alone: sign out of it, and work as the administrator."
		if step.Note != "" {
			a.Do += " This step is " + step.Note + "."
		}
	}
	return a
}

// AdminName is the IAM user who is the account's administrator, "" where there is
// none, or several.
func AdminName(s *bootstrap.Status) string {
	name := ""
	for i := range s.Users {
		if u := &s.Users[i]; u.Admin && u.ConsoleAccess && !u.Deleted {
			if name != "" {
				return ""
			}
			name = u.Name
		}
	}
	return name
}
