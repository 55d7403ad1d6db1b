package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// unjudged shows what the tests measured that are not judged, plane by plane
// next to what the judged one did.
func (t *table) unjudged() {
	if t.Beside == nil {
		return
	}
	t.line("")
	t.line("%s", t.paint("Tests that are not judged", text.Bold))
	if len(t.Beside.Tests) == 0 {
		what := "the mesh has none"
		if t.Excerpt != nil {
			what = "none that measures links of this reader"
		}
		t.line("  %s", what)
		return
	}
	t.faint(fmt.Sprintf("Nothing of them is in a rate or verdict. ≠: the %s differs from that of the judged test %s by more than %s ms and %s %% of the longer one. That tells of routers that answer one of them slowly, of traffic classes, or of other hours where little of the schedule (DATA %%) was measured.",
		t.Policy.Statistic, t.Mesh.Test, wording.Number(t.Beside.DiffersAboveMS), wording.Number(t.Beside.DiffersAboveShare*100)))
	for i := range t.Beside.Tests {
		test := &t.Beside.Tests[i]
		if len(test.Links) == 0 {
			t.otherHead(test, "no link in this period")
		}
		for _, plane := range t.Planes {
			links := slices.DeleteFunc(slices.Clone(test.Links), func(l api.OtherLink) bool { return l.Plane != plane.Plane })
			if len(links) > 0 {
				t.otherTest(test, plane.Plane, links)
			}
		}
	}
	t.line("")
	t.faint("data of tests that are not judged " + wording.ShortHash(t.Beside.DataSHA256))
}

