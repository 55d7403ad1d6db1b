package generate

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// grains are meshes of the same sites: a window of 60 packets a minute, and one
// of 120 a quarter of an hour.
var grains = map[string]string{"minutes": "../../mesh/national.yaml", "quarters": "../year-mesh.yaml"}

// national is a plan of one test of the national mesh over June 2025.
func national(b *testing.B, file string, days int) Plan {
	b.Helper()
	m, err := mesh.Load(file)
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
	for name, file := range grains {
		b.Run(name, func(b *testing.B) {
			g := newGenerator(national(b, file, 1))
			windows, packets := 0, 0
			for b.Loop() {
				for _, a := range g.admissions(&g.sites[0], g.sites[0].parts[0], g.From, g.To) {
					for i := range a.Windows {
						windows++
						packets += int(a.Windows[i].Sent)
					}
				}
			}
			report(b, float64(windows), float64(packets))
		})
	}
}

// BenchmarkGenerate generates days of the national mesh into SQLite.
func BenchmarkGenerate(b *testing.B) {
	for name, file := range grains {
		b.Run(name, func(b *testing.B) {
			days := 1
			if name == "quarters" {
				days = 15
			}
			p := national(b, file, days)
			var all Progress
			for b.Loop() {
				p.Store = "sqlite:" + filepath.Join(b.TempDir(), "store.sqlite")
				done, err := Run(b.Context(), p, slog.New(slog.DiscardHandler), nil)
				if err != nil {
					b.Fatal(err)
				}
				all.Windows += done.Windows
				all.Packets += done.Packets
			}
			report(b, float64(all.Windows), float64(all.Packets))
		})
	}
}

func report(b *testing.B, windows, packets float64) {
	b.Helper()
	b.ReportMetric(windows/b.Elapsed().Seconds(), "windows/s")
	b.ReportMetric(packets/b.Elapsed().Seconds(), "packets/s")
}
