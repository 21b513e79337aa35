package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"rootguard/internal/testenv"
)

// TestMutate has a module of which each kind of outcome is known.
func TestMutate(t *testing.T) {
	testenv.Soak(t)
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.24\n",
		"m.go": `package m

func Adult(age int) bool { return age >= 18 }

func Join(a, b string) string { return a + b }

func Count(n int) (sum int) {
	for n > 0 {
		n--
		sum++
	}
	return sum
}
`,
		"by/by_test.go": `package by

import (
	"testing"

	"m"
)

func TestAdult(t *testing.T) {
	if m.Adult(17) || !m.Adult(18) {
		t.Fatal("wrong")
	}
}
`,
		"by/by.go": "package by\n",
		"m_test.go": `package m

import "testing"

func TestAll(t *testing.T) {
	if Adult(17) || !Adult(30) || Join("a", "b") != "ab" || Count(3) != 3 {
		t.Fatal("wrong")
	}
}
`,
	} {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	var out bytes.Buffer
	err := run(t.Context(), []string{"-n", "0", "-min", "90", "-grace", "1s", "."}, &out)
	if err == nil || !strings.Contains(err.Error(), "below 90 %: m") {
		t.Errorf("%v", err)
	}
	// No test has an age of 18; texts cannot be subtracted; and a loop that does not count
	// down does not end, which proves nothing.
	for _, want := range []string{
		`m.go:3:39: ">=" became ">"`, `m.go:3:42: "18" became "19"`,
		"m: 66.7 % of 6 changes noticed (2 not); 1 more did not end in time, 1 did not compile, 0 of 8 places were not tried",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in:\n%s", want, &out)
		}
	}
	if got := strings.Count(out.String(), "became"); got != 2 {
		t.Errorf("%d changes were not noticed:\n%s", got, &out)
	}

	// The other package's tests know the age, and nothing else.
	out.Reset()
	if err := run(t.Context(), []string{"-n", "0", "-grace", "1s", "-by", "./by", "."}, &out); err != nil {
		t.Error(err)
	}
	if text := out.String(); strings.Contains(text, "m.go:3:") || !strings.Contains(text, "of 7 changes noticed (5 not); 0 more did not end in time") {
		t.Errorf("by the tests of another package:\n%s", text)
	}
}

// TestMutateRefuses holds that tests that fail as they are prove nothing.
func TestMutateRefuses(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module m\n\ngo 1.24\n", "m.go": "package m\n",
		"m_test.go": "package m\n\nimport \"testing\"\n\nfunc TestIt(t *testing.T) { t.Fatal() }\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	if err := run(t.Context(), []string{"."}, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "testing m as it is: a test fails") {
		t.Errorf("%v", err)
	}
	if err := run(t.Context(), nil, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "name a package") {
		t.Errorf("%v", err)
	}
}
