"""Verdicts of links: a link is two sites, its ends what each measured."""

from array import array
from bisect import bisect_right
from collections import Counter
from fractions import Fraction

from data import INF, Dist, Path, seed_of
from diagnosis import Diagnosis
from distribution import distribution
from interval import interval, trials
from summary import Bounds, Summary
from world import Calendar, Light, ceil_ms, floor_ms, near_ms, rank, show_ratio, utc

COMPLIANT, NOT, UNKNOWN = "compliant", "non-compliant", "not-demonstrated"
PROVEN, PROVEN_NOT, INCONCLUSIVE = "proven-compliant", "proven-non-compliant", "inconclusive"
STATISTICS = ("p50", "p95", "p99", "mean", "min")


def worse(values):
    """Of the ends: the higher lower bound and the higher upper bound."""
    values = [v for v in values if v is not None]
    return (max(v[0] for v in values), max(v[1] for v in values)) if values else None


def against(where, limit):
    low, high = where
    return COMPLIANT if high <= limit else NOT if low > limit else UNKNOWN


def bounds(where):
    return {"low_ms": shown(where[0])[0], "high_ms": shown(where[1])[0]}


def shown(us):
    """The two fields of an RTT that may be endless or absent."""
    return (None if us is None or us == INF else us / 1000), us == INF


class Rules:
    def __init__(self, policy):
        self.policy = policy
        theory = policy["Theory"]
        by_index = theory["Convention"] == "group-index"
        self.light = Light(index=theory["GroupIndex"]) if by_index else Light(us_per_km=theory["USPerKM"])
        self.factor = Fraction(theory["Factor"])
        self.statistic = policy["Measurement"]["Statistic"]
        self.intervals = True
        self.sites = policy["Measurement"]["Sites"]


class Stretch:
    """An end over one calendar: its hours, with or without what is excused."""

    def __init__(self, end, scheduled, usable, hours, calendar, clocks):
        self.scheduled, self.usable, self.clocks = scheduled, usable, clocks
        self.calendar, self.dist, self.hours = calendar, Dist(), hours
        for sources in hours.values():
            for rtts, lost in sources.values():
                self.dist.add(rtts, lost)
        self.src, self.dst = end.src, end.dst
        self.paths = {}  # of hours, as these are
        self.bounds = None  # of packets without samples, if there are any

    def packets(self):
        return self.dist.packets + (self.bounds.low.packets if self.bounds else 0)

    def statistic(self, name):
        """Where it lies, both ends included; None without packets."""
        if self.bounds:
            return self.bounds.statistic(self.dist, name)
        us = self.dist.statistic(name)
        return None if us is None else (us, us)

    def fulfilled(self, need):
        """(days, sufficient), (hours of the clock, sufficient), silent hours."""
        by = {"day": ({}, {}), "clock": ({}, {})}
        for i, (_, _, day, clock) in enumerate(self.calendar.hours):
            for kind, key in (("day", day), ("clock", clock)):
                asked, got = by[kind]
                asked[key] = asked.get(key, 0) + self.scheduled[i]
                got[key] = got.get(key, 0) + min(self.scheduled[i], self.usable[i])
        enough = {}
        for kind, field in (("day", "PacketsOfDay"), ("clock", "PacketsOfHour")):
            asked, got = by[kind]
            enough[kind] = {k: got[k] >= Fraction(need[field]) * n for k, n in asked.items() if n > 0}
        silent = sorted(k for k, ok in enough["clock"].items() if not ok)
        return enough["day"], enough["clock"], silent

    def missing(self):
        """Scheduled packets of each day that were never sent, hour by hour."""
        out = Counter()
        for i, (_, _, day, _) in enumerate(self.calendar.hours):
            out[day] += max(0, self.scheduled[i] - self.usable[i])
        return out

    def reason(self, code, **params):
        return {"code": code, "params": {"src": self.src, "dst": self.dst, **params}}

    def lacking(self, rules, windows, short):
        need = rules.policy["Sufficiency"]
        days, clocks, silent = self.fulfilled(need)
        told = {"days": len(days), "days_sufficient": sum(days.values()),
                "hours": len(clocks), "hours_sufficient": sum(clocks.values())}
        if not windows:
            return told, [self.reason("no_windows")]
        reasons = []
        usable = sum(self.usable)
        if usable < need["DemonstrationPackets"]:
            return told, [self.reason("too_few_packets", packets=usable, required=need["DemonstrationPackets"])]
        if not short:
            if told["days_sufficient"] < Fraction(need["Days"]) * told["days"]:
                reasons.append(self.reason("too_few_days", days=told["days"], days_sufficient=told["days_sufficient"],
                                           required_share=float(need["Days"])))
            if silent:
                reasons.append(self.reason("silent_hours", hours=silent))
        return told, reasons

    def implausible(self, rules, route):
        # Of summaries, the longest that the shortest RTT can be.
        where, p = self.statistic("min"), rules.policy["Plausibility"]
        if where is None or where[1] == INF:
            return []
        us = where[1]
        vacuum = Light(index="1").rtt(route.straight)
        fibre = Light(index=p["FibreIndex"]).rtt(route.straight) * (1 - Fraction(p["FibreMargin"]))
        if us < vacuum:
            return [self.reason("faster_than_light", min_ms=us / 1000, floor_ms=ceil_ms(vacuum))]
        if us < fibre and route.medium == "fibre":
            return [self.reason("faster_than_fibre", min_ms=us / 1000, floor_ms=ceil_ms(fibre))]
        return []


