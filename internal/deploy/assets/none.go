//go:build !bundle

package assets

import "io/fs"

// Files are the bundle's; ok is false where the binary carries none.
func Files() (bundle fs.FS, ok bool) { return nil, false }
