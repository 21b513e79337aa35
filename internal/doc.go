// Package internal holds rootguard's code. Each package imports only packages in
// rows below its own; lambdas and cli are above all of them.
//
//	aws/awshealth  lambdahandler
//	aws/awsdaytwo  aws/dynamodb
//	aws/account  aws/cloudwatch  aws/eventbridge  aws/iam  aws/iamrole  aws/kms  aws/lambda  aws/sns  aws/sqs  aws/trail  digestwork
//	health
//	config
//	aws/organizations  bolt  wire
//	accountcheck
//	announcement  incident  mfadeadline  suppression
//	aws/cloudformation  collection  ending  quarantine  ratelimit  redrive  rootsession
//	aws/accessanalyzer  aws/budgets  aws/ec2  aws/s3control  guard
//	attempts  aws/eventhistory  aws/securityhub  daytwo  digest
//	accountfacts  alert  drill  eventrules  evidence  repeats
//	aws/s3  bootstrap  credentialreport  detect  eventpattern  replay
//	cloudtrail  deploy  worker
//	aws/awsenv  aws/sdkcall  deploy/assets  failure  gunzip  keys  lazyre  partition  version
//
// cloudtrail, partition, eventpattern, eventrules, credentialreport, detect, bootstrap,
// alert and digest are pure: no SDK, no clock, no files, no logger, so every decision can be
// repeated from its input. guard is the one use case, for Lambda and the command
// line alike; what it needs of the world are its ports, which the adapters
// implement, named after the service (dynamodb, sns, iam, bolt, …). replay is the
// pipeline over log files. health checks the deployed guard.
//
// Words that the code uses in one sense only:
//
//   - finding: what a rule reports about one record, or a check about an account.
//   - alert: a finding as it is sent, once, to the receivers.
//   - claim: the idempotency record of one event, held under a lease while it is handled.
//   - fact: what one record shows about an account; facts are merged where one says all, and folded.
//   - status: the steps of an account's bootstrap journey, folded from its facts.
//   - roll-up: one alert for the repeats of a finding in a session.
//   - collection: what rootguard itself finds about many accounts and users, sent together.
//   - incident: the alerts of one session, which are sent again until an operator acknowledges.
//   - announcement: a time in which root use is expected, and its alerts are lowered.
//   - suppression: a time in which alerts of a finding by a principal are recorded and counted, and not sent.
//   - deadline: until when a user with a console password must have MFA.
//   - sweep: the function that a schedule calls: what is due, and the checks.
//   - live check: what an API call answers now, as against what records show.
//   - heartbeat: a harmless event that must arrive, or the guard does not work.
//   - digest: the status of all accounts and of rootguard itself, sent at fixed times.
//   - redrive: handle what waits in the queues of failed events, each once.
//   - quarantine: a policy that lets a user without MFA do nothing but enable it.
package internal
