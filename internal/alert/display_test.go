package alert

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/net/publicsuffix"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/detect"
	"rootguard/internal/testenv"
)

// What a program that shows text may make a link of, read as generously as the most
// eager of them do.
var (
	linkScheme = regexp.MustCompile(`(?i)[a-z]://|\b(mailto|tel|callto|skype|facetime|javascript|data|file):`)
	linkMail   = regexp.MustCompile(`[^\s\[]@[^\s\]]`)
	linkHost   = regexp.MustCompile(`[\pL\pN\pM_-]+(?:\.[\pL\pN\pM_-]+)+`)
	linkPhone  = regexp.MustCompile(`\+[0-9][0-9 ().\-]{5,}[0-9]|(?:^|[\s,(])(?:1[ .-])?\(?[0-9]{3}\)?[ .-]?[0-9]{3}[ .-][0-9]{4}\b|(?:^|[\s,(])[0-9]{10,11}(?:$|[\s,.;)])`)
	linkShare  = regexp.MustCompile(`\\\\[\pL\pN]`)
	linkIP     = regexp.MustCompile(`(?:^|[^0-9.])(?:[0-9]{1,3}\.){3}[0-9]{1,3}(?:$|[^0-9.])`)
)

// links are the parts of a text that may become links.
func links(s string) []string {
	var found []string
	for _, r := range []*regexp.Regexp{linkScheme, linkMail, linkPhone, linkShare} {
		found = append(found, r.FindAllString(s, -1)...)
	}
	for _, at := range linkHost.FindAllStringIndex(s, -1) {
		host, rest := s[at[0]:at[1]], s[at[1]:]
		labels := strings.Split(host, ".")
		last := labels[len(labels)-1]
		known := slices.ContainsFunc(labels[1:], func(label string) bool {
			name, _, _ := strings.Cut(strings.ToLower(label), "-")
			_, known := publicsuffix.PublicSuffix("a.b." + name)
			return known
		})
		path := rest != "" && strings.ContainsAny(rest[:1], "/:?#") && strings.ContainsAny(last, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
		if service(host) && !path && !strings.HasSuffix(s[:at[0]], "/") {
			continue
		}
		if known || path || strings.EqualFold(labels[0], "www") || linkIP.MatchString(host) {
			found = append(found, host)
		}
	}
	return found
}

func TestDisplay(t *testing.T) {
	for in, want := range map[string]string{
		// What is shown as it is.
		"":                             "",
		"alice":                        "alice",
		"first.last":                   "first.last",
		"Zürich 課金":                    "Zürich 課金",
		"svc-backup_2.1":               "svc-backup_2.1",
		"root.signin.no_mfa":           "root.signin.no_mfa",
		"123456789012":                 "123456789012",
		"2026-01-02 03:04:05 UTC":      "2026-01-02 03:04:05 UTC",
		"2026-01-02T03:04:05.123Z":     "2026-01-02T03:04:05.123Z",
		"cloudformation.amazonaws.com": "cloudformation.amazonaws.com",
		"by sso.amazonaws.com.cn.":     "by sso.amazonaws.com.cn.",
		"arn:aws:iam::111122223333:role/aws-service-role/Admin":                    "arn:aws:iam::111122223333:role/aws-service-role/Admin",
		"8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6c":                                     "8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6c",
		"12345678-1234-4123-8123-123456789012":                                     "12345678-1234-4123-8123-123456789012",
		"arn:aws:cloudtrail:us-east-1:111122223333:trail/management":               "arn:aws:cloudtrail:us-east-1:111122223333:trail/management",
		"botocore-session-1700000000":                                              "botocore-session-1700000000",
		`aws events put-rule --event-pattern '{"source":["aws.signin"]}' --name x`: `aws events put-rule --event-pattern '{"source":["aws.signin"]}' --name x`,
		"set regions in cdk.json, then: make deploy":                               "set regions in cdk.json, then: make deploy",

		// Hosts.
		"www.aws-root-verify.com/lock":    "www[.]aws-root-verify[.]com/lock",
		"Not you? Lock it: aws.verify.co": "Not you? Lock it: aws[.]verify[.]co",
		"EXAMPLE.COM.":                    "EXAMPLE[.]COM.",
		"www.intranet":                    "www[.]intranet",
		"evil.invalid/path":               "evil[.]invalid/path",
		"evil.invalid:8443":               "evil[.]invalid:8443",
		"evil.com.":                       "evil[.]com.",
		"evil.com_x":                      "evil.com_x",
		"xn--80ak6aa92e.xn--p1ai":         "xn--80ak6aa92e[.]xn--p1ai",
		"пример.рф":                       "пример[.]рф",
		"аws.com":                         "аws[.]com", // the first letter is Cyrillic
		"例え。テスト":                          "例え[.]テスト",
		"ｅｖｉｌ．ｃｏｍ":                        "evil[.]com",
		"evil․com":                        "evil[.]com",
		"evil\u200b.com":                  `evil\u200b[.]com`,
		"bucket.s3.amazonaws.com":         "bucket[.]s3[.]amazonaws[.]com",
		"s3.amazonaws.com/bucket/x":       "s3[.]amazonaws[.]com/bucket/x",
		"http://s3.amazonaws.com":         "http[:]//s3[.]amazonaws[.]com",
		"x@s3.amazonaws.com":              "x[@]s3[.]amazonaws[.]com",
		"192.0.2.1":                       "192[.]0[.]2[.]1",
		"2.192.0.2.1/x":                   "2[.]192[.]0[.]2[.]1/x",

		// Addresses and schemes.
		"jane@example.com":             "jane[@]example[.]com",
		"jane@host":                    "jane[@]host",
		"jane＠example．com":             "jane[@]example[.]com",
		"https://user:pw@evil.com:8/x": "https[:]//user:pw[@]evil[.]com:8/x",
		"hxxp://evil[.]com":            "hxxp[:]//evil[.]com",
		"mailto:x":                     "mailto[:]x",
		"TEL:12":                       "TEL[:]12",
		"javascript:alert(1)":          "javascript[:]alert(1)",
		`\\evil\share`:                 `\evil\share`,

		// Numbers to call.
		"call+1-888-555-0100,aws.verify-root.com": "call[+]1[-]888[-]555[-]010[-]0,aws[.]verify-root[.]com",
		"+18885550100":          "[+]188[-]855[-]501[-]00",
		"1 (888) 555-0100":      "1[-]888[-]555[-]010[-]0",
		"888.555.0100":          "888[-]555[-]010[-]0",
		"8885550100 8885550101": "888[-]555[-]010[-]0 888[-]555[-]010[-]1",
		"＋４４ ２０ ７９４６ ０９５８": "[+]44[-]20[-]794[-]6[-]095[-]8",
	} {
		got := display(in, 200)
		if got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
		if again := display(got, 200); again != got {
			t.Errorf("%q is shown once more as %q", got, again)
		}
		if found := links(got); found != nil {
			t.Errorf("%q may become links: %q", got, found)
		}
	}
	for _, e := range detect.Catalogue() {
		if got := findingID(e.ID); got != string(e.ID) {
			t.Errorf("%s is shown as %s", e.ID, got)
		}
		for _, own := range []string{e.Title, e.NextStep} {
			if got := display(own, 1000); got != own {
				t.Errorf("%s: the catalogue's %q is shown as %q", e.ID, own, got)
			}
		}
	}
}

// TestCutMakesNoLink cuts what is no link at every place.
func TestCutMakesNoLink(t *testing.T) {
	for _, s := range []string{
		"see evil.community now", "evil.commerce-department", "a 1.2.3.4567 b", "a 170000000012345678 b", "call 1-888-555-01001234", "x.comx/y", "jane@example.com",
	} {
		for limit := range 40 {
			for _, got := range []string{display(s, limit), cut(display(s, 100), limit), cut(display(s, 100)+" and more", limit)} {
				if found := links(got); found != nil || utf8.RuneCountInString(got) > limit {
					t.Errorf("%q cut to %d: %q may become links: %q", s, limit, got, found)
				}
			}
		}
	}
}

func FuzzDisplay(f *testing.F) {
	for _, s := range append(attacks, "www.evil.com/x", "a@b.co", "+1 888 555 0100", "192.0.2.1", "s3.amazonaws.com/x", `\\evil`, "evil。com", "hxxp://x.y", "mailto:x@y") {
		f.Add(s, uint8(60))
	}
	f.Fuzz(func(t *testing.T, s string, limit uint8) {
		got := display(s, int(limit))
		if n := utf8.RuneCountInString(got); n > int(limit) || !utf8.ValidString(got) {
			t.Errorf("%q: %d runes, at most %d", got, n, limit)
		}
		if i := unsafeAt(got); i >= 0 {
			t.Errorf("%q has an unsafe character at %d", got, i)
		}
		if found := links(got); found != nil {
			t.Errorf("%q is shown as %q, which may become links: %q", s, got, found)
		}
		if again := display(got, int(limit)); again != got {
			t.Errorf("%q is shown once more as %q", got, again)
		}
		if short := ascii(s, int(limit)); len(short) > int(limit) || links(short) != nil {
			t.Errorf("%q is in ASCII %q, which may become links: %q", s, short, links(short))
		}
	})
}

// shown are the texts of an alert that people read, by where.
func shown(tb testing.TB, a Alert) map[string]string {
	tb.Helper()
	texts := map[string]string{"subject": Subject(a), "line": Line(a), "text": Text(a)}
	head, body := Pair(a)
	texts["pair"] = head + "\n" + body
	q, err := AmazonQ(a)
	if err != nil {
		tb.Fatal(err)
	}
	var n notification
	if err := json.Unmarshal(q, &n); err != nil {
		tb.Fatal(err)
	}
	texts["chat"] = strings.Join(append([]string{n.Content.Title, n.Content.Description, n.Metadata.Summary}, append(n.Content.NextSteps, n.Metadata.RelatedResources...)...), "\n")
	for name, value := range n.Metadata.AdditionalContext {
		texts["chat "+name] = value
	}
	ocsf, asff := ocsfOf(a), asffOf(a, hub, published)
	texts["ocsf"] = ocsf.Message + "\n" + ocsf.FindingInfo.Title + "\n" + ocsf.FindingInfo.Desc
	texts["asff"] = asff.Title + "\n" + asff.Description
	return texts
}

// TestNoFieldMakesALink fills every text of an alert with what would become a link,
// for kinds of alerts and findings, and holds that no reader of it shows one. A
// text that is shown in a way that does not pass through Display fails here.
func TestNoFieldMakesALink(t *testing.T) {
	catalogue, apart := detect.Catalogue(), testenv.Size(13, 61)
	for m, marker := range []string{
		"www.evil.com/lock", "evil.com", "support@evil.com", "https://evil.com", "call+1-888-555-0100", "888-555-0100", "192.0.2.99", "Not you? evil.zip now", "tel:8885550100",
		strings.Repeat("long ", 60) + "evil.com", strings.Repeat("x", 50) + ".evil.com", strings.Repeat("evil.com ", 200), "arn:aws:iam::1:user/evil.com",
	} {
		for k, kind := range []Kind{First, RollUp, Escalation, Resend, Scheduled} {
			for i, e := range catalogue {
				if (i+m+k)%apart != 0 && (m != 1 || i%5 != k) { // each finding with each kind, and with the plainest of hosts
					continue
				}
				a := hostile(marker, 3)
				a.Kind, a.Finding.ID = kind, e.ID
				if kind == Scheduled {
					a.Digest = &Digest{}
					fill(reflect.ValueOf(a.Digest).Elem(), marker)
				}
				if kind == First {
					a.Finding.SourceIP = "cloudformation.amazonaws.com"
				}
				for where, s := range shown(t, a) {
					for line := range strings.SplitSeq(s, "\n") {
						if found := links(strings.ReplaceAll(line, string(e.ID), "")); found != nil && !strings.Contains(where, "sourceIp") && !strings.Contains(line, "192.0.2.99") {
							t.Fatalf("%s of %s, %s filled with %.40q: %q may become links: %q", where, e.ID, kind, marker, line, found)
						}
					}
				}
			}
		}
	}
}

// TestPhish has those who need no credentials, or few, write into an alert.
func TestPhish(t *testing.T) {
	for name, raw := range map[string]string{
		"a failed sign-in with any user agent": `{"eventVersion":"1.08","eventTime":"2026-01-02T03:04:05Z","eventSource":"signin.amazonaws.com","eventName":"ConsoleLogin","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"Not you? Lock it: www.aws-root-verify.com/lock","errorMessage":"Failed authentication","requestParameters":null,"responseElements":{"ConsoleLogin":"Failure"},"additionalEventData":{"MFAUsed":"No"},"eventID":"8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6c","readOnly":false,"eventType":"AwsConsoleSignIn","managementEvent":true,"recipientAccountId":"111122223333","userIdentity":{"type":"Root","principalId":"111122223333","accountId":"111122223333","accessKeyId":""}}`,
		"a user and a session of any name":     `{"eventVersion":"1.08","eventTime":"2026-01-02T03:04:05Z","eventSource":"iam.amazonaws.com","eventName":"CreateUser","awsRegion":"us-east-1","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli","requestParameters":{"userName":"call+1-888-555-0100,aws.verify-root.com"},"responseElements":{"user":{"userName":"call+1-888-555-0100,aws.verify-root.com","userId":"AIDAX","arn":"arn:aws:iam::111122223333:user/x"}},"eventID":"8a2f6c1e-9b3d-4f0a-8c55-1d2e3f4a5b6d","readOnly":false,"eventType":"AwsApiCall","managementEvent":true,"recipientAccountId":"111122223333","userIdentity":{"type":"AssumedRole","principalId":"A:b","arn":"arn:aws:sts::111122223333:assumed-role/dev/support@aws-verify.com","accountId":"111122223333","accessKeyId":"ASIA"}}`,
	} {
		rec, _, err := cloudtrail.Decode(json.RawMessage(raw))
		if err != nil {
			t.Fatal(err)
		}
		d := &detect.Detector{Own: detect.Own{Prefix: "rootguard"}}
		o := d.Detect(&rec, nil)
		if o.Kind != detect.Matched {
			t.Fatalf("%s: no finding", name)
		}
		a := Alert{Schema: Schema, ID: "a-1", Kind: First, Finding: o.Finding}
		if text := Text(a); !strings.Contains(text, "From:    198.51.100.7, ") || strings.Contains(text, "Lock it") {
			t.Errorf("%s: the address is not whole, or the user agent is shown:\n%s", name, text)
		}
		for where, s := range shown(t, a) {
			for _, found := range links(strings.ReplaceAll(s, "198.51.100.7", "")) {
				t.Errorf("%s: %s may have a link: %q", name, where, found)
			}
		}
		// Programs get what was recorded.
		body, err := JSON(a)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(body), "verify") {
			t.Errorf("%s: the body has lost what was recorded: %s", name, body)
		}
	}
}
