package wording

import (
	"fmt"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

func samplePortal() (all []sample) {
	for s := range signs {
		all = append(all, sample{fmt.Sprint("Word ", int(s)), func(l Language) string { return Word(l, s) }})
	}
	for _, form := range []string{"pdf", "xlsx", "csv", "html", "json"} {
		all = append(all, sample{"DownloadAs " + form, func(l Language) string { return DownloadAs(l, form) }})
	}
	for _, status := range []int{202, 400, 403, 404, 429, 500, 503} {
		all = append(all, sample{fmt.Sprint("Refusal ", status), func(l Language) string {
			title, text := Refusal(l, status)
			return title + Stop(l) + text
		}})
	}
	days := span("2025-11-01T00:00:00+08:00", "2025-11-29T00:00:00+08:00")
	measured, ratio := 22.1234, 1.4701
	pair := &api.Pair{Carrier: "telecom", Verdict: api.Compliant, DistanceKM: 1537.4, LimitRTTMS: 22.578_9, MeasuredRTTMS: &measured, Ratio: &ratio}
	named := api.Mesh{Carriers: []api.Named{{ID: "telecom", EN: "China Telecom", ZH: "中国电信"}}}
	all = append(all, sample{"Colon", func(l Language) string { return "x" + Colon(l) + "y" }})
	return append(all,
		sample{"SoFar", func(l Language) string { return SoFar(l, "2025-11", days) }},
		sample{"SoFarName", func(l Language) string { return SoFarName(l, "2025-11") }},
		sample{"NothingYet", func(l Language) string { return NothingYet(l, "2025-11", "2025-06") }},
		sample{"PairOn", func(l Language) string { return PairOn(l, "optical", days) }},
		sample{"PairResult", func(l Language) string { return PairResult(l, named, pair, 1.5) }},
		sample{"PairResult unbounded", func(l Language) string {
			p := *pair
			p.MeasuredRTTMS, p.Ratio, p.Unbounded, p.Verdict = nil, nil, true, api.NonCompliant
			return PairResult(l, named, &p, 1.5)
		}},
		sample{"PairResult without a carrier", func(l Language) string { return PairResult(l, named, &api.Pair{}, 1.5) }},
		sample{"OverTime", func(l Language) string {
			title, description := OverTime(l, "a1", "b1")
			return title + Stop(l) + description
		}},
		sample{"TimesWithheld", func(l Language) string { return TimesWithheld(l, []string{"telecom", "mobile"}) }},
		sample{"ReaderName", func(l Language) string { return ReaderName(l, "miit", "regulator") }},
	)
}
