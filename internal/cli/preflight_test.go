package cli

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"rootguard/internal/aws/eventbridge/eventbridgetest"
)

// TestPreflight runs the command against an EventBridge that can refuse.
func TestPreflight(t *testing.T) {
	runScripts(t, testscript.Params{
		Dir: "testdata/preflight",
		Setup: func(env *testscript.Env) error {
			bus := eventbridgetest.New(t)
			env.Values["bus"] = bus
			trusted := &atomic.Value{} // the service principal, or "denied"
			trusted.Store("")
			env.Values["trusted"] = trusted
			organization := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/x-amz-json-1.1")
				if !strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".ListAWSServiceAccessForOrganization") || trusted.Load() == "denied" {
					w.WriteHeader(http.StatusBadRequest)
					_, _ = io.WriteString(w, `{"__type":"AccessDeniedException","message":"You don't have permissions to access this resource."}`)
					return
				}
				_, _ = fmt.Fprintf(w, `{"EnabledServicePrincipals":[{"ServicePrincipal":"sso.amazonaws.com"},{"ServicePrincipal":%q}]}`, trusted.Load())
			}))
			t.Cleanup(organization.Close)
			stacks := httptest.NewServer(newDenying(false))
			t.Cleanup(stacks.Close)
			for name, value := range map[string]string{
				"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test",
				"AWS_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true", "AWS_MAX_ATTEMPTS": "1",
				"AWS_ENDPOINT_URL_EVENTBRIDGE": bus.URL, "AWS_ENDPOINT_URL_ORGANIZATIONS": organization.URL,
				"AWS_ENDPOINT_URL_CLOUDFORMATION": stacks.URL,
			} {
				env.Setenv(name, value)
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"limit": func(ts *testscript.TestScript, _ bool, args []string) {
				n, err := strconv.Atoi(args[0])
				ts.Check(err)
				ts.Value("bus").(*eventbridgetest.Server).Set(func(s *eventbridgetest.Server) { s.Limit = n })
			},
			"answers": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Value("bus").(*eventbridgetest.Server).Set(func(s *eventbridgetest.Server) { s.Code = args[0] })
			},
			"trusts": func(ts *testscript.TestScript, _ bool, args []string) {
				ts.Value("trusted").(*atomic.Value).Store(args[0])
			},
		},
	})
}
