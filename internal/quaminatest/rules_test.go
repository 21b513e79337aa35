package quaminatest_test

import (
	"fmt"
	"strings"
	"testing"

	"quamina.net/go/quamina"

	"rootguard/internal/eventpattern"
	"rootguard/internal/eventrules"
)

// TestRulesAgreeWithQuamina compares on the deployed patterns that have no $or.
func TestRulesAgreeWithQuamina(t *testing.T) {
	compared := 0
	for _, r := range eventrules.Rules() {
		if strings.Contains(r.Pattern, "$or") {
			continue
		}
		compared++
		oracle, err := quamina.New()
		if err != nil {
			t.Fatal(err)
		}
		if err := oracle.AddPattern(r.Name, r.Pattern); err != nil {
			t.Fatalf("quamina refuses rule %s: %v", r.Name, err)
		}
		p, err := eventpattern.Compile([]byte(r.Pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, source := range []string{"aws.signin", "aws.sts", "custom"} {
			for _, detailType := range []string{eventpattern.APICall, eventpattern.ConsoleSignIn, eventpattern.ConsoleSignin, eventpattern.ServiceEvent} {
				for _, name := range []string{"ConsoleLogin", "AssumeRoot", "AssumeRole"} {
					for _, identity := range []string{"Root", "IAMUser"} {
						event := fmt.Sprintf(`{"source": %q, "detail-type": %q, "detail": {"eventSource": "%s.amazonaws.com", "eventName": %q, "userIdentity": {"type": %q}}}`,
							source, detailType, strings.TrimPrefix(source, "aws."), name, identity)
						matches, err := oracle.MatchesForEvent([]byte(event))
						if err != nil {
							t.Fatal(err)
						}
						got, err := p.Match([]byte(event))
						if err != nil {
							t.Fatal(err)
						}
						if got != (len(matches) > 0) {
							t.Errorf("rule %s: got %v, quamina %d matches of %s", r.Name, got, len(matches), event)
						}
					}
				}
			}
		}
	}
	if compared == 0 {
		t.Error("no rule without $or to compare")
	}
}
