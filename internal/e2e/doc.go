// Package e2e deploys rootguard to an emulation of AWS and drives it there as
// AWS would. It has tests alone. But for those of the evaluator of IAM policies,
// they skip but under `make e2e`.
//
// # What is real, and what is not
//
// Real are `cdk bootstrap` and `cdk deploy` with the repository's own app, the
// functions' binaries from the same build step, the rules' patterns, targets and
// permissions, the functions' environment and retries, and the command rootguard.
// They are read from where they were deployed to, not from the sources.
//
// The AWS is moto (moto_server 5.2.1). What it does not do is done here:
//
//   - It invokes no Lambda function, so the bus in bus_test.go is EventBridge and
//     Lambda's asynchronous invocation: match, retry, queue of failures. The
//     binaries run under internal/lambdatest.
//   - It answers TestEventPattern with nothing, so events are matched by
//     internal/eventpattern.
//   - Its CloudFormation passes over the types in passedOver. What the functions
//     or the command depend on of these is made from the deployed template, by
//     the API; of the others the reason is given. A new type fails the deployment.
//   - It drops a stack's outputs where the stack comes from a change set, so the
//     deployment is `--method direct`.
//   - It says that every function is x86_64.
//   - It counts no confirmed subscriptions and puts an event on the bus by calling
//     functions, which it cannot; its DescribeKey breaks on a key of
//     CloudFormation. The proxy corrects the count, takes what is put for tick to
//     deliver, puts there what CloudTrail would record of the sweep's heartbeat, says
//     that the key is enabled, and calls the functions that the
//     command calls.
//   - It has no alarms of CloudFormation's, alarm mute rules, runtime management or
//     resource policies of tables: the proxy answers in its stead, as deployed.
//   - Its CloudFormation leaves deletion protection, backups and expiry off the table;
//     protect switches them on, and makes the trail that an account has.
//   - It does not check IAM permissions. The proxy holds what the functions call to
//     the policies of their deployed roles, and refuses the rest as AWS does; what
//     Lambda does with a role, its log and its queue of failures, is held to them
//     too. What is refused fails the test, and an action that a role allows and no
//     case uses fails the run. Of an organization, what a function does in a member
//     account is held to the role in the stack set's template, since moto makes no stack
//     sets. Unproven are who may assume a role, the policies of topics, queues, keys and
//     buses, what quarantines in members need, and what the command calls.
//   - It knows neither IAM Access Analyzer, nor the receivers of budgets, nor
//     whether an organization manages root access: the tests answer.
//   - Its log groups' ARNs lack the ":*" of CloudFormation's, and its CloudFormation
//     leaves the key off topics: statements and topics are read as AWS has them.
//   - Its threads can interleave two conditional writes, so the proxy lets one
//     request to DynamoDB through at a time.
//   - Its GetAccountSummary says that root has no MFA, and nothing of a password.
//     The proxy puts into the answer that root has both; cloud.root says otherwise.
//   - Its credential report has no root and is of 2015; the proxy corrects both.
//
// A release's binary has a moto of its own, which updates stacks as AWS does by what is
// in testdata/moto: moto itself loses what it cannot update. The binary runs alone in an
// empty folder; ROOTGUARD_SNAPSHOT names one of `make snapshot` to test in place of one
// that is built here. The release before is the same binary with another bundle, or the
// one that ROOTGUARD_PREVIOUS names.
//
// # Adding a case
//
// A case is a test in a file of its own:
//
//	func TestSomething(t *testing.T) {
//		c := deployed(t)
//		eve := c.createUser("eve")               // in IAM, and its CloudTrail event
//		c.handled(c.deliver(eve.created()))      // by the deployed rules, to the real binaries
//		c.wantAlerts("user.created info eve")    // what a subscribed SQS queue received
//		c.tick(time.Now().Add(25 * time.Hour))   // every schedule, at a time of the test's
//		c.wantAlerts("user.created info eve", "user.mfa.missing high eve")
//	}
//
// All tests of the package share one deployment with the settings of
// sharedSettings, and so run one after the other; deployed gives each an empty
// table, empty queues, no IAM users and no faults. A test that changes what is
// deployed (a rule, a subscription) changes it back; it fails where a rule is
// left otherwise. A test that needs other settings has a deployment of its own,
// in an account of its own, from deployedWith; that takes some 10 seconds. organized
// is one for an organization, with day two, the drill, routes and Security Hub.
//
// The clock is the time in the schedule's event: tick(at) is the only way in
// which time passes. Records are of a minute or two ago, each a second after the one before.
// Faults are made in the proxy between functions and moto (cloud.fault,
// cloud.hold, cloud.root); the test's own clients go around it.
package e2e
