package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/account"
	accounttypes "github.com/aws/aws-sdk-go-v2/service/account/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/organizations"
	organizationstypes "github.com/aws/aws-sdk-go-v2/service/organizations/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"rootguard/internal/daytwo"
	"rootguard/internal/detect"
)

// organization is one of moto's whose management account has the guard.
type organization struct {
	id, management, unit  string
	inUnit, tagged, plain string // member accounts
}

// organized gives the test the deployment for an organization, with all of rootguard
// that only settings switch on.
func organized(t *testing.T) (*cloud, *organization) {
	t.Helper()
	w := start(t)
	o := w.organized(t)
	steps := slices.DeleteFunc(daytwo.Names(), func(s string) bool { return s == string(daytwo.Trail) }) // what it reads, each run reads
	chosen, err := json.Marshal(steps)
	if err != nil {
		t.Fatal(err)
	}
	c := deployedWith(t, fmt.Sprintf(`{
		"email": "ops@example.com", "regions": [], "securityHub": true, "drill": "365d", "dayTwo": %s,
		"organization": {"id": %q, "management": %[3]q, "hub": %[3]q, "units": [%q]},
		"routes": [
			{"name": "payments", "ou": ["Payments"], "email": ["payments@example.com"]},
			{"name": "data", "tag": ["team=data"], "severity": "high", "email": ["data@example.com"]}
		]
	}`, chosen, o.id, o.management, o.unit))
	c.fault(fault{service: "sts", action: "AssumeRole", times: always, edit: c.assumed})
	c.analyzed()
	return c, o
}

// organized makes the organization, once.
func (w *world) organized(t *testing.T) *organization {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.organization != nil {
		return w.organization
	}
	o := &organization{management: hubAccount}
	client := organizations.NewFromConfig(w.as(t, o.management))
	made, err := client.CreateOrganization(t.Context(), &organizations.CreateOrganizationInput{FeatureSet: organizationstypes.OrganizationFeatureSetAll})
	if err != nil {
		t.Fatalf("making an organization: %v", err)
	}
	o.id = *made.Organization.Id
	roots, err := client.ListRoots(t.Context(), &organizations.ListRootsInput{})
	if err != nil {
		t.Fatalf("finding the organization's root: %v", err)
	}
	unit, err := client.CreateOrganizationalUnit(t.Context(), &organizations.CreateOrganizationalUnitInput{Name: aws.String("Payments"), ParentId: roots.Roots[0].Id})
	if err != nil {
		t.Fatalf("making a unit: %v", err)
	}
	o.unit = *unit.OrganizationalUnit.Id
	for name, id := range map[string]*string{"cards": &o.inUnit, "lake": &o.tagged, "shop": &o.plain} {
		member, err := client.CreateAccount(t.Context(), &organizations.CreateAccountInput{AccountName: aws.String(name), Email: aws.String(name + "@example.com")})
		if err != nil {
			t.Fatalf("making account %s: %v", name, err)
		}
		*id = *member.CreateAccountStatus.AccountId
	}
	o.move(t, client, o.inUnit, *roots.Roots[0].Id, o.unit)
	if _, err := client.TagResource(t.Context(), &organizations.TagResourceInput{
		ResourceId: &o.tagged, Tags: []organizationstypes.Tag{{Key: aws.String("team"), Value: aws.String("data")}},
	}); err != nil {
		t.Fatalf("tagging an account: %v", err)
	}
	w.roles.belong(o.id, o.management, o.inUnit, o.tagged, o.plain)
	w.organization = o
	return o
}

func (o *organization) move(t *testing.T, client *organizations.Client, member, from, to string) {
	t.Helper()
	if _, err := client.MoveAccount(t.Context(), &organizations.MoveAccountInput{AccountId: &member, SourceParentId: &from, DestinationParentId: &to}); err != nil {
		t.Fatalf("moving account %s: %v", member, err)
	}
}

