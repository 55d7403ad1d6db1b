package wording

import (
	"encoding/json"
	"testing"

	"github.com/fibergauge/fibergauge/analyzer/api"
)

type example struct {
	code   string
	params map[string]any
	en, zh string
}

func (e example) reason() api.Reason { return api.Reason{Code: e.code, Params: e.params} }

// examples are of every code, with parameters as the analyzer makes them.
func examples() []example {
	end := func(more ...any) map[string]any {
		params := map[string]any{"src": "a1", "dst": "b1"}
		for i := 0; i+1 < len(more); i += 2 {
			params[more[i].(string)] = more[i+1]
		}
		return params
	}
	share := func(more ...any) []any {
		return append([]any{
			"packets", uint64(4800), "packets_all", uint64(28_800), "above_packets", uint64(999), "above_packets_all", uint64(1000),
			"bound_rtt_ms", 22.5, "without_rtt_ms", 16.0,
		}, more...)
	}
	a := 20.5
	return []example{
		{api.ReasonAboveLimit, map[string]any{"measured_rtt_ms": 22.579, "limit_rtt_ms": 22.57878}, "22.579 ms is above the limit of 22.578 ms", "往返时延22.579 ms，超过限值22.578 ms"},
		{api.ReasonUnbounded, end("packets", uint64(2_678_400), "lost", uint64(200_000)), "a1 to b1: 200000 of 2678400 packets lost", "a1至b1：2678400个探测包中丢失200000个"},
		{api.ReasonNoSites, nil, "no site of any carrier stands for both clusters on this plane", "该网络平面上没有任何运营商在这两个集群均设有测量站点"},
		{api.ReasonNoWindows, end(), "a1 to b1: no data", "a1至b1：无数据"},
		{api.ReasonTooFewPackets, end("packets", int64(19), "required", int64(20)), "a1 to b1: 19 packets of at least 20", "a1至b1：探测包19个，少于要求的20个"},
		{api.ReasonTooFewDays, end("days", 30, "days_sufficient", 22, "required_share", 0.75), "a1 to b1: enough data on 22 of 30 days", "a1至b1：30天中数据充足的有22天"},
		{api.ReasonSilentHours, end("hours", []int{0, 1, 2, 5, 22, 23}), "a1 to b1: too little data at 0–2, 5, 22–23 o'clock", "a1至b1：每日0～2、5、22～23时起的各小时内数据不足"},
		{api.ReasonNoDistance, nil, "both places are the same, so there is no distance", "两地位置相同，不存在距离"},
		{api.ReasonFasterThanLight, end("min_ms", 6.67, "floor_ms", 6.670181), "rejected: a1 to b1 has seen 6.67 ms; light in vacuum needs 6.670181 ms", "不予采信：a1至b1测得6.67 ms，而光在真空中传播即需6.670181 ms"},
		{api.ReasonFasterThanFibre, end("min_ms", 9.595, "floor_ms", 9.595979), "quarantined: a1 to b1 has seen 9.595 ms; fibre allows 9.595979 ms at best", "隔离待查：a1至b1测得9.595 ms，而光纤传输最快也需9.595979 ms"},
		{api.ReasonSiteUndecided, map[string]any{"sites": []string{"a1-b1", "a1-b2"}}, "not every pair of sites is demonstrated: a1-b1, a1-b2", "并非所有站点对均已证实：a1-b1、a1-b2"},
		{api.ReasonPartUndecided, map[string]any{"from": "x", "to": "y"}, "not demonstrated from x to y, between changes of the distance", "按距离变更划分的时段（x至y）未证实"},
		{api.ReasonWithheld, nil, "the reason is not among the public figures", "原因不属于公开数据"},
		{api.FlagEndsDiffer, map[string]any{"measured_rtt_ms": []*float64{&a, nil}}, "the ends differ: 20.5 and ∞ ms", "两端测量结果不一致：20.5与∞ ms"},
		{api.FlagRatioHigh, map[string]any{"ratio": 5.1, "above": 5.0}, "ratio 5.1 is above 5", "时延比5.1超过5"},
		{api.FlagResidence, end("max_us", uint32(300), "cap_us", uint32(200)), "a1 to b1: the reflector claims 300 µs as its own, above 200 µs", "a1至b1：反射端申报的自身处理时间为300 µs，超过200 µs"},
		{api.FlagClockRate, end("max_ppm", 512.5, "above_ppm", 100.0), "a1 to b1: the probe's clock was corrected by 512.5 ppm, above 100 ppm: its RTTs may be off by that share", "a1至b1：探针时钟频率校正量达512.5 ppm，超过100 ppm，往返时延可能有同等比例的偏差"},
		{api.FlagMinStep, end("days", 2, "at", "2025-06-03T10:00:00+08:00", "before_ms", 16.25, "after_ms", 25.0), "a1 to b1: the shortest RTT steps within a day, on 2 days, most at 2025-06-03 10:00 from 16.25 to 25 ms", "a1至b1：最小往返时延在日内发生跃变，共2天，最大的一次在2025-06-03 10:00，由16.25 ms变为25 ms"},
		{api.FlagSurplus, end("packets", 120, "filled", 60), "a1 to b1: 120 packets where the test asks for 60: windows overlap, as of two probes, or hold more, and hours of which there are more weigh more", "a1至b1：探测包共120个，而测试计划在相应时段内仅为60个：测量窗口重叠（如两台探针同时测量）或包数超出计划，包数较多的时段权重偏大"},
		{api.FlagUnregistered, map[string]any{"works": []string{"w1", "w2"}}, "announced too late to excuse anything: w1, w2", "登记过晚，不予扣除：w1、w2"},
		{api.FlagConflicts, end("windows", 2), "a1 to b1: 2 windows conflict with earlier ones", "a1至b1：2个测量窗口与先前入库的窗口冲突"},
		{api.FlagSummaries, end("windows", 3), "a1 to b1: 3 imported windows have no samples, do not say of how many packets they are, and count for nothing", "a1至b1：3个导入窗口不含样本，且未说明探测包数，均不计入"},
		{api.FlagSummed, end("windows", 3, "min", 3, "mean", 0, "max", 2, "statistic", "p95", "low_rtt_ms", 1.5, "high_rtt_ms", nil), "a1 to b1: of the packets of 3 imported windows only min, max (of 2) are known: p95 lies between 1.5 and ∞ ms", "a1至b1：3个导入窗口的探测包仅知最小值、最大值（2个窗口）：P95介于1.5与∞ ms之间"},
		{api.ReasonBoundAbove, map[string]any{"statistic": "p95", "low_rtt_ms": 23.5, "limit_rtt_ms": 22.5}, "p95 is at least 23.5 ms, above the limit of 22.5 ms, by what imports without samples say", "根据不含样本的导入数据，P95至少为23.5 ms，超过限值22.5 ms"},
		{api.ReasonOnlyBounds, map[string]any{"statistic": "p95", "low_rtt_ms": 20.5, "high_rtt_ms": nil, "limit_rtt_ms": 22.5}, "imports without samples: p95 lies between 20.5 and ∞ ms, on both sides of the limit of 22.5 ms", "导入数据不含样本：P95介于20.5与∞ ms之间，跨越限值22.5 ms"},
		{api.FlagForeign, end("windows", 3), "a1 to b1: 3 windows are from before or after a site's life, or of another cluster, carrier, plane or method than the mesh says, and count for nothing", "a1至b1：3个测量窗口不在站点有效期内，或其集群、运营商、网络平面、测量方法与测量网配置不符，均不计入"},
		{api.DiagnosisTooLong, map[string]any{"min_rtt_ms": 30.0, "bound_rtt_ms": 22.57878, "stretch": 3.0638}, "even the shortest RTT, 30 ms (3.0638 times light in fibre over the geodesic), is above 22.578 ms: no shorter queue would help", "最小往返时延30 ms（为光在光纤中沿测地线传播时间的3.0638倍）已超过22.578 ms，仅减少排队无法改善"},
		{api.DiagnosisTooLong, map[string]any{"min_rtt_ms": 30.0, "bound_rtt_ms": 22.57878}, "even the shortest RTT, 30 ms, is above 22.578 ms: no shorter queue would help", "最小往返时延30 ms已超过22.578 ms，仅减少排队无法改善"},
		{api.DiagnosisStep, end(share("from", "2025-06-03T10:00:00+08:00", "to", "2025-06-09T12:00:00+08:00", "low_rtt_ms", 16.0, "high_rtt_ms", 25.0, "ttl_changes", 3, "traces", 1)...), "a1 to b1: the shortest RTT is 25 ms from 2025-06-03 10:00 until 2025-06-09 12:00, beside that 16 ms; changes of the replies' TTL at the steps: 3, traces: 1; 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without", "a1至b1：最小往返时延自2025-06-03 10:00起至2025-06-09 12:00止为25 ms，其余时间为16 ms；跃变前后应答包TTL变化3次，路径追踪1次；超过22.5 ms的探测包有99.9%在此范围内，而此范围占全部探测包的16.7%；除去这些探测包后，往返时延为16 ms"},
		{api.DiagnosisStep, end(share("from", nil, "to", "2025-06-09T12:00:00+08:00", "low_rtt_ms", 16.0, "high_rtt_ms", 25.0, "ttl_changes", 0, "traces", 0, "without_rtt_ms", nil, "without_unbounded", true)...), "a1 to b1: the shortest RTT is 25 ms until 2025-06-09 12:00, beside that 16 ms; changes of the replies' TTL at the steps: 0, traces: 0; 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; an endless RTT without", "a1至b1：最小往返时延至2025-06-09 12:00止为25 ms，其余时间为16 ms；跃变前后应答包TTL变化0次，路径追踪0次；超过22.5 ms的探测包有99.9%在此范围内，而此范围占全部探测包的16.7%；除去这些探测包后，往返时延为无穷大"},
		{api.DiagnosisBadDays, end(share("days", []string{"2025-02-27", "2025-02-28", "2025-03-01", "2025-03-09"}, "days_all", 30)...), "4 of 30 days (2025-02-27 to 2025-03-01, 2025-03-09): 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without", "30天中的4天（2025-02-27至2025-03-01、2025-03-09）：超过22.5 ms的探测包有99.9%在此范围内，而此范围占全部探测包的16.7%；除去这些探测包后，往返时延为16 ms"},
		{api.DiagnosisTimeOfDay, end(share("hours", []int{0, 19, 20})...), "at 0, 19–20 o'clock: 99.9 % of the packets above 22.5 ms, in 16.7 % of all packets; 16 ms without", "每日0、19～20时起的各小时内：超过22.5 ms的探测包有99.9%在此范围内，而此范围占全部探测包的16.7%；除去这些探测包后，往返时延为16 ms"},
		{api.DiagnosisOneEnd, end(share("measured_rtt_ms", nil, "measured_unbounded", true)...), "only a1 to b1 is above 22.5 ms: an endless RTT, and 16 ms from the other end", "仅a1至b1超过22.5 ms：往返时延为无穷大，而另一端往返时延为16 ms"},
		{api.DiagnosisDirectionLoss, map[string]any{"from": "a1", "to": "b1", "lost": uint64(720), "lost_back": uint64(48), "lost_all": uint64(768)}, "720 packets are lost on the way from a1 to b1, 48 from b1 to a1, of 768 in all", "共丢包768个，其中a1至b1方向720个，b1至a1方向48个"},
		{api.DiagnosisDirectionDelay, map[string]any{"from": "b1", "to": "a1", "one_way_ms": 17.0, "one_way_back_ms": 9.0, "clock_error_ms": 0.2}, "b1 to a1 takes 17 ms one way, a1 to b1 9 ms, by clocks that are within 0.2 ms", "b1至a1单向时延为17 ms，a1至b1为9 ms，两端时钟误差不超过0.2 ms"},
		{api.DiagnosisLoss, map[string]any{"packets": uint64(5760), "lost": uint64(1), "bound_rtt_ms": 22.5, "without_rtt_ms": 16.0}, "loss, of less than 0.1 % of all packets: 16 ms without it", "丢包，丢包率不足0.1%：如无丢包，往返时延为16 ms"},
		{api.DiagnosisLoss, map[string]any{"packets": uint64(5760), "lost": uint64(5760), "bound_rtt_ms": 22.5, "without_rtt_ms": nil}, "loss, of 100 % of all packets: no RTT without it", "丢包，丢包率100%：如无丢包，无往返时延"},
		{api.DiagnosisDelay, map[string]any{"packets": uint64(100_000), "above_packets": uint64(99_999), "bound_rtt_ms": 22.5, "received_rtt_ms": 26.0}, "delay: 99.9 % of all packets were received, but above 22.5 ms; the received ones alone give 26 ms", "时延：全部探测包中有99.9%已收到应答，但超过22.5 ms；仅计已收到的，往返时延为26 ms"},
		{api.DiagnosisStretch, map[string]any{"min_rtt_ms": 21.5, "measured_rtt_ms": 23.0, "theoretical_rtt_ms": 15.05252, "stretch": 2.1957}, "of 23 ms, 21.5 ms (2.1957 times light in fibre over the geodesic) are there when nothing queues; the theoretical RTT is 15.053 ms", "往返时延23 ms中，有21.5 ms（为光在光纤中沿测地线传播时间的2.1957倍）在最好情况下依然存在；理论往返时延为15.053 ms"},
		{api.DiagnosisOtherCarrier, map[string]any{"carriers": []string{"two", "three"}, "ratios": []float64{1.0629, 1.2}}, "complies between the same clusters: two (ratio 1.0629), three (ratio 1.2)", "相同集群之间，下列运营商达标：two（时延比1.0629）、three（时延比1.2）"},
		{"from_a_later_version", nil, "from_a_later_version", "from_a_later_version"},
	}
}

