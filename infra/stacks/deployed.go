package stacks

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// checked are the functions that the sweep checks.
func checked(s *settings.Settings) []string {
	names := []string{eventrules.IAMUser, eventrules.RootActivity, Sweep}
	if s.Quarantine != "" {
		names = append(names, Quarantine)
	}
	return names
}

// note gives the sweep what was deployed, to check.
func (g *guard) note(archives map[string]string) {
	s := g.settings
	d := config.Deployed{
		Code: map[string]string{}, Alarms: g.alarms.names, SMS: texts(s),
		Receivers: config.Receivers{Alerts: receiverIDs(s.Receivers), Escalation: receiverIDs(s.Escalation), Second: receiverIDs(everyReader(s))},
		Boundary:  boundary(g.stack),
		Adopted:   s.Table != "",
		Operators: len(s.Operators) > 0 && s.Table == "", // the policy of a table that is adopted is its owner's
	}
	for i := range s.Routes {
		for _, one := range routed(&s.Routes[i]) {
			id := config.ReceiverID(one.protocol, one.endpoint)
			filter, err := json.Marshal(one.route.Filter())
			if err != nil {
				panic(fmt.Sprintf("writing the filter of a route: %v", err)) // texts always can be
			}
			if d.Receivers.Routes == nil {
				d.Receivers.Routes = map[string]string{}
			}
			d.Receivers.Alerts = append(d.Receivers.Alerts, id)
			d.Receivers.Routes[id] = config.FilterID(string(filter))
		}
	}
	for _, name := range checked(s) {
		hash, err := codeHash(archives[name])
		if err != nil {
			panic(fmt.Sprintf("reading the archive of function %s: %v", name, err)) // it was built just before
		}
		d.Code[name] = hash
	}
	text, err := json.Marshal(d)
	if err != nil {
		panic(fmt.Sprintf("writing what is deployed: %v", err)) // texts always can be
	}
	g.functions[Sweep].AddEnvironment(jsii.String(config.EnvDeployed), jsii.String(string(text)), nil)
}

// codeHash is what Lambda reports as a function's CodeSha256: CDK uploads an archive
// as it is.
func codeHash(archive string) (string, error) {
	data, err := os.ReadFile(archive) //nolint:gosec // a path made by the build
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return base64.StdEncoding.EncodeToString(sum[:]), nil
}

// texts reports whether any receiver gets text messages.
func texts(s *settings.Settings) bool {
	routes := slices.ContainsFunc(s.Routes, func(r settings.Route) bool { return len(r.SMS) > 0 })
	return len(s.Receivers.SMS)+len(s.Escalation.SMS) > 0 || routes
}

func receiverIDs(r settings.Receivers) []string {
	var ids []string
	for _, of := range []struct {
		protocol  string
		endpoints []string
	}{{"email", r.Email}, {"sms", r.SMS}, {"https", r.HTTPS}} {
		for _, endpoint := range of.endpoints {
			ids = append(ids, config.ReceiverID(of.protocol, endpoint))
		}
	}
	return ids
}

// boundary is the permissions boundary that CDK puts on each role, "" where there
// is none (AWS CDK Developer Guide, "Applying permissions boundaries").
func boundary(stack awscdk.Stack) string {
	of, _ := stack.Node().TryGetContext(jsii.String("@aws-cdk/core:permissionsBoundary")).(map[string]any)
	if arn, _ := of["arn"].(string); arn != "" {
		return arn
	}
	if name, _ := of["name"].(string); name != "" {
		return arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "policy/"+name)
	}
	return ""
}

// checkingMore are the permissions for the checks of what silences the guard without
// an error.
func (g *guard) checkingMore() []awsiam.PolicyStatement {
	s := g.settings
	roles := make([]string, 0, len(checked(s)))
	for _, name := range checked(s) {
		roles = append(roles, arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "role/"+functionRole(s, name)))
	}
	buses := []string{arn("events", "event-bus/default")}
	if len(s.Regions) > 0 {
		buses = []string{arnOf("events", "*", *awscdk.Aws_ACCOUNT_ID(), "event-bus/default")}
	}
	anywhere := []string{"cloudwatch:GetMetricData", "cloudwatch:ListAlarmMuteRules", "sns:GetSubscriptionAttributes"}
	if s.Partition == "aws" || s.Partition == "aws-cn" {
		anywhere = append(anywhere, "account:ListRegions")
	}
	if texts(s) {
		anywhere = append(anywhere, "sns:GetSMSAttributes", "sns:GetSMSSandboxAccountStatus")
	}
	return []awsiam.PolicyStatement{
		allow("VerifyAccount", anywhere, []string{"*"}, nil),
		allow("VerifyAlarms", []string{"cloudwatch:DescribeAlarms"}, []string{arn("cloudwatch", "alarm:*")}, nil),
		allow("VerifyMutes", []string{"cloudwatch:GetAlarmMuteRule"}, []string{arn("cloudwatch", "alarm-mute-rule:*")}, nil),
		allow("VerifyBus", []string{"events:DescribeEventBus"}, buses, nil),
		allow("VerifyRoles", []string{"iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"}, roles, nil),
	}
}
