"""What a mesh and a policy say: places, distances, calendars, schedules.

Comes from input.json, which holds mesh.yaml and policy.yaml as they are
written, with the names of their fields in Go. Moments are Unix milliseconds,
lengths whole metres, RTTs whole microseconds; whatever is compared is an
integer or a Fraction.
"""

import fnmatch
import math
from datetime import datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

LIGHT = 299_792_458  # metres a second


def geodesic(a, b):
    """Metres on WGS-84 between two places, by Vincenty's inverse (1975)."""
    if (a["Lat"], a["Lon"]) == (b["Lat"], b["Lon"]):
        return 0
    major, flat = 6378137.0, 1 / 298.257223563
    minor = major * (1 - flat)
    across = math.radians(b["Lon"] - a["Lon"])
    u1 = math.atan((1 - flat) * math.tan(math.radians(a["Lat"])))
    u2 = math.atan((1 - flat) * math.tan(math.radians(b["Lat"])))
    su1, cu1, su2, cu2 = math.sin(u1), math.cos(u1), math.sin(u2), math.cos(u2)
    lam = across
    for _ in range(200):
        sl, cl = math.sin(lam), math.cos(lam)
        ss = math.hypot(cu2 * sl, cu1 * su2 - su1 * cu2 * cl)
        cs = su1 * su2 + cu1 * cu2 * cl
        sigma = math.atan2(ss, cs)
        sa = cu1 * cu2 * sl / ss
        c2a = 1 - sa * sa
        c2m = cs - 2 * su1 * su2 / c2a if c2a else 0.0
        c = flat / 16 * c2a * (4 + flat * (4 - 3 * c2a))
        before = lam
        lam = across + (1 - c) * flat * sa * (sigma + c * ss * (c2m + c * cs * (2 * c2m * c2m - 1)))
        if abs(lam - before) < 1e-14:
            break
    else:
        raise ValueError("nearly opposite places")
    uu = c2a * (major * major - minor * minor) / (minor * minor)
    big_a = 1 + uu / 16384 * (4096 + uu * (-768 + uu * (320 - 175 * uu)))
    big_b = uu / 1024 * (256 + uu * (-128 + uu * (74 - 47 * uu)))
    delta = big_b * ss * (c2m + big_b / 4 * (cs * (2 * c2m * c2m - 1)
            - big_b / 6 * c2m * (4 * ss * ss - 3) * (4 * c2m * c2m - 3)))
    return round_half_up(Fraction(minor * big_a * (sigma - delta)))


def round_half_up(v):
    return math.floor(Fraction(v) + Fraction(1, 2))


