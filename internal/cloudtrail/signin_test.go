package cloudtrail

import "testing"

// TestSignedIn holds the one definition of a sign-in to the console that succeeded.
func TestSignedIn(t *testing.T) {
	signIn := func(change func(*Record)) Record {
		r := Record{EventSource: SigninSource, EventType: "AwsConsoleSignIn", EventName: "ConsoleLogin", ResponseElements: []byte(`{"ConsoleLogin":"Success"}`)}
		change(&r)
		return r
	}
	for name, tc := range map[string]struct {
		change func(*Record)
		result Result
		in     bool
	}{
		"as it is":                    {func(*Record) {}, Success, true},
		"letter case":                 {func(r *Record) { r.ResponseElements = []byte(`{"ConsoleLogin":"success"}`) }, Success, true},
		"source lost":                 {func(r *Record) { r.EventSource = "" }, Success, true},
		"type lost":                   {func(r *Record) { r.EventType = "" }, Success, true},
		"of a service event":          {func(r *Record) { r.ResponseElements, r.ServiceEventDetails = nil, []byte(`{"ConsoleLogin":"Success"}`) }, Success, true},
		"failed":                      {func(r *Record) { r.ResponseElements = []byte(`{"ConsoleLogin":"Failure"}`) }, Failure, false},
		"an error and no result":      {func(r *Record) { r.ResponseElements, r.ErrorMessage = nil, "Failed authentication" }, Failure, false},
		"a success with an error":     {func(r *Record) { r.ErrorMessage = "Failed authentication" }, ResultUnknown, false},
		"no result":                   {func(r *Record) { r.ResponseElements = nil }, ResultUnknown, false},
		"neither source nor type":     {func(r *Record) { r.EventSource, r.EventType = "", "" }, Success, false},
		"another step of the service": {func(r *Record) { r.EventName, r.ResponseElements = "CheckMfa", []byte(`{"CheckMfa":"Success"}`) }, Success, false},
	} {
		r := signIn(tc.change)
		if r.SigninResult() != tc.result || r.SignedIn() != tc.in {
			t.Errorf("%s: result %d, signed in %v; want %d, %v", name, r.SigninResult(), r.SignedIn(), tc.result, tc.in)
		}
	}
}
