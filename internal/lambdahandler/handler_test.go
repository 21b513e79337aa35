package lambdahandler

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"rootguard/internal/accountcheck"
	"rootguard/internal/alert"
	"rootguard/internal/aws/iam/iamtest"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
	"rootguard/internal/failure"
	"rootguard/internal/fake"
	"rootguard/internal/guard"
	"rootguard/internal/health"
	"rootguard/internal/mfadeadline"
)

const account = "111111111111"

var t0 = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

type users func(ctx context.Context, account, name string) (bootstrap.LiveFact, error)

func (u users) User(ctx context.Context, account, name string) (bootstrap.LiveFact, error) {
	return u(ctx, account, name)
}

type rig struct {
	handler   *Handler
	publisher *fake.Publisher
	journal   *fake.Facts
	store     *fake.Claims
	clock     *fake.Clock
	log       bytes.Buffer
}

func newRig(u Users) *rig {
	r := &rig{publisher: &fake.Publisher{}, journal: &fake.Facts{}, store: &fake.Claims{}, clock: fake.NewClock(t0.Add(10 * time.Second))}
	g := guard.New(guard.Deps{
		Detector: &detect.Detector{}, Claims: r.store, Facts: r.journal, Publisher: Counted(r.publisher), Now: r.clock.Now,
	}, guard.Settings{})
	r.handler = New(Deps{Guard: g, Users: u, Facts: r.journal, Metrics: true, Logger: slog.New(slog.NewJSONHandler(&r.log, nil)), Now: r.clock.Now})
	return r
}

// logged is the one log record of the last invocation.
func (r *rig) logged(t *testing.T) map[string]any {
	t.Helper()
	var one map[string]any
	if err := json.Unmarshal(r.log.Bytes(), &one); err != nil {
		t.Fatalf("the log is not one record: %v\n%s", err, r.log.String())
	}
	r.log.Reset()
	return one
}

func wrapped(detail string) json.RawMessage {
	return json.RawMessage(`{"version":"0","id":"eb-1","detail-type":"AWS API Call via CloudTrail","source":"aws.iam","account":"` + account +
		`","time":"2025-03-01T12:00:01Z","region":"us-east-1","resources":[],"detail":` + detail + `}`)
}

// iamCall is a call of an administrator on a user.
func iamCall(eventID, name, request, response string) string {
	return fmt.Sprintf(`{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","principalId":"AIDAADMIN","arn":"arn:aws:iam::%[1]s:user/admin","accountId":"%[1]s","userName":"admin"},
		"eventTime":"2025-03-01T12:00:00Z","eventSource":"iam.amazonaws.com","eventName":%[3]q,"awsRegion":"us-east-1","sourceIPAddress":"203.0.113.5","userAgent":"test",
		"requestParameters":%[4]s,"responseElements":%[5]s,"eventID":%[2]q,"readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"%[1]s"}`,
		account, eventID, name, request, response)
}

func createUser(eventID string) string {
	return iamCall(eventID, "CreateUser", `{"userName":"eve"}`, `{"user":{"userName":"eve","userId":"AIDAEVE","arn":"arn:aws:iam::111111111111:user/eve"}}`)
}

func TestUnwrap(t *testing.T) {
	event := string(wrapped(`{"a":1}`))
	for _, tt := range []struct{ name, payload, detail, err string }{
		{"an event", event, `{"a":1}`, ""},
		{"the record of a failed invocation", `{"version":"1.0","requestContext":{"condition":"RetriesExhausted"},"requestPayload":` + event + `,"responsePayload":{}}`, `{"a":1}`, ""},
		{"a schedule", `{"id":"s","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`, "", ""},
		{"a schedule that somebody made up", `{"id":"s","detail-type":"Scheduled Event","source":"me","detail":{}}`, "", "no event of CloudTrail"},
		{"no JSON", `{"detail`, "", "it is no JSON object of EventBridge"},
		{"another type of JSON", `[]`, "", "it is no JSON object of EventBridge"},
		{"empty", ``, "", "it is no JSON object of EventBridge"},
		{"a bare record", createUser("e-1"), "", "no detail-type"},
		{"another event", `{"id":"x","detail-type":"EC2 Instance State-change Notification","detail":{}}`, "", "EC2 Instance State-change"},
		{"no detail", `{"id":"x","detail-type":"AWS API Call via CloudTrail"}`, "", "reading event x: it has no detail"},
		{"null detail", `{"id":"x","detail-type":"AWS API Call via CloudTrail","detail":null}`, "", "it has no detail"},
		{"a failed invocation of something else", `{"requestPayload":{"a":1}}`, "", "no detail-type"},
		{"a failed invocation with no event", `{"requestPayload":"text"}`, "", "in the record of a failed invocation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ev, err := Unwrap([]byte(tt.payload))
			switch {
			case tt.err == "" && err != nil, tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, want an error with %q", err, tt.err)
			case string(ev.Detail) != tt.detail || ev.Scheduled != (tt.name == "a schedule"):
				t.Errorf("got %+v with detail %s", ev, ev.Detail)
			}
		})
	}
}

// TestMalformed holds that what cannot be read is an error that names what is
// wrong, so that Lambda keeps the event, and that no retry is promised.
func TestMalformed(t *testing.T) {
	for payload, want := range map[string]string{
		`{}`:                               "no detail-type",
		string(wrapped(`"text"`)):          "reading event eb-1 (AWS API Call via CloudTrail): decoding record",
		string(wrapped(`{"color":"red"}`)): "not a CloudTrail record",
	} {
		r := newRig(nil)
		err := r.handler.Handle(t.Context(), json.RawMessage(payload))
		if err == nil || failure.Retryable(err) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a permanent error with %q", payload, err, want)
		}
		log := r.logged(t)
		if log["level"] != "ERROR" || log["error"] != err.Error() || log["retryable"] != false || log["Failures"] != 1.0 || log["Records"] != nil {
			t.Errorf("%s: log %v", payload, log)
		}
	}
}

