package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// column is one column of the table of pairs.
type column struct {
	head    string
	width   int
	right   bool // aligned
	painted bool // in the colour of the verdict
	cell    func(*api.Pair) string
}

func (c *column) pad(s string) string {
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
func (t *table) columns(pairs []api.Pair) []column {
	columns := []column{
		{head: "PAIR", cell: ids},
		{head: "KM", right: true, cell: func(p *api.Pair) string { return strconv.FormatFloat(p.DistanceKM, 'f', 0, 64) + " " + p.DistanceClass }},
		{head: "LIMIT ms", right: true, cell: func(p *api.Pair) string { return floor3(p.LimitRTTMS) }},
		{head: strings.ToUpper(t.Policy.Statistic) + " ms", right: true, cell: measuredCell},
		{head: "RATIO", right: true, painted: true, cell: t.ratioCell},
		{head: "VERDICT", painted: true, cell: verdictCell},
	}
	if confidence := t.confidence(); confidence != "" && t.Width >= widthOfInterval {
		columns = insert(columns, 5, column{head: confidence + " % INTERVAL", cell: intervalCell})
	}
	several := func(plane api.Plane) bool { return plane.Plane == t.Plane && len(plane.Carriers) > 1 }
	if slices.ContainsFunc(t.Planes, several) {
		columns = insert(columns, 1, column{head: "CARRIER", cell: func(p *api.Pair) string { return p.Carrier }})
	}
	room := t.Width - 2
	for i := range columns {
		columns[i].fit(pairs)
		switch columns[i].head {
		case "PAIR":
			columns[i].width = min(columns[i].width, maxIDs)
		case "CARRIER":
			columns[i].width = min(columns[i].width, maxCarrier)
		}
		room -= columns[i].width + gap
	}
	room = squeeze(columns, room+gap) - gap
	loss := column{head: "LOSS %", right: true, cell: lossCell}
	loss.fit(pairs)
	names := column{head: namesHead, cell: t.names}
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

// squeeze takes from identifiers what a narrow terminal lacks, and returns the
// room that is then left. Both ends of a pair stay to be seen.
func squeeze(columns []column, room int) int {
	for i := range columns {
		c, least := &columns[i], 0
		switch c.head {
		case "PAIR":
			least = minIDs
		case "CARRIER":
			least = minCarrier
		default:
			continue
		}
		if less := min(-room, c.width-least); less > 0 {
			c.width -= less
			room += less
		}
		if width := c.width; c.head == "PAIR" {
			c.cell = func(p *api.Pair) string { return abreast(p.Pair[0], "–", p.Pair[1], width) }
		}
	}
	return room
}

func insert(columns []column, at int, c column) []column {
	return append(columns[:at:at], append([]column{c}, columns[at:]...)...)
}

// fit makes a column as wide as its widest cell.
func (c *column) fit(pairs []api.Pair) {
	c.width = width(c.head)
	for i := range pairs {
		c.width = max(c.width, width(c.cell(&pairs[i])))
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

// floor3 cuts a limit to the microsecond: an RTT of whole microseconds is
// within the limit exactly if it is within what is shown.
func floor3(ms float64) string {
	s := strconv.FormatFloat(ms, 'f', 6, 64)
	return s[:len(s)-3]
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
func (t *table) threeDigits(ratio float64) string {
	s := strconv.FormatFloat(ratio, 'f', 3, 64)
	if shown, err := strconv.ParseFloat(s, 64); err != nil || (shown <= t.Policy.Factor) != (ratio <= t.Policy.Factor) {
		return strconv.FormatFloat(ratio, 'f', -1, 64)
	}
	return s
}

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

// lossCell is the share of lost packets at the end that lost more.
func lossCell(p *api.Pair) string {
	worst := -1.0
	for _, end := range p.Ends {
		if end.Sent > 0 {
			worst = max(worst, 100*float64(end.Lost)/float64(end.Sent))
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

func verdictCell(p *api.Pair) string {
	switch p.Verdict {
	case api.Compliant:
		return "complies"
	case api.NonCompliant:
		return "does not comply"
	}
	return "not demonstrated"
}
