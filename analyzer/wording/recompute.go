package wording

import (
	"strings"
	"time"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Step is one of those by which somebody else gets the same figures.
type Step struct {
	Text    string
	Command string // for a shell; empty where there is none
}

// Recompute says how to get the figures of a report again. Store is such as
// sqlite:fibergauge.sqlite.
func Recompute(lang Language, r *api.Report, store string) []Step {
	span := flags(r.Period)
	store = quoted(store)
	options := ""
	if r.Mesh.InForceSHA256 != r.MeshSHA256 {
		options = " --mesh mesh.yaml" // else the archive has it, and those of the months before
	}
	options += " --policy policy.yaml" + span
	if len(r.Trend) > 0 {
		options += " --trend"
	}
	if r.Beside != nil {
		options += " --beside"
	}
	return []Step{
		{say(lang, Text{
			EN: "Get the mesh and the policy of this report, and see that they are these: the SHA-256 of the mesh is {mesh}, that of the policy {policy}.",
			ZH: "取得本报告所用的测量网配置和判定规则文件，并核对其SHA-256：测量网配置为{mesh}，判定规则为{policy}。",
		}, values{"mesh": r.MeshSHA256, "policy": r.PolicySHA256}), "sha256sum mesh.yaml policy.yaml"},
		{Text{
			EN: "Check that the stored windows are those that the sites signed.",
			ZH: "核验入库的测量窗口与各站点签名的内容一致。",
		}.In(lang), "fibergauge-analyzer verify --store " + store + span},
		{say(lang, Text{
			EN: "Make the report again. If its data_sha256 is {data}, the data is the same, and so are all figures.",
			ZH: "重新生成报告。如data_sha256为{data}，则所用数据相同，各项结果也应完全相同。",
		}, values{"data": r.DataSHA256}), "fibergauge-analyzer report --store " + store + options + " --format json --out report.json"},
		{Text{
			EN: "Or compute with a program of your own: export windows and packets. What it has to do is stated to the last digit in docs/metric.md, and lab/endtoend/testdata/recompute is such a program.",
			ZH: "也可用自行编写的程序复算：先导出测量窗口和探测包。计算方法见docs/metric.md，已规定至最末一位数字；lab/endtoend/testdata/recompute即为此类程序。",
		}.In(lang), "fibergauge-analyzer export --store " + store + span + " --out windows.csv\n" +
			"fibergauge-analyzer export --store " + store + span + " --samples --out packets.csv"},
	}
}

// RecomputeExcerpt says what the steps of Recompute come to for who has only an
// excerpt.
func RecomputeExcerpt(lang Language) string {
	return Text{
		EN: "An excerpt does not hold all that its figures follow from. Whoever has the store makes the whole report again by these steps, and the hashes below are those of the whole report.",
		ZH: "摘编本不含推算各项结果所需的全部数据。持有数据库者可按以下步骤重新生成完整报告，下列哈希值均对应完整报告。",
	}.In(lang)
}

// flags are those that name a period.
func flags(p api.Period) string {
	from, errFrom := time.Parse(time.RFC3339Nano, p.From)
	to, errTo := time.Parse(time.RFC3339Nano, p.To)
	if errFrom == nil && errTo == nil && midnight(from) && midnight(to) {
		if from.Day() == 1 && sameDate(from.AddDate(0, 1, 0), to) {
			return " --period " + from.Format("2006-01")
		}
		return " --from " + from.Format(time.DateOnly) + " --to " + to.Format(time.DateOnly)
	}
	return " --from " + p.From + " --to " + p.To
}

// quoted protects from a shell what is not plain.
func quoted(s string) string {
	plain := func(r rune) bool {
		return r < 0x80 && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/:._-+@%=", r))
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
