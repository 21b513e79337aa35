package main

import (
	"archive/zip"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"rootguard/infra/settings"
	"rootguard/infra/stacks"
	"rootguard/internal/testenv"
)

// app builds the CDK app, and returns what runs it as the CDK's command line
// does: in the repository, the context in one variable and the folder for the
// result in another. No AWS credentials are within its reach.
func app(t *testing.T) func(context string, args ...string) (dir, output string, err error) {
	t.Helper()
	_, err := exec.LookPath("node")
	testenv.Need(t, err == nil, "node, version 20 or later, in which the CDK runs")
	root := testenv.Root(t)
	binary := filepath.Join(t.TempDir(), "infra")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./infra")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the app: %v\n%s", err, out)
	}
	return func(context string, args ...string) (string, string, error) {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), binary, args...)
		cmd.Dir = root
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "AWS_") && !strings.HasPrefix(v, "CDK_") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		cmd.Env = append(cmd.Env, "CDK_OUTDIR="+dir, "CDK_CONTEXT_JSON="+context)
		out, err := cmd.CombinedOutput()
		return dir, string(out), err
	}
}

func TestApp(t *testing.T) {
	run := app(t)

	t.Run("synthesizes without credentials", func(t *testing.T) {
		testenv.Soak(t) // it compiles each function; TestBuild and the stacks' tests have the parts
		dir, out, err := run(`{"email": "ops@example.com"}`)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if strings.Contains(out, "exited abnormally") {
			t.Errorf("a false alarm is shown:\n%s", out)
		}
		for _, stack := range []string{"rootguard", "rootguard-forward-eu-north-1"} {
			if _, err := os.Stat(filepath.Join(dir, stack+".template.json")); err != nil {
				t.Error(err)
			}
		}
		data, err := os.ReadFile(filepath.Join(dir, "rootguard.assets.json"))
		if err != nil {
			t.Fatal(err)
		}
		var assets struct {
			Files map[string]struct{ Source struct{ Path string } }
		}
		if err := json.Unmarshal(data, &assets); err != nil {
			t.Fatal(err)
		}
		functions := 0
		for _, file := range assets.Files {
			if filepath.Ext(file.Source.Path) != ".zip" {
				continue
			}
			functions++
			path := filepath.Join(dir, file.Source.Path)
			if info, err := os.Stat(path); err != nil || info.Size() > 6<<20 {
				t.Errorf("an archive of %v, %v; at most 6 MB keep a cold start short", info, err)
			}
			z, err := zip.OpenReader(path)
			if err != nil {
				t.Fatal(err)
			}
			if len(z.File) != 1 || z.File[0].Name != "bootstrap" {
				t.Errorf("%s holds %v", path, z.File)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if want := len(stacks.Functions(&settings.Settings{})); functions != want {
			t.Errorf("%d archives, want %d", functions, want)
		}
	})

	t.Run("refuses wrong settings", func(t *testing.T) {
		_, out, err := run(`{"emial": "ops@example.com", "rootguard": {"grace": "soon"}}`)
		for _, want := range []string{`setting emial: no such setting, did you mean "email"?`, `setting rootguard.grace: "soon": give a duration`} {
			if err == nil || !strings.Contains(out, want) {
				t.Errorf("%v, and nothing like %q in:\n%s", err, want, out)
			}
		}
	})
}
