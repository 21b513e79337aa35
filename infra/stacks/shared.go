package stacks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssqs"
	"github.com/aws/aws-cdk-go/awscdk/v2/interfaces/interfacesawscloudwatch"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/settings"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/eventrules"
)

// conditions of a policy statement, by operator.
type conditions = map[string]any

// allow is a statement with explicit actions and resources.
func allow(sid string, actions, resources []string, when conditions, principals ...awsiam.IPrincipal) awsiam.PolicyStatement {
	props := &awsiam.PolicyStatementProps{
		Sid:       jsii.String(sid),
		Actions:   jsii.Strings(actions...),
		Resources: jsii.Strings(resources...),
	}
	if len(when) > 0 {
		props.Conditions = &when
	}
	if len(principals) > 0 {
		props.Principals = &principals
	}
	return awsiam.NewPolicyStatement(props)
}

func service(name string) awsiam.IPrincipal {
	return awsiam.NewServicePrincipal(jsii.String(name), nil)
}

const (
	eventBridge = "events.amazonaws.com"
	cloudWatch  = "cloudwatch.amazonaws.com"
)

// arn is the ARN of a resource in the stack's own partition, account and Region.
func arn(service, resource string) string {
	return arnOf(service, *awscdk.Aws_REGION(), *awscdk.Aws_ACCOUNT_ID(), resource)
}

func arnOf(service, region, account, resource string) string {
	return fmt.Sprintf("arn:%s:%s:%s:%s:%s", *awscdk.Aws_PARTITION(), service, region, account, resource)
}

// fromAccount limits a service to what it does for the stack's own account.
func fromAccount() conditions {
	return conditions{"StringEquals": map[string]any{"aws:SourceAccount": awscdk.Aws_ACCOUNT_ID()}}
}

// from limits a service further, to resources whose name begins with the prefix.
func from(arnPattern string) conditions {
	c := fromAccount()
	c["ArnLike"] = map[string]any{"aws:SourceArn": arnPattern}
	return c
}

// newQueue keeps events that got lost otherwise for 14 days, the longest SQS does.
func newQueue(scope constructs.Construct, id, name string) awssqs.Queue {
	props := &awssqs.QueueProps{
		Encryption:      awssqs.QueueEncryption_SQS_MANAGED,
		EnforceSSL:      jsii.Bool(true),
		RetentionPeriod: awscdk.Duration_Days(jsii.Number(14)),
	}
	if name != "" {
		props.QueueName = jsii.String(name)
	}
	return awssqs.NewQueue(scope, jsii.String(id), props)
}

// newDeadLetters is the queue of events that a rule could not deliver.
func newDeadLetters(scope constructs.Construct, id, name, rules string) awssqs.Queue {
	queue := newQueue(scope, id, name)
	queue.AddToResourcePolicy(allow("RulesSend", []string{"sqs:SendMessage"}, []string{*queue.QueueArn()},
		from(arn("events", "rule/"+rules+"*")), service(eventBridge)))
	return queue
}

// target is where a rule sends its events. It tries for 24 hours, the most that
// EventBridge offers, and leaves what it could not deliver in the queue.
func target(id, arn string, deadLetters awssqs.Queue) *awsevents.CfnRule_TargetProperty {
	return &awsevents.CfnRule_TargetProperty{
		Id:               jsii.String(id),
		Arn:              jsii.String(arn),
		DeadLetterConfig: &awsevents.CfnRule_DeadLetterConfigProperty{Arn: deadLetters.QueueArn()},
		RetryPolicy: &awsevents.CfnRule_RetryPolicyProperty{
			MaximumEventAgeInSeconds: jsii.Number(24 * 60 * 60),
			MaximumRetryAttempts:     jsii.Number(185),
		},
	}
}

// newRule declares one of the rules. The construct library has no name for the
// state that lets read-only management events through, so this is the plain
// resource.
func newRule(scope constructs.Construct, name string, rule eventrules.Rule, to ...*awsevents.CfnRule_TargetProperty) awsevents.CfnRule {
	var pattern map[string]any
	if err := json.Unmarshal([]byte(rule.Pattern), &pattern); err != nil {
		panic(fmt.Sprintf("reading the pattern of rule %s: %v", rule.Name, err)) // a constant of ours
	}
	state := "ENABLED"
	if rule.AllManagementEvents {
		state = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS"
	}
	targets := make([]any, len(to))
	for i := range to {
		targets[i] = to[i]
	}
	return awsevents.NewCfnRule(scope, jsii.String(camel(rule.Name)+"Rule"), &awsevents.CfnRuleProps{
		Name:         jsii.String(name),
		Description:  jsii.String(rule.Description),
		EventPattern: pattern,
		State:        jsii.String(state),
		Targets:      targets,
	})
}

// newTopic refuses a caller who publishes without TLS. Alarms and the account's own
// roles may publish.
func newTopic(scope constructs.Construct, id string, props *awssns.TopicProps, prefix string) awssns.Topic {
	props.EnforceSSL = jsii.Bool(true)
	topic := awssns.NewTopic(scope, jsii.String(id), props)
	topic.AddToResourcePolicy(allow("AlarmsPublish", []string{"sns:Publish"}, []string{*topic.TopicArn()},
		from(arn("cloudwatch", "alarm:"+prefix+"-*")), service(cloudWatch)))
	return topic
}

