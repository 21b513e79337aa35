package config

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// Deployed is what a deployment notes of itself for the function that checks it,
// as JSON in EnvDeployed: what cannot be seen from the names of its resources.
type Deployed struct {
	// Code is the base64 of the SHA-256 of each function's archive.
	Code map[string]string `json:"code"`
	// Alarms are names, without the prefix and the hyphen.
	Alarms []string `json:"alarms"`
	// Receivers are the ReceiverIDs of each topic: of what they are, the topic shows
	// those who may ask it.
	Receivers Receivers `json:"receivers"`
	SMS       bool      `json:"sms,omitempty"` // some of them get text messages
	// Boundary is the ARN of the permissions boundary of the functions' roles.
	Boundary  string `json:"boundary,omitempty"`
	Operators bool   `json:"operators,omitempty"` // the table has a policy
	Adopted   bool   `json:"adopted,omitempty"`   // the table was there before
}

// Receivers are those of each topic but that of chat, to which a channel subscribes
// by itself.
type Receivers struct {
	Alerts     []string `json:"alerts,omitempty"`
	Escalation []string `json:"escalation,omitempty"`
	Second     []string `json:"second,omitempty"` // of the second way out

	// Routes are the FilterIDs of those among Alerts that get some alerts alone.
	Routes map[string]string `json:"routes,omitempty"`
}

// idLength is enough that two receivers never have the same ID, and fits dozens of
// them in a function's environment, which is 4 KB in all.
const idLength = 10

// ReceiverID stands for a subscription where its endpoint need not be named. It
// leaves out a URL's password, which Amazon SNS masks where it lists the URL.
func ReceiverID(protocol, endpoint string) string {
	if u, err := url.Parse(endpoint); err == nil && (protocol == "https" || protocol == "http") {
		u.User = nil
		endpoint = u.String()
	}
	sum := sha256.Sum256([]byte(strings.ToLower(protocol + " " + endpoint)))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:idLength]
}

// PlainReceiver stands for a subscription as ReceiverID does, where anyone who notes it
// cannot compute that: a CloudFormation template has no function for it. It is read
// as a ReceiverID.
func PlainReceiver(protocol, endpoint string) string { return protocol + ":" + endpoint }

// receiverID returns what a noted receiver's ID is. No ID has a colon.
func receiverID(noted string) string {
	if protocol, endpoint, plain := strings.Cut(noted, ":"); plain {
		return ReceiverID(protocol, endpoint)
	}
	return noted
}

// deployed is nil where nothing was noted.
func (r *reader) deployed() *Deployed {
	text := r.text(EnvDeployed)
	if text == "" {
		return nil
	}
	var d Deployed
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s is no JSON object of what was deployed: %w; deploy again: make deploy", EnvDeployed, err))
		return nil
	}
	for _, list := range [][]string{d.Receivers.Alerts, d.Receivers.Escalation, d.Receivers.Second} {
		for i := range list {
			list[i] = receiverID(list[i])
		}
	}
	return &d
}
