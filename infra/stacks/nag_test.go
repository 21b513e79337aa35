package stacks

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"rootguard/internal/testenv"
)

// accepted are findings of cdk-nag that stay, each with the reason, by rule.
var accepted = map[string]struct {
	resources *regexp.Regexp // that the reason is about, by their paths
	reason    string
}{
	"AwsSolutions-IAM5": {
		regexp.MustCompile(`/(IamuserRole|RootactivityRole|SweepRole|QuarantineRole)/DefaultPolicy/Resource$|/(MemberRole|QuarantineMemberRole|QuarantinePolicy)/Resource$`),
		"users, trails and rules whose names are not known, and actions without a resource: TestLeastPrivilege has each with its own reason",
	},
	"AwsSolutions-S1":             {regexp.MustCompile(`/TrailBucket/Resource$`), "access logs need another bucket; CloudTrail's data events are there for who needs them"},
	"AwsSolutions-SQS3":           {regexp.MustCompile(`/(Undelivered|Failed|Unreceived|Heartbeats)/Resource$`), "these are the dead-letter queues"},
	"Serverless-SQSRedrivePolicy": {regexp.MustCompile(`/(Undelivered|Failed|Unreceived|Heartbeats)/Resource$`), "these are the dead-letter queues"},
	"Serverless-EventBusDLQ": {
		regexp.MustCompile(`/(Second)?HeartbeatRule$`),
		"a heartbeat is worth nothing late: there is another one in five minutes, and an alarm that there is none",
	},
	"Serverless-LambdaDLQ": {
		regexp.MustCompile(`^[a-z0-9-]+/(Iamuser|Rootactivity|Sweep|Quarantine|Securityhub)/Resource$`),
		"each has an on-failure destination, which says more of a failure than a dead-letter queue: see TestFunctions",
	},
	"Serverless-LambdaTracing": {
		regexp.MustCompile(`^[a-z0-9-]+/(Iamuser|Rootactivity|Sweep|Quarantine|Securityhub)/Resource$`),
		"a trace would be one more service that sees who signed in; the log has each duration",
	},
	"Serverless-SNSRedrivePolicy": {
		regexp.MustCompile(`/(Topic|Escalation)(Email|Sms)\d+$|/Route[0-9a-f]{10}$|-forward-[a-z0-9-]+/\w+Https\d+$`),
		"Amazon SNS queues nothing of mail and text messages that it could not deliver (Amazon SNS Developer Guide, dead-letter queues); " +
			"what is sent from another Region is a second copy: see TestUnreceived for the first",
	},
}

// nagLine is of a report of cdk-nag.
type nagLine struct {
	RuleID     string `json:"ruleId"`
	ResourceID string `json:"resourceId"`
	Compliance string `json:"compliance"`
	RuleInfo   string `json:"ruleInfo"`
}

var packs = []string{"AwsSolutions", "Serverless"}

// nagged reports whether cdk-nag checks a scenario: under the race detector, which does
// not see it, those that together have every resource.
func nagged(scenario string) bool {
	return slices.Contains([]string{"full", "quarantine-organization"}, scenario) || testenv.Size(1, 0) == 1
}

// nag has cdk-nag check an app when it is synthesized; its reports are beside the
// templates. It is slow, so that of forwarders that are alike, see
// TestForwardersAlike, it checks one.
func nag(app awscdk.App) {
	props := cdknag.NagPackProps{Reports: jsii.Bool(true), ReportFormats: &[]cdknag.NagReportFormat{cdknag.NagReportFormat_JSON}}
	checks := []awscdk.IAspect{cdknag.NewAwsSolutionsChecks(&props), cdknag.NewServerlessChecks(&props)}
	var stacks []constructs.IConstruct
	forwarders := 0
	for _, c := range *app.Node().FindAll(constructs.ConstructOrder_PREORDER) {
		if !*awscdk.Stack_IsStack(c) {
			continue
		}
		_, region, forwards := strings.Cut(*c.Node().Id(), "-forward-")
		if forwards {
			forwarders++
		}
		if forwards && forwarders > 1 && region != "us-east-2" && region != "eu-north-1" {
			continue
		}
		stacks = append(stacks, c)
	}
	for _, stack := range stacks {
		for _, check := range checks {
			awscdk.Aspects_Of(stack).Add(check, nil)
		}
	}
}

// readNag reads cdk-nag's reports in the folder of an app. They are named after
// the pack, the stage, which may be none, and the stack; a stack in a stage has
// these names without hyphens and with a hash of 8 letters.
func (s stackSet) readNag(dir string) error {
	for name, tpl := range s {
		for _, pack := range packs {
			files, err := filepath.Glob(filepath.Join(dir, pack+"-*-NagReport.json"))
			if err != nil {
				return err
			}
			for _, file := range files {
				stage, stack, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), pack+"-"), "-NagReport.json"), "-")
				if stage != "" {
					stack = stage + strings.ReplaceAll(stack, "-", "")
				}
				if hashed := len(name) - 8; name != stack && (stage == "" || name[:max(0, hashed)] != stack) {
					continue
				}
				data, err := os.ReadFile(file)
				if err != nil {
					return err
				}
				var report struct{ Lines []nagLine }
				if err := json.Unmarshal(data, &report); err != nil {
					return fmt.Errorf("reading %s: %w", file, err)
				}
				tpl.nag = append(tpl.nag, report.Lines...)
			}
		}
	}
	return nil
}

// TestNag holds that cdk-nag finds nothing but what is accepted, and that what is
// accepted is still there.
func TestNag(t *testing.T) {
	used := map[string]bool{}
	for scenario, set := range all(t) {
		if !nagged(scenario) {
			continue
		}
		for name, tpl := range set {
			compliant := map[string]int{}
			for _, line := range tpl.nag {
				pack, _, _ := strings.Cut(line.RuleID, "-")
				switch line.Compliance {
				case "Compliant":
					compliant[pack]++
				case "N/A":
				default:
					if a, ok := accepted[line.RuleID]; ok && line.Compliance == "Non-Compliant" && a.resources.MatchString(line.ResourceID) {
						used[line.RuleID] = true
						continue
					}
					t.Errorf("%s: %s: %s: %s: %s", scenario, line.ResourceID, line.Compliance, line.RuleID, line.RuleInfo)
				}
			}
			guards := slices.Contains([]string{"rootguard", "twenty-letters-long0"}, name)
			for _, pack := range packs {
				if guards && compliant[pack] == 0 {
					t.Errorf("%s/%s: the rules of %s found nothing to check", scenario, name, pack)
				}
			}
			if forwards := strings.Contains(name, "-forward-us-east-2") || strings.Contains(name, "-forward-eu-north-1") || strings.HasPrefix(name, "management"); forwards && len(tpl.nag) == 0 {
				t.Errorf("%s/%s was not checked", scenario, name)
			}
		}
	}
	for rule, a := range accepted {
		if !used[rule] || a.reason == "" {
			t.Errorf("%s is accepted, and nothing is found by it, or no reason is given", rule)
		}
	}
}
