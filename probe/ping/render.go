package ping

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/probe/measure"
	"github.com/fibergauge/fibergauge/probe/window"
	"github.com/fibergauge/fibergauge/probe/wire"
)

// width is how many columns the text takes at most.
const width = 80

// liveLine is one line on a terminal that is written over as replies come.
type liveLine struct {
	out            io.Writer // nil: silent
	name           string
	count          int
	sent, received int
	last           time.Duration
}

func (l *liveLine) show(e measure.Event) {
	switch {
	case e.Kind == measure.EventSent:
		l.sent++
	case e.Kind == measure.EventReply && (e.Fate == window.Stamped || e.Fate == window.Unstamped):
		l.received++
		l.last = e.RTT
	}
	if l.out == nil {
		return
	}
	text := fmt.Sprintf("%s  sent %d of %d, received %d", l.name, l.sent, l.count, l.received)
	if l.received > 0 {
		text += fmt.Sprintf(", last %s ms", ms(float64(l.last)/float64(time.Microsecond)))
	}
	if r := []rune(text); len(r) >= width {
		text = string(r[:width-1])
	}
	fmt.Fprintf(l.out, "\r\x1b[K%s", text)
}

func (l *liveLine) clear() {
	if l.out != nil {
		fmt.Fprint(l.out, "\r\x1b[K")
	}
}

// ms writes microseconds as milliseconds.
func ms(us float64) string { return fmt.Sprintf("%.3f", us/1000) }

// Style says how the text may look.
type Style struct {
	Color bool
}

func (s Style) paint(code, text string) string {
	if !s.Color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// Text writes the result for a person, at most 80 columns wide.
func (r *Result) Text(w io.Writer, s Style) {
	name := r.Target
	if r.Target != r.Address {
		name = fmt.Sprintf("%s (%s)", r.Target, r.Address)
	}
	method := "ICMP echo"
	if r.Method == measure.MethodSTAMP {
		method = "STAMP"
	}
	how := " by " + method
	if r.MinUS != nil { // nothing was timed otherwise
		how += fmt.Sprintf(", timestamps: %s", r.Timestamps)
	}
	if runes := []rune(name); len(runes) > width-len(how) {
		name = string(runes[:width-len(how)-1]) + "…"
	}
	fmt.Fprintln(w, s.paint("1", name)+how)
	fmt.Fprintf(w, "  sent %d, received %d, %s\n", r.Sent, r.Received, r.loss(s))
	for _, line := range wrap(r.extras(), width-2) {
		fmt.Fprintln(w, "  "+line)
	}
	if r.MinUS == nil {
		return
	}
	fmt.Fprintln(w)
	for _, row := range []struct {
		name  string
		value float64
	}{
		{"min", float64(*r.MinUS)}, {"p50", float64(*r.P50US)}, {"mean", *r.MeanUS},
		{"p95", float64(*r.P95US)}, {"p99", float64(*r.P99US)}, {"max", float64(*r.MaxUS)},
	} {
		fmt.Fprintf(w, "  %-4s %12s ms\n", row.name, ms(row.value))
	}
	fmt.Fprintln(w)
	r.distribution(w, s)
}

func (r *Result) loss(s Style) string {
	text := fmt.Sprintf("lost %d", r.Lost)
	if r.Sent > 0 {
		text += fmt.Sprintf(" (%.1f %%)", 100*float64(r.Lost)/float64(r.Sent))
	}
	if r.Lost > 0 {
		return s.paint("31", text)
	}
	return text
}

// extras lists what is not always there.
func (r *Result) extras() []string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if r.Late > 0 {
		add("%d of the lost came late", r.Late)
	}
	if r.Duplicate > 0 {
		add("%d duplicates", r.Duplicate)
	}
	if r.SendError > 0 {
		add("%d not sent", r.SendError)
	}
	if r.Unstamped > 0 {
		add("%d without an RTT", r.Unstamped)
	}
	if t := r.TTL; t != nil && t.Min == t.Max {
		add("TTL %d", t.Min)
	} else if t != nil {
		add("TTL %d to %d (%d changes)", t.Min, t.Max, t.Changes)
	}
	if r.IPDVMeanUS != nil {
		add("IPDV %s ms", ms(*r.IPDVMeanUS))
	}
	if s := r.STAMP; s != nil {
		if s.ForwardLost+s.ReverseLost > 0 {
			add("%d lost on the way there, %d back", s.ForwardLost, s.ReverseLost)
		}
		if s.Reordered > 0 {
			add("%d out of order", s.Reordered)
		}
		if d := s.DSCPReceived; d != nil && *d != r.dscp {
			add("DSCP %d arrived as %d", r.dscp, *d)
		}
		add("at most %s ms in the reflector", ms(float64(s.ResidenceMaxUS)))
		if s.Capped > 0 {
			add("%d of the replies waited there for more than the %s ms taken out", s.Capped, ms(wire.MaxResidenceUS))
		}
	}
	return parts
}

// wrap joins parts with commas into lines of at most a number of columns.
func wrap(parts []string, columns int) []string {
	var lines []string
	for _, part := range parts {
		if last := len(lines) - 1; last >= 0 && len(lines[last])+len(", ")+len(part) <= columns {
			lines[last] += ", " + part
		} else {
			lines = append(lines, part)
		}
	}
	return lines
}

// maxBins is the number of bars in a distribution.
const maxBins = 10

// distribution draws a bar for each range of RTTs: even ranges, or even ratios
// where the largest is more than eight times the smallest.
func (r *Result) distribution(w io.Writer, s Style) {
	low, high := float64(r.rtts[0]), float64(r.rtts[len(r.rtts)-1])
	bins := min(maxBins, int(high-low)+1)
	edge := func(i int) float64 { return low + (high-low)*float64(i)/float64(bins) }
	if low > 0 && high > 8*low {
		edge = func(i int) float64 { return low * math.Pow(high/low, float64(i)/float64(bins)) }
	}
	counts := make([]int, bins)
	bin := 0
	for _, v := range r.rtts {
		for bin < bins-1 && float64(v) >= edge(bin+1) {
			bin++
		}
		counts[bin]++
	}
	most := 0
	for _, c := range counts {
		most = max(most, c)
	}
	digits := max(len(ms(edge(bins))), len(ms(low)))
	for i, c := range counts {
		label := fmt.Sprintf("  %*s to %*s ms %5d ", digits, ms(edge(i)), digits, ms(edge(i+1)), c)
		if c == 0 {
			fmt.Fprintln(w, strings.TrimRight(label, " "))
			continue
		}
		fmt.Fprintln(w, label+s.paint("36", bar(float64(c)/float64(most), width-len(label))))
	}
}

// bar draws a part of a number of columns, to an eighth of a column.
func bar(part float64, columns int) string {
	eighths := int(math.Round(part * float64(columns) * 8))
	if part > 0 {
		eighths = max(eighths, 1)
	}
	text := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		text += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return text
}
