package chart

// Ink is what a mark is meant in.
type Ink string

// Inks. The soft ones are for areas under text of the ink Text.
const (
	None                Ink = ""
	InkText             Ink = "text"
	InkFaint            Ink = "faint" // words and lines of less weight
	InkGrid             Ink = "grid"
	InkFrame            Ink = "frame"
	InkPaper            Ink = "paper" // what the page is of
	InkLimit            Ink = "limit"
	InkAccent           Ink = "accent"
	InkAccentSoft       Ink = "accent-soft"
	InkAccentMid        Ink = "accent-mid"
	InkCompliant        Ink = "compliant"
	InkNonCompliant     Ink = "non-compliant"
	InkUndecided        Ink = "not-demonstrated"
	InkCompliantSoft    Ink = "compliant-soft"
	InkNonCompliantSoft Ink = "non-compliant-soft"
	InkUndecidedSoft    Ink = "not-demonstrated-soft"
	InkHeat0            Ink = "heat-0" // from nothing
	InkHeat1            Ink = "heat-1"
	InkHeat2            Ink = "heat-2"
	InkHeat3            Ink = "heat-3"
	InkHeat4            Ink = "heat-4"
	InkHeat5            Ink = "heat-5" // to the most
)

// RGB is a colour in sRGB.
type RGB struct{ R, G, B uint8 }

// Theme is a set of colours for the inks.
type Theme uint8

// Themes. Paper is also that of the light page.
const (
	Paper Theme = iota
	Dark
)

// Colour gives the colour of an ink; of one that does not exist that of the
// text, so that it is at least seen.
//
// The verdicts are bluish green, vermilion and grey after Okabe and Ito (Color
// Universal Design, 2008), a little darker so that lines have a contrast of 3:1
// to the page (WCAG 2.1, 1.4.11). The steps of heat differ in lightness above
// all, so that they can be told apart in grey.
func (t Theme) Colour(ink Ink) RGB {
	for _, c := range palette {
		if c.ink == ink {
			return c.colours[t&1]
		}
	}
	return palette[0].colours[t&1]
}

// Inks are all of them, in a fixed order.
func Inks() []Ink {
	all := make([]Ink, len(palette))
	for i, c := range palette {
		all[i] = c.ink
	}
	return all
}

var palette = [...]struct {
	ink     Ink
	colours [2]RGB // paper, dark
}{
	{InkText, [2]RGB{{0x1a, 0x1f, 0x26}, {0xe8, 0xea, 0xed}}},
	{InkFaint, [2]RGB{{0x5b, 0x64, 0x70}, {0xa3, 0xab, 0xb5}}},
	{InkGrid, [2]RGB{{0xdd, 0xe1, 0xe6}, {0x33, 0x3a, 0x43}}},
	{InkFrame, [2]RGB{{0x8a, 0x93, 0x9e}, {0x6b, 0x75, 0x80}}},
	{InkPaper, [2]RGB{{0xff, 0xff, 0xff}, {0x14, 0x18, 0x1d}}},
	{InkLimit, [2]RGB{{0x1a, 0x1f, 0x26}, {0xf5, 0xf6, 0xf7}}},
	{InkAccent, [2]RGB{{0x00, 0x5f, 0x9e}, {0x5c, 0xb3, 0xea}}},
	{InkAccentSoft, [2]RGB{{0xdc, 0xea, 0xf5}, {0x1b, 0x32, 0x45}}},
	{InkAccentMid, [2]RGB{{0xa9, 0xcb, 0xe5}, {0x2b, 0x54, 0x73}}},
	{InkCompliant, [2]RGB{{0x00, 0x80, 0x5c}, {0x2f, 0xc3, 0x97}}},
	{InkNonCompliant, [2]RGB{{0xc8, 0x50, 0x00}, {0xff, 0x8f, 0x45}}},
	{InkUndecided, [2]RGB{{0x6b, 0x70, 0x78}, {0x9d, 0xa5, 0xae}}},
	{InkCompliantSoft, [2]RGB{{0xe0, 0xf2, 0xec}, {0x14, 0x36, 0x2d}}},
	{InkNonCompliantSoft, [2]RGB{{0xfc, 0xe0, 0xcc}, {0x4d, 0x29, 0x12}}},
	{InkUndecidedSoft, [2]RGB{{0xf0, 0xf1, 0xf3}, {0x25, 0x2b, 0x32}}},
	{InkHeat0, [2]RGB{{0xf8, 0xf7, 0xf3}, {0x22, 0x26, 0x2b}}},
	{InkHeat1, [2]RGB{{0xfb, 0xdd, 0x9c}, {0x45, 0x36, 0x24}}},
	{InkHeat2, [2]RGB{{0xf8, 0xb8, 0x52}, {0x70, 0x4b, 0x21}}},
	{InkHeat3, [2]RGB{{0xe8, 0x8a, 0x2a}, {0xa8, 0x69, 0x20}}},
	{InkHeat4, [2]RGB{{0xb9, 0x51, 0x0c}, {0xe2, 0x98, 0x3d}}},
	{InkHeat5, [2]RGB{{0x6b, 0x27, 0x08}, {0xff, 0xda, 0x94}}},
}

// inks of a verdict: of lines and of areas.
func (v Verdict) inks() (strong, soft Ink) {
	switch v {
	case Compliant:
		return InkCompliant, InkCompliantSoft
	case NonCompliant:
		return InkNonCompliant, InkNonCompliantSoft
	}
	return InkUndecided, InkUndecidedSoft
}
