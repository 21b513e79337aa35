package alert

import (
	"cmp"
	"strings"

	"rootguard/internal/lazyre"
)

// browsers in the order in which their marks decide: those built on another
// browser carry its mark too.
var browsers = []struct{ mark, name string }{
	{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"}, {"OPR/", "Opera"},
	{"FxiOS/", "Firefox"}, {"Firefox/", "Firefox"},
	{"CriOS/", "Chrome"}, {"HeadlessChrome/", "headless Chrome"}, {"Chrome/", "Chrome"},
	{"Version/", "Safari"},
}

// systems in the order in which their marks decide: an iPhone claims Mac OS X,
// Android claims Linux.
var systems = []struct{ mark, name string }{
	{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"CrOS", "ChromeOS"},
	{"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
}

// tools in the order in which their marks decide: one that is built on an SDK names
// that SDK too. A mark begins a word, whatever its case.
var tools = []struct{ mark, name string }{
	{"opentofu/", "OpenTofu"}, {"terraform/", "Terraform"}, {"pulumi-aws/", "Pulumi"}, {"pulumi/", "Pulumi"},
	{"aws-cdk/", "AWS CDK"}, {"aws-sam-cli/", "AWS SAM CLI"}, {"serverless/", "Serverless"}, {"ansible", "Ansible"},
	{"crossplane", "Crossplane"},
	{"steampipe/", "Steampipe"}, {"prowler/", "Prowler"}, {"cloud-custodian/", "Cloud Custodian"}, {"c7n/", "Cloud Custodian"},
	{"pacu/", "Pacu"},
	{"awspowershell", "AWS Tools for PowerShell"}, {"aws-cli/", "aws-cli"}, {"s3console/", "the S3 console"}, {"awsconsole", "an AWS console"},
	{"aws internal", "an AWS service"}, {"aws-internal/", "an AWS service"},
	{"boto3/", "Boto3"}, {"botocore/", "Botocore"}, {"boto/", "Boto"}, {"aws-sdk-go-v2/", "AWS SDK for Go"}, {"aws-sdk-go/", "AWS SDK for Go"},
	{"aws-sdk-java/", "AWS SDK for Java"}, {"aws-sdk-nodejs/", "AWS SDK for JavaScript"}, {"aws-sdk-js/", "AWS SDK for JavaScript"},
	{"aws-sdk-php/", "AWS SDK for PHP"}, {"aws-sdk-php2/", "AWS SDK for PHP"}, {"aws-sdk-ruby3/", "AWS SDK for Ruby"},
	{"aws-sdk-ruby2/", "AWS SDK for Ruby"},
	{"aws-sdk-rust/", "AWS SDK for Rust"}, {"aws-sdk-cpp/", "AWS SDK for C++"}, {"aws-sdk-dotnet", "AWS SDK for .NET"},
	{"aws-sdk-swift/", "AWS SDK for Swift"},
	{"aws-sdk-kotlin/", "AWS SDK for Kotlin"}, {"curl/", "curl"}, {"wget/", "Wget"}, {"python-requests/", "Python Requests"},
	{"go-http-client/", "a Go program"},
	{"postmanruntime/", "Postman"}, {"rootguard", "rootguard"},
}

const unknownClient = "unknown client"

var version = lazyre.New(`^[0-9]{1,4}(\.[0-9]{1,4})?`)

// agent names the client of a user agent as a person knows it: "Edge 134 on
// Windows", "aws-cli 2.15". The caller writes the user agent, so that nothing
// of it is shown but a number of the version: what is not known here is an
// "unknown client", and the record has the rest.
//
// The libraries for this know browsers and robots, none of AWS's tools, and return
// the text of what they do not know.
func agent(ua string) string {
	ua = strings.TrimSuffix(strings.TrimPrefix(head(ua, 1024), "["), "]")
	switch {
	case strings.TrimSpace(ua) == "":
		return ""
	case service(ua):
		return ua
	case strings.HasPrefix(ua, "Mozilla/"):
		return cmp.Or(browserOf(ua), unknownClient)
	}
	lower := strings.ToLower(ua)
	for _, t := range tools {
		after, ok := word(lower, t.mark)
		if !ok {
			continue
		}
		if v := version().FindString(after); v != "" && strings.HasSuffix(t.mark, "/") {
			return t.name + " " + v
		}
		return t.name
	}
	return unknownClient
}

// word is what follows a mark that begins a word of s.
func word(s, mark string) (after string, ok bool) {
	for from := 0; ; {
		i := strings.Index(s[from:], mark)
		if i < 0 {
			return "", false
		}
		i += from
		if i == 0 || strings.IndexByte(" [(,;", s[i-1]) >= 0 {
			return s[i+len(mark):], true
		}
		from = i + 1
	}
}

func browserOf(ua string) string {
	for _, b := range browsers {
		_, after, ok := strings.Cut(ua, b.mark)
		if !ok {
			continue
		}
		short := b.name
		if major := after[:digits(after)]; major != "" {
			short += " " + major
		}
		for _, s := range systems {
			if strings.Contains(ua, s.mark) {
				return short + " on " + s.name
			}
		}
		return short
	}
	return ""
}

// digits counts the digits that begin s, at most 4.
func digits(s string) int {
	n := 0
	for n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
