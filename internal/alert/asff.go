package alert

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Hub is the Security Hub that findings are for: that of one account and Region.
type Hub struct {
	Partition, Region, Account string
}

// The limits of fields (AWS Security Hub API Reference, AwsSecurityFinding and
// the types below it), in characters; asffNames that of Api, ServiceName and Domain.
const (
	asffTitle       = 256
	asffDescription = 1024
	asffText        = 512 // Remediation.Recommendation
	asffID          = 512
	asffValue       = 2048 // ProductFields
	asffNames       = 128
	asffRegion      = 16
	asffResources   = 32
)

// asffSeverities are Severity.Label, and the least Severity.Normalized of each
// (API Reference, Severity).
var asffSeverities = []named{{0, "INFORMATIONAL"}, {1, "LOW"}, {40, "MEDIUM"}, {70, "HIGH"}, {90, "CRITICAL"}}

// asffFinding is AwsSecurityFinding. Compliance is left out: it is for the checks
// of a standard alone.
type asffFinding struct {
	SchemaVersion         string // required, as are those up to Resources
	ID                    string `json:"Id"`
	ProductARN            string `json:"ProductArn"`
	GeneratorID           string `json:"GeneratorId"`
	AWSAccountID          string `json:"AwsAccountId"`
	CreatedAt             string
	UpdatedAt             string
	Title                 string
	Description           string
	Severity              asffSeverity
	Types                 []string
	Resources             []asffResource
	ProductName           string
	CompanyName           string
	FirstObservedAt       string `json:",omitempty"`
	LastObservedAt        string `json:",omitempty"`
	FindingProviderFields asffProvider
	Remediation           *asffRemediation `json:",omitempty"`
	ProductFields         map[string]string
	Action                *asffAction  `json:",omitempty"`
	Network               *asffNetwork `json:",omitempty"`
	RecordState           string
	Workflow              asffWorkflow
}

type asffSeverity struct {
	Label      string
	Normalized int
	Original   string
}

// asffProvider is what updates severity and types, which the fields of the same
// name on top do not (API Reference, BatchImportFindings).
type asffProvider struct {
	Severity asffProviderSeverity
	Types    []string
}

type asffProviderSeverity struct{ Label, Original string }

type asffResource struct {
	Type      string
	ID        string `json:"Id"`
	Partition string
	Region    string       `json:",omitempty"`
	Details   *asffDetails `json:",omitempty"`
}

type asffDetails struct {
	AwsIamUser *asffUser `json:",omitempty"`
}

type asffUser struct {
	UserName string `json:",omitempty"`
	UserID   string `json:"UserId,omitempty"`
}

type asffRemediation struct{ Recommendation asffRecommendation }

type asffRecommendation struct{ Text string }

type asffAction struct {
	ActionType       string
	AwsAPICallAction asffCall `json:"AwsApiCallAction"`
}

type asffCall struct {
	API             string      `json:"Api"`
	ServiceName     string      `json:",omitempty"`
	CallerType      string      `json:",omitempty"`
	RemoteIPDetails *asffRemote `json:"RemoteIpDetails,omitempty"`
	DomainDetails   *asffDomain `json:",omitempty"`
	FirstSeen       string      `json:",omitempty"`
	LastSeen        string      `json:",omitempty"`
}

type asffRemote struct {
	IPAddressV4 string `json:"IpAddressV4"`
}

type asffDomain struct{ Domain string }

type asffNetwork struct {
	Direction  string
	SourceIPV4 string `json:"SourceIpV4,omitempty"`
	SourceIPV6 string `json:"SourceIpV6,omitempty"`
}

type asffWorkflow struct{ Status string }

// ASFF is the alert in the AWS Security Finding Format (AWS Security Hub User
// Guide), on one line of at most 240 KB, the most that BatchImportFindings takes.
//
// The hub's account is the finding's, since only it may import with the ARN of
// its default product; the account that the alert is about is the first of the
// Resources. Without a hub the finding is for that account's own, in the Region
// of the event. at is when the alert was published, which distinguishes an update from
// what it updates; it is UpdatedAt.
//
// Id is the same for all alerts about one finding, as uid of OCSF. A closing
// note archives it.
func ASFF(a Alert, hub Hub, at time.Time) ([]byte, error) {
	body, err := encode(asffOf(a, hub, at))
	if err != nil {
		return nil, fmt.Errorf("encoding alert as ASFF: %w", err)
	}
	return body, nil
}

