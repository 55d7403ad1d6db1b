package report

import (
	"fmt"
	"math/big"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/fibergauge/fibergauge/analyzer/api"
	"github.com/fibergauge/fibergauge/analyzer/policy"
	"github.com/fibergauge/fibergauge/analyzer/wording"
	"github.com/fibergauge/fibergauge/mesh"
)

// mostNotes bounds each list below the table; the JSON has all.
const mostNotes = 12

// notes say below the table why pairs were not demonstrated, what is flagged,
// and what the marks mean.
func (t *table) notes() {
	t.list("Not demonstrated, because", func(p *api.Pair) []api.Reason {
		if p.Verdict == api.NotDemonstrated {
			return p.Reasons
		}
		return nil
	})
	t.list("Lost too much", func(p *api.Pair) []api.Reason {
		if p.Verdict == api.NonCompliant && p.Unbounded {
			return p.Reasons
		}
		return nil
	})
	for _, verdict := range []struct {
		api.Verdict
		head string
	}{
		{api.NonCompliant, "Why they do not comply, as far as the data tells"},
		{api.Compliant, "Why they only just comply: " + t.near()},
	} {
		t.list(verdict.head, func(p *api.Pair) []api.Reason {
			if p.Verdict == verdict.Verdict {
				return p.Diagnosis
			}
			return nil
		})
	}
	t.list("To be looked at", func(p *api.Pair) []api.Reason { return p.Flags })
	var single, unstable []string
	estimated, classC, cut, bounded, excused := 0, 0, 0, 0, 0
	for i := range t.Pairs {
		p := &t.Pairs[i]
		if p.SingleEnded {
			single = append(single, ids(p))
		}
		if p.Unstable {
			unstable = append(unstable, ids(p))
		}
		if p.Estimated {
			estimated++
		}
		if p.Provisional {
			classC++
		}
		if p.Maintenance != nil && p.Maintenance.Seconds > 0 {
			excused++
		}
		if p.Bounds != nil {
			bounded++
		}
		if len(p.Parts) > 0 {
			cut++
		}
	}
	var remarks []string
	if len(single) > 0 {
		remarks = append(remarks, fmt.Sprintf("Measured from one end only: %s.", some(single)))
	}
	if len(unstable) > 0 {
		remarks = append(remarks, fmt.Sprintf("Capable but unstable, since the median would comply: %s.", some(unstable)))
	}
	if bounded > 0 {
		remarks = append(remarks, fmt.Sprintf("≤, ≥, ?: the %s of %s is not known, because imports without samples are among its data; it is at most or at least this, or on both sides of the limit.", t.Policy.Statistic, plural(bounded, "pair")))
	}
	if excused > 0 {
		remarks = append(remarks, fmt.Sprintf("Maintenance excuses something of %s: neither verdict nor figures have it in them.", plural(excused, "pair")))
	}
	if cut > 0 {
		remarks = append(remarks, fmt.Sprintf("The distance of %s changed within the period; each part was judged by itself, the figures are of the worst, LOSS %% of the whole period.", plural(cut, "pair")))
	}
	if classC > 0 {
		remarks = append(remarks, wording.EstimatedDistances(wording.EN, classC, estimated, mesh.Circuity))
	}
	if t.confidence() != "" {
		remarks = append(remarks, "Proven: the whole interval is on one side of the limit, also if every missing packet had been lost.")
	}
	if t.Data.Timestamps.User > 0 {
		remarks = append(remarks, wording.UserSpace(wording.EN, t.Data.Timestamps))
	}
	if !t.named {
		var names []string
		for _, c := range t.Mesh.Clusters {
			names = append(names, c.ID+" "+c.EN)
		}
		remarks = append(remarks, some(names)+".")
	}
	if in := t.Mesh.InForceSHA256; in != "" && in != t.MeshSHA256 {
		remarks = append(remarks, wording.OtherMesh(wording.EN, in))
	}
	remarks = append(remarks, "Reading: "+t.Policy.Reading+".")
	t.line("")
	for _, remark := range remarks {
		t.faint(remark)
	}
}

func some(items []string) string { return wording.Some(wording.EN, items, mostNotes) }

// near says above what a pair that complies is looked into.
func (t *table) near() string {
	p, err := policy.Parse("", []byte(t.Policy.Text))
	if err != nil { // by a program of before the policy stood in the report
		return "above what is clear of the limit"
	}
	share := new(big.Rat).Sub(big.NewRat(1, 1), p.Diagnosis.Near.Rat())
	percent, _ := share.Mul(share, big.NewRat(100, 1)).Float64()
	return fmt.Sprintf("above %s %% of the limit", wording.Number(percent))
}

// list writes, for each pair that has any, the reasons that pick gives: in the
// order of the rows, so that of many pairs the worst are told.
func (t *table) list(head string, pick func(*api.Pair) []api.Reason) {
	var told []*api.Pair
	for i := range t.worst {
		if p := &t.worst[i]; len(pick(p)) > 0 {
			told = append(told, p)
		}
	}
	if len(told) == 0 {
		return
	}
	left := 0
	if len(told) > mostNotes+1 { // a line that says one more could be that one
		left = len(told) - mostNotes
		told = told[:mostNotes]
	}
	t.line("")
	t.line("%s", t.paint(head, text.Bold))
	for _, p := range told {
		pair := abreast(p.Pair[0], "–", p.Pair[1], maxIDs)
		indent := width(pair) + 4
		for j, line := range wrap(strings.Join(sayings(pick(p)), "; "), t.Width-indent) {
			if j == 0 {
				t.line("  %s  %s", pair, line)
			} else {
				t.line("%*s%s", indent, "", line)
			}
		}
	}
	if left > 0 {
		t.line("  and %s; the JSON has all", plural(left, "more pair"))
	}
}

// sayings says reasons, and names an end once that has too few days and silent
// hours as well.
func sayings(reasons []api.Reason) []string {
	var texts []string
	for i, r := range reasons {
		text := wording.Reason(wording.EN, r)
		if i > 0 && r.Code == api.ReasonSilentHours && reasons[i-1].Code == api.ReasonTooFewDays {
			end, _, _ := strings.Cut(texts[len(texts)-1], ": ")
			if rest, same := strings.CutPrefix(text, end+": "); same {
				texts[len(texts)-1] += ", " + rest
				continue
			}
		}
		texts = append(texts, text)
	}
	return texts
}
