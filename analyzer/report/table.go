package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/wording"
)

// Look is how a table is shown.
type Look struct {
	Width int  // columns of the terminal; 100 is a good page
	Color bool // ANSI colours
}

// minWidth is what the columns need that are always there.
const minWidth = 72

// Table renders a report for people. It takes nothing but the report, so that
// it cannot say anything else than the JSON.
func Table(w io.Writer, r *api.Report, look Look) error {
	t := &table{Report: r, Look: look}
	t.Width = max(t.Width, minWidth)
	t.heading()
	t.warnings()
	t.rows()
	t.intervals()
	t.notes()
	t.others()
	t.beside()
	t.trend()
	t.unjudged()
	t.footer()
	if _, err := io.WriteString(w, t.out.String()); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	return nil
}

// table is a report on its way to text.
type table struct {
	*api.Report
	Look
	out   strings.Builder
	named bool       // the rows have the clusters' names
	worst []api.Pair // in the order of the rows
}

func (t *table) line(format string, args ...any) {
	fmt.Fprintf(&t.out, format, args...)
	t.out.WriteByte('\n')
}

// paint colours a text where colours are wanted.
func (t *table) paint(s string, colors ...text.Color) string {
	if !t.Color || len(colors) == 0 {
		return s
	}
	codes := make([]string, len(colors))
	for i, c := range colors {
		codes[i] = strconv.Itoa(int(c))
	}
	return "\x1b[" + strings.Join(codes, ";") + "m" + s + "\x1b[0m"
}

func (t *table) heading() {
	const product = "Fibergauge"
	title := wrap(fmt.Sprintf("mesh %s · plane %s", t.Mesh.Name, t.Plane), t.Width-len(product)-2)
	t.line("%s  %s", t.paint(product, text.Bold), title[0])
	for _, line := range title[1:] {
		t.line("%*s%s", len(product)+2, "", line)
	}
	t.line("%s", t.periodName())
	t.faint(fmt.Sprintf("%s RTT of test %s ≤ %s × theoretical RTT; theoretical RTT = %s",
		t.Policy.Statistic, t.Mesh.Test, wording.Number(t.Policy.Factor), t.Policy.Theory))
	t.line("")
	rate, color := t.Rate, text.FgGreen
	if rate.Met == nil {
		color = text.FgYellow
	} else if !*rate.Met {
		color = text.FgRed
	}
	for _, line := range wrap(rateLine(rate, true), t.Width-2) {
		t.line("  %s", t.paint(line, text.Bold, color))
	}
	t.line("  %s", t.bar())
	var parts []string
	doNotComply := "do not comply"
	if rate.NonCompliant == 1 {
		doNotComply = "does not comply"
	}
	for _, part := range []struct {
		n    int
		text string
	}{{rate.NonCompliant, doNotComply}, {rate.NotDemonstrated, "not demonstrated"}, {rate.Provisional, "provisional (distance of class C)"}} {
		if part.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", part.n, part.text))
		}
	}
	for _, remark := range []string{strings.Join(parts, " · "), t.sure()} {
		if remark == "" {
			continue
		}
		for _, line := range wrap(remark, t.Width-2) {
			t.line("  %s", line)
		}
	}
}

// faint writes a remark, broken into lines.
func (t *table) faint(s string) {
	for _, line := range wrap(s, t.Width) {
		t.line("%s", t.paint(line, text.Faint))
	}
}

// periodName says the period as a person would.
func (t *table) periodName() string {
	from, errFrom := time.Parse(time.RFC3339Nano, t.Period.From)
	to, errTo := time.Parse(time.RFC3339Nano, t.Period.To)
	if errFrom != nil || errTo != nil {
		return t.Period.From + " to " + t.Period.To
	}
	zone := " (" + t.Period.TimeZone + ")"
	if midnight(from) && midnight(to) {
		// Both ends as dates: the last day is within.
		last := to.AddDate(0, 0, -1).Format(time.DateOnly)
		if first := from.Format(time.DateOnly); first != last {
			return first + " to " + last + zone
		}
		return last + zone
	}
	last := to.Format(time.DateTime)
	if from.Format(time.DateOnly) == to.Format(time.DateOnly) {
		last = to.Format(time.TimeOnly)
	}
	return from.Format(time.DateTime) + " to " + last + zone
}

func midnight(t time.Time) bool {
	return t.Hour() == 0 && t.Minute() == 0 && t.Second() == 0 && t.Nanosecond() == 0
}

