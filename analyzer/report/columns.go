package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// column is one column of a table of rows.
type column[R any] struct {
	head    string
	width   int
	most    int  // width at first; 0: what the widest cell needs
	least   int  // width that a narrow terminal may squeeze it to; 0: none
	right   bool // aligned
	painted bool // in the colour of the row
	cell    func(*R) string
	within  func(r *R, width int) string // the cell where it is squeezed; nil: cut off
}

func (c *column[R]) pad(s string) string {
	s = snip(s, c.width)
	fill := strings.Repeat(" ", max(0, c.width-width(s)))
	if c.right {
		return fill + s
	}
	return s + fill
}

// Widths beyond which a column is cut, below which it is never, below which it
// is left out, and between columns.
const (
	maxIDs     = 25
	minIDs     = 13
	maxCarrier = 14
	minCarrier = 7
	minNames   = 24
	gap        = 2
)

// widthOfInterval is from where a table has room for the interval of a ratio.
const widthOfInterval = 90

// namesHead is the head of the column of names, which a narrow table lacks.
const namesHead = "BETWEEN"

// columns picks what fits: names get what the rest leaves, and go first where
// the terminal is narrow.
func (t *table) columns(pairs []api.Pair) []column[api.Pair] {
	columns := []column[api.Pair]{
		{head: "PAIR", most: maxIDs, least: minIDs, cell: ids, within: func(p *api.Pair, width int) string { return abreast(p.Pair[0], "–", p.Pair[1], width) }},
		{head: "KM", right: true, cell: func(p *api.Pair) string { return strconv.FormatFloat(p.DistanceKM, 'f', 0, 64) + " " + p.DistanceClass }},
		{head: "LIMIT ms", right: true, cell: func(p *api.Pair) string { return wording.LimitMS(p.LimitRTTMS) }},
		{head: strings.ToUpper(t.Policy.Statistic) + " ms", right: true, cell: measuredCell},
		{head: "RATIO", right: true, painted: true, cell: t.ratioCell},
		{head: "VERDICT", painted: true, cell: verdictCell},
	}
	if confidence := t.confidence(); confidence != "" && t.Width >= widthOfInterval {
		columns = insert(columns, 5, column[api.Pair]{head: confidence + " % INTERVAL", cell: t.intervalCell})
	}
	if t.severalCarriers(t.Plane) {
		columns = insert(columns, 1, column[api.Pair]{head: "CARRIER", most: maxCarrier, least: minCarrier, cell: func(p *api.Pair) string { return p.Carrier }})
	}
	room := squeeze(columns, fit(columns, pairs, t.Width-2)) - gap
	loss := column[api.Pair]{head: "LOSS %", right: true, cell: lossCell}
	loss.fit(pairs)
	names := column[api.Pair]{head: namesHead, cell: t.names}
	names.fit(pairs)
	withNames := room >= minNames
	if withLoss := loss.width + gap; room-withLoss >= minNames || !withNames && room >= withLoss-gap {
		columns = insert(columns, len(columns)-1, loss)
		room -= withLoss
	}
	if withNames {
		// Two names share the room, so that neither crowds out the other.
		names.width = min(names.width, room)
		names.cell = func(p *api.Pair) string { return t.namesWithin(p, names.width) }
		columns = insert(columns, 1, names)
	}
	return columns
}

// severalCarriers tells whether a plane has more than one.
func (t *table) severalCarriers(plane string) bool {
	return slices.ContainsFunc(t.Planes, func(p api.Plane) bool { return p.Plane == plane && len(p.Carriers) > 1 })
}

// fit makes columns as wide as their widest cells, and returns how much of the
// room is then left.
func fit[R any](columns []column[R], rows []R, room int) int {
	for i := range columns {
		c := &columns[i]
		c.fit(rows)
		if c.most > 0 {
			c.width = min(c.width, c.most)
		}
		room -= c.width + gap
	}
	return room + gap
}

// squeeze takes from identifiers what a narrow terminal lacks, and returns the
// room that is then left. Both ends of a pair stay to be seen.
func squeeze[R any](columns []column[R], room int) int {
	for i := range columns {
		c := &columns[i]
		if less := min(-room, c.width-c.least); c.least > 0 && less > 0 {
			c.width -= less
			room += less
		}
		if within, width := c.within, c.width; within != nil {
			c.cell = func(r *R) string { return within(r, width) }
		}
	}
	return room
}