// otherTest shows one test on one plane: first the links that differ, then those
// without data.
func (t *table) otherTest(test *api.OtherTest, plane string, links []api.OtherLink) {
	differ, silent := 0, 0
	var origins api.Origins
	for i := range links {
		l := &links[i]
		if l.Differs {
			differ++
		}
		if windowsOf(l) == 0 {
			silent++
		}
		for _, end := range l.Ends {
			origins.Measured += end.Origins.Measured
			origins.Emulated += end.Origins.Emulated
			origins.Synthetic += end.Origins.Synthetic
			origins.Imported += end.Origins.Imported
		}
	}
	t.otherHead(test, "plane "+plane)
	verb := "differ"
	if differ == 1 || len(links) == 1 {
		verb = "differs"
	}
	remark := fmt.Sprintf("%d of %s %s", differ, plural(len(links), "link"), verb)
	if silent > 0 {
		remark += fmt.Sprintf(" · %d without windows", silent)
	}
	for _, origin := range []struct {
		windows int
		what    string
	}{{origins.Emulated, "EMULATED"}, {origins.Synthetic, "SYNTHETIC"}, {origins.Imported, "IMPORTED"}} {
		if origin.windows > 0 {
			remark += fmt.Sprintf(" · %s: %s", origin.what, plural(origin.windows, "window"))
		}
	}
	for _, line := range wrap(remark, t.Width-2) {
		t.line("  %s", line)
	}
	order := func(l *api.OtherLink) int {
		switch {
		case l.Differs:
			return 0
		case windowsOf(l) == 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(links, func(a, b api.OtherLink) int {
		return cmp.Or(cmp.Compare(order(&a), order(&b)), cmp.Compare(apart(&b), apart(&a)))
	})
	grid(t, t.otherColumns(plane, links), links, func(l *api.OtherLink) (string, text.Color) {
		switch order(l) {
		case 0:
			return "≠", text.FgYellow
		case 1:
			return "?", text.FgYellow
		}
		return " ", text.Reset
	})
}

func (t *table) otherHead(test *api.OtherTest, what string) {
	t.line("")
	for _, line := range wrap(fmt.Sprintf("Test %s (%s, %d bytes, DSCP %d), %s", test.Test, test.Method, test.SizeBytes, test.DSCP, what), t.Width) {
		t.line("%s", t.paint(line, text.Bold))
	}
}

func windowsOf(l *api.OtherLink) (n int) {
	for _, end := range l.Ends {
		n += end.Windows
	}
	return n
}

// apart is how far a link is from the judged test, in ms; where it differs
// without a number, one of the two is endless.
func apart(l *api.OtherLink) float64 {
	switch {
	case l.DifferenceMS != nil:
		return math.Abs(*l.DifferenceMS)
	case l.Differs:
		return math.Inf(1)
	}
	return -1
}

// otherColumns are those that fit: what says how much was measured goes first
// where the terminal is narrow.
func (t *table) otherColumns(plane string, links []api.OtherLink) []column[api.OtherLink] {
	statistic := strings.ToUpper(t.Policy.Statistic)
	columns := []column[api.OtherLink]{t.linkColumn(links)}
	if t.severalCarriers(plane) {
		columns = append(columns, column[api.OtherLink]{head: "CARRIER", most: maxCarrier, least: minCarrier, cell: func(l *api.OtherLink) string { return l.Carrier }})
	}
	columns = append(columns,
		column[api.OtherLink]{head: "JUDGED " + statistic, right: true, cell: t.judgedCell},
		column[api.OtherLink]{head: statistic + " ms", right: true, painted: true, cell: otherCell},
		column[api.OtherLink]{head: "MORE ms", right: true, painted: true, cell: moreCell},
		column[api.OtherLink]{head: "RATIO", right: true, cell: t.otherRatioCell},
	)
	room := squeeze(columns, fit(columns, links, t.Width-2))
	for _, c := range []column[api.OtherLink]{
		{head: "LOSS %", right: true, cell: otherLossCell},
		{head: "DATA %", right: true, cell: dataCell},
	} {
		if c.fit(links); room >= c.width+gap {
			columns = append(columns, c)
			room -= c.width + gap
		}
	}
	return columns
}

// linkColumn names a link by its clusters, and by its sites where these do not
// tell the links of a carrier apart.
func (t *table) linkColumn(links []api.OtherLink) column[api.OtherLink] {
	head, seen := "PAIR", map[[3]string]bool{}
	for i := range links {
		key := [3]string{links[i].Carrier, links[i].Pair[0], links[i].Pair[1]}
		if seen[key] {
			head = "SITES"
		}
		seen[key] = true
	}
	of := func(l *api.OtherLink) (a, b string) {
		if head == "SITES" {
			return l.Sites[0], l.Sites[1]
		}
		return l.Pair[0], l.Pair[1]
	}
	return column[api.OtherLink]{
		head: head, most: maxIDs, least: minIDs,
		cell:   func(l *api.OtherLink) string { a, b := of(l); return a + "–" + b },
		within: func(l *api.OtherLink, width int) string { a, b := of(l); return abreast(a, "–", b, width) },
	}
}

// judgedCell is what the judged test measured between the same sites.
func (t *table) judgedCell(l *api.OtherLink) string {
	for i := range t.Links {
		if p := &t.Links[i]; slices.Equal(p.Sites, l.Sites) {
			return rttCell(p.MeasuredRTTMS, p.Unbounded, p.Bounds)
		}
	}
	return "–"
}

func otherCell(l *api.OtherLink) string {
	if windowsOf(l) == 0 {
		return "no windows"
	}
	return rttCell(l.MeasuredRTTMS, l.Unbounded, l.Bounds)
}

// rttCell shows an RTT, or between which it lies.
func rttCell(ms *float64, unbounded bool, bounds *api.Bounds) string {
	switch {
	case unbounded:
		return "∞"
	case bounds != nil:
		return endCell(bounds.LowMS) + "–" + endCell(bounds.HighMS)
	case ms == nil:
		return "–"
	}
	return endCell(ms)
}

func (t *table) otherRatioCell(l *api.OtherLink) string {
	switch {
	case l.Unbounded:
		return "∞"
	case l.Bounds != nil || l.Ratio == nil:
		return "–"
	}
	return t.threeDigits(*l.Ratio)
}

func moreCell(l *api.OtherLink) string {
	if l.DifferenceMS == nil {
		return "–"
	}
	if *l.DifferenceMS == 0 {
		return "0.000"
	}
	return fmt.Sprintf("%+.3f", *l.DifferenceMS)
}

func otherLossCell(l *api.OtherLink) string {
	var seen []api.Seen
	for i := range l.Ends {
		seen = append(seen, l.Ends[i].Seen)
	}
	return worstLoss(seen)
}

// dataCell is the share of its schedule that the end measured which has less.
func dataCell(l *api.OtherLink) string {
	least := math.Inf(1)
	for i := range l.Ends {
		if end := &l.Ends[i]; end.Scheduled > 0 {
			least = min(least, 100*float64(end.CountedPackets)/float64(end.Scheduled))
		}
	}
	if math.IsInf(least, 1) {
		return "–"
	}
	return strconv.FormatFloat(math.Floor(least), 'f', 0, 64)
}
