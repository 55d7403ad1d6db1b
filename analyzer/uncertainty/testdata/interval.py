#!/usr/bin/env python3
"""Computes the intervals of package uncertainty a second time.

It shares no code with it: Python's integers and fractions, and another way to
find a percentile. It needs the standard library of Python 3.9 and nothing else.

Each line of standard input is one link as JSON, and gives one line of output:

  statistic    "p50", "p95", "p99", "mean" or "min"
  trials, seed whole numbers
  confidence   fraction, such as "19/20"
  distance_m   [low, high] in metres
  extents_m    [extent, ...] in metres, of each site known by its cluster only
  us_per_m     fraction: microseconds that light needs for a metre, one way
  candidates   [k, ...]: an interval for each
  measured     fraction, or null for +infinity: the measured ratio
  ends         [{"delay_ns": [low, high], "days": [day, ...]}, ...] where a day is
               {"timed": [[us, packets], ...], "lost": packets,
                "bounds": [[us, packets], ...], "missing": packets}

  {"intervals": [{"low": fraction or null, "high": ..., "gaps": ...}, ...]}
"""

import json
import sys
from bisect import bisect_right
from fractions import Fraction
from functools import cmp_to_key
from itertools import accumulate

MASK = (1 << 64) - 1
LONGEST_US = (1 << 32) - 1


class SplitMix64:
    """Steele, Lea and Flood, OOPSLA 2014."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return (self.next() * n) >> 64

    def within(self, low, high):
        return low + self.below(high - low + 1)


class Counted:
    """The packets of one day as one side of the interval counts them."""

    def __init__(self, pairs, lost):
        counts = {}
        for us, n in pairs:
            counts[us] = counts.get(us, 0) + n
        self.us = sorted(us for us, n in counts.items() if n)
        self.up_to = [0, *accumulate(counts[us] for us in self.us)]
        self.received = self.up_to[-1]
        self.total = sum(us * n for us, n in counts.items())
        self.lost = lost

    def at_most(self, us):
        return self.up_to[bisect_right(self.us, us)]


def percentile(drawn, percent):
    packets = sum(day.received + day.lost for day in drawn)
    rank = -(-packets * percent // 100)
    if sum(day.received for day in drawn) < rank:
        return None
    low, high = 0, LONGEST_US  # the answer is within; cut in halves
    while low < high:
        middle = (low + high) // 2
        if sum(day.at_most(middle) for day in drawn) >= rank:
            high = middle
        else:
            low = middle + 1
    return low


def statistic(name, drawn):
    """Microseconds, or None for +infinity, over days with a packet."""
    if name.startswith("p"):
        return percentile(drawn, int(name[1:]))
    received = sum(day.received for day in drawn)
    if received == 0:
        return None
    if name == "min":
        return min(day.us[0] for day in drawn if day.us)
    return (2 * sum(day.total for day in drawn) + received) // (2 * received)


class End:
    def __init__(self, end, days):
        self.delay = end["delay_ns"]
        days = [end["days"][d] for d in days]
        self.packets = [sent(day) for day in days]
        self.missing = [day["missing"] for day in days]
        self.low = [Counted(day["timed"] + [[0, n] for _, n in day["bounds"]], day["lost"]) for day in days]
        self.high = [Counted(day["timed"] + day["bounds"], day["lost"]) for day in days]
        self.gaps = [Counted(day["timed"] + day["bounds"], day["lost"] + day["missing"]) for day in days]

    def microseconds(self, name, drawn):
        if not any(self.packets[d] for d in drawn):
            return 0, None, None
        low, high = (statistic(name, [side[d] for d in drawn]) for side in (self.low, self.high))
        if name in ("mean", "min"):
            return low, high, None if any(self.missing[d] for d in drawn) else high
        return low, high, statistic(name, [self.gaps[d] for d in drawn])


def sent(day):
    return sum(n for _, n in day["timed"] + day["bounds"]) + day["lost"]


def worse(a, b):
    return None if a is None or b is None else max(a, b)


def compare(a, b):
    """Orders (ns or None, metres) by their quotient."""
    if a[0] is None or b[0] is None:
        return (a[0] is None) - (b[0] is None)
    left, right = a[0] * b[1], b[0] * a[1]
    return (left > right) - (left < right)


def trials(link):
    days = [d for d in range(len(link["ends"][0]["days"])) if any(sent(end["days"][d]) or end["days"][d]["missing"] for end in link["ends"])]
    ends = [End(end, days) for end in link["ends"]]
    random = SplitMix64(link["seed"])
    outcomes = []
    for _ in range(link["trials"]):
        drawn = [random.below(len(days)) for _ in range(max(1, len(days) - link["fewer_days"]))]
        lows, high, gaps = [], 0, 0
        for end in ends:
            delay = random.within(*end.delay)
            sides = end.microseconds(link["statistic"], drawn)
            sides = [None if us is None else max(us * 1000 - delay, 0) for us in sides]
            lows, high, gaps = lows + [sides[0]], worse(high, sides[1]), worse(gaps, sides[2])
        metres = random.within(*link["distance_m"])
        for extent in link["extents_m"]:
            metres += random.within(-extent, extent)
        outcomes.append([(ns, max(metres, 1)) for ns in [high, gaps, *lows]])
    high, gaps, *lows = (sorted(outcome, key=cmp_to_key(compare)) for outcome in zip(*outcomes))
    return lows, high[::-1], gaps[::-1]


def intervals(link):
    lows, high, gaps = trials(link)
    measured = None if link["measured"] is None else Fraction(link["measured"])

    def ratio(outcome):
        ns, metres = outcome
        if ns is None:
            return None
        return Fraction(ns, 1000) / (2 * metres * Fraction(link["us_per_m"]))

    def smaller(a, b):
        return b if a is None else a if b is None else min(a, b)

    for k in link["candidates"]:
        rank = max(1, link["trials"] * (1 - Fraction(link["confidence"])) // (2 * k))
        top = worse(ratio(high[rank - 1]), measured)
        bottom = 0
        for low in lows:
            bottom = worse(bottom, ratio(low[rank - 1]))
        yield {
            "low": smaller(bottom, measured),
            "high": top,
            "gaps": worse(ratio(gaps[rank - 1]), top),
        }


def main():
    for line in sys.stdin:
        found = [
            {side: None if value is None else str(value) for side, value in interval.items()}
            for interval in intervals(json.loads(line))
        ]
        print(json.dumps({"intervals": found}))


if __name__ == "__main__":
    main()
