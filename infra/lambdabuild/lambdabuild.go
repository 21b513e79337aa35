// Package lambdabuild is the one step that turns a folder below lambdas into
// what AWS Lambda runs: a static Linux binary named bootstrap, alone in a zip.
package lambdabuild

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ARM64 is the GOARCH of the deployed functions. A test that runs the binary
// builds for its own machine instead.
const ARM64 = "arm64"

// Dir is where Build puts its results, below the module's root.
const Dir = ".build/lambda"

// Built is one function, ready to be deployed.
type Built struct {
	Name   string
	Binary string // path of the executable "bootstrap"
	Zip    string // path of the archive that holds it
}

// epoch is the time in the archive: a zip knows none before 1980. With a fixed
// one, equal code makes an equal archive, and a deployment changes nothing.
var epoch = time.Date(1980, time.January, 1, 0, 0, 0, 0, time.UTC)

// Build compiles lambdas/NAME of the module at root as Compile does, and packs it.
func Build(ctx context.Context, root, name, goarch string) (Built, error) {
	binary, err := Compile(ctx, root, name, goarch)
	if err != nil {
		return Built{}, err
	}
	b := Built{Name: name, Binary: binary, Zip: filepath.Join(filepath.Dir(binary), name+".zip")}
	if err := pack(b.Binary, b.Zip); err != nil {
		return Built{}, fmt.Errorf("building function %s: packing it: %w", name, err)
	}
	return b, nil
}

// Compile compiles lambdas/NAME of the module at root for Linux and goarch, into
// Dir/GOARCH/NAME, and returns the path of the binary. It has no RPC server
// (lambda.norpc), no symbols and no trace of the machine or the commit it was built
// from.
func Compile(ctx context.Context, root, name, goarch string) (string, error) {
	source := filepath.Join(root, "lambdas", name)
	if _, err := os.Stat(source); err != nil {
		return "", fmt.Errorf("building function %s: finding its code: %w", name, err)
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", fmt.Errorf("building function %s: Go is needed to compile it (https://go.dev/dl): %w", name, err)
	}
	dir := filepath.Join(root, filepath.FromSlash(Dir), goarch, name)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return "", fmt.Errorf("building function %s: making its folder: %w", name, err)
	}
	binary := filepath.Join(dir, "bootstrap")
	//nolint:gosec // the name is one of the folders below lambdas
	cmd := exec.CommandContext(ctx, goTool, "build", "-tags", "lambda.norpc", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid=",
		"-o", binary, "./lambdas/"+name)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH="+goarch, "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building function %s: go build: %w\n%s", name, err, strings.TrimSpace(string(out)))
	}
	return binary, nil
}

// pack writes a zip that depends on the binary's bytes alone.
func pack(binary, archive string) error {
	data, err := os.ReadFile(binary) //nolint:gosec // a path made here
	if err != nil {
		return fmt.Errorf("reading the binary: %w", err)
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestCompression) })
	header := &zip.FileHeader{Name: filepath.Base(binary), Method: zip.Deflate, Modified: epoch}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err != nil {
		return fmt.Errorf("starting the archive: %w", err)
	}
	if _, err := w.Write(data); err != nil {
		return fmt.Errorf("compressing: %w", err)
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("ending the archive: %w", err)
	}
	old, err := os.ReadFile(archive) //nolint:gosec // a path made here
	switch {
	case err == nil && bytes.Equal(old, buf.Bytes()):
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("reading the archive of before: %w", err)
	}
	if err := os.WriteFile(archive, buf.Bytes(), 0o600); err != nil {
		return fmt.Errorf("writing the archive: %w", err)
	}
	return nil
}