class Judgement:
    """The result over one stretch of a link, or over the period."""

    def __init__(self, rules, route, ends, lacking):
        self.route = route
        self.theory = rules.light.rtt(route.metres)
        self.limit = self.theory * rules.factor
        self.by = {}
        for e in ends:
            for name in STATISTICS:
                where = worse([e.statistic(name), self.by.get(name)])
                if where is not None:
                    self.by[name] = where
        where = self.by.get(rules.statistic)
        self.bounds = where if where is not None and where[0] != where[1] else None
        self.decide(rules, route, ends, lacking, where)
        self.ratio = None
        if self.measured not in (None, INF) and self.theory:
            self.ratio = self.measured / self.theory

    def decide(self, rules, route, ends, lacking, where):
        """Sets the verdict and its reasons, and as measured the bound that decides."""
        self.measured = None if where is None else where[1]
        self.reasons = list(lacking)
        if not route.metres:
            self.reasons.append({"code": "no_distance"})
        for e in ends:
            self.reasons += e.implausible(rules, route)
        self.verdict = UNKNOWN
        if self.reasons:
            return
        self.verdict, limit = against(where, self.limit), {"limit_rtt_ms": floor_ms(self.limit)}
        low, high = (shown(us)[0] for us in where)
        if self.verdict == UNKNOWN:
            self.reasons.append({"code": "only_bounds", "params": {
                "statistic": rules.statistic, "low_rtt_ms": low, "high_rtt_ms": high, **limit}})
        elif where[0] == INF:
            for e in ends:
                if (e.statistic(rules.statistic) or (0,))[0] == INF:
                    lost = e.dist.lost + (e.bounds.low.lost if e.bounds else 0)
                    self.reasons.append(e.reason("unbounded", packets=e.packets(), lost=lost))
        elif self.verdict == NOT and self.bounds:
            self.measured = where[0]
            self.reasons.append({"code": "bound_above_limit", "params": {
                "statistic": rules.statistic, "low_rtt_ms": low, **limit}})
        elif self.verdict == NOT:
            self.reasons.append({"code": "above_limit", "params": {
                "measured_rtt_ms": self.measured / 1000, "limit_rtt_ms": floor_ms(self.limit)}})

    def order(self):
        """By ratio: endless above all, without packets below all."""
        if self.measured is None:
            return -1
        if self.measured == INF:
            return INF
        return -1 if self.ratio is None else self.ratio

    def figures(self, rules):
        if self.bounds:
            ratio = lambda us: show_ratio(us / self.theory, rules.factor)
            named = zip(("low_ratio", "high_ratio"), self.bounds)
            return {"measured_rtt_ms": None, "ratio": None, "verdict": self.verdict, "reasons": self.reasons,
                    "bounds": {**bounds(self.bounds), **{k: ratio(us) for k, us in named if us != INF and self.theory}}}
        ms, endless = shown(self.measured)
        return {"measured_rtt_ms": ms, "ratio": None if self.ratio is None else show_ratio(self.ratio, rules.factor),
                **({"unbounded": True} if endless else {}), "verdict": self.verdict, "reasons": self.reasons}


