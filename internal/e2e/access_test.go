package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// accesses are what a call needs a role to allow, as the Service Authorization
// Reference lists it. A call that is not known here is an error: it would go unproven.
func accesses(c *call, account string) ([]access, error) {
	derive := derivations[c.service]
	if derive == nil {
		return nil, fmt.Errorf("no derivation of the permissions for service %s", c.service)
	}
	needs, err := derive(c, account)
	if err != nil {
		return nil, fmt.Errorf("deriving the permissions for %s:%s %s %s: %w", c.service, c.action, c.method, c.path, err)
	}
	return needs, nil
}

// derivations are by the service that requests are signed for.
var derivations = map[string]func(c *call, account string) ([]access, error){
	"dynamodb":   dynamodbAccesses,
	"account":    accountAccesses,
	"monitoring": cloudwatchAccesses,
	"sns": ofParameter("TopicArn", map[string]string{"Publish": "", "GetTopicAttributes": "", "ListSubscriptionsByTopic": "", "GetDataProtectionPolicy": "ResourceArn",
		"GetSubscriptionAttributes": "*", "GetSMSAttributes": "*", "GetSMSSandboxAccountStatus": "*"}),
	"sqs":            sqsAccesses,
	"iam":            iamAccesses,
	"sts":            ofParameter("RoleArn", map[string]string{"AssumeRole": ""}),
	"lambda":         lambdaAccesses,
	"events":         eventsAccesses,
	"cloudtrail":     ofParameter("", map[string]string{"DescribeTrails": "*", "GetTrailStatus": "Name", "GetEventSelectors": "TrailName"}),
	"kms":            ofParameter("KeyId", map[string]string{"DescribeKey": ""}),
	"securityhub":    securityhubAccesses,
	"cloudformation": cloudformationAccesses,

	"organizations":   organizationsAccesses,
	"access-analyzer": ofParameter("", map[string]string{"ListAnalyzers": "*"}),
	"ec2":             ofParameter("", map[string]string{"GetEbsEncryptionByDefault": "*"}),
	"s3":              ofParameter("", map[string]string{"GetAccountPublicAccessBlock": "*"}),
	// Each read of budgets is one action, on a budget (Service Authorization Reference, AWS Budget Service).
	"budgets": func(_ *call, account string) ([]access, error) {
		return []access{{action: "budgets:ViewBudget", resource: arnIn("budgets", "", account, "budget/any")}}, nil
	},
}

func cloudformationAccesses(c *call, account string) ([]access, error) {
	if c.action != "DescribeStackEvents" {
		return nil, errUnknown
	}
	return []access{{action: "cloudformation:" + c.action, resource: arnIn("cloudformation", c.region, account, "stack/"+c.form.Get("StackName")+"/0f1e")}}, nil
}

var errUnknown = errors.New("it is not known here")

// ofParameter derives for actions that are permissions of the same name on the
// ARN in a parameter: of the name given, or the usual one. "*" is of no resource.
func ofParameter(usual string, actions map[string]string) func(*call, string) ([]access, error) {
	return func(c *call, _ string) ([]access, error) {
		name, known := actions[c.action]
		if !known {
			return nil, errUnknown
		}
		a := access{action: c.service + ":" + c.action, resource: "*"}
		if name == "*" {
			return []access{a}, nil
		}
		if name == "" {
			name = usual
		}
		a.resource = c.form.Get(name)
		if c.form == nil {
			var in map[string]any
			if err := json.Unmarshal(c.body, &in); err != nil {
				return nil, err
			}
			a.resource, _ = in[name].(string)
		}
		if !strings.HasPrefix(a.resource, "arn:") {
			return nil, fmt.Errorf("its %s is %q, which is no ARN", name, a.resource)
		}
		return []access{a}, nil
	}
}

func accountAccesses(c *call, account string) ([]access, error) {
	switch c.action {
	case "ListRegions":
		return []access{{action: "account:ListRegions", resource: "*"}}, nil
	case "GetAlternateContact":
		return []access{{action: "account:GetAlternateContact", resource: arnIn("account", "", account, "account")}}, nil
	default:
		return nil, errUnknown
	}
}

