package lazyre_test

import (
	"testing"

	"rootguard/internal/lazyre"
)

func TestNew(t *testing.T) {
	digits := lazyre.New(`^[0-9]+$`)
	if first, second := digits(), digits(); first != second {
		t.Error("an expression is compiled more than once")
	}
	if !digits().MatchString("42") || digits().MatchString("x") {
		t.Error("it does not match digits alone")
	}
	broken := lazyre.New(`(`) // not before it is used
	defer func() {
		if recover() == nil {
			t.Error("what is no expression does not panic")
		}
	}()
	broken()
}
