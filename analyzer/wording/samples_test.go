package wording

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

var update = flag.Bool("update", false, "write testdata/texts.txt anew")

// sample is a text with facts as reports have them.
type sample struct {
	of  string // the function, and after a space what is special
	say func(Language) string
}

func shanghai() *time.Location { return time.FixedZone("CST", 8*3600) }

func month(year int, m time.Month) api.Period {
	from := time.Date(year, m, 1, 0, 0, 0, 0, shanghai())
	return api.Period{
		From: from.Format(time.RFC3339Nano), To: from.AddDate(0, 1, 0).Format(time.RFC3339Nano),
		TimeZone: "Asia/Shanghai", Complete: true,
	}
}

func span(from, to string) api.Period {
	return api.Period{From: from, To: to, TimeZone: "Asia/Shanghai", Complete: true}
}

// rateOf is a rate of so many pairs, with a target for 2025 if needed is not 0.
func rateOf(compliant, total, needed int) api.Rate {
	r := api.Rate{Compliant: compliant, Total: total, TargetYear: 2025, NonCompliant: total - compliant}
	if needed > 0 {
		target, met := 0.8, compliant >= needed
		r.Target, r.Met, r.Needed = &target, &met, &needed
	}
	return r
}

// june is the result of a month as it usually is.
func june(change func(*Result)) func(Language) string {
	r := Result{
		Period: month(2025, time.June), Plane: "optical", Rate: rateOf(33, 45, 36), Confidence: 0.95,
		Origins: api.Origins{Measured: 100}, Before: &api.Month{Month: "2025-05", Rate: rateOf(31, 45, 36)},
	}
	r.Rate.Proven, r.Rate.Possible = 24, 36
	if change != nil {
		change(&r)
	}
	return func(lang Language) string { return Headline(lang, r) }
}

func rules(statistic string) Rules {
	return Rules{
		Statistic: statistic, Factor: 1.5, Theory: "2 × distance × 1.468 / c", Sites: "best",
		Targets:      []Target{{2023, 0.65}, {2024, 0.75}, {2025, 0.8}},
		PacketsOfDay: 0.75, Days: 0.8, PacketsOfHour: 0.7, DemonstrationPackets: 20,
		ResidenceCapUS: 200, FibreIndex: "1.468", FibreMargin: 0.02,
		Confidence: 0.95, Trials: 10_000, CompleteDays: 20, FewerDays: 3,
		HardwareAddsUS: [2]float64{0, 1}, KernelAddsUS: [2]float64{0, 50},
		MaintenanceMost: 0.01, WithinHubMS: 5, WithinCityMS: 1,
		ClassBShare: 0.02, Circuity: 1.3, CircuityMayBe: [2]float64{1.2, 1.4},
	}
}

// whole is a report that calls for every warning.
func whole(origins api.Origins) *api.Report {
	first, last := "2025-06-01T00:00:00+08:00", "2025-07-01T00:00:00+08:00"
	r := &api.Report{
		GeneratedBy: "fibergauge-analyzer 1.2", Period: month(2025, time.June), Trend: []api.Month{{Month: "2025-05"}},
		MeshSHA256: strings.Repeat("ab", 32), PolicySHA256: strings.Repeat("cd", 32), DataSHA256: strings.Repeat("ef", 32),
		Mesh: api.Mesh{Name: "national", Test: "rtt", Method: "stamp"},
	}
	r.Data = api.Data{
		Windows: origins.Measured + origins.Emulated + origins.Synthetic + origins.Imported, Conflicts: 2, Origins: origins,
		FirstStart: &first, LastEnd: &last, Timestamps: api.Timestamps{Hardware: 7, Kernel: 20, User: 3},
	}
	return r
}

func texts(warnings []Warning) string {
	var all []string
	for _, w := range warnings {
		mark := ""
		if w.Loud {
			mark = "!\n"
		}
		all = append(all, mark+w.Text)
	}
	return strings.Join(all, "\n")
}

