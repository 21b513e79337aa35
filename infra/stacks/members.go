package stacks

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// memberRole is the role that the guard assumes in other accounts, to see their
// status.
func memberRole(s *settings.Settings) string { return s.Prefix + "-member" }

// newMember fills the stack that every other account has in each Region. In the
// guard's own account it makes nothing: a rule that sends a bus's events to the
// same bus would never end.
func newMember(stack awscdk.Stack, s *settings.Settings, rules []eventrules.Rule) {
	o := s.Organization
	newForwarder(stack, s, rules, o.Hub)

	elsewhere := awscdk.NewCfnCondition(stack, jsii.String("NotTheGuardsAccount"), &awscdk.CfnConditionProps{
		Expression: awscdk.Fn_ConditionNot(awscdk.Fn_ConditionEquals(awscdk.Aws_ACCOUNT_ID(), jsii.String(o.Hub))),
	})
	condition(stack, elsewhere)
	// A stack with no resource at all cannot be made.
	awscdk.NewCfnWaitConditionHandle(stack, jsii.String("Nothing"), &awscdk.CfnWaitConditionHandleProps{})

	// Roles are global: one Region makes it.
	once := awscdk.NewCfnCondition(stack, jsii.String("OnceAnAccount"), &awscdk.CfnConditionProps{
		Expression: awscdk.Fn_ConditionAnd(elsewhere, awscdk.Fn_ConditionEquals(awscdk.Aws_REGION(), jsii.String(s.Home()))),
	})
	askers := []string{eventrules.IAMUser, eventrules.RootActivity, Sweep} // that check accounts
	for i, name := range askers {
		askers[i] = arnOf("iam", "", o.Hub, "role/"+functionRole(s, name))
	}
	guards := conditions{
		"StringEquals": map[string]any{"aws:PrincipalOrgID": o.ID},
		"ArnEquals":    map[string]any{"aws:PrincipalArn": askers},
	}
	role := awsiam.NewRole(stack, jsii.String("MemberRole"), &awsiam.RoleProps{
		RoleName:    jsii.String(memberRole(s)),
		Description: jsii.String("Lets rootguard see whether this account's root and users have MFA, and whether its events arrive"),
		AssumedBy:   awsiam.NewPrincipalWithConditions(awsiam.NewAccountPrincipal(jsii.String(o.Hub)), &guards),
		InlinePolicies: &map[string]awsiam.PolicyDocument{"read": awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: ptr(append([]awsiam.PolicyStatement{
			allow("CheckUsers", []string{"iam:GetLoginProfile", "iam:ListMFADevices"},
				[]string{arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "user/*")}, nil),
			allow("CheckAccount", []string{"iam:GetAccountSummary", "iam:ListUsers", "iam:ListVirtualMFADevices"}, []string{"*"}, nil),
			allow("ReadCredentialReport", credentialReport(), []string{"*"}, nil),
			checkSets(),
			allow("CheckQueues", []string{"sqs:GetQueueAttributes"},
				[]string{arnOf("sqs", "*", *awscdk.Aws_ACCOUNT_ID(), config.ForwardQueue(s.Prefix))}, nil),
		}, dayTwo(s)...))})},
	})
	condition(role, once)
	if s.Quarantine != "" {
		for _, made := range newMemberQuarantine(stack, s) {
			condition(made, once)
		}
	}
}

// credentialReport are the actions by which IAM's credential report is made and
// read. It names users and their credentials, and no secret.
func credentialReport() []string {
	return []string{"iam:GenerateCredentialReport", "iam:GetCredentialReport"}
}

// checkSets lets a role see whether a permission set of IAM Identity Center has
// administrator rights: the roles of permission sets are under this path (IAM
// Identity Center User Guide, "Referencing permission sets in resource policies").
func checkSets() awsiam.PolicyStatement {
	return allow("CheckPermissionSets", []string{"iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"},
		[]string{arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "role/aws-reserved/sso.amazonaws.com/*")}, nil)
}

// condition puts a condition on every resource in the scope.
func condition(scope constructs.IConstruct, when awscdk.CfnCondition) {
	for _, c := range *scope.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if resource, ok := c.(awscdk.CfnResource); ok {
			resource.CfnOptions().SetCondition(when)
		}
	}
}

// newMembers declares the stack set for the organization's accounts, those that
// join later included.
func newMembers(app awscdk.App, s *settings.Settings, rules []eventrules.Rule) error {
	template, err := memberTemplate(app, s, rules)
	if err != nil {
		return err
	}
	body, err := json.Marshal(template)
	if err != nil {
		return fmt.Errorf("writing the member template: %w", err)
	}
	o := s.Organization
	callAs := "SELF"
	if o.Delegated() {
		callAs = "DELEGATED_ADMIN"
	}
	name := s.Prefix + "-members"
	stack := awscdk.NewStack(app, jsii.String(name), &awscdk.StackProps{
		Env:         &awscdk.Environment{Region: jsii.String(s.Home())},
		Description: jsii.String("rootguard: has the organization's accounts send their events about root and IAM users to the guard"),
	})
	awscdk.NewCfnStackSet(stack, jsii.String("Members"), &awscdk.CfnStackSetProps{
		StackSetName:     jsii.String(name),
		Description:      jsii.String("rootguard: sends an account's events about root and IAM users to the guard"),
		PermissionModel:  jsii.String("SERVICE_MANAGED"),
		CallAs:           jsii.String(callAs),
		Capabilities:     jsii.Strings("CAPABILITY_NAMED_IAM"),
		TemplateBody:     jsii.String(string(body)),
		AutoDeployment:   &awscdk.CfnStackSet_AutoDeploymentProperty{Enabled: jsii.Bool(true), RetainStacksOnAccountRemoval: jsii.Bool(false)},
		ManagedExecution: map[string]any{"Active": true},
		OperationPreferences: &awscdk.CfnStackSet_OperationPreferencesProperty{
			RegionConcurrencyType: jsii.String("PARALLEL"), MaxConcurrentPercentage: jsii.Number(25),
			// In each Region. An account that is suspended fails and must not stop the
			// rest; more than that is a fault to be seen.
			FailureTolerancePercentage: jsii.Number(10), ConcurrencyMode: jsii.String("SOFT_FAILURE_TOLERANCE"),
		},
		StackInstancesGroup: []any{&awscdk.CfnStackSet_StackInstancesProperty{
			Regions:           jsii.Strings(append([]string{s.Home()}, s.Regions...)...),
			DeploymentTargets: &awscdk.CfnStackSet_DeploymentTargetsProperty{OrganizationalUnitIds: jsii.Strings(o.Units...)},
		}},
	})
	return nil
}