// rateLine is the rate on one line, with its target if wanted.
func rateLine(r api.Rate, withTarget bool) string {
	pairs := "pairs comply"
	if r.Total == 1 {
		pairs = "pair complies"
	}
	line := fmt.Sprintf("%d of %d %s = %s %%", r.Compliant, r.Total, pairs, wording.RateDigits(r))
	switch {
	case !withTarget:
	case r.Target == nil:
		line += fmt.Sprintf(" · no target for %d", r.TargetYear)
	case *r.Met:
		line += fmt.Sprintf(" · target %s %% (%d) · met", wording.Number(*r.Target*100), r.TargetYear)
	default:
		line += fmt.Sprintf(" · target %s %% (%d) · missed, %d more needed", wording.Number(*r.Target*100), r.TargetYear, *r.Needed-r.Compliant)
	}
	return line
}

// bar draws the three verdicts in proportion.
func (t *table) bar() string {
	const length = 60
	if t.Rate.Total == 0 {
		return ""
	}
	good := t.Rate.Compliant * length / t.Rate.Total
	bad := (t.Rate.Compliant+t.Rate.NonCompliant)*length/t.Rate.Total - good
	return t.paint(strings.Repeat("█", good), text.FgGreen) +
		t.paint(strings.Repeat("▒", bad), text.FgRed) +
		t.paint(strings.Repeat("·", length-good-bad), text.FgYellow)
}

// warnings say what a reader must not overlook.
func (t *table) warnings() {
	warnings := wording.Warnings(wording.EN, t.Report)
	if len(warnings) > 0 {
		t.line("")
	}
	for _, w := range warnings {
		for i, line := range wrap(w.Text, t.Width-4) {
			mark := "!"
			if i > 0 {
				mark = " "
			}
			t.line("%s %s", t.paint(mark, text.Bold, text.FgYellow), t.paint(line, text.FgYellow))
		}
	}
}

// rows are the pairs, worst first.
func (t *table) rows() {
	pairs := slices.Clone(t.Pairs)
	t.worst = pairs
	order := map[api.Verdict]int{api.NonCompliant: 0, api.NotDemonstrated: 1, api.Compliant: 2}
	slices.SortStableFunc(pairs, func(a, b api.Pair) int {
		return cmp.Or(cmp.Compare(order[a.Verdict], order[b.Verdict]), cmp.Compare(severity(b), severity(a)))
	})
	columns := t.columns(pairs)
	for _, c := range columns {
		t.named = t.named || c.head == namesHead
	}
	t.line("")
	grid(t, columns, pairs, func(p *api.Pair) (string, text.Color) { return markOf(p.Verdict) })
}

// severity orders pairs of one verdict.
func severity(p api.Pair) float64 {
	switch {
	case p.Unbounded:
		return 1e18
	case p.Ratio != nil:
		return *p.Ratio
	case p.Bounds != nil && p.Verdict == api.NonCompliant && p.Bounds.LowRatio != nil:
		return *p.Bounds.LowRatio
	case p.Bounds != nil && p.Bounds.HighRatio != nil:
		return *p.Bounds.HighRatio
	}
	return -1
}

func markOf(v api.Verdict) (string, text.Color) {
	switch v {
	case api.Compliant:
		return "✓", text.FgGreen
	case api.NonCompliant:
		return "✗", text.FgRed
	}
	return "?", text.FgYellow
}

func (t *table) others() {
	if len(t.Planes) > 1 {
		t.line("")
		t.line("%s", t.paint("By plane, best carrier", text.Bold))
		for _, plane := range t.Planes {
			t.rate(plane.Plane, rateLine(plane.Rate, true))
		}
	}
	for _, plane := range t.Planes {
		if plane.Plane != t.Plane || len(plane.Carriers) < 2 {
			continue
		}
		t.line("")
		t.line("%s", t.paint("By carrier, plane "+plane.Plane, text.Bold))
		for _, carrier := range plane.Carriers {
			t.rate(carrier.Carrier, rateLine(carrier.Rate, false))
		}
	}
}

// rate writes the rate of something beside its name, which keeps to its column
// unless it is longer.
func (t *table) rate(name, rate string) {
	const indent = 19
	if width(name) > indent-3 {
		t.line("  %s", name)
		name = ""
	}
	for _, line := range wrap(rate, t.Width-indent) {
		t.line("  %-16s %s", name, line)
		name = ""
	}
}

func (t *table) footer() {
	t.line("")
	t.faint(fmt.Sprintf("mesh %s %s · policy %s %s · data %s in %s · %s",
		t.Mesh.Name, wording.ShortHash(t.MeshSHA256), t.Policy.Name, wording.ShortHash(t.PolicySHA256),
		wording.ShortHash(t.DataSHA256), plural(t.Data.Windows, "window"), t.GeneratedBy))
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// wrap breaks a text at spaces into lines of at most so many columns.
func wrap(s string, columns int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		switch {
		case line == "":
			line = word
		case width(line)+1+width(word) <= columns:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}
