package latency

import (
	"fmt"
	"maps"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/probe/wire"
)

// packets are what a distribution is made of, to compare it with.
type packets struct {
	rtts []uint32
	lost int
}

func (p packets) distribution() *Distribution {
	var d Distribution
	for _, us := range p.rtts {
		d.AddRTT(us, 1)
	}
	d.AddLost(uint64(p.lost))
	return &d
}

// pick sorts all packets, the lost ones last, and picks the nearest rank.
func (p packets) pick(percent int) RTT {
	all := make([]RTT, 0, len(p.rtts)+p.lost)
	for range p.lost {
		all = append(all, RTT{Unbounded: true})
	}
	for _, us := range p.rtts {
		all = append(all, RTT{US: int64(us)})
	}
	slices.SortFunc(all, RTT.Compare)
	for i, v := range all {
		if (i+1)*100 >= percent*len(all) {
			return v
		}
	}
	panic("no packets")
}

var drawPackets = rapid.Custom(func(t *rapid.T) packets {
	return packets{
		rtts: rapid.SliceOfN(rapid.OneOf(rapid.Uint32Range(0, 20), rapid.Uint32Range(4000, 4200), rapid.Uint32Range(0, wire.MaxRTTUS)), 0, 60).Draw(t, "rtts"),
		lost: rapid.IntRange(0, 8).Draw(t, "lost"),
	}
})

func TestPercentileIsSortAndPick(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPackets.Draw(t, "packets")
		if len(p.rtts)+p.lost == 0 {
			p.lost = 1
		}
		d := p.distribution()
		percent := rapid.IntRange(1, 100).Draw(t, "percent")
		if got, ok := d.Percentile(percent); !ok || got != p.pick(percent) {
			t.Fatalf("p%d is %+v, sort and pick gives %+v", percent, got, p.pick(percent))
		}
		least := RTT{Unbounded: true}
		mean := RTT{Unbounded: true}
		if len(p.rtts) > 0 {
			least = RTT{US: int64(slices.Min(p.rtts))}
			sum := new(big.Int)
			for _, us := range p.rtts {
				sum.Add(sum, big.NewInt(int64(us)))
			}
			// ⌊sum/n + 1/2⌋
			n := big.NewInt(int64(len(p.rtts)))
			sum.Mul(sum, big.NewInt(2)).Add(sum, n)
			mean = RTT{US: sum.Quo(sum, n.Mul(n, big.NewInt(2))).Int64()}
		}
		if got, ok := d.Min(); !ok || got != least {
			t.Fatalf("min is %+v, want %+v", got, least)
		}
		if got, ok := d.Mean(); !ok || got != mean {
			t.Fatalf("mean is %+v, want %+v", got, mean)
		}
	})
}

func TestMergeIsAssociativeAndCommutative(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := [3]packets{drawPackets.Draw(t, "a"), drawPackets.Draw(t, "b"), drawPackets.Draw(t, "c")}
		merge := func(ds ...*Distribution) *Distribution {
			sum := &Distribution{}
			for _, d := range ds {
				sum.Merge(d)
			}
			return sum
		}
		a, b, c := parts[0].distribution, parts[1].distribution, parts[2].distribution
		want := content(merge(a(), b(), c()))
		for name, got := range map[string]*Distribution{
			"a+(b+c)": merge(a(), merge(b(), c())),
			"c+b+a":   merge(c(), b(), a()),
			"b+c+a":   merge(b(), c(), a()),
		} {
			if diff := cmp.Diff(want, content(got)); diff != "" {
				t.Fatalf("%s differs from a+b+c (-want +got):\n%s", name, diff)
			}
		}
		var all packets
		for _, p := range parts {
			all.rtts = append(all.rtts, p.rtts...)
			all.lost += p.lost
		}
		if diff := cmp.Diff(content(all.distribution()), want); diff != "" {
			t.Fatalf("merging changes the packets (-want +got):\n%s", diff)
		}
	})
}

func content(d *Distribution) map[string]uint64 {
	values := map[string]uint64{"packets": d.Packets(), "lost": d.Lost()}
	for us, n := range d.Values() {
		values[fmt.Sprint(us)] = n
	}
	return values
}

func TestAddWindowKeepsCounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPackets.Draw(t, "packets")
		slices.Sort(p.rtts)
		unstamped := rapid.Uint32Range(0, 5).Draw(t, "unstamped")
		w := &wire.Window{RTTs: wire.AppendRTTs(nil, p.rtts)}
		w.Received, w.Unstamped, w.Lost = uint32(len(p.rtts))+unstamped, unstamped, uint32(p.lost)
		w.Sent = w.Received + w.Lost
		var d Distribution
		if _, err := d.Add(w, nil); err != nil {
			t.Fatal(err)
		}
		if d.Packets() != uint64(w.Sent-w.Unstamped) {
			t.Fatalf("%d packets, want sent %d − unstamped %d", d.Packets(), w.Sent, w.Unstamped)
		}
		counted := maps.Collect(d.Values())
		for _, us := range p.rtts {
			counted[us]--
		}
		for us, n := range counted {
			if n != 0 {
				t.Fatalf("%d µs is counted %d times too often", us, int64(n))
			}
		}
	})
}

func TestEmptyAndLost(t *testing.T) {
	var d Distribution
	if _, ok := d.Percentile(95); ok {
		t.Error("an empty distribution has a percentile")
	}
	if _, ok := d.Min(); ok {
		t.Error("an empty distribution has a minimum")
	}
	if _, ok := d.Mean(); ok {
		t.Error("an empty distribution has a mean")
	}
	d.AddLost(3)
	for _, statistic := range []func() (RTT, bool){d.Min, d.Mean, func() (RTT, bool) { return d.Percentile(1) }} {
		if got, ok := statistic(); !ok || !got.Unbounded {
			t.Errorf("everything lost gives %+v, %v", got, ok)
		}
	}
	// Nineteen of twenty is exactly 95 %: one loss in twenty is still bounded.
	d = Distribution{}
	d.AddRTT(7, 19)
	d.AddLost(1)
	if got, _ := d.Percentile(95); got != (RTT{US: 7}) {
		t.Errorf("p95 with one of twenty lost is %+v", got)
	}
	d.AddLost(1)
	if got, _ := d.Percentile(95); !got.Unbounded {
		t.Errorf("p95 with two of twenty-one lost is %+v", got)
	}
}

func TestAddRefusesBrokenSamples(t *testing.T) {
	var d Distribution
	w := &wire.Window{RTTs: []byte{0x80}}
	if _, err := d.Add(w, nil); err == nil {
		t.Error("a cut varint is taken")
	}
	if d.Packets() != 0 {
		t.Errorf("%d packets out of a broken window", d.Packets())
	}
}

// BenchmarkLinkMonth merges 43 200 windows of 60 samples.
func BenchmarkLinkMonth(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	windows := make([]wire.Window, 1000)
	for i := range windows {
		rtts := make([]uint32, 60)
		for j := range rtts {
			rtts[j] = uint32(22_000 + random.ExpFloat64()*150)
		}
		slices.Sort(rtts)
		windows[i].RTTs = wire.AppendRTTs(nil, rtts)
	}
	b.ReportAllocs()
	for b.Loop() {
		var d Distribution
		var scratch []uint32
		for i := range 43_200 {
			var err error
			if scratch, err = d.Add(&windows[i%len(windows)], scratch); err != nil {
				b.Fatal(err)
			}
		}
		d.Percentile(95)
	}
}