func insert[R any](columns []column[R], at int, c column[R]) []column[R] {
	return append(columns[:at:at], append([]column[R]{c}, columns[at:]...)...)
}

// fit makes a column as wide as its widest cell.
func (c *column[R]) fit(rows []R) {
	c.width = width(c.head)
	for i := range rows {
		c.width = max(c.width, width(c.cell(&rows[i])))
	}
}

// grid writes rows under the heads of their columns, each behind its mark.
func grid[R any](t *table, columns []column[R], rows []R, mark func(*R) (string, text.Color)) {
	head := make([]string, len(columns))
	for i, c := range columns {
		head[i] = c.pad(c.head)
	}
	t.line("%s", t.paint(strings.TrimRight("  "+strings.Join(head, "  "), " "), text.Bold))
	for i := range rows {
		row := &rows[i]
		mark, color := mark(row)
		cells := make([]string, len(columns))
		for i, c := range columns {
			cells[i] = c.pad(c.cell(row))
			if c.painted {
				cells[i] = t.paint(cells[i], color)
			}
		}
		t.line("%s %s", t.paint(mark, text.Bold, color), strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}

func ids(p *api.Pair) string { return p.Pair[0] + "–" + p.Pair[1] }

func (t *table) name(id string) string {
	for _, c := range t.Mesh.Clusters {
		if c.ID == id {
			return c.EN
		}
	}
	return id
}

func (t *table) names(p *api.Pair) string { return t.name(p.Pair[0]) + " – " + t.name(p.Pair[1]) }

func (t *table) namesWithin(p *api.Pair, width int) string {
	return abreast(t.name(p.Pair[0]), " – ", t.name(p.Pair[1]), width)
}

func measuredCell(p *api.Pair) string {
	switch {
	case p.Unbounded:
		return "∞"
	case p.Bounds != nil:
		return boundCell(p, p.Bounds.LowMS, p.Bounds.HighMS, func(ms float64) string { return strconv.FormatFloat(ms, 'f', 3, 64) })
	case p.MeasuredRTTMS == nil:
		return "–"
	}
	return strconv.FormatFloat(*p.MeasuredRTTMS, 'f', 3, 64)
}

// ratioCell shows three decimals, or all where three would put the ratio on
// the wrong side of the factor.
func (t *table) ratioCell(p *api.Pair) string {
	switch {
	case p.Unbounded:
		return "∞"
	case p.Bounds != nil:
		return boundCell(p, p.Bounds.LowRatio, p.Bounds.HighRatio, t.threeDigits)
	case p.Ratio == nil:
		return "–"
	}
	return t.threeDigits(*p.Ratio)
}

// threeDigits does not put a ratio on the other side of the factor.
func (t *table) threeDigits(ratio float64) string { return wording.Ratio(ratio, t.Policy.Factor) }

// boundCell is the bound that decides, where only bounds are known.
func boundCell(p *api.Pair, low, high *float64, show func(float64) string) string {
	switch {
	case p.Verdict == api.Compliant && high != nil:
		return "≤" + show(*high)
	case p.Verdict == api.NonCompliant && low != nil:
		return "≥" + show(*low)
	case p.Verdict == api.NonCompliant:
		return "∞"
	}
	return "?"
}

// lossCell is the share of lost packets at the end that lost more: of those that
// the statistics are of, so that it fits the RTT beside it.
func lossCell(p *api.Pair) string {
	var seen []api.Seen
	for i := range p.Ends {
		seen = append(seen, p.Ends[i].Seen)
	}
	return worstLoss(seen)
}

func worstLoss(ends []api.Seen) string {
	worst := -1.0
	for i := range ends {
		if percent, known := ends[i].LossPercent(); known {
			worst = max(worst, percent)
		}
	}
	switch {
	case worst < 0:
		return "–"
	case worst > 0 && worst < 0.01:
		return "<0.01"
	}
	return fmt.Sprintf("%.2f", worst)
}

func verdictCell(p *api.Pair) string { return wording.Verdict(wording.EN, p.Verdict) }
