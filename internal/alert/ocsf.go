package alert

import (
	"fmt"
	"strings"
	"time"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
)

// The versions of Detection Finding as written here. Later versions 1.x only add to
// it (OCSF Schema, "Schema Versioning"): from 1.3 to 1.6 nothing became required, 1.4
// has is_alert, and in 1.6 programmatic_credentials replaces a user's credential_uid
// (OCSF Schema, CHANGELOG). AWS Security Hub takes 1.6 (AWS Security Hub User Guide, "Security Hub
// and the Open Cybersecurity Findings Format").
const (
	ocsfVersion   = "1.3.0"
	ocsfVersion16 = "1.6.0"
)

// ocsfActions is how many kinds of call of a roll-up are listed.
const ocsfActions = 50

// The classification (OCSF Schema 1.3.0, class Detection Finding).
const (
	findingsCategory = 2
	detectionFinding = 2004
	ocsfResolved     = 4 // status_id
)

// ocsfSeverities are severity_id and severity by the finding's (OCSF Schema,
// base event, severity_id); ocsfUnknown of any other.
var ocsfSeverities = []named{{1, "Informational"}, {2, "Low"}, {3, "Medium"}, {4, "High"}, {5, "Critical"}}

// named is an enumerated value and its caption.
type named struct {
	id   int
	name string
}

// ocsfFinding is the class Detection Finding [2004] with the profile cloud: of
// the attributes of OCSF Schema 1.3.0 those that an alert has something for.
// "+" below is recommended there, the others without omitempty are required.
type ocsfFinding struct {
	ActivityID   int            `json:"activity_id"`
	ActivityName string         `json:"activity_name"`
	CategoryUID  int            `json:"category_uid"`
	CategoryName string         `json:"category_name"`
	ClassUID     int            `json:"class_uid"`
	ClassName    string         `json:"class_name"`
	TypeUID      int            `json:"type_uid"`
	TypeName     string         `json:"type_name"`
	SeverityID   int            `json:"severity_id"`
	Severity     string         `json:"severity"`
	StatusID     int            `json:"status_id"` // +
	Status       string         `json:"status"`
	Time         int64          `json:"time"` // of the latest event
	StartTime    int64          `json:"start_time,omitempty"`
	EndTime      int64          `json:"end_time,omitempty"`
	Count        int            `json:"count,omitempty"`
	Message      string         `json:"message"` // +
	Metadata     ocsfMetadata   `json:"metadata"`
	FindingInfo  ocsfInfo       `json:"finding_info"`
	Cloud        ocsfCloud      `json:"cloud"` // required by the profile
	API          *ocsfAPI       `json:"api,omitempty"`
	Evidences    []ocsfEvidence `json:"evidences,omitempty"` // +
	Resources    []ocsfResource `json:"resources"`           // +
	Remediation  *ocsfRemedy    `json:"remediation,omitempty"`
	Observables  []ocsfObserved `json:"observables,omitempty"` // +
	Unmapped     ocsfUnmapped   `json:"unmapped"`
	IsAlert      *bool          `json:"is_alert,omitempty"` // + since 1.4
}

// ocsfMetadata is the object metadata: version and product are required.
type ocsfMetadata struct {
	Version  string      `json:"version"`
	UID      string      `json:"uid"` // the alert's ID
	Product  ocsfProduct `json:"product"`
	Profiles []string    `json:"profiles"`

	CorrelationUID string `json:"correlation_uid,omitempty"` // the incident's ID
}

// ocsfProduct is the object product: vendor_name is required.
type ocsfProduct struct {
	Name       string `json:"name"`
	VendorName string `json:"vendor_name"`
}

// ocsfInfo is the object finding_info: title and uid are required.
type ocsfInfo struct {
	UID       string       `json:"uid"`
	Title     string       `json:"title"`
	Desc      string       `json:"desc"`
	Types     []string     `json:"types"`
	Analytic  ocsfAnalytic `json:"analytic"`
	Attacks   []ocsfAttack `json:"attacks,omitempty"`
	Created   int64        `json:"created_time,omitempty"`
	FirstSeen int64        `json:"first_seen_time,omitempty"`
	LastSeen  int64        `json:"last_seen_time,omitempty"`
	Events    []ocsfEvent  `json:"related_events,omitempty"`
}

// ocsfAnalytic is the object analytic: type_id is required, 1 is Rule.
type ocsfAnalytic struct {
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	UID    string `json:"uid"`
	Name   string `json:"name"`
}

// ocsfAttack is the object attack: a technique, a tactic or a sub-technique.
type ocsfAttack struct {
	Tactic       *ocsfName `json:"tactic,omitempty"`
	Technique    ocsfName  `json:"technique"`
	SubTechnique *ocsfName `json:"sub_technique,omitempty"`
}

