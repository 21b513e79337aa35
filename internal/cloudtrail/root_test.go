package cloudtrail

import "testing"

// recordOf reads a record written in a test.
func recordOf(t *testing.T, raw string) *Record {
	t.Helper()
	rec, _, err := Decode([]byte(raw))
	if err != nil {
		t.Fatal(err)
	}
	return &rec
}

func TestRootUse(t *testing.T) {
	tests := []struct {
		name string
		raw  string
		want RootUse
	}{
		{"password", `{"userIdentity":{"type":"Root"}}`, RootTrue},
		{"IAM user", `{"userIdentity":{"type":"IAMUser"}}`, NotRoot},
		{"IAM user called root", `{"userIdentity":{"type":"IAMUser","userName":"root"}}`, NotRoot},
		{"no identity", `{}`, NotRoot},
		{"service event", `{"eventType":"AwsServiceEvent","userIdentity":{"type":"Root"}}`, RootByService},
		{"a service on root's behalf", `{"userIdentity":{"type":"Root","invokedBy":"cloudformation.amazonaws.com"}}`, RootByService},
		{"the console's background calls", `{"sourceIPAddress":"AWS Internal","userIdentity":{"type":"Root","invokedBy":"AWS Internal"}}`, RootByService},
		{"a person in the console", `{"sourceIPAddress":"192.0.2.7","userIdentity":{"type":"Root","invokedBy":"signin.amazonaws.com"}}`, RootTrue},
		{"the console by itself", `{"sourceIPAddress":"AWS Internal","userIdentity":{"type":"Root","invokedBy":"signin.amazonaws.com"}}`, RootByService},
		{"the console by itself, by host name", `{"sourceIPAddress":"signin.amazonaws.com","userIdentity":{"type":"Root","invokedBy":"signin.amazonaws.com"}}`, RootByService},
		{"MFA step", `{"eventSource":"signin.amazonaws.com","eventName":"CheckMfa","userIdentity":{"type":"Root"}}`, RootStep},
		{"directory step", `{"eventSource":"signin.amazonaws.com","eventName":"ExternalIdPDirectoryLogin","userIdentity":{"type":"Root"}}`, RootStep},
		{"CheckMfa of another source", `{"eventSource":"x.amazonaws.com","eventName":"CheckMfa","userIdentity":{"type":"Root"}}`, RootTrue},
		{"AssumeRoot session", `{"userIdentity":{"type":"Root","sessionContext":{"assumedRoot":"true"}}}`, RootSession},
		{"assumedRoot false", `{"userIdentity":{"type":"Root","sessionContext":{"assumedRoot":"false"}}}`, RootTrue},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := recordOf(t, tt.raw).RootUse(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func TestWrites(t *testing.T) {
	tests := []struct {
		raw  string
		want bool
	}{
		{`{"eventName":"CreateUser","readOnly":false}`, true},
		{`{"eventName":"CreateOAuth2Token","readOnly":true}`, false},
		{`{"eventName":"GetSigninToken","readOnly":false}`, true},
		{`{"eventName":"DeleteUser","readOnly":"false"}`, true},
		{`{"eventName":"ListUsers"}`, false},
		{`{"eventName":"BatchGetItem"}`, false},
		{`{"eventName":"Scan"}`, false},
		{`{"eventName":"Getaway"}`, true},
		{`{"eventName":"ListenToThis"}`, true},
		{`{"eventName":"CreateUser"}`, true},
		{`{}`, true},
	}
	for _, tt := range tests {
		if got := recordOf(t, tt.raw).Writes(); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.raw, got, tt.want)
		}
	}
}

func TestFailed(t *testing.T) {
	tests := []struct {
		raw  string
		want bool
	}{
		{`{"eventName":"CreateUser","errorCode":"AccessDenied"}`, true},
		{`{"eventName":"ConsoleLogin","errorMessage":"Failed authentication"}`, true},
		{`{"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Failure"}}`, true},
		{`{"eventName":"ConsoleLogin","responseElements":{"ConsoleLogin":"Success"}}`, false},
		{`{"eventName":"ConsoleLogin","responseElements":{"CheckMfa":"Failure"}}`, false},
		{`{"eventName":"CreateUser","responseElements":null}`, false},
	}
	for _, tt := range tests {
		if got := recordOf(t, tt.raw).Failed(); got != tt.want {
			t.Errorf("%s: got %t, want %t", tt.raw, got, tt.want)
		}
	}
}
