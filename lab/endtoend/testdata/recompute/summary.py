"""Imports without samples: how short and how long each packet of a window may
have been (docs/metric.md, "Summaries")."""

import math
from fractions import Fraction

from data import INF, Dist
from world import ceil_div

PATIENCE = 4_000_000  # µs; what may be above it without a maximum is endless


class Summary:
    """What a window says of n received packets, in whole µs; None where it does not."""

    def __init__(self, n, lost, least, mean, most):
        self.n, self.lost, self.least, self.most = n, lost, least, most
        mean = None if mean is None else Fraction(float(mean))  # the double, exactly
        # The sum of the RTTs is a whole number.
        self.sum_low = None if mean is None else math.ceil(n * (mean - 1))
        self.sum_high = None if mean is None else math.floor(n * (mean + 1))

    def short(self, k):
        """The k-th shortest, if all longer ones are as long as may be."""
        floor = self.least or 0
        if k == self.n and self.most is not None:
            return self.most
        if k == 1 and self.least is not None:
            return self.least
        if self.sum_low is None or self.most is None and k < self.n:
            return floor
        above, divisor = self.sum_low, k
        if self.most is not None:
            above -= (self.n - k) * self.most
        if self.least is not None:  # k > 1
            above, divisor = above - self.least, divisor - 1
        return max(floor, ceil_div(above, divisor))

    def long(self, k):
        """The k-th shortest, if all shorter ones are as short as may be."""
        if k == self.n and self.most is not None:
            return self.most
        if k == 1 and self.least is not None:
            return self.least
        if self.sum_high is None:
            return INF if self.most is None else self.most
        above, divisor = self.sum_high - (k - 1) * (self.least or 0), self.n - k + 1
        if self.most is not None:  # k < n
            above, divisor = above - self.most, divisor - 1
        us = above // divisor
        if self.most is not None:
            return min(us, self.most)
        return us if us <= PATIENCE else INF

    def sums(self):
        """Between what the RTTs sum up to."""
        n, least, most = self.n, self.least, self.most
        low, high = n * (least or 0), INF
        if most is not None:
            low, high = low + most - (least or 0), n * most
            if least is not None:
                high -= most - least
        elif n == 1 and least is not None:
            high = least
        if self.sum_low is not None:
            low, high = max(low, self.sum_low), min(high, self.sum_high)
        return low if n else 0, high if n else 0


class Bounds:
    """Packets that are known by summaries only, all of them as short as can be
    and all as long as can be."""

    def __init__(self, summaries):
        self.low, self.high, self.sum_low, self.sum_high = Dist(), Dist(), 0, 0
        for s in summaries:
            shown = range(1, s.n + 1)
            longest = [s.long(k) for k in shown]
            known = [us for us in longest if us != INF]
            self.low.add([s.short(k) for k in shown], s.lost)
            self.high.add(known, s.lost + s.n - len(known))
            low, high = s.sums()
            self.sum_low, self.sum_high = self.sum_low + low, min(INF, self.sum_high + high)

    def statistic(self, dist, name):
        """Of these and those that have samples: (low, high); None without packets."""
        if name == "mean":
            received = dist.received + self.low.received
            if not received:
                return (INF, INF) if dist.lost + self.low.lost else None
            total = sum(us * n for us, n in dist.counts.items())
            mean = lambda more: INF if more == INF else (2 * (total + more) + received) // (2 * received)
            return mean(self.sum_low), mean(self.sum_high)
        both = []
        for bound in (self.low, self.high):
            d = Dist()
            for o in (dist, bound):
                d.counts.update(o.counts)
                d.lost += o.lost
            both.append(d.statistic(name))
        return None if both[0] is None else tuple(both)
