"""The interval of a ratio, by Monte Carlo in integers (docs/metric.md)."""

from bisect import bisect_right
from fractions import Fraction

from data import INF
from world import rank

MASK = (1 << 64) - 1
ENDLESS = 1 << 200


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = z = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return ((z ^ (z >> 31)) * n) >> 64

    def within(self, low, high):
        return low + self.below(high - low + 1)


class Mixed:
    """A statistic over days drawn anew. A day is timed RTTs, bounds, and packets
    that are missing; side says how bounds and missing packets count."""

    def __init__(self, days, name, side):
        self.name = name
        self.days = []  # values, cumulated counts, packets, sum of the RTTs
        self.missing = [missing if side == "gaps" else 0 for _, _, missing in days]
        for timed, bounds, missing in days:
            counts = dict(timed.counts)
            for v, n in bounds.counts.items():
                v = 0 if side == "low" else v
                counts[v] = counts.get(v, 0) + n
            values, below, total = sorted(counts), [], 0
            for v in values:
                total += counts[v]
                below.append(total)
            packets = total + timed.lost + (missing if side == "gaps" else 0)
            self.days.append((values, below, packets, sum(v * n for v, n in counts.items())))
        self.packets = [d[2] for d in self.days]
        self.received = [d[1][-1] if d[1] else 0 for d in self.days]
        self.sums = [d[3] for d in self.days]
        self.least = [d[0][0] if d[0] else INF for d in self.days]
        if name[0] == "p":
            self.percent = int(name[1:])
            self._prepare()

    def _prepare(self):
        """The percentile of a mixture lies within those of its parts: between
        them, count for each RTT the packets of each day that are not above."""
        of_days = []
        for values, below, packets, _ in self.days:
            if packets:
                r = rank(packets, self.percent)
                of_days.append(INF if not below or r > below[-1] else values[bisect_right(below, r - 1)])
        low, high = min(of_days, default=INF), max(of_days, default=INF)
        self.values = sorted({v for d in self.days for v in d[0] if low <= v <= high}) + [INF]
        self.rows = [None] * len(self.values)

    def _row(self, i):
        v, row = self.values[i], []
        for values, below, _, _ in self.days:
            k = bisect_right(values, v)
            row.append(below[k - 1] if k else 0)
        self.rows[i] = row.__getitem__
        return self.rows[i]

    def of(self, drawn, nothing):
        n = sum(map(self.packets.__getitem__, drawn))
        if not n:
            return nothing
        if self.name[0] != "p":
            return self._of_received(drawn)
        wanted = rank(n, self.percent)
        low, high = 0, len(self.values) - 1  # the last is INF
        while low < high:
            middle = (low + high) // 2
            if sum(map(self.rows[middle] or self._row(middle), drawn)) >= wanted:
                high = middle
            else:
                low = middle + 1
        return self.values[low]

    def _of_received(self, drawn):
        if any(self.missing[d] for d in drawn):
            return INF
        received = sum(self.received[d] for d in drawn)
        if not received:
            return INF
        if self.name == "min":
            return min(self.least[d] for d in drawn)
        return (2 * sum(self.sums[d] for d in drawn) + received) // (2 * received)


def trials(ends, adds, least, most, extents, name, number, fewer, seed):
    """Ratios of each trial, as (key, ns, metres), for low, high and gaps. The
    key orders fractions: their difference is more than 2**-64."""
    days = [d for d in range(len(ends[0])) if any(e[d][0].packets + e[d][1].packets + e[d][2] for e in ends)]
    kept = [[e[d] for d in days] for e in ends]
    bounded = any(d[1].packets for e in kept for d in e)
    missing = any(d[2] for e in kept for d in e)
    sides = [("low", 0)] * bounded + [("high", INF)] + [("gaps", INF)] * missing
    mixed = {side: [Mixed(e, name, side) for e in kept] for side, _ in sides}
    # An end without a packet on the drawn days tells nothing, below or above.
    blank = any(not any(d[0].packets + d[1].packets for d in e) or len(days) > sum(
        1 for d in e if d[0].packets + d[1].packets) for e in kept)
    if blank and "low" not in mixed:
        sides.insert(0, ("low", 0))
        mixed["low"] = [Mixed(e, name, "low") for e in kept]
    low_side = "low" if "low" in mixed else "high"
    random, out = SplitMix64(seed), {"high": [], "gaps": []} | {("low", e): [] for e in range(len(ends))}
    for _ in range(number):
        drawn = [random.below(len(days)) for _ in range(max(1, len(days) - fewer))]
        added = [random.within(*a) for a in adds]
        metres = random.within(least, most)
        for e in extents:
            metres += random.within(-e, e)
        metres = max(metres, 1)

        def outcome(ns):
            return (ENDLESS if ns == INF else (ns << 64) // metres, ns, metres)
        for side, nothing in sides:
            us = [m.of(drawn, nothing) for m in mixed[side]]
            ns = [INF if v == INF else max(0, v * 1000 - a) for v, a in zip(us, added)]
            if side != "low":
                out[side].append(outcome(max(ns)))
            if side == low_side:
                for e, v in enumerate(ns):
                    out["low", e].append(outcome(v))
    out["gaps"] = out["gaps"] or out["high"]
    return len(days), {side: sorted(o) for side, o in out.items()}


def interval(sorted_trials, per_metre_us, confidence, candidates, measured, with_gaps):
    """(low, high, gaps) as Fractions or INF, widened to hold what was measured,
    and what would have been if all that is missing were lost."""
    high, gaps = sorted_trials["high"], sorted_trials["gaps"]
    lows = [o for side, o in sorted_trials.items() if side[0] == "low"]
    n = len(high)
    r = max(1, int(n * (1 - confidence) / (2 * candidates)))

    def ratio(t):
        return INF if t[1] == INF else Fraction(t[1], t[2]) / (2000 * per_metre_us)
    lo = min(max(ratio(low[r - 1]) for low in lows), measured)
    hi = max(ratio(high[n - r]), measured)
    return lo, hi, max(ratio(gaps[n - r]), hi, with_gaps)
