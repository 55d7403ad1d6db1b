package report_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/mesh"
)

// BenchmarkMonth runs the program in the folder that FIBERGAUGE_BIN names over
// the store of FIBERGAUGE_MONTH_STORE and the mesh of FIBERGAUGE_MONTH_MESH,
// which scripts/bench-month makes, and only reads the same windows beside it,
// in as many goroutines over as many connections.
func BenchmarkMonth(b *testing.B) {
	bin, spec, meshFile := os.Getenv("FIBERGAUGE_BIN"), os.Getenv("FIBERGAUGE_MONTH_STORE"), os.Getenv("FIBERGAUGE_MONTH_MESH")
	if bin == "" || spec == "" || meshFile == "" {
		b.Skip("SKIPPED: FIBERGAUGE_BIN, FIBERGAUGE_MONTH_STORE and FIBERGAUGE_MONTH_MESH do not name program, store and mesh; scripts/bench-month does")
	}
	m, err := mesh.Load(meshFile)
	if err != nil {
		b.Fatal(err)
	}
	s, err := open.Reader(b.Context(), spec, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	defer debug.SetGCPercent(debug.SetGCPercent(200)) // as the program has it
	begin := time.Date(2025, 6, 1, 0, 0, 0, 0, m.Location())
	for _, days := range []int{1, 3, 9, 30} {
		end := begin.AddDate(0, 0, days)
		judge := func(b *testing.B, cache string) (took time.Duration) {
			out := filepath.Join(b.TempDir(), "report.json")
			cmd := exec.Command(filepath.Join(bin, "fibergauge-analyzer"), "report", "--mesh", meshFile, "--store", spec,
				"--from", begin.Format(time.DateOnly), "--to", end.Format(time.DateOnly),
				"--cache", cache, "--format", "json", "--out", out)
			started := time.Now()
			if out, err := cmd.CombinedOutput(); err != nil {
				b.Fatalf("%v:\n%.2000s", err, out)
			}
			took = time.Since(started)
			data, err := os.ReadFile(out)
			if err != nil {
				b.Fatal(err)
			}
			var r api.Report
			if err := json.Unmarshal(data, &r); err != nil {
				b.Fatal(err)
			}
			// Of another mesh than the one of the store nothing would be judged,
			// and quickly.
			if r.Data.Windows == 0 || r.Links[0].MeasuredRTTMS == nil {
				b.Fatalf("nothing was judged of %d windows", r.Data.Windows)
			}
			b.ReportMetric(cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds(), "cpu-s")
			b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB-most")
			return took
		}
		var windows int64
		var reading, judging time.Duration
		b.Run(fmt.Sprintf("days=%d/reading", days), func(b *testing.B) {
			for b.Loop() {
				started := time.Now()
				if windows, err = drain(b.Context(), s, m, begin, end); err != nil {
					b.Fatal(err)
				}
				reading = time.Since(started)
			}
			b.ReportMetric(float64(windows), "windows")
			b.ReportMetric(float64(windows)/reading.Seconds(), "windows/s")
		})
		b.Run(fmt.Sprintf("days=%d/judging", days), func(b *testing.B) {
			for b.Loop() {
				judging = judge(b, "none")
			}
			b.ReportMetric(float64(windows)/judging.Seconds(), "windows/s")
			b.ReportMetric(judging.Seconds()/reading.Seconds(), "×reading")
		})
		b.Run(fmt.Sprintf("days=%d/from-day-records", days), func(b *testing.B) {
			cache := b.TempDir()
			judge(b, cache)
			for b.Loop() {
				judge(b, cache)
			}
		})
	}
}

// drain reads the windows of the judged test and does nothing with them.
func drain(ctx context.Context, s store.Reader, m *mesh.Mesh, begin, end time.Time) (windows int64, err error) {
	var sum atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, l := range m.Links(m.Test(m.Judged), begin, end) {
		group.Go(func() error {
			n := int64(0)
			for _, err := range s.Windows(ctx, store.Query{
				Src: l.Src, Dst: l.Dst, Test: m.Judged, FromMS: begin.UnixMilli(), ToMS: end.UnixMilli(),
			}) {
				if err != nil {
					return err
				}
				n++
			}
			sum.Add(n)
			return nil
		})
	}
	err = group.Wait()
	return sum.Load(), err
}
