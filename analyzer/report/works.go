package report

import (
	"cmp"
	"math/big"
	"slices"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/mesh"
)

// works finds out what maintenance excuses between two sites in the period:
// what an archived mesh listed before it began, in whole windows and in the
// order of time, up to the share of the policy.
func (p *Plan) works(a, b *mesh.Site) compliance.Works {
	var w compliance.Works
	var spans []latency.Span
	entries := p.Mesh.UnderMaintenance(mesh.Link{Src: a.ID, Dst: b.ID}, p.Period.From, p.Period.To)
	slices.SortStableFunc(entries, func(a, b *mesh.Maintenance) int {
		beginA, _ := a.Bounds()
		beginB, _ := b.Bounds()
		return beginA.Compare(beginB)
	})
	for _, entry := range entries {
		since, ok := p.announced(entry)
		if !ok {
			w.Late = append(w.Late, entry.ID)
			continue
		}
		w.Excused = append(w.Excused, entry.ID)
		spans = append(spans, p.windowsOf(entry, since))
	}
	var beyondMS, excusedMS int64
	w.Spans, beyondMS = p.upToMost(joinedSpans(spans))
	for _, span := range w.Spans {
		excusedMS += span.ToMS - span.FromMS
	}
	w.Seconds, w.Beyond = excusedMS/1000, beyondMS/1000
	return w
}

// windowsOf are the windows of the period that works touch: one is excused if
// any of it is, and what is excused is measured by whole ones, so that many
// brief works excuse no more than few long ones. One that had begun before they
// were announced is not: what it would tell was known by then.
func (p *Plan) windowsOf(w *mesh.Maintenance, announced time.Time) latency.Span {
	from, until := w.Bounds()
	length := p.windowMS()
	known := (announced.UnixMilli() + length - 1) / length * length
	return latency.Span{
		FromMS: max(from.UnixMilli()/length*length, known, p.calendar.FromMS),
		ToMS:   min((until.UnixMilli()+length-1)/length*length, p.calendar.ToMS),
	}
}

// inWindowsOf widens what is excused of the judged test to whole windows of
// another, whose may be longer: so both leave out the same time, or the other
// one somewhat more.
func (p *Plan) inWindowsOf(test *mesh.Test, spans []latency.Span) []latency.Span {
	if test == p.Test || len(spans) == 0 {
		return spans
	}
	length := int64(test.WindowS) * 1000
	wide := make([]latency.Span, len(spans))
	for i, span := range spans {
		wide[i] = latency.Span{
			FromMS: max(span.FromMS/length*length, p.calendar.FromMS),
			ToMS:   min((span.ToMS+length-1)/length*length, p.calendar.ToMS),
		}
	}
	return joinedSpans(wide)
}

func (p *Plan) windowMS() int64 { return int64(p.Test.WindowS) * 1000 }

// joinedSpans are the spans without their overlaps, ascending.
func joinedSpans(spans []latency.Span) []latency.Span {
	slices.SortFunc(spans, func(a, b latency.Span) int { return cmp.Compare(a.FromMS, b.FromMS) })
	var out []latency.Span
	for _, span := range spans {
		if n := len(out); n > 0 && span.FromMS <= out[n-1].ToMS {
			out[n-1].ToMS = max(out[n-1].ToMS, span.ToMS)
		} else {
			out = append(out, span)
		}
	}
	return out
}

// upToMost cuts spans, at the bound of a window, where they exceed the share of
// the period that the policy excuses, and tells how much was cut off.
func (p *Plan) upToMost(spans []latency.Span) (kept []latency.Span, beyondMS int64) {
	left := new(big.Rat).SetInt64(p.calendar.ToMS - p.calendar.FromMS)
	left.Mul(left, p.Policy.Maintenance.Most.Rat())
	leftMS := new(big.Int).Quo(left.Num(), left.Denom()).Int64()
	for _, span := range spans {
		to := span.ToMS
		if to-span.FromMS > leftMS {
			to = max(span.FromMS, (span.FromMS+leftMS)/p.windowMS()*p.windowMS())
		}
		beyondMS += span.ToMS - to
		leftMS -= to - span.FromMS
		if to > span.FromMS {
			kept = append(kept, latency.Span{FromMS: span.FromMS, ToMS: to})
		}
	}
	return kept, beyondMS
}

// announced tells since when archived versions of the mesh listed the entry, as
// it is now; not ok if none did before it began.
func (p *Plan) announced(entry *mesh.Maintenance) (since time.Time, ok bool) {
	from, until := entry.Bounds()
	for _, version := range p.archive {
		if !version.ServedFrom.Before(from) {
			continue
		}
		old := p.archived(version.SHA256, version.Bytes)
		if old == nil {
			continue
		}
		for i := range old.Maintenance {
			w := &old.Maintenance[i]
			wasFrom, wasUntil := w.Bounds()
			if w.ID == entry.ID && slices.Equal(w.Sites, entry.Sites) && wasFrom.Equal(from) && wasUntil.Equal(until) {
				return version.ServedFrom, true
			}
		}
	}
	return time.Time{}, false
}

// archived reads an archived mesh once; nil if this version of the program
// does not take it.
func (p *Plan) archived(sha256 string, data []byte) *mesh.Mesh {
	if old, known := p.versions[sha256]; known {
		return old
	}
	old, err := mesh.Parse("archived mesh "+sha256, data)
	if err != nil {
		old = nil
	}
	p.versions[sha256] = old
	return old
}