// organizationsAccesses are on accounts and units of the caller's organization, of which
// the caller is the management account.
func organizationsAccesses(c *call, account string) ([]access, error) {
	var in struct{ AccountId, ChildId, OrganizationalUnitId, ResourceId string }
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, err
	}
	a := access{action: "organizations:" + c.action, resource: "*"}
	id := in.AccountId + in.ChildId + in.OrganizationalUnitId + in.ResourceId
	switch c.action {
	case "ListAccounts":
		return []access{a}, nil
	case "DescribeAccount", "ListParents", "DescribeOrganizationalUnit", "ListTagsForResource":
		kind := "account/"
		if strings.HasPrefix(id, "ou-") {
			kind = "ou/"
		}
		a.resource = arnIn("organizations", "", account, kind+c.organization+"/"+id)
		return []access{a}, nil
	default:
		return nil, errUnknown
	}
}

func dynamodbAccesses(c *call, account string) ([]access, error) {
	type of struct{ TableName string }
	var in struct {
		of
		IndexName     string
		ResourceArn   string
		RequestItems  map[string]any
		TransactItems []map[string]of
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, err
	}
	on := func(action, table string) access {
		return access{action: "dynamodb:" + action, resource: arnIn("dynamodb", c.region, account, "table/"+table)}
	}
	var all []access
	switch c.action {
	case "PutItem", "UpdateItem", "DeleteItem", "GetItem", "DescribeTable", "DescribeTimeToLive", "DescribeContinuousBackups":
		all = []access{on(c.action, in.TableName)}
	case "Query", "Scan":
		all = []access{on(c.action, in.TableName)}
		if in.IndexName != "" { // then the index alone
			all[0].resource += "/index/" + in.IndexName
		}
	case "BatchGetItem", "BatchWriteItem":
		for table := range in.RequestItems {
			all = append(all, on(c.action, table))
		}
	case "TransactWriteItems", "TransactGetItems":
		// Amazon DynamoDB Developer Guide, "Using IAM with DynamoDB transactions".
		actions := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem", "Get": "GetItem"}
		for _, item := range in.TransactItems {
			for kind, one := range item {
				if actions[kind] == "" {
					return nil, errUnknown
				}
				all = append(all, on(actions[kind], one.TableName))
			}
		}
	case "GetResourcePolicy":
		all = []access{{action: "dynamodb:" + c.action, resource: in.ResourceArn}}
	default:
		return nil, errUnknown
	}
	if len(all) == 0 {
		return nil, errors.New("it names no table")
	}
	return all, nil
}

func sqsAccesses(c *call, account string) ([]access, error) {
	var in struct{ QueueUrl, QueueName, QueueOwnerAWSAccountId string }
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, err
	}
	name := in.QueueName
	switch c.action {
	case "GetQueueUrl":
		if in.QueueOwnerAWSAccountId != "" {
			account = in.QueueOwnerAWSAccountId
		}
	case "GetQueueAttributes", "SendMessage", "ReceiveMessage", "DeleteMessage":
		parts := strings.Split(in.QueueUrl, "/") // …/account/name
		if len(parts) < 2 {
			return nil, fmt.Errorf("its queue is %q", in.QueueUrl)
		}
		account, name = parts[len(parts)-2], parts[len(parts)-1]
	default:
		return nil, errUnknown
	}
	return []access{{action: "sqs:" + c.action, resource: arnIn("sqs", c.region, account, name)}}, nil
}

func iamAccesses(c *call, account string) ([]access, error) {
	a := access{action: "iam:" + c.action, resource: "*"}
	switch c.action {
	case "GetAccountSummary", "GenerateCredentialReport", "GetCredentialReport", "ListUsers", "ListVirtualMFADevices", "GetAccountPasswordPolicy",
		"ListOrganizationsFeatures":
	case "GetLoginProfile", "GetUser", "ListMFADevices", "ListAttachedUserPolicies", "AttachUserPolicy", "DetachUserPolicy":
		if c.form.Get("UserName") == "" {
			return nil, errors.New("it names no user")
		}
		a.resource = arnIn("iam", "", account, "user/"+c.form.Get("UserName")) // a path, which the test's users have none of, would come before
		if policy := c.form.Get("PolicyArn"); policy != "" {
			a.context = map[string]string{"iam:PolicyARN": policy}
		}
	case "SimulatePrincipalPolicy":
		a.resource = c.form.Get("PolicySourceArn")
	case "GetRole", "GetRolePolicy", "ListAttachedRolePolicies", "ListRolePolicies":
		if c.form.Get("RoleName") == "" {
			return nil, errors.New("it names no role")
		}
		a.resource = arnIn("iam", "", account, "role/"+rolePath(c.form.Get("RoleName"))+c.form.Get("RoleName"))
	case "TagRole":
		if c.form.Get("RoleName") == "" || c.form.Get("Tags.member.2.Key") != "" {
			return nil, errors.New("it names no role, or several tags")
		}
		a.resource = arnIn("iam", "", account, "role/"+c.form.Get("RoleName"))
		a.context = map[string]string{"aws:TagKeys": c.form.Get("Tags.member.1.Key")}
	default:
		return nil, errUnknown
	}
	return []access{a}, nil
}

