package document

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/publish/chart"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// heads are the columns of a table: key, words, and share of the width.
type heads []struct {
	key   string
	words wording.Column
	share int
}

func (s *source) table(id, title string, columns heads) *Table {
	t := &Table{ID: id, Title: title}
	for _, c := range columns {
		t.Columns = append(t.Columns, Column{Key: c.key, Name: wording.Head(s.lang, c.words), Share: c.share})
	}
	return t
}

// unknown is the cell of a figure that does not exist.
var unknown = Cell{Text: "–", Unknown: true}

// number shows so many decimals, or all for −1.
func number(v float64, decimals int) Cell {
	c := Cell{Text: strconv.FormatFloat(v, 'f', decimals, 64), Number: &v, Decimals: max(decimals, 0)}
	if decimals < 0 {
		c.Decimals = decimalsOf(c.Text)
	}
	return c
}

func decimalsOf(text string) int {
	for i, r := range text {
		if r == '.' {
			return len(text) - i - 1
		}
	}
	return 0
}

func count[N int | int64](n N) Cell { return number(float64(n), 0) }

// figure is a number that may be endless, or not exist.
func figure(v *float64, unbounded bool, decimals int) Cell {
	switch {
	case unbounded:
		return Cell{Text: "∞"}
	case v == nil:
		return unknown
	}
	return number(*v, decimals)
}

// ratio never shows a ratio on the other side of the factor.
func (s *source) ratio(v *float64, unbounded bool) Cell {
	c := figure(v, unbounded, 3)
	if c.Number != nil {
		c.Text = wording.Ratio(*v, s.Policy.Factor)
		c.Decimals = decimalsOf(c.Text)
	}
	return c
}

// limit is cut to the microsecond, so that what is within it looks it.
func limit(ms float64) Cell {
	c := number(ms, 3)
	c.Text = wording.LimitMS(ms)
	return c
}

func (s *source) verdict(v api.Verdict) Cell {
	c := Cell{Text: wording.Verdict(s.lang, v), Ink: chart.InkUndecided, Strong: true}
	switch v {
	case api.Compliant:
		c.Ink = chart.InkCompliant
	case api.NonCompliant:
		c.Ink = chart.InkNonCompliant
	}
	return c
}

// loss of the end that lost more, of what its statistics are of, in %.
func loss(p *api.Pair) Cell {
	worst := -1.0
	for i := range p.Ends {
		if percent, known := p.Ends[i].LossPercent(); known {
			worst = max(worst, percent)
		}
	}
	if worst < 0 {
		return unknown
	}
	return number(worst, 2)
}
