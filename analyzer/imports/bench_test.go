package imports

import (
	"context"
	"iter"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
)

// BenchmarkPrepare is an import of single packets, up to the store.
func BenchmarkPrepare(b *testing.B) {
	m := scenario.Mesh(b, "Asia/Shanghai", scenario.Sites(), nil)
	const rows = 100_000
	f := File{"f", func(context.Context) iter.Seq2[Found, error] {
		return func(yield func(Found, error) bool) {
			for i := range rows {
				if !yield(Found{Line: i + 1, Row: row(m, i*7919%86_400, 20_000+uint32(i%500))}, nil) {
					return
				}
			}
		}
	}}
	for b.Loop() {
		p, err := Prepare(b.Context(), []File{f}, options(m))
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
