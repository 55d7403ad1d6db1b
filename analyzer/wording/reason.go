package wording

import "github.com/fibergauge/fibergauge/analyzer/api"

// Reason says a reason, a flag or a cause that a diagnosis names. A code that it
// does not know is given as it stands.
func Reason(lang Language, r api.Reason) string {
	for _, text := range []func(string) (Text, bool){reasonText, flagText, diagnosisText} {
		if text, ok := text(r.Code); ok {
			return params{lang, r.Params}.fill(text)
		}
	}
	return r.Code
}

// reasonText is why a verdict is not compliant. Names are those of parameters,
// or of what params.named makes of them.
func reasonText(code string) (Text, bool) {
	switch code {
	case api.ReasonAboveLimit:
		return Text{
			EN: "{measured_rtt_ms} ms is above the limit of {limit_rtt_ms} ms",
			ZH: "往返时延{measured_rtt_ms} ms，超过限值{limit_rtt_ms} ms",
		}, true
	case api.ReasonUnbounded:
		return Text{
			EN: "{end}: {lost} of {packets} packets lost",
			ZH: "{end}：{packets}个探测包中丢失{lost}个",
		}, true
	case api.ReasonBoundAbove:
		return Text{
			EN: "{statistic} is at least {low_rtt_ms} ms, above the limit of {limit_rtt_ms} ms, by what imports without samples say",
			ZH: "根据不含样本的导入数据，{statistic}至少为{low_rtt_ms} ms，超过限值{limit_rtt_ms} ms",
		}, true
	case api.ReasonOnlyBounds:
		return Text{
			EN: "imports without samples: {statistic} lies between {low_rtt_ms} and {high_rtt_ms} ms, on both sides of the limit of {limit_rtt_ms} ms",
			ZH: "导入数据不含样本：{statistic}介于{low_rtt_ms}与{high_rtt_ms} ms之间，跨越限值{limit_rtt_ms} ms",
		}, true
	case api.ReasonNoSites:
		return Text{
			EN: "no site of any carrier stands for both clusters on this plane",
			ZH: "该网络平面上没有任何运营商在这两个集群均设有测量站点",
		}, true
	case api.ReasonNoWindows:
		return Text{
			EN: "{end}: no data",
			ZH: "{end}：无数据",
		}, true
	case api.ReasonTooFewPackets:
		return Text{
			EN: "{end}: {packets} packets of at least {required}",
			ZH: "{end}：探测包{packets}个，少于要求的{required}个",
		}, true
	case api.ReasonTooFewDays:
		return Text{
			EN: "{end}: enough data on {days_sufficient} of {days} days",
			ZH: "{end}：{days}天中数据充足的有{days_sufficient}天",
		}, true
	case api.ReasonSilentHours:
		return Text{
			EN: "{end}: too little data at {clock_hours} o'clock",
			ZH: "{end}：每日{clock_hours}时起的各小时内数据不足",
		}, true
	case api.ReasonNoDistance:
		return Text{
			EN: "both places are the same, so there is no distance",
			ZH: "两地位置相同，不存在距离",
		}, true
	case api.ReasonFasterThanLight:
		return Text{
			EN: "rejected: {end} has seen {min_ms} ms; light in vacuum needs {floor_ms} ms",
			ZH: "不予采信：{end}测得{min_ms} ms，而光在真空中传播即需{floor_ms} ms",
		}, true
	case api.ReasonFasterThanFibre:
		return Text{
			EN: "quarantined: {end} has seen {min_ms} ms; fibre allows {floor_ms} ms at best",
			ZH: "隔离待查：{end}测得{min_ms} ms，而光纤传输最快也需{floor_ms} ms",
		}, true
	case api.ReasonSiteUndecided:
		return Text{
			EN: "not every pair of sites is demonstrated: {sites}",
			ZH: "并非所有站点对均已证实：{sites}",
		}, true
	case api.ReasonPartUndecided:
		return Text{
			EN: "not demonstrated from {from} to {to}, between changes of the distance",
			ZH: "按距离变更划分的时段（{from}至{to}）未证实",
		}, true
	case api.ReasonWithheld:
		return Text{
			EN: "the reason is not among the public figures",
			ZH: "原因不属于公开数据",
		}, true
	}
	return Text{}, false
}

// flagText is what somebody should look at.
func flagText(code string) (Text, bool) {
	switch code {
	case api.FlagEndsDiffer:
		return Text{
			EN: "the ends differ: {both_ends} ms",
			ZH: "两端测量结果不一致：{both_ends} ms",
		}, true
	case api.FlagRatioHigh:
		return Text{
			EN: "ratio {ratio} is above {above}",
			ZH: "时延比{ratio}超过{above}",
		}, true
	case api.FlagResidence:
		return Text{
			EN: "{end}: the reflector claims {max_us} µs as its own, above {cap_us} µs",
			ZH: "{end}：反射端申报的自身处理时间为{max_us} µs，超过{cap_us} µs",
		}, true
	case api.FlagClockRate:
		return Text{
			EN: "{end}: the probe's clock was corrected by {max_ppm} ppm, above {above_ppm} ppm: its RTTs may be off by that share",
			ZH: "{end}：探针时钟频率校正量达{max_ppm} ppm，超过{above_ppm} ppm，往返时延可能有同等比例的偏差",
		}, true
	case api.FlagSurplus:
		return Text{
			EN: "{end}: {packets} packets where the test asks for {filled}: windows overlap, as of two probes, or hold more, and hours of which there are more weigh more",
			ZH: "{end}：探测包共{packets}个，而测试计划在相应时段内仅为{filled}个：测量窗口重叠（如两台探针同时测量）或包数超出计划，包数较多的时段权重偏大",
		}, true
	case api.FlagMinStep:
		return Text{
			EN: "{end}: the shortest RTT steps within a day, on {days} {days:day|days}, most at {at} from {before_ms} to {after_ms} ms",
			ZH: "{end}：最小往返时延在日内发生跃变，共{days}天，最大的一次在{at}，由{before_ms} ms变为{after_ms} ms",
		}, true
	case api.FlagUnregistered:
		return Text{
			EN: "announced too late to excuse anything: {works}",
			ZH: "登记过晚，不予扣除：{works}",
		}, true
	case api.FlagConflicts:
		return Text{
			EN: "{end}: {windows} windows conflict with earlier ones",
			ZH: "{end}：{windows}个测量窗口与先前入库的窗口冲突",
		}, true
	case api.FlagForeign:
		return Text{
			EN: "{end}: {windows} windows are from before or after a site's life, or of another cluster, carrier, plane or method than the mesh says, and count for nothing",
			ZH: "{end}：{windows}个测量窗口不在站点有效期内，或其集群、运营商、网络平面、测量方法与测量网配置不符，均不计入",
		}, true
	case api.FlagSummaries:
		return Text{
			EN: "{end}: {windows} imported windows have no samples, do not say of how many packets they are, and count for nothing",
			ZH: "{end}：{windows}个导入窗口不含样本，且未说明探测包数，均不计入",
		}, true
	case api.FlagSummed:
		return Text{
			EN: "{end}: of the packets of {windows} imported windows only {summary} are known: {follows}",
			ZH: "{end}：{windows}个导入窗口的探测包仅知{summary}：{follows}",
		}, true
	}
	return Text{}, false
}
