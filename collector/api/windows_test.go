package api

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// TestSiteTakenOut: the windows that a site has measured are taken also after it
// was taken out of the mesh, since they name the version that had it.
func TestSiteTakenOut(t *testing.T) {
	b := serving(t)
	without := bytes.ReplaceAll(fakestore.MeshYAML("without"), []byte("a1"), []byte("a2"))
	m, err := mesh.Parse("mesh.yaml", without)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.versions.Serve(t.Context(), m); err != nil {
		t.Fatal(err)
	}
	if w := b.do("GET", assignmentPath, ""); w.Code != 404 {
		t.Errorf("assignment: %d %s", w.Code, w.Body)
	}
	w := b.do("POST", windowsPath, goodBatch(t), "Content-Type", "application/json")
	ack, err := wire.DecodeAck(w.Body.Bytes())
	if err != nil || ack.Stored == 0 || ack.Refused != nil || ack.MeshSHA256 != m.SHA256() {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if got := len(b.store.Keys()); got != ack.Stored {
		t.Errorf("%d windows were stored, %d acknowledged", got, ack.Stored)
	}
}

func TestWindowsAreTaken(t *testing.T) {
	good := goodBatch(t)
	for _, c := range []struct {
		name, body string
		header     []string
	}{
		{"plain", good, nil},
		{"identity", good, []string{"Content-Encoding", "identity"}},
		{"gzip", zip(t, good), []string{"Content-Encoding", "gzip"}},
		{"GZIP", zip(t, good), []string{"Content-Encoding", "GZIP"}},
		{"zstd", zst(t, good), []string{"Content-Encoding", "zstd"}},
		{"largest", good + strings.Repeat(" ", wire.MaxBatchBytes-len(good)), nil},
		{"largest in zstd", zst(t, good+strings.Repeat(" ", wire.MaxBatchBytes-len(good))), []string{"Content-Encoding", "zstd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := serving(t)
			w := b.post(c.body, c.header...)
			if w.Code != http.StatusOK {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			ack, err := wire.DecodeAck(w.Body.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			batch, err := wire.DecodeBatch([]byte(good))
			if err != nil {
				t.Fatal(err)
			}
			want := &wire.Ack{Schema: wire.SchemaAck, Batch: batch.Digest().String(), Stored: 1, MeshSHA256: fakestore.Mesh("now").SHA256()}
			if diff := cmp.Diff(want, ack); diff != "" {
				t.Errorf("ack (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff([]wire.Key{batch.Windows[0].Key}, b.store.Keys()); diff != "" {
				t.Errorf("stored (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedWindowIsLoud(t *testing.T) {
	b := serving(t)
	bad := fakestore.Window(fakestore.Mesh("now"), 0)
	bad.Dst = strings.Repeat("x", 10_000)
	var windows []wire.Window
	for range 100 {
		windows = append(windows, bad)
	}
	for range 2 {
		w := b.post(encode(t, fakestore.Batch(windows...)))
		ack, err := wire.DecodeAck(w.Body.Bytes())
		if err != nil || len(ack.Refused) != 100 || ack.Stored != 0 {
			t.Fatalf("%d %+v, %v", w.Code, ack, err)
		}
		b.now = b.now.Add(time.Minute)
	}
	log := b.log.String()
	if got := strings.Count(log, "level=ERROR msg=\"window refused for ever\" site=a1"); got != 40 {
		t.Errorf("%d lines in the log, want 20 of each flood", got)
	}
	if !strings.Contains(log, "lines_left_out=80") {
		t.Error("the log does not say how many lines it leaves out")
	}
	if len(log) > 50_000 {
		t.Errorf("the log is %d bytes long: a sender can fill the disk", len(log))
	}
}

func TestStoreTooSlow(t *testing.T) {
	limits := DefaultLimits()
	limits.StoreTimeout = 20 * time.Millisecond
	b := newBench(t, limits)
	if err := b.versions.Serve(t.Context(), fakestore.Mesh("now")); err != nil {
		t.Fatal(err)
	}
	b.store.Block = make(chan struct{})
	expectProblem(t, b.post(goodBatch(t)), 503, wire.CodeStoreUnavailable, "the store did not confirm; nothing is acknowledged, send the same batch again later")
}

// FuzzWindows: whatever arrives, the answer is an acknowledgement that counts
// every window once and agrees with the store, or a Problem on one line.
func FuzzWindows(f *testing.F) {
	good := goodBatch(f)
	m := fakestore.Mesh("now")
	other := fakestore.Window(m, 1)
	other.Test = "slow"
	f.Add([]byte(good), uint8(0))
	f.Add([]byte(zip(f, good)), uint8(1))
	f.Add([]byte(zst(f, good)), uint8(2))
	f.Add([]byte(encode(f, fakestore.Batch(fakestore.Window(m, 0), other))), uint8(0))
	f.Add([]byte(`{"schema":"fibergauge.batch/1","site":"a1","windows":[{},null]}`), uint8(0))
	f.Add([]byte(`{"schema":"fibergauge.batch/1","site":"a1","windows":[{"session":18446744073709551615}]}`), uint8(0))
	f.Add([]byte(`[[[[[[[[`), uint8(0))
	f.Fuzz(func(t *testing.T, body []byte, encoding uint8) {
		b := serving(t)
		w := b.post(string(body), "Content-Encoding", []string{"identity", "gzip", "zstd"}[encoding%3])
		if w.Code != http.StatusOK {
			var p wire.Problem
			if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil || p.Schema != wire.SchemaError || p.Code == "" || p.Message == "" || strings.Contains(p.Message, "\n") {
				t.Errorf("%d %s: no Problem on one line", w.Code, w.Body)
			}
			if w.Code >= 500 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if keys := b.store.Keys(); len(keys) > 0 {
				t.Errorf("%d, but stored %v", w.Code, keys)
			}
			return
		}
		ack, err := wire.DecodeAck(w.Body.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		plain, err := unpacker([]string{"identity", "gzip", "zstd"}[encoding%3])(body)
		if err != nil {
			t.Fatal(err)
		}
		batch, err := wire.DecodeBatch(plain)
		if err != nil {
			t.Fatal(err)
		}
		if ack.Stored != len(b.store.Keys()) || ack.Stored+len(ack.Refused) != len(batch.Windows) || ack.Batch != batch.Digest().String() {
			t.Errorf("ack %+v for %d windows, %d in the store", ack, len(batch.Windows), len(b.store.Keys()))
		}
	})
}
