package uncertainty

import (
	"bytes"
	"encoding/json"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/theory"
)

// What testdata/interval.py reads and writes.
type (
	twinDay struct {
		Timed   [][2]uint64 `json:"timed"`
		Lost    uint64      `json:"lost"`
		Bounds  [][2]uint64 `json:"bounds"`
		Missing uint64      `json:"missing"`
	}
	twinEnd struct {
		DelayNS [2]int64  `json:"delay_ns"`
		Days    []twinDay `json:"days"`
	}
	twinLink struct {
		Statistic  string    `json:"statistic"`
		Trials     int       `json:"trials"`
		FewerDays  int       `json:"fewer_days"`
		Seed       uint64    `json:"seed"`
		Confidence string    `json:"confidence"`
		DistanceM  [2]int64  `json:"distance_m"`
		ExtentsM   []int64   `json:"extents_m"`
		USPerM     string    `json:"us_per_m"`
		Candidates []int     `json:"candidates"`
		Measured   *string   `json:"measured"`
		Ends       []twinEnd `json:"ends"`
	}
	twinInterval struct {
		Low, High, Gaps *string
	}
	twinResult struct{ Intervals []twinInterval }
)

// TestTwin holds every interval against the one that another program in
// another language computes from the same input.
func TestTwin(t *testing.T) {
	random := rand.New(rand.NewPCG(20250603, 6))
	var inputs []Input
	for i := range 60 {
		in := seeded(random)
		in.Statistic = statistics[i%len(statistics)]
		inputs = append(inputs, in)
	}
	whole := month(true)
	whole.Trials = 100
	inputs = append(inputs, whole)

	light, candidates := theory.InFibre(), []int{1, 2, 3, 7}
	var orders bytes.Buffer
	encoder := json.NewEncoder(&orders)
	var want []twinResult
	for i, in := range inputs {
		measured := Ratio{Value: big.NewRat(500+random.Int64N(3000), 1000)}
		if i%9 == 8 {
			measured = Ratio{Unbounded: true}
		}
		trials, err := Simulate(in)
		if err != nil {
			t.Fatal(err)
		}
		var result twinResult
		for _, k := range candidates {
			interval := trials.Interval(light, k, measured)
			result.Intervals = append(result.Intervals, twinInterval{written(interval.Low), written(interval.High), written(interval.Gaps)})
		}
		want = append(want, result)
		if err := encoder.Encode(twinOf(in, light, candidates, measured)); err != nil {
			t.Fatal(err)
		}
	}

	answers := json.NewDecoder(bytes.NewReader(runTwin(t, &orders)))
	endless := 0
	for i, in := range inputs {
		var got twinResult
		if err := answers.Decode(&got); err != nil {
			t.Fatalf("input %d: %v", i, err)
		}
		if diff := cmp.Diff(got, want[i]); diff != "" {
			t.Errorf("input %d, %s over %d days (-python +go):\n%s", i, in.Statistic, len(in.Ends[0].Days), diff)
		}
		for _, interval := range got.Intervals {
			if interval.Gaps == nil {
				endless++
			}
		}
	}
	if all := len(inputs) * len(candidates); endless == 0 || endless == all {
		t.Errorf("of %d intervals %d are endless: the inputs try too little", all, endless)
	}
}

// seeded is an input of small numbers, in which what is rare in a network
// happens often.
func seeded(random *rand.Rand) Input {
	span := func(low, width int64) Span { return Span{low, low + random.Int64N(width)} }
	in := Input{
		DistanceM: span(800_000+random.Int64N(1_000_000), 100_000), Trials: 200 + random.IntN(200), FewerDays: random.IntN(5),
		Seed: random.Uint64(), Confidence: big.NewRat(80+random.Int64N(20), 100),
	}
	for range random.IntN(3) {
		in.ExtentsM = append(in.ExtentsM, random.Int64N(40_000))
	}
	days, lossy, bounded, gapped := 3+random.IntN(23), random.IntN(2) == 0, random.IntN(2) == 0, random.IntN(2) == 0
	for range 1 + random.IntN(2) {
		end := End{DelayNS: span(random.Int64N(40_000)-20_000, 100_000)}
		for range days {
			var timed, bounds latency.Distribution
			var day Day
			level := 12_000 + random.Uint32N(3000)
			for range random.IntN(40) {
				if bounded && random.IntN(3) == 0 {
					bounds.AddRTT(level+random.Uint32N(200), 1+random.Uint64N(9))
				} else {
					timed.AddRTT(level+random.Uint32N(100), 1+random.Uint64N(9))
				}
			}
			if lossy && random.IntN(4) == 0 {
				timed.AddLost(random.Uint64N(20))
			}
			if gapped && random.IntN(3) == 0 {
				day.Missing = random.Uint64N(40)
			}
			day.Timed, day.Bounds = timed.Histogram(), bounds.Histogram()
			end.Days = append(end.Days, day)
		}
		in.Ends = append(in.Ends, end)
	}
	return in
}

func twinOf(in Input, light theory.Light, candidates []int, measured Ratio) twinLink {
	link := twinLink{
		Statistic: string(in.Statistic), Trials: in.Trials, FewerDays: in.FewerDays, Seed: in.Seed, Confidence: in.Confidence.RatString(),
		DistanceM: [2]int64{in.DistanceM.Low, in.DistanceM.High}, ExtentsM: append([]int64{}, in.ExtentsM...),
		USPerM: light.OneWayUS(1).RatString(), Candidates: candidates, Measured: written(measured),
	}
	for _, end := range in.Ends {
		told := twinEnd{DelayNS: [2]int64{end.DelayNS.Low, end.DelayNS.High}}
		for _, day := range end.Days {
			told.Days = append(told.Days, twinDay{samples(day.Timed), day.Timed.Lost(), samples(day.Bounds), day.Missing})
		}
		link.Ends = append(link.Ends, told)
	}
	return link
}

func samples(h latency.Histogram) [][2]uint64 {
	pairs := [][2]uint64{}
	for us, n := range h.Between(0, math.MaxUint32) {
		pairs = append(pairs, [2]uint64{uint64(us), n})
	}
	return pairs
}

// written is a fraction, or nil for +∞.
func written(r Ratio) *string {
	if r.Unbounded {
		return nil
	}
	s := r.Value.RatString()
	return &s
}

// runTwin gives what testdata/interval.py answers. Without Python the test is
// skipped, but not in continuous integration.
func runTwin(t *testing.T, orders *bytes.Buffer) []byte {
	python, err := exec.LookPath("python3")
	if err != nil {
		miss := t.Skipf
		if os.Getenv("CI") == "true" {
			miss = t.Fatalf
		}
		miss("NOT TESTED against another program: needs python3: install it: %v", err)
	}
	var log bytes.Buffer
	run := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "interval.py"))
	run.Stdin, run.Stderr = orders, &log
	answers, err := run.Output()
	if err != nil {
		t.Fatalf("testdata/interval.py: %v: %s", err, log.String())
	}
	return answers
}
