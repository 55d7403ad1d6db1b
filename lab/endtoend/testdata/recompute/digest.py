"""The hash over the data of a report (docs/metric.md, "To the last digit")."""

import hashlib
import json
import struct
from functools import cache

TEXTS = ("src_cluster", "dst_cluster", "carrier", "plane", "method", "timestamps", "origin", "mesh_sha256")
COUNTS = ("scheduled", "sent", "received", "lost", "late", "duplicate", "send_error", "unstamped")


def varint(n):
    """An unsigned number by sevens of bits, the lowest first (LEB128)."""
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


SMALL = [varint(n) for n in range(1 << 14)]  # nearly all that there is


def coded(n):
    return SMALL[n] if n < 1 << 14 else varint(n)


def signed(n):
    """Zigzag: 0, -1, 1, -2 as 0, 1, 2, 3."""
    return coded(2 * n if n >= 0 else -2 * n - 1)


def sized(data):
    return coded(len(data)) + data


@cache
def texts(*of):
    """Few windows have others than the one before."""
    return b"".join(sized(t.encode()) for t in of)


def samples(ascending):
    """The codec of windows: the first, then each as what it is above the one before."""
    steps = [b - a for a, b in zip([0, *ascending], ascending)]
    return sized(b"".join(map(coded, steps)))


def group(present, *fields):
    return b"\1" + b"".join(fields) if present else b"\0"


def whole(row, name):
    return coded(int(row[name]))


def window(row, rtts):
    """All of a window from which a figure may follow. row is one of windows.csv."""
    said = lambda name, form: group(row[name], form(row[name]) if row[name] else b"")
    mean = lambda text: struct.pack(">d", float(text))
    number = lambda text: coded(int(text))
    stamp, ttl, one_way = row["stamp_residence_max_us"], row["ttl_changes"], row["one_way_error_us"]
    return b"".join((
        signed(int(row["start_ms"])), whole(row, "session"), signed(int(row["end_ms"])),
        texts(*map(row.__getitem__, TEXTS)), *(whole(row, k) for k in COUNTS),
        signed(int(row["clock_frequency_ppb"])), samples(rtts),
        group(stamp, *(whole(row, "stamp_" + k) for k in ("residence_max_us", "forward_lost", "reverse_lost") if stamp)),
        group(ttl, *([number(ttl)] if ttl else [])),
        group(row["path_at_ms"]),
        group(one_way, *([samples(json.loads(row["one_way_%s_us" % k])) for k in ("forward", "reverse")] + [number(one_way)] if one_way else [])),
        group(row["summary_source"], *([said("summary_min_us", number), said("summary_mean_us", mean), said("summary_max_us", number)]
                                       if row["summary_source"] else [])),
    ))


class Days:
    """The hashes of the days of one end. Windows come by start and session,
    each with its conflicts behind it."""

    def __init__(self):
        self.of, self.day, self.held = {}, None, []

    def add(self, day, window, conflict):
        if not conflict:
            self.close()
            self.day = day
        self.held.append(window)

    def close(self):
        if self.held:
            first, *others = self.held
            self.of.setdefault(self.day, hashlib.sha256()).update(first + varint(len(others)) + b"".join(others))
        self.held = []

    def lines(self, *names):
        self.close()
        return ["%s %s %s %s %s\n" % (*names, day, sum.hexdigest()) for day, sum in self.of.items()]


def of_lines(lines):
    # Identifiers are ASCII, and a space comes before all of them.
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()
