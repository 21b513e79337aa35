// Command infra is the CDK app that deploys rootguard: it builds the functions
// and writes the CloudFormation templates. The CDK's command line runs it, as
// cdk.json says.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/lambdabuild"
	"rootguard/infra/settings"
	"rootguard/infra/stacks"
	"rootguard/internal/eventpattern"
)

func main() {
	if err := run(); err != nil {
		// On a line of its own: jsii may have left one unfinished as it closed.
		fmt.Fprintf(os.Stderr, "\nrootguard: %v\n", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	given, _ := app.Node().GetAllContext(nil).(map[string]any)
	chosen, err := settings.Parse(given)
	if err != nil {
		return fmt.Errorf("reading the settings:\n%w", err)
	}
	root, err := os.Getwd() // the CDK runs an app in the folder of its cdk.json
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	archives := map[string]string{}
	for _, rule := range eventpattern.Rules() {
		if archives[rule.Function] != "" {
			continue
		}
		built, err := lambdabuild.Build(ctx, root, rule.Function, lambdabuild.ARM64)
		if err != nil {
			return err
		}
		archives[rule.Function] = built.Zip
	}
	if err := stacks.Add(app, &chosen, archives); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}
