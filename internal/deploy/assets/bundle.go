//go:build bundle

package assets

import (
	"embed"
	"io/fs"
)

//go:embed files/*.json files/*.zip
var files embed.FS

// Files are the bundle's; ok is false where the binary carries none.
func Files() (bundle fs.FS, ok bool) {
	bundle, err := fs.Sub(files, "files")
	return bundle, err == nil
}