// noAccount stands for an account that is not known: AwsAccountId has 12 digits.
const noAccount = "000000000000"

func asffOf(a Alert, hub Hub, at time.Time) asffFinding {
	a = bound(a)
	f, e := &a.Finding, exported(a)
	if hub == (Hub{}) {
		hub = Hub{Partition: partitionOf(f.Region), Region: asffRegionOf(f.Region), Account: f.Account}
		if hub.Region == "" {
			hub.Region = "us-east-1"
		}
		if len(hub.Account) != 12 || strings.Trim(hub.Account, "0123456789") != "" {
			hub.Account = noAccount
		}
	}
	severity := asffSeverities[min(int(f.Severity), len(asffSeverities)-1)]
	label, original := severity.name, units(f.Severity.String(), 64)
	out := asffFinding{
		SchemaVersion: "2018-10-08", ID: e.uid,
		ProductARN:   fmt.Sprintf("arn:%s:securityhub:%s:%s:product/%[3]s/default", hub.Partition, hub.Region, hub.Account),
		GeneratorID:  units("rootguard/"+filled(clean(string(f.ID), wordLimit), "alert"), asffID),
		AWSAccountID: hub.Account, ProductName: "rootguard", CompanyName: "rootguard",
		CreatedAt: iso(earlier(e.created, at)), UpdatedAt: iso(at),
		Title: units(e.title, asffTitle), Description: units(e.desc, asffDescription),
		Severity: asffSeverity{Label: label, Normalized: severity.id, Original: original},
		Types:    e.types, FindingProviderFields: asffProvider{Severity: asffProviderSeverity{label, original}, Types: e.types},
		Resources: asffResourcesOf(a), ProductFields: asffProductFields(a),
		RecordState: "ACTIVE", Workflow: asffWorkflow{"NEW"},
	}
	if e.change == closes {
		out.RecordState, out.Workflow.Status = "ARCHIVED", "RESOLVED"
	}
	out.FirstObservedAt, out.LastObservedAt = iso(earlier(e.created, e.first)), iso(e.last)
	if next := units(display(e.step, asffText), asffText); next != "" {
		out.Remediation = &asffRemediation{asffRecommendation{next}}
	}
	ip, service := address(f)
	if ip.IsValid() {
		out.Network = &asffNetwork{Direction: "IN"}
		if ip.Is4() {
			out.Network.SourceIPV4 = ip.String()
		} else {
			out.Network.SourceIPV6 = ip.String()
		}
	}
	if name := units(clean(f.EventName, asffNames), asffNames); name != "" {
		call := asffCall{API: name, ServiceName: units(clean(f.EventSource, asffNames), asffNames),
			FirstSeen: iso(e.first), LastSeen: iso(e.last)}
		switch {
		case ip.Is4():
			call.CallerType, call.RemoteIPDetails = "remoteIp", &asffRemote{ip.String()}
		case service != "":
			call.CallerType, call.DomainDetails = "domain", &asffDomain{units(service, asffNames)}
		}
		out.Action = &asffAction{"AWS_API_CALL", call}
	}
	return out
}

// asffResourcesOf are the account, and the users and the resource that the alert
// is about; of a roll-up, as many as there is room for.
func asffResourcesOf(a Alert) []asffResource {
	f := &a.Finding
	partition, region := partitionOf(f.Region), asffRegionOf(f.Region)
	all := []asffResource{{Type: "AwsAccount", ID: "AWS::::Account:" + accountID(a), Partition: partition, Region: region}}
	add := func(r asffResource) {
		r.ID, r.Partition = units(r.ID, asffID), partition
		for _, have := range all {
			if have.ID == r.ID {
				return
			}
		}
		if r.ID != "" && len(all) < asffResources {
			all = append(all, r)
		}
	}
	user := func(name, id string) {
		r := asffResource{Type: "AwsIamUser", ID: clean(id, 128), Details: &asffDetails{&asffUser{clean(name, 128), clean(id, 128)}}}
		if r.Details.AwsIamUser.UserName != "" {
			r.ID = userARN(f, name)
		}
		add(r)
	}
	if f.Target.UserName != "" || f.Target.UserID != "" {
		user(f.Target.UserName, f.Target.UserID)
	}
	if resource := clean(f.Target.Resource, asffID); resource != "" {
		add(asffResource{Type: asffType(resource), ID: resource, Region: region})
	}
	for _, act := range a.Actions {
		if strings.HasPrefix(string(f.ID), "user.") && act.Target != "" && !strings.HasPrefix(act.Target, "AIDA") {
			user(act.Target, "")
		}
	}
	return all
}

