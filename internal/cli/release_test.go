package cli

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	sdksns "github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/rogpeppe/go-internal/testscript"

	"rootguard/internal/aws/awsenv"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/aws/dynamodb/dynamotest"
	"rootguard/internal/aws/sns"
	"rootguard/internal/bootstrap"
	"rootguard/internal/detect"
	"rootguard/internal/fake"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/quarantine"
	"rootguard/internal/wire"
)

// quarantineFunction is the deployed function, over the same table and topic.
type quarantineFunction struct {
	deployed atomic.Bool
	fails    atomic.Bool // to be called
	policy   fake.Policy
}

func (q *quarantineFunction) serve(c *cloud, w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	switch {
	case strings.HasSuffix(r.URL.Path, "/configuration"):
		_, _ = w.Write([]byte(`{"FunctionName":"rootguard-quarantine","Environment":{"Variables":{}}}`))
	case q.fails.Load():
		w.Header().Set("X-Amzn-Errortype", "AccessDeniedException")
		w.WriteHeader(http.StatusForbidden)
		_, _ = w.Write([]byte(`{"Message":"not authorized to perform: lambda:InvokeFunction"}`))
	default:
		var payload json.RawMessage
		if err := json.NewDecoder(r.Body).Decode(&payload); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		if err := q.run(r.Context(), c, payload); err != nil {
			w.Header().Set("X-Amz-Function-Error", "Unhandled")
			_ = json.NewEncoder(w).Encode(map[string]string{"errorMessage": err.Error()})
			return
		}
		_, _ = w.Write([]byte("null"))
	}
}

// run handles an event as lambdas/quarantine does, with users that have neither
// MFA nor an end.
func (q *quarantineFunction) run(ctx context.Context, c *cloud, payload json.RawMessage) error {
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	client := sdksns.New(sdksns.Options{Region: "us-east-1", BaseEndpoint: &c.sns.URL, HTTPClient: awsenv.KeepAnswers(nil), Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")})
	parts := wire.New(wire.Deps{
		Detector: &detect.Detector{}, Claims: store, Facts: store, Publisher: sns.New(client, sns.Topics{Alerts: topicARN}), Now: time.Now, Quarantines: store.Quarantines(),
	}, wire.Settings{Quarantine: quarantine.Settings{Mode: quarantine.On}})
	deps := lambdahandler.Deps{Guard: parts.Guard, Facts: store, Logger: slog.New(slog.DiscardHandler), Now: time.Now}
	deps.Tasks = append(deps.Tasks, lambdahandler.Quarantine(parts.Quarantine, struct {
		liveFunc
		*fake.Policy
	}{func(name string) bootstrap.LiveFact {
		yes := true
		return bootstrap.LiveFact{UserName: name, ConsoleLogin: &yes}
	}, &q.policy}))
	return lambdahandler.New(deps).Handle(ctx, payload)
}

type liveFunc func(name string) bootstrap.LiveFact

func (f liveFunc) User(_ context.Context, _, name string) (bootstrap.LiveFact, error) {
	return f(name), nil
}

// quarantineCmd deploys the function or takes it away, and makes rows:
//
//	[!] quarantine deployed       whether there is the function
//	[!] quarantine called         whether it can be called
//	quarantine STATE USER         a user of account 111122223333 in a state
//	[!] quarantine attached USER  checks whether the policy is on the user
func quarantineCmd(ts *testscript.TestScript, neg bool, args []string) {
	c := cloudOf(ts)
	const account = "111122223333"
	switch args[0] {
	case "deployed":
		c.quarantine.deployed.Store(!neg)
	case "called":
		c.quarantine.fails.Store(neg)
	case "attached":
		if is, err := c.quarantine.policy.Attached(context.Background(), account, args[1]); err != nil || is == neg {
			ts.Fatalf("the policy is on %s: %v, %v", args[1], is, err)
		}
	default:
		ts.Check(c.inQuarantine(quarantine.State(args[0]), args[1]))
	}
}

// inQuarantine makes the row of a user of account 111122223333 in a state.
func (c *cloud) inQuarantine(state quarantine.State, user string) error {
	const account = "111122223333"
	at := time.Date(2030, 3, 1, 12, 0, 0, 0, time.UTC)
	q := quarantine.Quarantine{
		Key: account + "/" + user, Account: account, User: user, UserID: "AIDA" + strings.ToUpper(user), State: state,
		Due: at, Revision: 1, Cycle: "c", Effective: at,
	}
	store := dynamodb.New(dynamotest.Client(c.dynamo.URL), c.table, time.Now)
	if q.State == quarantine.Active {
		q.Attached, q.Effective = true, time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
		if err := c.quarantine.policy.Attach(context.Background(), account, user); err != nil {
			return err
		}
		_, err := store.Add(context.Background(), []bootstrap.Fact{
			{Account: account, ID: "p/" + user, Kind: bootstrap.PasswordSet, Time: q.Effective.Add(-time.Hour), UserName: user, UserID: q.UserID},
			bootstrap.QuarantineFact(account, bootstrap.UserQuarantined, user, q.UserID, bootstrap.DefaultQuarantinePolicy, "c", q.Effective, "rootguard", "quarantine"),
		})
		if err != nil {
			return err
		}
	}
	if err := store.Quarantines().Update(context.Background(), q.Key, func(quarantine.Quarantine) quarantine.Quarantine { return q }); err != nil {
		return err
	}
	return nil
}
