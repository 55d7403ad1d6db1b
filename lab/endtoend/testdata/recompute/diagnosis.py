"""Why a link does not comply, or only just does (docs/metric.md, "Diagnosis").

All is counted over the hours of a stretch that maintenance does not excuse.
Packets are a Dist; a part of them is another.
"""

from collections import Counter
from fractions import Fraction

from data import INF, Dist
from world import Light, floor_ms, near_ms, show_ratio

DAY = 24  # hours that a level of the shortest RTT has to last


class Hour:
    """What one end saw in a clock hour."""

    def __init__(self, begin, day, clock, sources, path):
        self.begin, self.day, self.clock, self.path = begin, day, clock, path
        self.dist = Dist()
        for rtts, lost in sources.values():
            self.dist.add(rtts, lost)
        self.shortest = min(self.dist.counts, default=None)


def put(params, name, us):
    """An RTT that may be endless, or not exist."""
    params[name + "_rtt_ms"] = None if us in (None, INF) else us / 1000
    if us == INF:
        params[name + "_unbounded"] = True


def worse(values):
    return max((v for v in values if v is not None), default=None)


class Diagnosis:
    def __init__(self, rules, mesh, sites, judged, over):
        """judged: the judgement whose figures stand for the link; over: each
        end over that stretch."""
        self.rules, self.mesh, self.sites, self.judged = rules, mesh, sites, judged
        self.statistic = rules.statistic
        self.percent = int(self.statistic[1:]) if self.statistic[0] == "p" else None
        p = rules.policy["Diagnosis"]
        self.cause = Fraction(p["Cause"])
        self.clear = 1 - Fraction(p["Near"])
        self.step = 1 + Fraction(rules.policy["Plausibility"]["MinStepShare"])
        self.over = over

    def bound_of(self, verdict):
        """What RTTs are held against; None where there is nothing to explain."""
        j = self.judged
        if verdict == "non-compliant":
            return j.limit
        if verdict == "compliant" and j.ratio > self.clear * self.rules.factor:
            return self.clear * j.limit
        return None

    def of(self, verdict):
        self.bound = self.bound_of(verdict)
        if self.bound is None:
            return []
        self.ends = []
        for o in self.over:
            named = o.calendar.hours
            self.ends.append([Hour(*named[i][:1], *named[i][2:], o.hours.get(i, {}), o.paths.get(i)) for i in range(len(named))])
        self.shortest = min((h.shortest for e in self.ends for h in e if h.shortest is not None), default=None)
        self.too_long = self.shortest is not None and self.shortest > self.bound
        self.whole = [self.sum(e) for e in self.ends]
        self.all = self.together(self.whole)
        out = []
        for look in (self.route_too_long, self.lasting_step, self.bad_days, self.time_of_day, self.one_end,
                     self.what, self.stretch):
            out += [{"code": code, "params": params} for code, params in look()]
        return out

    # Counting.

    @staticmethod
    def together(dists):
        d = Dist()
        for o in dists:
            d.counts.update(o.counts)
            d.lost += o.lost
        return d

    def sum(self, hours):
        return self.together(h.dist for h in hours)

    def is_above(self, d):
        """Whether the judged statistic of these packets is."""
        us = d.statistic(self.statistic)
        return us is not None and us > self.bound

    def slow(self, d):
        return sum(n for us, n in d.counts.items() if us > self.bound)

    def above(self, d):
        return self.slow(d) + (d.lost if self.percent else 0)

    def packets(self, d):
        """Mean and minimum are of the received packets."""
        return d.packets if self.percent else d.received

    def tally(self, d):
        return self.packets(d), self.above(d)

    def explains(self, part, whole):
        (n, a), (all_n, all_a) = part, whole
        rest_n, rest_a = all_n - n, all_a - a
        if not rest_n or not all_a:
            return False
        return 1 - Fraction(all_n * rest_a, rest_n * all_a) >= self.cause

    def reaches(self, part, whole):
        return whole > 0 and part >= self.cause * whole

    def share(self, part, whole, **more):
        return {"packets": part[0], "packets_all": whole[0], "above_packets": part[1], "above_packets_all": whole[1],
                "bound_rtt_ms": floor_ms(self.bound), **more}

    def judged_over(self, keep):
        """The judged RTT of the worse end over the hours that are kept."""
        return worse(self.sum(h for h in e if keep(h)).statistic(self.statistic) for e in self.ends)

    # A part of the time.

    def lasting_step(self):
        whole, found = self.tally(self.all), None
        for i, hours in enumerate(self.ends):
            for level in self.levels([h for h in hours if h.shortest is not None]):
                if found and level["hours"] >= found[1]["hours"]:
                    continue
                part = self.tally(self.sum(h for e in self.ends for h in e if self.within(level, h)))
                if self.explains(part, whole):
                    found = i, level, part
        if not found:
            return
        i, level, part = found
        moment = lambda h: None if h is None else self.mesh.written(h.begin // 1000 * 1000)
        params = self.share(part, whole, src=self.over[i].src, dst=self.over[i].dst,
                            **{"from": moment(level["first"]), "to": moment(level["after"])},
                            low_rtt_ms=level["low"] / 1000, high_rtt_ms=level["high"] / 1000)
        params["ttl_changes"], params["traces"] = self.changes(self.ends[i], level)
        put(params, "without", self.judged_over(lambda h: not self.within(level, h)))
        yield "lasting_step", params

    @staticmethod
    def within(level, h):
        first, after = level["first"], level["after"]
        return (first is None or h.begin >= first.begin) and (after is None or h.begin < after.begin)

    def levels(self, hours):
        """The stretches in which the shortest RTT of an end is raised; hours
        are those with an RTT, and the index of one is the time."""
        us = [h.shortest for h in hours]
        ups, downs = self.steps(us)
        out = []
        for up in ups:
            down = next((d for d in downs if d > up), len(us))
            out.append({"first": hours[up], "after": hours[down] if down < len(us) else None, "hours": down - up,
                        "low": min(us[max(0, up - DAY):up]), "high": min(us[up:down])})
        if downs and not (ups and ups[0] <= downs[0]):
            down = downs[0]
            out.append({"first": None, "after": hours[down], "hours": down,
                        "low": min(us[down:down + DAY]), "high": min(us[:down])})
        return out

    def steps(self, us):
        """About a step the day after is raised above the day before at several
        places: up is the first of them in a row, down the last."""
        places = range(DAY, len(us) - DAY + 1)
        least = {k: (min(us[k - DAY:k]), min(us[k:k + DAY])) for k in places}
        up = {k for k in places if least[k][1] > self.step * least[k][0]}
        down = {k for k in places if least[k][0] > self.step * least[k][1]}
        ups, downs = [k for k in sorted(up) if k - 1 not in up], [k for k in sorted(down) if k + 1 not in down]
        # Within the first and the last day there is no whole day on one side.
        if ups and ups[0] == DAY:
            while ups[0] > 1 and us[ups[0] - 1] > self.step * least[DAY][0]:
                ups[0] -= 1
        if downs and downs[-1] == len(us) - DAY:
            beyond = least[downs[-1]][1]
            while downs[-1] < len(us) - 1 and us[downs[-1]] > self.step * beyond:
                downs[-1] += 1
        return ups, downs

    @staticmethod
    def changes(hours, level):
        """Signs of another path, from the last hour with an RTT before a step to
        the first hour behind it."""
        ttl = traces = 0
        for step in (level["first"], level["after"]):
            if step is None:
                continue
            last = max(h.begin for h in hours if h.begin < step.begin and h.shortest is not None)
            for h in hours:
                if last <= h.begin <= step.begin and h.path:
                    ttl, traces = ttl + h.path.ttl_changes, traces + h.path.traces
        return ttl, traces

    def by(self, key):
        """The packets of each end by day, or clock hour, or both."""
        out = []
        for e in self.ends:
            of = {}
            for h in e:
                of.setdefault(key(h), []).append(h)
            out.append({k: self.sum(hours) for k, hours in of.items()})
        return out

    def bad_days(self):
        daily = self.by(lambda h: h.day)
        days = sorted({d for e in daily for d in e if e[d].packets})
        bad = [d for d in days if any(d in e and self.is_above(e[d]) for e in daily)]
        part = self.tally(self.together(e[d] for e in daily for d in bad if d in e))
        whole = self.tally(self.all)
        if 2 * len(bad) >= len(days) or not self.explains(part, whole):
            return
        params = self.share(part, whole, days=bad, days_all=len(days))
        put(params, "without", self.judged_over(lambda h: h.day not in bad))
        yield "bad_days", params

    def time_of_day(self):
        clock = self.by(lambda h: h.clock)
        names = lambda ends: {c for e in ends for c in e if self.is_above(e[c])}
        hours = names(clock)
        of = lambda clocks: self.tally(self.together(e[c] for e in clock for c in clocks if c in e))
        part, whole = of(hours), self.tally(self.all)
        if not self.explains(part, whole):
            return
        # Each day is held against the hours that the other days name.
        daily, n, a = self.by(lambda h: (h.day, h.clock)), 0, 0
        for day in sorted({d for e in daily for d, _ in e}):
            named = set()
            for e, every in zip(daily, clock):
                for c, d in every.items():
                    own = e.get((day, c))
                    if own:
                        d = self.less(d, own)
                    if self.is_above(d):
                        named.add(c)
            more = self.tally(self.together(e[day, c] for e in daily for c in named if (day, c) in e))
            n, a = n + more[0], a + more[1]
        if not self.explains((n, a), whole):
            return
        params = self.share(part, whole, hours=sorted(hours))
        put(params, "without", self.judged_over(lambda h: h.clock not in hours))
        yield "time_of_day", params

    @staticmethod
    def less(whole, part):
        d = Dist()
        d.counts, d.lost = whole.counts - part.counts, whole.lost - part.lost
        return d

    # An end, a direction, what happens to the packets, how long the way is.

    def one_end(self):
        if len(self.ends) != 2:
            return
        whole = self.tally(self.all)
        for i, (one, other) in enumerate((self.whole, self.whole[::-1])):
            if not self.is_above(one) or self.is_above(other) or not self.explains(self.tally(one), whole):
                continue
            params = self.share(self.tally(one), whole, src=self.over[i].src, dst=self.over[i].dst)
            put(params, "measured", one.statistic(self.statistic))
            put(params, "without", other.statistic(self.statistic))
            yield "one_end", params

    def what(self):
        """Losses, delay, and the directions in which they are."""
        if self.percent:
            by_loss = any(self.is_above(self.all_within(d)) for d in self.whole)
        else:
            by_loss = False
        by_delay = any(self.is_above(self.received(d)) for d in self.whole)
        if self.percent and not by_loss and not by_delay:
            above = self.above(self.all)
            by_loss, by_delay = self.reaches(self.all.lost, above), self.reaches(self.slow(self.all), above)
        ways = self.ways()
        if by_loss:
            yield from self.direction_of_loss(ways)
        if by_delay:
            yield from self.direction_of_delay(ways)
        packets = {"packets": self.all.packets, "bound_rtt_ms": floor_ms(self.bound)}
        fast = worse(self.received(d).statistic(self.statistic) for d in self.whole)
        if by_loss:
            params = {**packets, "lost": self.all.lost}
            put(params, "without", fast)
            yield "loss", params
        if by_delay and not self.too_long:
            params = {**packets, "above_packets": self.slow(self.all)}
            put(params, "received", fast)
            yield "delay", params

    @staticmethod
    def all_within(d):
        """As if every received packet were within the bound."""
        o = Dist()
        o.counts, o.lost = Counter({0: d.received} if d.received else {}), d.lost
        return o

    @staticmethod
    def received(d):
        """As if no lost packet counted."""
        o = Dist()
        o.counts = d.counts
        return o

    def ways(self):
        """From the first site to the second, and back: packets lost, delays,
        and by how much the clocks may be off."""
        lost, delays, error = [0, 0], [Dist(), Dist()], 0
        for o, hours in zip(self.over, self.ends):
            there, back = (0, 1) if o.src == self.sites[0] else (1, 0)
            for path in (h.path for h in hours if h.path):
                lost[there] += path.forward_lost
                lost[back] += path.reverse_lost
                delays[there].add(path.forward, 0)
                delays[back].add(path.reverse, 0)
                error = max(error, path.error)
        return lost, delays, error

    def direction_of_loss(self, ways):
        lost = ways[0]
        for way in (0, 1):
            more = lost[way] - lost[1 - way]
            if more > 0 and self.reaches(more, self.all.lost):
                yield "one_direction_loss", {"from": self.sites[way], "to": self.sites[1 - way], "lost": lost[way],
                                             "lost_back": lost[1 - way], "lost_all": self.all.lost}

    def direction_of_delay(self, ways):
        _, delays, error = ways
        if not error or not all(d.packets and self.reaches(d.packets, self.all.received) for d in delays):
            return
        us = [d.statistic(self.statistic) for d in delays]
        for way in (0, 1):
            more = us[way] - us[1 - way] - 2 * error
            if more > 0 and self.reaches(more, sum(us) - self.judged.theory):
                yield "one_direction_delay", {"from": self.sites[way], "to": self.sites[1 - way], "one_way_ms": us[way] / 1000,
                                              "one_way_back_ms": us[1 - way] / 1000, "clock_error_ms": error / 1000}

    def over_geodesic(self):
        params, straight = {"min_rtt_ms": self.shortest / 1000}, self.judged.route.straight
        if straight:
            rtt = Light(index=self.rules.policy["Plausibility"]["FibreIndex"]).rtt(straight)
            params.update(geodesic_rtt_ms=near_ms(rtt), stretch=show_ratio(self.shortest / rtt, 0))
        return params

    def route_too_long(self):
        if self.too_long:
            yield "route_too_long", {"bound_rtt_ms": floor_ms(self.bound), **self.over_geodesic()}

    def stretch(self):
        us, theory = self.judged.measured, self.judged.theory
        if self.shortest is None or self.too_long or us == INF:
            return
        if self.reaches(self.shortest - theory, us - theory):
            yield "stretch", {"measured_rtt_ms": us / 1000, "theoretical_rtt_ms": near_ms(theory), **self.over_geodesic()}
