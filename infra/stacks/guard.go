package stacks

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awschatbot"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsdynamodb"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awskms"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/accountcheck"
	"rootguard/internal/config"
	"rootguard/internal/eventrules"
)

// How long a function may run. One that handles an event is done within its
// claim on it, so that no second attempt overlaps the first, though their clocks,
// one of which may be that of the operator who redrives, differ by a minute. The sweep works
// through what is due for as long as it is not called again; each of its claims
// is held for one publish, which the guard ends within the lease.
const (
	timeout      = 30 * time.Second
	sweepTimeout = 4 * time.Minute
	lease        = timeout + time.Minute
)

func timeoutOf(function string) time.Duration {
	if function == Sweep {
		return sweepTimeout
	}
	return timeout
}

// guard is the stack that everything else sends to.
type guard struct {
	stack    awscdk.Stack
	settings *settings.Settings

	key                     awskms.Key   // of the topics; nil where Amazon SNS's own storage encryption is to do
	topic, escalation, chat awssns.Topic // escalation and chat may be nil
	table                   awsdynamodb.ITable
	undelivered, failed     awssqs.Queue // events that rules could not deliver, and that functions failed on
	unreceived              awssqs.Queue // alerts that an HTTPS endpoint did not take; nil without one
	trail                   string       // name of the trail that the stack makes, or ""
	functions               map[string]awslambda.Function
	logs                    []*string // names of the log groups of the functions that write what the dashboard shows
	alarms                  *alarms
}

func newGuard(app awscdk.App, s *settings.Settings, rules []eventrules.Rule, archives map[string]string) {
	g := &guard{
		stack: awscdk.NewStack(app, jsii.String(s.Prefix), &awscdk.StackProps{
			Env:                   &awscdk.Environment{Region: jsii.String(s.Home())},
			Description:           jsii.String("rootguard: reports every use of root and every IAM user without MFA"),
			TerminationProtection: jsii.Bool(s.TerminationProtection),
		}),
		settings:  s,
		functions: map[string]awslambda.Function{},
	}
	g.warn()
	if s.Encrypt {
		g.key = g.newKey()
	}
	g.topics()
	if s.Table != "" {
		g.table = awsdynamodb.Table_FromTableName(g.stack, jsii.String("Table"), jsii.String(s.Table))
	} else {
		g.table = g.newTable()
	}
	g.undelivered = newDeadLetters(g.stack, "Undelivered", "", s.Prefix+"-")
	g.failed = newQueue(g.stack, "Failed", "")
	if s.Trail {
		g.trail = g.newTrail()
	}
	for _, name := range Functions(s) {
		g.functions[name] = g.newFunction(name, archives[name])
	}
	if s.SecurityHub {
		g.export()
	}
	if s.Quarantine != "" {
		newQuarantinePolicy(g.stack, s)
	}

	for _, rule := range append(slices.Clone(rules), eventrules.Heartbeats(s.Prefix, *awscdk.Aws_ACCOUNT_ID())...) {
		r := newRule(g.stack, s.Prefix+"-"+rule.Name, rule, target("function", *g.functions[rule.Function].FunctionArn(), g.undelivered))
		g.permit(rule.Name, r, rule.Function)
	}
	for _, name := range []string{Sweep, Quarantine} {
		if g.functions[name] != nil {
			g.schedule(name)
		}
	}
	direct := eventrules.Direct(s.Prefix)
	if g.key != nil {
		direct = append(direct, eventrules.DirectKey(*g.key.KeyArn()))
	}
	g.direct(direct)
	if s.Second() != "" {
		g.sendsSecond(direct)
	} else {
		arrives(g.stack, g.alarms, s, eventrules.Alive(s.Prefix, *awscdk.Aws_ACCOUNT_ID()))
	}
	if o := s.Organization; o != nil {
		g.admit(o)
	}
	g.watch()
	g.note(archives)
	g.outputs()
}