type ocsfName struct {
	Name string `json:"name,omitempty"`
	UID  string `json:"uid"`
}

// ocsfEvent is the object related_event: uid is required.
type ocsfEvent struct {
	UID  string `json:"uid"`
	Type string `json:"type"`
}

// ocsfCloud is the object cloud: provider is required.
type ocsfCloud struct {
	Provider string      `json:"provider"`
	Region   string      `json:"region,omitempty"`
	Account  ocsfAccount `json:"account"`
}

// ocsfAccount is the object account: type_id 10 is an AWS account.
type ocsfAccount struct {
	UID    string `json:"uid"`
	Name   string `json:"name,omitempty"`
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
}

// ocsfAPI is the object api: operation is required.
type ocsfAPI struct {
	Operation string        `json:"operation"`
	Service   *ocsfService  `json:"service,omitempty"`
	Request   *ocsfRequest  `json:"request,omitempty"`
	Response  *ocsfResponse `json:"response,omitempty"`
}

type ocsfService struct {
	Name string `json:"name"`
}

// ocsfRequest is the object request: uid is required. It is CloudTrail's eventID.
type ocsfRequest struct {
	UID string `json:"uid"`
}

type ocsfResponse struct {
	Error string `json:"error"`
}

// ocsfEvidence is the object evidences: who did it, from where.
type ocsfEvidence struct {
	Actor       ocsfActor     `json:"actor"`
	API         *ocsfAPI      `json:"api,omitempty"`
	SrcEndpoint *ocsfEndpoint `json:"src_endpoint,omitempty"`
	Data        *ocsfData     `json:"data,omitempty"`
}

// ocsfData is of the type JSON: what evidences has no attribute for.
type ocsfData struct {
	UserAgent string `json:"user_agent"`
}

type ocsfActor struct {
	User    ocsfUser     `json:"user"`
	Session *ocsfSession `json:"session,omitempty"`
}

// ocsfUser is the object user: a name or a uid is required.
type ocsfUser struct {
	Name          string       `json:"name"`
	UID           string       `json:"uid,omitempty"`     // principal ID
	UIDAlt        string       `json:"uid_alt,omitempty"` // ARN
	TypeID        int          `json:"type_id"`
	Type          string       `json:"type"`
	CredentialUID string       `json:"credential_uid,omitempty"` // until 1.5
	Account       *ocsfAccount `json:"account,omitempty"`

	Credentials []ocsfCredential `json:"programmatic_credentials,omitempty"` // since 1.6
}

// ocsfCredential is the object programmatic_credential.
type ocsfCredential struct {
	UID  string `json:"uid"` // access key ID
	Type string `json:"type"`
}

type ocsfSession struct {
	UID   string `json:"uid,omitempty"`
	IsMFA *bool  `json:"is_mfa,omitempty"`
}

// ocsfEndpoint is the object network_endpoint: an address or a service's name.
type ocsfEndpoint struct {
	IP      string `json:"ip,omitempty"`
	SvcName string `json:"svc_name,omitempty"`
}

// ocsfResource is the object resource_details: a name or a uid is required.
type ocsfResource struct {
	UID       string `json:"uid"`
	Name      string `json:"name,omitempty"`
	Type      string `json:"type"`
	Region    string `json:"region,omitempty"`
	Partition string `json:"cloud_partition"`
}

// ocsfRemedy is the object remediation: desc is required.
type ocsfRemedy struct {
	Desc string `json:"desc"`
}

// ocsfObserved is the object observable: name and type_id are required.
type ocsfObserved struct {
	Name   string `json:"name"` // where the value is in the event
	TypeID int    `json:"type_id"`
	Type   string `json:"type"`
	Value  string `json:"value"`
}

// ocsfUnmapped has what the schema has no attribute for, as schema
// rootguard.alert/1 names it.
type ocsfUnmapped struct {
	Kind           Kind        `json:"kind"`
	Also           []detect.ID `json:"also,omitempty"`
	CIS            []string    `json:"cis,omitempty"`
	MFA            string      `json:"mfa"`
	Deadline       *time.Time  `json:"deadline,omitempty"`
	Actions        []Action    `json:"actions,omitempty"`
	ActionsOmitted int         `json:"actions_omitted,omitempty"`
	Late           bool        `json:"late,omitempty"`

	AnnouncedBy     string `json:"announced_by,omitempty"` // the owner of announced root use, and its reason
	AnnouncedReason string `json:"announced_reason,omitempty"`
}

// OCSF is the alert as a Detection Finding of the Open Cybersecurity Schema
// Framework, on one line of at most 240 KB. An alert that reports what was reported
// before has the finding_info.uid of the first, and says by its activity whether
// it updates or closes that finding; metadata.uid is the alert's own ID. Text is
// made safe to show, as in the e-mail. A time outside the years 0 to 9999 is
// left out, and where the event has none, time is 0.
func OCSF(a Alert) ([]byte, error) {
	body, err := encode(ocsfOf(a))
	if err != nil {
		return nil, fmt.Errorf("encoding alert as OCSF: %w", err)
	}
	return body, nil
}

