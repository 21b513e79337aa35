package replay

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/gzip"
)

// load makes CloudTrail logs in the shape of real ones: the members and their
// order, the mix of services and identities, repeats and random IDs. The records
// are all made up.
type load struct {
	*rand.Rand
	at time.Time
}

func (l *load) pick(from ...string) string { return from[l.IntN(len(from))] }

const upperDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"

func (l *load) letters(n int, from string) string {
	b := make([]byte, n)
	for k := range b {
		b[k] = from[l.IntN(len(from))]
	}
	return string(b)
}

func (l *load) hex(n int) string { return l.letters(n, "0123456789abcdef") }

func (l *load) uuid() string {
	return l.hex(8) + "-" + l.hex(4) + "-4" + l.hex(3) + "-a" + l.hex(3) + "-" + l.hex(12)
}

func (l *load) ip() string {
	return fmt.Sprintf("%s.%d", l.pick("198.51.100", "203.0.113", "192.0.2"), 1+l.IntN(254))
}

func (l *load) time(ago time.Duration) string { return l.at.Add(-ago).Format(time.RFC3339) }

// role is the session of a role, as most calls are made by.
func (l *load) role(account string) string {
	name := l.pick("app-web-role", "app-worker-role", "ci-deploy", "data-pipeline-execution", "AWSReservedSSO_ReadOnly_0123456789abcdef", "monitoring-scraper", "eks-node-group-1", "backup-runner")
	id := "AROA" + fmt.Sprintf("%017X", len(name)*7919+int(account[11]))
	session := l.pick("i-0", "botocore-session-", "deploy-") + l.hex(12)
	return fmt.Sprintf(`{"type":"AssumedRole","principalId":"%s:%s","arn":"arn:aws:sts::%s:assumed-role/%s/%s","accountId":"%s","accessKeyId":"ASIA%s","sessionContext":{"sessionIssuer":{"type":"Role","principalId":"%s","arn":"arn:aws:iam::%s:role/%s","accountId":"%s","userName":"%s"},"webIdFederationData":{},"attributes":{"creationDate":"%s","mfaAuthenticated":"false"}}%s}`,
		id, session, account, name, session, account, l.letters(16, upperDigits), id, account, name, account, name, l.time(time.Duration(l.IntN(3600))*time.Second),
		l.pick("", "", "", `,"invokedBy":"autoscaling.amazonaws.com"`))
}

func (l *load) user(account string) string {
	name := l.pick("alice", "bob", "carol", "ci-bot", "terraform", "grafana")
	return fmt.Sprintf(`{"type":"IAMUser","principalId":"AIDA%017X","arn":"arn:aws:iam::%s:user/%s","accountId":"%s","accessKeyId":"AKIA%016X","userName":"%s"}`,
		len(name)*104729, account, name, account, len(name)*15485863, name)
}

func (l *load) service(string) string {
	return fmt.Sprintf(`{"type":"AWSService","invokedBy":"%s.amazonaws.com"}`, l.pick("ec2", "lambda", "ecs-tasks", "cloudtrail", "config", "rds"))
}

func (l *load) root(account string) string {
	return fmt.Sprintf(`{"type":"Root","principalId":"%s","arn":"arn:aws:iam::%s:root","accountId":"%s","accessKeyId":""}`, account, account, account)
}

// shape is one kind of record and how often it comes.
type shape struct {
	weight                 int
	source, name, readOnly string
	identity               func(*load, string) string
	// members are the request, the response and what else the record has.
	members func(l *load, account, region string) (request, response, more string)
}