func TestOutcome(t *testing.T) {
	r := newRig(nil)
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil {
		t.Fatal(err)
	}
	log := r.logged(t)
	for name, want := range map[string]any{
		"level": "INFO", "msg": "handled", "event_id": "e-1", "event_name": "CreateUser", "event_bridge_id": "eb-1", "account": account,
		"disposition": "alerted", "finding": "user.created", "alert_id": r.publisher.Published()[0].ID, "event_time": "2025-03-01T12:00:00Z",
		"Records": 1.0, "Findings": 1.0, "FindingsInfo": 1.0, "PublishErrors": 0.0, "Failures": 0.0, "AlertLatency": 10_000.0,
	} {
		if log[name] != want {
			t.Errorf("%s is %v, want %v", name, log[name], want)
		}
	}
	var meta metadata
	raw, _ := json.Marshal(log["_aws"])
	if err := json.Unmarshal(raw, &meta); err != nil {
		t.Fatal(err)
	}
	want := metadata{Timestamp: r.clock.Now().UnixMilli(), CloudWatchMetrics: []directive{
		{"rootguard", [][]string{{}}, []metric{{"PublishErrors", "Count"}, {"Failures", "Count"}, {"Records", "Count"}, {"AlertLatency", "Milliseconds"},
			{"FindingsInfo", "Count"}, {"Findings", "Count"}}},
	}}
	if diff := cmp.Diff(want, meta); diff != "" {
		t.Errorf("_aws (-want +got):\n%s", diff)
	}
	for _, d := range meta.CloudWatchMetrics {
		for _, m := range d.Metrics {
			if _, ok := log[m.Name].(float64); !ok {
				t.Errorf("metric %s is %v, no number", m.Name, log[m.Name])
			}
		}
	}

	// Without metrics of its own the log has the same values.
	plain := newRig(nil)
	plain.handler.deps.Metrics = false
	if err := plain.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil {
		t.Fatal(err)
	}
	delete(log, "_aws")
	if diff := cmp.Diff(log, plain.logged(t), cmpopts.IgnoreMapEntries(func(name string, _ any) bool { return name == "time" })); diff != "" {
		t.Errorf("the log without metrics (-with +without):\n%s", diff)
	}

	// A copy of the event is no further finding.
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil {
		t.Fatal(err)
	}
	if log := r.logged(t); log["disposition"] != "duplicate" || log["Findings"] != nil || log["AlertLatency"] != nil || log["Records"] != 1.0 {
		t.Errorf("log of the copy: %v", log)
	}
}

func TestPublishFails(t *testing.T) {
	r := newRig(nil)
	down := errors.New("SNS is down")
	r.publisher.Refuse = func(alert.Alert) error { return down }
	err := r.handler.Handle(t.Context(), wrapped(createUser("e-1")))
	if !errors.Is(err, down) || !failure.Retryable(err) {
		t.Errorf("got %v, want a retryable error", err)
	}
	if log := r.logged(t); log["PublishErrors"] != 1.0 || log["Failures"] != 1.0 || log["retryable"] != true || log["Findings"] != nil {
		t.Errorf("log: %v", log)
	}
	r.publisher.Refuse = nil
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil || len(r.publisher.Published()) != 1 {
		t.Errorf("the retry: %v, %d alerts", err, len(r.publisher.Published()))
	}
}

func ptr[T any](v T) *T { return &v }

