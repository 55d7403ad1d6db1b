"""The whole report, as analyzer/api says it is written."""

import math
import time
from bisect import bisect_right
from collections import Counter
from fractions import Fraction
from multiprocessing import get_context

import digest
from data import INF, read
from judge import COMPLIANT, INCONCLUSIVE, NOT, PROVEN, PROVEN_NOT, STATISTICS, UNKNOWN, Link, Rules, against, bounds, shown, worse
from world import Calendar, Light, Mesh, floor_ms, near_ms, round_half_up, show_ratio

READING = ("the network distance is read as the distance by road, and the Plan's latency as one-way, "
           "so an RTT is compared with twice the one-way time")
ORIGINS = ("measured", "emulated", "synthetic", "imported")
SOURCES = ("hardware", "kernel", "user")
NEAREST = 5


def kinds(names, counted):
    return {n: counted[n] for n in names}


class Pair:
    """Two clusters on one plane and what joins them: by carrier, then link."""

    def __init__(self, clusters, carriers, rules):
        self.clusters, self.carriers, self.rules = clusters, carriers, rules
        self.links = [l for c in carriers for l in c]
        self.k = len(self.links)
        self.link, self.verdict, self.reasons = None, UNKNOWN, []
        if carriers:
            self.link, self.verdict, self.reasons = min(
                (self.of_carrier(c, rules) for c in carriers), key=lambda o: self.order(*o[:2]))
        self.guarded = self.sure()

    @staticmethod
    def order(l, verdict):
        """By verdict, then ratio; one without packets last of all."""
        j = l.whole
        return {COMPLIANT: 0, NOT: 1, UNKNOWN: 2}[verdict], j.measured is None, j.order()

    @staticmethod
    def of_carrier(links, rules):
        """The link that counts, and what it says: (link, verdict, reasons)."""
        tell = lambda l: (l, l.whole.verdict, l.whole.reasons)
        known = [l for l in links if l.whole.verdict != UNKNOWN]
        if rules.sites == "best" or len(links) == 1:
            return tell(min(links, key=lambda l: Pair.order(l, l.whole.verdict)))
        if not known:
            return tell(links[0])
        worst = max(known, key=lambda l: (l.whole.verdict == NOT, l.whole.order()))
        unknown = [l.a + "-" + l.b for l in links if l not in known]
        if rules.sites == "all" and worst.whole.verdict == COMPLIANT and unknown:
            return worst, UNKNOWN, [{"code": "site_not_demonstrated", "params": {"sites": unknown}}]
        return tell(worst)

    def sure(self):
        if self.verdict == UNKNOWN:
            return INCONCLUSIVE
        of = []
        for links in self.carriers:
            each = [l.guarded(self.k) for l in links]
            if self.rules.sites == "best":
                of.append(PROVEN if PROVEN in each else PROVEN_NOT if set(each) == {PROVEN_NOT} else INCONCLUSIVE)
            else:
                of.append(PROVEN_NOT if PROVEN_NOT in each else PROVEN if set(each) == {PROVEN} else INCONCLUSIVE)
        return PROVEN if PROVEN in of else PROVEN_NOT if set(of) == {PROVEN_NOT} else INCONCLUSIVE

    def of_pair(self, verdict):
        """Of each carrier the verdict of the link that counts, and of these the best."""
        orders = {"best": (COMPLIANT, NOT, UNKNOWN), "worst": (NOT, COMPLIANT, UNKNOWN), "all": (NOT, UNKNOWN, COMPLIANT)}
        found = set()
        for links in self.carriers:
            each = {verdict(l) for l in links}
            found.add(next(v for v in orders[self.rules.sites] if v in each))
        return next((v for v in orders["best"] if v in found), UNKNOWN)

    def ordered(self):
        """The verdict of either end by itself."""
        return [self.of_pair(lambda l: l.by_end.get(ends(l), UNKNOWN))
                for ends in (lambda l: (l.a, l.b), lambda l: (l.b, l.a))]

    def unexcused(self):
        return self.of_pair(lambda l: (l.unexcused or l.whole).verdict)

    def under(self, statistic, light, circuity):
        def verdict(l):
            if not l.judgeable():
                return UNKNOWN
            return l.under(statistic, light, circuity)
        return self.of_pair(verdict) == COMPLIANT

    def rejected(self):
        """Nothing that joins the pair can comply, because light is not so fast."""
        enough = any if self.rules.sites == "all" else all
        return (self.guarded != PROVEN_NOT and bool(self.links)
                and all(enough(l.gives({"faster_than_light"}) for l in links) for links in self.carriers))


