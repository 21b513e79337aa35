// Command echo is a Lambda function that does what its event says.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type event struct {
	Echo, Fail, Sleep string
	Exit              bool
}

func main() {
	if why := os.Getenv("REFUSE"); why != "" {
		fmt.Fprintln(os.Stderr, why)
		os.Exit(1)
	}
	logger := lambdacontext.NewLogger()
	lambda.Start(func(ctx context.Context, e event) (string, error) {
		logger.InfoContext(ctx, "called")
		if d, err := time.ParseDuration(e.Sleep); err == nil {
			time.Sleep(d)
		}
		if e.Exit {
			os.Exit(1)
		}
		if e.Fail != "" {
			return "", errors.New(e.Fail)
		}
		return os.Getenv("GREETING") + " " + e.Echo, nil
	})
}
