// Package chart draws the figures of the compliance report and of the portal.
// A figure is a list of marks in the plane, of three kinds only, each with the
// ink it is meant in and not with a colour: what writes a page (SVG here, PDF
// elsewhere) decides what an ink looks like on its paper. So one drawing serves
// the light page, the dark one and the printed one, and looks the same in all.
//
// It imports nothing of Fibergauge and knows no language: every word comes
// from the caller, numbers are written by chart. No figure tells by colour
// alone; verdicts have shapes and line styles of their own. The title is
// for the caption and for who cannot see the figure; it is not drawn.
package chart

// Figure is a drawing. The origin is at its upper left, y grows downwards, and
// the unit is the point, 1/72 inch. Marks lie over those before them, and none
// leaves the frame of Width and Height.
type Figure struct {
	Width, Height      float64
	Title, Description string
	Marks              []Mark
}

// Mark is a Path, a Circle or a Text.
type Mark interface{ mark() }

// Point is a place in a figure.
type Point struct{ X, Y float64 }

// Path is one or several polylines or, closed, polygons, drawn alike. A point
// is in a polygon by the non-zero rule; no figure has any that overlap.
type Path struct {
	Parts  [][]Point
	Closed bool
	Stroke Stroke
	Fill   Ink // of closed ones; None leaves it open
}

// Circle is a circle.
type Circle struct {
	Center Point
	Radius float64
	Stroke Stroke
	Fill   Ink
}

// Text is one line of words, its baseline at At.
type Text struct {
	At     Point
	Words  string
	Anchor Anchor
	SizePT float64
	Bold   bool
	Turn   float64 // degrees, clockwise about At
	Ink    Ink
}

func (Path) mark()   {}
func (Circle) mark() {}
func (Text) mark()   {}

// Stroke is how a line is drawn. Ends are butt and joins mitred, as they are
// from the beginning in SVG and PDF.
type Stroke struct {
	Ink   Ink // None: no line
	Width float64
	Dash  Dash
}

// Dash is the style of a line.
type Dash uint8

// Styles of lines.
const (
	Solid Dash = iota
	Dashed
	Dotted
)

// Lengths gives the lengths of strokes and gaps, nil for a solid line.
func (d Dash) Lengths() []float64 {
	switch d {
	case Dashed:
		return []float64{4, 2.5}
	case Dotted:
		return []float64{1, 2}
	}
	return nil
}

// Anchor says which part of a text stands at its point.
type Anchor uint8

// Anchors.
const (
	Start Anchor = iota
	Middle
	End
)

// TextWidthA4 is the text width of A4 with margins of 20 mm, in points.
const TextWidthA4 = 482

// Size is how large a figure is to be. Its height follows from what is in it.
type Size struct {
	WidthPT float64 // 0: TextWidthA4
	TextPT  float64 // 0: 8
}

func (s Size) orDefault() Size {
	if s.WidthPT <= 0 {
		s.WidthPT = TextWidthA4
	}
	if s.TextPT <= 0 {
		s.TextPT = 8
	}
	s.WidthPT = max(s.WidthPT, 25*s.TextPT) // below this there is no room for anything
	return s
}

// Caption is what every figure needs for whom it is not enough to look.
type Caption struct {
	Title       string
	Description string // what there is to see, in a sentence or two
}

// Verdict is what was judged of a pair; the strings are those of the report.
type Verdict string

// Verdicts. Any other is drawn as not demonstrated.
const (
	Compliant       Verdict = "compliant"
	NonCompliant    Verdict = "non-compliant"
	NotDemonstrated Verdict = "not-demonstrated"
)

// VerdictWords are the verdicts in the language of the figure.
type VerdictWords struct{ Compliant, NonCompliant, NotDemonstrated string }