func loadShapes() []shape {
	role, user, service, root := (*load).role, (*load).user, (*load).service, (*load).root
	null := func(*load, string, string) (string, string, string) { return "null", "null", "" }
	return []shape{
		{120, "ec2", "DescribeInstances", "true", role, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"instancesSet":{"items":[{"instanceId":"i-0%s"},{"instanceId":"i-0%s"}]},"filterSet":{"items":[{"name":"instance-state-name","valueSet":{"items":[{"value":"running"},{"value":"pending"}]}},{"name":"tag:Environment","valueSet":{"items":[{"value":"production"}]}}]}}`, l.hex(16), l.hex(16)), "null", ""
		}},
		{60, "ec2", "DescribeVolumes", "true", role, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"maxResults":1000,"volumeSet":{},"filterSet":{"items":[{"name":"attachment.instance-id","valueSet":{"items":[{"value":"i-0%s"}]}}]},"nextToken":"%s"}`, l.hex(16), l.letters(64, upperDigits)), "null", ""
		}},
		{120, "sts", "AssumeRole", "true", service, func(l *load, account, _ string) (string, string, string) {
			name := l.pick("app-web-role", "app-worker-role", "data-pipeline-execution")
			return fmt.Sprintf(`{"roleArn":"arn:aws:iam::%s:role/%s","roleSessionName":"i-0%s","durationSeconds":3600}`, account, name, l.hex(16)),
				fmt.Sprintf(`{"credentials":{"accessKeyId":"ASIA%s","sessionToken":"%s","expiration":"%s"},"assumedRoleUser":{"assumedRoleId":"AROA%s:i-0%s","arn":"arn:aws:sts::%s:assumed-role/%s/i-0%s"}}`,
					l.letters(16, upperDigits), l.letters(320, upperDigits+"abcdefghijklmnopqrstuvwxyz+/="), l.at.Format("Jan 2, 2006, 3:04:05 PM"), l.letters(17, upperDigits), l.hex(16), account, name, l.hex(16)),
				fmt.Sprintf(`"resources":[{"accountId":"%s","type":"AWS::IAM::Role","ARN":"arn:aws:iam::%s:role/%s"}],"sharedEventID":"%s",`, account, account, name, l.uuid())
		}},
		{160, "s3", "GetObject", "true", role, func(l *load, account, _ string) (string, string, string) {
			bucket, key := l.pick("app-assets-prod", "data-lake-raw", "access-logs-archive"), fmt.Sprintf("year=2024/month=%02d/day=%02d/part-%05d-%s.snappy.parquet", 1+l.IntN(12), 1+l.IntN(28), l.IntN(1000), l.uuid())
			return fmt.Sprintf(`{"bucketName":"%s","Host":"%s.s3.us-east-1.amazonaws.com","key":"%s"}`, bucket, bucket, key), "null",
				fmt.Sprintf(`"additionalEventData":{"SignatureVersion":"SigV4","CipherSuite":"ECDHE-RSA-AES128-GCM-SHA256","bytesTransferredIn":0,"AuthenticationMethod":"AuthHeader","x-amz-id-2":"%s","bytesTransferredOut":%d},"resources":[{"type":"AWS::S3::Object","ARN":"arn:aws:s3:::%s/%s"},{"accountId":"%s","type":"AWS::S3::Bucket","ARN":"arn:aws:s3:::%s"}],`,
					l.letters(76, upperDigits+"abcdefghijklmnopqrstuvwxyz+/="), l.IntN(1<<20), bucket, key, account, bucket)
		}},
		{130, "kms", "Decrypt", "true", role, func(l *load, account, region string) (string, string, string) {
			key := l.pick("11111111-aaaa-4bbb-8ccc-000000000001", "22222222-aaaa-4bbb-8ccc-000000000002")
			return fmt.Sprintf(`{"encryptionContext":{"aws:s3:arn":"arn:aws:s3:::data-lake-raw","PARAMETER_ARN":"arn:aws:ssm:%s:%s:parameter/app/%s"},"encryptionAlgorithm":"SYMMETRIC_DEFAULT"}`, region, account, l.hex(6)), "null",
				fmt.Sprintf(`"resources":[{"accountId":"%s","type":"AWS::KMS::Key","ARN":"arn:aws:kms:%s:%s:key/%s"}],`, account, region, account, key)
		}},
		{50, "dynamodb", "DescribeTable", "true", role, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"tableName":"orders-%s"}`, l.pick("prod", "staging", "archive")), "null", ""
		}},
		{60, "monitoring", "PutAnomalyDetector", "false", user, func(l *load, account, region string) (string, string, string) {
			return fmt.Sprintf(`{"alarmName":"cpu-high-%s","alarmDescription":"CPU above 80 %% on \"web\"","actionsEnabled":true,"evaluationPeriods":3,"period":60,"threshold":80.0,"comparisonOperator":"GreaterThanThreshold","dimensions":[{"name":"InstanceId","value":"i-0%s"}],"alarmActions":["arn:aws:sns:%s:%s:ops"]}`, l.hex(6), l.hex(16), region, account), "null", ""
		}},
		{60, "logs", "CreateLogStream", "false", role, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"logGroupName":"/aws/lambda/%s","logStreamName":"2024/03/01/[$LATEST]%s"}`, l.pick("thumbnailer", "order-events", "nightly-report"), l.hex(32)), "null", `"apiVersion":"20140328",`
		}},
		{40, "lambda", "PublishVersion20150331", "false", role, func(l *load, account, region string) (string, string, string) {
			return `{"functionName":"thumbnailer","environment":{},"timeout":30}`,
				fmt.Sprintf(`{"functionName":"thumbnailer","functionArn":"arn:aws:lambda:%s:%s:function:thumbnailer","runtime":"provided.al2023","role":"arn:aws:iam::%s:role/app-worker-role","handler":"bootstrap","codeSize":%d,"codeSha256":"%s=","version":"$LATEST","tracingConfig":{"mode":"PassThrough"},"revisionId":"%s","layers":[],"state":"Active","lastUpdateStatus":"InProgress","packageType":"Zip","architectures":["arm64"],"ephemeralStorage":{"size":512}}`, region, account, account, l.IntN(1<<24), l.letters(43, upperDigits), l.uuid()), ""
		}},
		{50, "ssm", "PutParameter", "false", role, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"name":"/app/%s/policy","description":"{\"Version\":\"2012-10-17\",\"Statement\":[{\"Effect\":\"Allow\",\"Action\":\"s3:GetObject\",\"Resource\":\"*\"}]}","type":"SecureString","overwrite":true}`, l.hex(6)), `{"version":3,"tier":"Standard"}`, ""
		}},
		{40, "sqs", "GetQueueAttributes", "true", role, func(l *load, account, region string) (string, string, string) {
			return fmt.Sprintf(`{"queueUrl":"https://sqs.%s.amazonaws.com/%s/orders-%s","attributeNames":["All"]}`, region, account, l.hex(2)), "null", ""
		}},
		{30, "iam", "GetRole", "true", user, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"roleName":"%s"}`, l.pick("app-web-role", "ci-deploy")), "null", ""
		}},
		{20, "iam", "ListAttachedRolePolicies", "true", user, func(l *load, _, _ string) (string, string, string) {
			return fmt.Sprintf(`{"roleName":"app-%s"}`, l.hex(4)), "null", `"errorCode":"AccessDenied","errorMessage":"User: arn:aws:iam::111111111111:user/ci-bot is not authorized to perform: iam:ListAttachedRolePolicies on resource: role app because no identity-based policy allows the iam:ListAttachedRolePolicies action",`
		}},
		{30, "health", "DescribeEventAggregates", "true", role, null},
		{4, "signin", "ConsoleLogin", "false", user, func(l *load, _, _ string) (string, string, string) {
			return "null", `{"ConsoleLogin":"Success"}`, `"additionalEventData":{"LoginTo":"https://console.aws.amazon.com/console/home","MobileVersion":"No","MFAUsed":"Yes"},`
		}},
		{5, "iam", "CreateAccessKey", "false", user, func(l *load, _, _ string) (string, string, string) {
			return `{"userName":"ci-bot"}`, fmt.Sprintf(`{"accessKey":{"userName":"ci-bot","accessKeyId":"AKIA%s","status":"Active","createDate":"Mar 1, 2024, 10:00:00 AM"}}`, l.letters(16, upperDigits)), ""
		}},
		{4, "iam", "AttachUserPolicy", "false", user, func(*load, string, string) (string, string, string) {
			return `{"userName":"alice","policyArn":"arn:aws:iam::aws:policy/ReadOnlyAccess"}`, "null", ""
		}},
		{2, "s3", "ListBuckets", "true", root, func(*load, string, string) (string, string, string) {
			return `{"Host":"s3.amazonaws.com"}`, "null", ""
		}},
	}
}

