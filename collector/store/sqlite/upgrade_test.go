package sqlite_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/collector/store/conformance"
	"github.com/fibergauge/fibergauge/collector/store/sqlite"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// oldStore makes a file with the statements of schema 1, and what a collector of
// that time put there: a window and its admission, signed and not.
func oldStore(t *testing.T) (path string, window wire.Window, entries []store.Entry) {
	t.Helper()
	statements, err := os.ReadFile(filepath.Join("testdata", "schema1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "store.db")
	exec1(t, path, string(statements))
	window = conformance.Windows(1, "a", "b", firstMS, 1)[0]
	db := raw(t, path)
	defer db.Close()
	exec(t, db, "INSERT INTO link VALUES (1, 'a', 'b', 'icmp-1s')")
	if _, err := db.Exec("INSERT INTO context VALUES (1,?,?,?,?,?,?,?,?,?,?,?)", window.SrcCluster, window.DstCluster, window.Carrier, window.Plane, window.Method,
		window.EndReason, window.Timestamps, window.Clock.State, window.Origin, window.MeshSHA256, window.ProbeVersion); err != nil {
		t.Fatal(err)
	}
	digest := window.Digest()
	if _, err := db.Exec(`INSERT INTO windows VALUES (1,?,?,?,1000,1,60000, ?,?,?,?,0,0,0,0, ?,?,?,?,?,?,?, ?,?,?,?,0, ?,?,NULL)`,
		window.StartMS, int64(window.Session), digest[:16], window.Scheduled, window.Sent, window.Received, window.Lost,
		window.RTTs, window.Stats.MinUS, window.Stats.MeanUS, window.Stats.P50US, window.Stats.P95US, window.Stats.P99US, window.Stats.MaxUS,
		window.IPDV.MeanUS, window.IPDV.MaxUS, window.ReplyTTL.Min, window.ReplyTTL.Max, window.Clock.MaxErrorUS, window.Clock.FrequencyPPB); err != nil {
		t.Fatal(err)
	}
	exec(t, db, `INSERT INTO journal VALUES (1, 1000, 'a', 'x', 'y', NULL, 1), (2, 2000, 'a', 'x', 'y', '{"algorithm":"ed25519","key_id":"z","value":"AAE="}', 1)`)
	exec(t, db, `INSERT INTO span VALUES (1, 1, 5, 6, 1), (2, 1, 5, 6, 1)`)
	spans := []store.Span{{Src: "a", Dst: "b", Test: "icmp-1s", FirstMS: 5, LastMS: 6, Windows: 1}}
	return path, window, []store.Entry{
		{Cursor: "1", At: time.UnixMilli(1000).UTC(), Site: "a", Batch: "x", MeshSHA256: "y", Windows: 1, Spans: spans},
		{Cursor: "2", At: time.UnixMilli(2000).UTC(), Site: "a", Batch: "x", MeshSHA256: "y", Windows: 1, Spans: spans,
			Signature: &wire.Signature{Algorithm: "ed25519", KeyID: "z", Value: []byte{0, 1}}},
	}
}

func wants(t *testing.T, s store.Reader, window wire.Window, entries []store.Entry) {
	t.Helper()
	var got []store.Entry
	for e, err := range s.Journal(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if diff := cmp.Diff(entries, got); diff != "" {
		t.Errorf("journal differs (-want +got):\n%s", diff)
	}
	n := 0
	for r, err := range s.Windows(t.Context(), store.Query{Src: "a", Dst: "b", Test: "icmp-1s", ToMS: firstMS + 1}) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; r.Window.Digest() != window.Digest() {
			t.Errorf("the window is now %s", r.Window.Canonical())
		}
	}
	if n != 1 {
		t.Errorf("%d windows, not 1", n)
	}
}

// TestUpgrade reads a file of schema 1 as it is, without a trace, and brings it
// up to date beside a reader that has it open.
func TestUpgrade(t *testing.T) {
	path, window, entries := oldStore(t)
	before := trace(t, path)
	r, err := sqlite.OpenReader(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	wants(t, r, window, entries)
	if keys, err := r.SigningKeys(t.Context()); err != nil || keys != nil {
		t.Errorf("signing keys %v, %v", keys, err)
	}
	if diff := cmp.Diff(before, trace(t, path)); diff != "" {
		t.Errorf("reading has changed the folder (-want +got):\n%s", diff)
	}

	s := open(t, path)
	defer s.Close()
	wants(t, s, window, entries)
	key := conformance.SigningKey("a", 1, time.UnixMilli(5).UTC())
	if err := s.PutSigningKey(t.Context(), key); err != nil {
		t.Fatal(err)
	}
	a := store.Admission{At: time.UnixMilli(3000), Site: "a", Batch: "new", Statement: []wire.Digest{{1}, {2}}, Windows: conformance.Windows(1, "a", "b", firstMS+minuteMS, 1)}
	if err := s.Put(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	entries = append(entries, store.Entry{
		Cursor: "3", At: a.At.UTC(), Site: "a", Batch: "new", Statement: a.Statement, Windows: 1, Spans: store.Spans(a.Windows),
	})
	wants(t, s, window, entries)
	wants(t, r, window, entries)
	var statements string // in how many bytes they stand
	if err := raw(t, path).QueryRow("SELECT group_concat(coalesce(length(statement), '-') ORDER BY seq) FROM journal").Scan(&statements); err != nil || statements != "-,-,64" {
		t.Errorf("statements of %s bytes, %v", statements, err)
	}
	again := open(t, path)
	defer again.Close()
	for name, s := range map[string]store.Reader{"store": s, "reader": r, "opened again": again} {
		if keys, err := s.SigningKeys(t.Context()); err != nil || cmp.Diff([]store.SigningKey{key}, keys) != "" {
			t.Errorf("%s: signing keys %v, %v", name, keys, err)
		}
		if err := s.Ready(t.Context()); err != nil {
			t.Errorf("%s: ready: %v", name, err)
		}
	}
}

// TestUpgradeIsNew compares what an upgrade makes with a new file.
func TestUpgradeIsNew(t *testing.T) {
	old, _, _ := oldStore(t)
	fresh := filepath.Join(t.TempDir(), "store.db")
	schemas := map[string]string{}
	for _, path := range []string{old, fresh} {
		if err := open(t, path).Close(); err != nil {
			t.Fatal(err)
		}
		var schema string
		if err := raw(t, path).QueryRow(`SELECT group_concat(sql, char(10)) || (SELECT user_version FROM pragma_user_version)
			FROM (SELECT sql FROM sqlite_schema ORDER BY name)`).Scan(&schema); err != nil {
			t.Fatal(err)
		}
		schemas[path] = schema
	}
	if diff := cmp.Diff(schemas[fresh], schemas[old]); diff != "" {
		t.Errorf("an upgraded file differs (-new +upgraded):\n%s", diff)
	}
}

// TestReadyTriesToWrite has reads pass and writes wait.
func TestReadyTriesToWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s := open(t, path)
	defer s.Close()
	lock := raw(t, path)
	exec(t, lock, "BEGIN IMMEDIATE")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := s.Reader.Ready(ctx); err != nil {
		t.Errorf("a reader is not ready: %v", err)
	}
	if err := s.Ready(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("ready while nobody can write: %v", err)
	}
	exec(t, lock, "ROLLBACK")
	if err := s.Ready(t.Context()); err != nil {
		t.Errorf("not ready afterwards: %v", err)
	}
}

// TestReadyOnFullDisk fills a small file system of its own.
func TestReadyOnFullDisk(t *testing.T) {
	c := start(t, "fill", t.TempDir(), false)
	if c.wants("", "open"); t.Failed() {
		return
	}
	c.wants("put 0", "put 0 <nil>")
	c.wants("ready", "ready <nil>")
	c.wants("fill", "filled")
	if got := c.say("ready"); !strings.Contains(got, " is full: ") || !strings.HasSuffix(got, "; make room") {
		t.Errorf("on a full disk: %s", got)
	}
	if got := c.say("put 1000"); !strings.Contains(got, "is full; make room") {
		t.Errorf("a put of much on a full disk: %s", got)
	}
	c.wants("empty", "emptied")
	c.wants("ready", "ready <nil>")
	c.wants("put 1", "put 1 <nil>")
	c.close()
}

// smallDisk mounts 24 MiB at a folder, for this process alone.
func smallDisk(folder string) error {
	return errors.Join(
		unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""),
		unix.Mount("tmpfs", folder, "tmpfs", 0, "size=24m"))
}

// fill takes all the room that is left in a folder.
func fill(folder string) error {
	file, err := os.Create(filepath.Join(folder, "filler"))
	if err != nil {
		return err
	}
	block := make([]byte, 4096)
	for err == nil {
		_, err = file.Write(block)
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, file.Close())
}
