package cloudtrail

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// BenchmarkReader reads a log whose records a filter all holds back, then one
// whose records all pass.
func BenchmarkReader(b *testing.B) {
	log := `{"Records":[` + strings.Repeat(rec("A")+","+session+",", 2000) + rec("A") + `]}`
	for name, pass := range map[string]bool{"held": false, "passed": true} {
		b.Run(name, func(b *testing.B) {
			r := NewReader(nil, func(Header) bool { return pass })
			b.SetBytes(int64(len(log)))
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(strings.NewReader(log))
				for {
					if _, err := r.Next(); errors.Is(err, io.EOF) {
						break
					}
				}
			}
			b.ReportMetric(float64(r.Stats().Records), "records")
		})
	}
}

func BenchmarkDecode(b *testing.B) {
	b.SetBytes(int64(len(session)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Decode([]byte(session)); err != nil {
			b.Fatal(err)
		}
	}
}