// warn says at once what would otherwise show when it is too late.
func (g *guard) warn() {
	s, warn := g.settings, awscdk.Annotations_Of(g.stack)
	if unwatched := s.Unwatched(); len(unwatched) > 0 {
		warn.AddWarningV2(jsii.String("rootguard:regions"), jsii.String(
			"calls to Regional services, by root too, are events of their Region alone, and these Regions are not watched: "+strings.Join(unwatched,
				", ")+`; leave regions away, or add "default" to it`))
	}
	if optIn := s.OptIn(); len(optIn) > 0 {
		warn.AddInfo(jsii.String("enable these Regions in every account before you deploy there: " + strings.Join(optIn, ", ")))
	}
	if len(s.Regions) == 0 {
		warn.AddWarningV2(jsii.String("rootguard:one-region"), jsii.String(
			"no other Region watches this one: what is done to the guard's functions, table, rules or topics is reported by these alone, and that the guard is gone by nothing; expect a heartbeat from it outside AWS"))
	}
	if s.Table != "" {
		warn.AddInfo(jsii.String("the table " + s.Table +
			" keeps its own settings, its policy of who may write too: CloudFormation changes none of a table that it did not make"))
	}
	g.warnOfReceivers()
}

// warnOfReceivers warns of alerts that reach no one. Alarms and the last word are
// no alerts: they have no severity by which a text message is let through.
func (g *guard) warnOfReceivers() {
	s := g.settings
	var text string
	switch {
	case s.Slack != nil || len(s.Receivers.Email)+len(s.Receivers.HTTPS) > 0:
		return
	case s.Receivers.Empty():
		text = "no one receives the alerts: put email, sms, https or slack into cdk.json"
	default:
		text = "text messages alone report nothing below high, and no alarms about rootguard itself: set email, https or slack too"
	}
	awscdk.Annotations_Of(g.stack).AddWarningV2(jsii.String("rootguard:receivers"), jsii.String(text))
}

// newKey makes the key of the topics. One that AWS manages would not do:
// CloudWatch and EventBridge may not use it, and their messages would be lost.
func (g *guard) newKey() awskms.Key {
	root := awsiam.NewAccountRootPrincipal()
	viaSNS := conditions{"StringEquals": map[string]any{"kms:ViaService": fmt.Sprintf("sns.%s.%s", *awscdk.Aws_REGION(),
		*awscdk.Aws_URL_SUFFIX())}}
	publishing := []string{"kms:Decrypt", "kms:GenerateDataKey*"}
	key := awskms.NewKey(g.stack, jsii.String("Key"), &awskms.KeyProps{
		Description:       jsii.String("Encrypts rootguard's alerts on their way through Amazon SNS"),
		Alias:             jsii.String("alias/" + g.settings.Prefix),
		EnableKeyRotation: jsii.Bool(true),
		RemovalPolicy:     awscdk.RemovalPolicy_DESTROY, // it encrypts nothing that stays
		PendingWindow:     awscdk.Duration_Days(jsii.Number(7)),
		Policy: awsiam.NewPolicyDocument(&awsiam.PolicyDocumentProps{Statements: &[]awsiam.PolicyStatement{
			// All that administers a key; to read what it encrypts is not among it.
			allow("AccountAdministers", []string{
				"kms:CancelKeyDeletion", "kms:CreateAlias", "kms:DeleteAlias", "kms:DescribeKey", "kms:DisableKey",
				"kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation", "kms:GetKeyPolicy",
				"kms:GetKeyRotationStatus", "kms:ListAliases", "kms:ListGrants", "kms:ListKeyPolicies",
				"kms:ListKeyRotations", "kms:ListResourceTags", "kms:PutKeyPolicy", "kms:RevokeGrant",
				"kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource",
				"kms:UpdateAlias", "kms:UpdateKeyDescription",
			}, []string{"*"}, nil, root),
			allow("AccountPublishesThroughSNS", publishing, []string{"*"}, viaSNS, root),
			allow("AlarmsPublish", publishing, []string{"*"}, fromAccount(), service(cloudWatch)),
			// With a condition on aws:SourceAccount or aws:SourceArn, EventBridge
			// could not publish (Amazon SNS Developer Guide, "Enable compatibility
			// between event sources from AWS services and encrypted topics").
			allow("RulesPublish", publishing, []string{"*"}, nil, service(eventBridge)),
		}}),
	})
	return key
}

