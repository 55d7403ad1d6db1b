package diagnosis

import (
	"math/big"

	"github.com/fibergauge/fibergauge/analyzer/latency"
	"github.com/fibergauge/fibergauge/analyzer/policy"
)

// count is packets and how many of them are above the bound. It is enough to
// tell whether the judged statistic is.
type count struct {
	received, lost uint64
	slow           uint64 // of the received: above the bound
	excess         int64  // sum of what the received are above the bound, in µs; below it is negative
}

func (n *count) add(o count) {
	n.received += o.received
	n.lost += o.lost
	n.slow += o.slow
	n.excess += o.excess
}

// less is n without o, which is a part of it.
func (n count) less(o count) count {
	return count{n.received - o.received, n.lost - o.lost, n.slow - o.slow, n.excess - o.excess}
}

func (c *explanation) counted(s *latency.Share) (n count) {
	for _, h := range s.Sources() {
		n.lost += h.Lost()
		n.received += h.Received()
		n.excess += int64(h.SumUS()) - c.whole*int64(h.Received())
		n.slow += h.Above(c.whole)
	}
	return n
}

// percent is that of the judged percentile; false where it is none.
func (r *Rules) percent() (uint64, bool) {
	switch r.statistic {
	case policy.P50:
		return 50, true
	case policy.P95:
		return 95, true
	case policy.P99:
		return 99, true
	}
	return 0, false
}

// packets and above count what the judged statistic counts: mean and min leave
// losses out.
func (r *Rules) packets(n count) uint64 {
	if _, ok := r.percent(); ok {
		return n.received + n.lost
	}
	return n.received
}

func (r *Rules) above(n count) uint64 {
	if _, ok := r.percent(); ok {
		return n.slow + n.lost
	}
	return n.slow
}

// exceeds tells whether the judged statistic of these packets is above the
// bound. By nearest rank a percentile is exactly if more packets are above it
// than the percentile leaves. No packets exceed nothing.
func (r *Rules) exceeds(n count) bool {
	if n.received == 0 {
		return n.lost > 0
	}
	if percent, ok := r.percent(); ok {
		return r.above(n)*100 > r.packets(n)*(100-percent)
	}
	if r.statistic == policy.Mean {
		return 2*n.excess >= int64(n.received) // the mean is rounded half up
	}
	return n.slow == n.received
}

// explains tells whether a part of the packets is a cause: whether the policy's
// share of all that are above the bound would be gone if the part were above it
// as rarely as the rest is. There has to be a rest.
func (r *Rules) explains(part, all count) bool {
	rest := all.less(part)
	if r.packets(rest) == 0 || r.above(all) == 0 {
		return false
	}
	// All at the rate of the rest, as a share of what is above.
	left := new(big.Rat).SetFrac(
		new(big.Int).Mul(uint64s(r.packets(all)), uint64s(r.above(rest))),
		new(big.Int).Mul(uint64s(r.packets(rest)), uint64s(r.above(all))))
	return left.Sub(big.NewRat(1, 1), left).Cmp(r.cause) >= 0
}

func uint64s(v uint64) *big.Int { return new(big.Int).SetUint64(v) }

// reaches tells whether part / whole is the policy's share.
func (r *Rules) reaches(part, whole *big.Rat) bool {
	return whole.Sign() > 0 && part.Cmp(new(big.Rat).Mul(r.cause, whole)) >= 0
}

// share are the parameters of a cause that is a part of the packets.
func (c *explanation) share(part, all count, params map[string]any) map[string]any {
	params["packets"], params["packets_all"] = c.packets(part), c.packets(all)
	params["above_packets"], params["above_packets_all"] = c.above(part), c.above(all)
	params["bound_rtt_ms"] = c.boundMS()
	return params
}

// shortest is the shortest RTT of an hour; false without any.
func (h *hour) shortest() (us int64, ok bool) { return int64(h.ShortestUS), h.HasRTT }
