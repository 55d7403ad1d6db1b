package fakestore

import (
	"fmt"
	"time"

	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// Now is the moment at which the collector's tests take place.
func Now() time.Time { return time.Date(2025, 6, 1, 12, 0, 30, 250e6, time.UTC) }

// MeshYAML is a small mesh: sites a1 and b1 measure each other by the tests
// icmp and slow, r1 only answers, p1 only probes, old1 is gone, next1 begins
// an hour after Now. name makes versions differ.
func MeshYAML(name string) []byte {
	return fmt.Appendf(nil, `version: 1
name: %s
time_zone: UTC
hubs: [{id: h, name: {en: Hub}}]
clusters:
  - {id: ca, hub: h, name: {en: A}, location: {lat: 40, lon: 110}}
  - {id: cb, hub: h, name: {en: B}, location: {lat: 30, lon: 115}}
carriers: [{id: x, name: {en: X}}, {id: y, name: {en: Y}}]
planes: [optical]
sites:
  - {id: a1, cluster: ca, carrier: x, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.2, role: both}
  - {id: r1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.3, role: reflector}
  - {id: p1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.4, role: probe}
  - {id: y1, cluster: cb, carrier: y, plane: optical, address: 192.0.2.5, role: both}
  - {id: old1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.6, role: both, until: 2025-06-01}
  - {id: next1, cluster: cb, carrier: x, plane: optical, address: "2001:db8::7", role: both, from: 2025-06-01T13:00:00Z}
measure:
  - {test: icmp, method: icmp, links: [{}], interval_ms: 1000, size_bytes: 84, window_s: 60}
  - {test: slow, method: icmp, links: [{from: a1, to: b1}], interval_ms: 60000, size_bytes: 1000, dscp: 46, window_s: 900}
judged: icmp
`, name)
}

// Mesh parses MeshYAML.
func Mesh(name string) *mesh.Mesh {
	m, err := mesh.Parse("mesh.yaml", MeshYAML(name))
	if err != nil {
		panic(err)
	}
	return m
}

// Window is a full window from a1 to b1 by the test icmp of a version, minute
// minutes before the last full one.
func Window(m *mesh.Mesh, minute int) wire.Window {
	start := Now().Truncate(time.Minute).Add(time.Duration(-1-minute) * time.Minute)
	rtts := []uint32{20_000, 20_010, 20_400}
	return wire.Window{
		Key:        wire.Key{Src: "a1", Dst: "b1", Test: "icmp", Session: 7, StartMS: start.UnixMilli()},
		SrcCluster: "ca", DstCluster: "cb", Carrier: "x", Plane: "optical", Method: "icmp",
		EndMS: start.Add(time.Minute).UnixMilli(), EndReason: wire.EndFull,
		Counts: wire.Counts{Scheduled: 60, Sent: 4, Received: 3, Lost: 1},
		RTTs:   wire.AppendRTTs(nil, rtts), Stats: wire.StatsOf(rtts),
		Timestamps: wire.TimestampsUser, Clock: wire.Clock{State: wire.ClockUnknown},
		Origin: wire.OriginMeasured, MeshSHA256: m.SHA256(), ProbeVersion: "test",
	}
}

// Batch is a batch of site a1.
func Batch(windows ...wire.Window) *wire.Batch {
	return &wire.Batch{Schema: wire.SchemaBatch, Site: "a1", Windows: windows}
}