func (g *guard) topics() {
	s := g.settings
	topic := func(id, display string) awssns.Topic {
		props := &awssns.TopicProps{DisplayName: jsii.String(display)}
		if g.key != nil {
			props.MasterKey = g.key
		}
		return newTopic(g.stack, id, props, s.Prefix)
	}
	g.topic = topic("Topic", "rootguard")
	g.keep(g.topic, append(subscribe(g.topic, "Topic", s.Receivers), subscribeRoutes(g.topic, s.Routes)...))
	g.alarms = &alarms{scope: g.stack, prefix: s.Prefix, notify: []*string{g.topic.TopicArn()}}
	if !s.Escalation.Empty() {
		g.escalation = topic("EscalationTopic", "rootguard escalation")
		g.keep(g.escalation, subscribe(g.escalation, "Escalation", s.Escalation))
		g.alarms.notify = append(g.alarms.notify, g.escalation.TopicArn())
	}
	if s.ChatTopic {
		g.chat = topic("ChatTopic", "rootguard chat")
		g.alarms.notify = append(g.alarms.notify, g.chat.TopicArn()) // Amazon Q shows alarms as they are
	}
	if s.Slack != nil {
		g.slack()
	}
	if g.unreceived != nil { // now that every topic is known
		g.alarms.add(alarm{"UnreceivedWaiting", "unreceived",
			"An HTTPS endpoint did not take alerts; the queue keeps them for 14 days: see the stack's output UnreceivedQueueUrl.",
			waiting(g.unreceived), false})
	}
}

// keep has the topic leave in a queue what an HTTPS endpoint did not take within
// the hour for which SNS tries. It is a queue of its own: rootguard redrive could
// not send such an alert to that endpoint alone.
func (g *guard) keep(topic awssns.Topic, https []awssns.CfnSubscription) {
	if len(https) == 0 {
		return
	}
	if g.unreceived == nil {
		g.unreceived = newQueue(g.stack, "Unreceived", "")
	}
	g.unreceived.AddToResourcePolicy(allow(*topic.Node().Id()+"Sends", []string{"sqs:SendMessage"}, []string{*g.unreceived.QueueArn()},
		conditions{"ArnEquals": map[string]any{"aws:SourceArn": topic.TopicArn()}}, service("sns.amazonaws.com")))
	for _, s := range https {
		s.SetRedrivePolicy(map[string]any{"deadLetterTargetArn": g.unreceived.QueueArn()})
	}
}

// slack lets Amazon Q Developer write to a channel. It only passes notifications
// on: its role has no permission, and the guardrail denies whatever one would be
// given.
func (g *guard) slack() {
	role := awsiam.NewRole(g.stack, jsii.String("ChatRole"), &awsiam.RoleProps{
		AssumedBy: awsiam.NewServicePrincipal(jsii.String("chatbot.amazonaws.com"),
			&awsiam.ServicePrincipalOpts{Conditions: ptr(fromAccount())}),
		Description: jsii.String("Of rootguard's chat channel; has no permissions"),
	})
	awschatbot.NewCfnSlackChannelConfiguration(g.stack, jsii.String("SlackChannel"), &awschatbot.CfnSlackChannelConfigurationProps{
		ConfigurationName: jsii.String(g.settings.Prefix),
		SlackWorkspaceId:  jsii.String(g.settings.Slack.Workspace),
		SlackChannelId:    jsii.String(g.settings.Slack.Channel),
		IamRoleArn:        role.RoleArn(),
		GuardrailPolicies: jsii.Strings(fmt.Sprintf("arn:%s:iam::aws:policy/AWSDenyAll", *awscdk.Aws_PARTITION())),
		SnsTopicArns:      &[]any{g.chat.TopicArn()},
		LoggingLevel:      jsii.String("ERROR"),
	})
}

// protectTable is the parameter that protects the table from deletion. CloudFormation
// cannot roll back the creation of a stack whose table is protected, so that make
// deploy sets it once the stack is there; it stays set from then on.
const protectTable = "ProtectTable"

