package chart

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var (
	update = flag.Bool("update", false, "write the golden files anew")
	show   = flag.String("show", "", "write every figure in both themes into this folder, to look at")
)

var (
	english = []string{"Zhangjiakou", "Yangtze River Delta Demonstration Zone", "Wuhu", "Shaoguan", "Tianfu", "Chongqing", "Gui'an", "Horinger", "Qingyang", "Zhongwei"}
	chinese = []string{"张家口", "长三角示范区", "芜湖", "韶关", "天府", "重庆", "贵安", "和林格尔", "庆阳", "中卫"}

	wordsEN = VerdictWords{"compliant", "not compliant", "not demonstrated"}
	wordsZH = VerdictWords{"达标", "不达标", "未证明"}
)

func seeded() *rand.Rand { return rand.New(rand.NewPCG(20, 26)) }

func ptr[T any](v T) *T { return &v }

func judged(ratio float64) Verdict {
	if ratio <= 1.5 {
		return Compliant
	}
	return NonCompliant
}

// figures are the samples that the goldens and the laws are about.
func figures() map[string]Figure {
	all := map[string]Figure{}
	for _, add := range []func(map[string]Figure){rankedSamples, trendSamples, ecdfSamples, heatSamples, matrixSamples, mapSamples, bandsSamples} {
		add(all)
	}
	return all
}

func TestGolden(t *testing.T) {
	for name, f := range figures() {
		if name[0] == '-' {
			continue // for the laws alone
		}
		got := f.SVGFile(Paper)
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), got); diff != "" {
			t.Errorf("%s differs; -update writes it anew (-want +got):\n%s", file, diff)
		}
	}
}

func TestShow(t *testing.T) {
	if *show == "" {
		t.Skip("no -show folder")
	}
	for name, f := range figures() {
		for theme, suffix := range map[Theme]string{Paper: "light", Dark: "dark"} {
			if err := os.WriteFile(filepath.Join(*show, name+"."+suffix+".svg"), []byte(f.SVGFile(theme)), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestEveryFigureIsSound: no mark leaves the frame, no two texts cover the same
// place.
func TestEveryFigureIsSound(t *testing.T) {
	for name, f := range figures() {
		for _, fault := range append(outside(f), overlaps(f)...) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// outside tells of marks that leave the frame.
func outside(f Figure) (faults []string) {
	inside := func(what string, points ...Point) {
		for _, p := range points {
			if !(p.X >= -0.01 && p.Y >= -0.01 && p.X <= f.Width+0.01 && p.Y <= f.Height+0.01) {
				faults = append(faults, fmt.Sprintf("%s at %.1f, %.1f is outside %v x %v", what, p.X, p.Y, f.Width, f.Height))
			}
		}
	}
	around := func(what string, p Point, r float64) { inside(what, Point{p.X - r, p.Y - r}, Point{p.X + r, p.Y + r}) }
	for _, m := range f.Marks {
		switch m := m.(type) {
		case Path:
			for _, part := range m.Parts {
				inside("a path", part...)
				for _, p := range part {
					if m.Closed {
						around("a stroke", p, m.Stroke.Width/2)
					}
				}
			}
		case Circle:
			around("a circle", m.Center, m.Radius+m.Stroke.Width/2)
		case Text:
			c := m.corners()
			inside(fmt.Sprintf("%q", m.Words), c[:]...)
		}
	}
	return faults
}

// overlaps tells of texts that cover others.
func overlaps(f Figure) (faults []string) {
	var texts []Text
	for _, m := range f.Marks {
		if text, ok := m.(Text); ok {
			texts = append(texts, text)
		}
	}
	for i, a := range texts {
		for _, b := range texts[:i] {
			if overlap(a.corners(), b.corners()) {
				faults = append(faults, fmt.Sprintf("%q at %.0f, %.0f and %q at %.0f, %.0f overlap", a.Words, a.At.X, a.At.Y, b.Words, b.At.X, b.At.Y))
			}
		}
	}
	return faults
}

// overlap of two rectangles that may be turned: there is no line between them.
func overlap(a, b [4]Point) bool {
	const touching = 0.05
	for _, q := range [][4]Point{a, b} {
		for i := range 2 {
			nx, ny := q[i+1].Y-q[i].Y, q[i].X-q[i+1].X
			l := math.Hypot(nx, ny)
			reach := func(c [4]Point) (lo, hi float64) {
				lo, hi = math.Inf(1), math.Inf(-1)
				for _, p := range c {
					v := (p.X*nx + p.Y*ny) / l
					lo, hi = min(lo, v), max(hi, v)
				}
				return lo, hi
			}
			alo, ahi := reach(a)
			blo, bhi := reach(b)
			if ahi <= blo+touching || bhi <= alo+touching {
				return false
			}
		}
	}
	return true
}

func TestSameInputSameBytes(t *testing.T) {
	again := figures()
	for name, f := range figures() {
		if f.SVG("x") != again[name].SVG("x") {
			t.Errorf("%s is different the second time", name)
		}
	}
}

// wordsOf a figure, all that can be read in it.
func wordsOf(f Figure) map[string]int {
	words := map[string]int{}
	for _, m := range f.Marks {
		if text, ok := m.(Text); ok {
			words[text.Words]++
		}
	}
	return words
}
