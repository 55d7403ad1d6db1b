// Package conformance holds every implementation of store.Store to the
// contract that stands there. It also makes windows, random ones and plausible
// ones, for other tests.
//
//	func TestConformance(t *testing.T) {
//		conformance.Run(t, func(t *testing.T) conformance.Place { … })
//	}
package conformance

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Place is where one store lives, empty at first.
type Place struct {
	// Open gives a further handle on the same data, as another process would
	// have it. The suite closes it.
	Open func(t *testing.T) store.Store

	// Away takes the store out of reach of its handles, as hard as the tests
	// can (a kill -9 of a server, a foreign lock on a file), and back brings it
	// back with all that it had acknowledged.
	Away func(t *testing.T) (back func())
}

// Run runs the suite. place makes a new empty place for each test.
func Run(t *testing.T, place func(t *testing.T) Place) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, Place)
	}{
		{"empty", testEmpty},
		{"round trip", testRoundTrip},
		{"idempotent", testIdempotent},
		{"conflicts", testConflicts},
		{"order", testOrder},
		{"range", testRange},
		{"neighbours", testNeighbours},
		{"early break", testEarlyBreak},
		{"long range", testLongRange},
		{"large batch", testLargeBatch},
		{"large window", testLargeWindow},
		{"journal", testJournal},
		{"journal cursor", testJournalCursor},
		{"journal reopened", testJournalReopened},
		{"journal while written", testJournalWhileWritten},
		{"statements", testStatements},
		{"mesh", testMesh},
		{"signing keys", testSigningKeys},
		{"signing keys together", testSigningKeysTogether},
		{"signing keys refused", testSigningKeysRefused},
		{"cancelled", testCancelled},
		{"cancelled in the middle", testCancelledMidway},
		{"permanent", testPermanent},
		{"away", testAway},
		{"two writers", testTwoWriters},
		{"many windows", testManyWindows},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
	}
}

// open gives a handle that is closed with the test.
func (p Place) open(t *testing.T) store.Store {
	t.Helper()
	s := p.Open(t)
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// epoch is where the tests' time begins: 1 June 2025, midnight in Shanghai.
func epoch() time.Time { return time.Date(2025, 5, 31, 16, 0, 0, 0, time.UTC) }

const minuteMS = 60_000

// admission wraps windows up as a collector does.
func admission(at time.Time, windows ...wire.Window) store.Admission {
	batch := wire.Batch{Schema: wire.SchemaBatch, Site: windows[0].Src, Windows: windows}
	return store.Admission{
		At: at, Site: batch.Site, Batch: batch.Digest().String(),
		MeshSHA256: strings.Repeat("5e", 32), Statement: batch.Digests(), Windows: windows,
	}
}

func put(t *testing.T, s store.Store, a store.Admission) {
	t.Helper()
	if err := s.Put(t.Context(), a); err != nil {
		t.Fatalf("put: %v", err)
	}
}

// all asks for everything of the link and test of w.
func all(w *wire.Window) store.Query {
	return store.Query{Src: w.Src, Dst: w.Dst, Test: w.Test, FromMS: 0, ToMS: 7_258_118_400_001}
}

func read(t *testing.T, s store.Store, q store.Query) []store.Record {
	t.Helper()
	var records []store.Record
	for r, err := range s.Windows(t.Context(), q) {
		if err != nil {
			t.Fatalf("windows of %s>%s: %v", q.Src, q.Dst, err)
		}
		records = append(records, r)
	}
	return records
}

// plain makes the records that windows without conflicts give.
func plain(windows []wire.Window) []store.Record {
	var records []store.Record
	for _, w := range windows {
		records = append(records, store.Record{Window: w})
	}
	return records
}

func equal(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%.4000s", what, diff)
	}
}

func journal(t *testing.T, s store.Store, after store.Cursor) []store.Entry {
	t.Helper()
	var entries []store.Entry
	for e, err := range s.Journal(t.Context(), after) {
		if err != nil {
			t.Fatalf("journal after %q: %v", after, err)
		}
		if e.Cursor == "" {
			t.Fatal("an entry has the zero cursor")
		}
		entries = append(entries, e)
	}
	return entries
}

// entry is what the journal should say of an admission, cursor aside.
func entry(a store.Admission) store.Entry {
	return store.Entry{
		At: a.At.Truncate(time.Millisecond), Site: a.Site, Batch: a.Batch, MeshSHA256: a.MeshSHA256,
		Signature: a.Signature, Statement: a.Statement, Windows: len(a.Windows), Spans: store.Spans(a.Windows),
	}
}

// bare takes the cursors off entries.
func bare(entries []store.Entry) []store.Entry {
	var without []store.Entry
	for _, e := range entries {
		e.Cursor = ""
		without = append(without, e)
	}
	return without
}

// tolerant is how long a test waits for something that should be prompt.
func tolerant(t *testing.T) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), 2*time.Minute)
}
