package wording

import "github.com/fibergauge/fibergauge/analyzer/api"

// Title is that of a report.
func Title(lang Language, p api.Period) string {
	return say(lang, Text{
		EN: "Network latency between data-centre clusters of the national hub nodes: compliance report, {period}",
		ZH: "国家枢纽节点数据中心集群间网络时延达标情况报告（{period}）",
	}, values{"period": Period(lang, p)})
}

// Subtitle says what was measured, and by which clock days and hours go.
func Subtitle(lang Language, m api.Mesh, p api.Period) string {
	return say(lang, Text{
		EN: "Mesh {mesh}, test {test}, by {method}. Times are those of {zone}.",
		ZH: "测量网：{mesh}；测试项：{test}，采用{method}。时间均以{zone}时区为准。",
	}, values{"mesh": m.Name, "test": m.Test, "method": Method(lang, m.Method), "zone": p.TimeZone})
}

// GeneratedBy says which program made a report.
func GeneratedBy(lang Language, r *api.Report) string {
	return say(lang, Text{
		EN: "Made by {program}.",
		ZH: "由{program}生成。",
	}, values{"program": r.GeneratedBy})
}

// ForReader says for whom an excerpt was cut, and what is not in it.
func ForReader(lang Language, e api.Excerpt) string {
	if len(e.Carriers) == 0 {
		return say(lang, Text{
			EN: "Excerpt for a reader in the role of {role}: the public figures only. Rates and hashes are of the whole report.",
			ZH: "本报告为面向“{role}”角色的摘编本，仅含公开数据；达标率和哈希值对应完整报告。",
		}, values{"role": ReaderRole(lang, e.Role)})
	}
	return say(lang, Text{
		EN: "Excerpt for a reader in the role of {role}: links of {carriers} in full, of all others the public figures only. Rates and hashes are of the whole report.",
		ZH: "本报告为面向“{role}”角色的摘编本，含{carriers}链路的全部数据，其余链路仅含公开数据；达标率和哈希值对应完整报告。",
	}, values{"role": ReaderRole(lang, e.Role), "carriers": List(lang, e.Carriers)})
}

// Section is a part of a report that has a heading.
type Section int

// Sections, in the order in which they stand.
const (
	SectionWarnings Section = iota
	SectionResult
	SectionPlanes
	SectionCarriers
	SectionPairs
	SectionNonCompliant
	SectionDistributions
	SectionNotDemonstrated
	SectionNearest
	SectionFlags
	SectionHubs
	SectionScopes
	SectionSensitivity
	SectionTrend
	SectionBeside
	SectionMethod
	SectionDecision
	SectionUncertainty
	SectionQuality
	SectionRecompute
	SectionRevisions
	sections // how many there are
)

// Heading is that of a section.
func Heading(lang Language, s Section) string { return sectionText(s).In(lang) }

func sectionText(s Section) Text {
	switch s {
	case SectionWarnings:
		return Text{EN: "Before you read this", ZH: "重要提示"}
	case SectionResult:
		return Text{EN: "Result", ZH: "总体结果"}
	case SectionPlanes:
		return Text{EN: "By network plane", ZH: "各网络平面结果"}
	case SectionCarriers:
		return Text{EN: "By carrier", ZH: "各运营商结果"}
	case SectionPairs:
		return Text{EN: "Every pair of clusters", ZH: "各集群对时延"}
	case SectionNonCompliant:
		return Text{EN: "Pairs that do not comply or only just do, and why as far as the data tells", ZH: "不达标和临界达标集群对及数据所示原因"}
	case SectionDistributions:
		return Text{EN: "How the RTTs lie about the limit, and when they are above it", ZH: "限值附近的往返时延分布及超限时段"}
	case SectionNotDemonstrated:
		return Text{EN: "Pairs that are not demonstrated, and why", ZH: "未证实集群对及原因"}
	case SectionNearest:
		return Text{EN: "Nearest to the limit, by the ratio", ZH: "最接近限值的集群对（按时延比排序）"}
	case SectionFlags:
		return Text{EN: "To be looked at", ZH: "需核查事项"}
	case SectionHubs:
		return Text{EN: "By hub", ZH: "各枢纽节点结果"}
	case SectionScopes:
		return Text{EN: "Inside one hub and inside one city", ZH: "枢纽节点内和城市内时延"}
	case SectionSensitivity:
		return Text{EN: "The rate under other choices", ZH: "不同取值方法下的达标率"}
	case SectionTrend:
		return Text{EN: "The months before", ZH: "逐月趋势"}
	case SectionBeside:
		return Text{EN: "Tests that are not judged", ZH: "不参与判定的测试"}
	case SectionMethod:
		return Text{EN: "What is measured, and against what", ZH: "指标定义与测量方法"}
	case SectionDecision:
		return Text{EN: "How a verdict is reached", ZH: "判定规则"}
	case SectionUncertainty:
		return Text{EN: "How sure it is", ZH: "测量不确定度"}
	case SectionQuality:
		return Text{EN: "Quality of the data", ZH: "数据质量"}
	case SectionRecompute:
		return Text{EN: "How to get the same figures", ZH: "复算方法"}
	case SectionRevisions:
		return Text{EN: "Revisions", ZH: "修订记录"}
	}
	return Text{}
}