var loadAgents = []string{
	"aws-sdk-go-v2/1.30.3 os/linux lang/go#1.22.5 md/GOOS#linux md/GOARCH#amd64 api/ec2#1.171.0 exec-env/AWS_ECS_FARGATE",
	"Boto3/1.34.84 md/Botocore#1.34.84 ua/2.0 os/linux#5.10.215-203.850.amzn2.x86_64 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython exec-env/AWS_Lambda_python3.11 cfg/retry-mode#standard Botocore/1.34.84",
	"APN/1.0 HashiCorp/1.0 Terraform/1.7.5 (+https://www.terraform.io) terraform-provider-aws/5.42.0 (+https://registry.terraform.io/providers/hashicorp/aws) aws-sdk-go-v2/1.26.0",
	"autoscaling.amazonaws.com", "AWS Internal", "[aws-sdk-java/1.12.696 Linux/5.10.214 OpenJDK_64-Bit_Server_VM/17.0.11+9-LTS java/17.0.11 vendor/Amazon.com_Inc. cfg/retry-mode/standard]",
}

// record writes one record.
func (l *load) record(b *strings.Builder, s *shape, account, region string) {
	l.at = l.at.Add(time.Duration(l.IntN(400)) * time.Millisecond)
	request, response, more := s.members(l, account, region)
	eventType := "AwsApiCall"
	if s.name == "ConsoleLogin" {
		eventType = "AwsConsoleSignIn"
	}
	fmt.Fprintf(b, `{"eventVersion":"1.09","userIdentity":%s,"eventTime":"%s","eventSource":"%s.amazonaws.com","eventName":"%s","awsRegion":"%s","sourceIPAddress":"%s","userAgent":"%s","requestParameters":%s,"responseElements":%s,%s"requestID":"%s","eventID":"%s","readOnly":%s,"eventType":"%s","managementEvent":true,"recipientAccountId":"%s","eventCategory":"Management","tlsDetails":{"tlsVersion":"TLSv1.3","cipherSuite":"TLS_AES_128_GCM_SHA256","clientProvidedHostHeader":"%s.%s.amazonaws.com"}}`,
		s.identity(l, account), l.time(0), s.source, s.name, region, l.ip(), l.pick(loadAgents...), request, response, more,
		l.uuid(), l.uuid(), s.readOnly, eventType, account, s.source, region)
}