// OCSF16 is OCSF by version 1.6 of the schema. It says too whether the finding is an
// alert: what closes one is not. The access key has a place of its own.
func OCSF16(a Alert) ([]byte, error) {
	f := ocsfOf(a)
	alerts := f.StatusID != ocsfResolved
	f.Metadata.Version, f.IsAlert = ocsfVersion16, &alerts
	for i := range f.Evidences {
		if u := &f.Evidences[i].Actor.User; u.CredentialUID != "" {
			u.Credentials, u.CredentialUID = []ocsfCredential{{u.CredentialUID, "AWS Access Key"}}, ""
		}
	}
	body, err := encode(f)
	if err != nil {
		return nil, fmt.Errorf("encoding alert as OCSF: %w", err)
	}
	return body, nil
}

func ocsfOf(a Alert) ocsfFinding {
	a = keep(bound(a), ocsfActions)
	f, e := &a.Finding, exported(a)
	activity := map[change]named{creates: {1, "Create"}, updates: {2, "Update"}, closes: {3, "Close"}}[e.change]
	status := named{1, "New"}
	if e.change == closes {
		status = named{ocsfResolved, "Resolved"}
	}
	severity := named{0, "Unknown"}
	if int(f.Severity) < len(ocsfSeverities) {
		severity = ocsfSeverities[f.Severity]
	}
	out := ocsfFinding{
		ActivityID: activity.id, ActivityName: activity.name,
		CategoryUID: findingsCategory, CategoryName: "Findings", ClassUID: detectionFinding, ClassName: "Detection Finding",
		TypeUID: detectionFinding*100 + activity.id, TypeName: "Detection Finding: " + activity.name,
		SeverityID: severity.id, Severity: severity.name, StatusID: status.id, Status: status.name,
		Time: millis(e.last), Message: e.title,
		Metadata: ocsfMetadata{Version: ocsfVersion, UID: clean(a.ID, nameLimit), Product: ocsfProduct{Name: "rootguard",
			VendorName: "rootguard"}, Profiles: []string{"cloud"}},
		FindingInfo: ocsfInfo{
			UID: e.uid, Title: e.title, Desc: e.desc, Types: e.types,
			Analytic: ocsfAnalytic{1, "Rule", clean(string(f.ID), wordLimit), clean(string(f.ID), wordLimit)},
			Created:  millis(e.created), FirstSeen: millis(earlier(e.created, e.first)), LastSeen: millis(e.last),
		},
		Cloud: ocsfCloud{Provider: "AWS", Region: clean(f.Region, wordLimit), Account: ocsfAccountOf(accountID(a), a.AccountName)},
		Unmapped: ocsfUnmapped{
			Kind: Kind(clean(string(a.Kind), wordLimit)), Also: cleaned(f.Also), CIS: cleaned(f.CIS), MFA: f.MFA.String(), Actions: safe(a.Actions),
			ActionsOmitted: a.ActionsOmitted, Late: a.Late,
		},
	}
	if several(a) {
		out.StartTime, out.EndTime, out.Count = millis(e.first), millis(e.last), max(0, a.Count)
	}
	if a.Incident != nil {
		out.Metadata.CorrelationUID = clean(a.Incident.ID, wordLimit)
	}
	if by := f.Announced; by != nil {
		out.Unmapped.AnnouncedBy, out.Unmapped.AnnouncedReason = clean(by.Owner, nameLimit), clean(by.Reason, textLimit)
	}
	if !a.Deadline.IsZero() {
		out.Unmapped.Deadline = &a.Deadline
	}
	if next := display(e.step, 2*nameLimit); next != "" {
		out.Remediation = &ocsfRemedy{next}
	}
	for _, id := range f.ATTACK {
		out.FindingInfo.Attacks = append(out.FindingInfo.Attacks, ocsfAttackOf(clean(id, 40)))
	}
	out.evidence(a)
	out.resources(f)
	return out
}

