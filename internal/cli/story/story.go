// Package story shows the first weeks of a synthetic AWS account as CloudTrail
// records: its bootstrap, a user who never gets MFA, a root takeover a month
// later, and the move to IAM Identity Center that follows. Addresses, account IDs and keys are those set aside for documentation.
package story

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// The accounts of the story. Account is the one that is bootstrapped and then
// attacked; Security is the one its organization is run from.
const (
	Account  = "111122223333"
	Security = "444455556666"
)

// AccountNames are what the story's people call the accounts.
func AccountNames() map[string]string {
	return map[string]string{Account: "example-prod", Security: "example-security"}
}

// Where the story's people are, and their browsers and tools.
const (
	office   = "203.0.113.24"
	home     = "203.0.113.87"
	runner   = "192.0.2.50"
	stranger = "198.51.100.77"
	opsRoom  = "203.0.113.30"

	browser      = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/144.0.0.0 Safari/537.36"
	otherBrowser = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:148.0) Gecko/20100101 Firefox/148.0"
	cli          = "aws-cli/2.33.2 md/awscrt#0.31.0 ua/2.1 os/linux md/arch#x86_64 lang/python#3.13.11"
	terraform    = "APN/1.0 HashiCorp/1.0 Terraform/1.14.3 terraform-provider-aws/6.28.0"
)

// Unique IDs of the story's users.
const (
	adminID    = "AIDACKCEVSQ6C2EXAMPLE"
	danaID     = "AIDAJQABLZS4DANAEXMPL"
	deployID   = "AIDAIOSFODNN7DEPEXMPL"
	intruderID = "AIDAI44QH8DHBSYNEXMPL"
)

// builder collects the records.
type builder struct{ records []record }

// Write writes the story as one CloudTrail log file, {"Records":[…]}.
func Write(w io.Writer) error {
	if err := json.NewEncoder(w).Encode(map[string][]record{"Records": records()}); err != nil {
		return fmt.Errorf("writing the story: %w", err)
	}
	return nil
}

// records are the whole story, in the order of its log file.
func records() []record {
	var t builder
	t.firstDay()
	t.secondUser()
	t.everydayLife()
	t.takeover()
	t.aftermath()
	t.identityCenter()
	slices.SortStableFunc(t.records, func(a, b record) int { return a.EventTime.Compare(b.EventTime) })
	return t.records
}

// at is a moment of the story, on a day counted from the account's first.
func at(day int, clock string) time.Time {
	c, err := time.Parse(time.TimeOnly, clock)
	if err != nil {
		panic(err)
	}
	return time.Date(2026, time.March, 2+day, c.Hour(), c.Minute(), c.Second(), 0, time.UTC)
}

// who makes calls: an identity, and from where.
type who struct {
	identity
	ip, agent string
}

// root is the root user in a console session that began at signIn.
func root(signIn time.Time, key, mfa, ip, agent string) who {
	return who{identity: identity{
		Type: "Root", PrincipalID: Account, ARN: "arn:aws:iam::" + Account + ":root", AccountID: Account, AccessKeyID: key,
		SessionContext: &session{Attributes: sessionAttributes{CreationDate: signIn, MFAAuthenticated: mfa}},
	}, ip: ip, agent: agent}
}

// user is an IAM user of Account in a console session that began at signIn.
func user(name, id, key string, signIn time.Time, mfa, ip, agent string) who {
	w := who{identity: identity{
		Type: "IAMUser", PrincipalID: id, ARN: "arn:aws:iam::" + Account + ":user/" + name, AccountID: Account, AccessKeyID: key, UserName: name,
	}, ip: ip, agent: agent}
	if !signIn.IsZero() {
		w.SessionContext = &session{Attributes: sessionAttributes{CreationDate: signIn, MFAAuthenticated: mfa}}
	}
	return w
}

// role is a session of a role.
func role(account, roleName, sessionName, roleID, key string, created time.Time, ip, agent string) who {
	path := ""
	if strings.HasPrefix(roleName, "AWSReservedSSO_") {
		path = "aws-reserved/sso.amazonaws.com/"
	}
	return who{identity: identity{
		Type: "AssumedRole", PrincipalID: roleID + ":" + sessionName, ARN: "arn:aws:sts::" + account + ":assumed-role/" +
			roleName + "/" + sessionName,
		AccountID: account, AccessKeyID: key,
		SessionContext: &session{
			SessionIssuer: &issuer{Type: "Role", PrincipalID: roleID, ARN: "arn:aws:iam::" + account + ":role/" + path + roleName,
				AccountID: account, UserName: roleName},
			Attributes: sessionAttributes{CreationDate: created, MFAAuthenticated: "false"},
		},
	}, ip: ip, agent: agent}
}

// call adds an API call and returns it for what is particular to it.
func (t *builder) call(when time.Time, by who, service, name string, request, response any) *record {
	n := len(t.records)
	host := service + ".us-east-1.amazonaws.com"
	if service == "iam" {
		host = "iam.amazonaws.com"
	}
	r := record{
		EventVersion: "1.11", UserIdentity: by.identity, EventTime: when,
		EventSource: service + ".amazonaws.com", EventName: name, AWSRegion: "us-east-1",
		SourceIPAddress: by.ip, UserAgent: by.agent, RequestParameters: request, ResponseElements: response,
		RequestID: uuid("request", n), EventID: uuid("event", n), EventType: "AwsApiCall", ManagementEvent: true,
		RecipientAccountID: by.AccountID, EventCategory: "Management",
		TLSDetails: &tlsDetails{TLSVersion: "TLSv1.3", CipherSuite: "TLS_AES_128_GCM_SHA256", ClientProvidedHostHeader: host},
	}
	if by.agent == browser || by.agent == otherBrowser {
		r.SessionFromConsole = "true"
	}
	t.records = append(t.records, r)
	return &t.records[n]
}

// read adds a call that changes nothing.
func (t *builder) read(when time.Time, by who, service, name string, request any) {
	t.call(when, by, service, name, request, nil).ReadOnly = true
}

// signIn adds an event of the sign-in service.
func (t *builder) signIn(when time.Time, by who, name, result string, data map[string]any) {
	r := t.call(when, by, "signin", name, nil, params{name: result})
	r.EventType = "AwsConsoleSignIn"
	r.AdditionalEventData = data
	r.RequestID, r.SessionFromConsole = "", ""
	r.UserIdentity.SessionContext, r.UserIdentity.AccessKeyID = nil, ""
	r.TLSDetails.ClientProvidedHostHeader = "signin.aws.amazon.com"
	if result == "Failure" {
		r.ErrorMessage = "Failed authentication"
	}
}

// loginData is additionalEventData of a ConsoleLogin.
func loginData(mfaUsed, mfaSerial string) map[string]any {
	d := map[string]any{"LoginTo": "https://console.aws.amazon.com/console/home", "MobileVersion": "No", "MFAUsed": mfaUsed}
	if mfaSerial != "" {
		d["MFAIdentifier"] = mfaSerial
	}
	return d
}