// newTable makes the table; internal/aws/dynamodb documents its keys. It outlives
// the stack: it is the record of who was notified of what.
func (g *guard) newTable() awsdynamodb.Table {
	protect := awscdk.NewCfnParameter(g.stack, jsii.String(protectTable), &awscdk.CfnParameterProps{
		Description: jsii.String("Protects the table from deletion; make deploy sets it when the stack is there"),
		Type:        jsii.String("String"), Default: jsii.String("false"), AllowedValues: jsii.Strings("true", "false"),
	})
	text := func(name string) *awsdynamodb.Attribute {
		return &awsdynamodb.Attribute{Name: jsii.String(name), Type: awsdynamodb.AttributeType_STRING}
	}
	table := awsdynamodb.NewTable(g.stack, jsii.String("Table"), &awsdynamodb.TableProps{
		PartitionKey:        text(config.TablePartitionKey),
		SortKey:             text(config.TableSortKey),
		TimeToLiveAttribute: jsii.String(config.TableTTL),
		BillingMode:         awsdynamodb.BillingMode_PAY_PER_REQUEST,
		Encryption:          awsdynamodb.TableEncryption_DEFAULT, // a key of DynamoDB's own: no call can take it away, and none is billed
		RemovalPolicy:       awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE,
		PointInTimeRecoverySpecification: &awsdynamodb.PointInTimeRecoverySpecification{
			PointInTimeRecoveryEnabled: jsii.Bool(true),
		},
	})
	table.AddGlobalSecondaryIndex(&awsdynamodb.GlobalSecondaryIndexProps{
		IndexName:      jsii.String(config.TableDueIndex),
		PartitionKey:   text(config.TableDuePartition),
		SortKey:        text(config.TableDueSort),
		ProjectionType: awsdynamodb.ProjectionType_KEYS_ONLY,
	})
	table.Node().DefaultChild().(awsdynamodb.CfnTable).AddPropertyOverride(jsii.String("DeletionProtectionEnabled"),
		map[string]any{"Ref": protect.LogicalId()})
	if len(g.settings.Operators) > 0 {
		table.AddToResourcePolicy(g.writers())
	}
	return table
}

// writers denies every write of a row, whatever permissions a caller has, to all
// but the functions and the operators. A caller who would undo that needs a call that
// CloudTrail records as a management event, and the rules report. Reads, and all
// that administers the table, are as they were, so that nothing is locked out:
// CloudFormation writes no rows, and DynamoDB needs no permission to expire them.
// The policy of a table names no table: "*" is the one that it is of.
func (g *guard) writers() awsiam.PolicyStatement {
	may := slices.Clone(g.settings.Operators)
	for _, name := range Functions(g.settings) {
		if name != SecurityHub {
			may = append(may, arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "role/"+functionRole(g.settings, name)))
		}
	}
	return awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid: jsii.String("OnlyGuardWrites"), Effect: awsiam.Effect_DENY, Principals: &[]awsiam.IPrincipal{awsiam.NewAnyPrincipal()},
		// Those of a transaction are governed by PutItem and its like (Amazon DynamoDB
		// Developer Guide, "Using IAM with DynamoDB transactions").
		Actions: jsii.Strings("dynamodb:BatchWriteItem", "dynamodb:DeleteItem", "dynamodb:PartiQLDelete", "dynamodb:PartiQLInsert",
			"dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:UpdateItem"),
		Resources:  jsii.Strings("*"),
		Conditions: &conditions{"ArnNotEquals": map[string]any{"aws:PrincipalArn": may}},
	})
}

// functionRole is the name of the role of a function. It is fixed, since members
// and the table trust functions by it.
func functionRole(s *settings.Settings, function string) string {
	switch function {
	case Quarantine:
		return quarantineName(s)
	case Sweep:
		return eventrules.SweepRole(s.Prefix)
	default:
		return s.Prefix + "-" + function
	}
}

// duties are what the functions do, for people.
var duties = map[string]string{
	eventrules.RootActivity: "judges the events of its rules",
	eventrules.IAMUser:      "judges the events of its rules",
	Sweep:                   "reports users without MFA past their deadline, checks each account's root and users, repeats unacknowledged incidents, and checks that the guard works",
	SecurityHub:             "imports alerts into AWS Security Hub",
	Quarantine:              "quarantines users past the last reminder, and releases them",
}

