package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"rootguard/infra/settings"
	"rootguard/infra/stacks"
	"rootguard/internal/deploy"
)

// TestReplaceFiles holds that a bundle replaces the one before, and nothing else.
func TestReplaceFiles(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "bundle")
	for _, files := range []map[string][]byte{
		{"guard.template.json": []byte("1"), "sweep-1.zip": []byte("1"), deploy.ManifestFile: []byte("1")},
		{"guard.template.json": []byte("2"), "sweep-2.zip": []byte("2"), deploy.ManifestFile: []byte("2")},
	} {
		if err := replaceFiles(dir, files); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if want := []string{"guard.template.json", deploy.ManifestFile, "notes.txt", "sweep-2.zip"}; !slices.Equal(names, want) {
		t.Errorf("the folder has %v, want %v", names, want)
	}
	if data, err := os.ReadFile(filepath.Join(dir, "guard.template.json")); err != nil || string(data) != "2" {
		t.Errorf("%q, %v", data, err)
	}
}

// TestBundle holds that what -bundle writes is what package deploy reads.
func TestBundle(t *testing.T) {
	if os.Getenv("ROOTGUARD_E2E") == "" {
		t.Skip("skipped: it builds the functions and synthesizes every combination; run make e2e, which sets ROOTGUARD_E2E")
	}
	run := app(t)
	dir := t.TempDir()
	if _, out, err := run("{}", "-bundle", dir, "-version", "1.2.3", "-commit", "abc1234def"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := deploy.ReadBundle(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if b.Version != "1.2.3" || b.Prefix != "rootguard" || b.Partition != "aws" {
		t.Errorf("manifest %+v", b.Manifest)
	}
	guard, err := b.Template(deploy.TemplateGuard)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(guard), `"ROOTGUARD_VERSION":"v1.2.3 (abc1234)"`) {
		t.Error("the functions do not know their version")
	}
	var functions []string
	for _, a := range b.Archives {
		functions = append(functions, a.Name)
		if !strings.Contains(string(guard), `"`+a.File+`"`) {
			t.Errorf("the guard does not use %s", a.File)
		}
	}
	policy, err := b.Policy("111122223333")
	if err != nil {
		t.Fatal(err)
	}
	if full, err := deploy.FullPolicy(b.Manifest, "111122223333"); err != nil || string(full) != string(policy) {
		t.Errorf("access.md has another policy than the bundle's (%v)", err)
	}
	// IAM User Guide, "IAM and AWS STS quotas": a managed policy, without white space.
	if n := len(strings.Join(strings.Fields(string(policy)), "")); n > 6144 {
		t.Errorf("the policy for deploying has %d characters, and a managed one has at most 6,144", n)
	}
	if want := stacks.Functions(&settings.Settings{}); !slices.Equal(functions, want) {
		t.Errorf("archives of %v, want %v", functions, want)
	}
}
