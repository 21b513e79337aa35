// Command check reads the settings that the CDK hands to its app, and says what is
// wrong with them. It needs no CDK, so it is compiled in seconds: a bad setting is
// found before the minutes that the app takes the first time.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"rootguard/infra/settings"
)

// How the CDK's command line hands the context over: as JSON, and what does not fit
// into the environment in a file (aws-cdk-lib, cx-api, CONTEXT_ENV and
// CONTEXT_OVERFLOW_LOCATION_ENV).
const (
	contextEnv  = "CDK_CONTEXT_JSON"
	overflowEnv = "CONTEXT_OVERFLOW_LOCATION_ENV"
)

func main() {
	if err := check(os.Getenv); err != nil {
		fmt.Fprintf(os.Stderr, "rootguard: %v\n", err)
		os.Exit(1)
	}
}

// check is nil too where the context cannot be read: then the app itself says what is wrong.
func check(getenv func(string) string) error {
	given := map[string]any{}
	if err := json.Unmarshal([]byte(getenv(contextEnv)), &given); err != nil {
		return nil //nolint:nilerr // see above
	}
	if file := getenv(overflowEnv); file != "" {
		more, err := os.ReadFile(file) //nolint:gosec // the CDK names it
		if err != nil || json.Unmarshal(more, &given) != nil {
			return nil //nolint:nilerr // see above
		}
	}
	chosen, err := settings.Parse(given)
	if err == nil {
		err = chosen.Deployable()
	}
	if err != nil {
		return fmt.Errorf("reading the settings:\n%w", err)
	}
	return nil
}
