package uncertainty

import (
	"flag"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"sort"
	"strings"
	"sync"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

var coverageMonths = flag.Int("coverage-months", 0, "months of each process whose intervals are held against the truth")

const (
	baseUS     = 18_000
	queueUS    = 250.0 // mean of what a packet waits, exponentially distributed
	lostAbove  = 0.995 // the quantile of waiting above which a packet is lost
	minutely   = 1440  // packets a day
	memory     = 30.0  // packets over which correlation falls to 1/e
	levelUS    = 100.0 // mean of the level of a day, exponentially distributed
	detourUS   = 2000.0
	detourDays = 0.05
)

// process is a law by which RTTs come about: baseUS, what the packet waits, and
// a level that both ends share on a day. Waiting has one law in all of them.
type process struct {
	name  string
	phi   float64                                              // correlation of a packet's waiting with that of the one before it on the same day
	level func(r *rand.Rand, state float64) (us, next float64) // of a day, and the state for the day after
	below func(us float64) float64                             // the share of all packets that are not lost and wait, with the level, less than this
}

var stays = math.Exp(-1 / memory)

func noLevel(*rand.Rand, float64) (us, next float64) { return 0, 0 }

func waits(us float64) float64 {
	return min(max(1-math.Exp(-us/queueUS), 0), lostAbove)
}

// leveled is the law of the sum of two exponential distributions. It holds up
// to the waiting at which packets are lost, and the p95 lies below that.
func leveled(us float64) float64 {
	return 1 - (queueUS*math.Exp(-us/queueUS)-levelUS*math.Exp(-us/levelUS))/(queueUS-levelUS)
}

// exponential turns a normal variable into an exponential one.
func exponential(z, mean float64) float64 {
	return -mean * math.Log(math.Erfc(z/math.Sqrt2)/2)
}

var processes = []process{
	{"independent", 0, noLevel, waits},
	{"correlated within the day", stays, noLevel, waits},
	{"day effects", stays, func(r *rand.Rand, _ float64) (float64, float64) {
		return r.ExpFloat64() * levelUS, 0
	}, leveled},
	{"5 % of days rerouted", stays, func(r *rand.Rand, _ float64) (float64, float64) {
		if r.Float64() < detourDays {
			return detourUS, 0
		}
		return 0, 0
	}, func(us float64) float64 {
		return (1-detourDays)*waits(us) + detourDays*waits(us-detourUS)
	}},
	{"day effects that last", stays, func(r *rand.Rand, state float64) (float64, float64) {
		z := state
		if z == 0 { // the first day
			z = r.NormFloat64()
		}
		return exponential(z, levelUS), 0.7*z + math.Sqrt(1-0.7*0.7)*r.NormFloat64()
	}, leveled},
}

// truth is the p95 of the law, in whole microseconds as windows have them.
func (p *process) truth() uint32 {
	return baseUS + uint32(sort.Search(10_000, func(us int) bool { return p.below(float64(us+1)) >= 0.95 }))
}

// month draws the days of some ends. If dealt, the packets of an end are dealt
// to its days anew, as if days were nothing to them.
func (p *process) month(r *rand.Rand, days, ends int, dealt bool) Input {
	in := Input{
		DistanceM: Span{1_500_000, 1_500_000}, Statistic: policy.P95,
		Ends: make([]End, ends), Trials: 10_000, FewerDays: 3, Seed: r.Uint64(), Confidence: big.NewRat(19, 20),
	}
	drawn := make([][]latency.Distribution, ends)
	for e := range drawn {
		drawn[e] = make([]latency.Distribution, days)
	}
	fresh := math.Sqrt(1 - p.phi*p.phi)
	var level, state float64
	for d := range days {
		level, state = p.level(r, state)
		for e := range drawn {
			z := r.NormFloat64()
			for range minutely {
				to := &drawn[e][d]
				if dealt {
					to = &drawn[e][r.IntN(days)]
				}
				if wait := exponential(z, queueUS); waits(wait) < lostAbove {
					to.AddRTT(uint32(baseUS+level+wait), 1)
				} else {
					to.AddLost(1)
				}
				z = p.phi*z + fresh*r.NormFloat64()
			}
		}
	}
	for e := range drawn {
		for d := range drawn[e] {
			in.Ends[e].Days = append(in.Ends[e].Days, Day{Timed: drawn[e][d].Histogram()})
		}
	}
	return in
}

// coverage counts the months by where the truth lies.
type coverage struct{ within, above, below int }

func (c coverage) String() string {
	n := float64(c.within + c.above + c.below)
	share := float64(c.within) / n
	return fmt.Sprintf("| %.1f ± %.1f | %.1f | %.1f |", 100*share, 100*math.Sqrt(share*(1-share)/n),
		100*float64(c.above)/n, 100*float64(c.below)/n)
}

// covered holds the interval of each of many months against the truth.
func (p *process) covered(t *testing.T, months, days, ends int, dealt bool) coverage {
	truth := ratio{uint64(p.truth()) * 1000, 1_500_000}.by(theory.InFibre())
	at := make([]int, months)
	var group sync.WaitGroup
	for worker := range 2 {
		group.Go(func() {
			for i := worker; i < months; i += 2 {
				in := p.month(rand.New(rand.NewPCG(20261124, uint64(i))), days, ends, dealt)
				trials, err := Simulate(in)
				if err != nil {
					t.Error(err)
					return
				}
				interval := trials.Interval(theory.InFibre(), 1, measured(in))
				switch {
				case truth.Compare(interval.High) > 0:
					at[i] = 1
				case truth.Compare(interval.Low) < 0:
					at[i] = -1
				}
			}
		})
	}
	group.Wait()
	var c coverage
	for _, where := range at {
		switch where {
		case 0:
			c.within++
		case 1:
			c.above++
		default:
			c.below++
		}
	}
	return c
}

// measured is the ratio of the worse end over all its packets.
func measured(in Input) Ratio {
	worst := ratio{0, 1_500_000}
	for _, end := range in.Ends {
		var all latency.Distribution
		for _, day := range end.Days {
			all.AddHistogram(day.Timed)
		}
		p95, _ := all.Percentile(95)
		ns := uint64(p95.US) * 1000
		if p95.Unbounded {
			ns = endless
		}
		worst.ns = max(worst.ns, ns)
	}
	return worst.by(theory.InFibre())
}

// Correlation makes the days of a month differ although they have one law. An
// interval from draws of single packets would not see it, and would contain
// the truth as seldom as that of the packets dealt anew.
func TestIntervalCoversWhatIsCorrelatedWithinTheDay(t *testing.T) {
	p := &processes[1]
	blocks := p.covered(t, 120, 30, 1, false)
	if blocks.within < 108 {
		t.Errorf("%d of 120 intervals of 95 %% contain the p95 of the process; want 108 or more", blocks.within)
	}
	// The worse of two ends that are alike lies above what both are: were low
	// that of the worse end, 14 of these intervals would.
	if both := p.covered(t, 120, 30, 2, false); both.within < 111 {
		t.Errorf("with two ends %d of 120 intervals of 95 %% contain the p95 of the process, %d lie above it; want 111 or more", both.within, both.below)
	}
	if packets := p.covered(t, 60, 30, 1, true); packets.within > 30 {
		t.Errorf("%d of 60 intervals contain it with packets dealt to days anew; want 30 or less, or days make no difference", packets.within)
	}
}

// TestCoverage writes the rows of the table in docs/benchmarks.md.
func TestCoverage(t *testing.T) {
	if *coverageMonths == 0 {
		t.Skip("set -coverage-months to hold intervals against the truth")
	}
	rows := []struct{ process, days, ends int }{
		{1, 30, 1}, {0, 30, 1}, {2, 30, 1}, {3, 30, 1}, {4, 30, 1},
		{1, 20, 1}, {1, 10, 1}, {1, 28, 1}, {1, 31, 1}, {2, 20, 1},
		{1, 30, 2}, {0, 30, 2}, {2, 30, 2}, {3, 30, 2}, {4, 30, 2},
	}
	for _, row := range rows {
		p := &processes[row.process]
		fmt.Printf("| %s | %d | %d %s\n", p.name, row.days, row.ends, strings.TrimSpace(p.covered(t, *coverageMonths, row.days, row.ends, false).String()))
	}
}
