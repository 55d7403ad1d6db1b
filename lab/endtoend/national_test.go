package endtoend

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/influx/influxtest"
	"github.com/fibergauge/fibergauge/collector/store/open"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestNationalMesh is the demonstration, and then the proof that the store
// does not matter: the windows of the run, sent through the collector into
// every kind of store, give the same report to the byte.
func TestNationalMesh(t *testing.T) {
	r := runLab(t,
		string(read(t, repository+"/mesh/national.yaml")),
		string(read(t, repository+"/lab/national-wan.yaml")), 30*time.Second)

	if got := r.report.Rate.Total; got != 45 {
		t.Errorf("the rate is over %d pairs, want 45", got)
	}
	// 33 pairs of the demonstration's wan.yaml have a stretch of at most 1.5.
	if got := r.report.Rate.Compliant; got != 33 {
		t.Errorf("%d pairs comply, want 33", got)
	}
	if compared := r.holdMedians(t); compared != 90 {
		t.Errorf("%d medians compared, want 90", compared)
	}
	if o := r.report.Data.Origins; o.Emulated != r.report.Data.Windows || o.Emulated == 0 {
		t.Errorf("of %d windows %d are marked as emulated; want all", r.report.Data.Windows, o.Emulated)
	}
	for _, p := range r.report.Pairs {
		if !p.Provisional || !p.Estimated {
			t.Errorf("%v: an estimated distance is not marked", p.Pair)
		}
	}

	batches := batchesOf(t, r)
	t.Run("sqlite", func(t *testing.T) {
		r.replay(t, batches, "sqlite:"+filepath.Join(t.TempDir(), "replay.sqlite"))
	})
	for _, version := range influxtest.Series() {
		t.Run("influxdb "+version, func(t *testing.T) {
			server := influxtest.Start(t, version)
			r.replay(t, batches, "influx:"+server.NewBucket(t))
		})
	}
}

// batchesOf reads the windows of a run out of its store, as their probes sent
// them.
func batchesOf(t *testing.T, r *run) []wire.Batch {
	t.Helper()
	var batches []wire.Batch
	bySite := map[string]int{}
	for _, record := range records(t, r) {
		w := record.Window
		i, ok := bySite[w.Src]
		if !ok {
			i = len(batches)
			bySite[w.Src] = i
			batches = append(batches, wire.Batch{Schema: wire.SchemaBatch, Site: w.Src})
		}
		batches[i].Windows = append(batches[i].Windows, w)
	}
	return batches
}

// records reads everything that a run stored.
func records(t *testing.T, r *run) []store.Record {
	t.Helper()
	m, err := mesh.Load(filepath.Join(r.dir, "mesh.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := open.Reader(t.Context(), "sqlite:"+filepath.Join(r.dir, "store.sqlite"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var all []store.Record
	for i := range m.Measure {
		for _, l := range m.Links(&m.Measure[i], time.Unix(0, 0), time.Now()) {
			query := store.Query{Src: l.Src, Dst: l.Dst, Test: m.Measure[i].Name, FromMS: 0, ToMS: time.Now().UnixMilli()}
			for record, err := range s.Windows(t.Context(), query) {
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, record)
			}
		}
	}
	return all
}

// replay sends batches through a collector into a store, twice, and compares
// the report made from there with the run's own.
func (r *run) replay(t *testing.T, batches []wire.Batch, store string) {
	t.Helper()
	client, stop := r.collector(t, store)
	for range 2 { // a batch that is sent again changes nothing
		for _, batch := range batches {
			post(t, client, batch)
		}
	}
	stop()
	cmd := exec.CommandContext(t.Context(), filepath.Join(r.bin, "fibergauge-analyzer"), "report", "--mesh", filepath.Join(r.dir, "mesh.yaml"),
		"--store", store, "--from", r.emulated.From, "--to", r.emulated.To, "--format", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	got, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, stderr.String())
	}
	if !bytes.Equal(got, r.json) {
		t.Errorf("another report than that of the run (-run +replay):\n%s", cmp.Diff(string(r.json), string(got)))
	}
}

// collector starts a collector on a Unix socket and gives a client to it, and
// what stops it.
func (r *run) collector(t *testing.T, store string) (*http.Client, func()) {
	t.Helper()
	// Not in the test's folder, whose path may be longer than a socket's may.
	dir, err := os.MkdirTemp("", "fibergauge")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "collector.sock")
	cmd := exec.Command(filepath.Join(r.bin, "fibergauge-collector"), "serve", "--mesh", filepath.Join(r.dir, "mesh.yaml"), "--store", store, "--listen", "unix:"+socket)
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stopped := false
	stop := func() {
		if stopped {
			return
		}
		stopped = true
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the collector ended with %v\n%s", err, log.String())
		}
	}
	t.Cleanup(stop)
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	t.Cleanup(client.CloseIdleConnections)
	for range 300 {
		if response, err := client.Get("http://collector/readyz"); err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				return client, stop
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the collector does not become ready")
	return nil, nil
}

func post(t *testing.T, client *http.Client, batch wire.Batch) {
	t.Helper()
	body, err := json.Marshal(batch)
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Post(fmt.Sprintf("http://collector/v1/sites/%s/windows", batch.Site), "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := wire.DecodeAck(answer)
	if err != nil || ack.Stored != len(batch.Windows) {
		t.Fatalf("%d windows of %s answered with %s: %s", len(batch.Windows), batch.Site, response.Status, answer)
	}
}
