package spool

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// flips is how many bytes of a file are flipped, one at a time.
const flips = 2000

// held is a spool file with windows that wait and one that is set aside, as
// bytes, after some have come and gone, so that it has free pages.
func held(t testing.TB, wait int) []byte {
	t.Helper()
	s, _ := open(t, t.TempDir(), roomy)
	for n := -60; n < 0; n += 10 {
		put(t, s, windows(n, n+10))
	}
	for range 6 {
		var gone []uint64
		for _, e := range oldest(t, s, 10) {
			gone = append(gone, e.Sequence)
		}
		if err := s.Settle(gone, nil); err != nil {
			t.Fatal(err)
		}
	}
	put(t, s, windows(0, wait+1))
	refused := map[uint64]Refused{oldest(t, s, 1)[0].Sequence: {Code: wire.CodeUnknownMesh, Message: "never served"}}
	if err := s.Settle(nil, refused); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Raise(time.Now()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(s.Path())
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestFlippedBytes flips one byte of a spool file, each time another. Every
// window comes back as it was put, or is set aside as damaged, or the log says
// that the file is; none is changed, and nothing panics. The spool then works on
// without harm to what is in it.
func TestFlippedBytes(t *testing.T) {
	if raceEnabled {
		t.Skip("SKIPPED under -race: checkptr ends the process at bbolt's reads of a damaged page; run it without -race")
	}
	const wait = 20
	whole := held(t, wait)
	draw := rand.New(rand.NewPCG(4, 4))
	top := t.TempDir()
	lost, said := 0, 0
	for i := range flips {
		data := bytes.Clone(whole)
		at, bits := draw.IntN(len(data)), byte(1+draw.IntN(255))
		if i < 3*4096 && i%4 == 0 {
			at = i / 4 * 41 % len(data) // these all over the file
		}
		data[at] ^= bits
		dir := filepath.Join(top, "s")
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s, err := Open(dir, roomy, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatalf("byte %d ^ %#x: %v", at, bits, err)
		}
		put(t, s, windows(1000, 1010))
		put(t, s, windows(1010, 1020))
		seen := map[int]bool{}
		for _, e := range oldest(t, s, 1000) {
			n := int(e.Window.StartMS-window(0).StartMS) / 60_000
			if diff := cmp.Diff(window(n), e.Window); diff != "" {
				t.Fatalf("byte %d ^ %#x: a window came out changed (-want +got)\n%s", at, bits, diff)
			}
			seen[n] = true
		}
		aside, err := s.Aside()
		if err != nil {
			t.Fatalf("byte %d ^ %#x: %v", at, bits, err)
		}
		for _, r := range aside {
			if r.Window == nil {
				continue
			}
			w, err := wire.DecodeWindow(r.Window)
			if err != nil {
				t.Fatalf("byte %d ^ %#x: set aside: %v", at, bits, err)
			}
			n := int(w.StartMS-window(0).StartMS) / 60_000
			if diff := cmp.Diff(window(n), *w); diff != "" {
				t.Fatalf("byte %d ^ %#x: a window that is set aside is changed (-want +got)\n%s", at, bits, diff)
			}
			seen[n] = true
		}
		for n := range wait + 1 {
			if seen[n] {
				continue
			}
			lost++
			if log.Len() == 0 {
				t.Fatalf("byte %d ^ %#x: window %d is missing and nothing was said", at, bits, n)
			}
		}
		for n := 1000; n < 1020; n++ {
			if !seen[n] {
				t.Fatalf("byte %d ^ %#x: window %d, put afterwards, is missing; log: %s", at, bits, n, log.String())
			}
		}
		if log.Len() > 0 {
			said++
		}
		if err := s.Close(); err != nil {
			t.Fatalf("byte %d ^ %#x: close: %v", at, bits, err)
		}
	}
	t.Logf("%d bytes of %d flipped: said %d times, %d windows of %d not given back", flips, len(whole), said, lost, flips*(wait+1))
	if said == 0 || lost > flips {
		t.Errorf("said %d times, %d windows not given back: more than one for a byte", said, lost)
	}
}

// TestTornFile cuts a spool file off anywhere, as a disk does that did not write
// the last of it: whatever is whole is taken over.
func TestTornFile(t *testing.T) {
	whole := held(t, 20)
	for length := len(whole) - 4096; length > 0; length -= 4096 + 512 {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, fileName), whole[:length], 0o600); err != nil {
			t.Fatal(err)
		}
		s, log := open(t, dir, roomy)
		got := oldest(t, s, 1000)
		for _, e := range got {
			n := int(e.Window.StartMS-window(0).StartMS) / 60_000
			if diff := cmp.Diff(window(n), e.Window); diff != "" {
				t.Fatalf("%d bytes: a window came out changed (-want +got)\n%s", length, diff)
			}
		}
		if len(got) < 20 && log.Len() == 0 {
			t.Errorf("%d bytes: %d windows, and nothing was said", length, len(got))
		}
		s.Close()
	}
}