def ceil_div(a, b):
    return -(-a // b)


def rank(n, percent):
    """Nearest rank of a percentile among n."""
    return ceil_div(n * percent, 100)


def near_ms(us):
    return round_half_up(Fraction(us) * 1000) / 10**6


def floor_ms(us):
    return math.floor(Fraction(us) * 1000) / 10**6


def ceil_ms(us):
    return math.ceil(Fraction(us) * 1000) / 10**6


def show_ratio(ratio, factor):
    """Four decimals, half up, or as many more as keep it on its side of the factor."""
    digits = 4
    while True:
        shown = Fraction(round_half_up(ratio * 10**digits), 10**digits)
        if (shown > factor) == (ratio > factor):
            return float(shown)
        digits += 1


class Light:
    """How long light takes: microseconds a metre, one way."""

    def __init__(self, index=None, us_per_km=None):
        self.us_per_m = Fraction(index) * 10**6 / LIGHT if index else Fraction(us_per_km) / 1000

    def rtt(self, metres):
        return 2 * metres * self.us_per_m


class Route:
    def __init__(self, metres, least, most, grade, source, estimated, straight, medium):
        self.metres, self.least, self.most = metres, least, most
        self.grade, self.source, self.estimated = grade, source, estimated
        self.straight, self.medium = straight, medium

    def same(self, o):
        return self.__dict__ == o.__dict__


class Mesh:
    def __init__(self, raw, sha256):
        self.raw, self.sha256 = raw, sha256
        self.zone = ZoneInfo(raw["TimeZone"])
        self.clusters = {c["ID"]: c for c in raw["Clusters"]}
        self.sites = {s["ID"]: s for s in raw["Sites"]}
        self.tests = {t["Name"]: t for t in raw["Measure"]}
        self.judged = self.tests[raw["Judged"]]
        self.interval, self.window = self.judged["IntervalMS"], self.judged["WindowS"] * 1000
        self.order = {c["ID"]: i for i, c in enumerate(raw["Clusters"])}

    def ms(self, moment):
        """A date or an RFC 3339 time as Unix milliseconds; None where unbounded."""
        if not moment:
            return None
        t = datetime.fromisoformat(moment.replace("Z", "+00:00"))
        if t.tzinfo is None:
            t = t.replace(tzinfo=self.zone)
        return (t - datetime.fromisoformat("1970-01-01T00:00:00+00:00")) // timedelta(milliseconds=1)

    def written(self, ms):
        t = datetime.fromtimestamp(ms // 1000, self.zone).replace(microsecond=ms % 1000 * 1000)
        text = t.strftime("%Y-%m-%dT%H:%M:%S")
        if ms % 1000:
            text += ("." + "%03d" % (ms % 1000)).rstrip("0")
        offset = t.strftime("%z")
        return text + ("Z" if offset == "+0000" else offset[:3] + ":" + offset[3:])

    def at(self, *clock):
        return round(datetime(*clock, tzinfo=self.zone).timestamp() * 1000)

    def day_after(self, ms):
        """The same clock time a day later; after the first moment of a day, the
        first of the next, also where that is not midnight."""
        t = datetime.fromtimestamp(ms // 1000, self.zone)
        next_day = t.date() + timedelta(days=1)
        if datetime.fromtimestamp((ms - 1) // 1000, self.zone).date() != t.date():
            return self.at(next_day.year, next_day.month, next_day.day)
        return self.at(next_day.year, next_day.month, next_day.day, t.hour, t.minute, t.second) + ms % 1000

    def month(self, ms, more):
        """The first moment of a month that comes so many after that of ms."""
        t = datetime.fromtimestamp(ms // 1000, self.zone)
        months = t.year * 12 + t.month - 1 + more
        return self.at(months // 12, months % 12 + 1, 1)

    def life(self, thing):
        return self.ms(thing.get("From")), self.ms(thing.get("Until"))

    def together(self, src, dst, start, end):
        """The part of [start, end) in which both sites exist; empty if start >= end."""
        for site in (src, dst):
            begin, over = self.life(self.sites[site])
            start = max(start, begin) if begin is not None else start
            end = min(end, over) if over is not None else end
        return start, end

    def place(self, site):
        return site["Location"] or self.clusters[site["Cluster"]]["Location"]

    def _entry(self, kind, a, b, ms):
        for d in self.raw["Distances"] or []:
            begin, over = self.life(d)
            if set(d[kind] or []) == {a, b} and (begin is None or begin <= ms) and (over is None or ms < over):
                return d
        return None

    def route(self, a, b, ms):
        """Between two sites: theirs, else that of their clusters, else the estimate."""
        a, b = self.sites[a], self.sites[b]
        straight = geodesic(self.place(a), self.place(b))
        entry = self._entry("Sites", a["ID"], b["ID"], ms) or self._entry("Clusters", a["Cluster"], b["Cluster"], ms)
        return self._route(entry, straight)

    def cluster_route(self, a, b, ms):
        straight = geodesic(self.clusters[a]["Location"], self.clusters[b]["Location"])
        return self._route(self._entry("Clusters", a, b, ms), straight)

    @staticmethod
    def _route(entry, straight):
        low, mid, high = (round_half_up(Fraction(straight * tenths, 10)) for tenths in (12, 13, 14))
        if entry is None:
            return Route(mid, low, high, "C", "geodesic (WGS-84) × 1.3", True, straight, "fibre")
        metres = lambda km: round_half_up(Fraction(str(km)) * 1000)
        road = least = most = metres(entry["KM"])
        if entry["Class"] == "B":
            least, most = road * 98 // 100, road * 102 // 100
            least = min(least, metres(entry["MinKM"])) if entry["MinKM"] else least
            most = max(most, metres(entry["MaxKM"])) if entry["MaxKM"] else most
        if entry["Class"] == "C":
            least, most = low, high
        return Route(road, least, most, entry["Class"], entry["Source"], False, straight, entry["Medium"] or "fibre")

    def stretches(self, a, b, start, end):
        """The period cut where another distance begins to hold."""
        cuts = {start}
        for d in self.raw["Distances"] or []:
            cuts.update(t for t in self.life(d) if t is not None and start < t < end)
        out = []
        for t in sorted(cuts):
            route = self.route(a, b, t)
            if not out or not route.same(out[-1][2]):
                out.append([t, end, route])
                if len(out) > 1:
                    out[-2][1] = t
        return out

    def extents(self, *sites):
        found = []
        for s in (self.sites[i] for i in sites):
            extent = round_half_up(Fraction(str(self.clusters[s["Cluster"]]["Location"]["ExtentKM"])) * 1000)
            if s["Location"] is None and extent > 0:
                found.append(extent)
        return found

    def measures(self, src, dst):
        """Whether the judged test measures from src to dst."""
        a, b = self.sites[src], self.sites[dst]
        if src == dst or (a["Carrier"], a["Plane"]) != (b["Carrier"], b["Plane"]):
            return False
        if a["Role"] == "reflector" or b["Role"] == "probe":
            return False
        matches = lambda site, pattern: not pattern or any(
            fnmatch.fnmatchcase(site[k], pattern.replace("[^", "[!")) for k in ("ID", "Cluster"))
        for p in self.judged["Links"]:
            if (matches(a, p["From"]) and matches(b, p["To"])
                    and (not p["Carriers"] or a["Carrier"] in p["Carriers"])
                    and (not p["Planes"] or a["Plane"] in p["Planes"])
                    and (p["WithinCluster"] or a["Cluster"] != b["Cluster"])):
                return True
        return False

    def link_pairs(self, start, end):
        """Pairs of sites of which at least one measures the other; the one in
        the cluster that comes first in the file is the first."""
        ids, out = [s["ID"] for s in self.raw["Sites"]], {}
        for src in ids:
            for dst in ids:
                begin, over = self.together(src, dst, start, end)
                if self.measures(src, dst) and begin < over:
                    a, b = src, dst
                    if self.order[self.sites[b]["Cluster"]] < self.order[self.sites[a]["Cluster"]]:
                        a, b = b, a
                    if (b, a) in out:
                        a, b = b, a
                    out.setdefault((a, b), set()).add((src, dst))
        return out


class Calendar:
    """The clock hours of a stretch: [from, to, day, clock] each."""

    def __init__(self, mesh, start, end):
        self.start, self.end, self.hours = start, end, []
        self.short = end < mesh.day_after(start)
        t = start
        while t < end:
            local = datetime.fromtimestamp(t / 1000, mesh.zone)
            past = (local.minute * 60 + local.second) * 1000 + local.microsecond // 1000
            until = min(t - past + 3_600_000, end)
            name = (local.date().isoformat(), local.hour)
            if self.hours and tuple(self.hours[-1][2:]) == name:
                self.hours[-1][1] = until  # the clock was set back: one hour
            else:
                self.hours.append([t, until, *name])
            t = until

    def scheduled(self, mesh, src, dst, excused=()):
        """Packets that the judged test asks for in each hour: one in each of its
        intervals that begins while both sites exist and nothing is excused."""
        out, every = [], mesh.interval
        count = lambda a, b: max(0, ceil_div(b, every) - ceil_div(a, every)) if b > a else 0
        for begin, until, _, _ in self.hours:
            begin, until = mesh.together(src, dst, begin, until)
            n = count(begin, until)
            for a, b in excused:
                n -= count(max(a, begin), min(b, until))
            out.append(n)
        return out


def utc(ms):
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(ms // 1000, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