// newFunction makes a function with a log group, and a role that allows what it
// does and no more. There is no reserved concurrency: a new account has too
// little to reserve any of it.
func (g *guard) newFunction(name, archive string) awslambda.Function {
	id := camel(name)
	logs := awslogs.NewLogGroup(g.stack, jsii.String(id+"Logs"),
		&awslogs.LogGroupProps{RemovalPolicy: awscdk.RemovalPolicy_RETAIN_ON_UPDATE_OR_DELETE})
	logs.Node().DefaultChild().(awslogs.CfnLogGroup).SetRetentionInDays(jsii.Number(g.settings.LogDays))
	if name != SecurityHub {
		g.logs = append(g.logs, logs.LogGroupName())
	}
	props := &awsiam.RoleProps{
		RoleName:    jsii.String(functionRole(g.settings, name)),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
		Description: jsii.String("Of rootguard's function " + name),
	}
	role := awsiam.NewRole(g.stack, jsii.String(id+"Role"), props)
	statements := g.permissions(name, *logs.LogGroupArn())
	if name == Sweep {
		statements = append(statements, g.checking()...)
		statements = append(statements, g.checkingMore()...)
	}
	for _, statement := range statements {
		role.AddToPolicy(statement)
	}
	function := awslambda.NewFunction(g.stack, jsii.String(id), &awslambda.FunctionProps{
		FunctionName:          jsii.String(g.settings.Prefix + "-" + name),
		Description:           jsii.String("rootguard: " + duties[name]),
		Runtime:               awslambda.Runtime_PROVIDED_AL2023(),
		Architecture:          awslambda.Architecture_ARM_64(),
		Handler:               jsii.String("bootstrap"),
		Code:                  awslambda.Code_FromAsset(jsii.String(archive), nil),
		MemorySize:            jsii.Number(256),
		Timeout:               awscdk.Duration_Seconds(jsii.Number(timeoutOf(name).Seconds())),
		Role:                  role,
		LogGroup:              logs,
		LoggingFormat:         awslambda.LoggingFormat_JSON,
		ApplicationLogLevelV2: awslambda.ApplicationLogLevel_INFO,
		SystemLogLevelV2:      awslambda.SystemLogLevel_WARN,
		Environment:           g.environment(name),
	})
	// Lambda tries three times in all; what it still fails on goes to the queue.
	awslambda.NewCfnEventInvokeConfig(g.stack, jsii.String(id+"Async"), &awslambda.CfnEventInvokeConfigProps{
		FunctionName:             function.FunctionName(),
		Qualifier:                jsii.String("$LATEST"),
		MaximumRetryAttempts:     jsii.Number(2),
		MaximumEventAgeInSeconds: jsii.Number(6 * 60 * 60),
		DestinationConfig: &awslambda.CfnEventInvokeConfig_DestinationConfigProperty{
			OnFailure: &awslambda.CfnEventInvokeConfig_OnFailureProperty{Destination: g.failed.QueueArn()},
		},
	})
	return function
}

// publishers are the topics that the functions publish to.
func (g *guard) publishers() []string {
	arns := []string{*g.topic.TopicArn()}
	for _, topic := range []awssns.Topic{g.escalation, g.chat} {
		if topic != nil {
			arns = append(arns, *topic.TopicArn())
		}
	}
	return arns
}

// permissions are what a function does.
func (g *guard) permissions(function, logs string) []awsiam.PolicyStatement {
	statements := []awsiam.PolicyStatement{
		allow("Log", []string{"logs:CreateLogStream", "logs:PutLogEvents"}, []string{logs}, nil),
		allow("KeepFailed", []string{"sqs:SendMessage"}, []string{*g.failed.QueueArn()}, nil),
	}
	if function == SecurityHub {
		product := arn("securityhub", "product/"+*awscdk.Aws_ACCOUNT_ID()+"/default")
		return append(statements, allow("Import", []string{"securityhub:BatchImportFindings"}, []string{product}, nil))
	}
	table := *g.table.TableArn()
	users := arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "user/*")
	statements = append(statements,
		allow("Record", []string{"dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem", "dynamodb:PutItem", "dynamodb:Query",
			"dynamodb:UpdateItem"}, []string{table}, nil),
		allow("FindDue", []string{"dynamodb:Query"}, []string{table + "/index/" + config.TableDueIndex}, nil),
		allow("Publish", []string{"sns:Publish"}, g.publishers(), nil),
	)
	if g.key != nil {
		statements = append(statements, allow("EncryptAlerts", []string{"kms:Decrypt", "kms:GenerateDataKey"}, []string{*g.key.KeyArn()}, nil))
	}
	if function == Quarantine {
		statements = append(statements, quarantines(g.settings)...)
		if o := g.settings.Organization; o != nil {
			statements = append(statements, allow("QuarantineInMembers", []string{"sts:AssumeRole"},
				[]string{arnOf("iam", "", "*", "role/"+quarantineMemberRole(g.settings))},
				conditions{"StringEquals": map[string]any{"aws:ResourceOrgID": o.ID}}), g.namesAccounts(o))
		}
		return statements
	}
	statements = append(statements,
		allow("CheckUsers", []string{"iam:GetLoginProfile", "iam:ListMFADevices"}, []string{users}, nil),
		allow("CheckAccount", []string{"iam:GetAccountSummary", "iam:ListVirtualMFADevices"}, []string{"*"}, nil),
	)
	if function == eventrules.IAMUser {
		statements = append(statements, checkSets())
	}
	if function == eventrules.RootActivity {
		statements = append(statements, allow("CheckDeployments", []string{"cloudformation:DescribeStackEvents"}, []string{
			arn("cloudformation", "stack/"+g.settings.Prefix+"/*"),
			arnOf("cloudformation", "*", *awscdk.Aws_ACCOUNT_ID(), "stack/"+g.settings.Prefix+"-forward-*/*"),
		}, nil))
	}
	if function == Sweep {
		statements = append(statements, allow("FindUsers", []string{"iam:ListUsers"}, []string{"*"}, nil),
			allow("ReadCredentialReport", credentialReport(), []string{"*"}, nil))
		statements = append(statements, dayTwo(g.settings)...)
	}
	if o := g.settings.Organization; o != nil {
		if function == Sweep {
			statements = append(statements, allow("FindAccounts", []string{"organizations:ListAccounts"}, []string{"*"}, nil))
			statements = append(statements, findRoutes(g.settings, o)...)
		}
		statements = append(statements,
			allow("CheckMembers", []string{"sts:AssumeRole"}, []string{arnOf("iam", "", "*", "role/"+memberRole(g.settings))},
				conditions{"StringEquals": map[string]any{"aws:ResourceOrgID": o.ID}}),
			g.namesAccounts(o),
		)
	}
	return statements
}

