package daytwo

import (
	"slices"
	"strings"

	"rootguard/internal/bootstrap"
)

// Step is one step of day two, by the name that the settings have for it.
type Step string

// The steps, in the order of the documentation.
const (
	SecurityContact   Step = "security-contact"
	PasswordPolicy    Step = "password-policy"
	RootCertificates  Step = "root-certificates"
	RootSecondMFA     Step = "root-second-mfa"
	RootPhishingProof Step = "root-phishing-resistant-mfa"
)

// Read is one thing that an account is asked, with one call or a few.
type Read string

// The reads.
const (
	ReadContact Read = "security contact"
	ReadPolicy  Read = "password policy"
	ReadRoot    Read = "root user"
)

// Permission is what a role needs for a step besides what every function that
// checks accounts may do.
type Permission struct {
	Actions []string
	// Resource is "*", or an ARN from the service on, with ACCOUNT for the account:
	// "account::ACCOUNT:account".
	Resource string
}

// Entry is the catalogue's row of a step.
type Entry struct {
	Step      Step
	Title     string // for people, as in a checklist: "Security contact is set"
	Proof     string // what shows that it is done
	Regresses string // what undoes it
	Fix       string // the one place in the console, or command, that does it

	Reads       []Read // none: what is on record is enough
	Permissions []Permission

	judge func(in *Input) Verdict
}

// Catalogue lists every step in the order of the documentation. The slice is the
// caller's own.
func Catalogue() []Entry { return slices.Clone(catalogue) }

// Steps are the names of all steps, in the same order.
func Steps() []Step {
	steps := make([]Step, len(catalogue))
	for i := range catalogue {
		steps[i] = catalogue[i].Step
	}
	return steps
}

// Names are the names of all steps.
func Names() []string {
	names := make([]string, len(catalogue))
	for i := range catalogue {
		names[i] = string(catalogue[i].Step)
	}
	return names
}

// Of is a step's row; found is false where there is no such step.
func Of(step Step) (e Entry, found bool) {
	i := slices.IndexFunc(catalogue, func(e Entry) bool { return e.Step == step })
	if i < 0 {
		return Entry{}, false
	}
	return catalogue[i], true
}

// Choose are the steps of some names, each once and in the order of the catalogue.
// unknown are the names of none.
func Choose(names []string) (steps []Step, unknown []string) {
	for _, name := range names {
		if _, found := Of(Step(name)); !found {
			unknown = append(unknown, name)
		}
	}
	for _, step := range Steps() {
		if slices.Contains(names, string(step)) {
			steps = append(steps, step)
		}
	}
	return steps, unknown
}

// Reads are those that some steps need, each once.
func Reads(steps []Step) []Read {
	var reads []Read
	for _, step := range steps {
		e, _ := Of(step)
		for _, r := range e.Reads {
			if !slices.Contains(reads, r) {
				reads = append(reads, r)
			}
		}
	}
	return reads
}

// ARN is a permission's resource in an account of a partition.
func (p Permission) ARN(partition, account string) string {
	if p.Resource == "*" {
		return "*"
	}
	return "arn:" + partition + ":" + strings.ReplaceAll(p.Resource, "ACCOUNT", account)
}

var catalogue = []Entry{
	{
		Step:        SecurityContact,
		Title:       "Security contact is set",
		Proof:       "the account has an alternate contact of the type SECURITY (account:GetAlternateContact)",
		Regresses:   "DeleteAlternateContact",
		Fix:         "Console: account menu, Account, Alternate contacts, Security: Edit",
		Reads:       []Read{ReadContact},
		Permissions: []Permission{{[]string{"account:GetAlternateContact"}, "account::ACCOUNT:account"}},
		judge:       judgeContact,
	},
	{
		Step:        PasswordPolicy,
		Title:       "Password policy: 14 characters, no reuse",
		Proof:       "a password policy with a minimum length of 14 and 24 passwords remembered, as the CIS AWS Foundations Benchmark has it (iam:GetAccountPasswordPolicy)",
		Regresses:   "UpdateAccountPasswordPolicy, DeleteAccountPasswordPolicy",
		Fix:         "aws iam update-account-password-policy --minimum-password-length 14 --password-reuse-prevention 24 --require-symbols --require-numbers --require-uppercase-characters --require-lowercase-characters --allow-users-to-change-password",
		Reads:       []Read{ReadPolicy},
		Permissions: []Permission{{[]string{"iam:GetAccountPasswordPolicy"}, "*"}},
		judge:       judgePolicy,
	},
	{
		Step:      RootCertificates,
		Title:     "Root has no signing certificate",
		Proof:     "AccountSigningCertificatesPresent=0 (iam:GetAccountSummary)",
		Regresses: "UploadSigningCertificate by root",
		Fix:       "Console, as root: account menu, Security credentials, X.509 Certificates: Delete",
		Reads:     []Read{ReadRoot},
		judge:     judgeCertificates,
	},
	{
		Step:      RootSecondMFA,
		Title:     "Root has a second MFA device",
		Proof:     "EnableMFADevice by root of two devices that are still attached, or of one beside an authenticator app (iam:ListVirtualMFADevices); no API counts root's passkeys",
		Regresses: "DeactivateMFADevice by root",
		Fix:       "Console, as root: account menu, Security credentials, Multi-factor authentication (MFA): Assign MFA device",
		Reads:     []Read{ReadRoot},
		judge:     judgeSecondMFA,
	},
	{
		Step:      RootPhishingProof,
		Title:     "Root's MFA resists phishing",
		Proof:     "each known device of root is a passkey or security key (serial numbers in events), and root has no authenticator app (iam:ListVirtualMFADevices)",
		Regresses: "EnableMFADevice by root with an authenticator app or a hardware TOTP token",
		Fix:       "Console, as root: account menu, Security credentials, Multi-factor authentication (MFA): assign a passkey or security key, then remove the authenticator app",
		Reads:     []Read{ReadRoot},
		judge:     judgePhishing,
	},
}

// Input is what a step is judged by.
type Input struct {
	Answers Answers
	Status  *bootstrap.Status // what is on record of the account
}
