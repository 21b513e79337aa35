// Command sbom writes which modules a Go binary is built from, as a CycloneDX document:
//
//	sbom BINARY DOCUMENT
//
// They are read from the binary itself, so the document cannot differ from it. Equal
// binaries make equal documents.
package main

import (
	"cmp"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom BINARY DOCUMENT")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(binary, document string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return fmt.Errorf("reading what %s is built from: %w", binary, err)
	}
	bom, err := describe(info, filepath.Base(binary))
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(bom, "", "  ")
	if err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	if err := os.WriteFile(document, append(text, '\n'), 0o600); err != nil { //nolint:gosec // the caller names the file
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// bom is a document of CycloneDX 1.6, as far as it is used here (CycloneDX
// Specification Overview, "Bill of Materials").
type bom struct {
	Format      string      `json:"bomFormat"`
	Spec        string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
	Dependences []depends   `json:"dependencies"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	PURL    string `json:"purl,omitempty"`
}

type depends struct {
	Ref string   `json:"ref"`
	On  []string `json:"dependsOn"`
}

func describe(info *buildinfo.BuildInfo, name string) (*bom, error) {
	if info.Main.Path == "" {
		return nil, errors.New("the binary names no module: it is not built with modules")
	}
	b := &bom{Format: "CycloneDX", Spec: "1.6", Version: 1, Components: []component{}}
	b.Metadata.Component = component{Type: "application", Ref: info.Main.Path, Name: name, Version: info.Main.Version}
	library := func(path, version string) component {
		purl := "pkg:golang/" + path + "@" + version // Package URL, type golang
		return component{Type: "library", Ref: purl, Name: path, Version: version, PURL: purl}
	}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, library(m.Path, m.Version))
	}
	b.Components = append(b.Components, library("std", info.GoVersion))
	slices.SortFunc(b.Components, func(x, y component) int { return cmp.Compare(x.Ref, y.Ref) })
	on := depends{Ref: info.Main.Path}
	for _, c := range b.Components {
		on.On = append(on.On, c.Ref)
	}
	b.Dependences = []depends{on}
	return b, nil
}