func samples() []sample {
	all := append(sampleHeadings(), sampleResults()...)
	all = append(all, sampleMethod()...)
	all = append(all, sampleData()...)
	all = append(all, samplePortal()...)
	return append(all, sampleFormats()...)
}

func sampleHeadings() []sample {
	all := []sample{
		{"Title", func(l Language) string { return Title(l, month(2025, time.June)) }},
		{"Subtitle", func(l Language) string { r := whole(api.Origins{}); return Subtitle(l, r.Mesh, r.Period) }},
		{"GeneratedBy", func(l Language) string { return GeneratedBy(l, whole(api.Origins{})) }},
		{"ForReader carrier", func(l Language) string {
			return ForReader(l, api.Excerpt{Role: "carrier", Carriers: []string{"telecom", "mobile"}})
		}},
		{"ForReader viewer", func(l Language) string { return ForReader(l, api.Excerpt{Role: "viewer"}) }},
	}
	for s := range sections {
		all = append(all, sample{fmt.Sprint("Heading ", int(s)), func(l Language) string { return Heading(l, s) }})
	}
	for c := range columns {
		all = append(all, sample{fmt.Sprint("Head ", int(c)), func(l Language) string { return Head(l, c) }})
	}
	for f := range figures {
		all = append(all, sample{fmt.Sprint("Caption ", int(f)), func(l Language) string {
			title, description := Caption(l, f, Plane(l, "optical"))
			return title + Stop(l) + description
		}})
	}
	all = append(all, sample{"Drawn", func(l Language) string { return Drawn(l, 12, 24) }},
		sample{"DaysOf", func(l Language) string { return DaysOf(l, time.Date(2025, 6, 1, 0, 0, 0, 0, shanghai())) }})
	for w := range labels {
		all = append(all, sample{fmt.Sprint("Label ", int(w)), func(l Language) string { return Label(l, w) }})
	}
	return all
}

func sampleResults() []sample {
	rest := rateOf(1, 6, 0)
	rest.NonCompliant, rest.Unstable, rest.NotDemonstrated, rest.Rejected, rest.Provisional = 3, 1, 2, 1, 4
	above, below, km := 0.25, -1.5, 51.06
	under := -306.3
	return []sample{
		{"Headline missed", june(nil)},
		{"Headline met", june(func(r *Result) { r.Rate = rateOf(36, 45, 36); r.Rate.Proven, r.Rate.Possible = 1, 45 })},
		{"Headline one more needed", june(func(r *Result) { r.Rate = rateOf(35, 45, 36); r.Before.Rate = rateOf(38, 45, 36) })},
		{"Headline as many", june(func(r *Result) { r.Before.Rate = rateOf(33, 45, 36) })},
		{"Headline another number of pairs", june(func(r *Result) { r.Before.Rate = rateOf(31, 36, 29) })},
		{"Headline no target", june(func(r *Result) { r.Rate = rateOf(33, 45, 0); r.Before = nil })},
		{"Headline not over", june(func(r *Result) { r.Period.Complete = false; r.Confidence = 0; r.Before = nil })},
		{"Headline demonstration", june(func(r *Result) {
			r.Period = span("2025-06-03T10:00:00+08:00", "2025-06-03T10:02:00+08:00")
			r.Period.Demonstration = true
		})},
		{"Headline no data", june(func(r *Result) { r.NoData = true; r.Rate = rateOf(0, 45, 36) })},
		{"Headline no pairs", june(func(r *Result) { r.Rate = api.Rate{} })},
		{"Headline one pair, one day", june(func(r *Result) {
			r.Period = span("2025-06-03T00:00:00+08:00", "2025-06-04T00:00:00+08:00")
			r.Rate, r.Before, r.Plane = rateOf(1, 1, 1), nil, "private-ip"
		})},
		{"Headline several days", june(func(r *Result) {
			r.Period = span("2025-06-03T00:00:00+08:00", "2025-06-14T00:00:00+08:00")
			r.Before, r.Plane = nil, "public-internet"
		})},
		{"Headline synthetic", june(func(r *Result) { r.Origins = api.Origins{Synthetic: 5} })},
		{"Rest", func(l Language) string { return Rest(l, rest) }},
		{"RateLine", func(l Language) string { return RateLine(l, rateOf(33, 45, 36)) }},
		{"ScopeLine", func(l Language) string { return ScopeLine(l, 3, 4, 5) }},
		{"Excess above", func(l Language) string { return Excess(l, api.Nearest{ExcessMS: &above, ExcessKM: &km}) }},
		{"Excess below", func(l Language) string { return Excess(l, api.Nearest{ExcessMS: &below, ExcessKM: &under}) }},
		{"Excess endless", func(l Language) string { return Excess(l, api.Nearest{Unbounded: true}) }},
		{"Choice", func(l Language) string {
			return Choice(l, api.Sensitivity{Statistic: "p95", Light: "index 1.468", Distance: "geodesic × 1.3", Compliant: 30, Total: 45})
		}},
		{"Choice of the policy", func(l Language) string {
			return Choice(l, api.Sensitivity{Statistic: "mean", Light: "5 µs/km", Distance: "mesh", Compliant: 30, Total: 45})
		}},
	}
}

