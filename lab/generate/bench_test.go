package generate

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// national is a plan of one test of the national mesh over June 2025.
func national(b *testing.B, days int) Plan {
	b.Helper()
	m, err := mesh.Load(filepath.Join("..", "..", "mesh", "national.yaml"))
	if err != nil {
		b.Fatal(err)
	}
	w, err := wan.Load(filepath.Join("..", "national-wan.yaml"), m)
	if err != nil {
		b.Fatal(err)
	}
	from := startOfDay(2025, time.June, 1, m.Location())
	return Plan{Mesh: m, WAN: w, From: from, To: from.AddDate(0, 0, days), Tests: []string{"stamp"}}
}

// BenchmarkPackets makes the windows of a day of one site, and stores nothing.
func BenchmarkPackets(b *testing.B) {
	g := newGenerator(national(b, 1))
	windows, packets := 0, 0
	for b.Loop() {
		for _, a := range g.admissions(&g.sites[0], g.sites[0].parts[0], g.From, g.To) {
			for i := range a.Windows {
				windows++
				packets += int(a.Windows[i].Sent)
			}
		}
	}
	b.ReportMetric(float64(packets)/b.Elapsed().Seconds(), "packets/s")
	b.ReportMetric(float64(windows)/b.Elapsed().Seconds(), "windows/s")
}

// BenchmarkGenerate generates a day of the national mesh into SQLite.
func BenchmarkGenerate(b *testing.B) {
	p := national(b, 1)
	windows := int64(0)
	for b.Loop() {
		p.Store = "sqlite:" + filepath.Join(b.TempDir(), "store.sqlite")
		done, err := Run(b.Context(), p, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn})), nil)
		if err != nil {
			b.Fatal(err)
		}
		windows += done.Windows
	}
	b.ReportMetric(float64(windows)/b.Elapsed().Seconds(), "windows/s")
}
