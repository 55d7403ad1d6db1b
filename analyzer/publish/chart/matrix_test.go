package chart

import (
	"fmt"
	"strings"
	"testing"
)

func matrix(names []string, words VerdictWords) Matrix {
	in := Matrix{
		Caption: Caption{"Ratios between clusters", "Each pair once."}, Names: names, Limit: 1.5, Decimals: 2,
		UnboundedLabel: "∞", NoRatioLabel: "–", Verdicts: words,
	}
	random := seeded()
	for a := range names {
		for b := a + 1; b < len(names); b++ {
			ratio := 1.1 + 0.6*random.Float64()
			c := MatrixCell{A: a, B: b, Ratio: &ratio, Verdict: judged(ratio)}
			switch len(in.Cells) % 19 {
			case 7:
				c = MatrixCell{A: b, B: a, Unbounded: true, Verdict: NonCompliant}
			case 12:
				c = MatrixCell{A: a, B: b, Verdict: NotDemonstrated}
			}
			in.Cells = append(in.Cells, c)
		}
	}
	return in
}

func matrixSamples(all map[string]Figure) {
	all["matrix"] = matrix(english, wordsEN).Figure()
	all["matrix-zh"] = matrix(chinese, wordsZH).Figure()
	small := matrix(chinese, wordsZH)
	small.WidthPT = 300
	all["-matrix-small"] = small.Figure()
	small = matrix(english, wordsEN)
	small.WidthPT = 300
	all["-matrix-small-en"] = small.Figure()
	all["-matrix-2"] = matrix(english[:2], wordsEN).Figure()
	all["-matrix-4"] = matrix(chinese[:4], wordsZH).Figure()
	all["-matrix-1"] = matrix(english[:1], wordsEN).Figure()
	all["-matrix-0"] = matrix(nil, wordsEN).Figure()
	var many []string
	for i := range 30 {
		many = append(many, fmt.Sprintf("Centre %02d", i+1))
	}
	all["-matrix-30"] = matrix(many, wordsEN).Figure()
	white := matrix(chinese, wordsZH)
	white.Cells = nil
	all["-matrix-white"] = white.Figure()
	near := matrix(english, wordsEN)
	for i := range near.Cells {
		near.Cells[i].Ratio, near.Cells[i].Verdict = ptr(1.500003), NonCompliant
	}
	all["-matrix-near"] = near.Figure()
}

// TestMatrixShowsEveryPairOnce with its ratio and its shape.
func TestMatrixShowsEveryPairOnce(t *testing.T) {
	in := matrix(chinese, VerdictWords{})
	in.Cells = append(in.Cells, in.Cells[0], MatrixCell{A: 3, B: 3}, MatrixCell{A: -1, B: 40})
	f := in.Figure()
	ratios := 0
	for words, n := range wordsOf(f) {
		if strings.ContainsAny(words, "0123456789∞–") {
			ratios += n
		}
	}
	if ratios != 45 {
		t.Errorf("%d ratios stand there, not 45", ratios)
	}
	dots, compliant := 0, 0
	for _, m := range f.Marks {
		if _, ok := m.(Circle); ok {
			dots++
		}
	}
	for _, c := range in.Cells[:45] {
		if c.Verdict == Compliant {
			compliant++
		}
	}
	if dots != compliant {
		t.Errorf("%d dots for %d pairs that comply", dots, compliant)
	}
}
