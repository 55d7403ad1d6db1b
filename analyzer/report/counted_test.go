package report

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/collector/store"
)

// What is counted are the packets of which the statistics are: those of windows
// that are neither excused nor foreign, without the unstamped ones. LOSS % is
// of these, so that it never says otherwise than the RTT beside it.
func TestCounted(t *testing.T) {
	m := works(t, "from: 2025-06-03T03:00:00Z, until: 2025-06-03T04:10:00Z")
	period := on(t, m, "2025-06-03")
	archive := []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: period.From}}
	p := with(t, "most: 0.01", "most: 0.5")
	begin, end := period.From.Add(3*time.Hour), period.From.Add(4*time.Hour+15*time.Minute) // in whole windows
	rapid.Check(t, func(rt *rapid.T) {
		s := &scenario.Store{}
		want := [2]api.Seen{}
		for i, link := range [][2]string{{"a1", "b1"}, {"b1", "a1"}} {
			n := &want[i]
			for quarter := range 24 {
				at := period.From.Add(15 * time.Minute * time.Duration(quarter))
				rtts := rapid.SliceOfN(rapid.Uint32Range(12_000, 60_000), 0, 15).Draw(rt, "rtts")
				w := scenario.Window(m, link[0], link[1], at, rtts, rapid.IntRange(0, 3).Draw(rt, "lost"))
				w.Unstamped = rapid.Uint32Range(0, 2).Draw(rt, "unstamped")
				w.Sent += w.Unstamped
				w.Received += w.Unstamped
				w.Scheduled = max(w.Scheduled, w.Sent)
				foreign := rapid.IntRange(0, 9).Draw(rt, "foreign") == 0
				if foreign {
					w.SrcCluster = "elsewhere"
				} else {
					n.Sent += int64(w.Sent)
					n.Lost += int64(w.Lost)
				}
				if !foreign && (at.Before(begin) || !at.Before(end)) {
					n.CountedPackets += int64(w.Sent - w.Unstamped)
					n.CountedLost += int64(w.Lost)
				}
				s.Put(t, w)
			}
		}
		r := besides(t, m, p, s, period, archive, false)
		pair := pairOf(r, "a", "b")
		for i, n := range want {
			got := api.Seen{Sent: pair.Ends[i].Sent, Lost: pair.Ends[i].Lost, CountedPackets: pair.Ends[i].CountedPackets, CountedLost: pair.Ends[i].CountedLost}
			if diff := cmp.Diff(n, got); diff != "" {
				rt.Fatalf("end %d (-want +got):\n%s", i, diff)
			}
			// The 95th percentile is endless exactly if more than 5 % are lost.
			if n.CountedPackets > 0 && pair.Ends[i].P95Unbounded != (20*n.CountedLost > n.CountedPackets) {
				rt.Fatalf("end %d: %d of %d lost, p95 unbounded: %v", i, n.CountedLost, n.CountedPackets, pair.Ends[i].P95Unbounded)
			}
		}
	})
}

// Losses that maintenance excuses are not in LOSS %, and those beside them are.
func TestLossCell(t *testing.T) {
	m := works(t, "from: 2025-06-03T03:00:00Z, until: 2025-06-03T04:00:00Z")
	for _, c := range []struct {
		name            string
		within, outside int // lost of 15 packets in a window, within the works and else
		served          bool
		want            string
	}{
		{"excused", 15, 0, true, "0.00 of 1380, 0 lost; sent 1440, 60 lost"},
		{"excused, and others", 15, 3, true, "20.00 of 1380, 276 lost; sent 1440, 336 lost"},
		{"not announced", 15, 0, false, "4.17 of 1440, 60 lost; sent 1440, 60 lost"},
		{"none", 0, 0, true, "0.00 of 1380, 0 lost; sent 1440, 0 lost"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newExample(t, m, "2025-06-03")
			e.p = with(t, "most: 0.01", "most: 0.5")
			if c.served {
				e.archive = []store.MeshVersion{{SHA256: m.SHA256(), Bytes: m.Bytes(), ServedFrom: e.period.From}}
			}
			e.both(t, "a1", "b1", func(at time.Time) inWindow {
				lost := c.outside
				if at.Hour() == 3 {
					lost = c.within
				}
				return inWindow{20_000, 15 - lost, lost}
			})
			pair := pairOf(e.report(t), "a", "b")
			end := pair.Ends[0]
			got := fmt.Sprintf("%s of %d, %d lost; sent %d, %d lost", lossCell(pair), end.CountedPackets, end.CountedLost, end.Sent, end.Lost)
			if got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}
