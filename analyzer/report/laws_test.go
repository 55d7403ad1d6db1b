package report

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/internal/scenario"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/mesh"
)

// The same input gives the same bytes, however the reading is spread over
// goroutines and whatever order the windows were put in.
func TestSameInputSameBytes(t *testing.T) {
	m, err := mesh.Load("../../mesh/national.yaml")
	if err != nil {
		t.Fatal(err)
	}
	period := on(t, m, "2025-06-03T10:00:00+08:00", "2025-06-03T10:05:00+08:00")
	var first []byte
	for round := range 4 {
		random := rand.New(rand.NewPCG(7, 7))
		s := &scenario.Store{}
		type put struct {
			link mesh.Link
			at   time.Time
			rtts []uint32
		}
		var puts []put
		for _, link := range m.Links(m.Test(m.Judged), period.From, period.To) {
			for at := period.From; at.Before(period.To); at = at.Add(time.Minute) {
				p := put{link, at, make([]uint32, 60)}
				for i := range p.rtts {
					p.rtts[i] = 20_000 + random.Uint32N(20_000)
				}
				puts = append(puts, p)
			}
		}
		shuffle := rand.New(rand.NewPCG(uint64(round), 1))
		shuffle.Shuffle(len(puts), func(i, j int) { puts[i], puts[j] = puts[j], puts[i] })
		for _, p := range puts {
			s.Put(t, scenario.Window(m, p.link.Src, p.link.Dst, p.at, p.rtts, 0))
		}
		got, err := JSON(build(t, m, policy.Default(), s, period))
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(first, got) {
			t.Fatalf("round %d gives other bytes:\n%s", round, cmp.Diff(strings.Split(string(first), "\n"), strings.Split(string(got), "\n")))
		}
	}
}