// readBack is a reason as a reader of the JSON has it, where all numbers are
// floats.
func readBack(t *testing.T, r api.Reason) (back api.Reason) {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestReason(t *testing.T) {
	for _, e := range examples() {
		for lang, want := range map[Language]string{EN: e.en, ZH: e.zh} {
			if got := Reason(lang, e.reason()); got != want {
				t.Errorf("%s: %s, want %s", e.code, got, want)
			}
			if got := Reason(lang, readBack(t, e.reason())); got != want {
				t.Errorf("%s, read back: %s, want %s", e.code, got, want)
			}
		}
	}
}

// A code that is new in package api fails here until it has a text and an
// example, and so do names of verdicts.
func TestEveryCodeHasText(t *testing.T) {
	shown := map[string]bool{}
	for _, e := range examples() {
		shown[e.code] = true
	}
	codes := constants(t, "../api", "Reason", "Flag", "Diagnosis")
	if len(codes) < 30 {
		t.Fatalf("only %d codes were found in package api", len(codes))
	}
	for _, code := range codes {
		for _, lang := range Languages() {
			if Reason(lang, api.Reason{Code: code}) == code {
				t.Errorf("%s has no text in %s", code, lang)
			}
		}
		if !shown[code] {
			t.Errorf("%s has no example in this test", code)
		}
	}
}

// A number that is in one language is in the other.
func TestReasonsHaveTheSameNumbers(t *testing.T) {
	for _, e := range examples() {
		sameNumbers(t, e.code, Reason(EN, e.reason()), Reason(ZH, e.reason()))
		back := readBack(t, e.reason())
		sameNumbers(t, e.code, Reason(EN, back), Reason(ZH, back))
	}
}