// as configures clients of the test's own for an account.
func (w *world) as(t *testing.T, account string) aws.Config {
	t.Helper()
	cfg := aws.Config{Region: region, BaseEndpoint: &w.moto.url, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	creds, err := assume(t.Context(), cfg, "arn:aws:iam::"+account+":role/admin")
	if err != nil {
		t.Fatal(err)
	}
	cfg.Credentials = credentials.StaticCredentialsProvider{Value: creds}
	return cfg
}

var (
	keyGiven  = regexp.MustCompile(`<AccessKeyId>([^<]+)</AccessKeyId>`)
	roleGiven = regexp.MustCompile(`arn:aws:sts::([0-9]{12}):assumed-role/([^/<]+)/`)
)

// assumed holds the calls with credentials that a function got of a member account to
// what the stack set's role allows there.
func (c *cloud) assumed(body []byte) []byte {
	key, role := keyGiven.FindSubmatch(body), roleGiven.FindSubmatch(body)
	if key == nil || role == nil {
		return body // refused
	}
	who, err := c.d.member(string(role[1]), string(role[2]))
	if err != nil {
		c.t.Error(err)
		return body
	}
	c.world.roles.register(string(key[1]), who)
	return body
}

// member is what a role allows that the stack set makes in a member account: moto makes
// no stack sets.
func (d *deployment) member(account, role string) (*principal, error) {
	p := &principal{function: "member", account: account}
	for _, r := range d.members.resources {
		body, _ := r.Properties["TemplateBody"].(string)
		var template struct{ Resources map[string]resource }
		if err := json.Unmarshal([]byte(body), &template); err != nil {
			return nil, fmt.Errorf("reading the template of the stack set: %w", err)
		}
		s := &stack{region: region}
		for _, r := range template.Resources {
			if r.Type != "AWS::IAM::Role" || r.Properties["RoleName"] != role {
				continue
			}
			policies, err := s.resolve(account, r.Properties["Policies"])
			if err != nil {
				return nil, fmt.Errorf("resolving role %s: %w", role, err)
			}
			for _, policy := range policies.([]any) {
				document, err := json.Marshal(policy.(map[string]any)["PolicyDocument"])
				if err != nil {
					return nil, err
				}
				statements, err := readPolicy(document)
				if err != nil {
					return nil, fmt.Errorf("role %s: %w", role, err)
				}
				p.statements = append(p.statements, statements...)
			}
			return p, nil
		}
	}
	return nil, fmt.Errorf("the stack set makes no role %s", role)
}

// analyzed answers what moto does not know of day two: each account has a budget that
// reports to a topic of its own, and an analyzer, and the organization manages root.
func (c *cloud) analyzed() {
	subscribers := func(asked *call) any {
		var in struct{ AccountId string }
		if err := json.Unmarshal(asked.body, &in); err != nil {
			c.t.Errorf("reading which budget is asked about: %v", err)
		}
		return map[string]any{"Subscribers": []any{map[string]string{"SubscriptionType": "SNS", "Address": arnIn("sns", region, in.AccountId, "costs")}}}
	}
	for action, reply := range map[string]func(*call) any{
		"DescribeBudgets": func(*call) any {
			return map[string]any{"Budgets": []any{map[string]string{"BudgetName": "monthly", "BudgetType": "COST", "TimeUnit": "MONTHLY"}}}
		},
		"DescribeNotificationsForBudget": func(*call) any {
			return map[string]any{"Notifications": []any{map[string]any{"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}}}
		},
		"DescribeSubscribersForNotification": subscribers,
	} {
		c.fault(fault{service: "budgets", action: action, times: always, reply: reply})
	}
	c.fault(fault{service: "access-analyzer", action: "ListAnalyzers", times: always, reply: func(*call) any {
		return map[string]any{"analyzers": []any{map[string]string{"name": "account", "type": "ACCOUNT", "status": "ACTIVE", "arn": "a", "createdAt": "2026-03-01T12:00:00Z"}}}
	}})
	c.fault(fault{service: "iam", action: "ListOrganizationsFeatures", times: always, serve: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/xml")
		fmt.Fprint(w, `<ListOrganizationsFeaturesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListOrganizationsFeaturesResult><OrganizationId>o</OrganizationId>`+
			`<EnabledFeatures><member>RootCredentialsManagement</member></EnabledFeatures></ListOrganizationsFeaturesResult></ListOrganizationsFeaturesResponse>`)
	})})
	c.fault(fault{service: "iam", action: "ListOrganizationsFeatures", times: always, status: http.StatusBadRequest, code: "AccountNotManagementOrDelegatedAdministrator",
		only: func(asked *call) bool { return asked.by != c.d.account }})
}

// TestDayTwo has sweeps check the chosen steps of day two in the guard's account and in
// members, by the roles that are deployed: what is done, what is not, and what is undone.
func TestDayTwo(t *testing.T) {
	c, o := organized(t)
	hub := account.NewFromConfig(c.d.aws)
	contact := func(client *account.Client) {
		t.Helper()
		if _, err := client.PutAlternateContact(c.ctx, &account.PutAlternateContactInput{
			AlternateContactType: accounttypes.AlternateContactTypeSecurity, EmailAddress: aws.String("security@example.com"),
			Name: aws.String("n"), PhoneNumber: aws.String("1"), Title: aws.String("t"),
		}); err != nil {
			t.Fatal(err)
		}
	}
	contact(hub)
	for _, id := range []string{c.d.account, o.inUnit, o.tagged, o.plain} {
		topics := sns.NewFromConfig(c.world.as(t, id))
		topic, err := topics.CreateTopic(c.ctx, &sns.CreateTopicInput{Name: aws.String("costs")})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := topics.Subscribe(c.ctx, &sns.SubscribeInput{TopicArn: topic.TopicArn, Protocol: aws.String("email"), Endpoint: aws.String("costs@example.com")}); err != nil {
			t.Fatal(err)
		}
	}
	users := iam.NewFromConfig(c.world.as(t, o.plain))
	if _, err := users.UpdateAccountPasswordPolicy(c.ctx, &iam.UpdateAccountPasswordPolicyInput{MinimumPasswordLength: aws.Int32(14), PasswordReusePrevention: aws.Int32(24)}); err != nil {
		t.Fatal(err)
	}
	if _, err := users.CreateUser(c.ctx, &iam.CreateUserInput{UserName: aws.String("sam")}); err != nil {
		t.Fatal(err)
	}
	if _, err := users.CreateLoginProfile(c.ctx, &iam.CreateLoginProfileInput{UserName: aws.String("sam"), Password: aws.String("correct-Horse-1")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // for the tests after it
		_, err := users.DeleteLoginProfile(context.Background(), &iam.DeleteLoginProfileInput{UserName: aws.String("sam")})
		if _, gone := users.DeleteUser(context.Background(), &iam.DeleteUserInput{UserName: aws.String("sam")}); err != nil || gone != nil {
			t.Errorf("removing the user: %v, %v", err, gone)
		}
	})
	now := time.Now()
	pass := func(hours ...int) {
		t.Helper()
		for _, h := range hours {
			now = now.Add(time.Duration(h) * time.Hour)
			c.handled(c.tick(now))
		}
	}
	states := func(of, want string) {
		t.Helper()
		results, err := c.store.DayTwo(c.ctx, of)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, v := range daytwo.Views(results, nil) {
			all = append(all, string(v.Step)+"="+string(v.State))
		}
		if got := strings.Join(all, " "); got != want {
			t.Errorf("day two of %s:\n%s, want\n%s", of, got, want)
		}
	}
	pass(0, 1, 12, 12, 12) // the first check of a member knows of no users yet
	const rest = " budget=done access-analyzer=done s3-public-access-block=pending ebs-encryption=pending break-glass-drill=not_applicable"
	const root = " root-certificates=done root-second-mfa=unknown root-phishing-resistant-mfa=unknown bootstrap-admin=unknown"
	states(c.d.account, "security-contact=done password-policy=not_applicable"+root+" central-root-access=done"+rest)
	states(o.plain, "security-contact=pending password-policy=done"+root+" central-root-access=not_applicable"+rest)
	regressed := func() (all []string) {
		t.Helper()
		for _, a := range c.alerts() {
			if a.Finding.ID == detect.DayTwoRegressed {
				all = append(all, a.Finding.Account+" "+a.Finding.Target.Resource)
			}
		}
		return all
	}
	if all := regressed(); all != nil {
		t.Errorf("alerted at first: %v", all)
	}

	if _, err := hub.DeleteAlternateContact(c.ctx, &account.DeleteAlternateContactInput{AlternateContactType: accounttypes.AlternateContactTypeSecurity}); err != nil {
		t.Fatal(err)
	}
	if _, err := users.DeleteAccountPasswordPolicy(c.ctx, &iam.DeleteAccountPasswordPolicyInput{}); err != nil {
		t.Fatal(err)
	}
	pass(12, 12, 12)
	all := regressed()
	slices.Sort(all)
	want := []string{c.d.account + " security-contact", o.plain + " password-policy"}
	slices.Sort(want)
	if !slices.Equal(all, want) {
		t.Errorf("alerted: %v, want %v", all, want)
	}
	if text := c.rootguard("status", "--aws", o.plain); text.code != 0 || !strings.Contains(text.stdout, "✘ Password policy: 14 characters, no reuse") {
		t.Errorf("status --aws: %+v", text)
	}
}

// TestMembers has the functions check member accounts by the roles that are
// deployed, for what events there say.
func TestMembers(t *testing.T) {
	c, o := organized(t)
	role, path := "AWSReservedSSO_Admins_"+strings.Repeat("0f", 8), "/aws-reserved/sso.amazonaws.com/"
	roles := iam.NewFromConfig(c.world.as(t, o.plain))
	trust, all := `{"Version":"2012-10-17","Statement":[]}`, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`
	if _, err := roles.CreateRole(c.ctx, &iam.CreateRoleInput{RoleName: &role, Path: &path, AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
	if _, err := roles.PutRolePolicy(c.ctx, &iam.PutRolePolicyInput{RoleName: &role, PolicyName: aws.String("AwsSSOInlinePolicy"), PolicyDocument: &all}); err != nil {
		t.Fatal(err)
	}
	c.handled(c.deliver(c.event("signin.amazonaws.com", "ConsoleLogin", map[string]any{
		"eventType": "AwsConsoleSignIn", "responseElements": map[string]any{"ConsoleLogin": "Success"}, "additionalEventData": map[string]any{"MFAUsed": "No"},
		"recipientAccountId": o.plain,
		"userIdentity": map[string]any{
			"type": "AssumedRole", "principalId": "AROAX:sam", "arn": "arn:aws:sts::" + o.plain + ":assumed-role/" + role + "/sam", "accountId": o.plain,
			"sessionContext": map[string]any{"sessionIssuer": map[string]any{
				"type": "Role", "principalId": "AROAX", "arn": "arn:aws:iam::" + o.plain + ":role" + path + role, "accountId": o.plain, "userName": role,
			}},
		},
	})))
	c.handled(c.deliver(c.rootSignIn(o.plain, "Yes", "Success", nil)))
	admin := "arn:aws:iam::" + o.plain + ":user/admin"
	c.handled(c.deliver(c.event("iam.amazonaws.com", "CreateUser", map[string]any{
		"recipientAccountId": o.plain,
		"userIdentity":       map[string]any{"type": "IAMUser", "principalId": "AIDAX", "arn": admin, "accountId": o.plain, "accessKeyId": "AKIAX", "userName": "admin"},
		"requestParameters":  map[string]any{"userName": "tom"},
		"responseElements":   map[string]any{"user": map[string]any{"userName": "tom", "userId": "AIDATOM", "arn": "arn:aws:iam::" + o.plain + ":user/tom"}},
	})))
	c.wantAlerts("root.signin critical "+o.plain, "user.created info tom")
	for _, a := range c.alerts() {
		if a.AccountName != "shop" {
			t.Errorf("%s is about account %q", a.Finding.ID, a.AccountName)
		}
	}
	for action, want := range map[string]int{"GetRolePolicy": 1, "GetAccountSummary": 1} {
		if n := len(slices.DeleteFunc(c.calls("iam", action), func(one *call) bool { return one.by != o.plain })); n < want {
			t.Errorf("%s was called %d times in the member", action, n)
		}
	}
}

// listenAs subscribes a queue with the filter that the subscription of an address has.
func (c *cloud) listenAs(address string) (queue string) {
	c.t.Helper()
	topic := c.output("TopicArn")
	deployed, err := c.sns.ListSubscriptionsByTopic(c.ctx, &sns.ListSubscriptionsByTopicInput{TopicArn: &topic})
	if err != nil {
		c.t.Fatal(err)
	}
	name := "e2e-" + url.PathEscape(strings.SplitN(address, "@", 2)[0])
	for _, s := range deployed.Subscriptions {
		if *s.Endpoint != address {
			continue
		}
		about, err := c.sns.GetSubscriptionAttributes(c.ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: s.SubscriptionArn})
		if err != nil {
			c.t.Fatal(err)
		}
		made, err := c.sqs.CreateQueue(c.ctx, &sqs.CreateQueueInput{QueueName: &name})
		if err != nil {
			c.t.Fatal(err)
		}
		own, err := c.sns.Subscribe(c.ctx, &sns.SubscribeInput{TopicArn: &topic, Protocol: aws.String("sqs"), Endpoint: aws.String(c.arn("sqs", name)),
			Attributes: map[string]string{"FilterPolicy": about.Attributes["FilterPolicy"]}, ReturnSubscriptionArn: true})
		if err != nil {
			c.t.Fatal(err)
		}
		c.t.Cleanup(func() {
			if _, err := c.sns.Unsubscribe(context.Background(), &sns.UnsubscribeInput{SubscriptionArn: own.SubscriptionArn}); err != nil {
				c.t.Errorf("removing the subscription: %v", err)
			}
		})
		return *made.QueueUrl
	}
	c.t.Fatalf("%s is not subscribed", address)
	return ""
}

// TestRoutes has the receivers of a route get the alerts of the accounts in a unit, or
// with a tag, and no others, by the filters that are deployed; the main receivers get all.
func TestRoutes(t *testing.T) {
	c, o := organized(t)
	payments, data := c.listenAs("payments@example.com"), c.listenAs("data@example.com")
	now := time.Now()
	for range 2 {
		c.handled(c.tick(now))
		now = now.Add(5 * time.Minute)
	}
	// who are the accounts that a queue got a sign-in of root of.
	who := func(queue string) string {
		t.Helper()
		var all []string
		for _, body := range c.drain(queue) {
			if a := c.read(body); a.Finding.ID == detect.RootSignin || a.Finding.ID == detect.RootSigninFailed {
				all = append(all, a.Finding.Account+" "+a.Finding.Severity.String())
			}
		}
		return strings.Join(all, ", ")
	}
	signIn := func(mfa, result string, accounts ...string) {
		t.Helper()
		for _, id := range accounts {
			c.handled(c.deliver(c.rootSignIn(id, mfa, result, nil)))
		}
	}
	want := func(main, unit, tag string) {
		t.Helper()
		for _, q := range []struct{ name, queue, want string }{{"the main receivers", c.d.alerts, main}, {"payments", payments, unit}, {"data", data, tag}} {
			if got := who(q.queue); got != q.want {
				t.Errorf("%s got %s, want %s", q.name, got, q.want)
			}
		}
	}
	signIn("Yes", "Success", o.inUnit, o.tagged)
	want(o.inUnit+" critical, "+o.tagged+" critical", o.inUnit+" critical", o.tagged+" critical")
	signIn("No", "Failure", o.inUnit, o.tagged, o.plain)
	want(o.inUnit+" medium, "+o.tagged+" medium, "+o.plain+" medium", o.inUnit+" medium", "") // data gets what is high

	// An account that is moved changes its route within a day.
	client := organizations.NewFromConfig(c.d.aws)
	parents, err := client.ListParents(c.ctx, &organizations.ListParentsInput{ChildId: &o.plain})
	if err != nil {
		t.Fatal(err)
	}
	top := *parents.Parents[0].Id
	o.move(t, client, o.plain, top, o.unit)
	defer o.move(t, client, o.plain, o.unit, top)
	for range 5 {
		now = now.Add(8 * time.Hour)
		c.handled(c.tick(now))
	}
	_, _, _ = who(c.d.alerts), who(payments), who(data) // what the ticks sent
	signIn("Yes", "Success", o.plain)
	want(o.plain+" critical", o.plain+" critical", "")
}
