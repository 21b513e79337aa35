package lambdabuild

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// module makes a module with one function in it.
func module(t *testing.T, code string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":                "module example\n\ngo 1.24\n",
		"lambdas/hello/main.go": code,
	} {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const hello = "package main\n\nfunc main() { println(\"hello\") }\n"

func TestBuild(t *testing.T) {
	first, err := Build(t.Context(), module(t, hello), "hello", ARM64)
	if err != nil {
		t.Fatal(err)
	}
	second, err := Build(t.Context(), module(t, hello), "hello", ARM64)
	if err != nil {
		t.Fatal(err)
	}
	a, b := read(t, first.Zip), read(t, second.Zip)
	if !bytes.Equal(a, b) {
		t.Error("the same code in another folder makes another archive")
	}

	z, err := zip.NewReader(bytes.NewReader(a), int64(len(a)))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 1 || z.File[0].Name != "bootstrap" || z.File[0].Mode().Perm() != 0o755 {
		t.Fatalf("the archive holds %+v, want an executable named bootstrap alone", z.File)
	}
	f, err := z.File[0].Open()
	if err != nil {
		t.Fatal(err)
	}
	binary, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(binary, read(t, first.Binary)) {
		t.Error("the archive holds another binary than the one built")
	}
	e, err := elf.NewFile(bytes.NewReader(binary))
	if err != nil {
		t.Fatal(err)
	}
	if e.Machine != elf.EM_AARCH64 {
		t.Errorf("built for %v, want arm64", e.Machine)
	}
	if e.Section(".symtab") != nil {
		t.Error("the binary has symbols")
	}
	if e.Section(".interp") != nil {
		t.Error("the binary is not static")
	}
}

func TestBuildForThisMachine(t *testing.T) {
	b, err := Build(t.Context(), module(t, hello), "hello", runtime.GOARCH)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux runs the binary")
	}
	out, err := exec.CommandContext(t.Context(), b.Binary).CombinedOutput()
	if err != nil || string(out) != "hello\n" {
		t.Errorf("running it: %v, %q", err, out)
	}
}

func TestBuildAgain(t *testing.T) {
	root := module(t, hello)
	first, err := Build(t.Context(), root, "hello", ARM64)
	if err != nil {
		t.Fatal(err)
	}
	before := read(t, first.Zip)
	if err := os.WriteFile(filepath.Join(root, "lambdas/hello/main.go"), []byte(strings.Replace(hello, "hello", "goodbye", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Build(t.Context(), root, "hello", ARM64); err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(before, read(t, first.Zip)) {
		t.Error("other code left the archive of before")
	}
}

func TestBuildErrors(t *testing.T) {
	_, err := Build(t.Context(), module(t, "package main\n\nfunc main() { undefined() }\n"), "hello", ARM64)
	if err == nil || !strings.Contains(err.Error(), "building function hello: go build") || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("code that does not compile: %v", err)
	}
	_, err = Build(t.Context(), module(t, hello), "goodbye", ARM64)
	if err == nil || !strings.Contains(err.Error(), "building function goodbye: finding its code") {
		t.Errorf("a function without code: %v", err)
	}
	t.Setenv("PATH", t.TempDir())
	_, err = Build(t.Context(), module(t, hello), "hello", ARM64)
	if err == nil || !strings.Contains(err.Error(), "Go is needed") {
		t.Errorf("a machine without Go: %v", err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
