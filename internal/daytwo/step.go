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
	BootstrapAdmin    Step = "bootstrap-admin"
	CentralRoot       Step = "central-root-access"
	Trail             Step = "trail"
	Budget            Step = "budget"
	AccessAnalyzer    Step = "access-analyzer"
	S3Block           Step = "s3-public-access-block"
	EBSEncryption     Step = "ebs-encryption"
	BreakGlassDrill   Step = "break-glass-drill"
)

// Read is one thing that an account is asked, with one call or a few.
type Read string

// The reads.
const (
	ReadContact Read = "security contact"
	ReadPolicy  Read = "password policy"
	ReadRoot    Read = "root user"
	ReadCentral Read = "central root access"
	ReadTrails  Read = "trails"
	ReadBudgets Read = "budgets"
	ReadAnalyze Read = "access analyzers"
	ReadS3      Read = "S3 public access block"
	ReadEBS     Read = "EBS encryption by default"
	ReadDrill   Read = "break-glass drill" // of what is on record
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
	{
		Step:      BootstrapAdmin,
		Title:     "The bootstrap IAM administrator is gone",
		Proof:     "a federated administrator has signed in, and no IAM user on record has a console password and administrator rights",
		Regresses: "CreateLoginProfile and AttachUserPolicy of an administrator, or a group that makes one",
		Fix:       "Console: IAM, Users, the user: delete it, or Security credentials, Console sign-in, Manage console access: Disable",
		judge:     judgeBootstrapAdmin,
	},
	{
		Step:        CentralRoot,
		Title:       "Root access is managed centrally",
		Proof:       "RootCredentialsManagement is enabled in the organization (iam:ListOrganizationsFeatures); not needed outside an organization and in member accounts",
		Regresses:   "DisableOrganizationsRootCredentialsManagement",
		Fix:         "Console, in the management account: IAM, Account settings, Centralized root access for member accounts: Enable",
		Reads:       []Read{ReadCentral},
		Permissions: []Permission{{[]string{"iam:ListOrganizationsFeatures"}, "*"}},
		judge:       judgeCentral,
	},
	{
		Step:      Trail,
		Title:     "A trail logs all management events",
		Proof:     "a multi-Region trail that logs, and takes all management events (cloudtrail:DescribeTrails, GetTrailStatus, GetEventSelectors)",
		Regresses: "StopLogging, DeleteTrail, UpdateTrail, PutEventSelectors",
		Fix:       "Console: CloudTrail, Trails: Create trail; or the setting trail of rootguard",
		Reads:     []Read{ReadTrails},
		Permissions: []Permission{
			{[]string{"cloudtrail:DescribeTrails"}, "*"},
			{[]string{"cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"}, "cloudtrail:*:*:trail/*"},
		},
		judge: judgeTrail,
	},
	{
		Step:      Budget,
		Title:     "A budget reports to a receiver",
		Proof:     "a budget with a notification to an e-mail address, or to an SNS topic of the account in its home Region with a confirmed subscription (budgets:ViewBudget, sns:GetTopicAttributes)",
		Regresses: "DeleteBudget, DeleteNotification, DeleteSubscriber, or a subscription that ends",
		Fix:       "Console: Billing and Cost Management, Budgets: Create budget, with an e-mail recipient",
		Reads:     []Read{ReadBudgets},
		Permissions: []Permission{
			{[]string{"budgets:ViewBudget"}, "budgets::ACCOUNT:budget/*"},
			{[]string{"sns:GetTopicAttributes"}, "sns:*:ACCOUNT:*"},
		},
		judge: judgeBudget,
	},
	{
		Step:        AccessAnalyzer,
		Title:       "Access Analyzer reports outside access",
		Proof:       "an active analyzer of external access, of the account or the organization, in rootguard's Region (access-analyzer:ListAnalyzers)",
		Regresses:   "DeleteAnalyzer",
		Fix:         "aws accessanalyzer create-analyzer --analyzer-name account --type ACCOUNT",
		Reads:       []Read{ReadAnalyze},
		Permissions: []Permission{{[]string{"access-analyzer:ListAnalyzers"}, "*"}},
		judge:       judgeAnalyzer,
	},
	{
		Step:        S3Block,
		Title:       "S3 blocks public access to all buckets",
		Proof:       "all four settings of the account's public access block (s3:GetAccountPublicAccessBlock)",
		Regresses:   "PutAccountPublicAccessBlock, DeleteAccountPublicAccessBlock",
		Fix:         "Console: S3, Account and organization settings, Block Public Access settings for this account: Edit, block all",
		Reads:       []Read{ReadS3},
		Permissions: []Permission{{[]string{"s3:GetAccountPublicAccessBlock"}, "*"}},
		judge:       judgeS3,
	},
	{
		Step:        EBSEncryption,
		Title:       "New EBS volumes are encrypted",
		Proof:       "encryption by default is on in rootguard's Region (ec2:GetEbsEncryptionByDefault)",
		Regresses:   "DisableEbsEncryptionByDefault",
		Fix:         "aws ec2 enable-ebs-encryption-by-default",
		Reads:       []Read{ReadEBS},
		Permissions: []Permission{{[]string{"ec2:GetEbsEncryptionByDefault"}, "*"}},
		judge:       judgeEBS,
	},
	{
		Step:      BreakGlassDrill,
		Title:     "Break-glass access was tried",
		Proof:     "root, or a user that the setting drill names, was used under an announcement within the time of that setting",
		Regresses: "time: no such use for longer than that",
		Fix:       "Announce it (rootguard announce open), then sign in to the console as root or the break-glass user, and sign out",
		Reads:     []Read{ReadDrill},
		judge:     judgeDrill,
	},
}

// Input is what a step is judged by.
type Input struct {
	Answers Answers
	Status  *bootstrap.Status // what is on record of the account
}