func sampleMethod() []sample {
	r := rules("p95")
	measured, ratio := 21.07, 1.3998
	mesh := api.Mesh{Clusters: []api.Cluster{{ID: "zjk", EN: "Zhangjiakou", ZH: "张家口"}, {ID: "gui", EN: "Gui'an", ZH: "贵安"}}}
	pair := &api.Pair{
		Pair: [2]string{"zjk", "gui"}, DistanceKM: 1537, TheoreticalRTTMS: 15.05252, LimitRTTMS: 22.57878,
		MeasuredRTTMS: &measured, Ratio: &ratio, Verdict: api.Compliant,
	}
	budget := func(l Language) string {
		var rows []string
		for _, d := range Budget(l, r) {
			rows = append(rows, d.Source+" | "+d.Size+" | "+d.Treatment)
		}
		return strings.Join(rows, "\n")
	}
	with := func(f func(Language, Rules) string) func(Language) string {
		return func(l Language) string { return f(l, r) }
	}
	return []sample{
		{"Indicator", with(Indicator)},
		{"Indicator no targets", func(l Language) string { return Indicator(l, Rules{}) }},
		{"TheoreticalLatency", with(TheoreticalLatency)},
		{"Reading", Reading},
		{"Example", func(l Language) string { return Example(l, mesh, pair, r) }},
		{"MeasuredLatency", with(MeasuredLatency)},
		{"MeasuredLatency mean", func(l Language) string { return MeasuredLatency(l, rules("mean")) }},
		{"WhichCounts", with(WhichCounts)},
		{"Residence", with(Residence)},
		{"Sufficiency", with(Sufficiency)},
		{"DistanceClasses", with(DistanceClasses)},
		{"Plausibility", with(Plausibility)},
		{"RateRule", RateRule},
		{"MaintenanceRule", with(MaintenanceRule)},
		{"MeshRule", MeshRule},
		{"ScopesRule", with(ScopesRule)},
		{"DecisionRule", with(DecisionRule)},
		{"GuardedRule", with(GuardedRule)},
		{"PossibleRule", PossibleRule},
		{"Interval", with(Interval)},
		{"Budget", budget},
	}
}

