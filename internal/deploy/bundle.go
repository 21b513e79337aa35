package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
)

// ManifestFile describes a bundle, in the bundle's folder.
const ManifestFile = "manifest.json"

// The names of a bundle's templates.
const (
	TemplateGuard   = "guard"
	TemplateSecond  = "second"  // the forwarder of the Region with the second way out
	TemplateForward = "forward" // that of any other Region
)

// The parameters of the templates that a deployment sets. The rest of what the CDK
// app knows as settings has no parameter.
const (
	ParamEmail       = "AlertEmail"
	ParamEscalation  = "EscalationEmail"
	ParamGrace       = "Grace"
	ParamReminders   = "Reminders"
	ParamQuietDays   = "QuietDays"
	ParamCreateTrail = "CreateTrail"
	ParamTrails      = "ExistingTrails"
	ParamTable       = "ExistingTable"
	ParamEncrypt     = "Encrypt"
	ParamMetrics     = "Metrics"
	ParamRegions     = "ForwardedRegions"
	ParamBucket      = "AssetBucket"
	ParamBucketPath  = "AssetPrefix"
	// ParamProtect is true once the stack is there: no stack with a protected table
	// can be rolled back.
	ParamProtect = "ProtectTable"
)

// Manifest describes the files of a bundle.
type Manifest struct {
	// Version is the release's, "devel" for a build of a checkout.
	Version   string    `json:"version"`
	Prefix    string    `json:"prefix"`    // of the stacks' names
	Partition string    `json:"partition"` // ID of the partition that the templates are for
	Templates []File    `json:"templates"`
	Archives  []Archive `json:"archives"`
}

// File is one of the bundle's files.
type File struct {
	Name   string `json:"name"`
	File   string `json:"file"`
	SHA256 string `json:"sha256"` // hexadecimal
}

// Archive is the code of a function.
type Archive = File

// Bundle are the templates and archives that a deployment needs besides AWS.
type Bundle struct {
	Manifest

	files fs.FS
}

// ErrNoBundle says that there is no bundle in a folder.
var ErrNoBundle = errors.New("there are no templates and function archives")

// ReadBundle reads a bundle's manifest, and checks that every file is what the
// manifest says.
func ReadBundle(files fs.FS) (*Bundle, error) {
	text, err := fs.ReadFile(files, ManifestFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing", ErrNoBundle, ManifestFile)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the manifest: %w", err)
	}
	b := &Bundle{files: files}
	if err := json.Unmarshal(text, &b.Manifest); err != nil {
		return nil, fmt.Errorf("reading %s: %w", ManifestFile, err)
	}
	for _, f := range slices.Concat(b.Templates, b.Archives) {
		if _, err := b.read(f); err != nil {
			return nil, err
		}
	}
	for _, name := range []string{TemplateGuard, TemplateSecond, TemplateForward} {
		if _, err := b.Template(name); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// Template returns the text of a template.
func (b *Bundle) Template(name string) ([]byte, error) {
	i := slices.IndexFunc(b.Templates, func(f File) bool { return f.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("reading the bundle: it has no template %q", name)
	}
	return b.read(b.Templates[i])
}

// Archive returns the zip of a function.
func (b *Bundle) Archive(a Archive) ([]byte, error) { return b.read(a) }

func (b *Bundle) read(f File) ([]byte, error) {
	if !fs.ValidPath(f.File) || path.Dir(f.File) != "." {
		return nil, fmt.Errorf("reading the bundle: %q is no name of a file in it", f.File)
	}
	data, err := fs.ReadFile(b.files, f.File)
	if err != nil {
		return nil, fmt.Errorf("reading the bundle: %w", err)
	}
	if got := Sum(data); got != f.SHA256 {
		return nil, fmt.Errorf("reading the bundle: %s is not the file that %s names: its SHA-256 is %s, not %s; download the release again",
			f.File, ManifestFile, got, f.SHA256)
	}
	return data, nil
}

// Sum is the SHA-256 of a file, hexadecimal.
func Sum(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// ArchiveFile is the name of a function's archive, in the bundle and in the bucket:
// other code has another name, so that CloudFormation sees the change.
func ArchiveFile(function, sum string) string { return function + "-" + sum[:32] + ".zip" }
