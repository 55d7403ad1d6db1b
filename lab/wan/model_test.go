package wan_test

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/lab/wan"
)

// settings draws what can be said of a link.
func settings(t *rapid.T) string {
	shape := rapid.SampledFrom([]string{"uniform", "normal", "exponential"}).Draw(t, "shape")
	return fmt.Sprintf("{rtt_ms: %d, asymmetry: %.2f, jitter: {distribution: %s, median_ms: %.2f}, loss_percent: %d, duplicate_percent: %d, reorder_percent: %d, reorder_ms: %d}",
		rapid.IntRange(0, 80).Draw(t, "rtt"), rapid.Float64Range(0, 1).Draw(t, "asymmetry"), shape,
		rapid.Float64Range(0, 3).Draw(t, "jitter"), rapid.IntRange(0, 60).Draw(t, "loss"),
		rapid.IntRange(0, 100).Draw(t, "duplicate"), rapid.IntRange(0, 60).Draw(t, "reorder"), rapid.IntRange(0, 5).Draw(t, "held"))
}

func TestFateFollowsFromTheFile(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Uint64().Draw(rt, "seed")
		text := fmt.Sprintf("{version: 1, seed: %d, defaults: %s}", seed, settings(rt))
		// In another order and on another network of the same file.
		one, other := network(t, text), network(t, text)
		first, second := make([]wan.Fate, 50), make([]wan.Fate, 50)
		for i := range first {
			first[i] = one.Fate(xa, ya, 0, uint64(i))
		}
		for i := len(second) - 1; i >= 0; i-- {
			other.Fate(ya, xa, 0, uint64(i))
			second[i] = other.Fate(xa, ya, 0, uint64(i))
		}
		if d := cmp.Diff(first, second); d != "" {
			rt.Error(d)
		}
		for _, f := range first {
			if f.Lost != (f == wan.Fate{Lost: true}) || !f.Lost && (f.Delay < 0 || f.Copies < 1 || f.Copies > 2) {
				rt.Errorf("%+v is no fate", f)
			}
		}
	})
}

func TestFateDiffersBySeedWayAndPacket(t *testing.T) {
	const text = "{version: 1, seed: %d, defaults: {rtt_ms: 0, jitter: {distribution: uniform, median_ms: 500}}}"
	one, other := network(t, fmt.Sprintf(text, 1)), network(t, fmt.Sprintf(text, 2))
	seen := map[time.Duration]bool{}
	for _, f := range []wan.Fate{
		one.Fate(xa, ya, 0, 0), one.Fate(xa, ya, 0, 1), one.Fate(ya, xa, 0, 0), one.Fate(xa, za, 0, 0), other.Fate(xa, ya, 0, 0),
	} {
		if seen[f.Delay] {
			t.Errorf("a delay of %v twice", f.Delay)
		}
		seen[f.Delay] = true
	}
}

// roundTrips sends packets there and back as a probe and its target would, and
// gives the RTTs of those answered, sorted: of two answers the first counts.
func roundTrips(n *wan.Network, packets int, at func(int) time.Duration) []time.Duration {
	var rtts []time.Duration
	back := uint64(0)
	for i := range packets {
		t := at(i)
		there := n.Fate(xa, ya, t, uint64(i))
		if there.Lost {
			continue
		}
		first := time.Duration(math.MaxInt64)
		for range there.Copies {
			answer := n.Fate(ya, xa, t, back)
			back++
			if !answer.Lost {
				first = min(first, there.Delay+answer.Delay)
			}
		}
		if first < 3*time.Second {
			rtts = append(rtts, first)
		}
	}
	slices.Sort(rtts)
	return rtts
}