// Column is one of a table.
type Column int

// Columns.
const (
	ColumnPair Column = iota
	ColumnPlane
	ColumnCarrier
	ColumnSites
	ColumnHub
	ColumnMonth
	ColumnDistance
	ColumnDistanceClass
	ColumnTheoretical
	ColumnLimit
	ColumnMeasured
	ColumnOneWay
	ColumnRatio
	ColumnInterval
	ColumnLoss
	ColumnVerdict
	ColumnGuarded
	ColumnCompliant
	ColumnTotal
	ColumnRate
	ColumnTarget
	ColumnNonCompliant
	ColumnNotDemonstrated
	ColumnProven
	ColumnPossible
	ColumnExcessMS
	ColumnExcessKM
	ColumnStatistic
	ColumnLight
	ColumnDistances
	ColumnReason
	ColumnSource
	ColumnSize
	ColumnTreatment
	ColumnFile
	ColumnHash
	ColumnRatioLow
	ColumnRatioHigh
	ColumnScope
	ColumnOneWayLimit
	ColumnVerdictAsRTT
	ColumnFrom
	ColumnTo
	ColumnScheduled
	ColumnSent
	ColumnLost
	ColumnP50
	ColumnP95
	ColumnP99
	ColumnMean
	ColumnMin
	ColumnDaysSufficient
	ColumnDays
	ColumnHoursSufficient
	ColumnWindows
	ColumnRevision
	ColumnChanged
	ColumnBefore
	ColumnNow
	columns // how many there are
)

// Head is that of a column, with its unit.
func Head(lang Language, c Column) string { return columnText(c).In(lang) }

func columnText(c Column) Text {
	for _, texts := range []func(Column) Text{pairColumnText, rateColumnText, endColumnText, revisionColumnText} {
		if text := texts(c); text != (Text{}) {
			return text
		}
	}
	return Text{}
}

// pairColumnText has the columns of tables with a pair or link in each row.
func pairColumnText(c Column) Text {
	switch c {
	case ColumnPair:
		return Text{EN: "Pair of clusters", ZH: "集群对"}
	case ColumnPlane:
		return Text{EN: "Plane", ZH: "网络平面"}
	case ColumnCarrier:
		return Text{EN: "Carrier", ZH: "运营商"}
	case ColumnSites:
		return Text{EN: "Sites", ZH: "站点"}
	case ColumnDistance:
		return Text{EN: "Distance (km)", ZH: "路网距离/km"}
	case ColumnDistanceClass:
		return Text{EN: "Distance class", ZH: "距离类别"}
	case ColumnTheoretical:
		return Text{EN: "Theoretical RTT (ms)", ZH: "理论往返时延/ms"}
	case ColumnLimit:
		return Text{EN: "Limit of the RTT (ms)", ZH: "往返时延限值/ms"}
	case ColumnMeasured:
		return Text{EN: "Measured RTT (ms)", ZH: "实测往返时延/ms"}
	case ColumnOneWay:
		return Text{EN: "One way (ms)", ZH: "单向时延/ms"}
	case ColumnRatio:
		return Text{EN: "Ratio", ZH: "时延比"}
	case ColumnInterval:
		return Text{EN: "Interval of the ratio", ZH: "时延比区间"}
	case ColumnLoss:
		return Text{EN: "Loss (%)", ZH: "丢包率/%"}
	case ColumnVerdict:
		return Text{EN: "Verdict", ZH: "判定"}
	case ColumnGuarded:
		return Text{EN: "Beyond uncertainty", ZH: "计及不确定度的判定"}
	case ColumnRatioLow:
		return Text{EN: "Ratio, from", ZH: "时延比下限"}
	case ColumnRatioHigh:
		return Text{EN: "Ratio, to", ZH: "时延比上限"}
	case ColumnScope:
		return Text{EN: "Inside one", ZH: "范围"}
	case ColumnOneWayLimit:
		return Text{EN: "Limit one way (ms)", ZH: "单向时延限值/ms"}
	case ColumnVerdictAsRTT:
		return Text{EN: "If the limit were of the RTT", ZH: "按往返时延判定"}
	case ColumnExcessMS:
		return Text{EN: "Above the limit (ms)", ZH: "超出限值/ms"}
	case ColumnExcessKM:
		return Text{EN: "As fibre one way (km)", ZH: "折合单向光纤长度/km"}
	case ColumnReason:
		return Text{EN: "Why", ZH: "原因"}
	}
	return Text{}
}