// checking are the permissions to check whether every part of the guard works, to
// put a heartbeat on the bus, and to have CloudTrail record one.
func (g *guard) checking() []awsiam.PolicyStatement {
	s := g.settings
	names := checked(s)
	for i, name := range names {
		names[i] = arn("lambda", "function:"+s.Prefix+"-"+name) // by name: the function itself needs this role first
	}
	// The forwarders' have the same names in each Region: listed one by one, they
	// would fill most of what a role's policies may have.
	rules, forwarded := []string{}, []string{}
	if len(s.Regions) > 0 {
		rules = []string{arnOf("events", "*", *awscdk.Aws_ACCOUNT_ID(), "rule/"+s.Prefix+"-forward-*")}
		forwarded = []string{arnOf("sqs", "*", *awscdk.Aws_ACCOUNT_ID(), config.ForwardQueue(s.Prefix))}
	}
	topics := g.publishers()
	if second := s.Second(); second != "" {
		rules = append(rules, arnOf("events", second, *awscdk.Aws_ACCOUNT_ID(), "rule/"+config.SecondRule(s.Prefix)+"*"))
		topics = append(topics, arnOf("sns", second, *awscdk.Aws_ACCOUNT_ID(), config.SecondTopic(s.Prefix)))
	}
	// An organization's trail is its management account's, which the settings of a
	// guard for one member alone do not name.
	trails := []string{arnOf("cloudtrail", "*", "*", "trail/*")}
	// Only the guard's own rules are to get its events.
	heartbeat := conditions{"StringEquals": map[string]any{"events:source": eventrules.HeartbeatSource,
		"events:detail-type": eventrules.HeartbeatDetailType}}
	// No other tag than this one, of no other role than its own.
	tag := conditions{
		"ForAllValues:StringEquals": map[string]any{"aws:TagKeys": []string{eventrules.HeartbeatTag}},
		"Null":                      map[string]any{"aws:TagKeys": "false"},
	}
	statements := []awsiam.PolicyStatement{
		allow("ListTrailsAndRules", []string{"cloudtrail:DescribeTrails", "events:ListRules"}, []string{"*"}, nil),
		allow("VerifyTrails", []string{"cloudtrail:GetEventSelectors", "cloudtrail:GetTrailStatus"}, trails, nil),
		allow("VerifyRules", []string{"events:ListTargetsByRule"}, append(rules, arn("events", "rule/"+s.Prefix+"-*")), nil),
		allow("VerifyFunctions", []string{"lambda:GetFunctionConcurrency", "lambda:GetFunctionConfiguration",
			"lambda:GetFunctionEventInvokeConfig", "lambda:GetPolicy", "lambda:GetRuntimeManagementConfig"}, names, nil),
		allow("VerifyQueues", []string{"sqs:GetQueueAttributes"}, append(slices.Clone(forwarded), *g.undelivered.QueueArn(),
			*g.failed.QueueArn()), nil),
		// To separate malformed messages from events that a redrive delivers.
		allow("ReadWaiting", []string{"sqs:ReceiveMessage"}, []string{*g.undelivered.QueueArn(), *g.failed.QueueArn()}, nil),
		allow("VerifyTopics", []string{"sns:GetDataProtectionPolicy", "sns:GetTopicAttributes", "sns:ListSubscriptionsByTopic"}, topics, nil),
		allow("VerifyTable", []string{"dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
			"dynamodb:GetResourcePolicy"}, []string{*g.table.TableArn()}, nil),
		allow("PutHeartbeats", []string{"events:PutEvents"}, []string{arn("events", "event-bus/default")}, heartbeat),
		allow("RecordHeartbeats", []string{"iam:TagRole"},
			[]string{arnOf("iam", "", *awscdk.Aws_ACCOUNT_ID(), "role/"+eventrules.SweepRole(s.Prefix))}, tag),
	}
	if g.key != nil {
		statements = append(statements, allow("VerifyKey", []string{"kms:DescribeKey"}, []string{*g.key.KeyArn()}, nil))
	}
	if len(forwarded) > 0 {
		statements = append(statements, allow("FindQueues", []string{"sqs:GetQueueUrl"}, forwarded, nil))
	}
	return statements
}

