// Package detect holds the rules: one record in, one verdict out.
package detect