// lambdaActions are by what follows /date/functions/name in a GET.
var lambdaActions = map[string]string{
	"configuration":       "GetFunctionConfiguration",
	"concurrency":         "GetFunctionConcurrency",
	"event-invoke-config": "GetFunctionEventInvokeConfig",
	"policy":              "GetPolicy",

	"runtime-management-config": "GetRuntimeManagementConfig",
}

func lambdaAccesses(c *call, account string) ([]access, error) {
	parts := strings.Split(strings.Trim(c.path, "/"), "/")
	if c.method != http.MethodGet || len(parts) != 4 || parts[1] != "functions" || lambdaActions[parts[3]] == "" {
		return nil, errUnknown
	}
	return []access{{action: "lambda:" + lambdaActions[parts[3]], resource: arnIn("lambda", c.region, account, "function:"+parts[2])}}, nil
}

func eventsAccesses(c *call, account string) ([]access, error) {
	var in struct {
		Rule, Name, EventBusName string
		Entries                  []struct{ Source, DetailType, EventBusName string }
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, err
	}
	a := access{action: "events:" + c.action, resource: "*"}
	switch {
	case in.EventBusName != "":
		return nil, errors.New("it names a bus")
	case c.action == "ListRules":
		return []access{a}, nil
	case c.action == "DescribeEventBus" && in.Name == "default":
		a.resource = arnIn("events", c.region, account, "event-bus/default")
		return []access{a}, nil
	case c.action == "ListTargetsByRule":
		a.resource = arnIn("events", c.region, account, "rule/"+in.Rule)
		return []access{a}, nil
	case c.action == "PutEvents":
		var all []access
		for _, e := range in.Entries {
			if e.EventBusName != "" {
				return nil, errors.New("it names a bus")
			}
			all = append(all, access{a.action, arnIn("events", c.region, account, "event-bus/default"), map[string]string{"events:source": e.Source, "events:detail-type": e.DetailType}})
		}
		return all, nil
	default:
		return nil, errUnknown
	}
}

// cloudwatchAccesses do not read what is asked for, by a protocol that is no text:
// the functions may ask for every alarm and mute rule of the account.
func cloudwatchAccesses(c *call, account string) ([]access, error) {
	a := access{action: "cloudwatch:" + c.action, resource: "*"}
	switch c.action {
	case "GetMetricData", "ListAlarmMuteRules":
	case "DescribeAlarms":
		a.resource = arnIn("cloudwatch", c.region, account, "alarm:*")
	case "GetAlarmMuteRule":
		a.resource = arnIn("cloudwatch", c.region, account, "alarm-mute-rule:any")
	default:
		return nil, errUnknown
	}
	return []access{a}, nil
}

func securityhubAccesses(c *call, _ string) ([]access, error) {
	var in struct {
		Findings []struct{ ProductArn string }
	}
	if c.method != http.MethodPost || c.path != "/findings/import" {
		return nil, errUnknown
	}
	if err := json.Unmarshal(c.body, &in); err != nil {
		return nil, err
	}
	var all []access
	for _, f := range in.Findings {
		all = append(all, access{action: "securityhub:BatchImportFindings", resource: f.ProductArn})
	}
	return all, nil
}

func arnIn(service, region, account, resource string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + resource
}

