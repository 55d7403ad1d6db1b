package report

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
	"github.com/fibergauge/fibergauge/mesh"
	"github.com/fibergauge/fibergauge/probe/wire"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("%s differs; -update writes it anew (-want +got):\n%s", name, cmp.Diff(string(want), string(got)))
	}
}

// national is two minutes of the national mesh with seeded stretches over the
// theoretical RTT, and some links with a fault each.
func national(t *testing.T) *api.Report {
	t.Helper()
	m, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	period := on(t, m, "2025-06-03T10:00:00+08:00", "2025-06-03T10:02:00+08:00")
	s := &scenario.Store{}
	for _, pair := range m.Pairs() {
		seed := uint64(pair.A[0])<<32 + uint64(pair.A[1])<<24 + uint64(pair.B[0])<<16 + uint64(pair.B[1])<<8 + uint64(pair.B[2])
		random := rand.New(rand.NewPCG(6, seed))
		route := m.ClusterRoute(m.Cluster(pair.A), m.Cluster(pair.B), period.From)
		floor, _ := theory.InFibre().RouteRTTUS(route).Float64()
		base := uint32(floor * (1.1 + 0.6*random.Float64()*random.Float64()))
		for _, ends := range [][2]string{{pair.A, pair.B}, {pair.B, pair.A}} {
			for at := period.From; at.Before(period.To); at = at.Add(time.Minute) {
				if w, ok := nationalWindow(m, ends, at, base, random); ok {
					s.Put(t, w)
				}
			}
		}
	}
	return build(t, m, policy.Default(), s, period)
}

func nationalWindow(m *mesh.Mesh, ends [2]string, at time.Time, base uint32, random *rand.Rand) (wire.Window, bool) {
	rtts, lost := make([]uint32, 60), 0
	for i := range rtts {
		rtts[i] = base + uint32(random.ExpFloat64()*80)
	}
	switch ends[0] + ends[1] {
	case "zjkshg", "shgzjk":
		rtts, lost = nil, 60
	case "zhwgui":
		return wire.Window{}, false
	case "wuhqyg", "qygwuh":
		rtts = scenario.Same(9_876, 60)
	case "tfuhlg":
		for i := range rtts {
			rtts[i] += 3_000
		}
	case "cqgqyg":
		rtts, lost = rtts[:54], 6
	}
	w := scenario.Window(m, ends[0]+"-a", ends[1]+"-a", at, rtts, lost)
	w.Origin = wire.OriginEmulated
	return w, true
}

func TestGoldenReport(t *testing.T) {
	r := national(t)
	asJSON, err := JSON(r)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "national.json", asJSON)
	// Whoever reads the JSON back can render the same table.
	var back api.Report
	if err := json.Unmarshal(asJSON, &back); err != nil {
		t.Fatal(err)
	}
	for name, look := range map[string]Look{
		"national-100.txt": {Width: 100}, "national-80.txt": {Width: 80}, "national-color.txt": {Width: 100, Color: true},
	} {
		var buf bytes.Buffer
		if err := Table(&buf, r, look); err != nil {
			t.Fatal(err)
		}
		golden(t, name, buf.Bytes())
		var again bytes.Buffer
		if err := Table(&again, &back, look); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(buf.String(), again.String()); diff != "" {
			t.Errorf("%s: the JSON read back gives another table (-want +got):\n%s", name, diff)
		}
		for _, line := range strings.Split(buf.String(), "\n") {
			if n := width(text.StripEscape(line)); n > look.Width {
				t.Errorf("%s: a line of %d columns: %s", name, n, line)
			}
		}
	}
}
