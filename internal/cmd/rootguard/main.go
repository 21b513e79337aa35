// Command rootguard replays CloudTrail logs, shows the status of accounts and
// operates a deployed guardrail. `rootguard --help` explains.
package main

import (
	"os"

	"rootguard/internal/cli"
)

func main() { os.Exit(cli.Main()) }
