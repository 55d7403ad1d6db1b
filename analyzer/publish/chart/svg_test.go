package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func sampler() Figure {
	return Figure{Width: 100, Height: 60.5, Title: "A < B & \"C\"", Description: "甲\x00乙", Marks: []Mark{
		Path{Parts: [][]Point{{{0, 0}, {10, 0}, {10, 5.126}, {3, 4}}, {{1, 1}, {2, 2}}}, Stroke: Stroke{InkGrid, 0.5, Dashed}},
		Path{Parts: [][]Point{{{-0.001, 0}, {9, 0}, {9, 9}}}, Closed: true, Fill: InkHeat3},
		Circle{Center: Point{50, 30}, Radius: 4, Stroke: Stroke{InkAccent, 1, Dotted}},
		Text{At: Point{5, 50}, Words: "<b>", Anchor: End, SizePT: 7, Bold: true, Turn: -90, Ink: InkText},
	}}
}

func TestSVG(t *testing.T) {
	const want = `<svg class="fg-chart" id="f1" role="img" aria-labelledby="f1-t f1-d" viewBox="0 0 100 60.5" width="100pt" height="60.5pt" fill="none" font-size="8">
<title id="f1-t">A &lt; B &amp; &quot;C&quot;</title>
<desc id="f1-d">甲乙</desc>
<path class="s-grid" stroke-width="0.5" stroke-dasharray="4 2.5" d="M0 0H10V5.13L3 4M1 1L2 2"/>
<path class="f-heat-3" d="M0 0H9V9z"/>
<circle class="s-accent" stroke-dasharray="1 2" cx="50" cy="30" r="4"/>
<text class="f-text" x="5" y="50" font-size="7" text-anchor="end" font-weight="700" transform="rotate(-90 5 50)">&lt;b&gt;</text>
</svg>
`
	if got := sampler().SVG("f1"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestSVGIsXML whatever stands in it, and says what was put in.
func TestSVGIsXML(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := sampler()
		f.Title = rapid.String().Draw(t, "title")
		f.Marks = append(f.Marks, Text{Words: rapid.String().Draw(t, "words"), SizePT: 8, Ink: InkText})
		for _, svg := range []string{f.SVG(rapid.StringMatching(`[a-z"<]{1,4}`).Draw(t, "id")), f.SVGFile(Dark)} {
			dec := xml.NewDecoder(strings.NewReader(svg))
			for {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%v in\n%s", err, svg)
				}
			}
		}
	})
}

// TestSVGNeedsNoStyleAttribute, so that a page may forbid them, and has no
// colour in itself.
func TestSVGNeedsNoStyleAttribute(t *testing.T) {
	forbidden := regexp.MustCompile(`style=|#[0-9a-f]{6}|<script|="[^"]*\.[0-9]{3}|NaN|Inf|e-[0-9]`)
	for name, f := range figures() {
		if found := forbidden.FindString(f.SVG("x")); found != "" {
			t.Errorf("%s contains %q", name, found)
		}
	}
}

func TestEveryInkHasItsRules(t *testing.T) {
	css := CSS()
	for _, ink := range Inks() {
		for _, want := range []string{".s-" + string(ink) + "{stroke:var(--fg-" + string(ink) + ")}", ".f-" + string(ink) + "{fill:var(--fg-" + string(ink) + ")}"} {
			if strings.Count(css, want) != 1 {
				t.Errorf("CSS has %q %d times", want, strings.Count(css, want))
			}
		}
		if n := strings.Count(css, "--fg-"+string(ink)+":#"); n != 3 {
			t.Errorf("%s has a colour %d times, not in light, dark and chosen dark", ink, n)
		}
	}
	known := map[Ink]bool{None: true}
	for _, ink := range Inks() {
		known[ink] = true
	}
	for name, f := range figures() {
		for _, m := range f.Marks {
			var inks []Ink
			switch m := m.(type) {
			case Path:
				inks = []Ink{m.Stroke.Ink, m.Fill}
			case Circle:
				inks = []Ink{m.Stroke.Ink, m.Fill}
			case Text:
				inks = []Ink{m.Ink}
			}
			for _, ink := range inks {
				if !known[ink] {
					t.Errorf("%s is drawn in %q, which is no ink", name, ink)
				}
			}
		}
	}
}
