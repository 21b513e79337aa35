package e2e

import (
	"os"
	"os/exec"
	"testing"

	"rootguard/internal/aws/dynamodb/dynamotest"
)

// TestAdapter runs the tests of the DynamoDB adapter against moto, those that
// need no fault of a server of their own.
func TestAdapter(t *testing.T) {
	w := start(t)
	w.proxy.reset()
	w.roles.register("test", &principal{}) // with which it signs
	cmd := exec.CommandContext(t.Context(), "go", "test", "-count=1", "-run", "^(TestClaims|TestJournal|TestDeadlines|TestMotoTurns)$", "./internal/aws/dynamodb")
	cmd.Dir = w.root
	cmd.Env = append(os.Environ(), dynamotest.EndpointEnv+"="+w.proxy.url)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("the adapter against moto: %v\n%s", err, out)
	}
}
