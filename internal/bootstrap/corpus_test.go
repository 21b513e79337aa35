package bootstrap

import (
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"rootguard/internal/cloudtrail"
	"rootguard/internal/testenv"
)

// TestRealLogs folds the logs of a real attack exercise.
func TestRealLogs(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(testenv.Shared(t), "corpus", "invictus-ir", "*.json.gz"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no logs found: %v", err)
	}
	var facts []Fact
	var records int
	for _, path := range paths {
		for _, raw := range readLog(t, path) {
			rec, _, err := cloudtrail.Decode(raw)
			if err != nil {
				t.Fatal(err)
			}
			records++
			facts = append(facts, FactsOf(&rec)...)
		}
	}
	t.Logf("%d records, %d facts", records, len(facts))
	if len(facts)*50 > records {
		t.Errorf("%d facts of %d records: most of a log has no bearing on the journey", len(facts), records)
	}

	const exercise = "123837392027"
	st := Fold(exercise, facts, DefaultOptions(), time.Time{})
	checkStatus(t, st)
	backwards := slices.Clone(facts)
	slices.Reverse(backwards)
	if diff := gocmp.Diff(st, Fold(exercise, append(backwards, facts...), DefaultOptions(), time.Time{})); diff != "" {
		t.Errorf("backwards and twice:\n%s", diff)
	}
	// The attacker's own user was there before; the four it created were deleted within the log.
	var got []string
	for _, u := range st.Users {
		got = append(got, fmt.Sprintf("%s by %q deleted=%v gaps=%d %s", u.Name, u.CreatedBy, u.Deleted, len(u.MFAGaps), u.MFA))
	}
	want := []string{
		`bert-jan by "" deleted=false gaps=0 on`,
		`stratus-red-team-nmfalu-gfjyeaypjt by "bert-jan" deleted=true gaps=1 not_needed`,
		`stratus-red-team-backdoor-u-user by "bert-jan" deleted=true gaps=0 not_needed`,
		`malicious-iam-user by "bert-jan" deleted=true gaps=0 not_needed`,
		`stratus-red-team-login-profile-user by "bert-jan" deleted=true gaps=1 not_needed`,
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("users (-want +got):\n%s", diff)
	}
	if s := stepOf(t, st, AdminUser); s.State != Unknown {
		t.Errorf("admin_user is %s: %s", s.State, s.Note)
	}
}

func readLog(t *testing.T, path string) []json.RawMessage {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	unzipped, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	var log struct{ Records []json.RawMessage }
	if err := json.NewDecoder(unzipped).Decode(&log); err != nil {
		t.Fatal(err)
	}
	return log.Records
}
