package conformance

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func testJournal(t *testing.T, place Place) {
	s := place.open(t)
	windows := Windows(1, "a", "b", epoch().UnixMilli(), 5)
	elsewhere := Windows(2, "a", "c", epoch().UnixMilli(), 3)
	signed := admission(epoch().Add(1_999_999*time.Nanosecond), windows[0])
	signed.Signature = &wire.Signature{Algorithm: "ed25519", KeyID: strings.Repeat("ab", 32), Value: []byte{0, 1, 254, 255}}
	otherSite := admission(epoch().Add(time.Second), windows[1])
	otherSite.Site = "elsewhere"
	admissions := []store.Admission{
		signed,
		admission(epoch().Add(time.Second), windows[1]),
		otherSite, // the same millisecond and batch, from another site
		admission(epoch().Add(time.Second), windows[2], elsewhere[2], windows[4], elsewhere[0]),
	}
	var want []store.Entry
	for _, a := range admissions {
		put(t, s, a)
		want = append(want, entry(a))
	}
	put(t, s, admissions[1])
	equal(t, "journal", want, bare(journal(t, place.open(t), "")))

	for _, err := range s.Journal(t.Context(), "no cursor of anybody's") {
		if err == nil {
			t.Error("a cursor that no store gave was taken")
		}
	}
}

// testJournalCursor follows the journal while entries come with moments in any
// order: the clocks of collectors differ, and a test cannot know by how much.
func testJournalCursor(t *testing.T, place Place) {
	writers := []store.Store{place.open(t), place.open(t)}
	reader := place.open(t)
	rng := rand.New(rand.NewPCG(8, 0))
	windows := Windows(3, "a", "b", epoch().UnixMilli(), 60)
	seen := map[string]bool{}
	var cursor store.Cursor
	for i, w := range windows {
		offset := []time.Duration{0, time.Millisecond, time.Second, time.Hour, 400 * 24 * time.Hour}[rng.IntN(5)]
		if rng.IntN(2) == 0 {
			offset = -offset
		}
		a := admission(epoch().Add(offset), w)
		put(t, writers[i%2], a)
		// Sometimes several come between two looks.
		if rng.IntN(3) == 0 {
			continue
		}
		for _, e := range journal(t, reader, cursor) {
			seen[e.Batch], cursor = true, e.Cursor
		}
		if !seen[a.Batch] {
			t.Fatalf("entry %d, %s away from the others, was left out", i, offset)
		}
	}
	for _, e := range journal(t, reader, cursor) {
		seen[e.Batch] = true
	}
	equal(t, "entries seen", len(windows), len(seen))

	// From any cursor on, everything after it comes.
	entries := journal(t, reader, "")
	equal(t, "entries", len(windows), len(entries))
	for i := 0; i < len(entries); i += 7 {
		rest := map[string]bool{}
		for _, e := range journal(t, reader, entries[i].Cursor) {
			rest[e.Batch] = true
		}
		for _, e := range entries[i+1:] {
			if !rest[e.Batch] {
				t.Fatalf("entry after cursor %q is left out", entries[i].Cursor)
			}
		}
	}
}

func testJournalReopened(t *testing.T, place Place) {
	windows := Windows(4, "a", "b", epoch().UnixMilli(), 3)
	var cursor store.Cursor
	for i, w := range windows {
		s := place.Open(t)
		a := admission(epoch().Add(time.Duration(i)*time.Second), w)
		put(t, s, a)
		last := store.Entry{}
		for _, e := range journal(t, s, cursor) {
			last, cursor = e, e.Cursor
		}
		equal(t, "the last entry", entry(a), bare([]store.Entry{last})[0])
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
	}
	equal(t, "records after all", plain(windows), read(t, place.open(t), all(&windows[0])))
}

// testJournalWhileWritten follows the journal beside concurrent writers.
func testJournalWhileWritten(t *testing.T, place Place) {
	const writers, each = 4, 25
	var group sync.WaitGroup
	done := make(chan struct{})
	for n := range writers {
		s := place.open(t)
		group.Go(func() {
			for i, w := range Windows(uint64(n), fmt.Sprintf("src%d", n), "b", epoch().UnixMilli(), each) {
				at := epoch().Add(time.Duration(i)*time.Second - time.Duration(n)*24*time.Hour)
				if err := s.Put(t.Context(), admission(at, w)); err != nil {
					t.Errorf("put: %v", err)
				}
			}
		})
	}
	go func() { group.Wait(); close(done) }()

	reader := place.open(t)
	seen := map[string]bool{}
	var cursor store.Cursor
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true // one last look follows
		default:
		}
		for _, e := range journal(t, reader, cursor) {
			seen[e.Batch], cursor = true, e.Cursor
		}
	}
	equal(t, "entries seen", writers*each, len(seen))
}

func testMesh(t *testing.T, place Place) {
	s := place.open(t)
	noise := make([]byte, 1<<20)
	chacha := rand.NewChaCha8([32]byte{1})
	_, _ = chacha.Read(noise) // never fails
	var want []store.MeshVersion
	for i, content := range [][]byte{[]byte("version: 1\n"), noise, bytes.Repeat([]byte("sites: [] # 京津冀\r\n"), 9000)} {
		sum := sha256.Sum256(content)
		want = append(want, store.MeshVersion{
			SHA256: hex.EncodeToString(sum[:]), Bytes: content, ServedFrom: epoch().Add(time.Duration(i) * time.Hour),
		})
	}
	for _, offset := range []time.Duration{time.Hour, 0, 999_999 * time.Nanosecond, 2 * time.Hour} {
		for _, m := range want {
			m.ServedFrom = m.ServedFrom.Add(offset)
			if err := s.PutMesh(t.Context(), m); err != nil {
				t.Fatalf("put mesh: %v", err)
			}
		}
	}
	got, err := place.open(t).Meshes(t.Context())
	if err != nil {
		t.Fatalf("meshes: %v", err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d versions, not %d", len(got), len(want))
	}
	for i := range want {
		if got[i].SHA256 != want[i].SHA256 || !bytes.Equal(got[i].Bytes, want[i].Bytes) || !got[i].ServedFrom.Equal(want[i].ServedFrom) {
			t.Errorf("version %d: %s of %d bytes from %s, not %s of %d bytes from %s", i,
				got[i].SHA256, len(got[i].Bytes), got[i].ServedFrom, want[i].SHA256, len(want[i].Bytes), want[i].ServedFrom)
		}
	}
}