func TestCheck(t *testing.T) {
	has := func(password bool, devices ...string) bootstrap.LiveFact {
		return bootstrap.LiveFact{ConsoleLogin: &password, MFADevices: devices}
	}
	const device = "arn:aws:iam::111111111111:mfa/eve"
	gone := bootstrap.LiveFact{Gone: true}
	signIn := `{"eventVersion":"1.10","userIdentity":{"type":"IAMUser","principalId":"AIDAEVE","arn":"arn:aws:iam::111111111111:user/eve","accountId":"111111111111","userName":"eve"},
		"eventTime":"2025-03-01T12:00:00Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.5",
		"responseElements":{"ConsoleLogin":"Success"},"additionalEventData":{"MFAUsed":"No"},"eventID":"e-1","eventType":"AwsConsoleSignIn","recipientAccountId":"111111111111"}`
	profile := iamCall("e-1", "CreateLoginProfile", `{"userName":"eve","passwordResetRequired":false}`, `{"loginProfile":{"userName":"eve"}}`)
	deleted := iamCall("e-1", "DeleteLoginProfile", `{"userName":"eve"}`, `null`)
	enabled := iamCall("e-1", "EnableMFADevice", `{"userName":"eve","serialNumber":"`+device+`"}`, `null`)
	deactivated := iamCall("e-1", "DeactivateMFADevice", `{"userName":"eve","serialNumber":"`+device+`"}`, `null`)
	renamed := iamCall("e-1", "UpdateUser", `{"userName":"old","newUserName":"eve"}`, `null`)
	denied := strings.Replace(profile, `"requestParameters"`, `"errorCode":"AccessDenied","errorMessage":"no","requestParameters"`, 1)
	const fresh, late = 10 * time.Second, 24 * time.Hour
	for _, tt := range []struct {
		name   string
		record string
		age    time.Duration
		live   bootstrap.LiveFact
		result string // "": IAM is not asked
		id     string
	}{
		{"a new user", createUser("e-1"), fresh, has(false), "recorded", "AIDAEVE"},
		{"a new user that IAM does not know yet", createUser("e-1"), fresh, gone, "not recorded: IAM does not know the user", ""},
		{"a new user, long gone", createUser("e-1"), late, gone, "recorded", ""},
		{"a password", profile, fresh, has(true), "recorded", ""},
		{"a password that IAM does not know yet", profile, fresh, has(false), "not recorded: IAM knows no console password", ""},
		{"a password, long removed", profile, late, has(false), "recorded", ""},
		{"a password removed", deleted, fresh, has(false), "recorded", ""},
		{"a password that is still known", deleted, fresh, has(true), "not recorded: IAM knows a console password", ""},
		{"MFA", enabled, fresh, has(true, device), "recorded", ""},
		{"MFA that is not known yet", enabled, fresh, has(true), "not recorded: IAM does not know the MFA device", ""},
		{"MFA removed", deactivated, fresh, has(true, "another"), "recorded", ""},
		{"MFA that is still known", deactivated, fresh, has(true, device), "not recorded: IAM still knows the MFA device", ""},
		{"a new name", renamed, fresh, has(true), "recorded", ""},
		{"a sign-in", signIn, fresh, has(true), "recorded", "AIDAEVE"},
		{"a failed sign-in", strings.Replace(signIn, `"Success"`, `"Failure"`, 1), fresh, has(true), "", ""},
		{"a sign-in of root", strings.Replace(signIn, `"type":"IAMUser"`, `"type":"Root"`, 1), fresh, has(true), "", ""},
		{"a denied call", denied, fresh, has(true), "", ""},
		{"a deleted user", iamCall("e-1", "DeleteUser", `{"userName":"eve"}`, `null`), fresh, gone, "", ""},
		{"root's own MFA", iamCall("e-1", "EnableMFADevice", `{"userName":"AWS ROOT USER","serialNumber":"arn:aws:iam::111111111111:mfa/root"}`, `null`), fresh, has(true), "", ""},
		{"a group", iamCall("e-1", "CreateGroup", `{"groupName":"g"}`, `null`), fresh, has(true), "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			tt.live.UserName = "eve"
			r := newRig(users(func(_ context.Context, account, name string) (bootstrap.LiveFact, error) {
				asked = append(asked, account+"/"+name)
				return tt.live, nil
			}))
			r.clock = fake.NewClock(t0.Add(tt.age))
			r.handler.deps.Now = r.clock.Now
			if err := r.handler.Handle(t.Context(), wrapped(tt.record)); err != nil {
				t.Fatal(err)
			}
			log := r.logged(t)
			if tt.result == "" {
				if asked != nil || log["live"] != nil {
					t.Errorf("IAM was asked about %v", asked)
				}
				return
			}
			if diff := cmp.Diff([]string{account + "/eve"}, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			result, _ := log["live"].(map[string]any)["result"].(string)
			if !strings.HasPrefix(result, tt.result) {
				t.Errorf("result %q, want %q", result, tt.result)
			}
			facts, err := r.journal.Facts(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			var live []bootstrap.Fact
			for _, f := range facts {
				if f.Kind == bootstrap.Live {
					live = append(live, f)
				}
			}
			if tt.result != "recorded" {
				if live != nil {
					t.Errorf("recorded: %+v", live)
				}
				return
			}
			want := t0
			if tt.age >= consistent {
				want = t0.Add(tt.age)
			}
			if len(live) != 1 || !live[0].Time.Equal(want) || live[0].Live.UserID != tt.id || live[0].Live.UserName != "eve" {
				t.Errorf("live facts %+v, want one of %v with ID %q", live, want, tt.id)
			}
		})
	}
}

type roots func(ctx context.Context, account string) (bootstrap.LiveFact, error)

func (r roots) AccountSummary(ctx context.Context, account string) (bootstrap.LiveFact, error) {
	return r(ctx, account)
}

func TestCheckRoot(t *testing.T) {
	byRoot := func(record string) string {
		return strings.Replace(record, `"type":"IAMUser","principalId":"AIDAADMIN","arn":"arn:aws:iam::111111111111:user/admin","accountId":"111111111111","userName":"admin"`,
			`"type":"Root","principalId":"111111111111","arn":"arn:aws:iam::111111111111:root","accountId":"111111111111"`, 1)
	}
	call := func(name, request string) string { return byRoot(iamCall("e-1", name, request, `null`)) }
	const device = `{"userName":"AWS ROOT USER","serialNumber":"arn:aws:iam::111111111111:mfa/root-account-mfa-device"}`
	enabled, deactivated := call("EnableMFADevice", device), call("DeactivateMFADevice", device)
	signIn := func(mfa, answer string) string {
		return byRoot(strings.NewReplacer(`"iam.amazonaws.com"`, `"signin.amazonaws.com"`, `"AwsApiCall"`, `"AwsConsoleSignIn","additionalEventData":{"MFAUsed":"`+mfa+`"}`).
			Replace(iamCall("e-1", "ConsoleLogin", `null`, `{"ConsoleLogin":"`+answer+`"}`)))
	}
	const fresh, late = 10 * time.Second, 24 * time.Hour
	for _, tt := range []struct {
		name                string
		record              string
		age                 time.Duration
		mfa, keys, password int
		result              string // "": IAM is not asked
	}{
		{"MFA", enabled, fresh, 1, 0, 1, "recorded"},
		{"MFA that is not known yet", enabled, fresh, 0, 0, 1, "not recorded: IAM knows no MFA device of root"},
		{"MFA, long removed", enabled, late, 0, 0, 1, "recorded"},
		{"MFA removed", deactivated, fresh, 0, 0, 1, "recorded"},
		{"MFA that is still known", deactivated, fresh, 1, 0, 1, "not recorded: IAM still knows an MFA device"},
		{"MFA removed, another long there", deactivated, late, 1, 0, 1, "recorded"},
		{"a key", call("CreateAccessKey", `null`), fresh, 0, 1, 1, "recorded"},
		{"a key that is not known yet", call("CreateAccessKey", `null`), fresh, 0, 0, 1, "not recorded: IAM knows no access key"},
		{"a key removed", call("DeleteAccessKey", `{"accessKeyId":"AKIAROOT"}`), fresh, 0, 0, 1, "recorded"},
		{"a key that is still known", call("DeleteAccessKey", `{"accessKeyId":"AKIAROOT"}`), fresh, 0, 1, 1, "not recorded: IAM still knows an access key"},
		{"a password", call("CreateLoginProfile", `null`), fresh, 0, 0, 1, "recorded"},
		{"a password that is not known yet", call("CreateLoginProfile", `null`), fresh, 0, 0, 0, "not recorded: IAM knows no password"},
		{"a password removed", call("DeleteLoginProfile", `null`), fresh, 0, 0, 0, "recorded"},
		{"a password that is still known", call("DeleteLoginProfile", `null`), fresh, 0, 0, 1, "not recorded: IAM still knows a password"},
		{"a sign-in", signIn("No", "Success"), fresh, 0, 1, 1, "recorded"},
		{"a sign-in without the MFA that root has", signIn("No", "Success"), fresh, 1, 0, 1, "recorded"},
		{"a sign-in with MFA that is not known yet", signIn("Yes", "Success"), fresh, 0, 0, 1, "not recorded: IAM knows no MFA device"},
		{"a sign-in with a password that is not known yet", signIn("No", "Success"), fresh, 0, 0, 0, "not recorded: IAM knows no password"},
		{"a failed sign-in", signIn("No", "Failure"), fresh, 0, 0, 1, ""},
		{"a denied call", strings.Replace(enabled, `"requestParameters"`, `"errorCode":"AccessDenied","requestParameters"`, 1), fresh, 0, 0, 1, ""},
		{"a virtual device that is not attached", call("CreateVirtualMFADevice", `{"virtualMFADeviceName":"x"}`), fresh, 0, 0, 1, ""},
		{"another call of root", call("CreateUser", `{"userName":"eve"}`), fresh, 0, 0, 1, ""},
		{"a user's key", iamCall("e-1", "CreateAccessKey", `{"userName":"eve"}`, `null`), fresh, 0, 0, 1, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked []string
			live := bootstrap.LiveFact{AccountMFAEnabled: &tt.mfa, AccountAccessKeysPresent: &tt.keys, AccountPasswordPresent: &tt.password}
			r := newRig(nil)
			r.handler.deps.Roots = roots(func(_ context.Context, account string) (bootstrap.LiveFact, error) {
				asked = append(asked, account)
				return live, nil
			})
			r.clock = fake.NewClock(t0.Add(tt.age))
			r.handler.deps.Now = r.clock.Now
			if err := r.handler.Handle(t.Context(), wrapped(tt.record)); err != nil {
				t.Fatal(err)
			}
			log := r.logged(t)
			if tt.result == "" {
				if asked != nil || log["live"] != nil {
					t.Errorf("IAM was asked about %v", asked)
				}
				return
			}
			if diff := cmp.Diff([]string{account}, asked); diff != "" {
				t.Errorf("asked (-want +got):\n%s", diff)
			}
			got := log["live"].(map[string]any)
			if result, _ := got["result"].(string); !strings.HasPrefix(result, tt.result) || got["root"] != true || got["user"] != nil || got["account_mfa_enabled"] != float64(tt.mfa) {
				t.Errorf("log %v, want result %q", got, tt.result)
			}
			facts, err := r.journal.Facts(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			facts = slices.DeleteFunc(facts, func(f bootstrap.Fact) bool { return f.Kind != bootstrap.Live })
			at := t0
			if tt.age >= consistent {
				at = t0.Add(tt.age)
			}
			var want []bootstrap.Fact
			if tt.result == "recorded" {
				want = append(want, bootstrap.LiveFactOf(account, at, live))
			}
			if diff := cmp.Diff(want, facts, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("facts (-want +got):\n%s", diff)
			}
		})
	}
}

// TestCheckFails holds that an alert does not depend on the live check.
func TestCheckFails(t *testing.T) {
	r := newRig(users(func(context.Context, string, string) (bootstrap.LiveFact, error) {
		return bootstrap.LiveFact{}, errors.New("IAM is throttled")
	}))
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil {
		t.Fatal(err)
	}
	if len(r.publisher.Published()) != 1 {
		t.Error("no alert")
	}
	if live := r.logged(t)["live"].(map[string]any); live["result"] != "failed: IAM is throttled" {
		t.Errorf("log: %v", live)
	}

	r.handler.deps.Roots = roots(func(ctx context.Context, _ string) (bootstrap.LiveFact, error) {
		if _, limited := ctx.Deadline(); !limited {
			t.Error("the check may take for ever")
		}
		return bootstrap.LiveFact{}, errors.New("no role")
	})
	removed := strings.Replace(iamCall("e-2", "DeactivateMFADevice", `{"serialNumber":"arn:aws:iam::111111111111:mfa/root-account-mfa-device"}`, `null`), `"type":"IAMUser"`, `"type":"Root"`, 1)
	if err := r.handler.Handle(t.Context(), wrapped(removed)); err != nil {
		t.Fatal(err)
	}
	if len(r.publisher.Published()) != 2 {
		t.Error("no alert about root")
	}
	if live := r.logged(t)["live"].(map[string]any); live["result"] != "failed: no role" || live["root"] != true {
		t.Errorf("log: %v", live)
	}
}

type sets func(ctx context.Context, account, role string) (bool, error)

func (s sets) AdminRole(ctx context.Context, account, role string) (bool, error) {
	return s(ctx, account, role)
}

const setRole = "AWSReservedSSO_Admins_0f1e2d3c4b5a6978"

// setSignIn is a sign-in by a role, with a result.
func setSignIn(eventID, role, issuer, result string) string {
	failed := ""
	if result == "Failure" {
		failed = `"errorMessage":"Failed authentication",`
	}
	return fmt.Sprintf(`{"eventVersion":"1.10","userIdentity":{"type":"AssumedRole","principalId":"AROAX:sam","arn":"arn:aws:sts::%[1]s:assumed-role/%[3]s/sam","accountId":"%[1]s",
		"sessionContext":{"sessionIssuer":{"type":"Role","principalId":"AROAX","arn":"%[4]s","accountId":"%[1]s","userName":%[3]q},"attributes":{"creationDate":"2025-03-01T12:00:00Z","mfaAuthenticated":"false"}}},
		"eventTime":"2025-03-01T12:00:00Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"203.0.113.5","userAgent":"test",
		"requestParameters":null,%[6]s"responseElements":{"ConsoleLogin":%[5]q},"additionalEventData":{"MFAUsed":"No"},"eventID":%[2]q,"readOnly":false,"eventType":"AwsConsoleSignIn","managementEvent":true,"recipientAccountId":"%[1]s"}`,
		account, eventID, role, issuer, result, failed)
}

// TestCheckSet holds that the rights of a permission set are asked for when a person
// signs in by it, and of no other role; that an administrator is then proved; and
// that a refusal holds nothing up.
func TestCheckSet(t *testing.T) {
	const path = "arn:aws:iam::" + account + ":role/aws-reserved/sso.amazonaws.com/"
	for _, tt := range []struct {
		name   string
		record string
		late   time.Duration
		admin  bool
		err    error
		asked  int
		result any // in the log
		state  bootstrap.State
	}{
		{"an administrator", setSignIn("e-1", setRole, path+setRole, "Success"), 0, true, nil, 1, "recorded", bootstrap.Done},
		{"an administrator, whose event came late", setSignIn("e-1", setRole, path+setRole, "Success"), time.Hour, true, nil, 1, "recorded", bootstrap.Done},
		{"no administrator", setSignIn("e-1", setRole, path+setRole, "Success"), 0, false, nil, 1, "recorded", bootstrap.Pending},
		{"IAM refuses", setSignIn("e-1", setRole, path+setRole, "Success"), 0, false, errors.New("denied"), 1, "failed: denied", bootstrap.Unknown},
		{"a failed sign-in", setSignIn("e-1", setRole, path+setRole, "Failure"), 0, true, nil, 0, nil, bootstrap.Unknown},
		{"a role that only has such a name", setSignIn("e-1", setRole, "arn:aws:iam::"+account+":role/"+setRole, "Success"), 0, true, nil, 0, nil, bootstrap.Unknown},
		{"another role", setSignIn("e-1", "ops", "arn:aws:iam::"+account+":role/ops", "Success"), 0, true, nil, 0, nil, bootstrap.Pending},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(nil)
			asked := 0
			r.handler.deps.Sets = sets(func(ctx context.Context, of, role string) (bool, error) {
				if asked++; of != account || role != setRole {
					t.Errorf("asked about %s of %s", role, of)
				}
				if _, limited := ctx.Deadline(); !limited {
					t.Error("the check may take for ever")
				}
				return tt.admin, tt.err
			})
			r.clock.Advance(tt.late)
			if err := r.handler.Handle(t.Context(), wrapped(tt.record)); err != nil {
				t.Fatal(err)
			}
			live, _ := r.logged(t)["live"].(map[string]any)
			if asked != tt.asked || live["result"] != tt.result || tt.result != nil && (live["role"] != setRole || live["admin"] != tt.admin) {
				t.Errorf("asked %d times, log %v", asked, live)
			}
			facts, err := r.journal.Facts(t.Context(), account)
			if err != nil {
				t.Fatal(err)
			}
			status := bootstrap.Fold(account, facts, bootstrap.DefaultOptions(), r.clock.Now())
			for _, s := range status.Steps {
				if s.Step == bootstrap.AdminUser && s.State != tt.state {
					t.Errorf("the administrator is %s (%s)", s.State, s.Note)
				}
			}
		})
	}
	// What IAM said is recorded, or the event is tried again.
	script := &fake.Script{}
	r := newRig(nil)
	r.handler.deps.Sets = sets(func(context.Context, string, string) (bool, error) { return true, nil })
	r.handler.deps.Facts = &fake.Facts{Script: script}
	script.Inject(1, fake.FailBefore)
	if err := r.handler.Handle(t.Context(), wrapped(setSignIn("e-1", setRole, path+setRole, "Success"))); !errors.Is(err, fake.ErrFault) {
		t.Errorf("got %v, want the journal's error", err)
	}
}