// findRoutes are the permissions to find to which routes accounts belong: those that
// the routes ask for (Service Authorization Reference, AWS Organizations).
func findRoutes(s *settings.Settings, o *settings.Organization) (statements []awsiam.PolicyStatement) {
	var units, names, tags bool
	for i := range s.Routes {
		r := &s.Routes[i]
		units, tags = units || len(r.Units) > 0, tags || len(r.Tags) > 0
		names = names || accountcheck.AskNames([]accountcheck.Route{{Units: r.Units}})
	}
	account := arnOf("organizations", "", o.Management, "account/"+o.ID+"/*")
	unit := arnOf("organizations", "", o.Management, "ou/"+o.ID+"/*")
	if units {
		if names {
			statements = append(statements, allow("NameUnits", []string{"organizations:DescribeOrganizationalUnit"}, []string{unit}, nil))
		}
		statements = append(statements, allow("FindUnits", []string{"organizations:ListParents"}, []string{account, unit}, nil))
	}
	if tags {
		statements = append(statements, allow("FindTags", []string{"organizations:ListTagsForResource"}, []string{account}, nil))
	}
	return statements
}

func (g *guard) namesAccounts(o *settings.Organization) awsiam.PolicyStatement {
	return allow("NameAccounts", []string{"organizations:DescribeAccount"},
		[]string{arnOf("organizations", "", o.Management, "account/"+o.ID+"/*")}, nil)
}

func (g *guard) environment(function string) *map[string]*string {
	s := g.settings
	if function == SecurityHub {
		env := map[string]*string{config.EnvTopicARN: g.topic.TopicArn()}
		if s.Metrics {
			env[config.EnvMetrics] = jsii.String("true")
		}
		return &env
	}
	env := map[string]*string{
		config.EnvTable:            g.table.TableName(),
		config.EnvTopicARN:         g.topic.TopicArn(),
		config.EnvLease:            jsii.String(lease.String()),
		config.EnvUndeliveredQueue: g.undelivered.QueueUrl(),
		config.EnvFailedQueue:      g.failed.QueueUrl(),
	}
	for name, value := range s.Environment() {
		env[name] = jsii.String(value)
	}
	if g.key != nil {
		env[config.EnvKeys] = g.key.KeyArn()
	}
	if g.escalation != nil {
		env[config.EnvEscalationTopicARN] = g.escalation.TopicArn()
	}
	if g.chat != nil {
		env[config.EnvChatTopicARN] = g.chat.TopicArn()
	}
	if g.trail != "" {
		env[config.EnvTrails] = jsii.String(strings.Join(append(slices.Clone(s.Trails), g.trail), ","))
	}
	if s.Version != "" {
		env[config.EnvVersion] = jsii.String(s.Version)
	}
	if s.Organization != nil {
		env[config.EnvMemberRole] = jsii.String(memberRole(s))
		env[config.EnvOrganizationNames] = jsii.String("true")
	}
	return &env
}

