// Package assets has the bundle that a release carries. Only a binary built with the
// tag bundle, after `make bundle BUNDLE=internal/deploy/assets/files`, has one: any
// other would need 14 MB of files that every build makes again.
package assets
