package scenario

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Admit puts windows and then, as stores do, an entry that names them into the
// journal.
func (s *Store) Admit(t testing.TB, windows ...wire.Window) {
	t.Helper()
	s.Put(t, windows...)
	n := len(s.entries) + 1
	entry := store.Entry{
		Cursor: store.Cursor(strconv.Itoa(n)), At: time.UnixMilli(int64(n)), Site: windows[0].Src,
		Batch: fmt.Sprint("batch ", n), MeshSHA256: windows[0].MeshSHA256, Windows: len(windows),
	}
	for _, w := range windows {
		entry.Spans = append(entry.Spans, store.Span{Src: w.Src, Dst: w.Dst, Test: w.Test, FirstMS: w.StartMS, LastMS: w.StartMS, Windows: 1})
	}
	s.entries = append(s.entries, entry)
}

// Journal yields the entries of what was admitted.
func (s *Store) Journal(_ context.Context, after store.Cursor) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if s.Err != nil {
			yield(store.Entry{}, s.Err)
			return
		}
		from, _ := strconv.Atoi(string(after)) // none: 0
		for _, entry := range slices.Clone(s.entries[from:]) {
			if !yield(entry, nil) {
				return
			}
		}
	}
}