// TestAccesses holds what calls need to the Service Authorization Reference; it
// needs no emulation.
func TestAccesses(t *testing.T) {
	t.Parallel()
	const account, role = "111122223333", "arn:aws:iam::444455556666:role/guard-member"
	table := "arn:aws:dynamodb:us-east-1:111122223333:table/guard"
	for _, tt := range []struct {
		service, action, method, path, body string
		want                                []access // nil: an error
	}{
		{"dynamodb", "PutItem", "POST", "/", `{"TableName": "guard"}`, []access{{"dynamodb:PutItem", table, nil}}},
		{"dynamodb", "Query", "POST", "/", `{"TableName": "guard"}`, []access{{"dynamodb:Query", table, nil}}},
		{"dynamodb", "Query", "POST", "/", `{"TableName": "guard", "IndexName": "due"}`, []access{{"dynamodb:Query", table + "/index/due", nil}}},
		{"dynamodb", "BatchGetItem", "POST", "/", `{"RequestItems": {"guard": {}}}`, []access{{"dynamodb:BatchGetItem", table, nil}}},
		{"dynamodb", "TransactWriteItems", "POST", "/", `{"TransactItems": [{"Put": {"TableName": "guard"}}, {"ConditionCheck": {"TableName": "other"}}, {"Update": {"TableName": "guard"}}, {"Delete": {"TableName": "guard"}}]}`, []access{
			{"dynamodb:PutItem", table, nil}, {"dynamodb:ConditionCheckItem", "arn:aws:dynamodb:us-east-1:111122223333:table/other", nil},
			{"dynamodb:UpdateItem", table, nil}, {"dynamodb:DeleteItem", table, nil},
		}},
		{"dynamodb", "TransactGetItems", "POST", "/", `{"TransactItems": [{"Get": {"TableName": "guard"}}]}`, []access{{"dynamodb:GetItem", table, nil}}},
		{"dynamodb", "TransactWriteItems", "POST", "/", `{"TransactItems": [{"Swap": {"TableName": "guard"}}]}`, nil},
		{"dynamodb", "TransactWriteItems", "POST", "/", `{"TransactItems": []}`, nil},
		{"dynamodb", "DeleteTable", "POST", "/", `{"TableName": "guard"}`, nil},
		{"sns", "Publish", "POST", "/", "TopicArn=arn:aws:sns:us-east-1:111122223333:t", []access{{"sns:Publish", "arn:aws:sns:us-east-1:111122223333:t", nil}}},
		{"sns", "Publish", "POST", "/", "PhoneNumber=1", nil},
		{"sns", "Subscribe", "POST", "/", "TopicArn=arn:aws:sns:us-east-1:111122223333:t", nil},
		{"sqs", "GetQueueAttributes", "POST", "/", `{"QueueUrl": "http://localhost:1/111122223333/failed"}`, []access{{"sqs:GetQueueAttributes", "arn:aws:sqs:us-east-1:111122223333:failed", nil}}},
		{"sqs", "GetQueueUrl", "POST", "/", `{"QueueName": "failed"}`, []access{{"sqs:GetQueueUrl", "arn:aws:sqs:us-east-1:111122223333:failed", nil}}},
		{"sqs", "GetQueueUrl", "POST", "/", `{"QueueName": "failed", "QueueOwnerAWSAccountId": "444455556666"}`, []access{{"sqs:GetQueueUrl", "arn:aws:sqs:us-east-1:444455556666:failed", nil}}},
		{"sqs", "PurgeQueue", "POST", "/", `{"QueueUrl": "http://localhost:1/111122223333/failed"}`, nil},
		{"iam", "ListUsers", "POST", "/", "Action=ListUsers", []access{{"iam:ListUsers", "*", nil}}},
		{"iam", "GetLoginProfile", "POST", "/", "UserName=eve", []access{{"iam:GetLoginProfile", "arn:aws:iam::111122223333:user/eve", nil}}},
		{"iam", "ListMFADevices", "POST", "/", "", nil},
		{"iam", "AttachUserPolicy", "POST", "/", "UserName=eve&PolicyArn=arn:p", []access{{"iam:AttachUserPolicy", "arn:aws:iam::111122223333:user/eve", map[string]string{"iam:PolicyARN": "arn:p"}}}},
		{"iam", "DeleteUser", "POST", "/", "UserName=eve", nil},
		{"iam", "TagRole", "POST", "/", "RoleName=r&Tags.member.1.Key=k&Tags.member.1.Value=v", []access{{"iam:TagRole", "arn:aws:iam::111122223333:role/r", map[string]string{"aws:TagKeys": "k"}}}},
		{"iam", "TagRole", "POST", "/", "RoleName=r&Tags.member.1.Key=k&Tags.member.2.Key=l", nil},
		{"sts", "AssumeRole", "POST", "/", "RoleArn=" + role, []access{{"sts:AssumeRole", role, nil}}},
		{"organizations", "ListAccounts", "POST", "/", `{}`, []access{{"organizations:ListAccounts", "*", nil}}},
		{"organizations", "ListParents", "POST", "/", `{"ChildId": "444455556666"}`, []access{{"organizations:ListParents", "arn:aws:organizations::111122223333:account/o-a1/444455556666", nil}}},
		{"organizations", "ListParents", "POST", "/", `{"ChildId": "ou-a1-b2"}`, []access{{"organizations:ListParents", "arn:aws:organizations::111122223333:ou/o-a1/ou-a1-b2", nil}}},
		{"organizations", "ListTagsForResource", "POST", "/", `{"ResourceId": "444455556666"}`, []access{{"organizations:ListTagsForResource", "arn:aws:organizations::111122223333:account/o-a1/444455556666", nil}}},
		{"organizations", "ListRoots", "POST", "/", `{}`, nil},
		{"account", "GetAlternateContact", "POST", "/getAlternateContact", `{}`, []access{{"account:GetAlternateContact", "arn:aws:account::111122223333:account", nil}}},
		{"account", "GetContactInformation", "POST", "/getContactInformation", `{}`, nil},
		{"budgets", "DescribeSubscribersForNotification", "POST", "/", `{}`, []access{{"budgets:ViewBudget", "arn:aws:budgets::111122223333:budget/any", nil}}},
		{"access-analyzer", "ListAnalyzers", "GET", "/analyzer", "", []access{{"access-analyzer:ListAnalyzers", "*", nil}}},
		{"access-analyzer", "", "GET", "/other", "", nil},
		{"lambda", "", "GET", "/2015-03-31/functions/f/configuration", "", []access{{"lambda:GetFunctionConfiguration", "arn:aws:lambda:us-east-1:111122223333:function:f", nil}}},
		{"lambda", "", "GET", "/2019-09-30/functions/f/concurrency", "", []access{{"lambda:GetFunctionConcurrency", "arn:aws:lambda:us-east-1:111122223333:function:f", nil}}},
		{"lambda", "", "GET", "/2019-09-25/functions/f/event-invoke-config", "", []access{{"lambda:GetFunctionEventInvokeConfig", "arn:aws:lambda:us-east-1:111122223333:function:f", nil}}},
		{"lambda", "", "GET", "/2015-03-31/functions/f/policy", "", []access{{"lambda:GetPolicy", "arn:aws:lambda:us-east-1:111122223333:function:f", nil}}},
		{"lambda", "", "PUT", "/2015-03-31/functions/f/configuration", "", nil},
		{"lambda", "", "GET", "/2015-03-31/functions/f", "", nil},
		{"events", "ListRules", "POST", "/", `{"NamePrefix": "guard-"}`, []access{{"events:ListRules", "*", nil}}},
		{"events", "ListTargetsByRule", "POST", "/", `{"Rule": "guard-root"}`, []access{{"events:ListTargetsByRule", "arn:aws:events:us-east-1:111122223333:rule/guard-root", nil}}},
		{"events", "ListTargetsByRule", "POST", "/", `{"Rule": "guard-root", "EventBusName": "own"}`, nil},
		{"events", "PutEvents", "POST", "/", `{"Entries": [{"Source": "guard", "DetailType": "Heartbeat"}]}`, []access{
			{"events:PutEvents", "arn:aws:events:us-east-1:111122223333:event-bus/default", map[string]string{"events:source": "guard", "events:detail-type": "Heartbeat"}},
		}},
		{"events", "PutEvents", "POST", "/", `{"Entries": [{"Source": "guard", "DetailType": "Heartbeat", "EventBusName": "own"}]}`, nil},
		{"events", "DisableRule", "POST", "/", `{"Name": "guard-root"}`, nil},
		{"cloudtrail", "DescribeTrails", "POST", "/", `{}`, []access{{"cloudtrail:DescribeTrails", "*", nil}}},
		{"cloudtrail", "GetTrailStatus", "POST", "/", `{"Name": "arn:t"}`, []access{{"cloudtrail:GetTrailStatus", "arn:t", nil}}},
		{"cloudtrail", "GetEventSelectors", "POST", "/", `{"TrailName": "arn:t"}`, []access{{"cloudtrail:GetEventSelectors", "arn:t", nil}}},
		{"cloudtrail", "GetTrailStatus", "POST", "/", `{"Name": "t"}`, nil},
		{"kms", "DescribeKey", "POST", "/", `{"KeyId": "arn:k"}`, []access{{"kms:DescribeKey", "arn:k", nil}}},
		{"kms", "Decrypt", "POST", "/", `{"KeyId": "arn:k"}`, nil},
		{"account", "ListRegions", "POST", "/listRegions", `{}`, []access{{"account:ListRegions", "*", nil}}},
		{"account", "EnableRegion", "POST", "/enableRegion", `{}`, nil},
		{"monitoring", "DescribeAlarms", "POST", "/", `{}`, []access{{"cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:us-east-1:111122223333:alarm:*", nil}}},
		{"monitoring", "GetAlarmMuteRule", "POST", "/", `{}`, []access{{"cloudwatch:GetAlarmMuteRule", "arn:aws:cloudwatch:us-east-1:111122223333:alarm-mute-rule:any", nil}}},
		{"monitoring", "GetMetricData", "POST", "/", `{}`, []access{{"cloudwatch:GetMetricData", "*", nil}}},
		{"monitoring", "DeleteAlarms", "POST", "/", `{}`, nil},
		{"dynamodb", "GetResourcePolicy", "POST", "/", `{"ResourceArn": "arn:t"}`, []access{{"dynamodb:GetResourcePolicy", "arn:t", nil}}},
		{"events", "DescribeEventBus", "POST", "/", `{"Name": "default"}`, []access{{"events:DescribeEventBus", "arn:aws:events:us-east-1:111122223333:event-bus/default", nil}}},
		{"events", "DescribeEventBus", "POST", "/", `{"Name": "own"}`, nil},
		{"iam", "GetRolePolicy", "POST", "/", "RoleName=r&PolicyName=p", []access{{"iam:GetRolePolicy", "arn:aws:iam::111122223333:role/r", nil}}},
		{"iam", "ListRolePolicies", "POST", "/", "", nil},
		{"sns", "GetSubscriptionAttributes", "POST", "/", "SubscriptionArn=arn:s", []access{{"sns:GetSubscriptionAttributes", "*", nil}}},
		{"sns", "GetDataProtectionPolicy", "POST", "/", "ResourceArn=arn:t", []access{{"sns:GetDataProtectionPolicy", "arn:t", nil}}},
		{"lambda", "", "GET", "/2021-07-20/functions/f/runtime-management-config", "", []access{{"lambda:GetRuntimeManagementConfig", "arn:aws:lambda:us-east-1:111122223333:function:f", nil}}},
		{"securityhub", "", "POST", "/findings/import", `{"Findings": [{"ProductArn": "arn:p"}]}`, []access{{"securityhub:BatchImportFindings", "arn:p", nil}}},
		{"securityhub", "", "POST", "/findings", `{}`, nil},
		{"s3", "", "GET", "/", "", nil},
	} {
		c := &call{service: tt.service, action: tt.action, region: region, organization: "o-a1", method: tt.method, path: tt.path, body: []byte(tt.body)}
		if !strings.HasPrefix(tt.body, "{") && c.action != "" {
			form, err := url.ParseQuery(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			c.form = form
		}
		got, err := accesses(c, account)
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%s %s %s %s: error %v", tt.service, tt.action, tt.path, tt.body, err)
		}
		if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(access{})); diff != "" {
			t.Errorf("%s %s %s %s (-want +got):\n%s", tt.service, tt.action, tt.path, tt.body, diff)
		}
	}
}

// rolePath is the path of a role, which a request does not say: that of a permission set
// is IAM Identity Center's (IAM Identity Center User Guide, "Referencing permission sets").
func rolePath(name string) string {
	if strings.HasPrefix(name, "AWSReservedSSO_") {
		return "aws-reserved/sso.amazonaws.com/"
	}
	return ""
}