// rewrite changes a closed spool file with bbolt alone.
func rewrite(t *testing.T, path string, change func(tx *bolt.Tx) error) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(db.Update(change), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestOlderVersion: a file of version 1, which has no checksums of its counts
// and of what was set aside, is read, and is of this version from then on.
func TestOlderVersion(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), held(t, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, fileName)
	rewrite(t, path, func(tx *bolt.Tx) error {
		state, aside := tx.Bucket(bucketState()), tx.Bucket(bucketRefused())
		counts, _ := unsealed(state.Get(keyCounts()))
		k, v := aside.Cursor().First()
		refused, _ := unsealed(v)
		return errors.Join(state.Delete(keyVersion()), state.Put(keyCounts(), bytes.Clone(counts)), aside.Put(k, bytes.Clone(refused)))
	})
	s, log := open(t, dir, roomy)
	want := Counts{Windows: 5, Refused: 1, RefusedEver: 1, DeliveredEver: 60, Bytes: s.Counts().Bytes}
	if diff := cmp.Diff(want, s.Counts()); diff != "" || log.Len() > 0 {
		t.Errorf("counts (-want +got)\n%s\nlog: %s", diff, log)
	}
	if n, err := s.Retry(func(Refused) bool { return true }); n != 1 || err != nil {
		t.Errorf("%d put back, %v", n, err)
	}
	s.Close()
	rewrite(t, path, func(tx *bolt.Tx) error {
		if got, _ := unsealed(tx.Bucket(bucketState()).Get(keyVersion())); string(got) != version {
			t.Errorf("version %q, want %q", got, version)
		}
		return nil
	})
}

// TestNewerVersion: a file of a version to come is refused and left as it is.
func TestNewerVersion(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path, held(t, 5), 0o600); err != nil {
		t.Fatal(err)
	}
	rewrite(t, path, func(tx *bolt.Tx) error { return tx.Bucket(bucketState()).Put(keyVersion(), sealed([]byte("3"))) })
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Open(dir, roomy, slog.New(slog.DiscardHandler))
	want := "open spool: " + path + ": the spool was written by a later version of fibergauge-probe: its version is 3, and this program knows 1 to 2; run that version again, or give --spool another folder"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 1 {
		t.Errorf("the folder holds %v", files)
	}
}

// TestRetryAndDrop: what was set aside waits again, unchanged, or is forgotten
// and counted; what does not read is not put back.
func TestRetryAndDrop(t *testing.T) {
	s, _ := open(t, t.TempDir(), roomy)
	put(t, s, windows(0, 4))
	refused := map[uint64]Refused{}
	for i, e := range oldest(t, s, 3) {
		refused[e.Sequence] = Refused{Code: []wire.Code{wire.CodeUnknownMesh, wire.CodeUnknownMesh, wire.CodeForeignLink}[i], Message: "no"}
	}
	if err := s.Settle(nil, refused); err != nil {
		t.Fatal(err)
	}
	unknown := func(r Refused) bool { return r.Code == wire.CodeUnknownMesh }
	if n, err := s.Retry(unknown); n != 2 || err != nil {
		t.Errorf("%d put back, %v", n, err)
	}
	got := map[wire.Key]bool{}
	for _, e := range oldest(t, s, 10) {
		got[e.Window.Key] = true
	}
	if len(got) != 3 || s.Counts().Refused != 1 || s.Counts().Windows != 3 {
		t.Errorf("%d wait: %+v", len(got), s.Counts())
	}
	if n, err := s.Drop(func(Refused) bool { return true }); n != 1 || err != nil || s.Counts().Dropped != 1 || s.Counts().Refused != 0 {
		t.Errorf("%d dropped, %v: %+v", n, err, s.Counts())
	}
	if aside, err := s.Aside(); len(aside) != 0 || err != nil {
		t.Errorf("set aside: %v, %v", aside, err)
	}
}

// TestDroppedWindowsAreNamed: whoever accounts for windows finds each that was
// dropped in the log at debug, once, and no other.
func TestDroppedWindowsAreNamed(t *testing.T) {
	var log bytes.Buffer
	s, err := Open(t.TempDir(), 10<<10, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	put(t, s, windows(0, 1))
	if err := s.Settle(nil, map[uint64]Refused{oldest(t, s, 1)[0].Sequence: {Code: wire.CodeUnknownMesh}}); err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 40; n += 3 {
		put(t, s, windows(n, n+3))
	}
	dropped := int(s.Counts().Dropped)
	if dropped < 10 || dropped > 39 {
		t.Fatalf("%d dropped", dropped)
	}
	for n := range 40 {
		w := window(n)
		want := 0
		if n < dropped {
			want = 1
		}
		if got := strings.Count(log.String(), `msg="window dropped" key=`+w.Key.String()); got != want {
			t.Errorf("window %d of which the first %d were dropped is named %d times", n, dropped, got)
		}
	}
}
