package assignment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/collector/fakestore"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

func TestFor(t *testing.T) {
	m := fakestore.Mesh("m")
	now := fakestore.Now()
	b1 := wire.Target{Site: "b1", Cluster: "cb", Address: "192.0.2.2"}
	r1 := wire.Target{Site: "r1", Cluster: "cb", Address: "192.0.2.3"}
	next1 := wire.Target{Site: "next1", Cluster: "cb", Address: "2001:db8::7"}
	icmp := func(targets ...wire.Target) wire.Task {
		return wire.Task{Test: "icmp", Method: "icmp", IntervalMS: 1000, SizeBytes: 84, WindowS: 60, Targets: targets}
	}
	slow := wire.Task{Test: "slow", Method: "icmp", IntervalMS: 60_000, SizeBytes: 1000, DSCP: 46, WindowS: 900, Targets: []wire.Target{b1}}
	for _, c := range []struct {
		name  string
		site  string
		at    time.Time
		tasks []wire.Task
	}{
		{"both", "a1", now, []wire.Task{icmp(b1, r1), slow}},
		{"a target has begun", "a1", now.Add(time.Hour), []wire.Task{icmp(b1, r1, next1), slow}},
		{"only answers", "r1", now, []wire.Task{}},
		{"only probes", "p1", now, []wire.Task{icmp(wire.Target{Site: "a1", Cluster: "ca", Address: "192.0.2.1"})}},
		{"gone", "old1", now, []wire.Task{}},
		{"to come", "next1", now, []wire.Task{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			site := m.Site(c.site)
			want := &wire.Assignment{
				Schema: wire.SchemaAssignment, Site: c.site, Cluster: site.Cluster, Carrier: "x", Plane: "optical",
				Address: site.Address, MeshSHA256: m.SHA256(), Tasks: c.tasks,
			}
			if diff := cmp.Diff(want, For(m, site, c.at)); diff != "" {
				t.Errorf("assignment (-want +got):\n%s", diff)
			}
		})
	}
}

// TestForSTAMP measures two sites of which one has a reflector of another make.
func TestForSTAMP(t *testing.T) {
	m, err := mesh.Parse("m.yaml", []byte(`version: 1
name: m
time_zone: UTC
hubs: [{id: h, name: {en: H}}]
clusters:
  - {id: ca, hub: h, name: {en: A}, location: {lat: 35, lon: 90}}
  - {id: cb, hub: h, name: {en: B}, location: {lat: 35, lon: 95}}
carriers: [{id: x, name: {en: X}}]
planes: [optical]
sites:
  - {id: a1, cluster: ca, carrier: x, plane: optical, address: 192.0.2.1, role: both}
  - {id: b1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.2, role: both, stamp: {port: 4862, timestamps: ptp, authenticated: true, plain: true}}
  - {id: p1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.3, role: probe}
  - {id: late1, cluster: cb, carrier: x, plane: optical, address: 192.0.2.4, role: probe, from: 2100-01-01}
measure:
  - {test: stamp, method: stamp, links: [{}], interval_ms: 1000, size_bytes: 192, window_s: 60}
  - {test: echo, method: icmp, links: [{}], interval_ms: 10, size_bytes: 192, window_s: 60}
  - {test: fast, method: stamp, links: [{from: p1}, {to: a1}], interval_ms: 50, size_bytes: 192, window_s: 60}
judged: stamp
`))
	if err != nil {
		t.Fatal(err)
	}
	type spoken struct {
		Targets   []wire.Target
		Reflector *wire.Reflector
	}
	a1 := wire.Target{Site: "a1", Cluster: "ca", Address: "192.0.2.1", STAMP: &wire.STAMPTarget{Port: 862, Timestamps: "ntp"}}
	b1 := wire.Target{Site: "b1", Cluster: "cb", Address: "192.0.2.2", STAMP: &wire.STAMPTarget{Port: 4862, Timestamps: "ptp", Authenticated: true, Plain: true}}
	for site, want := range map[string]spoken{
		"a1": {[]wire.Target{b1}, &wire.Reflector{Port: 862, Sources: []string{"192.0.2.2", "192.0.2.3"}, PacketsPerS: 21}},
		"b1": {[]wire.Target{a1}, &wire.Reflector{Port: 4862, Authenticated: true, Sources: []string{"192.0.2.1"}, PacketsPerS: 1}},
		"p1": {[]wire.Target{a1}, nil},
	} {
		a := For(m, m.Site(site), fakestore.Now())
		if diff := cmp.Diff(want, spoken{a.Tasks[0].Targets, a.Reflector}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", site, diff)
		}
	}
}

// TestAssignmentsAreTheLinks: all assignments together are the links of the
// mesh, neither more nor fewer.
func TestAssignmentsAreTheLinks(t *testing.T) {
	national, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	now := fakestore.Now()
	for _, m := range []*mesh.Mesh{fakestore.Mesh("m"), national} {
		for i := range m.Measure {
			test := &m.Measure[i]
			var got []mesh.Link
			for j := range m.Sites {
				for _, task := range For(m, &m.Sites[j], now).Tasks {
					for _, target := range task.Targets {
						if task.Test == test.Name {
							got = append(got, mesh.Link{Src: m.Sites[j].ID, Dst: target.Site})
						}
					}
				}
			}
			if diff := cmp.Diff(m.Links(test, now, now.Add(1)), got); diff != "" {
				t.Errorf("%s: links (-mesh +assigned):\n%s", test.Name, diff)
			}
		}
	}
}
