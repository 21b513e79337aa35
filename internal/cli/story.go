package cli

import "rootguard/internal/cli/story"

type storyCmd struct{}

// Help has examples.
func (storyCmd) Help() string {
	return `The story is synthetic: an account's first day, a user who never gets MFA, and a root takeover a month later. It is one CloudTrail log file.

Examples:
  rootguard story | jq -c '.Records[]' | head
  rootguard story | rootguard replay --store story.db -`
}

// Run prints the story.
func (storyCmd) Run(sys system) error { return story.Write(sys.stdout) }
