package story

import (
	"strconv"
	"time"
)

const (
	rootPasskey = "arn:aws:iam::" + Account + ":u2f/root-account/first-laptop-EXAMPLE"
	adminApp    = "arn:aws:iam::" + Account + ":mfa/admin-phone"
	adminPolicy = "arn:aws:iam::aws:policy/AdministratorAccess"
	trailName   = "arn:aws:cloudtrail:us-east-1:" + Account + ":trail/management-events"
)

// Access keys, each written in two parts so that no scanner takes one for real.
const (
	leakedKey  = "AKIA" + "IOSFODNN7EXAMPLE"
	deployKey  = "AKIA" + "IOSFODNN7DEPLOYX"
	adminKey   = "AKIA" + "I44QH8DHBEXAMPLE"
	webKey     = "ASIA" + "DBQP57FF2WEBXMPL"
	assumedKey = "ASIA" + "DBQP57FF2ASSUMED"
)

// firstDay is the bootstrap: root signs in, gets MFA, makes the first
// administrator and is not used again; the administrator settles in.
func (t *builder) firstDay() {
	begin := at(0, "08:58:11")
	r := root(begin, "ASIAIOSFODNN7ROOTEX1", "false", office, browser)
	t.signIn(begin, r, "ConsoleLogin", "Success", loginData("No", ""))
	t.read(at(0, "08:58:40"), r, "iam", "GetAccountSummary", nil)
	t.read(at(0, "08:58:41"), r, "iam", "ListMFADevices", nil)
	t.call(at(0, "09:03:27"), r, "iam", "EnableMFADevice", params{"userName": "AWS ROOT USER", "serialNumber": rootPasskey}, nil)

	t.call(at(0, "09:06:02"), r, "cloudtrail", "CreateTrail",
		params{"name": "management-events", "s3BucketName": "example-prod-trail", "isMultiRegionTrail": true, "enableLogFileValidation": true},
		params{"name": "management-events", "trailARN": trailName, "isMultiRegionTrail": true, "logFileValidationEnabled": true})
	t.call(at(0, "09:06:03"), r, "cloudtrail", "StartLogging", params{"name": trailName}, nil)

	t.createUser(at(0, "09:11:45"), r, "admin", adminID)
	t.call(at(0, "09:11:46"), r, "iam", "AttachUserPolicy", params{"userName": "admin", "policyArn": adminPolicy}, nil)
	t.createLoginProfile(at(0, "09:11:47"), r, "admin", true)

	// AWS asks for MFA in a step of its own and does work for root itself:
	// neither is the root user at work.
	invoked := r
	invoked.InvokedBy, invoked.ip, invoked.agent = "cloudtrail.amazonaws.com", "cloudtrail.amazonaws.com", "cloudtrail.amazonaws.com"
	t.call(at(0, "09:12:05"), invoked, "kms", "GenerateDataKey", params{"keyId": "alias/aws/s3", "keySpec": "AES_256"}, nil)

	signedIn := at(0, "09:20:33")
	a := user("admin", adminID, "ASIAI44QH8DHBADMINEX", signedIn, "false", office, browser)
	t.signIn(signedIn, a, "ConsoleLogin", "Success", loginData("No", ""))
	t.call(at(0, "09:21:19"), a, "iam", "ChangePassword", nil, nil)
	t.read(at(0, "09:22:02"), a, "iam", "GetUser", nil)
	t.call(at(0, "09:23:40"), a, "iam", "CreateVirtualMFADevice", params{"virtualMFADeviceName": "admin-phone", "path": "/"},
		params{"virtualMFADevice": params{"serialNumber": adminApp}})
	t.call(at(0, "09:24:31"), a, "iam", "EnableMFADevice", params{"userName": "admin", "serialNumber": adminApp}, nil)

	again := at(0, "13:30:02")
	a = user("admin", adminID, "ASIAI44QH8DHBADMINE2", again, "true", office, browser)
	t.signIn(at(0, "13:29:55"), a, "CheckMfa", "Success", map[string]any{"MfaType": "Virtual MFA"})
	t.signIn(again, a, "ConsoleLogin", "Success", loginData("Yes", adminApp))
	t.createUser(at(0, "13:41:10"), a, "ci-deploy", deployID)
	t.call(at(0, "13:41:44"), a, "iam", "CreateAccessKey", params{"userName": "ci-deploy"},
		params{"accessKey": params{"userName": "ci-deploy", "accessKeyId": deployKey, "status": "Active", "createDate": date(at(0, "13:41:44"))}})
	t.call(at(0, "13:42:20"), a, "iam", "PutUserPolicy", params{"userName": "ci-deploy", "policyName": "deploy",
		"policyDocument": `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":["s3:PutObject","lambda:UpdateFunctionCode"],"Resource":"*"}]}`}, nil)
}

