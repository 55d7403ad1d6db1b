package diagnosis

import (
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/compliance"
	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// A count tells the same of a bound as the statistic itself, also where this is
// at the bound or a microsecond above it.
func TestCountTellsWhatTheStatisticDoes(t *testing.T) {
	const bound = 10
	some := []uint64{0, 1, 2, 19, 95, 99}
	for _, statistic := range policy.Statistics() {
		c := &explanation{Rules: &Rules{statistic: statistic}, whole: bound}
		exceeding := 0
		for _, below := range some {
			for _, at := range some {
				for _, above := range some {
					for _, lost := range some {
						var d latency.Distribution
						d.AddRTT(bound-1, below)
						d.AddRTT(bound, at)
						d.AddRTT(bound+1, above)
						d.AddLost(lost)
						rtt, ok := compliance.StatisticOf(statistic, &d)
						want := ok && (rtt.Unbounded || rtt.US > bound)
						if want {
							exceeding++
						}
						if c.exceeds(c.counted(&latency.Share{Kernel: d.Histogram()})) != want {
							t.Errorf("%s of %d below, %d at, %d above and %d lost is %+v, but exceeds %d: %v", statistic, below, at, above, lost, rtt, bound, !want)
						}
					}
				}
			}
		}
		if exceeding == 0 {
			t.Errorf("%s never exceeded the bound", statistic)
		}
	}
}
