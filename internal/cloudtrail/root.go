package cloudtrail

import "strings"

// SigninSource is the eventSource of sign-in records.
const SigninSource = "signin.amazonaws.com"

// RootUse says whether a record is the root user at work.
type RootUse uint8

// The ways a record can relate to the root user.
const (
	NotRoot       RootUse = iota // the identity is not of type Root
	RootByService                // an AWS service acted: invokedBy is set, or it is an AwsServiceEvent
	RootStep                     // a step of signing in, not a sign-in or a call
	RootSession                  // a short-term session made by sts:AssumeRoot
	RootTrue                     // the root user, with its password or its own access key
)

// RootUse classifies the record. The rule for services is that of the CIS AWS
// Foundations Benchmark (monitoring of root usage): invokedBy present or
// eventType AwsServiceEvent is not root use. Its one exception is the console,
// see byService. A session of sts:AssumeRoot whose record lacks assumedRoot is
// RootTrue here: only its access key shows.
func (r *Record) RootUse() RootUse {
	switch {
	case r.UserIdentity.Type != "Root" && !r.UserIdentity.IssuedByRoot():
		return NotRoot
	case r.byService():
		return RootByService
	case r.EventSource == SigninSource && (r.EventName == "CheckMfa" || r.EventName == "ExternalIdPDirectoryLogin"):
		return RootStep
	case r.UserIdentity.Session.AssumedRoot == Yes:
		return RootSession
	default:
		return RootTrue
	}
}

// IssuedByRoot reports whether the identity is a session that the root user
// issued, as GetFederationToken does. It has what root may do, under another
// type (AWS CloudTrail User Guide, "CloudTrail userIdentity element":
// sessionIssuer).
func (u *UserIdentity) IssuedByRoot() bool {
	return u.Type != "Root" && u.Session.IssuerType == "Root"
}

// issuing are the calls that turn a root session into credentials for another
// place, by eventSource and eventName (AWS Sign-In API Reference; AWS STS API
// Reference; IAM User Guide, "Enable custom identity broker access").
var issuing = map[string]bool{
	SigninSource + "/AuthorizeOAuth2Access":              true,
	SigninSource + "/CreateOAuth2Token":                  true,
	SigninSource + "/CreateOAuth2TokenWithIAM":           true,
	SigninSource + "/CreateOAuth2TokenWithTokenExchange": true,
	SigninSource + "/CreateBearerToken":                  true,
	SigninSource + "/GetSigninToken":                     true,
	"sts.amazonaws.com/GetSessionToken":                  true,
	"sts.amazonaws.com/GetFederationToken":               true,
}

// IssuesCredentials reports whether the call hands out credentials of the caller
// for another place. CloudTrail calls most such calls read-only.
func (r *Record) IssuesCredentials() bool { return issuing[r.EventSource+"/"+r.EventName] }

// byService reports whether an AWS service made the request. Older records of
// calls made in the console have invokedBy signin.amazonaws.com and a person's
// address (AWS IAM User Guide, "Logging IAM and AWS STS API calls", the example
// of GetUserPolicy); with the address of AWS the same value is a service.
func (r *Record) byService() bool {
	if r.EventType == "AwsServiceEvent" {
		return true
	}
	switch r.UserIdentity.InvokedBy {
	case "":
		return false
	case SigninSource:
		return r.SourceIPAddress == "AWS Internal" || strings.HasSuffix(r.SourceIPAddress, ".amazonaws.com")
	default:
		return true
	}
}

// readWords begin the names of calls that change nothing, for records from
// before readOnly existed (eventVersion 1.00) and for those that lack it.
var readWords = []string{"Get", "List", "Describe", "Head", "Lookup", "Search", "Select", "BatchGet", "View", "Check", "Query", "Scan"}

// Writes reports whether the call could have changed something: what readOnly
// says, or the name's first word where the record has no readOnly.
func (r *Record) Writes() bool {
	switch r.ReadOnly {
	case Yes:
		return false
	case No:
		return true
	default:
	}
	for _, word := range readWords {
		rest, ok := strings.CutPrefix(r.EventName, word)
		if ok && (rest == "" || rest[0] < 'a' || rest[0] > 'z') {
			return false
		}
	}
	return true
}

// Failed reports whether the record reports an attempt that changed nothing:
// errorCode of a denied call, errorMessage of a failed sign-in (which has no
// errorCode), or a Failure among the response elements.
func (r *Record) Failed() bool {
	return r.ErrorCode != "" || r.ErrorMessage != "" || r.response(r.EventName) == "Failure"
}
