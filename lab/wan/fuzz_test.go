package wan_test

import (
	"os"
	"strings"
	"testing"
	"time"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// FuzzParse reads any text as a wan.yaml: it is refused in one line that names
// the file, or makes a network in which every packet has a fate that is bounded.
func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\nseed: 1\ndefaults: {stretch: 1.2}\n"))
	f.Add([]byte(`version: 1
seed: 7
defaults: {stretch: 1.2, asymmetry: 0.5, jitter: {distribution: normal, median_ms: 1}, loss_percent: 1, hops: 9}
links:
  - {from: x, to: y, rtt_ms: 5, duplicate_percent: 2, reorder_percent: 3, reorder_ms: 4}
  - {carriers: [b], planes: [optical], jitter: {distribution: exponential, median_ms: 0.1}}
events:
  - {at: 10s, for: 5s, from: x-a, to: "y*", cut: true}
  - {at: 1m30s, stretch: 2}
absent: [y-b]
collector:
  - {at: 1s, for: 20s, how: stop}
  - {at: 1m, for: 500ms, how: kill}
`))
	national, err := os.ReadFile("../national-wan.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(national)
	m := testMesh(f)
	start := time.Date(2025, 6, 1, 0, 0, 0, 0, time.UTC)
	// The longest way there can be: the RTT, and both ways' jitter, which has a
	// tail, and holding back.
	const most = time.Hour
	f.Fuzz(func(t *testing.T, data []byte) {
		w, err := wan.Parse("wan.yaml", data, m)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\x00\x1b") || !strings.HasPrefix(err.Error(), "wan.yaml") {
				t.Errorf("not one line that names the file: %q", err)
			}
			return
		}
		w.Beyond(time.Minute)
		for i := range m.Sites {
			w.IsAbsent(&m.Sites[i])
		}
		for i := range w.Collector {
			if o := &w.Collector[i]; o.Begin() < 0 || o.End() <= o.Begin() {
				t.Errorf("an outage from %v to %v", o.Begin(), o.End())
			}
		}
		n := w.Network(start)
		for _, at := range []time.Duration{0, 11 * time.Second, 24 * time.Hour} {
			for seq := range uint64(4) {
				if fate := n.Fate(xa, ya, at, seq); fate.Delay < 0 || fate.Delay > most || !fate.Lost && fate.Copies < 1 || fate.Hops < 0 {
					t.Errorf("the fate of a packet: %+v", fate)
				}
			}
		}
	})
}
