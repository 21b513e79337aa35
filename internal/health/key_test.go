package health_test

import (
	"strings"
	"testing"

	"rootguard/internal/config"
	"rootguard/internal/health"
)

// TestNoKey holds that a guard without a key of its own looks for none, and that
// a key put on a topic is seen.
func TestNoKey(t *testing.T) {
	w := newWorld(t)
	w.want.Key, w.keys = "", nil
	for arn := range w.topics {
		w.topics[arn] = health.Topic{Policy: topicPolicy, Confirmed: 1}
	}
	for name := range w.functions {
		delete(w.functions[name].Environment, config.EnvKeys)
	}
	results := w.inspect(t)
	if bad := failing(results); len(bad) > 0 {
		t.Errorf("checks that are not ok: %v", bad)
	}
	if r, there := results["key"]; there {
		t.Errorf("there is no key, and a check of it: %+v", r)
	}
	w.topics[alerts] = health.Topic{Policy: topicPolicy, Confirmed: 1, Key: "arn:aws:kms:us-east-1:999999999999:key/k"}
	r := w.inspect(t)["topic.alerts"]
	if r.Outcome != health.Failed || !strings.Contains(r.Why, "999999999999") || !strings.HasSuffix(r.Fix, "--attribute-name KmsMasterKeyId --attribute-value ''") {
		t.Errorf("with another account's key: %+v", r)
	}
}
