package pdf

import (
	"os"
	"testing"
	"unicode"

	"golang.org/x/image/font/sfnt"
)

// Every character that a report can say by itself has a glyph in the font that is
// chosen for it: no other program tells, because a PDF without one has the text
// all the same, and a box where it should be.
func TestEveryCharacterHasAGlyph(t *testing.T) {
	said, err := os.ReadFile("../../wording/testdata/texts.txt")
	if err != nil {
		t.Fatal(err)
	}
	texts := string(said) + "–—∞·•…≤≥×µ°§"                                             // and what figures and tables write
	for _, span := range [][2]rune{{' ', 0x17f}, {'Α', 'Ρ'}, {'Σ', 'ώ'}, {'А', 'я'}} { // names in Latin, Greek, Cyrillic
		for r := span[0]; r <= span[1]; r++ {
			if unicode.IsPrint(r) {
				texts += string(r)
			}
		}
	}
	for _, of := range []struct {
		name string
		file []byte
		han  bool
	}{{"LiberationSans-Regular", latin, false}, {"LiberationSans-Bold", latinBold, false}, {"DroidSansFallbackFull", han, true}} {
		font, err := sfnt.Parse(of.file)
		if err != nil {
			t.Fatal(err)
		}
		var buffer sfnt.Buffer
		seen := map[rune]bool{}
		for _, r := range texts {
			if isHan(r) != of.han || seen[r] || unicode.IsControl(r) {
				continue
			}
			seen[r] = true
			if glyph, err := font.GlyphIndex(&buffer, r); err != nil || glyph == 0 {
				t.Errorf("%s has no glyph for %c (%U), %v", of.name, r, r, err)
			}
		}
		if len(seen) < 150 {
			t.Errorf("%s was asked for %d characters only", of.name, len(seen))
		}
	}
}