def summary_of(row):
    number = lambda name: int(row[name]) if row[name] else None
    return Summary(int(row["received"]) - int(row["unstamped"]), int(row["lost"]),
                   number("summary_min_us"), row["summary_mean_us"] or None, number("summary_max_us"))


class Link:
    def __init__(self, rules, mesh, period, calendar, a, b, ends, works):
        self.rules, self.mesh, self.a, self.b, self.works = rules, mesh, a, b, works
        self.ends, self.calendar, self.period = ends, calendar, period
        self.short = calendar.short
        self.stretches = mesh.stretches(a, b, *period)
        self.single = len(ends) == 1
        excused = works["spans"]
        self.outcome(excused)
        if works["excused"]:
            kept = self.__dict__.copy()
            self.outcome(())
            unexcused = self.whole
            self.__dict__.update(kept)
            self.unexcused = unexcused
        else:
            self.unexcused = None
        if self.parts:
            self.sure = [self.besure(j, over, s) for s, j, over in self.parts]
        else:
            self.sure = [self.besure(self.whole, self.over, self.stretches[0])]

    def cut(self, end, start, until, excused):
        """An end over [start, until)."""
        calendar = self.calendar
        hours, usable = {}, Counter()
        small = calendar
        if (start, until) != self.period:
            small = Calendar(self.mesh, start, until)
        # Hours of the data are cut wherever a distance changes.
        begins = [h[0] for h in small.hours]
        for (at, was_excused), sources in end.hours.items():
            if was_excused and excused or not start <= at < until:
                continue
            i = bisect_right(begins, at) - 1
            into = hours.setdefault(i, {})
            for s, (rtts, lost) in sources.items():
                known = into.get(s, (array("I"), 0))
                into[s] = known[0] + rtts, known[1] + lost
            usable[i] += end.usable[at, was_excused]
        scheduled = small.scheduled(self.mesh, end.src, end.dst, excused)
        out = Stretch(end, scheduled, [usable[i] for i in range(len(small.hours))], hours, small, None)
        for at, path in end.paths.items():
            if start <= at < until:
                out.paths.setdefault(bisect_right(begins, at) - 1, Path()).add(path)
        summaries = []
        for (at, was_excused), rows in end.summed.items():
            if start <= at < until and not (was_excused and excused):
                usable[bisect_right(begins, at) - 1] += end.usable[at, was_excused] * ((at, was_excused) not in end.hours)
                summaries += [summary_of(row) for row in rows]
        out.usable = [usable[i] for i in range(len(small.hours))]
        if summaries:
            out.bounds = Bounds(summaries)
        return out

    def outcome(self, excused):
        rules = self.rules
        self.over = [self.cut(e, *self.period, excused) for e in self.ends]
        self.sufficiency, lacking, self.end_lacks = [], [], []
        for e, s in zip(self.ends, self.over):
            told, reasons = s.lacking(rules, e.windows, self.short)
            self.sufficiency.append((told, not reasons))
            self.end_lacks.append(reasons)
            lacking += reasons
        self.lacks = bool(lacking)
        self.parts = []
        if len(self.stretches) == 1:
            self.whole = Judgement(rules, self.stretches[0][2], self.over, lacking)
            return
        for s in self.stretches:
            over = [self.cut(e, s[0], s[1], excused) for e in self.ends]
            if not any(sum(o.scheduled) for o in over):
                continue
            lacks = []
            for o, e in zip(over, self.ends):
                lacks += o.lacking(rules, e.windows, o.calendar.short)[1]
            self.parts.append((s, Judgement(rules, s[2], over, lacks), over))
        worst = max((j for _, j, _ in self.parts), key=Judgement.order)
        whole = Judgement.__new__(Judgement)
        whole.__dict__.update(worst.__dict__)
        verdicts = [j.verdict for _, j, _ in self.parts]
        whole.reasons = list(lacking)
        for s, j, _ in self.parts:
            if j.verdict == UNKNOWN:
                whole.reasons.append({"code": "part_not_demonstrated", "params": {
                    "from": self.mesh.written(s[0]), "to": self.mesh.written(s[1])}})
        if whole.reasons:
            whole.verdict = UNKNOWN
        else:
            whole.verdict, whole.reasons = (NOT if NOT in verdicts else COMPLIANT), worst.reasons
        self.whole = whole

    def bounds_only(self, end):
        return self.mesh.judged["Method"] == "icmp" and self.mesh.sites[end.dst]["Role"] == "reflector"

    def besure(self, judged, over, stretch):
        """The trials of a stretch; None without an interval."""
        u = self.rules.policy["Uncertainty"]
        need = self.rules.policy["Sufficiency"]
        filled = [o.fulfilled(need)[0] for o in over]
        complete = sum(1 for d in filled[0] if all(f.get(d, False) for f in filled))
        route, (start, until) = stretch[2], stretch[:2]
        if not self.rules.intervals or any(o.bounds for o in over):
            return None
        if complete < u["CompleteDays"] or judged.measured is None or route.least <= 0:
            return None
        dates = list(dict.fromkeys(h[2] for h in over[0].calendar.hours))
        ends, adds = [], []
        for o in over:
            days = {d: (Dist(), Dist()) for d in dates}
            timed_by = set()
            for i, sources in o.hours.items():
                timed, bounds = days[o.calendar.hours[i][2]]
                for s, (rtts, lost) in sources.items():
                    timed_by.update([s] if rtts else [])
                    as_bound = s == "user" or self.bounds_only(o)
                    timed.add(() if as_bound else rtts, lost)
                    bounds.add(rtts if as_bound else (), 0)
            missing = o.missing()
            ends.append([(*days[d], missing[d]) for d in dates])
            span = u["KernelAddsUS"] if "kernel" in timed_by else u["HardwareAddsUS"] if "hardware" in timed_by else ("0", "0")
            adds.append([int(Fraction(v) * 1000) for v in span])
        plane = self.mesh.sites[self.a]["Plane"]
        seed = seed_of(" ".join([str(u["Seed"]), plane, self.a, self.b, utc(start), utc(until)]))
        extents = [] if route.grade == "A" else self.mesh.extents(self.a, self.b)
        return {"seed": seed, "complete": complete, "measured": judged,
                "gaps": self.with_gaps(over), "ends": ends, "adds": adds, "route": route, "extents": extents}

    def with_gaps(self, over):
        """The judged statistic of the worse end if all that is missing were lost."""
        worst, name = 0, self.rules.statistic
        for o in over:
            missing = sum(o.missing().values())
            if missing and name in ("mean", "min"):
                return INF
            d = o.dist
            if d.packets + missing:
                worst = max(worst, d.at(rank(d.packets + missing, int(name[1:]))) if name[0] == "p" else d.statistic(name))
        return worst

    def finish(self, candidates):
        """Takes all that is asked of a link from its packets, and drops them."""
        u, rules = self.rules.policy["Uncertainty"], self.rules
        self.flagged = self.flags()
        self.by_end = {(e.src, e.dst): self.end_verdict(e.src, e.dst) for e in self.ends}
        self.statistics = [{name: o.statistic(name) for name in STATISTICS} for o in self.over]
        self.scheduled = [sum(o.scheduled) for o in self.over]
        self.intervals = []
        for s in self.sure:
            if s is None:
                self.intervals.append(None)
                continue
            r, j = s["route"], s["measured"]
            s["days"], sorted_trials = trials(s.pop("ends"), s["adds"], r.least, r.most, s["extents"],
                                              rules.statistic, u["Trials"], u["FewerDays"], s["seed"])
            measured = INF if j.measured == INF else j.ratio
            gaps = INF if s["gaps"] == INF else s["gaps"] / j.theory
            self.intervals.append({k: interval(sorted_trials, rules.light.us_per_m, Fraction(u["Confidence"]), k, measured, gaps)
                                   for k in candidates})
        over = self.over
        if self.parts:  # the part whose figures stand for the link
            _, _, over = max(self.parts, key=lambda part: part[1].order())
        self.diagnosis, self.distribution = [], None
        if not self.summed():
            why = Diagnosis(rules, self.mesh, (self.a, self.b), self.whole, over)
            self.diagnosis = why.of(self.whole.verdict)
            if why.bound is not None:
                self.distribution = distribution(rules.statistic, self.whole.limit, over)
        self.parts = [(s, j) for s, j, _ in self.parts]
        for e in self.ends:
            e.hours = e.usable = e.paths = e.summed = None
        del self.over, self.calendar
        return self

    def summed(self):
        return any(e.used for e in self.ends)

    def guarded(self, k):
        verdicts = []
        for of, j in zip(self.intervals, self.stages()):
            if of is None or j.verdict == UNKNOWN:
                verdicts.append(INCONCLUSIVE)
                continue
            low, _, gaps = of[k]
            factor = self.rules.factor
            verdicts.append(PROVEN if gaps <= factor else PROVEN_NOT if low > factor else INCONCLUSIVE)
        if self.whole.verdict == UNKNOWN:
            return INCONCLUSIVE
        if PROVEN_NOT in verdicts:
            return PROVEN_NOT
        return PROVEN if set(verdicts) == {PROVEN} else INCONCLUSIVE

    def uncertainty(self, k):
        s = self.sure[0]
        if self.parts or s is None:
            return None
        u, r, out = self.rules.policy["Uncertainty"], s["route"], {}
        low, high, gaps = self.intervals[0][k]
        for name, v in (("low", low), ("high", high), ("gaps", gaps)):
            out["ratio_" + name] = None if v == INF else show_ratio(v, self.rules.factor)
            if v == INF:
                out["ratio_%s_unbounded" % name] = True
        return {"confidence": float(u["Confidence"]), "candidates": k, "trials": u["Trials"], "seed": str(s["seed"]),
                "days": s["days"], "complete_days": s["complete"],
                "distance_min_km": r.least / 1000, "distance_max_km": r.most / 1000, **out}

    def stages(self):
        return [part[1] for part in self.parts] or [self.whole]

    def judgeable(self):
        """Enough data, and plausible. Where only bounds left a verdict open, another
        statistic or limit may decide."""
        return not self.lacks and all(j.verdict != UNKNOWN or j.reasons and j.reasons[0]["code"] == "only_bounds"
                                      for j in self.stages())

    def under(self, statistic, light, circuity=None):
        """The verdict by another statistic, light or distance: of the worst part."""
        verdicts = set()
        for j in self.stages():
            metres = j.route.metres if circuity is None else j.route.straight * circuity
            verdicts.add(against(j.by.get(statistic, (INF, INF)), light.rtt(metres) * self.rules.factor))
        return next(v for v in (UNKNOWN, NOT, COMPLIANT) if v in verdicts)

    def unstable(self):
        return self.whole.verdict == NOT and self.under("p50", self.rules.light) == COMPLIANT

    def gives(self, codes):
        """Whether one of these reasons is given, for the period or a part."""
        return any(r["code"] in codes for j in [self.whole, *self.stages()] for r in j.reasons)

    def end_verdict(self, src, dst):
        """Of one end by itself; None if it does not measure."""
        for i, e in enumerate(self.ends):
            if (e.src, e.dst) != (src, dst):
                continue
            lacks = self.end_lacks[i]
            if not self.parts:
                return Judgement(self.rules, self.whole.route, [self.over[i]], lacks).verdict
            verdicts = [UNKNOWN] if lacks else []
            for s, _, over in self.parts:
                told = over[i].lacking(self.rules, e.windows, over[i].calendar.short)[1]
                verdicts.append(Judgement(self.rules, s[2], [over[i]], told).verdict)
            return UNKNOWN if UNKNOWN in verdicts else NOT if NOT in verdicts else COMPLIANT
        return None

    def flags(self):
        out, p = [], self.rules.policy["Plausibility"]
        values = [o.statistic(self.rules.statistic) for o in self.over]
        if len(values) == 2 and None not in values and all(v[0] == v[1] for v in values) and values[0] != values[1]:
            values = [v[0] for v in values]
            short, long = sorted(values)
            if long == INF or (long - short > Fraction(p["EndsDifferMS"]) * 1000
                               and long - short > Fraction(p["EndsDifferShare"]) * long):
                out.append({"code": "ends_differ", "params": {"measured_rtt_ms": [shown(v)[0] for v in values]}})
        if self.whole.ratio is not None and not self.whole.bounds and self.whole.ratio > Fraction(p["RatioAbove"]):
            out.append({"code": "ratio_high", "params": {
                "ratio": show_ratio(self.whole.ratio, Fraction(p["RatioAbove"])), "above": float(p["RatioAbove"])}})
        cap = self.rules.policy["Measurement"]["ResidenceCapUS"]
        for e, o in zip(self.ends, self.over):
            if e.residence > cap:
                out.append(o.reason("residence_above_cap", max_us=e.residence, cap_us=cap))
            if e.clock_ppb > Fraction(p["ClockRatePPM"]) * 1000:
                out.append(o.reason("clock_rate", max_ppm=e.clock_ppb / 1000, above_ppm=float(p["ClockRatePPM"])))
            out += self.steps(e, o, Fraction(p["MinStepShare"]))
            if e.conflicts:
                out.append(o.reason("conflicts", windows=e.conflicts))
            if e.counts["counted_packets"] > sum(o.usable) and e.origins["imported"] < e.windows:
                out.append(o.reason("more_than_asked", packets=e.counts["counted_packets"], filled=sum(o.usable)))
            if e.foreign:
                out.append(o.reason("foreign_unused", windows=e.foreign))
            if e.used:
                low, high = o.statistic(self.rules.statistic) or (None, None)
                out.append(o.reason("summaries_used", windows=e.used, **{k: e.given[k] for k in ("min", "mean", "max")},
                                    statistic=self.rules.statistic, low_rtt_ms=shown(low)[0], high_rtt_ms=shown(high)[0]))
            if e.summaries:
                out.append(o.reason("summaries_unused", windows=e.summaries))
        if self.works["late"]:
            out.append({"code": "works_unregistered", "params": {"works": self.works["late"]}})
        return out

    def steps(self, end, over, share):
        """Shortest RTTs of an hour that are not those of the last hour before
        it, on one day, that has any. Hours end where the distance changes."""
        begins = sorted({h[0] for h in self.calendar.hours} | {s[0] for s in self.stretches})
        least = {}
        for (at, excused), sources in end.hours.items():
            for rtts, _ in sources.values():
                if rtts and not excused:
                    hour = begins[bisect_right(begins, at) - 1]
                    least[hour] = min(least.get(hour, INF), min(rtts))
        days, largest, before = set(), None, None
        for hour, us in sorted(least.items()):
            day = self.mesh.written(hour)[:10]
            if before and before[0] == day and min(us, before[1]) > 0:
                short, long = sorted((before[1], us))
                step = Fraction(long - short, short)
                if step > share:
                    days.add(day)
                    if largest is None or step > largest[0]:
                        largest = step, hour, before[1], us
            before = day, us
        if not days:
            return []
        return [over.reason("min_rtt_step", days=len(days), at=self.mesh.written(largest[1]),
                            before_ms=largest[2] / 1000, after_ms=largest[3] / 1000)]

    def distance(self):
        r = self.whole.route
        return {"distance_km": r.metres / 1000, "distance_class": r.grade, "distance_source": r.source,
                "estimated": r.estimated, "provisional": r.grade == "C", "geodesic_km": r.straight / 1000,
                "theoretical_rtt_ms": near_ms(self.whole.theory), "limit_rtt_ms": floor_ms(self.whole.limit)}
