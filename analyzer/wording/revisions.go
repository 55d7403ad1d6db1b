package wording

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Revised warns, at the top of a report, that it replaces another one.
func Revised(lang Language, r api.Revision) string {
	return say(lang, Text{
		EN: "This is revision {number} of the report. It takes the place of revision {before}; what changed stands at its end.",
		ZH: "本报告为第{number}版，代替第{before}版；变更内容见文末修订记录。",
	}, values{"number": strconv.Itoa(r.Number), "before": strconv.Itoa(r.Replaces.Number)})
}

// Replaces names the revision that one took the place of.
func Replaces(lang Language, r api.Revision) string {
	return say(lang, Text{
		EN: "Revision {number} takes the place of revision {before}, whose manifest has the SHA-256 {hash}. That one stays on file.",
		ZH: "第{number}版代替第{before}版，后者文件清单的SHA-256为{hash}，原文件仍予留存。",
	}, values{"number": strconv.Itoa(r.Number), "before": strconv.Itoa(r.Replaces.Number), "hash": r.Replaces.ManifestSHA256})
}

// RevisionReason repeats why people say that they revised a report.
func RevisionReason(lang Language, r api.Revision) string {
	return say(lang, Text{
		EN: "Reason given for revision {number}: {reason}",
		ZH: "第{number}版的修订原因：{reason}",
	}, values{"number": strconv.Itoa(r.Number), "reason": r.Reason})
}

// RevisedOtherwise says what a revision changed besides rates and verdicts.
func RevisedOtherwise(lang Language, r api.Revision) string {
	v := values{"number": strconv.Itoa(r.Number), "n": strconv.Itoa(r.Figures)}
	switch {
	case r.Figures > 0:
		return say(lang, Text{
			EN: "In revision {number}, {n} {n:pair has|pairs have} another RTT, limit or carrier under the same verdict, all planes counted.",
			ZH: "第{number}版中，各网络平面合计{n}个集群对的判定未变，但时延、限值或运营商有变更。",
		}, v)
	case len(r.Rates) == 0 && len(r.Verdicts) == 0:
		delete(v, "n")
		return say(lang, Text{
			EN: "Revision {number} changed neither a rate nor a verdict nor the RTT, limit or carrier of a pair, only other details.",
			ZH: "第{number}版未变更任何达标率、判定，以及集群对的时延、限值或运营商，仅变更了其他内容。",
		}, v)
	}
	return ""
}

// RevisionCause names something that a report was made from.
func RevisionCause(lang Language, cause string) string { return name(lang, cause, causeText) }

func causeText(code string) (Text, bool) {
	switch code {
	case api.CauseData:
		return Text{EN: "Data (SHA-256)", ZH: "数据（SHA-256）"}, true
	case api.CauseMesh:
		return Text{EN: "Mesh (SHA-256)", ZH: "测量网配置（SHA-256）"}, true
	case api.CausePolicy:
		return Text{EN: "Policy (SHA-256)", ZH: "判定规则（SHA-256）"}, true
	case api.CauseProgram:
		return Text{EN: "Program", ZH: "生成程序"}, true
	case api.CauseComplete:
		return Text{EN: "Whether the period was over", ZH: "统计期是否已结束"}, true
	}
	return Text{}, false
}

// RevisionValue is what stood or stands for a cause.
func RevisionValue(lang Language, cause, value string) string {
	switch cause {
	case api.CauseData, api.CauseMesh, api.CausePolicy:
		return ShortHash(value)
	case api.CauseComplete:
		if value == "true" {
			return Text{EN: "yes", ZH: "是"}.In(lang)
		}
		return Text{EN: "no", ZH: "否"}.In(lang)
	}
	return value
}

// RateOf names the rate of a plane in a row of what changed.
func RateOf(lang Language, plane string) string {
	return say(lang, Text{EN: "Rate, {plane}", ZH: "达标率，{plane}"}, values{"plane": Plane(lang, plane)})
}

// VerdictOf names the verdict on a pair in a row of what changed.
func VerdictOf(lang Language, plane, pair string) string {
	return say(lang, Text{EN: "Verdict, {plane}, {pair}", ZH: "判定，{plane}，{pair}"}, values{"plane": Plane(lang, plane), "pair": pair})
}
