package faults

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/fibergauge/fibergauge/lab/wan"
	"github.com/fibergauge/fibergauge/mesh"
)

func everything() Stage {
	return Stage{
		Probes: []string{"a", "b", "c", "d"},
		Links:  [][2]string{{"a", "b"}, {"a", "c"}, {"b", "c"}, {"c", "d"}},
		Store:  true, Older: true,
	}
}

// TestDraw holds what a plan promises, whatever the seed.
func TestDraw(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		length := time.Duration(rapid.IntRange(60, 900).Draw(t, "seconds")) * time.Second
		stage := everything()
		list := Draw(seed, stage, length)
		if d := cmp.Diff(list, Draw(seed, stage, length)); d != "" {
			t.Fatalf("the same seed draws otherwise:\n%s", d)
		}
		if most := int((length - Settle(length)) / (7 * time.Second)); len(list) < most {
			t.Fatalf("only %d faults in %s", len(list), length)
		}
		kinds := map[Kind]int{}
		before := int64(0)
		for i, f := range list {
			kinds[f.Kind]++
			if f.Number != i+1 || f.BeginMS < before || f.LengthMS < 0 || f.End() > length-Settle(length) {
				t.Fatalf("fault %d is out of order or too long: %+v", i+1, f)
			}
			before = f.BeginMS
			if (f.Kind == ClockStep) != (f.StepMS != 0) || max(f.StepMS, -f.StepMS) > 45_000 {
				t.Fatalf("%+v steps by %d ms", f, f.StepMS)
			}
			for _, other := range list[:i] {
				if collide(&f, &other) {
					t.Fatalf("%+v and %+v befall one thing at once", other, f)
				}
			}
		}
		if length >= 5*time.Minute && len(kinds) != len(stage.kinds()) {
			t.Fatalf("%d kinds in %s, want %d: %v", len(kinds), length, len(stage.kinds()), kinds)
		}
	})
}

func TestDrawLeavesOutWhatIsNotThere(t *testing.T) {
	stage := everything()
	stage.Store, stage.Older, stage.Links = false, false, nil
	for _, f := range Draw(1, stage, time.Hour) {
		switch f.Kind {
		case StoreKill, ProbeOlder, CollectorOlder, LinkCut, LinkLossy:
			t.Fatalf("%+v befalls what is not there", f)
		}
	}
	if d := cmp.Diff(Draw(1, everything(), time.Minute), Draw(2, everything(), time.Minute)); d == "" {
		t.Error("another seed draws the same")
	}
}

func TestCollide(t *testing.T) {
	at := func(kind Kind, target string, begin, length int64) Fault {
		return Fault{Kind: kind, Target: target, BeginMS: begin, LengthMS: length}
	}
	for _, test := range []struct {
		name string
		a, b Fault
		want bool
	}{
		{"one probe", at(ProbeKill, "a", 0, 1000), at(ProbeOlder, "a", 2999, 1000), true},
		{"one probe, later", at(ProbeKill, "a", 0, 1000), at(ProbeOlder, "a", 3000, 1000), false},
		{"two probes", at(ProbeKill, "a", 0, 1000), at(ProbeKill, "b", 0, 1000), false},
		{"a kill on a full disk", at(DiskFull, "a", 0, 9000), at(ProbeKill, "a", 1000, 1000), false},
		{"all ways and one", at(WayCut, Everyone, 0, 9000), at(AcksLost, "b", 1000, 1000), true},
		{"one way and all", at(DiskFull, "b", 0, 9000), at(WaySilent, Everyone, 1000, 1000), true},
		{"two ways", at(WayCut, "a", 0, 9000), at(WayCut, "b", 1000, 1000), false},
		{"all ways and a clock", at(WayCut, Everyone, 0, 9000), at(ClockStep, "b", 1000, 1000), false},
		{"collector", at(CollectorKill, "collector", 0, 9000), at(CollectorOlder, "collector", 1000, 1000), true},
		{"collector and store", at(CollectorKill, "collector", 0, 9000), at(StoreKill, "store", 1000, 1000), false},
	} {
		if got := collide(&test.a, &test.b); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}

func TestWeather(t *testing.T) {
	m, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	w, err := wan.Load("../national-wan.yaml", m)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, site := range m.Sites {
		names = append(names, site.ID)
	}
	network := w.Network(time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC))
	weather := Over(network, names, 1, []Fault{
		{Kind: LinkCut, Target: names[0] + "-" + names[1], BeginMS: 100_000, LengthMS: 1000},
		{Kind: LinkLossy, Target: names[2] + "-" + names[1], BeginMS: 100_000, LengthMS: 1000},
		{Kind: WayCut, Target: names[2], BeginMS: 100_000, LengthMS: 1000},
	})
	// What is lost of 3000 packets; the network by itself loses next to nothing.
	lost := func(from, to int, at time.Duration) int {
		n := 0
		for seq := range uint64(3000) {
			fate := weather.Fate(from, to, at, seq)
			if fate.Lost {
				n++
			} else if fate != network.Fate(from, to, at, seq) {
				t.Fatalf("a fault changes what it does not lose: %+v", fate)
			}
		}
		return n
	}
	const before, during, after = 99_999 * time.Millisecond, 100_000 * time.Millisecond, 101_000 * time.Millisecond
	for _, test := range []struct {
		from, to    int
		at          time.Duration
		least, most int
	}{
		{0, 1, before, 0, 100}, {0, 1, during, 3000, 3000}, {1, 0, during, 3000, 3000}, {0, 1, after, 0, 100},
		{1, 2, before, 0, 100}, {1, 2, during, 900, 1150}, {2, 1, during, 900, 1150},
		{0, 2, during, 0, 100},
	} {
		if n := lost(test.from, test.to, test.at); n < test.least || n > test.most {
			t.Errorf("%s to %s at %s: %d of 3000 lost, want %d to %d", names[test.from], names[test.to], test.at, n, test.least, test.most)
		}
	}
}
