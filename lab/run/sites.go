package run

import (
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

// Timeout is how long after its sending a probe waits for an answer.
const Timeout = 3 * time.Second

// Probing lists the numbers of the sites whose probe is started in a run at t.
func Probing(m *mesh.Mesh, w *wan.WAN, t time.Time) []int {
	var sites []int
	for i := range m.Sites {
		if m.Sites[i].Role.Probes() && m.Sites[i].ActiveAt(t) && !w.IsAbsent(&m.Sites[i]) {
			sites = append(sites, i)
		}
	}
	return sites
}

// Reflecting lists the numbers of the sites that only answer and are measured by
// STAMP at t: a probe runs a reflector by itself where one is needed.
func Reflecting(m *mesh.Mesh, t time.Time) []int {
	var sites []int
	for i := range m.Sites {
		if !m.Sites[i].Role.Probes() && m.Sites[i].ActiveAt(t) && len(Senders(m, &m.Sites[i], t)) > 0 {
			sites = append(sites, i)
		}
	}
	return sites
}

// Senders lists the addresses that measure a site by STAMP at t.
func Senders(m *mesh.Mesh, dst *mesh.Site, t time.Time) []string {
	var senders []string
	for i := range m.Sites {
		src := &m.Sites[i]
		if src.ActiveAt(t) && m.MeasuresBy(mesh.MethodSTAMP, src, dst) {
			senders = append(senders, src.Address)
		}
	}
	return senders
}

// Measured lists the links that any test measures at t, each once, as numbers
// of sites, in the order of the mesh.
func Measured(m *mesh.Mesh, t time.Time) [][2]int {
	number := map[string]int{}
	for i, site := range m.Sites {
		number[site.ID] = i
	}
	var links [][2]int
	for _, l := range m.MeasuredAt(t) {
		links = append(links, [2]int{number[l.Src], number[l.Dst]})
	}
	return links
}
