package wording

import (
	"strconv"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

// Sign is a word on the pages of the portal that hangs on nothing: of its
// navigation, its forms and its tables.
type Sign int

// Signs.
const (
	SignSkip Sign = iota
	SignNavigation
	SignNow
	SignMonths
	SignMethods
	SignLanguage
	SignDownloads
	SignPlanes
	SignOnThisPage
	SignLogIn
	SignLogOut
	SignToken
	SignTokenHint
	SignTokenRefused
	SignTooManyTries
	SignFormRefused
	SignSite
	SignAsTable
	SignFilter
	SignFilterEmpty
	SignSideBySide
	SignOverTime
	SignEnds
	SignBegins
	SignPackets
	SignData
	SignP95Line
	SignP50Line
	SignInnerBand
	SignOuterBand
	SignRTTAxis
	SignNoDays
	SignNoMonths
	SignEarlier
	SignPending
	SignWhole
	SignReportOf
	SignNoJudgement
	SignWhy
	signs // how many there are
)

// Word is what a sign says.
func Word(lang Language, s Sign) string { return signText(s).In(lang) }

func signText(s Sign) Text {
	for _, texts := range []func(Sign) Text{frameText, loginText, pageText} {
		if text := texts(s); text != (Text{}) {
			return text
		}
	}
	return Text{}
}

// frameText is around every page.
func frameText(s Sign) Text {
	switch s {
	case SignSkip:
		return Text{EN: "Skip to the content", ZH: "跳至正文"}
	case SignNavigation:
		return Text{EN: "Pages", ZH: "页面导航"}
	case SignNow:
		return Text{EN: "Now", ZH: "最新结果"}
	case SignMonths:
		return Text{EN: "Every month", ZH: "历月结果"}
	case SignMethods:
		return Text{EN: "Methods", ZH: "方法说明"}
	case SignLanguage:
		return Text{EN: "Language", ZH: "语言"}
	case SignDownloads:
		return Text{EN: "Download this report", ZH: "下载本报告"}
	case SignPlanes:
		return Text{EN: "Network plane", ZH: "网络平面"}
	case SignOnThisPage:
		return Text{EN: "On this page", ZH: "本页内容"}
	}
	return Text{}
}

// loginText is of who reads.
func loginText(s Sign) Text {
	switch s {
	case SignLogIn:
		return Text{EN: "Log in", ZH: "登录"}
	case SignLogOut:
		return Text{EN: "Log out", ZH: "退出登录"}
	case SignToken:
		return Text{EN: "Access token", ZH: "访问令牌"}
	case SignTokenHint:
		return Text{
			EN: "The administrator of this site has given you one. It is kept in no cookie: what the browser keeps is a random number that ends when you log out.",
			ZH: "由本站管理员发放。令牌不会存入Cookie；浏览器仅保存一个随机数，退出登录后即失效。",
		}
	case SignTokenRefused:
		return Text{
			EN: "Nobody has this token: it was mistyped, or it has expired or was revoked. Look whether all of it is there, or ask the administrator for another.",
			ZH: "该令牌无效：可能输入有误、已过期或已被撤销。请检查令牌是否完整，或向管理员申请新令牌。",
		}
	case SignTooManyTries:
		return Text{EN: "There were too many tries from this address. Wait a minute, then try again.", ZH: "来自该地址的尝试次数过多，请稍候一分钟后重试。"}
	case SignFormRefused:
		return Text{
			EN: "The form was not sent by a page of this site, or that page was too old, or the browser keeps no cookies. Send it again from here.",
			ZH: "该表单并非由本站页面提交，或页面已过期，或浏览器未启用Cookie。请在此重新提交。",
		}
	case SignSite:
		return Text{EN: "Inter-cluster network latency of the national hub nodes", ZH: "国家枢纽节点集群间网络时延"}
	}
	return Text{}
}

// pageText is of the content.
func pageText(s Sign) Text {
	switch s {
	case SignAsTable:
		return Text{EN: "The same figures as a table", ZH: "以表格形式查看相同数据"}
	case SignFilter:
		return Text{EN: "Show only rows with", ZH: "筛选包含以下内容的行"}
	case SignFilterEmpty:
		return Text{EN: "No row has this.", ZH: "没有符合条件的行。"}
	case SignSideBySide:
		return Text{EN: "Carriers side by side", ZH: "各运营商对比"}
	case SignOverTime:
		return Text{EN: "Over time", ZH: "时延变化"}
	case SignEnds:
		return Text{EN: "Both ends of each link", ZH: "各链路两端测量结果"}
	case SignBegins:
		return Text{EN: "From", ZH: "起始时间"}
	case SignData:
		return Text{EN: "Data", ZH: "数据来源"}
	case SignPackets:
		return Text{EN: "Packets", ZH: "包数"}
	case SignP95Line:
		return Text{EN: "p95", ZH: "P95"}
	case SignP50Line:
		return Text{EN: "median", ZH: "中位数"}
	case SignInnerBand:
		return Text{EN: "median to p95", ZH: "中位数至P95"}
	case SignOuterBand:
		return Text{EN: "shortest to p99", ZH: "最小值至P99"}
	case SignRTTAxis:
		return Text{EN: "RTT (ms)", ZH: "往返时延/ms"}
	case SignNoDays:
		return Text{EN: "There is nothing of these links to be shown.", ZH: "无可显示的链路数据。"}
	case SignNoMonths:
		return Text{
			EN: "The store has no data yet. The first month is here as soon as a collector has stored a window, or an import has.",
			ZH: "数据库中尚无数据。采集器存入或导入首个测量窗口后，此处将显示首月结果。",
		}
	case SignEarlier:
		return Text{EN: "Earlier months", ZH: "更早月份"}
	case SignPending:
		return Text{EN: "being made", ZH: "生成中"}
	case SignWhole:
		return Text{EN: "Whole report", ZH: "完整报告"}
	case SignReportOf:
		return Text{EN: "These texts and numbers are those of the report of", ZH: "以下文字和数值取自本统计周期的报告："}
	case SignWhy:
		return Text{EN: "What is to be known of each", ZH: "各链路说明"}
	case SignNoJudgement:
		return Text{EN: "No site of a carrier stands for both clusters on this plane.", ZH: "该平面上没有运营商在两个集群均设有站点。"}
	}
	return Text{}
}

// SoFar says that a month is still running, and up to when its figures go.
func SoFar(lang Language, month string, p api.Period) string {
	return say(lang, Text{
		EN: "{month} is not over. The figures are those of {period}, and provisional: days to come may change every verdict.",
		ZH: "{month}尚未结束。以下为{period}的数据，属暂定结果，后续数据可能改变任何判定。",
	}, values{"month": MonthOf(lang, month), "period": Period(lang, p)})
}

// NothingYet says that the page shows an older month than the present one.
func NothingYet(lang Language, present, shown string) string {
	return say(lang, Text{
		EN: "Of {present} there is no whole day of data yet. This is {shown}, the last month with data.",
		ZH: "{present}尚无完整一天的数据。此处显示最近有数据的月份：{shown}。",
	}, values{"present": MonthOf(lang, present), "shown": MonthOf(lang, shown)})
}

// SoFarName is that of a month such as 2025-11 that is still running.
func SoFarName(lang Language, month string) string {
	return say(lang, Text{EN: "{month} so far", ZH: "{month}截至目前"}, values{"month": MonthOf(lang, month)})
}

// PairOn names a pair with its plane and period.
func PairOn(lang Language, plane string, p api.Period) string {
	return say(lang, Text{EN: "{plane} plane, {period}", ZH: "{plane}，{period}"}, values{"plane": Plane(lang, plane), "period": Period(lang, p)})
}

// PairResult says of one link in a sentence how it is judged.
func PairResult(lang Language, m api.Mesh, p *api.Pair, factor float64) string {
	v := values{
		"carrier": Carrier(lang, m, p.Carrier), "verdict": Verdict(lang, p.Verdict), "limit": LimitMS(p.LimitRTTMS),
		"measured": Figure(p.MeasuredRTTMS, p.Unbounded, func(v float64) string { return MS(v, 3) }),
		"ratio":    Figure(p.Ratio, p.Unbounded, func(v float64) string { return Ratio(v, factor) }),
		"distance": KM(p.DistanceKM, 0),
	}
	if p.Carrier == "" {
		return Word(lang, SignNoJudgement)
	}
	return say(lang, Text{
		EN: "The best carrier, {carrier}: {verdict}. Measured RTT {measured} ms, limit {limit} ms over {distance} km; ratio {ratio}.",
		ZH: "最优运营商{carrier}：{verdict}。实测往返时延{measured} ms，限值{limit} ms（路网距离{distance} km）；时延比{ratio}。",
	}, v)
}

// OverTime is the title of a figure of what one end measured, and what there is
// to see in it.
func OverTime(lang Language, src, dst string) (title, description string) {
	v := values{"src": src, "dst": dst}
	return say(lang, Text{EN: "RTT over time, measured from {src} to {dst}", ZH: "往返时延变化：由{src}测向{dst}"}, v),
		Text{
			EN: "The pale band goes from the shortest RTT to the 99th percentile, the dark one from the median to the 95th percentile, which is the thick line; the dashed line is the limit. The axis does not begin at zero.",
			ZH: "浅色带为最小值至第99百分位数，深色带为中位数至第95百分位数（其上缘粗线）；虚线为限值。纵轴不从零开始。",
		}.In(lang)
}

// TimesWithheld says whose figures over time are not shown to a reader.
func TimesWithheld(lang Language, carriers []string) string {
	return say(lang, Text{
		EN: "What the ends of {carriers} measured over time is not public.",
		ZH: "{carriers}链路两端随时间变化的测量数据不公开。",
	}, values{"carriers": List(lang, carriers)})
}

// ReaderName says who is logged in.
func ReaderName(lang Language, name, role string) string {
	return say(lang, Text{EN: "{name} ({role})", ZH: "{name}（{role}）"}, values{"name": name, "role": ReaderRole(lang, role)})
}

// DownloadAs names a form of a report.
func DownloadAs(lang Language, form string) string {
	switch form {
	case "pdf":
		return Text{EN: "PDF, to be filed", ZH: "PDF（存档用）"}.In(lang)
	case "xlsx":
		return Text{EN: "XLSX, every table", ZH: "XLSX（全部表格）"}.In(lang)
	case "csv":
		return Text{EN: "CSV, every pair", ZH: "CSV（全部集群对）"}.In(lang)
	case "html":
		return Text{EN: "HTML, one file", ZH: "HTML（单个文件）"}.In(lang)
	case "json":
		return Text{EN: "JSON, the source of all", ZH: "JSON（全部形式的来源）"}.In(lang)
	}
	return form
}

// Refusal is why there is no page, as its title, and what to do.
func Refusal(lang Language, status int) (title, text string) {
	texts := refusalTexts(status)
	return texts[0].In(lang), say(lang, texts[1], values{"status": strconv.Itoa(status)})
}

func refusalTexts(status int) [2]Text {
	switch status {
	case 202:
		return [2]Text{
			{EN: "The report is being made", ZH: "报告生成中"},
			{EN: "It is not there yet ({status}); the first time takes longer. This page asks again by itself.", ZH: "报告尚未就绪（{status}），首次生成耗时较长。本页面将自动重新请求。"},
		}
	case 400:
		return [2]Text{
			{EN: "This cannot be asked", ZH: "请求无效"},
			{EN: "The address has a part that is not understood ({status}). Begin from one of the pages above.", ZH: "地址中有无法识别的部分（{status}）。请从上方页面重新进入。"},
		}
	case 403:
		return [2]Text{
			{EN: "This is not for your role", ZH: "无权查看"},
			{EN: "Your role may not read this page ({status}). The administrator of this site knows who may.", ZH: "您的角色无权查看本页面（{status}）。如有疑问，请联系本站管理员。"},
		}
	case 404:
		return [2]Text{
			{EN: "There is no such page", ZH: "页面不存在"},
			{EN: "Nothing is at this address ({status}). The months that there are stand on the page of every month.", ZH: "该地址没有内容（{status}）。现有月份请见历月结果页面。"},
		}
	case 429:
		return [2]Text{
			{EN: "Another report is being made for you", ZH: "另一份报告正在生成"},
			{EN: "This one is made after it, or after those of others ({status}). This page asks again by itself.", ZH: "本报告须待其他报告生成后方可生成（{status}）。本页面将自动重新请求。"},
		}
	case 503:
		return [2]Text{
			{EN: "The data cannot be read now", ZH: "暂时无法读取数据"},
			{EN: "The store does not answer ({status}). Try again in a minute; if it lasts, tell the administrator: the log of the analyzer says why.", ZH: "数据库无响应（{status}）。请稍后重试；如持续出现，请联系管理员，分析程序日志中有具体原因。"},
		}
	}
	return [2]Text{
		{EN: "This page could not be made", ZH: "页面无法生成"},
		{EN: "Something is wrong at the site ({status}). Tell the administrator: the log of the analyzer says what.", ZH: "本站出现错误（{status}）。请联系管理员，分析程序日志中有具体原因。"},
	}
}

// Colon stands between a name and what is said of it.
func Colon(lang Language) string { return Text{EN: ": ", ZH: "："}.In(lang) }
