package deploy_test

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"rootguard/internal/deploy"
)

func TestPolicy(t *testing.T) {
	read := func(types string) *deploy.Bundle {
		b, err := deploy.ReadBundle(bundle(t, func(files fstest.MapFS, m *deploy.Manifest) {
			text := []byte(`{"Resources": {` + types + `}}`)
			files["guard.template.json"].Data, m.Templates[0].SHA256 = text, deploy.Sum(text)
		}))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text, err := read(`"Alerts": {"Type": "AWS::SNS::Subscription"}, "Sweep": {"Type": "AWS::Lambda::Permission"}`).Policy("111122223333")
	if err != nil {
		t.Fatal(err)
	}
	var policy struct {
		Statement []struct {
			Sid, Effect      string
			Action, Resource []string
		}
	}
	if err := json.Unmarshal(text, &policy); err != nil {
		t.Fatal(err)
	}
	var sids []string
	for _, s := range policy.Statement {
		sids = append(sids, s.Sid)
		if s.Effect != "Allow" || len(s.Action) == 0 || len(s.Resource) == 0 || !slices.IsSorted(s.Action) {
			t.Errorf("%+v", s)
		}
		for _, a := range s.Action {
			if !regexp.MustCompile(`^[a-z0-9]+:[A-Za-z]+$`).MatchString(a) {
				t.Errorf("%s allows %s", s.Sid, a)
			}
		}
	}
	if want := []string{"Stacks", "Bucket", "Archives", "Preflight", "Announce", "Receivers", "Functions", "Topics"}; !slices.Equal(sids, want) {
		t.Errorf("statements %v, want %v", sids, want)
	}
	if s := string(text); strings.Contains(s, "ACCOUNT") || strings.Contains(s, "%s") || !strings.Contains(s, "arn:aws:sns:*:111122223333:rootguard-*") {
		t.Errorf("%s", s)
	}
	if _, err := read(`"X": {"Type": "AWS::EC2::Instance"}`).Policy("111122223333"); err == nil || !strings.Contains(err.Error(), "AWS::EC2::Instance X is not known") {
		t.Errorf("%v", err)
	}
}