func sampleData() []sample {
	all := api.Origins{Measured: 10, Emulated: 2, Synthetic: 3, Imported: 1}
	plane := api.Plane{Plane: "optical", WithMaintenance: rateOf(32, 45, 36), ExcusedLinks: 1, UnregisteredWorks: 2}
	end := api.End{Seen: api.Seen{Src: "zjk-a", Dst: "hlg-a", Scheduled: 2_592_000, CountedPackets: 2_590_000, CountedLost: 1234}}
	end.Sufficiency = api.Sufficiency{Days: 30, DaysSufficient: 29, Hours: 24, HoursSufficient: 23}
	is := whole(all)
	none := &api.Report{MeshSHA256: "ab", PolicySHA256: "cd", DataSHA256: "ef", Mesh: api.Mesh{InForceSHA256: "ab"}, Period: span("2025-06-03T10:00:00+08:00", "2025-06-03T10:02:00+08:00")}
	none.Period.Demonstration, none.Period.Complete = true, false
	steps := func(r *api.Report, store string) func(Language) string {
		return func(l Language) string {
			var rows []string
			for _, s := range Recompute(l, r, store) {
				rows = append(rows, s.Text, s.Command)
			}
			return strings.Join(rows, "\n")
		}
	}
	revised := api.Revision{Number: 2, Reason: "x", Figures: 3, Replaces: api.Replaced{Number: 1, ManifestSHA256: strings.Repeat("9a", 32)}}
	return []sample{
		{"Amount", func(l Language) string { return Amount(l, is.Data) }},
		{"Amount none", func(l Language) string { return Amount(l, none.Data) }},
		{"TimestampSources", func(l Language) string { return TimestampSources(l, is.Data.Timestamps) }},
		{"Filled", func(l Language) string { return Filled(l, end) }},
		{"Counted", func(l Language) string { return Counted(l, end.Seen) }},
		{"Enough", func(l Language) string { return Enough(l, 89, 90) }},
		{"Enough of one", func(l Language) string { return Enough(l, 1, 1) }},
		{"Implausible", func(l Language) string { return Implausible(l, 1, 2) }},
		{"LeftOut", func(l Language) string { return LeftOut(l, 2, 1, 3) }},
		{"Maintenance", func(l Language) string { return Maintenance(l, plane) }},
		{"Maintenance none", func(l Language) string { return Maintenance(l, api.Plane{Plane: "optical"}) }},
		{"WithoutExcuse", func(l Language) string { return WithoutExcuse(l, plane) }},
		{"QualityOfExcerpt carrier", func(l Language) string {
			return QualityOfExcerpt(l, api.Excerpt{Role: "carrier", Carriers: []string{"telecom", "mobile"}})
		}},
		{"QualityOfExcerpt viewer", func(l Language) string { return QualityOfExcerpt(l, api.Excerpt{Role: "viewer"}) }},
		{"ExcusedOf", func(l Language) string {
			return ExcusedOf(l, api.Excused{Works: []string{"w1"}, Seconds: 3600, Verdict: api.Compliant})
		}},
		{"ExcusedOf too much", func(l Language) string {
			return ExcusedOf(l, api.Excused{Works: []string{"w1", "w2"}, Seconds: 25_920, Beyond: 60, Verdict: api.NonCompliant})
		}},
		{"SingleEnded", func(l Language) string { return SingleEnded(l, []string{"zjk–hlg", "zjk–gui", "zjk–shg"}) }},
		{"Bounded", func(l Language) string { return Bounded(l, 1, "p95") }},
		{"Parts", func(l Language) string { return Parts(l, 2) }},
		{"BesideRule", func(l Language) string {
			return BesideRule(l, api.Beside{DiffersAboveMS: 1, DiffersAboveShare: 0.05})
		}},
		{"Warnings", func(l Language) string { return texts(Warnings(l, is)) }},
		{"Warnings of nothing but synthetic data", func(l Language) string { return texts(Warnings(l, whole(api.Origins{Synthetic: 7}))) }},
		{"Warnings of a demonstration without data", func(l Language) string { return texts(Warnings(l, none)) }},
		{"Watermark", func(l Language) string { return Watermark(l, all) }},
		{"Watermark synthetic", func(l Language) string { return Watermark(l, api.Origins{Synthetic: 1}) }},
		{"Watermark some synthetic", func(l Language) string { return Watermark(l, api.Origins{Synthetic: 1, Measured: 1}) }},
		{"Watermark emulated", func(l Language) string { return Watermark(l, api.Origins{Emulated: 1}) }},
		{"Watermark some emulated", func(l Language) string { return Watermark(l, api.Origins{Emulated: 1, Imported: 1}) }},
		{"Watermark no real data", func(l Language) string { return Watermark(l, api.Origins{Emulated: 1, Synthetic: 1}) }},
		{"EstimatedDistances", func(l Language) string { return EstimatedDistances(l, 45, 44, 1.3) }},
		{"UserSpace", func(l Language) string { return UserSpace(l, is.Data.Timestamps) }},
		{"OtherMesh", func(l Language) string { return OtherMesh(l, strings.Repeat("78", 32)) }},
		{"Recompute", steps(is, "sqlite:fibergauge.sqlite")},
		{"Recompute a demonstration", steps(none, "sqlite:my store.sqlite")},
		{"RecomputeExcerpt", RecomputeExcerpt},
		{"Revised", func(l Language) string { return Revised(l, revised) }},
		{"Replaces", func(l Language) string { return Replaces(l, revised) }},
		{"RevisionReason", func(l Language) string { return RevisionReason(l, revised) }},
		{"RevisedOtherwise", func(l Language) string { return RevisedOtherwise(l, revised) }},
		{"RevisedOtherwise nothing judged", func(l Language) string { return RevisedOtherwise(l, api.Revision{Number: 2}) }},
		{"RevisionCause", func(l Language) string { return RevisionCause(l, api.CauseData) }},
		{"RevisionValue", func(l Language) string {
			return RevisionValue(l, api.CauseData, strings.Repeat("56", 32)) + " " + RevisionValue(l, api.CauseProgram, "fibergauge-analyzer 1.1")
		}},
		{"RevisionValue of the period", func(l Language) string {
			return RevisionValue(l, api.CauseComplete, "false") + "\n" + RevisionValue(l, api.CauseComplete, "true")
		}},
		{"RateOf", func(l Language) string { return RateOf(l, "optical") }},
		{"VerdictOf", func(l Language) string { return VerdictOf(l, "optical", "zjk–hlg") }},
	}
}

