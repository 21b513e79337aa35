package daytwo

// Answers are what an account answered. A nil field was not asked, or not answered.
type Answers struct {
	Contact *Contact
	Policy  *Policy
	Root    *Root

	// Unanswered says why a read got no answer: it was denied, or timed out.
	Unanswered map[Read]string
}

// Contact is the account's security contact (AWS Account Management Reference,
// GetAlternateContact).
type Contact struct {
	Set bool // false: ResourceNotFoundException
}

// Policy is the account's password policy for IAM users (IAM API Reference,
// GetAccountPasswordPolicy).
type Policy struct {
	Set       bool // false: NoSuchEntity
	Length    int  // of a password, at least
	Remembers int  // passwords that may not be used again, 0: none
}

// Root is what IAM says of the root user. A nil field was not answered.
type Root struct {
	Password     *bool // AccountPasswordPresent
	MFA          *bool // AccountMFAEnabled
	Certificates *int  // AccountSigningCertificatesPresent
	Virtual      *bool // whether an authenticator app is among its devices; only asked where there is MFA
}

// Missed notes that a read got no answer, and why.
func (a *Answers) Missed(r Read, why string) {
	if a.Unanswered == nil {
		a.Unanswered = map[Read]string{}
	}
	a.Unanswered[r] = why
}
