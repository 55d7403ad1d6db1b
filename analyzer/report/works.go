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
// what an archived mesh listed before it began, up to the share of the policy,
// in the order of time.
func (p *Plan) works(a, b *mesh.Site) compliance.Works {
	var w compliance.Works
	var spans []latency.Span
	entries := p.Mesh.UnderMaintenance(mesh.Link{Src: a.ID, Dst: b.ID}, p.Period.From, p.Period.To)
	slices.SortStableFunc(entries, func(a, b *mesh.Maintenance) int { return p.begin(a).Compare(p.begin(b)) })
	for _, entry := range entries {
		if !p.announced(entry) {
			w.Late = append(w.Late, entry.ID)
			continue
		}
		w.Excused = append(w.Excused, entry.ID)
		spans = append(spans, latency.Span{
			FromMS: max(p.begin(entry).UnixMilli(), p.calendar.FromMS), ToMS: min(p.over(entry).UnixMilli(), p.calendar.ToMS),
		})
	}
	length := new(big.Rat).SetInt64(p.calendar.ToMS - p.calendar.FromMS)
	most := floor(length.Mul(length, p.Policy.Maintenance.Most.Rat()))
	var used int64
	for _, span := range joinedSpans(spans) {
		allowed := min(span.ToMS-span.FromMS, most-used)
		w.Beyond += (span.ToMS - span.FromMS - allowed) / 1000
		if allowed <= 0 {
			continue
		}
		used += allowed
		w.Spans = append(w.Spans, latency.Span{FromMS: span.FromMS, ToMS: span.FromMS + allowed})
	}
	w.Seconds = used / 1000
	w.Spans = p.toWindows(w.Spans)
	return w
}

func floor(v *big.Rat) int64 { return new(big.Int).Quo(v.Num(), v.Denom()).Int64() }

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

// toWindows widens spans to whole windows of the test: a window is excused if
// any of it is.
func (p *Plan) toWindows(spans []latency.Span) []latency.Span {
	length := int64(p.Test.WindowS) * 1000
	for i, span := range spans {
		spans[i] = latency.Span{FromMS: span.FromMS / length * length, ToMS: (span.ToMS + length - 1) / length * length}
	}
	return joinedSpans(spans)
}

// begin and over are moments that were checked when the mesh was loaded.
func (p *Plan) begin(w *mesh.Maintenance) time.Time { return moment(w.From, p.Mesh) }
func (p *Plan) over(w *mesh.Maintenance) time.Time  { return moment(w.Until, p.Mesh) }

func moment(at mesh.Moment, m *mesh.Mesh) time.Time {
	t, err := at.In(m.Location())
	if err != nil {
		panic("report: " + err.Error())
	}
	return t
}

// announced tells whether an archived version of the mesh listed the entry, as
// it is now, before it began.
func (p *Plan) announced(entry *mesh.Maintenance) bool {
	for _, version := range p.archive {
		if version.ServedFrom.After(p.begin(entry)) {
			continue
		}
		old := p.archived(version.SHA256, version.Bytes)
		if old == nil {
			continue
		}
		for i := range old.Maintenance {
			w := &old.Maintenance[i]
			if w.ID == entry.ID && slices.Equal(w.Sites, entry.Sites) &&
				moment(w.From, old).Equal(p.begin(entry)) && moment(w.Until, old).Equal(p.over(entry)) {
				return true
			}
		}
	}
	return false
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
