"""The exported windows and packets, as the days of each end.

A window counts as a whole where it starts. windows.csv has a row each window,
samples a row each packet, both in the order of link, test, start and session.
"""

import csv
import hashlib
import json
from array import array
from bisect import bisect_right
from collections import Counter
from itertools import accumulate, islice

import digest
from world import ceil_div, rank

INF = 1 << 62  # longer than anybody waited


class Dist:
    """How often each RTT occurred, and how many packets were lost."""

    def __init__(self):
        self.counts, self.lost, self._sorted = Counter(), 0, None

    def add(self, rtts, lost):
        self.counts.update(rtts)
        self.lost += lost
        self._sorted = None

    @property
    def received(self):
        return self.sorted()[1][-1] if self.counts else 0

    @property
    def packets(self):
        return self.received + self.lost

    def sorted(self):
        if self._sorted is None:
            values = sorted(self.counts)
            self._sorted = values, list(accumulate(self.counts[v] for v in values))
        return self._sorted

    def at(self, position):
        """The RTT at a rank; 1 is the shortest."""
        values, below = self.sorted()
        return INF if position > self.received else values[bisect_right(below, position - 1)]

    def statistic(self, name):
        """None without packets, INF where endless."""
        if not self.packets:
            return None
        if name in ("p50", "p95", "p99"):
            return self.at(rank(self.packets, int(name[1:])))
        if not self.received:
            return INF
        if name == "min":
            return min(self.counts)
        total = sum(v * n for v, n in self.counts.items())
        return (2 * total + self.received) // (2 * self.received)


class End:
    """What one site measured of another: hours and days over the period."""

    def __init__(self, src, dst):
        self.src, self.dst = src, dst
        self.counts = Counter()  # sent, received, … over the windows that count
        self.windows = self.conflicts = self.foreign = self.summaries = 0
        self.first = self.last = None
        self.origins, self.stamps, self.meshes = Counter(), Counter(), Counter()
        self.residence = self.clock_ppb = 0
        # By (beginning of the hour, excused): RTTs and losses by the source of
        # the timestamps, and how many packets of the schedule they fill.
        self.hours, self.usable = {}, Counter()
        self.used, self.given, self.summed = 0, Counter(), {}  # imports without samples, by where
        self.paths = {}  # of what is not excused: beginning of the hour → Path
        self.digests = digest.Days()


class Path:
    """What an hour tells of the way of the packets."""

    def __init__(self):
        self.forward_lost = self.reverse_lost = self.ttl_changes = self.traces = self.error = 0
        self.forward, self.reverse = array("I"), array("I")  # one-way delays

    def add(self, o):
        for k in ("forward_lost", "reverse_lost", "ttl_changes", "traces"):
            setattr(self, k, getattr(self, k) + getattr(o, k))
        self.error = max(self.error, o.error)
        self.forward.extend(o.forward)
        self.reverse.extend(o.reverse)

    def note(self, row):
        self.forward_lost += number(row, "stamp_forward_lost")
        self.reverse_lost += number(row, "stamp_reverse_lost")
        self.ttl_changes += number(row, "ttl_changes")
        self.traces += row["path_at_ms"] != ""
        if row["one_way_error_us"]:
            self.error = max(self.error, number(row, "one_way_error_us"))
            self.forward.extend(json.loads(row["one_way_forward_us"]))
            self.reverse.extend(json.loads(row["one_way_reverse_us"]))


def number(row, name):
    return int(row[name] or 0)


def read(mesh, links, start, end, hours, excused, windows_file, samples_file, hashed):
    """links: (src, dst) → the first and last millisecond of both lives; hours:
    a function from a moment to the beginning of its hour; excused: (src, dst) →
    spans. Returns (src, dst) → End, with the hashes of its days if asked for."""
    ends = {link: End(*link) for link in links}
    runs, days = {}, {}
    with open(windows_file, newline="") as f, open(samples_file, newline="") as g:
        table, packets = csv.reader(f), csv.reader(g)
        names = next(table)
        src, dst, test, began, received, lost, source = map(names.index, (
            "src", "dst", "test", "start_ms", "received", "lost", "summary_source"))
        next(packets)
        for cells in table:
            rows = list(islice(packets, 0 if cells[source] else int(cells[received]) + int(cells[lost])))
            link, at = (cells[src], cells[dst]), int(cells[began])
            if cells[test] != mesh.judged["Name"] or link not in ends or not start <= at < end:
                continue
            row = dict(zip(names, cells))
            rtts, hour = checked(row, rows), hours(at)
            if hour not in days:
                days[hour] = mesh.written(hour)[:10]
            if hashed:
                ends[link].digests.add(days[hour], digest.window(row, rtts), row["conflict"] != "0")
            add(mesh, ends[link], row, at, rtts, links[link], hour, excused.get(link, ()), runs)
        if next(packets, None) is not None:
            raise ValueError("more packets than windows say")
    for (end, _), run in runs.items():
        settle(mesh, end, run)
    for end in ends.values():
        end.digests = end.digests.lines(end.src, end.dst, mesh.judged["Name"])
    return ends