func sampleFormats() []sample {
	at := time.Date(2025, time.June, 3, 9, 5, 0, 0, shanghai())
	all := []sample{
		{"Percent", func(l Language) string { return Percent(l, "73.3") }},
		{"Share", func(l Language) string { return Share(l, 0.65) }},
		{"List", func(l Language) string { return List(l, []string{"a", "b", "c"}) }},
		{"List of two", func(l Language) string { return List(l, []string{"a", "b"}) }},
		{"List of one", func(l Language) string { return List(l, []string{"a"}) }},
		{"Some", func(l Language) string { return Some(l, []string{"a", "b", "c", "d"}, 2) }},
		{"Sequence", func(l Language) string { return Sequence(l, []string{Label(l, LabelLimit), Label(l, LabelTarget)}) }},
		{"Stop", func(l Language) string { return Label(l, LabelLimit) + Stop(l) + Label(l, LabelTarget) }},
		{"Range", func(l Language) string { return Range(l, "1.2", "1.4") }},
		{"Month", func(l Language) string { return Month(l, at) }},
		{"MonthOf", func(l Language) string { return MonthOf(l, "2025-05") }},
		{"Date", func(l Language) string { return Date(l, at) }},
		{"Moment", func(l Language) string { return Moment(l, at) }},
		{"Moment to the second", func(l Language) string { return Moment(l, at.Add(7*time.Second)) }},
		{"Moment to the millisecond", func(l Language) string { return Moment(l, at.Add(7*time.Millisecond)) }},
		{"Theory", func(l Language) string { return Theory(l, "2 × distance × 1.468 / c") }},
		{"Light", func(l Language) string { return Light(l, "index 1.468") }},
		{"Distances", func(l Language) string { return Distances(l, "geodesic × 1.3") }},
		{"Pair", func(l Language) string {
			return Pair(l, api.Mesh{Clusters: []api.Cluster{{ID: "zjk", EN: "Zhangjiakou", ZH: "张家口"}}}, [2]string{"zjk", "hlg"})
		}},
		{"Cluster", func(l Language) string { return Cluster(l, api.Cluster{ID: "zjk", EN: "Zhangjiakou", ZH: "张家口"}) }},
		{"Carrier", func(l Language) string {
			return Carrier(l, api.Mesh{Carriers: []api.Named{{ID: "telecom", EN: "China Telecom", ZH: "中国电信"}}}, "telecom")
		}},
		{"Hub", func(l Language) string {
			return Hub(l, api.Mesh{Hubs: []api.Named{{ID: "jjj", EN: "Beijing-Tianjin-Hebei", ZH: "京津冀"}}}, "jjj")
		}},
	}
	for _, p := range []struct{ what, from, to string }{
		{"year", "2025-01-01T00:00:00+08:00", "2026-01-01T00:00:00+08:00"},
		{"month", "2025-12-01T00:00:00+08:00", "2026-01-01T00:00:00+08:00"},
		{"month with a change of the clocks", "2025-03-01T00:00:00+01:00", "2025-04-01T00:00:00+02:00"},
		{"day", "2025-06-03T00:00:00+08:00", "2025-06-04T00:00:00+08:00"},
		{"days", "2025-06-03T00:00:00+08:00", "2025-06-14T00:00:00+08:00"},
		{"moments of one day", "2025-06-03T10:00:00+08:00", "2025-06-03T10:02:30+08:00"},
		{"moments", "2025-06-03T10:00:00+08:00", "2025-06-04T12:00:00+08:00"},
		{"unreadable", "x", "y"},
	} {
		all = append(all, sample{"Period " + p.what, func(l Language) string { return Period(l, span(p.from, p.to)) }})
	}
	return all
}

