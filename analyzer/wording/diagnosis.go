package wording

import "github.com/fibergauge/fibergauge/analyzer/api"

// diagnosisText is why an RTT is above the limit or near to it. Names are those
// of parameters, or of what params.named makes of them.
func diagnosisText(code string) (Text, bool) {
	switch code {
	case api.DiagnosisTooLong:
		return Text{
			EN: "even the shortest RTT, {min_rtt_ms} ms{stretched}, is above {bound_rtt_ms} ms: no shorter queue would help",
			ZH: "最小往返时延{min_rtt_ms} ms{stretched}已超过{bound_rtt_ms} ms，仅减少排队无法改善",
		}, true
	case api.DiagnosisStep:
		return Text{
			EN: "{end}: the shortest RTT is {high_rtt_ms} ms{between}, beside that {low_rtt_ms} ms; changes of the replies' TTL at the steps: {ttl_changes}, traces: {traces}; {most_of}; {without}",
			ZH: "{end}：最小往返时延{between}为{high_rtt_ms} ms，其余时间为{low_rtt_ms} ms；跃变前后应答包TTL变化{ttl_changes}次，路径追踪{traces}次；{most_of}；{without}",
		}, true
	case api.DiagnosisBadDays:
		return Text{
			EN: "{number_of_days} of {days_all} days ({dates}): {most_of}; {without}",
			ZH: "{days_all}天中的{number_of_days}天（{dates}）：{most_of}；{without}",
		}, true
	case api.DiagnosisTimeOfDay:
		return Text{
			EN: "at {clock_hours} o'clock: {most_of}; {without}",
			ZH: "每日{clock_hours}时起的各小时内：{most_of}；{without}",
		}, true
	case api.DiagnosisOneEnd:
		return Text{
			EN: "only {end} is above {bound_rtt_ms} ms: {measured_rtt}, and {without_rtt} from the other end",
			ZH: "仅{end}超过{bound_rtt_ms} ms：{measured_rtt}，而另一端{without_rtt}",
		}, true
	case api.DiagnosisDirectionLoss:
		return Text{
			EN: "{lost} packets are lost on the way from {way}, {lost_back} from {back}, of {lost_all} in all",
			ZH: "共丢包{lost_all}个，其中{way}方向{lost}个，{back}方向{lost_back}个",
		}, true
	case api.DiagnosisDirectionDelay:
		return Text{
			EN: "{way} takes {one_way_ms} ms one way, {back} {one_way_back_ms} ms, by clocks that are within {clock_error_ms} ms",
			ZH: "{way}单向时延为{one_way_ms} ms，{back}为{one_way_back_ms} ms，两端时钟误差不超过{clock_error_ms} ms",
		}, true
	case api.DiagnosisLoss:
		return Text{
			EN: "loss, of {lost_share} of all packets: {without_rtt} without it",
			ZH: "丢包，丢包率{lost_share}：如无丢包，{without_rtt}",
		}, true
	case api.DiagnosisDelay:
		return Text{
			EN: "delay: {above_share} of all packets were received, but above {bound_rtt_ms} ms; the received ones alone give {received_rtt}",
			ZH: "时延：全部探测包中有{above_share}已收到应答，但超过{bound_rtt_ms} ms；仅计已收到的，{received_rtt}",
		}, true
	case api.DiagnosisStretch:
		return Text{
			EN: "of {measured_rtt_ms} ms, {min_rtt_ms} ms{stretched} are there when nothing queues; the theoretical RTT is {theoretical_rtt_ms} ms",
			ZH: "往返时延{measured_rtt_ms} ms中，有{min_rtt_ms} ms{stretched}在最好情况下依然存在；理论往返时延为{theoretical_rtt_ms} ms",
		}, true
	case api.DiagnosisOtherCarrier:
		return Text{
			EN: "complies between the same clusters: {complying}",
			ZH: "相同集群之间，下列运营商达标：{complying}",
		}, true
	}
	return Text{}, false
}
