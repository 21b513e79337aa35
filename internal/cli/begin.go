package cli

import (
	"os"
	"path/filepath"
	"strings"
)

// begin says what to run next, by what is there: earlier results, log files,
// AWS credentials, or nothing.
func (s system) begin() string {
	is := func(path ...string) bool {
		_, err := os.Stat(filepath.Join(path...))
		return err == nil
	}
	var steps [][2]string
	if dir, err := s.dataDir(); err == nil && is(dir, storeFile) {
		steps = append(steps, [2]string{"rootguard status", "the accounts that you replayed before"})
	}
	if is("AWSLogs") {
		steps = append(steps, [2]string{"rootguard replay AWSLogs", "the log files in this folder"})
	}
	home := s.getenv("HOME")
	if s.getenv("AWS_PROFILE") != "" || s.getenv("AWS_ACCESS_KEY_ID") != "" || home != "" && (is(home, ".aws", "config") ||
		is(home, ".aws", "credentials")) {
		steps = append(steps,
			[2]string{"rootguard replay --aws-lookup 90d", "what AWS keeps of your account; it reads only"},
			[2]string{"rootguard deploy EMAIL --dry-run", "what a deployment would make; it makes nothing"},
			[2]string{"rootguard doctor", "if rootguard is deployed: does every part work?"})
	}
	if len(steps) == 0 {
		steps = append(steps,
			[2]string{"rootguard replay", "the bundled story of an account; needs no logs and no AWS"},
			[2]string{"rootguard replay PATH", "CloudTrail log files, once you have some"})
	}
	var b strings.Builder
	b.WriteString("\nBegin with:\n")
	for _, step := range steps {
		b.WriteString("  " + step[0] + strings.Repeat(" ", max(1, 36-len(step[0]))) + step[1] + "\n")
	}
	return b.String()
}
