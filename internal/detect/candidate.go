package detect

import "rootguard/internal/cloudtrail"

// Candidate says cheaply, allocating nothing, whether a record with this header
// could matter to any rule or to the bootstrap journey. It lets through all that
// Detect does not skip.
func Candidate(h cloudtrail.Header) bool {
	if string(h.IdentityType) == "Root" || string(h.IssuerType) == "Root" {
		return true
	}
	switch string(h.EventName) {
	case consoleLogin, "CreateUser":
		return true // whatever the source, which can be another's or lost
	}
	switch string(h.EventSource) {
	case cloudtrail.IAMSource:
		if _, ok := attachesNothing[string(h.EventName)]; ok || cloudtrail.IsIAMChange(h.EventName) {
			return true
		}
	case cloudtrail.SigninSource:
		if _, ok := rootSecrets[string(h.EventName)]; ok {
			return true
		}
	case accountSource:
		if string(h.EventName) == startEmailUpdate || string(h.EventName) == acceptEmailUpdate {
			return true
		}
	case stsSource:
		return string(h.EventName) == "AssumeRoot"
	}
	return isRuledCall(h.EventSource, h.EventName) || guardCallOf(h.EventSource, h.EventName) != nil
}
