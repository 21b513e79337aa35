package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/posener/complete"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help has examples.
func (completionCmd) Help() string {
	return `rootguard must be on the PATH under that name.

Examples:
  rootguard completion bash >> ~/.bashrc
  rootguard completion zsh >> ~/.zshrc
  rootguard completion fish > ~/.config/fish/completions/rootguard.fish`
}

// scripts make a shell ask rootguard itself, which answers where COMP_LINE is set.
var scripts = map[string]string{
	"bash": `complete -o default -C rootguard rootguard
`,
	"zsh": `autoload -U +X compinit && compinit -u
autoload -U +X bashcompinit && bashcompinit
complete -o default -C rootguard rootguard
`,
	"fish": `function __complete_rootguard
    set -lx COMP_LINE (commandline -cp)
    test -z (commandline -ct)
    and set COMP_LINE "$COMP_LINE "
    rootguard
end
complete -f -c rootguard -a "(__complete_rootguard)"
complete -c rootguard -n "__fish_seen_subcommand_from replay explain report" -F
`,
}

// Run prints the script.
func (c completionCmd) Run(sys system) error {
	script, ok := scripts[c.Shell]
	if !ok {
		return fmt.Errorf("no completion for %s", strings.TrimSpace(c.Shell))
	}
	return writeText(sys.stdout, script)
}

// predictors complete what is not a command or a flag.
func predictors(ctx context.Context, sys system) map[string]complete.Predictor {
	return map[string]complete.Predictor{
		"path":   complete.PredictFiles("*"),
		"format": complete.PredictSet("text", "json", "ocsf", "ocsf-1.6", "asff"),
		"account": complete.PredictFunc(func(line complete.Args) []string {
			st, err := storeOf(line.All).read(sys, storyFlag{Story: slices.Contains(line.All, "--story")})
			if err != nil {
				return nil // a shell has no place for an error
			}
			accounts, err := st.Accounts(ctx)
			if errors.Join(err, st.Close()) != nil {
				return nil
			}
			return accounts
		}),
	}
}

// storeOf is the store that a command line names so far.
func storeOf(words []string) (f storeFlag) {
	for i, word := range words {
		if name, ok := strings.CutPrefix(word, "--store="); ok {
			f.Store = name
		} else if word == "--store" && i+1 < len(words) {
			f.Store = words[i+1]
		}
	}
	return f
}
