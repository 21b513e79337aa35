package version

import "testing"

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ release, revision, want string }{
		{"", "", "dev"},
		{"", "abc1234def", "dev (abc1234)"},
		{"1.4.0", "abc1234", "v1.4.0 (abc1234)"},
		{"v1.4.0", "", "v1.4.0"},
		{"v0.0.0-SNAPSHOT-abc1234", "abc1234", "v0.0.0-SNAPSHOT-abc1234 (abc1234)"},
		{"devel", "abc", "devel (abc)"},
	} {
		if got := Of(tt.release, tt.revision); got != tt.want {
			t.Errorf("%q of %q: %q, want %q", tt.release, tt.revision, got, tt.want)
		}
	}
	if got := String(); got != Unknown {
		t.Errorf("a test's binary, which Go gives no commit, is %q", got)
	}
}
