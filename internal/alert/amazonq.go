package alert

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"unicode"

	"rootguard/internal/detect"
)

// notification is a custom notification (Amazon Q Developer in chat
// applications Administrator Guide, "Custom notifications using Amazon Q
// Developer in chat applications").
type notification struct {
	Version  string   `json:"version"`
	Source   string   `json:"source"`
	ID       string   `json:"id"`
	Content  content  `json:"content"`
	Metadata metadata `json:"metadata"`
}

type content struct {
	TextType    string   `json:"textType"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	NextSteps   []string `json:"nextSteps,omitempty"`
	Keywords    []string `json:"keywords,omitempty"`
}

type metadata struct {
	ThreadID          string            `json:"threadId"`
	Summary           string            `json:"summary"`
	EventType         string            `json:"eventType"`
	RelatedResources  []string          `json:"relatedResources,omitempty"`
	AdditionalContext map[string]string `json:"additionalContext,omitempty"`
}

// AmazonQ is the alert as a custom notification of Amazon Q Developer in chat
// applications, under 16 KiB: a title of at most 200 characters, a description
// of at most about 4,000. Alerts of one session in one account share a thread.
// Text from a log is defanged, and is in code spans or has lost what Markdown,
// Slack and Teams act on: emphasis, links, mentions.
func AmazonQ(a Alert) ([]byte, error) {
	f := &a.Finding
	s := readable(a)
	n := notification{
		Version: "1.0",
		Source:  "custom",
		ID:      display(a.ID, 128),
		Content: content{
			TextType:    "client-markdown",
			Title:       "[" + severity(a) + "] " + cut(plain(title(s), 120)+repeated(a)+" - "+plain(accountNamed(a), 60), 180),
			Description: description(s),
			NextSteps:   steps(s),
			Keywords:    keywords(f),
		},
		Metadata: metadata{
			ThreadID:          thread(a),
			Summary:           "[" + severity(a) + "] " + plain(strings.TrimPrefix(Subject(a), "["+severity(a)+"] "), subjectLimit),
			EventType:         findingID(f.ID),
			RelatedResources:  related(&s.Finding),
			AdditionalContext: additional(a),
		},
	}
	body, err := encode(n)
	if err != nil {
		return nil, fmt.Errorf("encoding Amazon Q notification: %w", err)
	}
	return body, nil
}

func description(a Alert) string {
	if a.Digest != nil {
		return digestChat(a.Digest)
	}
	f := &a.Finding
	lines := []string{
		"*Who:* " + code(who(f), 200),
		"*From:* " + code(from(f), 150),
		"*When:* " + span(a),
		"*Account:* " + code(account(a), 150),
	}
	if c := strings.Trim(call(a), " ()"); c != "" {
		lines = append(lines, "*Call:* "+code(c, 180))
	}
	for _, l := range about(f) {
		label, value, _ := strings.Cut(l, ":")
		lines = append(lines, "*"+label+":* "+code(value, 200))
	}
	if m := mfa(a); m != "" {
		lines = append(lines, "*MFA:* "+m)
	}
	if f.Detail != "" {
		lines = append(lines, plain(f.Detail, 600))
	}
	if said := announced(f); said != "" {
		lines = append(lines, "*Known:* "+code(said, 400))
	}
	if in := strings.Join(incident(a), "; "); in != "" {
		lines = append(lines, "*Case:* "+code(in, 250))
	}
	switch {
	case a.Summary != nil:
		lines = append(lines, summaryChat(a)...)
	case lists(a):
		names := make([]string, 0, len(a.Actions))
		for _, act := range a.Actions[:min(len(a.Actions), actionLimit)] {
			names = append(names, target(act))
		}
		lines = append(lines, fmt.Sprintf("*All:* %d: %s", a.Count, code(strings.Join(names, ", "), 600)))
	case several(a):
		const limit = 10
		lines = append(lines, fmt.Sprintf("*Repeats:* %d events", a.Count))
		shown := a.Actions[:min(len(a.Actions), limit)]
		for _, act := range shown {
			lines = append(lines, fmt.Sprintf("%d × %s", act.Count, code(display(act.Name, 60)+" "+target(act), 120)))
		}
		if _, events := rest(a, len(shown)); events > 0 {
			lines = append(lines, fmt.Sprintf("and %d more events", events))
		}
	}
	return strings.Join(lines, "\n")
}

// accountNamed is "prod-billing (123456789012)", the ID alone without a name.
func accountNamed(a Alert) string {
	if several := accountsOf(a); several != "" {
		return several
	}
	if a.AccountName == "" {
		return accountID(a)
	}
	return cut(a.AccountName, 40) + " (" + accountID(a) + ")"
}

func steps(a Alert) []string {
	f := &a.Finding
	var s []string
	if f.NextStep != "" {
		s = append(s, plain(f.NextStep, 300))
	}
	if command := lookup(f); command != "" {
		s = append(s, code(command, 200))
	}
	if command := ack(a); command != "" {
		s = append(s, code(command, 120))
	}
	return s
}

func keywords(f *detect.Finding) []string {
	k := []string{f.Severity.String(), findingID(f.ID)}
	if f.Account != "" {
		k = append(k, display(f.Account, 20))
	}
	for _, t := range f.ATTACK[:min(len(f.ATTACK), 3)] {
		k = append(k, display(t, 20))
	}
	return k
}

// thread groups the alerts of one incident, others of one session in one
// account, those without a session by finding. The session may hold names, so
// the thread has its digest.
func thread(a Alert) string {
	f := &a.Finding
	in := f.Session
	if a.Incident != nil {
		in = "incident " + a.Incident.ID
	}
	if in == "" {
		in = string(f.ID)
	}
	sum := sha256.Sum256([]byte(in))
	return "rootguard-" + display(f.Account, 20) + "-" + hex.EncodeToString(sum[:8])
}

func related(f *detect.Finding) []string {
	var r []string
	for _, s := range []string{f.Actor.ARN, f.Target.Resource, f.Target.UserName} {
		if s = display(s, 200); s != "" {
			r = append(r, s)
		}
	}
	return r
}

func additional(a Alert) map[string]string {
	f := &a.Finding
	m := map[string]string{"alertId": a.ID, "severity": f.Severity.String(), "account": f.Account, "accountName": a.AccountName,
		"region": f.Region, "eventId": f.EventID, "eventName": f.EventName, "sourceIp": f.SourceIP, "kind": string(a.Kind)}
	if a.Incident != nil {
		m["incident"] = a.Incident.ID
	}
	if !f.EventTime.IsZero() {
		m["eventTime"] = f.EventTime.UTC().Format("2006-01-02T15:04:05Z")
	}
	if !a.Deadline.IsZero() {
		m["mfaDeadline"] = a.Deadline.UTC().Format("2006-01-02T15:04:05Z")
	}
	for k, v := range m {
		switch k {
		case "sourceIp":
			v = origin(v, 128)
		case "eventId":
			v = cut(eventID(v), 128)
		default:
			v = display(v, 128)
		}
		if v == "" {
			delete(m, k)
		} else {
			m[k] = v
		}
	}
	return m
}

// entities are Slack's control characters (Slack API, "Formatting text for app
// surfaces", Escaping text). They act in code spans too.
var entities = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")

// code is displayed text as a code span of at most limit runes before escaping:
// nothing in it is emphasis, link or mention.
func code(s string, limit int) string {
	s = strings.TrimSpace(cut(s, limit))
	if s == "" {
		return ""
	}
	return "`" + entities.Replace(strings.ReplaceAll(s, "`", "'")) + "`"
}

// plain is text outside a code span that looks the same and does nothing.
func plain(s string, limit int) string {
	in := []rune(display(s, limit))
	out := make([]rune, 0, len(in))
	for i, r := range in {
		switch r {
		case '*':
			r = '∗'
		case '`':
			r = '\''
		case '~':
			r = '∼'
		case '<':
			r = '‹'
		case '>':
			r = '›'
		case '&':
			r = '＆'
		case '|':
			r = '¦'
		case '@':
			r = '＠'
		case '[':
			r = '('
		case ']':
			r = ')'
		case '_':
			if !inWord(in, i-1) || !inWord(in, i+1) {
				r = '‗'
			}
		}
		out = append(out, r)
	}
	return string(out)
}

func inWord(s []rune, i int) bool {
	return i >= 0 && i < len(s) && (unicode.IsLetter(s[i]) || unicode.IsDigit(s[i]))
}