// urgent lets through what calls for a person at once.
var urgent = map[string]any{config.AttributeSeverity: []any{"high", "critical"}}

// subscribe adds the receivers to a topic, and returns the subscriptions of HTTPS
// endpoints. Text messages cost money and wake people, so they are for the two
// highest severities.
func subscribe(topic awssns.Topic, id string, r settings.Receivers) (https []awssns.CfnSubscription) {
	add := func(protocol string, n int, endpoint string, filter any) awssns.CfnSubscription {
		return awssns.NewCfnSubscription(topic.Stack(), jsii.String(fmt.Sprintf("%s%s%d", id, protocol, n+1)), &awssns.CfnSubscriptionProps{
			TopicArn: topic.TopicArn(), Protocol: jsii.String(strings.ToLower(protocol)), Endpoint: jsii.String(endpoint), FilterPolicy: filter,
		})
	}
	for n, endpoint := range r.Email {
		add("Email", n, endpoint, nil)
	}
	for n, endpoint := range r.SMS {
		add("Sms", n, endpoint, urgent)
	}
	for n, endpoint := range r.HTTPS {
		https = append(https, add("Https", n, endpoint, nil))
	}
	return https
}

// subscribeRoutes adds the receivers of routes to the topic of alerts, and returns the
// subscriptions of HTTPS endpoints. A subscription is named after its receiver, so that
// it stays, and stays confirmed, where routes are put in another order.
func subscribeRoutes(topic awssns.Topic, routes []settings.Route) (https []awssns.CfnSubscription) {
	for i := range routes {
		for _, one := range routed(&routes[i]) {
			sum := sha256.Sum256([]byte(one.protocol + " " + one.endpoint))
			made := awssns.NewCfnSubscription(topic.Stack(), jsii.String("Route"+hex.EncodeToString(sum[:5])), &awssns.CfnSubscriptionProps{
				TopicArn: topic.TopicArn(), Protocol: jsii.String(one.protocol), Endpoint: jsii.String(one.endpoint), FilterPolicy: one.route.Filter(),
			})
			if one.protocol == "https" {
				https = append(https, made)
			}
		}
	}
	return https
}

// routedTo is a receiver of a route, and what it gets.
type routedTo struct {
	protocol, endpoint string
	route              config.Route
}

// routed are the receivers of a route. A text message is for the two highest
// severities, as ever.
func routed(r *settings.Route) (all []routedTo) {
	urgent := r.Route
	urgent.Least = max(urgent.Least, detect.High)
	for _, endpoint := range r.Email {
		all = append(all, routedTo{"email", endpoint, r.Route})
	}
	for _, endpoint := range r.SMS {
		all = append(all, routedTo{"sms", endpoint, urgent})
	}
	for _, endpoint := range r.HTTPS {
		all = append(all, routedTo{"https", endpoint, r.Route})
	}
	return all
}

// alarms makes alarms that notify the same topics.
type alarms struct {
	scope  constructs.Construct
	prefix string
	notify []*string
	names  []string // without the prefix
	all    []interfacesawscloudwatch.IAlarmRef
}

// alarm describes one: the metric reached 1 in a period, unless absent is set.
type alarm struct {
	id, name, description string
	metric                awscloudwatch.IMetric
	absent                bool // the alarm is that the metric stays below 1, or has no data
}

func (a *alarms) add(w alarm) {
	a.names = append(a.names, w.name)
	props := &awscloudwatch.AlarmProps{
		AlarmName:          jsii.String(a.prefix + "-" + w.name),
		AlarmDescription:   jsii.String(w.description),
		Metric:             w.metric,
		Threshold:          jsii.Number(1),
		EvaluationPeriods:  jsii.Number(1),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
		TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
	}
	if w.absent {
		props.ComparisonOperator = awscloudwatch.ComparisonOperator_LESS_THAN_THRESHOLD
		props.TreatMissingData = awscloudwatch.TreatMissingData_BREACHING
	}
	made := awscloudwatch.NewAlarm(a.scope, jsii.String(w.id), props)
	plain := made.Node().DefaultChild().(awscloudwatch.CfnAlarm)
	plain.SetAlarmActions(&a.notify)
	plain.SetOkActions(&a.notify)
	// By name, so that whatever draws them needs no attribute of an alarm, which
	// not every reader of CloudFormation templates knows.
	a.all = append(a.all, awscloudwatch.Alarm_FromAlarmArn(made, jsii.String("ByName"), jsii.String(arn("cloudwatch", "alarm:"+*plain.Ref()))))
}

// waiting is the number of messages in a queue.
func waiting(queue awssqs.Queue) awscloudwatch.IMetric {
	return queue.MetricApproximateNumberOfMessagesVisible(&awscloudwatch.MetricOptions{
		Statistic: jsii.String("Maximum"), Period: awscdk.Duration_Minutes(jsii.Number(1)),
	})
}

// camel makes a logical ID of a name: "root-activity" becomes "RootActivity".
func camel(name string) string {
	var b strings.Builder
	for _, word := range strings.Split(name, "-") {
		if word != "" {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