def checked(row, rows):
    """The RTTs of a window out of its rows in the table of packets, which must agree."""
    if row["summary_source"]:
        return []
    lost, unstamped = number(row, "lost"), number(row, "unstamped")
    timed = number(row, "received") - unstamped
    name = [row[k] for k in ("src", "dst", "test", "session", "start_ms", "conflict")]
    outcomes = ["reply"] * timed + ["unstamped"] * unstamped + ["lost"] * lost
    if [r[8] for r in rows] != outcomes or any(r[:6] != name for r in (rows[:1] + rows[-1:])):
        raise ValueError("the packets of %s are others than the window says" % name)
    rtts = [int(r[9]) for r in rows[:timed]]
    if rtts:
        told = [number(row, k) for k in ("min_us", "p50_us", "p95_us", "p99_us", "max_us")]
        if told != [rtts[0], *(rtts[rank(timed, p) - 1] for p in (50, 95, 99)), rtts[-1]]:
            raise ValueError("the statistics of %s are not those of its packets" % name)
    return rtts


def add(mesh, end, row, at, rtts, life, hour, excused, runs):
    if row["conflict"] != "0":
        end.conflicts += 1
        return
    end.windows += 1
    end.first = at if end.first is None else min(end.first, at)
    end.last = max(end.last or 0, number(row, "end_ms"))
    end.origins[row["origin"]] += 1
    end.meshes[row["mesh_sha256"]] += 1
    if number(row, "received") > number(row, "unstamped"):
        end.stamps[row["timestamps"]] += 1
    src, dst = mesh.sites[end.src], mesh.sites[end.dst]
    labels = (src["Cluster"], dst["Cluster"], src["Carrier"], src["Plane"], mesh.judged["Method"])
    if (row["src_cluster"], row["dst_cluster"], row["carrier"], row["plane"], row["method"]) != labels or not life[0] <= at < life[1]:
        end.foreign += 1
        return
    summed = row["summary_source"] != ""
    if summed and number(row, "sent") <= number(row, "unstamped"):
        end.summaries += 1
        return
    for k in ("sent", "received", "lost", "late", "duplicate", "send_error", "unstamped"):
        end.counts[k] += number(row, k)
    where = hour, any(a <= at < b for a, b in excused)
    if not where[1]:
        end.counts["counted_packets"] += number(row, "sent") - number(row, "unstamped")
        end.counts["counted_lost"] += number(row, "lost")
    fill(mesh, end, where, at, number(row, "end_ms"), number(row, "sent") - number(row, "unstamped"), runs)
    if summed:
        end.used += 1
        end.given.update(k for k in ("min", "mean", "max") if row["summary_%s_us" % k])
        end.summed.setdefault(where, []).append(row)
        return
    end.residence = max(end.residence, number(row, "stamp_residence_max_us"))
    end.clock_ppb = max(end.clock_ppb, abs(number(row, "clock_frequency_ppb")))
    of_hour = end.hours.setdefault(where, {}).setdefault(row["timestamps"], [array("I"), 0])
    of_hour[0].extend(rtts)
    of_hour[1] += number(row, "lost")
    if not where[1]:
        end.paths.setdefault(hour, Path()).note(row)


def fill(mesh, end, where, start, until, usable, runs):
    """Windows of which each overlaps one before it fill no more than the
    intervals of the test that they touch together."""
    run = runs.get((end, where[1]))
    if run and run["where"] == where and start < run["until"]:
        run["until"], run["usable"] = max(run["until"], until), run["usable"] + usable
        return
    if run:
        settle(mesh, end, run)
    runs[end, where[1]] = {"where": where, "start": start, "until": until, "usable": usable}


def settle(mesh, end, run):
    most = ceil_div(run["until"], mesh.interval) - run["start"] // mesh.interval
    end.usable[run["where"]] += min(run["usable"], most)


def seed_of(text):
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
