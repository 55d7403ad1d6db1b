package wording

import (
	"strconv"
	"time"
)

// FigureOf is what a figure shows.
type FigureOf int

// Figures.
const (
	FigureRanked FigureOf = iota
	FigureMatrix
	FigureMap
	FigureTrend
	FigureECDF
	FigureHeat
	figures // how many there are
)

// Caption is the title of a figure, and what there is to see in it.
func Caption(lang Language, of FigureOf, plane string) (title, description string) {
	texts := captionTexts(of)
	v := values{"plane": plane}
	return say(lang, texts[0], v), say(lang, texts[1], v)
}

func captionTexts(of FigureOf) [2]Text {
	switch of {
	case FigureRanked:
		return [2]Text{
			{EN: "Ratio of every pair, {plane}", ZH: "{plane}各集群对时延比"},
			{
				EN: "Measured RTT over theoretical RTT, the best at the top; the bar is its interval, the line the limit.",
				ZH: "实测往返时延与理论往返时延之比，由优至劣排列；横条为时延比区间，竖线为限值。",
			},
		}
	case FigureMatrix:
		return [2]Text{
			{EN: "From cluster to cluster, {plane}", ZH: "{plane}集群间时延比矩阵"},
			{EN: "Each cell is the ratio of a pair.", ZH: "每格为一个集群对的时延比。"},
		}
	case FigureMap:
		return [2]Text{
			{EN: "Where the clusters are, {plane}", ZH: "{plane}集群分布与判定"},
			{
				EN: "Lines join the pairs that are judged; they do not follow the roads.",
				ZH: "连线表示参与判定的集群对，不代表实际路由。",
			},
		}
	case FigureTrend:
		return [2]Text{
			{EN: "Rate by month, {plane}", ZH: "{plane}逐月达标率"},
			{
				EN: "The share of pairs that comply in each month, and the target of its year.",
				ZH: "各月达标集群对所占比例及当年目标值。",
			},
		}
	case FigureECDF:
		return [2]Text{
			{EN: "Distribution of the RTTs, {plane}", ZH: "{plane}往返时延分布"},
			{
				EN: "The share of packets that came back within a time, of the end that is judged; lost packets never do. The height is by what is missing to 100 %, so that the tail can be read. A pair complies where its curve passes through the shaded corner.",
				ZH: "纵轴为在横轴所示时间内收到应答的探测包占比（取计入判定的一端），丢失的探测包始终计为未收到；纵轴按距100%的差值取对数刻度，便于辨读尾部。曲线穿过阴影区即为达标。",
			},
		}
	case FigureHeat:
		return [2]Text{
			{EN: "Packets above the limit by hour and day, {plane}", ZH: "{plane}各日各时段超限探测包占比"},
			{
				EN: "Days from left to right, hours from the top; of the end that is judged. A bad time of day is a row, a bad day a column.",
				ZH: "横向为日期，纵向自上而下为钟点，取计入判定的一端。固定时段异常呈横行，单日异常呈竖列。",
			},
		}
	}
	return [2]Text{}
}

// Drawn says of how many pairs the distributions are drawn, if not of all.
func Drawn(lang Language, drawn, of int) string {
	return say(lang, Text{
		EN: "Of the {of} pairs that are looked into, the {drawn} nearest to the limit are drawn; distributions in the JSON report has all.",
		ZH: "在分析原因的{of}个集群对中，仅绘出最接近限值的{drawn}个；全部数据见JSON报告中的distributions。",
	}, values{"drawn": strconv.Itoa(drawn), "of": strconv.Itoa(of)})
}

// DaysOf is what days within a figure are of, if they are all of one month.
func DaysOf(lang Language, month time.Time) string {
	return say(lang, Text{EN: "day of {month}", ZH: "{month}（日）"}, values{"month": Month(lang, month)})
}

// LabelOf is a word within a figure.
type LabelOf int

// Labels.
const (
	LabelRatio LabelOf = iota
	LabelLimit
	LabelNoRatio
	LabelInterval
	LabelBeyond
	LabelRate
	LabelMet
	LabelMissed
	LabelBand
	LabelTarget
	LabelNoData
	LabelRTT
	LabelCameBack
	LabelHour
	LabelDay
	LabelAbove
	labels // how many there are
)

// Label is a word within a figure.
func Label(lang Language, of LabelOf) string { return labelText(of).In(lang) }

func labelText(of LabelOf) Text {
	switch of {
	case LabelRatio:
		return Text{EN: "measured RTT / theoretical RTT", ZH: "实测往返时延/理论往返时延"}
	case LabelLimit:
		return Text{EN: "limit", ZH: "限值"}
	case LabelNoRatio:
		return Text{EN: "no ratio", ZH: "无时延比"}
	case LabelInterval:
		return Text{EN: "interval", ZH: "区间"}
	case LabelBeyond:
		return Text{EN: "beyond the axis", ZH: "超出坐标范围"}
	case LabelRate:
		return Text{EN: "compliance rate (%)", ZH: "达标率/%"}
	case LabelMet:
		return Text{EN: "target met", ZH: "达到目标值"}
	case LabelMissed:
		return Text{EN: "target missed", ZH: "未达到目标值"}
	case LabelBand:
		return Text{EN: "proven to possible", ZH: "确证达标至可能达标"}
	case LabelTarget:
		return Text{EN: "target", ZH: "目标值"}
	case LabelNoData:
		return Text{EN: "no data", ZH: "无数据"}
	case LabelRTT:
		return Text{EN: "RTT, ms", ZH: "往返时延/ms"}
	case LabelCameBack:
		return Text{EN: "packets that came back by then", ZH: "已收到应答的探测包占比"}
	case LabelHour:
		return Text{EN: "hour", ZH: "时"}
	case LabelDay:
		return Text{EN: "day", ZH: "日期"}
	case LabelAbove:
		return Text{EN: "packets above the limit:", ZH: "超限探测包占比："}
	}
	return Text{}
}
