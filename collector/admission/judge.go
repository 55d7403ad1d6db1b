package admission

import (
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// refusal is why one window is not taken.
type refusal struct {
	code    wire.Code
	message string
}

// Error is the message for the sender.
func (r *refusal) Error() string { return r.message }

func refuse(code wire.Code, format string, args ...any) *refusal {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// judge holds windows against the mesh version that each of them names.
type judge struct {
	site      string // who sends them
	versions  map[string]*mesh.Mesh
	latestEnd time.Time
	// earliestEnd is the zero time where there is no limit.
	earliestEnd time.Time
}

// window tells why a window is not taken; nil if it is.
func (j *judge) window(w *wire.Window) *refusal {
	if err := w.Check(); err != nil {
		return refuse(wire.CodeInvalidWindow, "%v", err)
	}
	if w.Src != j.site {
		return refuse(wire.CodeForeignLink, "src: is %s, but the batch is of site %s", w.Src, j.site)
	}
	m := j.versions[w.MeshSHA256]
	if m == nil {
		return refuse(wire.CodeUnknownMesh, "mesh_sha256: no collector on this store ever served %s", w.MeshSHA256)
	}
	test := m.Test(w.Test)
	if test == nil {
		return refuse(wire.CodeUnknownTest, "test: mesh %.12s has no test %s", w.MeshSHA256, w.Test)
	}
	if no := link(m, test, w); no != nil {
		return no
	}
	if no := times(test, w); no != nil {
		return no
	}
	if end := time.UnixMilli(w.EndMS); end.After(j.latestEnd) {
		return refuse(wire.CodeFuture, "end_ms: %d is %d ms later than the collector's clock allows; synchronise the clocks", w.EndMS, w.EndMS-j.latestEnd.UnixMilli())
	}
	if end := time.UnixMilli(w.EndMS); end.Before(j.earliestEnd) {
		return refuse(wire.CodeInvalidWindow, "end_ms: %d is %d ms earlier than the collector's clock allows; see to both clocks, and to --past-tolerance of the collector", w.EndMS, j.earliestEnd.UnixMilli()-w.EndMS)
	}
	return nil
}

// link holds the window's link and its labels against the mesh.
func link(m *mesh.Mesh, test *mesh.Test, w *wire.Window) *refusal {
	src, dst := m.Site(w.Src), m.Site(w.Dst)
	for _, end := range []struct {
		id   string
		site *mesh.Site
	}{{w.Src, src}, {w.Dst, dst}} {
		if end.site == nil {
			return refuse(wire.CodeForeignLink, "mesh %.12s has no site %s", w.MeshSHA256, end.id)
		}
		if !end.site.ActiveDuring(time.UnixMilli(w.StartMS), time.UnixMilli(w.EndMS)) {
			return refuse(wire.CodeForeignLink, "site %s does not exist at that time in mesh %.12s", end.id, w.MeshSHA256)
		}
	}
	if !m.Measures(test, src, dst) {
		return refuse(wire.CodeForeignLink, "test %s of mesh %.12s does not measure from %s to %s", w.Test, w.MeshSHA256, w.Src, w.Dst)
	}
	for _, label := range []struct{ field, got, want string }{
		{"src_cluster", w.SrcCluster, src.Cluster},
		{"dst_cluster", w.DstCluster, dst.Cluster},
		{"carrier", w.Carrier, src.Carrier},
		{"plane", w.Plane, string(src.Plane)},
		{"method", w.Method, string(test.Method)},
	} {
		if label.got != label.want {
			return refuse(wire.CodeInvalidWindow, "%s: is %s; mesh %.12s says %s", label.field, label.got, w.MeshSHA256, label.want)
		}
	}
	return nil
}

// times holds the window's interval and its number of packets against the
// test: a window lies within one multiple of its length in UTC.
func times(test *mesh.Test, w *wire.Window) *refusal {
	length, interval := int64(test.WindowS)*1000, int64(test.IntervalMS)
	next := w.StartMS - w.StartMS%length + length
	if w.EndMS > next {
		return refuse(wire.CodeInvalidWindow, "end_ms: %d is beyond %d, where the window of %d s ends", w.EndMS, next, test.WindowS)
	}
	if w.EndReason == wire.EndFull && w.EndMS != next {
		return refuse(wire.CodeInvalidWindow, "end_ms: %d is not %d, where a full window of %d s ends", w.EndMS, next, test.WindowS)
	}
	// One packet an interval; an interval that the window only touches counts.
	slots := (w.EndMS-1)/interval - w.StartMS/interval + 1
	if int64(w.Scheduled) > slots {
		return refuse(wire.CodeInvalidWindow, "scheduled: %d is above %d, what test %s asks for in that time", w.Scheduled, slots, w.Test)
	}
	return nil
}