// loadFile is about how many bytes of compressed log a file of the load has.
const loadFile = 256 << 10

// writeLoad writes files of about size bytes together into a folder laid out as
// CloudTrail does. After so many files of their own they repeat, as links.
func writeLoad(tb testing.TB, root string, size int64) []string {
	tb.Helper()
	const ownFiles = 48
	l := &load{Rand: rand.New(rand.NewPCG(1, 2)), at: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)}
	shapes := loadShapes()
	var weighted []*shape
	for k := range shapes {
		for range shapes[k].weight {
			weighted = append(weighted, &shapes[k])
		}
	}
	var paths []string
	for written := int64(0); written < size; {
		n := len(paths)
		account := l.pick("111111111111", "222222222222", "333333333333", "444444444444")
		region := l.pick("us-east-1", "eu-west-1", "ap-southeast-2")
		at := time.Date(2024, 3, 1, 0, 5*n, 0, 0, time.UTC)
		dir := filepath.Join(root, "AWSLogs", account, "CloudTrail", region, at.Format("2006/01/02"))
		path := filepath.Join(dir, fmt.Sprintf("%s_CloudTrail_%s_%s_%s.json.gz", account, region, at.Format("20060102T1504Z"), l.letters(16, upperDigits)))
		if err := os.MkdirAll(dir, 0o750); err != nil {
			tb.Fatal(err)
		}
		if n >= ownFiles {
			if err := os.Link(paths[n%ownFiles], path); err != nil {
				tb.Fatal(err)
			}
		} else {
			l.write(tb, path, weighted, account, region)
		}
		info, err := os.Stat(path)
		if err != nil {
			tb.Fatal(err)
		}
		written += info.Size()
		paths = append(paths, path)
	}
	return paths
}

// write writes one log file.
func (l *load) write(tb testing.TB, path string, weighted []*shape, account, region string) {
	tb.Helper()
	var log strings.Builder
	log.WriteString(`{"Records":[`)
	for k := 0; log.Len() < 8*loadFile; k++ {
		if k > 0 {
			log.WriteByte(',')
		}
		l.record(&log, weighted[l.IntN(len(weighted))], account, region)
	}
	log.WriteString("]}")
	f, err := os.Create(path)
	if err != nil {
		tb.Fatal(err)
	}
	w := gzip.NewWriter(f)
	if _, err := w.Write([]byte(log.String())); err != nil {
		tb.Fatal(err)
	}
	if err := w.Close(); err != nil {
		tb.Fatal(err)
	}
	if err := f.Close(); err != nil {
		tb.Fatal(err)
	}
}