// All that is said, in each language, for reviewers to read side by side.
func TestGoldenTexts(t *testing.T) {
	var b bytes.Buffer
	for _, s := range samples() {
		fmt.Fprintf(&b, "%s\n", s.of)
		for _, lang := range Languages() {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(s.say(lang), "\n", "\n    "))
		}
	}
	file := filepath.Join("testdata", "texts.txt")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("%s differs; -update writes it anew (-want +got):\n%s", file, cmp.Diff(string(want), b.String()))
	}
}

// What is said is whole, in its language, and has the same numbers in each.
func TestWhatIsSaid(t *testing.T) {
	for _, s := range samples() {
		en, zh := s.say(EN), s.say(ZH)
		sameNumbers(t, s.of, en, zh)
		for lang, text := range map[Language]string{EN: en, ZH: zh} {
			if text == "" || strings.ContainsAny(text, "{}") || strings.Contains(text, "  ") || strings.Contains(text, "%!") {
				t.Errorf("%s, %s: %q", s.of, lang, text)
			}
		}
		if strings.ContainsFunc(en, isHan) || strings.ContainsAny(en, "，。；：、（）“”") {
			t.Errorf("%s: Chinese in English: %s", s.of, en)
		}
		if bad := wrongTypography.FindString(strings.ReplaceAll(zh, " | ", "|")); bad != "" {
			t.Errorf("%s: %q in: %s", s.of, bad, zh)
		}
	}
}

// Every function that says something has a sample above.
func TestEveryFunctionHasASample(t *testing.T) {
	sampled := map[string]bool{"Reason": true} // reason_test.go
	for _, name := range []string{
		"Verdict", "Guarded", "Plane", "Statistic", "StatisticSymbol", "Timestamps", "Origin", "DistanceClass",
		"Sites", "Scope", "SiteRole", "ReaderRole", "Method",
	} {
		sampled[name] = true // names_test.go
	}
	for _, s := range samples() {
		of, _, _ := strings.Cut(s.of, " ")
		sampled[of] = true
	}
	_, parsed := files(t, ".")
	n := 0
	for _, file := range parsed {
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !f.Name.IsExported() || len(f.Type.Params.List) == 0 {
				continue
			}
			if kind, ok := f.Type.Params.List[0].Type.(*ast.Ident); !ok || kind.Name != "Language" {
				continue
			}
			n++
			if !sampled[f.Name.Name] {
				t.Errorf("%s has no sample; add one to samples", f.Name.Name)
			}
		}
	}
	if n < 50 {
		t.Fatalf("only %d functions were found", n)
	}
}