// evidence adds the actor, the call and where it came from.
func (o *ocsfFinding) evidence(a Alert) {
	f := &a.Finding
	observe := func(name, value string, kind named) {
		if value != "" {
			o.Observables = append(o.Observables, ocsfObserved{name, kind.id, kind.name, value})
		}
	}
	if id := clean(f.EventID, nameLimit); f.EventName != "" && id != "" {
		o.FindingInfo.Events = []ocsfEvent{{UID: id, Type: "CloudTrail"}}
	}
	ev := ocsfEvidence{Actor: ocsfActor{User: ocsfUserOf(f)}}
	observe("evidences.actor.user.name", ev.Actor.User.Name, named{4, "User Name"})
	if session := clean(f.Session, arnLimit); session != "" {
		ev.Actor.Session = &ocsfSession{UID: session}
	}
	if f.MFA != cloudtrail.Unknown {
		if ev.Actor.Session == nil {
			ev.Actor.Session = &ocsfSession{}
		}
		used := f.MFA == cloudtrail.Yes
		ev.Actor.Session.IsMFA = &used
	}
	if ip, service := address(f); ip.IsValid() {
		ev.SrcEndpoint = &ocsfEndpoint{IP: ip.String()}
		observe("evidences.src_endpoint.ip", ip.String(), named{2, "IP Address"})
	} else if service != "" {
		ev.SrcEndpoint = &ocsfEndpoint{SvcName: service}
	}
	if ua := clean(f.UserAgent, 1024); ua != "" {
		ev.Data = &ocsfData{ua}
	}
	if name := clean(f.EventName, nameLimit); name != "" {
		o.API = &ocsfAPI{Operation: name}
		if service := clean(f.EventSource, nameLimit); service != "" {
			o.API.Service = &ocsfService{service}
		}
		if id := clean(f.EventID, nameLimit); id != "" {
			o.API.Request = &ocsfRequest{id}
		}
		if code := clean(f.ErrorCode, nameLimit); code != "" {
			o.API.Response = &ocsfResponse{code}
		}
		ev.API = o.API
	}
	o.Evidences = []ocsfEvidence{ev}
}

// resources adds the account, and the user or resource the finding is about.
func (o *ocsfFinding) resources(f *detect.Finding) {
	partition, region := partitionOf(f.Region), clean(f.Region, wordLimit)
	o.Resources = []ocsfResource{{UID: o.Cloud.Account.UID, Name: o.Cloud.Account.Name, Type: "AWS::::Account",
		Region: region, Partition: partition}}
	if name, id := clean(f.Target.UserName, 128), clean(f.Target.UserID, 128); name != "" || id != "" {
		r := ocsfResource{UID: id, Name: name, Type: "AWS::IAM::User", Partition: partition}
		if name != "" {
			r.UID = userARN(f, f.Target.UserName)
			o.Observables = append(o.Observables, ocsfObserved{"resources.name", 4, "User Name", name})
		}
		o.Resources = append(o.Resources, r)
	}
	if resource := clean(f.Target.Resource, 2*nameLimit); resource != "" {
		o.Resources = append(o.Resources, ocsfResource{UID: resource, Type: "Other", Region: region, Partition: partition})
	}
	for _, r := range o.Resources {
		o.Observables = append(o.Observables, ocsfObserved{"resources.uid", 10, "Resource UID", r.UID})
	}
}

func ocsfAccountOf(id, name string) ocsfAccount {
	return ocsfAccount{UID: id, Name: clean(name, nameLimit), TypeID: 10, Type: "AWS Account"}
}

// ocsfUserOf is the actor. Root is an administrator, a service the system.
func ocsfUserOf(f *detect.Finding) ocsfUser {
	kind := named{1, "User"}
	switch f.Actor.Type {
	case "Root":
		kind = named{2, "Admin"}
	case "AWSService":
		kind = named{3, "System"}
	case "":
		kind = named{0, "Unknown"}
	}
	u := ocsfUser{
		Name: clean(nameOf(f.Actor), 80), UID: clean(f.Actor.PrincipalID, nameLimit), UIDAlt: clean(f.Actor.ARN, arnLimit),
		TypeID: kind.id, Type: kind.name, CredentialUID: clean(f.Actor.AccessKeyID, nameLimit),
	}
	if part := strings.Split(u.UIDAlt, ":"); len(part) > 5 && part[4] != "" {
		account := ocsfAccountOf(part[4], "")
		u.Account = &account
	}
	return u
}

// ocsfAttackOf is a technique of ATT&CK, or the part of one ("T1078.004").
func ocsfAttackOf(id string) ocsfAttack {
	known := techniques[id]
	base, _, part := strings.Cut(id, ".")
	out := ocsfAttack{Technique: ocsfName{techniques[base].name, base}}
	if part {
		out.SubTechnique = &ocsfName{known.name, id}
	}
	if known.tactic != "" {
		out.Tactic = &ocsfName{known.tactic, tactics[known.tactic]}
	}
	return out
}

// millis is a time as OCSF has it: milliseconds since 1970, 0 where it is not known.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func cleaned[S ~string](in []S) []S {
	out := make([]S, len(in))
	for i, s := range in {
		out[i] = S(clean(string(s), 40))
	}
	return out
}

func safe(in []Action) []Action {
	out := make([]Action, len(in))
	for i, act := range in {
		out[i] = Action{Name: clean(act.Name, 2*wordLimit), Target: clean(act.Target, nameLimit), Count: act.Count}
	}
	return out
}
