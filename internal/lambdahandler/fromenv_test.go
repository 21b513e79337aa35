package lambdahandler

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestLimitMemory: the collector's limit is below what Lambda ends the process at.
func TestLimitMemory(t *testing.T) {
	was := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(was) })
	for _, tt := range []struct {
		env  map[string]string
		want int64
	}{
		{map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256"}, 214748364},
		{map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "10240"}, 8589934592},
		{map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "GOMEMLIMIT": "1GiB"}, math.MaxInt64},
		{map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "much"}, math.MaxInt64},
		{map[string]string{"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "0"}, math.MaxInt64},
		{nil, math.MaxInt64},
	} {
		debug.SetMemoryLimit(math.MaxInt64)
		limitMemory(func(name string) string { return tt.env[name] })
		if got := debug.SetMemoryLimit(-1); got-tt.want > 8 || tt.want-got > 8 {
			t.Errorf("%v: %d bytes, want %d", tt.env, got, tt.want)
		}
	}
}