// TestExpectedIsWhatHappens holds the computed median and share of answers
// against 20 000 packets. The bounds are five standard deviations wide: the
// median has half of the packets below it, give or take, whatever the shape.
func TestExpectedIsWhatHappens(t *testing.T) {
	const packets = 20_000
	rapid.Check(t, func(rt *rapid.T) {
		n := network(t, fmt.Sprintf("{version: 1, seed: %d, defaults: %s}", rapid.Uint64().Draw(rt, "seed"), settings(rt)))
		rtts := roundTrips(n, packets, func(int) time.Duration { return 0 })
		p50, answered := n.Expected(xa, ya, time.Minute, 3*time.Second)
		if got, slack := float64(len(rtts))/packets, 5*math.Sqrt(0.25/packets); math.Abs(got-answered) > slack {
			rt.Errorf("%.4f answered, expected %.4f", got, answered)
		}
		middle, slack := float64(len(rtts))/2, 5*math.Sqrt(float64(len(rtts)))/2+1
		low, high := rtts[max(0, int(middle-slack))], rtts[min(len(rtts)-1, int(middle+slack))]
		const rounding = 2 * time.Microsecond
		if p50 < low-rounding || p50 > high+rounding {
			rt.Errorf("expected median %v is not within %v to %v", p50, low, high)
		}
	})
}

func TestExpected(t *testing.T) {
	for _, c := range []struct {
		name, text string
		p50        time.Duration
		answered   float64
	}{
		{"plain", "defaults: {rtt_ms: 12.5}", 12500 * time.Microsecond, 1},
		{"stretch", "defaults: {stretch: 1.25}", 25 * ms, 1},
		{"uniform jitter both ways", "defaults: {rtt_ms: 10, jitter: {distribution: uniform, median_ms: 1}}", 12 * ms, 1},
		{"normal jitter both ways", "defaults: {rtt_ms: 10, jitter: {distribution: normal, median_ms: 1}}", 12 * ms, 1},
		// The median of two exponential delays with mean 1 is 1.678347.
		{"exponential jitter both ways", "defaults: {rtt_ms: 10, jitter: {distribution: exponential, median_ms: 0.693147}}", 11678347, 1},
		{"loss both ways", "defaults: {rtt_ms: 10, loss_percent: 10}", 10 * ms, 0.81},
		{"loss of everything", "defaults: {rtt_ms: 10, loss_percent: 100}", 0, 0},
		{"cut", "defaults: {rtt_ms: 10, cut: true}", 0, 0},
		{"too late", "defaults: {rtt_ms: 3100}", 0, 0},
		{"slow for a third of the time", "defaults: {rtt_ms: 10}\nevents: [{at: 10s, for: 20s, rtt_ms: 20}]", 10 * ms, 1},
		{"slow for most of the time", "defaults: {rtt_ms: 10}\nevents: [{at: 10s, for: 40s, rtt_ms: 20}]", 20 * ms, 1},
		{"cut for most of the time", "defaults: {rtt_ms: 10}\nevents: [{at: 0s, for: 45s, rtt_ms: 20, cut: true}]", 10 * ms, 0.25},
	} {
		t.Run(c.name, func(t *testing.T) {
			p50, answered := network(t, "version: 1\nseed: 1\n"+c.text+"\n").Expected(xa, ya, time.Minute, 3*time.Second)
			if (p50-c.p50).Abs() > time.Microsecond || math.Abs(answered-c.answered) > 1e-9 {
				t.Errorf("p50 %v and %v answered, want %v and %v", p50, answered, c.p50, c.answered)
			}
		})
	}
}

func TestFateIsTheSameOnEveryMachine(t *testing.T) {
	n := network(t, "{version: 1, seed: 42, defaults: {rtt_ms: 10, jitter: {distribution: exponential, median_ms: 1}, loss_percent: 30, duplicate_percent: 30}}")
	var got []wan.Fate
	for seq := range uint64(6) {
		got = append(got, n.Fate(xa, ya, 0, seq))
	}
	want := []wan.Fate{
		{Lost: true},
		{Delay: 6_259_422, Copies: 2},
		{Delay: 5_370_567, Copies: 1},
		{Delay: 6_355_688, Copies: 2},
		{Lost: true},
		{Lost: true},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