// asffTypes are the types of resources that rootguard is made of, by what their
// ARN has after the partition and before or after Region and account.
var asffTypes = []struct{ service, resource, name string }{
	{"cloudtrail", "trail/", "AwsCloudTrailTrail"}, {"sns", "", "AwsSnsTopic"}, {"sqs", "", "AwsSqsQueue"},
	{"lambda", "function:", "AwsLambdaFunction"}, {"dynamodb", "table/", "AwsDynamoDbTable"}, {"kms", "key/", "AwsKmsKey"},
	{"iam", "role/", "AwsIamRole"}, {"iam", "user/", "AwsIamUser"}, {"iam", "group/", "AwsIamGroup"}, {"iam", "policy/", "AwsIamPolicy"},
	{"s3", "", "AwsS3Bucket"}, {"cloudwatch", "alarm:", "AwsCloudWatchAlarm"},
}

func asffType(arn string) string {
	part := strings.SplitN(arn, ":", 6)
	if len(part) == 6 && part[0] == "arn" {
		for _, t := range asffTypes {
			if part[2] == t.service && strings.HasPrefix(part[5], t.resource) {
				return t.name
			}
		}
	}
	return "Other"
}

// asffProductFields is what the format has no field for, under the names of
// schema rootguard.alert/1.
func asffProductFields(a Alert) map[string]string {
	f := &a.Finding
	fields := map[string]string{}
	put := func(name, value string) {
		if value = units(clean(value, asffValue), asffValue); value != "" {
			fields["rootguard/"+name] = value
		}
	}
	put("alert_id", a.ID)
	put("kind", string(a.Kind))
	put("finding", string(f.ID))
	put("account", f.Account)
	put("account_name", a.AccountName)
	put("event_id", f.EventID)
	put("error_code", f.ErrorCode)
	put("user_agent", f.UserAgent)
	put("actor/type", f.Actor.Type)
	put("actor/name", f.Actor.Name)
	put("actor/arn", f.Actor.ARN)
	put("actor/principal_id", f.Actor.PrincipalID)
	put("actor/access_key_id", f.Actor.AccessKeyID)
	put("mfa", f.MFA.String())
	put("session", f.Session)
	put("also", list(f.Also, 10))
	put("cis", list(f.CIS, 10))
	put("attack", list(f.ATTACK, 10))
	put("deadline", iso(a.Deadline))
	if a.Incident != nil {
		put("incident", a.Incident.ID)
	}
	if by := f.Announced; by != nil {
		put("announced/by", by.Owner)
		put("announced/reason", by.Reason)
	}
	if a.Count > 0 {
		put("count", strconv.Itoa(a.Count))
	}
	for i, act := range a.Actions[:min(len(a.Actions), 10)] {
		put(fmt.Sprintf("action/%02d", i+1), fmt.Sprintf("%d %s %s", act.Count, act.Name, act.Target))
	}
	return fields
}

// asffRegionOf is a Region, "" where it is longer than any.
func asffRegionOf(region string) string {
	if len(region) > asffRegion || strings.Trim(region, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return ""
	}
	return region
}

// iso is a time as Security Hub takes it (API Reference, "Timestamps"), "" where
// there is none.
func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// earlier is the earlier time; one that is not known is the other.
func earlier(t, other time.Time) time.Time {
	if t.IsZero() || !other.IsZero() && other.Before(t) {
		return other
	}
	return t
}

func filled(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
