package serve

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/report"
	"github.com/fibergauge/fibergauge/analyzer/shelf"
	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
)

// history finds out of which times the store has windows, by asking whether a
// link has any: few links have to be asked where there are some.
type history struct {
	store Store
	made  *shelf.Shelf

	mu     sync.Mutex // protects all following fields; held while the store is asked
	meshes report.Meshes
	links  []store.Query        // without a range
	known  map[string]bool      // months that have windows, which they keep
	empty  map[string]time.Time // those that had none, and when they were asked for
	first  int64                // start of the first window of all
	looked time.Time            // when first was found
	newest struct {             // end of the window that ends last
		ms     int64
		any    bool
		looked time.Time
	}
}

// Bounds on how long an answer counts. What is empty may be filled by an import.
const (
	emptyFor  = 10 * time.Minute
	newestFor = 10 * time.Second
)

func newHistory(s Store, made *shelf.Shelf) *history {
	return &history{store: s, made: made, known: map[string]bool{}, empty: map[string]time.Time{}}
}

// load lists the links of all meshes; they are a superset of those that have
// windows, but for what was imported by a mesh that is in no archive.
func (h *history) load(ctx context.Context) (*mesh.Mesh, error) {
	meshes, err := h.made.Meshes(ctx)
	if err != nil {
		return nil, err
	}
	newest, err := h.made.Newest(ctx)
	if err != nil {
		return nil, err
	}
	if h.links != nil && len(meshes.Archive) == len(h.meshes.Archive) {
		return newest, nil
	}
	links := map[store.Query]bool{}
	add := func(m *mesh.Mesh) {
		for i := range m.Measure {
			for _, l := range m.Links(&m.Measure[i], time.Unix(0, 0), time.UnixMilli(1<<43)) {
				links[store.Query{Src: l.Src, Dst: l.Dst, Test: m.Measure[i].Name}] = true
			}
		}
	}
	add(newest)
	for _, version := range meshes.Archive {
		// One that cannot be read was served by another version of the program.
		if old, err := mesh.Parse(version.SHA256, version.Bytes); err == nil {
			add(old)
		}
	}
	h.meshes = meshes
	h.links = slices.SortedFunc(maps.Keys(links), func(a, b store.Query) int {
		return cmp.Or(cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
	})
	clear(h.empty)
	h.looked = time.Time{}
	return newest, nil
}

// has tells whether a window starts in a range.
func (h *history) has(ctx context.Context, fromMS, toMS int64) (bool, error) {
	_, found, err := h.earliest(ctx, fromMS, toMS, false)
	return found, err
}

// earliest is the start of the first window of a range; or, unless all links are
// to be asked, of any.
func (h *history) earliest(ctx context.Context, fromMS, toMS int64, all bool) (first int64, found bool, err error) {
	for _, q := range h.links {
		q.FromMS, q.ToMS = fromMS, toMS
		for record, err := range h.store.Windows(ctx, q) {
			if err != nil {
				return 0, false, fmt.Errorf("%w: %w", shelf.ErrStore, err)
			}
			if start := record.Window.StartMS; !found || start < first {
				first, found = start, true
			}
			break
		}
		if found && !all {
			break
		}
		if found {
			toMS = first // only what is earlier is of interest
		}
	}
	return first, found, nil
}

// months gives at most limit months with windows, newest first, from the one
// before another; "" stands for the next. more tells whether there may be some
// that are older.
func (h *history) months(ctx context.Context, before string, limit int) (found []string, more bool, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	newest, err := h.load(ctx)
	if err != nil {
		return nil, false, err
	}
	now := time.Now()
	if now.Sub(h.looked) >= emptyFor {
		first, any, err := h.earliest(ctx, 0, now.Add(24*time.Hour).UnixMilli(), true)
		if err != nil {
			return nil, false, err
		}
		if h.first = first; !any {
			h.first = now.UnixMilli()
		}
		h.looked = now
	}
	zone := newest.Location()
	at := firstOf(now.In(zone))
	if before != "" {
		if m, err := time.Parse("2006-01", before); err == nil && m.Before(at) {
			at = m.AddDate(0, -1, 0)
		}
	}
	oldest := firstOf(time.UnixMilli(h.first).In(zone))
	for ; !at.Before(oldest); at = at.AddDate(0, -1, 0) {
		has, err := h.month(ctx, at.Format("2006-01"), zone, now)
		if err != nil {
			return nil, false, err
		}
		if !has {
			continue
		}
		if len(found) == limit {
			return found, true, nil
		}
		found = append(found, at.Format("2006-01"))
	}
	return found, false, nil
}

// firstOf is the month of a moment, as a date.
func firstOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), 1, 0, 0, 0, 0, time.UTC)
}

func (h *history) month(ctx context.Context, month string, zone *time.Location, now time.Time) (bool, error) {
	if h.known[month] {
		return true, nil
	}
	if at, ok := h.empty[month]; ok && now.Sub(at) < emptyFor {
		return false, nil
	}
	period, err := report.ParsePeriod(month, "", "", zone)
	if err != nil {
		return false, err
	}
	has, err := h.has(ctx, period.From.UnixMilli(), period.To.UnixMilli())
	if err != nil {
		return false, err
	}
	if has {
		h.known[month] = true
	} else {
		h.empty[month] = now
	}
	return has, nil
}

// newestEnd is the end of the window that ends last, as far as months begin
// where the newest mesh says.
func (h *history) newestEnd(ctx context.Context) (end time.Time, any bool, err error) {
	months, _, err := h.months(ctx, "", 1)
	if err != nil {
		return end, false, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	now := time.Now()
	if now.Sub(h.newest.looked) >= newestFor {
		ms, any := int64(0), false
		if len(months) > 0 {
			if ms, any, err = h.lastIn(ctx, months[0], now); err != nil {
				return end, false, err
			}
		}
		h.newest.ms, h.newest.any, h.newest.looked = ms, any, now
	}
	return time.UnixMilli(h.newest.ms), h.newest.any, nil
}

// lastIn looks for the last hour of a month with windows, and in it for the last
// of them.
func (h *history) lastIn(ctx context.Context, month string, now time.Time) (ms int64, any bool, err error) {
	newest, err := h.load(ctx)
	if err != nil {
		return 0, false, err
	}
	period, err := report.ParsePeriod(month, "", "", newest.Location())
	if err != nil {
		return 0, false, err
	}
	from, to := period.From.UnixMilli(), min(period.To.UnixMilli(), now.Add(time.Hour).UnixMilli())
	for _, step := range []time.Duration{24 * time.Hour, time.Hour} {
		for at := to; ; at -= step.Milliseconds() {
			begin := max(at-step.Milliseconds(), from)
			has, err := h.has(ctx, begin, at)
			if err != nil {
				return 0, false, err
			}
			if has {
				from, to = begin, at
				break
			}
			if begin == from {
				return 0, false, nil // they were in the part of the month that is to come
			}
		}
	}
	for _, q := range h.links {
		q.FromMS, q.ToMS = from, to
		for record, err := range h.store.Windows(ctx, q) {
			if err != nil {
				return 0, false, fmt.Errorf("%w: %w", shelf.ErrStore, err)
			}
			ms, any = max(ms, record.Window.EndMS), true
		}
	}
	return ms, any, nil
}
