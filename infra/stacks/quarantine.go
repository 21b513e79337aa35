package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/detect"
)

// quarantineName is the name of the policy that quarantines users, in each
// account, and of the role of the function that attaches it.
func quarantineName(s *settings.Settings) string { return s.Prefix + detect.QuarantineRole }

// quarantineMemberRole is the role by which that is done in other accounts.
func quarantineMemberRole(s *settings.Settings) string {
	return quarantineName(s) + detect.MemberRole
}

// enrolls are the calls by which users see to their own MFA, and set the new
// password that a first sign-in may ask for. sts:GetSessionToken is how access
// keys come to a session with MFA (IAM User Guide, "AWS: Allows MFA-authenticated
// IAM users to manage their own credentials").
var enrolls = struct{ anywhere, own, devices, session []string }{
	anywhere: []string{"iam:GetAccountPasswordPolicy", "iam:ListVirtualMFADevices"},
	own: []string{"iam:ChangePassword", "iam:EnableMFADevice", "iam:GetMFADevice", "iam:GetUser",
		"iam:ListMFADevices", "iam:ResyncMFADevice"},
	devices: []string{"iam:CreateVirtualMFADevice"},
	session: []string{"sts:GetSessionToken"},
}

// newQuarantinePolicy makes the policy that lets a user do nothing but enable MFA
// until it has signed in with MFA. It allows that too: a user whose own policies
// do not could never leave. BoolIfExists, and not Bool, since a request signed
// with a long-term access key says nothing of MFA, and is denied too.
func newQuarantinePolicy(scope constructs.Construct, s *settings.Settings) awsiam.ManagedPolicy {
	account := *awscdk.Aws_ACCOUNT_ID()
	var all []string
	for _, some := range [][]string{enrolls.anywhere, enrolls.own, enrolls.devices, enrolls.session} {
		all = append(all, some...)
	}
	const self = "${aws:username}" // with and without a path
	return awsiam.NewManagedPolicy(scope, jsii.String("QuarantinePolicy"), &awsiam.ManagedPolicyProps{
		ManagedPolicyName: jsii.String(quarantineName(s)),
		Description:       jsii.String("rootguard: lets a user without MFA do nothing but enable it"),
		Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Sid: jsii.String("NothingWithoutMFA"), Effect: awsiam.Effect_DENY, NotActions: jsii.Strings(all...), Resources: jsii.Strings("*"),
				Conditions: &conditions{"BoolIfExists": map[string]any{"aws:MultiFactorAuthPresent": "false"}},
			}),
			allow("SeeRules", enrolls.anywhere, []string{"*"}, nil),
			allow("EnrollSelf", enrolls.own, []string{arnOf("iam", "", account, "user/"+self), arnOf("iam", "", account, "user/*/"+self)}, nil),
			allow("MakeDevice", enrolls.devices, []string{arnOf("iam", "", account, "mfa/*")}, nil),
		},
	})
}

// quarantines are what puts that policy on users of the own account, and takes it
// off. In a dry run nothing can be put on anybody; who was before can get out.
func quarantines(s *settings.Settings) []awsiam.PolicyStatement {
	account := *awscdk.Aws_ACCOUNT_ID()
	users := []string{arnOf("iam", "", account, "user/*")}
	changes := []string{"iam:DetachUserPolicy"}
	if s.Quarantine == settings.QuarantineOn {
		changes = []string{"iam:AttachUserPolicy", "iam:DetachUserPolicy"}
	}
	return []awsiam.PolicyStatement{
		allow("CheckUsers", []string{"iam:GetLoginProfile", "iam:GetUser", "iam:ListAttachedUserPolicies", "iam:ListMFADevices"}, users, nil),
		// Whether a boundary or an organization's policy would lock a user in.
		allow("CheckWayOut", []string{"iam:SimulatePrincipalPolicy"}, users, nil),
		allow("Quarantine", changes, users,
			conditions{"ArnEquals": map[string]any{"iam:PolicyARN": arnOf("iam", "", account, "policy/"+quarantineName(s))}}),
	}
}

// newMemberQuarantine makes the policy in a member account, and the role that
// only the function's own may assume.
func newMemberQuarantine(stack awscdk.Stack, s *settings.Settings) []constructs.IConstruct {
	o := s.Organization
	only := conditions{
		"StringEquals": map[string]any{"aws:PrincipalOrgID": o.ID},
		"ArnEquals":    map[string]any{"aws:PrincipalArn": arnOf("iam", "", o.Hub, "role/"+quarantineName(s))},
	}
	statements := quarantines(s)
	role := awsiam.NewRole(stack, jsii.String("QuarantineMemberRole"), &awsiam.RoleProps{
		RoleName:       jsii.String(quarantineMemberRole(s)),
		Description:    jsii.String("Lets rootguard quarantine users without MFA, and release them"),
		AssumedBy:      awsiam.NewPrincipalWithConditions(awsiam.NewAccountPrincipal(jsii.String(o.Hub)), &only),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"quarantine": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &statements})},
	})
	return []constructs.IConstruct{newQuarantinePolicy(stack, s), role}
}
