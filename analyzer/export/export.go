// Package export writes what a store holds of a period as a table, for programs
// that are not ours: a row each window, or a row each packet, so that every
// figure of a report can be computed again.
//
// Rows come from a store.Reader in the order of link, test, start and session,
// and are written as they come: the same windows make the same bytes, and memory
// does not grow with the period.
package export

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Format is what the table is written as.
type Format string

// Formats.
const (
	CSV     Format = "csv"
	Parquet Format = "parquet"
)

// Source is what is exported; every store.Reader is one.
type Source interface {
	Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error]
	Journal(ctx context.Context, after store.Cursor) iter.Seq2[store.Entry, error]
	Meshes(ctx context.Context) ([]store.MeshVersion, error)
}

// Options say what is exported, and how.
type Options struct {
	Format  Format
	Samples bool   // a row each packet, not each window
	Test    string // only this one; empty: all
	// Link and Keep, if set, tell which links are read, and which of their
	// windows are written.
	Link func(src, dst string) bool
	Keep func(*wire.Window) bool
	// Progress, if set, is told after each link how many of all are written.
	Progress func(done, total int)
}

// Result counts what was written.
type Result struct {
	Links   int // with windows in the period
	Windows int // conflicts included
	Rows    int
	Origins map[wire.Origin]int // windows
}

type link struct{ src, dst, test string }

// Write writes the windows that start in a period, of the links of a mesh, of
// the archived meshes and of the journal.
func Write(ctx context.Context, w io.Writer, source Source, m *mesh.Mesh, period report.Period, o Options) (*Result, error) {
	links, err := linksOf(ctx, source, m, period, o)
	if err != nil {
		return nil, err
	}
	r := &Result{Origins: map[wire.Origin]int{}}
	if o.Samples {
		t := newTable[Sample](w, o.Format)
		var scratch []uint32
		err = r.write(ctx, source, links, period, o, t.end, func(w *wire.Window, conflict int32) (err error) {
			scratch, err = sampleRows(w, conflict, scratch, func(row *Sample) error {
				r.Rows++
				return t.add(row)
			})
			return err
		})
		return r, err
	}
	t := newTable[Window](w, o.Format)
	return r, r.write(ctx, source, links, period, o, t.end, func(w *wire.Window, conflict int32) error {
		row, err := windowRow(w, conflict)
		if err != nil {
			return err
		}
		r.Rows++
		return t.add(row)
	})
}

// write hands over all windows and ends the table.
func (r *Result) write(ctx context.Context, source Source, links []link, period report.Period, o Options, end func() error, do func(*wire.Window, int32) error) error {
	for i, l := range links {
		before := r.Windows
		query := store.Query{Src: l.src, Dst: l.dst, Test: l.test, FromMS: period.From.UnixMilli(), ToMS: period.To.UnixMilli()}
		for record, err := range source.Windows(ctx, query) {
			if err != nil {
				return fmt.Errorf("read windows of %s>%s: %w", l.src, l.dst, err)
			}
			err := each(&record, func(w *wire.Window, conflict int32) error {
				if o.Keep != nil && !o.Keep(w) {
					return nil
				}
				r.Windows++
				r.Origins[w.Origin]++
				return do(w, conflict)
			})
			if err != nil {
				return fmt.Errorf("write the export: %w", err)
			}
		}
		if r.Windows > before {
			r.Links++
		}
		if o.Progress != nil {
			o.Progress(i+1, len(links))
		}
	}
	if err := end(); err != nil {
		return fmt.Errorf("write the export: %w", err)
	}
	return nil
}

// linksOf lists all links that may have windows in the period, in order.
func linksOf(ctx context.Context, source Source, m *mesh.Mesh, period report.Period, o Options) ([]link, error) {
	links := map[link]bool{}
	add := func(m *mesh.Mesh) {
		for i := range m.Measure {
			for _, l := range m.Links(&m.Measure[i], time.Unix(0, 0), time.UnixMilli(1<<43)) {
				links[link{l.Src, l.Dst, m.Measure[i].Name}] = true
			}
		}
	}
	add(m)
	versions, err := source.Meshes(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the archived meshes: %w", err)
	}
	for _, v := range versions {
		// One that cannot be read was served by another version of the program;
		// the journal names its links too.
		if old, err := mesh.Parse(v.SHA256, v.Bytes); err == nil {
			add(old)
		}
	}
	for entry, err := range source.Journal(ctx, "") {
		if err != nil {
			return nil, fmt.Errorf("read the journal: %w", err)
		}
		for _, s := range entry.Spans {
			if s.LastMS >= period.From.UnixMilli() && s.FirstMS < period.To.UnixMilli() {
				links[link{s.Src, s.Dst, s.Test}] = true
			}
		}
	}
	maps.DeleteFunc(links, func(l link, _ bool) bool {
		return o.Test != "" && l.test != o.Test || o.Link != nil && !o.Link(l.src, l.dst)
	})
	return slices.SortedFunc(maps.Keys(links), func(a, b link) int {
		return cmp.Or(cmp.Compare(a.src, b.src), cmp.Compare(a.dst, b.dst), cmp.Compare(a.test, b.test))
	}), nil
}
