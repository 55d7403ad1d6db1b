package store

import (
	"cmp"
	"slices"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// Spans summarises windows for a journal entry, by link and test.
func Spans(windows []wire.Window) []Span {
	type subject struct{ src, dst, test string }
	index := map[subject]int{}
	var spans []Span
	for i := range windows {
		w := &windows[i]
		s := subject{w.Src, w.Dst, w.Test}
		at, known := index[s]
		if !known {
			index[s] = len(spans)
			spans = append(spans, Span{w.Src, w.Dst, w.Test, w.StartMS, w.StartMS, 1})
			continue
		}
		spans[at].FirstMS = min(spans[at].FirstMS, w.StartMS)
		spans[at].LastMS = max(spans[at].LastMS, w.StartMS)
		spans[at].Windows++
	}
	slices.SortFunc(spans, func(a, b Span) int {
		return cmp.Or(cmp.Compare(a.Src, b.Src), cmp.Compare(a.Dst, b.Dst), cmp.Compare(a.Test, b.Test))
	})
	return spans
}
