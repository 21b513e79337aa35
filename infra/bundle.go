package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"rootguard/infra/settings"
	"rootguard/infra/stacks"
	"rootguard/internal/deploy"
	"rootguard/internal/partition"
	"rootguard/internal/version"
)

// writeBundle writes what package deploy reads into a folder, which then holds
// nothing else.
func writeBundle(ctx context.Context, root, dir, release, commit string) error {
	of, _ := partition.Of("aws")
	chosen, err := settings.Parse(map[string]any{"partition": of.ID})
	if err != nil {
		return fmt.Errorf("choosing the settings: %w", err)
	}
	archives, err := build(ctx, root, &chosen)
	if err != nil {
		return err
	}
	flags, err := featureFlags(root)
	if err != nil {
		return err
	}
	templates, err := stacks.Synthesize(of, flags, archives, version.Of(release, commit))
	if err != nil {
		return fmt.Errorf("making the templates: %w", err)
	}
	files := map[string][]byte{}
	m := deploy.Manifest{Version: cmp.Or(release, "devel"), Prefix: chosen.Prefix, Partition: of.ID}
	for _, name := range slices.Sorted(maps.Keys(templates)) {
		text, err := json.Marshal(templates[name]) // keys in order: equal templates are equal files
		if err != nil {
			return fmt.Errorf("writing template %s: %w", name, err)
		}
		file := name + ".template.json"
		files[file] = text
		m.Templates = append(m.Templates, deploy.File{Name: name, File: file, SHA256: deploy.Sum(text)})
	}
	for _, name := range slices.Sorted(maps.Keys(archives)) {
		data, err := os.ReadFile(archives[name])
		if err != nil {
			return fmt.Errorf("reading the archive of function %s: %w", name, err)
		}
		file := deploy.ArchiveFile(name, deploy.Sum(data))
		files[file] = data
		m.Archives = append(m.Archives, deploy.Archive{Name: name, File: file, SHA256: deploy.Sum(data)})
	}
	if files[deploy.ManifestFile], err = json.MarshalIndent(m, "", "  "); err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return replaceFiles(dir, files)
}

// replaceFiles removes the bundle of before, but nothing that is none.
func replaceFiles(dir string, files map[string][]byte) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return fmt.Errorf("making the bundle's folder: %w", err)
	}
	for _, pattern := range []string{"*.template.json", "*.zip", deploy.ManifestFile} {
		old, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("finding the bundle of before: %w", err)
		}
		for _, file := range old {
			if err := os.Remove(file); err != nil {
				return fmt.Errorf("removing the bundle of before: %w", err)
			}
		}
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return fmt.Errorf("writing the bundle: %w", err)
		}
	}
	return nil
}

// featureFlags are the CDK's, as cdk.json sets them. The settings there are an
// operator's, and no part of a bundle.
func featureFlags(root string) (map[string]any, error) {
	data, err := os.ReadFile(filepath.Join(root, "cdk.json")) //nolint:gosec // the repository's own
	if err != nil {
		return nil, fmt.Errorf("reading cdk.json: %w", err)
	}
	var file struct {
		Context map[string]any `json:"context"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("reading cdk.json: %w", err)
	}
	delete(file.Context, settings.Object)
	return file.Context, nil
}
