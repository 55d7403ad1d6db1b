package uncertainty

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

const perDay = 86_400

// month is a national link's: 31 days of two ends that send a packet every
// second, with a level of its own every day. If it is rough, some packets are
// lost, missing, or timed in user space.
func month(rough bool) Input {
	random := rand.New(rand.NewPCG(1, 2))
	in := Input{
		DistanceM: Span{1_476_000, 1_598_000}, ExtentsM: []int64{20_000},
		Statistic: policy.P95, Trials: 10_000, FewerDays: 3, Seed: 1, Confidence: big.NewRat(19, 20),
	}
	for range 2 {
		end := End{DelayNS: Span{0, 60_000}}
		for range 31 {
			level := 18_000 + random.ExpFloat64()*400
			var timed, bounds latency.Distribution
			var day Day
			for i := range perDay {
				to := &timed
				switch {
				case rough && i%100 == 0:
					timed.AddLost(1)
					continue
				case rough && i%100 == 1:
					day.Missing++
					continue
				case rough && i%100 < 30:
					to = &bounds
				}
				to.AddRTT(uint32(level+random.ExpFloat64()*250), 1)
			}
			day.Timed, day.Bounds = timed.Histogram(), bounds.Histogram()
			end.Days = append(end.Days, day)
		}
		in.Ends = append(in.Ends, end)
	}
	return in
}

// wide is a month in which hardly two RTTs are the same and one day in ten
// loses so much that any large RTT may be the percentile.
func wide() Input {
	random := rand.New(rand.NewPCG(3, 4))
	in := month(false)
	for e := range in.Ends {
		for d := range in.Ends[e].Days {
			timed := &latency.Distribution{}
			for range perDay {
				timed.AddRTT(18_000+random.Uint32N(200_000), 1)
			}
			if d%10 == 0 {
				timed.AddLost(perDay / 10)
			}
			in.Ends[e].Days[d].Timed = timed.Histogram()
		}
	}
	return in
}

func BenchmarkSimulate(b *testing.B) {
	mean := month(false)
	mean.Statistic = policy.Mean
	for _, c := range []struct {
		name string
		in   Input
	}{{"month", month(false)}, {"rough", month(true)}, {"wide", wide()}, {"mean", mean}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				trials, err := Simulate(c.in)
				if err != nil {
					b.Fatal(err)
				}
				trials.Interval(theory.InFibre(), 2, Ratio{Value: big.NewRat(5, 4)})
			}
		})
	}
}
