package document

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Revisions is the ID of the table of what revisions changed.
const Revisions = "revisions"

// revisions say what was replaced, why, and what changed by it; nothing in a
// report that replaces none. The newest stands first.
func (s *source) revisions() []Block {
	if len(s.Revisions) == 0 {
		return nil
	}
	var blocks []Block
	t := s.table(Revisions, wording.Head(s.lang, wording.ColumnChanged), heads{
		{"revision", wording.ColumnRevision, 8}, {"changed", wording.ColumnChanged, 40}, {"before", wording.ColumnBefore, 24}, {"now", wording.ColumnNow, 24},
	})
	for i := len(s.Revisions) - 1; i >= 0; i-- {
		r := &s.Revisions[i]
		blocks = append(blocks, Paragraph{Text: wording.Replaces(s.lang, *r)})
		if r.Reason != "" {
			blocks = append(blocks, Paragraph{Text: wording.RevisionReason(s.lang, *r)})
		}
		if text := wording.RevisedOtherwise(s.lang, *r); text != "" {
			blocks = append(blocks, Paragraph{Text: text})
		}
		s.revised(t, r)
	}
	if len(t.Rows) > 0 {
		blocks = append(blocks, t)
	}
	return blocks
}

// revised adds the rows of one revision.
func (s *source) revised(t *Table, r *api.Revision) {
	row := func(changed string, was, is Cell) {
		t.Rows = append(t.Rows, []Cell{{Text: strconv.Itoa(r.Number)}, {Text: changed}, was, is})
	}
	for _, c := range r.Causes {
		row(wording.RevisionCause(s.lang, c.Cause), Cell{Text: wording.RevisionValue(s.lang, c.Cause, c.Was)}, Cell{Text: wording.RevisionValue(s.lang, c.Cause, c.Is)})
	}
	rate := func(r *api.Rate) Cell {
		if r == nil {
			return unknown
		}
		return Cell{Text: wording.RateLine(s.lang, *r)}
	}
	for _, c := range r.Rates {
		row(wording.RateOf(s.lang, c.Plane), rate(c.Was), rate(c.Is))
	}
	verdict := func(v api.Verdict) Cell {
		if v == "" {
			return unknown
		}
		return s.verdict(v)
	}
	for _, c := range r.Verdicts {
		row(wording.VerdictOf(s.lang, c.Plane, wording.Pair(s.lang, s.Mesh, c.Pair)), verdict(c.Was), verdict(c.Is))
	}
}