// export has the topic of alerts deliver them to the function that imports them.
// What is no alert, as CloudWatch's alarms, has no severity. What cannot be
// delivered, since the function is gone or may not be called, waits in the queue.
func (g *guard) export() {
	f := g.functions[SecurityHub]
	awslambda.NewCfnPermission(g.stack, jsii.String("SecurityhubPermission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: f.FunctionName(),
		Principal: jsii.String("sns.amazonaws.com"), SourceAccount: awscdk.Aws_ACCOUNT_ID(), SourceArn: g.topic.TopicArn(),
	})
	g.undelivered.AddToResourcePolicy(allow("TopicSends", []string{"sqs:SendMessage"}, []string{*g.undelivered.QueueArn()},
		conditions{"ArnEquals": map[string]any{"aws:SourceArn": g.topic.TopicArn()}}, service("sns.amazonaws.com")))
	awssns.NewCfnSubscription(g.stack, jsii.String("TopicSecurityhub"), &awssns.CfnSubscriptionProps{
		TopicArn: g.topic.TopicArn(), Protocol: jsii.String("lambda"), Endpoint: f.FunctionArn(),
		FilterPolicy:  map[string]any{config.AttributeSeverity: []any{map[string]any{"exists": true}}},
		RedrivePolicy: map[string]any{"deadLetterTargetArn": g.undelivered.QueueArn()},
	})
}

// permit lets a rule call a function.
func (g *guard) permit(name string, rule awsevents.CfnRule, function string) {
	awslambda.NewCfnPermission(g.stack, jsii.String(camel(name)+"Permission"), &awslambda.CfnPermissionProps{
		Action: jsii.String("lambda:InvokeFunction"), FunctionName: g.functions[function].FunctionName(),
		Principal: jsii.String(eventBridge), SourceAccount: awscdk.Aws_ACCOUNT_ID(), SourceArn: rule.AttrArn(),
	})
}

// direct makes the rules that go around the functions: what is done to rootguard
// itself is reported by the topics alone.
func (g *guard) direct(rules []eventrules.Rule) {
	topics := map[string]awssns.Topic{"topic": g.topic, "escalation": g.escalation, "chat": g.chat}
	maps.DeleteFunc(topics, func(_ string, topic awssns.Topic) bool { return topic == nil })
	for _, id := range slices.Sorted(maps.Keys(topics)) {
		publishes(topics[id])
	}
	for _, rule := range rules {
		var targets []*awsevents.CfnRule_TargetProperty
		for _, id := range []string{"topic", "escalation", "chat"} {
			if topics[id] == nil {
				continue
			}
			to := target(id, *topics[id].TopicArn(), g.undelivered)
			to.InputTransformer = plainText(rule)
			if id == "chat" {
				to.InputTransformer = custom(rule)
			}
			targets = append(targets, to)
		}
		newRule(g.stack, g.settings.Prefix+"-"+rule.Name, rule, targets...)
	}
}

// admit lets the forwarders of the organization's accounts, and no one else, send
// events to the bus that the rules read. Events of AWS cannot be made up: see
// eventpattern. Other rules of the account read that bus too.
func (g *guard) admit(o *settings.Organization) {
	bus := arn("events", "event-bus/default")
	awsevents.NewCfnEventBusPolicy(g.stack, jsii.String("Members"), &awsevents.CfnEventBusPolicyProps{
		EventBusName: jsii.String("default"),
		StatementId:  jsii.String(g.settings.Prefix + "-members"),
		Statement: map[string]any{
			"Effect": "Allow", "Principal": "*", "Action": "events:PutEvents", "Resource": bus,
			"Condition": conditions{
				"StringEquals": map[string]any{"aws:PrincipalOrgID": o.ID},
				"ArnLike":      map[string]any{"aws:PrincipalArn": arnOf("iam", "", "*", "role/"+forwarderRole(g.settings, "*"))},
			},
		},
	})
}

func (g *guard) outputs() {
	out := func(id, description string, value *string) {
		awscdk.NewCfnOutput(g.stack, jsii.String(id), &awscdk.CfnOutputProps{Description: jsii.String(description), Value: value})
	}
	out("TableName", "The table; it is kept when the stack is deleted", g.table.TableName())
	out("TopicArn", "The topic of every alert", g.topic.TopicArn())
	out("UndeliveredQueueUrl", "Events that rules could not deliver", g.undelivered.QueueUrl())
	out("FailedQueueUrl", "Events that functions failed on", g.failed.QueueUrl())
	if g.unreceived != nil {
		out("UnreceivedQueueUrl", "Alerts that an HTTPS endpoint did not take", g.unreceived.QueueUrl())
	}
	for _, name := range slices.Sorted(maps.Keys(g.functions)) {
		out(camel(name)+"Function", "Name of the function "+name, g.functions[name].FunctionName())
	}
}

func ptr[T any](v T) *T { return &v }
