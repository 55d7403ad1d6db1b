package verify_test

import (
	"cmp"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// BenchmarkVerify runs the program in the folder that FIBERGAUGE_BIN names over
// days (FIBERGAUGE_DAYS, 1 if absent) of the national mesh: 90 links, a window a
// minute, a signed batch a minute from each site.
func BenchmarkVerify(b *testing.B) {
	bin := os.Getenv("FIBERGAUGE_BIN")
	if bin == "" {
		b.Skip("SKIPPED: FIBERGAUGE_BIN does not name the folder of the program")
	}
	days, err := strconv.Atoi(cmp.Or(os.Getenv("FIBERGAUGE_DAYS"), "1"))
	if err != nil {
		b.Fatal(err)
	}
	meshFile := filepath.Join("..", "..", "mesh", "national.yaml")
	file := filepath.Join(b.TempDir(), "store.sqlite")
	windows := national(b, meshFile, file, days)
	for b.Loop() {
		cmd := exec.Command(filepath.Join(bin, "fibergauge-analyzer"), "verify", "--mesh", meshFile, "--store", "sqlite:"+file,
			"--from", "2026-06-01", "--to", time.Date(2026, 6, 1+days, 0, 0, 0, 0, time.UTC).Format(time.DateOnly))
		out, err := cmd.CombinedOutput()
		if err != nil {
			b.Fatalf("%v:\n%.2000s", err, out)
		}
		b.ReportMetric(cmd.ProcessState.UserTime().Seconds()+cmd.ProcessState.SystemTime().Seconds(), "cpu-s")
		b.ReportMetric(float64(cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss)/1024, "MiB-most")
	}
	b.ReportMetric(float64(windows*b.N)/b.Elapsed().Seconds(), "windows/s")
	b.ReportMetric(float64(windows), "windows")
}

// national makes a store of days of June 2026.
func national(b *testing.B, meshFile, file string, days int) (windows int) {
	b.Helper()
	m, err := mesh.Load(meshFile)
	if err != nil {
		b.Fatal(err)
	}
	s, err := sqlite.Open(b.Context(), file, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	begin := time.Date(2026, 6, 1, 0, 0, 0, 0, m.Location())
	if err := s.PutMesh(b.Context(), store.MeshVersion{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: begin}); err != nil {
		b.Fatal(err)
	}
	end := begin.AddDate(0, 0, days)
	bySite := map[string][]mesh.Link{}
	for _, l := range m.Links(&m.Measure[0], begin, end) {
		bySite[l.Src] = append(bySite[l.Src], l)
	}
	seeds := map[string]uint64{}
	for i := range m.Sites {
		seeds[m.Sites[i].ID] = uint64(i)
		if err := s.PutSigningKey(b.Context(), conformance.SigningKey(m.Sites[i].ID, uint64(i), begin)); err != nil {
			b.Fatal(err)
		}
	}
	rng := rand.New(rand.NewPCG(1, 0))
	for at := begin; at.Before(end); at = at.Add(time.Minute) {
		for i := range m.Sites {
			site := m.Sites[i].ID
			if len(bySite[site]) == 0 {
				continue
			}
			batch := wire.Batch{Schema: wire.SchemaBatch, Site: site}
			for _, l := range bySite[site] {
				w := conformance.Window(rng, wire.Key{Src: l.Src, Dst: l.Dst, Test: m.Measure[0].Name, Session: 1, StartMS: at.UnixMilli()})
				w.MeshSHA256 = m.SHA256()
				batch.Windows = append(batch.Windows, w)
			}
			batch.Sign(conformance.Signer(seeds[site]))
			if err := s.Put(b.Context(), store.Admission{
				At: at.Add(70 * time.Second), Site: site, Batch: batch.Digest().String(), MeshSHA256: m.SHA256(),
				Signature: batch.Signature, Statement: batch.Digests(), Windows: batch.Windows,
			}); err != nil {
				b.Fatal(err)
			}
			windows += len(batch.Windows)
		}
	}
	return windows
}