// secondUser is dana, who gets console access and never MFA.
func (t *builder) secondUser() {
	signedIn := at(1, "08:40:00")
	a := user("admin", adminID, "ASIAI44QH8DHBADMINE3", signedIn, "true", office, browser)
	t.signIn(signedIn, a, "ConsoleLogin", "Success", loginData("Yes", adminApp))
	t.createUser(at(1, "08:52:13"), a, "dana", danaID)
	t.createLoginProfile(at(1, "08:52:15"), a, "dana", true)
	t.call(at(1, "08:53:01"), a, "iam", "AttachUserPolicy", params{"userName": "dana", "policyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
		nil)

	d := user("dana", danaID, "ASIAJQABLZS4DANAEXAM", at(1, "09:15:48"), "false", home, otherBrowser)
	mistyped := d
	mistyped.ARN = ""
	t.signIn(at(1, "09:15:02"), mistyped, "ConsoleLogin", "Failure", loginData("No", ""))
	t.signIn(at(1, "09:15:48"), d, "ConsoleLogin", "Success", loginData("No", ""))
	t.call(at(1, "09:16:30"), d, "iam", "ChangePassword", nil, nil)
	t.read(at(1, "09:20:11"), d, "cloudwatch", "DescribeAlarms", nil)
	// Tries to make a user and may not: nothing happened.
	denied := t.call(at(8, "10:05:00"), d, "iam", "CreateUser", nil, nil)
	denied.ErrorCode = "AccessDenied"
	denied.ErrorMessage = "User: " + d.ARN + " is not authorized to perform: iam:CreateUser on resource: arn:aws:iam::" + Account +
		":user/dana-bot because no identity-based policy allows the iam:CreateUser action"
}

// everydayLife is the noise of a month, with the near-misses in it.
func (t *builder) everydayLife() {
	instance := func(created time.Time) who {
		return role(Account, "web-server", "i-0a1b2c3d4e5f67890", "AROADBQP57FF2WEBEXAMPLE", webKey, created, "192.0.2.81",
			"aws-sdk-go-v2/1.41.0 os/linux lang/go#1.26")
	}
	deploy := user("ci-deploy", deployID, deployKey, time.Time{}, "", runner, cli)
	admin := user("admin", adminID, adminKey, time.Time{}, "", office, terraform)
	for day := 1; day <= 36; day++ {
		morning := at(day, "06:00:00").Add(time.Duration(day*7) * time.Minute)
		web := instance(morning)
		t.read(morning, web, "sts", "GetCallerIdentity", nil)
		t.read(morning.Add(2*time.Second), web, "ssm", "GetParameter", params{"name": "/web/database-url", "withDecryption": true})
		kms := web
		kms.InvokedBy, kms.ip, kms.agent = "ssm.amazonaws.com", "ssm.amazonaws.com", "ssm.amazonaws.com"
		t.read(morning.Add(3*time.Second), kms, "kms", "Decrypt", params{"encryptionAlgorithm": "SYMMETRIC_DEFAULT",
			"encryptionContext": params{"PARAMETER_ARN": "arn:aws:ssm:us-east-1:" + Account + ":parameter/web/database-url"}})
		service := t.call(morning.Add(time.Minute), who{identity: identity{Type: "AWSService", InvokedBy: "ec2.amazonaws.com"},
			ip: "ec2.amazonaws.com", agent: "ec2.amazonaws.com"},
			"sts", "AssumeRole", params{"roleArn": "arn:aws:iam::" + Account + ":role/web-server", "roleSessionName": "i-0a1b2c3d4e5f67890"},
			params{"credentials": params{"accessKeyId": webKey, "expiration": date(morning.Add(6 * time.Hour))}})
		service.RecipientAccountID, service.TLSDetails = Account, nil
		if day%3 == 0 {
			when := morning.Add(4 * time.Hour)
			t.call(when, deploy, "lambda", "UpdateFunctionCode20150331v2", params{"functionName": "checkout", "publish": false, "dryRun": false},
				params{"functionName": "checkout", "runtime": "provided.al2023"})
			t.read(when.Add(9*time.Second), deploy, "lambda", "GetFunction20150331v2", params{"functionName": "checkout"})
		}
		if day%5 == 0 {
			when := morning.Add(5 * time.Hour)
			t.read(when, admin, "ec2", "DescribeInstances", params{"instancesSet": params{}, "filterSet": params{}})
			t.read(when.Add(2*time.Second), admin, "s3", "ListBuckets", params{"Host": "s3.us-east-1.amazonaws.com"})
			t.read(when.Add(4*time.Second), admin, "iam", "ListUsers", nil)
		}
	}
	// AWS Transfer Family has users of its own.
	t.call(at(12, "14:20:00"), admin, "transfer", "CreateUser",
		params{"serverId": "s-01234567890abcdef", "userName": "supplier", "role": "arn:aws:iam::" + Account + ":role/transfer"},
		params{"serverId": "s-01234567890abcdef", "userName": "supplier"})
	// Who signs in by SSO has MFA at the identity provider; MFAUsed says nothing.
	sso := role(Account, "AWSReservedSSO_ViewOnly_0123456789abcdef", "sam@example.com", "AROADBQP57FF2SSOEXAMPLE", "",
		at(15, "07:45:12"), office, browser)
	t.signIn(at(15, "07:45:12"), sso, "ConsoleLogin", "Success", loginData("No", ""))
}

// createUser adds the call that makes an IAM user.
func (t *builder) createUser(when time.Time, by who, name, id string) {
	t.call(when, by, "iam", "CreateUser", params{"userName": name}, params{"user": params{
		"path": "/", "userName": name, "userId": id, "arn": "arn:aws:iam::" + Account + ":user/" + name, "createDate": date(when)}})
}

// createLoginProfile adds the call that gives a user a console password.
func (t *builder) createLoginProfile(when time.Time, by who, name string, reset bool) {
	t.call(when, by, "iam", "CreateLoginProfile", params{"userName": name, "passwordResetRequired": reset},
		params{"loginProfile": params{"userName": name, "passwordResetRequired": reset, "createDate": date(when)}})
}

// takeover is the attack: guesses, a stolen mailbox, and what is done with root.
func (t *builder) takeover() {
	const day = 37
	guess := root(time.Time{}, "", "", stranger, otherBrowser)
	guess.ARN = ""
	for i := range 6 {
		t.signIn(at(day, "02:17:03").Add(time.Duration(i*47)*time.Second), guess, "ConsoleLogin", "Failure", loginData("No", ""))
	}
	guess.ARN = "arn:aws:iam::" + Account + ":root"
	t.signIn(at(day, "02:29:40"), guess, "PasswordRecoveryRequested", "Success", nil)
	t.signIn(at(day, "02:34:18"), guess, "PasswordRecoveryCompleted", "Success", nil)

	begin := at(day, "02:36:52")
	keys := []string{"ASIAIOSFODNN7TAKEOV1", "ASIAIOSFODNN7TAKEOV2", "ASIAIOSFODNN7TAKEOV3"}
	by := func(i int) who { return root(begin, keys[i%len(keys)], "false", stranger, otherBrowser) }
	t.signIn(begin, by(0), "ConsoleLogin", "Success", loginData("No", ""))

	// The console of each service asks many things, under keys of its own.
	for i, c := range []struct{ service, name string }{
		{"iam", "ListUsers"}, {"iam", "GetAccountSummary"}, {"s3", "ListBuckets"}, {"ec2", "DescribeRegions"},
		{"ec2", "DescribeInstances"}, {"ec2", "DescribeAccountAttributes"}, {"ce", "GetCostAndUsage"}, {"servicequotas", "ListServiceQuotas"},
	} {
		t.read(at(day, "02:37:10").Add(time.Duration(i*4)*time.Second), by(i), c.service, c.name, nil)
	}

	t.call(at(day, "02:38:30"), by(0), "iam", "DeactivateMFADevice", params{"userName": "AWS ROOT USER", "serialNumber": rootPasskey}, nil)
	key := at(day, "02:39:05")
	t.call(key, by(0), "iam", "CreateAccessKey", nil,
		params{"accessKey": params{"userName": "root", "accessKeyId": leakedKey, "status": "Active", "createDate": date(key)}})
	t.createUser(at(day, "02:40:11"), by(1), "support-sync", intruderID)
	t.records = append(t.records, t.records[len(t.records)-1])
	t.createLoginProfile(at(day, "02:40:12"), by(1), "support-sync", false)
	t.call(at(day, "02:40:14"), by(1), "iam", "AttachUserPolicy", params{"userName": "support-sync", "policyArn": adminPolicy}, nil)
	t.mine(at(day, "02:41:02"), by)
	t.call(at(day, "02:45:37"), by(2), "cloudtrail", "StopLogging", params{"name": trailName}, nil)
	t.call(at(day, "02:46:20"), by(2), "iam", "DeactivateMFADevice", params{"userName": "admin", "serialNumber": adminApp}, nil)

	s := user("support-sync", intruderID, "ASIAI44QH8DHBSYNCEXA", at(day, "02:48:09"), "false", "198.51.100.201", otherBrowser)
	t.signIn(at(day, "02:48:09"), s, "ConsoleLogin", "Success", loginData("No", ""))
	t.read(at(day, "02:49:00"), s, "ec2", "DescribeInstanceTypes", nil)
	for i := range 3 {
		refused := t.call(at(day, "02:51:00").Add(time.Duration(i*30)*time.Second), s, "ec2", "RunInstances",
			params{"instancesSet": params{"items": []params{{"minCount": 20, "maxCount": 20}}}, "instanceType": "p5." +
				strconv.Itoa(48>>i) + "xlarge"}, nil)
		refused.ErrorCode = "Client.VcpuLimitExceeded"
		refused.ErrorMessage = "You have requested more vCPU capacity than your current vCPU limit of 0 allows for the instance bucket that the specified instance type belongs to."
	}
}

// mine is the burst: in each of ten Regions a key pair, a security group and
// instances, 40 calls in four minutes. A second trail delivers some of them again.
func (t *builder) mine(begin time.Time, by func(int) who) {
	regions := []string{"us-east-1", "us-east-2", "us-west-2", "ca-central-1", "eu-west-1", "eu-central-1", "eu-north-1", "ap-northeast-1",
		"ap-southeast-2", "sa-east-1"}
	for i, region := range regions {
		when := begin.Add(time.Duration(i*24) * time.Second)
		group := "sg-0123456789abcde" + strconv.Itoa(10+i)
		for j, c := range []struct {
			name              string
			request, response params
		}{
			{"ImportKeyPair", params{"keyName": "sync", "publicKeyMaterial": "c3NoLXJzYSBFWEFNUExF"}, params{"keyName": "sync"}},
			{"CreateSecurityGroup", params{"groupName": "sync", "groupDescription": "sync"}, params{"groupId": group}},
			{"AuthorizeSecurityGroupIngress",
				params{"groupId": group, "ipPermissions": params{"items": []params{{"ipProtocol": "tcp", "fromPort": 22, "toPort": 22,
					"ipRanges": params{"items": []params{{"cidrIp": "0.0.0.0/0"}}}}}}}, params{"_return": true}},
			{"RunInstances", params{"instancesSet": params{"items": []params{{"minCount": 4, "maxCount": 4, "keyName": "sync"}}},
				"instanceType": "g6.12xlarge"}, params{"reservationId": "r-0123456789abcde" + strconv.Itoa(10+i)}},
		} {
			r := t.call(when.Add(time.Duration(j*3)*time.Second), by(i+j), "ec2", c.name, c.request, c.response)
			r.AWSRegion = region
			r.TLSDetails.ClientProvidedHostHeader = "ec2." + region + ".amazonaws.com"
			if i%2 == 1 && j == 3 {
				t.records = append(t.records, *r)
			}
		}
	}
}

// aftermath is the response team, working as the member's root user through
// sts:AssumeRoot. The member's records do not say assumedRoot; the key shows.
func (t *builder) aftermath() {
	const day = 37
	responder := role(Security, "incident-response", "riley", "AROADBQP57FF2RESPEXAMPLE", "ASIADBQP57FF2RESPXMP", at(day, "03:20:00"), opsRoom,
		cli)
	t.read(at(day, "03:20:30"), responder, "organizations", "DescribeOrganization", nil)

	assumed := at(day, "03:21:08")
	t.call(assumed, responder, "sts", "AssumeRoot",
		params{"targetPrincipal": Account, "taskPolicyArn": params{"arn": "arn:aws:iam::aws:policy/root-task/IAMDeleteRootUserCredentials"},
			"durationSeconds": 900},
		params{"credentials": params{"accessKeyId": assumedKey, "sessionToken": "EXAMPLETOKEN",
			"expiration": date(assumed.Add(15 * time.Minute))}, "sourceIdentity": "riley"})
	member := root(assumed, assumedKey, "false", opsRoom, cli)
	t.read(at(day, "03:21:40"), member, "iam", "ListAccessKeys", nil)
	t.call(at(day, "03:22:15"), member, "iam", "DeleteAccessKey", params{"accessKeyId": leakedKey}, nil)
	t.call(at(day, "03:22:40"), member, "iam", "DeleteLoginProfile", nil, nil)

	inMember := role(Account, "OrganizationAccountAccessRole", "riley", "AROADBQP57FF2ORGAEXAMPLE", "ASIADBQP57FF2ORGAXMP",
		at(day, "03:24:00"), opsRoom, cli)
	t.call(at(day, "03:24:50"), inMember, "cloudtrail", "StartLogging", params{"name": trailName}, nil)
	t.call(at(day, "03:25:31"), inMember, "iam", "DeleteLoginProfile", params{"userName": "support-sync"}, nil)
	t.call(at(day, "03:25:40"), inMember, "iam", "DetachUserPolicy", params{"userName": "support-sync", "policyArn": adminPolicy}, nil)
	t.call(at(day, "03:25:58"), inMember, "iam", "DeleteUser", params{"userName": "support-sync"}, nil)
}

// identityCenter is the move to IAM Identity Center: it makes an administrator's
// role in the account, sam signs in by it, and the IAM users of the first days go.
func (t *builder) identityCenter() {
	const day = 39
	const adminSet = "AWSReservedSSO_AdministratorAccess_0f1e2d3c4b5a6978"
	manager := role(Security, "incident-response", "riley", "AROADBQP57FF2RESPEXAMPLE", "ASIADBQP57FF2RESPXM2", at(day, "09:00:00"), opsRoom,
		browser)
	t.call(at(day, "09:04:10"), manager, "sso", "CreateAccountAssignment",
		params{"instanceArn": "arn:aws:sso:::instance/ssoins-0123456789abcdef", "targetType": "AWS_ACCOUNT",
			"targetId": Account, "principalType": "USER",
			"permissionSetArn": "arn:aws:sso:::permissionSet/ssoins-0123456789abcdef/ps-0123456789abcdef"}, nil)

	service := role(Account, "AWSServiceRoleForSSO", "SSO-PROVISIONING", "AROADBQP57FF2SSOPEXAMPLE", "ASIADBQP57FF2SSOPXMP",
		at(day, "09:04:12"), "sso.amazonaws.com", "sso.amazonaws.com")
	service.InvokedBy = "sso.amazonaws.com"
	t.call(at(day, "09:04:13"), service, "iam", "CreateRole", params{"path": "/aws-reserved/sso.amazonaws.com/", "roleName": adminSet,
		"maxSessionDuration": 43200}, nil)
	t.call(at(day, "09:04:14"), service, "iam", "AttachRolePolicy", params{"roleName": adminSet, "policyArn": adminPolicy}, nil)

	signedIn := at(day, "09:10:37")
	sam := role(Account, adminSet, "sam@example.com", "AROADBQP57FF2SAMXEXAMPLE", "ASIADBQP57FF2SAMXXMP", signedIn, office, browser)
	t.signIn(signedIn, sam, "ConsoleLogin", "Success", loginData("No", ""))
	t.call(at(day, "09:21:05"), sam, "iam", "DeleteAccessKey", params{"userName": "admin", "accessKeyId": adminKey}, nil)
	for i, name := range []string{"admin", "dana"} {
		when := at(day, "09:22:10").Add(time.Duration(i) * 2 * time.Minute)
		policy := adminPolicy
		if name == "dana" {
			policy = "arn:aws:iam::aws:policy/ReadOnlyAccess"
		}
		t.call(when, sam, "iam", "DeleteLoginProfile", params{"userName": name}, nil)
		t.call(when.Add(11*time.Second), sam, "iam", "DetachUserPolicy", params{"userName": name, "policyArn": policy}, nil)
		t.call(when.Add(20*time.Second), sam, "iam", "DeleteUser", params{"userName": name}, nil)
	}
}
