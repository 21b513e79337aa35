package cli

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"rootguard/internal/accountcheck"
	"rootguard/internal/aws/dynamodb"
	"rootguard/internal/config"
	"rootguard/internal/detect"
	"rootguard/internal/lambdahandler"
	"rootguard/internal/wire"
)

// alwaysAWS lets people write --aws where there is nothing else.
type alwaysAWS struct {
	AWS bool `name:"aws" group:"aws" hidden:"" help:"These commands are about the deployed rootguard alone, with or without this flag."`
}

// operator is someone at work on the deployed rootguard.
type operator struct {
	parts  wire.Parts
	store  *dynamodb.Store
	config config.Config
	actor  detect.Actor // whose credentials these are

	aws     aws.Config
	members accountcheck.Organization // nil outside an organization
}

// operator finds out who the user is, and puts the deployed guard together.
func (a writeFlags) operator(ctx context.Context, sys system) (*operator, error) {
	cfg, err := loadAWS(ctx, a.Profile, a.Region)
	if err != nil {
		return nil, err
	}
	settings, err := a.settings(ctx, sys, cfg)
	if err != nil {
		return nil, err
	}
	who, err := sts.NewFromConfig(cfg).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil || who.Arn == nil {
		return nil, fmt.Errorf("finding out who the credentials are of, which goes on record: %w", err)
	}
	f := lambdahandler.Assemble(settings, cfg, sys.now, slog.New(slog.DiscardHandler))
	return &operator{
		parts: f.Parts, store: f.Store, config: settings, actor: actorOf(*who.Arn),
		aws: cfg, members: f.Organization,
	}, nil
}

// actorOf is the principal of an ARN as STS names callers.
func actorOf(arn string) detect.Actor {
	a := detect.Actor{Type: "Unknown", Name: arn, ARN: arn}
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 {
		return a
	}
	kind, name, _ := strings.Cut(part[5], "/")
	switch kind {
	case "root":
		a.Type, a.Name = "Root", "root"
	case "user":
		a.Type, a.Name = "IAMUser", name[strings.LastIndexByte(name, '/')+1:]
	case "assumed-role":
		a.Type, a.Name = "AssumedRole", name
	case "federated-user":
		a.Type, a.Name = "FederatedUser", name
	}
	return a
}

// words is text that a person gives about what they do: one line, neither empty
// nor longer than alerts show.
func words(flag, text, fix string) (string, error) {
	const limit = 200
	text = strings.Join(strings.Fields(text), " ")
	switch n := len([]rune(text)); {
	case n == 0:
		return "", usageError{fmt.Sprintf("--%s is empty: %s", flag, fix)}
	case n > limit:
		return "", usageError{fmt.Sprintf("--%s has %d characters: use %d at most, and name a ticket for the rest", flag, n, limit)}
	}
	return text, nil
}

// optionalWords are words that may be left out.
func optionalWords(flag, text, fix string) (string, error) {
	if text == "" {
		return "", nil
	}
	return words(flag, text, fix)
}

// refuseUnknown is an error about an account of which nothing has reached rootguard,
// unless it is said to be new, or is the guard's own.
func (o *operator) refuseUnknown(ctx context.Context, account string, isNew bool) error {
	if isNew || account == o.config.Account {
		return nil
	}
	known, err := o.store.Accounts(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(known, account) {
		return fmt.Errorf("--account %s: nothing of it has reached rootguard so far; check the ID (rootguard status --aws lists accounts), or add --new if it is right", account)
	}
	return nil
}

// knows warns the user where rootguard has heard nothing of an account yet.
func (o *operator) knows(ctx context.Context, sys system, account string) error {
	accounts, err := o.store.Accounts(ctx)
	if err != nil {
		return err
	}
	if !slices.Contains(accounts, account) {
		fmt.Fprintf(sys.stderr, "note: no event of account %s has reached rootguard so far; is the ID right?\n", account)
	}
	return nil
}
