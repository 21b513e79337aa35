package cloudtrail

import "strings"

// Result is how an attempt ended.
type Result uint8

// The results.
const (
	ResultUnknown Result = iota // the record does not say, or contradicts itself
	Success
	Failure
)

// IsConsoleSignIn reports whether the record is of a sign-in to the console, or of an
// attempt. The eventType says so where eventSource is lost or masked.
func (r *Record) IsConsoleSignIn() bool {
	return r.EventName == "ConsoleLogin" && (r.EventSource == SigninSource || r.EventType == "AwsConsoleSignIn")
}

// SigninResult is how a sign-in, or another act of the sign-in service, ended: by
// the response elements (of a service event: its details) and the error together
// (AWS Sign-In User Guide, "AWS Management Console sign-in events").
func (r *Record) SigninResult() Result {
	result := r.response(r.EventName)
	if result == "" {
		result = fields(r.ServiceEventDetails).str(r.EventName)
	}
	broken := r.ErrorMessage != "" || r.ErrorCode != ""
	switch {
	case strings.EqualFold(result, "Failure"):
		return Failure
	case strings.EqualFold(result, "Success"):
		if broken {
			return ResultUnknown
		}
		return Success
	case broken:
		return Failure
	default:
		return ResultUnknown
	}
}

// SignedIn reports whether the record is of a sign-in to the console that succeeded.
func (r *Record) SignedIn() bool { return r.IsConsoleSignIn() && r.SigninResult() == Success }
