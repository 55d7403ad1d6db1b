package serve

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/records"
	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/open"
)

// readersAtOnce ask without a pause, each as soon as the last answer is there.
const readersAtOnce = 200

// BenchmarkReaders asks over HTTP on loopback for a month of the national mesh
// (10 clusters, 45 pairs) while day records are being made beside, over and over.
// Readers and server share the machine. Whatever is answered but 200 and 304
// fails.
func BenchmarkReaders(b *testing.B) {
	spec := "sqlite:" + filepath.Join(b.TempDir(), "national.sqlite")
	generate := exec.Command("go", "run", "../../lab", "generate", "--mesh", "../../lab/year-mesh.yaml", "--wan", "../../lab/national-wan.yaml",
		"--from", "2025-06", "--to", "2025-06", "--store", spec)
	if out, err := generate.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	log := slog.New(slog.DiscardHandler)
	s, err := open.Reader(b.Context(), spec, log)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	days, err := records.Open(b.Context(), filepath.Join(b.TempDir(), "days.db"), s, log)
	if err != nil {
		b.Fatal(err)
	}
	defer days.Close()
	server := &Server{Policy: policy.Default(), Store: s, Days: days, GeneratedBy: "benchmark", Metrics: NewMetrics("benchmark"), Log: log}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- server.Run(ctx, listener, nil) }()
	url := "http://" + listener.Addr().String() + MonthsPath + "/2025-06/report.json"
	first, err := http.Get(url) // makes the report
	if err != nil {
		b.Fatal(err)
	}
	size, err := io.Copy(io.Discard, first.Body)
	if err != nil || first.StatusCode != 200 {
		b.Fatalf("%d, %v", first.StatusCode, err)
	}
	first.Body.Close()
	b.Logf("the report has %d bytes; %d cores", size, runtime.GOMAXPROCS(0))
	for _, c := range []struct {
		name   string
		header map[string]string
	}{
		{"plain", nil},
		{"gzip", map[string]string{"Accept-Encoding": "gzip"}},
		{"unchanged", map[string]string{"If-None-Match": first.Header.Get("ETag")}},
	} {
		b.Run(c.name, func(b *testing.B) {
			beside, leave := context.WithCancel(b.Context())
			var making sync.WaitGroup
			var made atomic.Int64
			making.Go(func() { makeDays(beside, b, s, &made) })
			readersAsk(b, url, c.header)
			leave()
			making.Wait()
			b.ReportMetric(float64(made.Load())/b.Elapsed().Seconds(), "days-made/s")
		})
	}
	stop()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}

// makeDays makes the records of one day of all links, and then again.
func makeDays(ctx context.Context, b *testing.B, s store.Reader, made *atomic.Int64) {
	for round := 0; ctx.Err() == nil; round++ {
		err := func() error {
			meshes, err := report.ReadMeshes(ctx, s, nil)
			if err != nil {
				return err
			}
			plan, err := meshes.Plan(policy.Default(), report.Span{Period: fmt.Sprintf("2025-06-%02d", 1+round%30)}.Parse)
			if err != nil {
				return err
			}
			cache, err := records.Open(ctx, filepath.Join(b.TempDir(), fmt.Sprint(round)), s, slog.New(slog.DiscardHandler))
			if err != nil {
				return err
			}
			defer cache.Close()
			session, err := cache.Begin(ctx)
			if err != nil {
				return err
			}
			return report.Prepare(ctx, plan, s, session)
		}()
		if err == nil {
			made.Add(1)
		} else if ctx.Err() == nil {
			b.Error(err)
			return
		}
	}
}

func readersAsk(b *testing.B, url string, header map[string]string) {
	transport := &http.Transport{MaxIdleConnsPerHost: readersAtOnce, DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: time.Minute}
	took := make([]time.Duration, b.N)
	statuses := make([]map[int]int, readersAtOnce)
	var next atomic.Int64
	var readers sync.WaitGroup
	b.ResetTimer()
	for r := range readersAtOnce {
		statuses[r] = map[int]int{}
		readers.Go(func() {
			buf := make([]byte, 64<<10)
			for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
				request, err := http.NewRequest("GET", url, nil)
				if err != nil {
					b.Error(err)
					return
				}
				for name, value := range header {
					request.Header.Set(name, value)
				}
				began := time.Now()
				response, err := client.Do(request)
				if err == nil {
					_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, response.Body, buf)
					response.Body.Close()
				}
				if err != nil {
					b.Error(err)
					return
				}
				took[i] = time.Since(began)
				statuses[r][response.StatusCode]++
			}
		})
	}
	readers.Wait()
	b.StopTimer()
	all := map[int]int{}
	for _, of := range statuses {
		for status, n := range of {
			all[status] += n
		}
	}
	for status := range maps.Keys(all) {
		if status != 200 && status != 304 {
			b.Errorf("statuses %v", all)
		}
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2].Seconds()*1000, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1000, "p99-ms")
}