// rateColumnText has those of tables with a rate, a choice, a source of doubt
// or a file in each row.
func rateColumnText(c Column) Text {
	switch c {
	case ColumnHub:
		return Text{EN: "Hub", ZH: "枢纽节点"}
	case ColumnMonth:
		return Text{EN: "Month", ZH: "月份"}
	case ColumnCompliant:
		return Text{EN: "Comply", ZH: "达标数"}
	case ColumnTotal:
		return Text{EN: "In all", ZH: "总数"}
	case ColumnRate:
		return Text{EN: "Rate (%)", ZH: "达标率/%"}
	case ColumnTarget:
		return Text{EN: "Target (%)", ZH: "目标值/%"}
	case ColumnNonCompliant:
		return Text{EN: "Do not comply", ZH: "不达标数"}
	case ColumnNotDemonstrated:
		return Text{EN: "Not demonstrated", ZH: "未证实数"}
	case ColumnProven:
		return Text{EN: "Proven to comply", ZH: "确证达标数"}
	case ColumnPossible:
		return Text{EN: "May comply", ZH: "可能达标数"}
	case ColumnStatistic:
		return Text{EN: "Statistic", ZH: "统计量"}
	case ColumnLight:
		return Text{EN: "Speed of light", ZH: "光传输速度"}
	case ColumnDistances:
		return Text{EN: "Distances", ZH: "距离取值"}
	case ColumnSource:
		return Text{EN: "Where doubt comes from", ZH: "不确定度来源"}
	case ColumnSize:
		return Text{EN: "How large", ZH: "取值"}
	case ColumnTreatment:
		return Text{EN: "How it is taken into account", ZH: "处理方法"}
	case ColumnFile:
		return Text{EN: "File", ZH: "文件"}
	case ColumnHash:
		return Text{EN: "SHA-256", ZH: "SHA-256"}
	}
	return Text{}
}

// endColumnText has those of tables with an end of a link in each row.
func endColumnText(c Column) Text {
	switch c {
	case ColumnFrom:
		return Text{EN: "From site", ZH: "起始站点"}
	case ColumnTo:
		return Text{EN: "To site", ZH: "对端站点"}
	case ColumnScheduled:
		return Text{EN: "Packets scheduled", ZH: "应发包数"}
	case ColumnSent:
		return Text{EN: "Sent", ZH: "发出包数"}
	case ColumnLost:
		return Text{EN: "Lost", ZH: "丢失包数"}
	case ColumnP50:
		return Text{EN: "Median RTT (ms)", ZH: "往返时延中位数/ms"}
	case ColumnP95:
		return Text{EN: "p95 of the RTT (ms)", ZH: "往返时延p95/ms"}
	case ColumnP99:
		return Text{EN: "p99 of the RTT (ms)", ZH: "往返时延p99/ms"}
	case ColumnMean:
		return Text{EN: "Mean RTT (ms)", ZH: "往返时延平均值/ms"}
	case ColumnMin:
		return Text{EN: "Shortest RTT (ms)", ZH: "往返时延最小值/ms"}
	case ColumnDaysSufficient:
		return Text{EN: "Days with enough data", ZH: "数据充足天数"}
	case ColumnDays:
		return Text{EN: "Days", ZH: "总天数"}
	case ColumnHoursSufficient:
		return Text{EN: "Clock hours with enough data", ZH: "数据充足时段数"}
	case ColumnWindows:
		return Text{EN: "Windows", ZH: "测量窗口数"}
	}
	return Text{}
}

// revisionColumnText has those of the table of what revisions changed.
func revisionColumnText(c Column) Text {
	switch c {
	case ColumnRevision:
		return Text{EN: "Revision", ZH: "版次"}
	case ColumnChanged:
		return Text{EN: "What changed", ZH: "变更项目"}
	case ColumnBefore:
		return Text{EN: "Before", ZH: "变更前"}
	case ColumnNow:
		return Text{EN: "Now", ZH: "变更后"}
	}
	return Text{}
}
