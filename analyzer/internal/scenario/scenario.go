// Package scenario makes meshes and windows up for the tests of the analyzer,
// and keeps the windows in memory as a store would.
package scenario

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/collector/store"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Three clusters: a to b is 999.8 km by geodesic, a to c 1110.5 km, b to c
// 1456.8 km. By road a to b is the worked example of 1537 km, whose limit is
// 22 578 µs; the others are estimated unless a test says more.
const head = `version: 1
name: scenario
time_zone: %s
hubs: [{id: hub, name: {en: Hub}}]
clusters:
  - {id: a, hub: hub, name: {en: Alpha, zh: 甲}, location: {lat: 30, lon: 100}}
  - {id: b, hub: hub, name: {en: Beta, zh: 乙}, location: {lat: 30, lon: 110.366}}
  - {id: c, hub: hub, name: {en: Gamma, zh: 丙}, location: {lat: 40.01, lon: 100}}
carriers:
  - {id: one, name: {en: One}}
  - {id: two, name: {en: Two}}
  - {id: three, name: {en: Three}}
planes: [optical, private-ip, public-internet]
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 900}
judged: icmp
`

// LimitUS is the largest RTT that complies between a and b.
const LimitUS = 22_578

// Mesh makes a mesh in a time zone out of sites, each written "id cluster
// carrier plane role [key: value, …]", and distances as the lines of a YAML
// list; nil stands for the worked example.
func Mesh(t testing.TB, zone string, sites []string, distances []string) *mesh.Mesh {
	t.Helper()
	var b strings.Builder
	fmt.Fprintf(&b, head, zone)
	b.WriteString("sites:\n")
	for i, site := range sites {
		f := strings.SplitN(site, " ", 6)
		more := ""
		if len(f) == 6 {
			more = ", " + f[5]
		}
		fmt.Fprintf(&b, "  - {id: %s, cluster: %s, carrier: %s, plane: %s, role: %s, address: 192.0.2.%d%s}\n", f[0], f[1], f[2], f[3], f[4], i+1, more)
	}
	if distances == nil {
		distances = []string{"{clusters: [a, b], km: 1537, class: A, source: register}"}
	}
	if len(distances) > 0 {
		b.WriteString("distances:\n")
	}
	for _, d := range distances {
		fmt.Fprintf(&b, "  - %s\n", d)
	}
	m, err := mesh.Parse("mesh.yaml", []byte(b.String()))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Sites are one site for each cluster on the optical plane of one carrier.
func Sites() []string {
	return []string{"a1 a one optical both", "b1 b one optical both", "c1 c one optical both"}
}

// Window is a minute of a link: the given RTTs, and packets lost.
func Window(m *mesh.Mesh, src, dst string, start time.Time, rtts []uint32, lost int) wire.Window {
	return window(m, src, dst, start, time.Minute, rtts, lost)
}

func window(m *mesh.Mesh, src, dst string, start time.Time, length time.Duration, rtts []uint32, lost int) wire.Window {
	rtts = slices.Sorted(slices.Values(rtts))
	a, b := m.Site(src), m.Site(dst)
	w := wire.Window{
		Key:        wire.Key{Src: src, Dst: dst, Test: m.Judged, Session: 1, StartMS: start.UnixMilli()},
		SrcCluster: a.Cluster, DstCluster: b.Cluster, Carrier: a.Carrier, Plane: string(a.Plane), Method: string(m.Test(m.Judged).Method),
		EndMS: start.Add(length).UnixMilli(), EndReason: wire.EndFull,
		RTTs: wire.AppendRTTs(nil, rtts), Stats: wire.StatsOf(rtts),
		Timestamps: wire.TimestampsUser, Clock: wire.Clock{State: wire.ClockSynchronised},
		Origin: wire.OriginSynthetic, MeshSHA256: m.SHA256(), ProbeVersion: "scenario",
	}
	w.Received, w.Lost = uint32(len(rtts)), uint32(lost)
	w.Sent = w.Received + w.Lost
	w.Scheduled = max(w.Sent, uint32(length/time.Second))
	return w
}

// Same is n packets of one RTT.
func Same(us uint32, n int) []uint32 { return slices.Repeat([]uint32{us}, n) }

// Store keeps windows in memory, in the manner of store.Store. The zero value
// is empty; it is not for use by several goroutines while windows are put.
type Store struct {
	records map[[3]string][]store.Record
	entries []store.Entry
	Archive []store.MeshVersion
	Err     error // what every read answers, if set
}

// Put keeps windows; another one under the same key is a conflict, and the same
// one once more is nothing new.
func (s *Store) Put(t TB, windows ...wire.Window) {
	t.Helper()
	if s.records == nil {
		s.records = map[[3]string][]store.Record{}
	}
	for _, w := range windows {
		if err := w.Check(); err != nil {
			t.Fatalf("window %s: %v", w.Key, err)
		}
		link := [3]string{w.Src, w.Dst, w.Test}
		at, known := slices.BinarySearchFunc(s.records[link], w.Key, func(r store.Record, k wire.Key) int {
			return cmp.Or(cmp.Compare(r.Window.StartMS, k.StartMS), cmp.Compare(r.Window.Session, k.Session))
		})
		if known {
			r := &s.records[link][at]
			if r.Window.Digest() == w.Digest() {
				continue
			}
			r.Conflicts = append(r.Conflicts, w)
			continue
		}
		s.records[link] = slices.Insert(s.records[link], at, store.Record{Window: w})
	}
}

// Fill puts windows over a stretch where keep says so: of a minute, or of a
// quarter of an hour in a stretch of more than an hour. The RTTs and losses are
// those of each minute.
func (s *Store) Fill(t testing.TB, m *mesh.Mesh, src, dst string, from, to time.Time, rtts []uint32, lost int, keep func(time.Time) bool) {
	t.Helper()
	minutes := 1
	if to.Sub(from) > time.Hour {
		minutes = 15
	}
	length := time.Duration(minutes) * time.Minute
	rtts = slices.Repeat(rtts, minutes)
	for at := from; at.Before(to); at = at.Add(length) {
		if keep == nil || keep(at) {
			s.Put(t, window(m, src, dst, at, length, rtts, lost*minutes))
		}
	}
}

// Both is Fill from either end.
func (s *Store) Both(t testing.TB, m *mesh.Mesh, a, b string, from, to time.Time, rtts []uint32, lost int, keep func(time.Time) bool) {
	t.Helper()
	s.Fill(t, m, a, b, from, to, rtts, lost, keep)
	s.Fill(t, m, b, a, from, to, rtts, lost, keep)
}

// Windows yields as store.Store promises.
func (s *Store) Windows(ctx context.Context, q store.Query) iter.Seq2[store.Record, error] {
	return func(yield func(store.Record, error) bool) {
		if s.Err != nil {
			yield(store.Record{}, s.Err)
			return
		}
		for _, r := range s.records[[3]string{q.Src, q.Dst, q.Test}] {
			if err := ctx.Err(); err != nil {
				yield(store.Record{}, err)
				return
			}
			if r.Window.StartMS >= q.FromMS && r.Window.StartMS < q.ToMS && !yield(r, nil) {
				return
			}
		}
	}
}

// Meshes gives Archive, or Err.
func (s *Store) Meshes(context.Context) ([]store.MeshVersion, error) { return s.Archive, s.Err }

// Ready answers Err.
func (s *Store) Ready(context.Context) error { return s.Err }
