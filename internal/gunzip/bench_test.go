package gunzip_test

import (
	"bytes"
	stdlib "compress/gzip"
	"errors"
	"io"
	"testing"

	"github.com/klauspost/compress/gzip"

	"rootguard/internal/gunzip"
)

// BenchmarkGunzip reads the same file in three ways.
func BenchmarkGunzip(b *testing.B) {
	log := logOf(8<<20, 1)
	zipped := zip(b, log, stdlib.DefaultCompression)
	type reader interface {
		io.Reader
		Reset(src io.Reader) error
	}
	for _, way := range []struct {
		name string
		z    reader
	}{{"gunzip", new(gunzip.Reader)}, {"klauspost", new(gzip.Reader)}, {"stdlib", new(stdlib.Reader)}} {
		b.Run(way.name, func(b *testing.B) {
			p := make([]byte, 64<<10)
			b.SetBytes(int64(len(log)))
			for b.Loop() {
				err := way.z.Reset(bytes.NewReader(zipped))
				for err == nil {
					_, err = way.z.Read(p)
				}
				if !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}
