// Command infra is the CDK app that deploys rootguard: it builds the functions
// and writes the CloudFormation templates. The CDK's command line runs it, as
// cdk.json says.
//
// With -bundle DIR it writes what `rootguard deploy` carries instead: the functions'
// archives and one template for all settings that CloudFormation parameters can hold.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"rootguard/infra/lambdabuild"
	"rootguard/infra/settings"
	"rootguard/infra/stacks"
	"rootguard/internal/config"
	"rootguard/internal/version"
)

func main() {
	stderr := os.Stderr
	bundle := flag.String("bundle", "", "write the templates with parameters and the functions' archives to this `folder`")
	release := flag.String("version", os.Getenv(config.EnvVersion), "the `version` that is deployed, which alerts name")
	commit := flag.String("commit", "", "the `commit` that the version is of")
	flag.Parse()
	err := run(*bundle, *release, *commit)
	quit()
	if err != nil {
		fmt.Fprintf(stderr, "rootguard: %v\n", err)
		os.Exit(1)
	}
}

// quit ends the Node process in which the CDK runs. jsii waits for it twice at
// once, and may then report a failure where there is none (jsii-runtime-go
// v1.133.0, internal/kernel/process), so what it says from here on is not shown.
func quit() {
	if null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0); err == nil {
		os.Stderr = null
	}
	jsii.Close()
}

func run(bundle, release, commit string) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := os.Getwd() // the CDK runs an app in the folder of its cdk.json
	if err != nil {
		return fmt.Errorf("finding the repository: %w", err)
	}
	if bundle != "" {
		return writeBundle(ctx, root, bundle, release, commit)
	}
	app := awscdk.NewApp(nil)
	given, _ := app.Node().GetAllContext(nil).(map[string]any)
	chosen, err := settings.Parse(given)
	if err == nil {
		err = chosen.Deployable()
	}
	if err != nil {
		return fmt.Errorf("reading the settings:\n%w", err)
	}
	if release != "" {
		chosen.Version = version.Of(release, commit)
	}
	archives, err := build(ctx, root, &chosen)
	if err != nil {
		return err
	}
	if err := stacks.Add(app, &chosen, archives); err != nil {
		return err
	}
	app.Synth(nil)
	return nil
}

// build returns the paths of the functions' archives.
func build(ctx context.Context, root string, s *settings.Settings) (map[string]string, error) {
	archives := map[string]string{}
	for _, name := range stacks.Functions(s) {
		built, err := lambdabuild.Build(ctx, root, name, lambdabuild.ARM64)
		if err != nil {
			return nil, err
		}
		archives[name] = built.Zip
	}
	return archives, nil
}