class Report:
    def __init__(self, given, files, intervals=True):
        self.given, self.before = given, files[2:]
        self.mesh = Mesh(given["mesh"], given["mesh_sha256"])
        self.rules = Rules(given["policy"])
        self.rules.intervals = intervals
        self.period = start, end = given["from_ms"], given["to_ms"]
        self.calendar = Calendar(self.mesh, start, end)
        self.pairs = self.pairs_of_policy()
        found = self.mesh.link_pairs(start, end)
        works = {p: self.works(*p) for p in found}
        cuts = sorted({t for d in self.mesh.raw["Distances"] or [] for t in self.mesh.life(d) if t is not None})
        begins = [h[0] for h in self.calendar.hours]

        def hour(at):
            begin = begins[bisect_right(begins, at) - 1]
            i = bisect_right(cuts, at)
            return max(begin, cuts[i - 1]) if i else begin
        lives, excused = {}, {}
        for p, ends in found.items():
            for e in ends:
                lives[e] = self.mesh.together(*e, -INF, INF)
                excused[e] = works[p]["spans"]
        ends = read(self.mesh, lives, start, end, hour, excused, *files[:2], hashed=intervals)
        self.found, self.works_of, self.ends = found, works, ends
        self.links = {}
        with get_context("fork").Pool(2, initializer=remember, initargs=(self,)) as pool:
            for link in pool.imap(judge, list(found)):
                self.links[link.a, link.b] = link

    def pairs_of_policy(self):
        wanted = self.given["policy"]["Rate"]["Clusters"]
        ids = [c["ID"] for c in self.mesh.raw["Clusters"] if wanted == ["all"] or c["ID"] in wanted]
        return [(a, b) for i, a in enumerate(ids) for b in ids[i + 1:]]

    def clusters_of(self, link):
        return tuple(self.mesh.sites[s]["Cluster"] for s in link)

    def candidates(self, link):
        """How many links the best may be taken of: one, its carrier's, all."""
        site = self.mesh.sites[link[0]]
        same = [l for l in self.found if self.clusters_of(l) == self.clusters_of(link)
                and self.mesh.sites[l[0]]["Plane"] == site["Plane"]]
        return {1, sum(self.mesh.sites[l[0]]["Carrier"] == site["Carrier"] for l in same), len(same)}

    def works(self, a, b):
        """What maintenance excuses of a link."""
        mesh, (start, end), window = self.mesh, self.period, self.mesh.window
        out, spans, used = {"excused": [], "late": [], "beyond": 0}, [], 0
        touched = []
        entries = [(mesh.ms(w["From"]), mesh.ms(w["Until"]), w) for w in mesh.raw["Maintenance"] or []]
        for begin, over, w in sorted((e for e in entries if e[0] < end and e[1] > start and {a, b} & set(e[2]["Sites"])),
                                     key=lambda e: e[0]):
            since = min((v["served_from_ms"] for v in self.given["archive"] if v["served_from_ms"] < begin and any(
                (o["ID"], o["Sites"], mesh.ms(o["From"]), mesh.ms(o["Until"])) == (w["ID"], w["Sites"], begin, over)
                for o in v["mesh"]["Maintenance"] or [])), default=None)
            if since is None:
                out["late"].append(w["ID"])
                continue
            out["excused"].append(w["ID"])
            begin, over = max(begin // window * window, -(-since // window) * window, start), min(-(-over // window) * window, end)
            touched.append((begin, over))
        for begin, over in sorted(touched):
            if spans and begin <= spans[-1][1]:
                spans[-1][1] = max(spans[-1][1], over)
            else:
                spans.append([begin, over])
        most = math.floor((end - start) * Fraction(self.given["policy"]["Maintenance"]["Most"]))
        kept = []
        for begin, over in spans:
            allowed = min(over, (begin + most - used) // window * window) - begin if over - begin > most - used else over - begin
            allowed = max(allowed, 0)
            out["beyond"] += (over - begin - allowed) // 1000
            used += allowed
            if allowed:
                kept.append([begin, begin + allowed])
        return {**out, "spans": kept, "seconds": used // 1000}

    # The report.

    def write(self):
        g, raw, p = self.given, self.mesh.raw, self.given["policy"]
        planes = [self.plane(plane) for plane in raw["Planes"]]
        self.headline = next(h for h in p["Rate"]["HeadlinePlane"] if h in raw["Planes"])
        pairs, head = next(x for x in planes if x[1]["plane"] == self.headline)
        theory = p["Theory"]
        light = theory["GroupIndex"] + " / c" if theory["Convention"] == "group-index" else theory["USPerKM"] + " µs/km"
        return {
            "schema": "fibergauge.report/1",
            "period": {"from": self.mesh.written(self.period[0]), "to": self.mesh.written(self.period[1]),
                       "time_zone": raw["TimeZone"], "complete": self.period[1] <= time.time() * 1000,
                       "demonstration": self.calendar.short},
            "mesh_sha256": self.mesh.sha256, "policy_sha256": g["policy_sha256"],
            "mesh": {"name": raw["Name"], **self.in_force(), "test": raw["Judged"], "method": self.mesh.judged["Method"], "clusters": [
                {"id": c["ID"], "hub": c["Hub"], "en": c["Name"]["EN"], **({"zh": c["Name"]["ZH"]} if c["Name"]["ZH"] else {}),
                 "lat": c["Location"]["Lat"], "lon": c["Location"]["Lon"]}
                for c in raw["Clusters"]], **{key: [
                {"id": n["ID"], "en": n["Name"]["EN"], **({"zh": n["Name"]["ZH"]} if n["Name"]["ZH"] else {})}
                for n in raw[key.title()]] for key in ("hubs", "carriers")}},
            "policy": {"name": p["Name"], "statistic": self.rules.statistic, "theory": "2 × distance × " + light,
                       "reading": READING, "factor": float(self.rules.factor), "sites": self.rules.sites,
                       "text": g["policy_text"]},
            "data_sha256": digest.of_lines(line for e in self.ends.values() for line in e.digests),
            "data": self.data(), "plane": self.headline, "rate": head["rate"], "pairs": head["pairs"],
            "planes": [x[1] for x in planes],
            "links": [self.row(l, 1, l.guarded(1), {}) for l in self.links.values()],
            "classes": self.classes(), "sensitivity": self.sensitivity(pairs),
            "nearest": self.nearest(pairs, head["rate"]),
            **self.trend(), **self.distributions(planes),
        }

    def in_force(self):
        """The version of the archive for the period: the last served before its end, else the first."""
        archive = self.given["archive"]
        served = [v for v in archive if v["served_from_ms"] < self.period[1]]
        return {"in_force_sha256": (served or archive[:1])[-1]["sha256"]} if archive else {}

    def trend(self):
        """The headline of the months before, from the first with any window."""
        out = []
        for back in range(self.given["policy"]["Diagnosis"]["Months"] if self.before else 0, 0, -1):
            start, end = (self.mesh.month(self.period[0], -n) for n in (back, back - 1))
            r = Report({**self.given, "from_ms": start, "to_ms": end}, self.before, intervals=False)
            if out or r.data()["windows"]:
                out.append({"month": r.mesh.written(start)[:7], "rate": r.plane(self.headline)[1]["rate"]})
        return {"trend": out} if out else {}

    def plane(self, plane):
        pairs = [Pair(c, self.joining(c, plane), self.rules) for c in self.pairs]
        hubs = {c["ID"]: c["Hub"] for c in self.mesh.raw["Clusters"]}
        hub = lambda p: {hubs[c] for c in p.clusters}
        carriers = []
        for c in self.mesh.raw["Carriers"]:
            own = [Pair(x, self.joining(x, plane, c["ID"]), self.rules) for x in self.pairs]
            if any(p.links for p in own):
                carriers.append({"carrier": c["ID"], "rate": self.rate(own)})
        of_hub = [(h["ID"], [p for p in pairs if h["ID"] in hub(p)]) for h in self.mesh.raw["Hubs"]]
        excused = [l for l in self.links.values() if self.mesh.sites[l.a]["Plane"] == plane]
        return pairs, {
            "plane": plane, "rate": self.rate(pairs), "carriers": carriers,
            "pairs": [self.row(p.link, p.k, p.guarded, {"verdict": p.verdict, "reasons": p.reasons}) if p.link else self.unserved(p, plane) for p in pairs],
            "hubs": [{"hub": h, "rate": self.rate(own)} for h, own in of_hub if own],
            "between_hubs": self.rate([p for p in pairs if len(hub(p)) == 2]),
            "ordered": self.plain([v for p in pairs for v in p.ordered()]),
            "with_maintenance": self.plain([p.unexcused() for p in pairs]),
            "excused_links": sum(bool(l.works["seconds"]) for l in excused),
            "unregistered_works": len({w for l in excused for w in l.works["late"]}),
        }

    def distributions(self, planes):
        """Of the links that count for pairs and are diagnosed."""
        out = []
        for pairs, _ in planes:
            for p in pairs:
                if p.link and p.link.distribution and p.verdict != UNKNOWN:
                    a, b = p.link.a, p.link.b
                    site = self.mesh.sites[a]
                    out.append({"pair": list(p.clusters), "plane": site["Plane"], "carrier": site["Carrier"], "sites": [a, b],
                                **p.link.distribution})
        return {"distributions": out} if out else {}

    def joining(self, clusters, plane, carrier=None):
        by = {}
        for key, l in self.links.items():
            site = self.mesh.sites[key[0]]
            if self.clusters_of(key) == clusters and site["Plane"] == plane and carrier in (None, site["Carrier"]):
                by.setdefault(site["Carrier"], []).append(l)
        return [by[c["ID"]] for c in self.mesh.raw["Carriers"] if c["ID"] in by]

    def counted(self, total, compliant):
        year = int(self.mesh.written(self.period[0])[:4])
        target = next((t for t in reversed(self.given["policy"]["Rate"]["Targets"]) if t["Year"] <= year), None)
        share = Fraction(target["Percent"]) / 100 if target else None
        return {"compliant": compliant, "total": total, "fraction": compliant / total if total else 0,
                "target": float(share) if target else None,
                "met": compliant >= share * total if target and total else None, "target_year": year,
                "needed": math.ceil(share * total) if target else None}

    def rate(self, pairs):
        n, verdicts = len(pairs), Counter(p.verdict for p in pairs)
        guarded = Counter(p.guarded for p in pairs)
        rejected = sum(p.rejected() for p in pairs)
        return {**self.counted(n, verdicts[COMPLIANT]),
                "non_compliant": verdicts[NOT], "not_demonstrated": verdicts[UNKNOWN],
                "provisional": sum(p.verdict != UNKNOWN and p.link.whole.route.grade == "C" for p in pairs),
                "proven": guarded[PROVEN], "possible": n - guarded[PROVEN_NOT] - rejected,
                "proven_non_compliant": guarded[PROVEN_NOT], "rejected": rejected,
                "inconclusive": n - guarded[PROVEN] - guarded[PROVEN_NOT],
                "unstable": sum(p.verdict == NOT and p.link.unstable() for p in pairs)}

    def plain(self, verdicts):
        n, of = len(verdicts), Counter(verdicts)
        return {**self.counted(n, of[COMPLIANT]), "non_compliant": of[NOT], "not_demonstrated": of[UNKNOWN],
                "provisional": 0, "proven": 0, "possible": n, "proven_non_compliant": 0, "rejected": 0,
                "inconclusive": n, "unstable": 0}

    def data(self):
        ends = [e for l in self.links.values() for e in l.ends]
        meshes, origins, stamps = Counter(), Counter(), Counter()
        for e in ends:
            meshes.update(e.meshes)
            origins.update(e.origins)
            stamps.update(e.stamps)
        first = min((e.first for e in ends if e.first is not None), default=None)
        last = max((e.last for e in ends if e.last is not None), default=None)
        return {"windows": sum(e.windows for e in ends), "conflicts": sum(e.conflicts for e in ends),
                "first_start": None if first is None else self.mesh.written(first),
                "last_end": None if last is None else self.mesh.written(last),
                "origins": kinds(ORIGINS, origins), "timestamps": kinds(SOURCES, stamps),
                "mesh_versions": [{"sha256": s, "windows": n} for s, n in sorted(meshes.items())]}

    def row(self, l, k, guarded, told):
        a, b = l.a, l.b
        origins = Counter()
        for e in l.ends:
            origins.update(e.origins)
        out = {"pair": list(self.clusters_of((a, b))), "plane": self.mesh.sites[a]["Plane"],
               "carrier": self.mesh.sites[a]["Carrier"], "sites": [a, b], **l.distance(), **l.whole.figures(self.rules), **told,
               "flags": l.flagged, "single_ended": l.single, "origins": kinds(ORIGINS, origins),
               "ends": [self.end(l, i) for i in range(len(l.ends))],
               "guarded": guarded, "uncertainty": l.uncertainty(k), "unstable": l.unstable(),
               "diagnosis": [] if told.get("verdict") == UNKNOWN else l.diagnosis + self.other_carriers(l)}
        if l.parts:
            out["parts"] = [{"from": self.mesh.written(s[0]), "to": self.mesh.written(s[1]),
                             "distance_km": s[2].metres / 1000, "distance_class": s[2].grade,
                             "theoretical_rtt_ms": near_ms(j.theory), "limit_rtt_ms": floor_ms(j.limit),
                             **j.figures(self.rules)} for s, j in l.parts]
        if l.works["excused"]:
            out["maintenance"] = {"works": l.works["excused"], "seconds": l.works["seconds"],
                                  "beyond_s": l.works["beyond"], **l.unexcused.figures(self.rules)}
        return out

    def unserved(self, pair, plane):
        route = self.mesh.cluster_route(*pair.clusters, self.period[0])
        rtt = self.rules.light.rtt(route.metres)
        return {"pair": list(pair.clusters), "plane": plane, "carrier": "", "sites": [],
                "distance_km": route.metres / 1000, "distance_class": route.grade, "distance_source": route.source,
                "estimated": route.estimated, "provisional": route.grade == "C", "geodesic_km": route.straight / 1000,
                "theoretical_rtt_ms": near_ms(rtt), "limit_rtt_ms": floor_ms(rtt * self.rules.factor),
                "measured_rtt_ms": None, "ratio": None, "verdict": UNKNOWN, "reasons": [{"code": "no_sites"}],
                "flags": [], "single_ended": False, "origins": kinds(ORIGINS, Counter()), "ends": [],
                "guarded": INCONCLUSIVE, "uncertainty": None, "unstable": False, "diagnosis": []}

    def end(self, l, i):
        e, s, (told, enough) = l.ends[i], l.statistics[i], l.sufficiency[i]
        out = {"src": e.src, "dst": e.dst, "scheduled": l.scheduled[i]}
        for k in ("sent", "received", "lost", "late", "duplicate", "send_error", "unstamped", "counted_packets", "counted_lost"):
            out[k] = e.counts[k]
        between = []
        for k in STATISTICS:
            out[k + "_ms"] = None
            if s[k] and s[k][0] != s[k][1]:
                between.append({"statistic": k, **bounds(s[k])})
            elif s[k]:
                out[k + "_ms"], endless = shown(s[k][0])
                if endless and k[0] == "p":
                    out[k + "_unbounded"] = True
        return {**out, **({"bounds": between} if between else {}),
                "windows": e.windows, "conflicts": e.conflicts, "sufficient": enough, "sufficiency": told,
                "origins": kinds(ORIGINS, e.origins), "timestamps": kinds(SOURCES, e.stamps)}

    def other_carriers(self, link):
        """Which others comply between the clusters of a link that does not."""
        if link.whole.verdict != NOT or link.summed():
            return []
        of, by = self.mesh.sites[link.a], {}
        for l in self.links.values():
            site = self.mesh.sites[l.a]
            if self.clusters_of((l.a, l.b)) == self.clusters_of((link.a, link.b)) and site["Plane"] == of["Plane"]:
                by.setdefault(site["Carrier"], []).append(l)
        names, ratios = [], []
        for carrier, links in by.items():
            if carrier == of["Carrier"]:
                continue
            l, verdict, _ = Pair.of_carrier(links, self.rules)
            if verdict == COMPLIANT:
                names.append(carrier)
                ratios.append(show_ratio(l.whole.ratio, self.rules.factor))
        return [{"code": "other_carrier_complies", "params": {"carriers": names, "ratios": ratios}}] if names else []

    def classes(self):
        out, limits = [], self.given["policy"]["Classes"]
        for l in self.links.values():
            a, b = (self.mesh.sites[s] for s in (l.a, l.b))
            hub = self.mesh.clusters[a["Cluster"]]["Hub"] == self.mesh.clusters[b["Cluster"]]["Hub"]
            city = a["City"] and a["City"] == b["City"]
            for name, inside, limit in (("hub", hub, "WithinHubMS"), ("city", city, "WithinCityMS")):
                if not inside:
                    continue
                where = worse(s[self.rules.statistic] for s in l.statistics)
                us = where[0] if where and where[0] == where[1] else None
                most = Fraction(limits[limit]) * 1000
                vague = where is None or l.lacks or l.gives({"faster_than_light", "faster_than_fibre"})
                verdict = lambda most: UNKNOWN if vague else against(where, most)
                out.append({"class": name, "pair": list(self.clusters_of((l.a, l.b))), "plane": a["Plane"],
                            "carrier": a["Carrier"], "sites": [l.a, l.b],
                            "one_way_ms": None if us in (None, INF) else near_ms(Fraction(us, 2)),
                            **({"unbounded": True} if us == INF else {}), "limit_one_way_ms": float(limits[limit]),
                            "verdict": verdict(2 * most), "verdict_as_rtt": verdict(most)})
        return out

    def sensitivity(self, pairs):
        s, out = self.given["policy"]["Sensitivity"], []
        lights = [("index " + i, Light(index=i)) for i in s["GroupIndex"] or []]
        lights += [(u + " µs/km", Light(us_per_km=u)) for u in s["USPerKM"] or []]
        distances = [("mesh", None)] + [("geodesic × " + c, Fraction(c)) for c in s["Circuity"] or []]
        for statistic in s["Statistics"] or []:
            for light_name, light in lights:
                for name, circuity in distances:
                    n = sum(p.under(statistic, light, circuity) for p in pairs)
                    counted = self.counted(len(pairs), n)
                    out.append({"statistic": statistic, "light": light_name, "distance": name,
                                **{k: counted[k] for k in ("compliant", "total", "fraction", "met")}})
        return out

    def nearest(self, pairs, rate):
        short = rate["met"] is False
        most = max(NEAREST, rate["needed"] - rate["compliant"]) if short else NEAREST
        kept = [p for p in pairs if p.verdict == (NOT if short else COMPLIANT)]
        kept.sort(key=lambda p: p.link.whole.order(), reverse=not short)
        out = []
        for p in kept[:most]:
            j, row = p.link.whole, {}
            excess = None if j.measured in (None, INF) else j.measured - j.limit
            row = {"pair": list(p.clusters), "carrier": self.mesh.sites[p.link.a]["Carrier"], "verdict": p.verdict,
                   "excess_ms": None if excess is None else math.ceil(excess * 1000) / 10**6,
                   "excess_km": None if excess is None else round_half_up(excess / self.rules.light.us_per_m / 2) / 1000}
            out.append({**row, **({"unbounded": True} if j.measured == INF else {})})
        return out


def remember(report):
    global REPORT
    REPORT = report


def judge(key):
    r = REPORT
    ends = [r.ends[e] for e in (key, key[::-1]) if e in r.found[key]]
    link = Link(r.rules, r.mesh, r.period, r.calendar, *key, ends, r.works_of[key])
    return link.finish(r.candidates(key))