// TestCheckIsNotStored holds that the event is retried where what IAM said could
// not be stored, and that no second alert comes of it.
func TestCheckIsNotStored(t *testing.T) {
	script := &fake.Script{}
	r := newRig(users(func(context.Context, string, string) (bootstrap.LiveFact, error) {
		return bootstrap.LiveFact{UserName: "eve", ConsoleLogin: ptr(false)}, nil
	}))
	r.handler.deps.Facts = &fake.Facts{Script: script}
	script.Inject(1, fake.FailBefore)
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); !errors.Is(err, fake.ErrFault) {
		t.Errorf("got %v, want the journal's error", err)
	}
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil {
		t.Error(err)
	}
	if n := len(r.publisher.Published()); n != 1 {
		t.Errorf("%d alerts", n)
	}
}

type sweeper func(ctx context.Context, live mfadeadline.UserChecker, at time.Time) (mfadeadline.Swept, error)

func (s sweeper) Sweep(ctx context.Context, live mfadeadline.UserChecker, at time.Time) (mfadeadline.Swept, error) {
	return s(ctx, live, at)
}

// TestSweep holds that a schedule sweeps and then sends roll-ups, the one also
// where the other fails, that it goes on with what a sweep left that did not fail,
// and that an event does not sweep.
func TestSweep(t *testing.T) {
	tick := json.RawMessage(`{"id":"s","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
	asked := users(func(context.Context, string, string) (bootstrap.LiveFact, error) {
		return bootstrap.LiveFact{Gone: true}, nil
	})
	r := newRig(asked)
	sweeps, broken := 0, errors.New("broken")
	var result, rest mfadeadline.Swept
	var failure error
	r.handler.deps.Sweeper = sweeper(func(ctx context.Context, live mfadeadline.UserChecker, at time.Time) (mfadeadline.Swept, error) {
		sweeps++
		if l, err := live.User(ctx, account, "eve"); err != nil || !l.Gone || !at.Equal(r.clock.Now()) {
			t.Errorf("swept at %v with users who answer %+v, %v", at, l, err)
		}
		did := result
		result = rest
		return did, failure
	})
	run := func(payload json.RawMessage, wantSweeps int) map[string]any {
		t.Helper()
		if err := r.handler.Handle(t.Context(), payload); !errors.Is(err, failure) {
			t.Errorf("got %v, want %v", err, failure)
		}
		if sweeps != wantSweeps {
			t.Errorf("%d sweeps, want %d", sweeps, wantSweeps)
		}
		return r.logged(t)
	}
	if log := run(tick, 1); log["sweep"] != nil {
		t.Errorf("nothing was due: %v", log)
	}
	run(wrapped(createUser("e-1")), 1)
	result = mfadeadline.Swept{Checked: 5, Alerted: 1, Reminded: 2, Resolved: 1, Unanswered: 1, More: true}
	rest = mfadeadline.Swept{Checked: 3, Alerted: 2, Reminded: 1, Resolved: 4, Unanswered: 3}
	want := map[string]any{"users": 8.0, "alerted": 3.0, "reminded": 3.0, "resolved": 5.0, "unanswered": 4.0, "more": false}
	if diff := cmp.Diff(want, run(tick, 3)["sweep"]); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	failure = broken
	result.More = true
	err := r.store.UpdateGroup(t.Context(), "a/s/1", func(guard.Group) guard.Group {
		return guard.Group{Key: "a/s/1", Opened: t0.Add(-time.Hour), Until: t0, Pending: guard.Held{Count: 3},
			Finding: detect.Finding{ID: detect.RootActivity, Severity: detect.High, Account: account}}
	})
	if err != nil {
		t.Fatal(err)
	}
	if log := run(tick, 4); log["level"] != "ERROR" || log["roll_ups"] != 1.0 || log["Findings"] != 3.0 || log["FindingsHigh"] != 3.0 {
		t.Errorf("log: %v", log)
	}
}

// TestChores holds that a schedule does all tasks as of its own time, also
// beside one that fails or takes all of its share, and that an event does none.
func TestChores(t *testing.T) {
	r := newRig(nil)
	due := t0.Add(36 * time.Hour)
	broken := errors.New("broken")
	var did []string
	task := func(name string, says slog.Value, err error) Task {
		return Task{Name: name, Run: func(ctx context.Context, at time.Time) (slog.Value, error) {
			if end, ok := ctx.Deadline(); !ok || !end.After(time.Now()) || !at.Equal(due) {
				t.Errorf("%s runs at %v until %v, %v", name, at, end, ok)
			}
			did = append(did, name)
			if name == "slow" {
				<-ctx.Done()
			}
			return says, err
		}}
	}
	r.handler.deps.Now = time.Now
	r.handler.deps.Tasks = []Task{task("slow", slog.Value{}, nil), task("bad", slog.Value{}, broken), task("good", slog.GroupValue(slog.Int("n", 7)), nil)}
	ctx, cancel := context.WithTimeout(t.Context(), reserve+200*time.Millisecond)
	defer cancel()
	err := r.handler.Handle(ctx, json.RawMessage(`{"id":"s","detail-type":"Scheduled Event","source":"aws.events","time":"`+due.Format(time.RFC3339)+`","detail":{}}`))
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "bad: broken") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff([]string{"slow", "bad", "good"}, did); diff != "" {
		t.Errorf("tasks (-want +got):\n%s", diff)
	}
	log := r.logged(t)
	if diff := cmp.Diff(map[string]any{"n": 7.0}, log["good"]); diff != "" || log["slow"] != nil {
		t.Errorf("log: %v", log)
	}
	if err := r.handler.Handle(t.Context(), wrapped(createUser("e-1"))); err != nil || len(did) != 3 {
		t.Errorf("an event: %v, tasks %v", err, did)
	}
}

// looker is a Looker that did what it says.
type looker struct {
	discovered   accountcheck.Discovered
	rootsChecked accountcheck.RootsChecked
	reconciled   accountcheck.UsersChecked
	witnessed    accountcheck.ReportsChecked
	err          error
}

func (l looker) DiscoverAccounts(context.Context, accountcheck.HubAccount, accountcheck.Organization, time.Time) (accountcheck.Discovered, error) {
	return l.discovered, l.err
}

func (l looker) CheckRoots(context.Context, accountcheck.Roots, accountcheck.Forwarders, time.Time) (accountcheck.RootsChecked, error) {
	return l.rootsChecked, l.err
}

func (l looker) CheckReports(context.Context, accountcheck.CredentialReports, time.Time) (accountcheck.ReportsChecked, error) {
	return l.witnessed, l.err
}

func (l looker) CheckUsers(context.Context, accountcheck.Users, accountcheck.CredentialReports, time.Time) (accountcheck.UsersChecked, error) {
	return l.reconciled, l.err
}

// TestRounds holds what a line of log says of the accounts checked: nothing
// where nothing was due.
func TestRounds(t *testing.T) {
	const schedule = `{"id":"s","detail-type":"Scheduled Event","source":"aws.events","time":"2025-03-01T12:00:00Z","detail":{}}`
	r := newRig(nil)
	r.handler.deps.Tasks = AccountTasks(looker{}, nil, accountcheck.HubAccount{}, nil, nil)
	if err := r.handler.Handle(t.Context(), json.RawMessage(schedule)); err != nil {
		t.Fatal(err)
	}
	if log := r.logged(t); log["discovery"] != nil || log["root_checks"] != nil || log["user_checks"] != nil || log["credential_reports"] != nil {
		t.Errorf("nothing was due: %v", log)
	}
	r = newRig(nil)
	r.handler.deps.Tasks = AccountTasks(looker{
		accountcheck.Discovered{Accounts: 3, Enrolled: 2, Refused: "denied"}, accountcheck.RootsChecked{Checked: 2, Alerted: 1, Unanswered: 1, Unreachable: []string{"222222222222"}, Backlogged: 2, QueueFailures: 1},
		accountcheck.UsersChecked{Accounts: 1, Checked: 9, Asked: 2, WithoutMFA: 4, More: true}, accountcheck.ReportsChecked{Reports: 2, Alerted: 1, Unanswered: 1, Unreachable: []string{"222222222222"}}, errors.New("broken"),
	}, nil, accountcheck.HubAccount{}, nil, nil)
	err := r.handler.Handle(t.Context(), json.RawMessage(schedule))
	for _, want := range []string{"discovery: broken", "root_checks: broken", "user_checks: broken", "credential_reports: broken"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	log := r.logged(t)
	for task, want := range map[string]map[string]any{
		"discovery":          {"accounts": 3.0, "enrolled": 2.0, "dropped": 0.0, "more": false, "refused": "denied"},
		"root_checks":        {"accounts": 2.0, "alerted": 1.0, "resolved": 0.0, "waiting": 0.0, "unanswered": 1.0, "queues_with_events": 2.0, "queue_failures": 1.0, "more": false, "unreachable": []any{"222222222222"}},
		"user_checks":        {"accounts": 1.0, "users": 9.0, "one_by_one": 2.0, "found": 0.0, "gone": 0.0, "without_mfa": 4.0, "unanswered": 0.0, "waiting": 0.0, "more": true},
		"credential_reports": {"reports": 2.0, "requested": 0.0, "alerted": 1.0, "resolved": 0.0, "waiting": 0.0, "unanswered": 1.0, "more": false, "unreachable": []any{"222222222222"}},
	} {
		if diff := cmp.Diff(any(want), log[task]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", task, diff)
		}
	}
}

// TestFlush holds that roll-ups go out with whatever event comes after they are
// due, and with a schedule's in any case.
func TestFlush(t *testing.T) {
	tick := json.RawMessage(`{"id":"s","detail-type":"Scheduled Event","source":"aws.events","detail":{}}`)
	due := func(t *testing.T, r *rig, key string) {
		t.Helper()
		err := r.store.UpdateGroup(t.Context(), key, func(guard.Group) guard.Group {
			return guard.Group{Key: key, Opened: t0.Add(-time.Hour), Until: t0, Pending: guard.Held{Count: 3},
				Finding: detect.Finding{ID: detect.RootActivity, Account: account}}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	run := func(t *testing.T, r *rig, payload json.RawMessage, alerts int) map[string]any {
		t.Helper()
		if err := r.handler.Handle(t.Context(), payload); err != nil {
			t.Fatal(err)
		}
		if n := len(r.publisher.Published()); n != alerts {
			t.Errorf("%d alerts, want %d", n, alerts)
		}
		return r.logged(t)
	}
	nothing := wrapped(iamCall("e-0", "ListUsers", `null`, `null`))
	r := newRig(nil)
	due(t, r, "a/s/1")
	if log := run(t, r, nothing, 1); log["roll_ups"] != 1.0 || log["disposition"] != "ignored" {
		t.Errorf("log: %v", log)
	}
	due(t, r, "a/s/2")
	r.clock.Advance(flushEvery - time.Second)
	run(t, r, nothing, 1)
	if log := run(t, r, tick, 2); log["roll_ups"] != 1.0 || log["Records"] != nil || log["Failures"] != 0.0 {
		t.Errorf("log of the schedule: %v", log)
	}
	due(t, r, "a/s/3")
	r.clock.Advance(flushEvery)
	run(t, r, nothing, 3)

	due(t, r, "a/s/4")
	r.clock.Advance(flushEvery)
	r.publisher.Refuse = func(alert.Alert) error { return errors.New("SNS is down") }
	if err := r.handler.Handle(t.Context(), nothing); err != nil {
		t.Errorf("the event was handled, and it failed for the roll-up of others: %v", err)
	}
	if log := r.logged(t); log["PublishErrors"] != 1.0 || log["Failures"] != 0.0 || log["level"] != "WARN" || !strings.Contains(fmt.Sprint(log["roll_up_error"]), "SNS is down") {
		t.Errorf("log: %v", log)
	}
	r.publisher.Refuse = nil
	script := &fake.Script{}
	r.store.Script = script
	script.Fail("Claims.Due", 1)
	if err := r.handler.Handle(t.Context(), nothing); err != nil {
		t.Errorf("the event was handled, and it failed for the table: %v", err)
	}
	if log := r.logged(t); log["PublishErrors"] != 1.0 || log["Failures"] != 0.0 {
		t.Errorf("log: %v", log)
	}
	r.clock.Advance(flushEvery + 2*time.Minute) // the roll-up is put off, since it failed
	run(t, r, nothing, 4)
}

// TestReserve holds that an invocation leaves itself time to log.
func TestReserve(t *testing.T) {
	r := newRig(users(func(ctx context.Context, _, _ string) (bootstrap.LiveFact, error) {
		<-ctx.Done()
		return bootstrap.LiveFact{}, ctx.Err()
	}))
	ctx, cancel := context.WithTimeout(t.Context(), reserve+50*time.Millisecond)
	defer cancel()
	start := time.Now()
	err := r.handler.Handle(ctx, wrapped(createUser("e-1")))
	if took := time.Since(start); took > reserve || ctx.Err() != nil {
		t.Errorf("took %v of %v", took, reserve)
	}
	if err != nil {
		t.Errorf("the event is handled, and it failed for what could wait: %v", err)
	}
	if log := r.logged(t); log["msg"] != "handled" || log["level"] != "WARN" || log["roll_up_error"] == nil {
		t.Errorf("log: %v", log)
	}
}

const sweepRole = "rootguard-sweep"

func heartbeat(id string) json.RawMessage {
	return iamtest.TagRoleEvent(account, sweepRole, eventrules.HeartbeatTag, id)
}

// TestHeartbeat holds that one that is on file is noted once for the function, that
// another changes nothing, and that only a role that tags itself makes one.
func TestHeartbeat(t *testing.T) {
	r := newRig(nil)
	store := &fake.Health{}
	r.handler.deps.Heartbeats, r.handler.deps.Name = store, "iamuser"
	if err := store.AddHeartbeat(t.Context(), health.Heartbeat{ID: "b-1", At: t0, Put: t0}); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if err := r.handler.Handle(t.Context(), heartbeat("b-1")); err != nil {
			t.Fatal(err)
		}
		log := r.logged(t)
		want := map[string]any{"id": "b-1", "result": "recorded", "latency_ms": 10_000.0}
		if diff := cmp.Diff(want, log["heartbeat"]); diff != "" || log["HeartbeatLatency"] != 10_000.0 || log["Records"] != nil || log["level"] != "INFO" {
			t.Errorf("time %d: log %v\n%s", i+1, log, diff)
		}
		r.clock.Advance(time.Minute)
	}
	if beats, err := store.Heartbeats(t.Context(), []string{"b-1"}); err != nil || !beats[0].Received["iamuser"].Equal(t0.Add(10*time.Second)) {
		t.Errorf("%+v, %v", beats, err)
	}
	if err := r.handler.Handle(t.Context(), heartbeat("b-2")); err != nil {
		t.Error(err)
	}
	if got, _ := r.logged(t)["heartbeat"].(map[string]any); got["result"] != "it is not on file" {
		t.Errorf("one that is not on file: %v", got)
	}

	// What differs is a record as any other: it is handled, and proves nothing.
	if err := store.AddHeartbeat(t.Context(), health.Heartbeat{ID: "b-3", At: t0, Put: t0}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string][2]string{
		"another role's tag": {`"roleName":"rootguard-sweep"`, `"roleName":"rootguard-iamuser"`},
		"another caller":     {`"userName":"rootguard-sweep"`, `"userName":"admin"`},
		"an IAM user":        {`"type":"AssumedRole"`, `"type":"IAMUser"`},
		"another tag":        {`"rootguard:heartbeat"`, `"team"`},
		"refused":            {`"responseElements":null`, `"responseElements":null,"errorCode":"AccessDenied"`},
		"too long":           {`"value":"b-3"`, `"value":"` + strings.Repeat("b-3", 50) + `"`},
		"no value":           {`"value":"b-3"`, `"value":""`},
		"another call":       {`"eventName":"TagRole"`, `"eventName":"UntagRole"`},
	} {
		event := strings.Replace(string(heartbeat("b-3")), change[0], change[1], 1)
		if err := r.handler.Handle(t.Context(), json.RawMessage(event)); err != nil || event == string(heartbeat("b-3")) {
			t.Errorf("%s: %v", name, err)
		}
		if log := r.logged(t); log["heartbeat"] != nil || log["Records"] != 1.0 {
			t.Errorf("%s: log %v", name, log)
		}
	}
	if beats, err := store.Heartbeats(t.Context(), []string{"b-3"}); err != nil || len(beats[0].Received) != 0 {
		t.Errorf("%+v, %v", beats, err)
	}
	if n := len(r.publisher.Published()); n != 0 {
		t.Errorf("%d alerts", n)
	}

	store.Script = &fake.Script{}
	store.Script.Inject(1, fake.FailBefore)
	if err := r.handler.Handle(t.Context(), heartbeat("b-1")); !errors.Is(err, fake.ErrFault) || !failure.Retryable(err) {
		t.Errorf("where the table fails: %v", err)
	}
	if log := r.logged(t); log["HeartbeatLatency"] != nil {
		t.Errorf("log %v", log)
	}
	r.handler.deps.Heartbeats = nil
	if err := r.handler.Handle(t.Context(), heartbeat("b-1")); err != nil {
		t.Error(err)
	}
	r.logged(t)

	// Root that does the same is root at work.
	root := strings.Replace(string(heartbeat("b-1")), `"type":"AssumedRole"`, `"type":"Root"`, 1)
	if err := r.handler.Handle(t.Context(), json.RawMessage(root)); err != nil {
		t.Error(err)
	}
	if n := len(r.publisher.Published()); n != 1 {
		t.Errorf("root tags the role: %d alerts", n)
	}
}

// TestForgedHeartbeat holds that an event that an account puts on the bus itself is
// refused: no rule brings one here.
func TestForgedHeartbeat(t *testing.T) {
	r := newRig(nil)
	store := &fake.Health{}
	r.handler.deps.Heartbeats, r.handler.deps.Name = store, "iamuser"
	if err := store.AddHeartbeat(t.Context(), health.Heartbeat{ID: "b-1", At: t0, Put: t0}); err != nil {
		t.Fatal(err)
	}
	forged := json.RawMessage(`{"id":"h","detail-type":"rootguard Heartbeat","source":"rootguard","account":"` + account + `","detail":{"id":"b-1","prefix":"rootguard"}}`)
	if err := r.handler.Handle(t.Context(), forged); err == nil || failure.Retryable(err) {
		t.Errorf("got %v", err)
	}
	own := strings.Replace(string(heartbeat("b-1")), `"source":"aws.iam"`, `"source":"custom.iam"`, 1)
	if err := r.handler.Handle(t.Context(), json.RawMessage(own)); err != nil {
		t.Error(err)
	}
	if beats, err := store.Heartbeats(t.Context(), []string{"b-1"}); err != nil || len(beats[0].Received) != 0 {
		t.Errorf("%+v, %v", beats, err)
	}
}

// TestRedriveHeartbeat holds that a heartbeat that waited leaves its queue.
func TestRedriveHeartbeat(t *testing.T) {
	r := newRig(nil)
	d := Redriver{Guard: r.handler.deps.Guard, Now: r.clock.Now}
	ev, err := d.Read(heartbeat("b-1"))
	if err != nil || ev.Record != nil || !ev.Scheduled {
		t.Fatalf("%+v, %v", ev, err)
	}
	if _, err := d.Handle(t.Context(), ev); err != nil {
		t.Error(err)
	}
}
