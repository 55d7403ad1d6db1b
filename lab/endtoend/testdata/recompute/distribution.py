"""How the RTTs lie of a link that is diagnosed (docs/metric.md, "Diagnosis")."""

from data import INF, Dist

# In shares of 100 000: as fine as the tail is long.
SHARES = [*range(2_000, 90_001, 2_000), *range(90_200, 99_001, 200), *range(99_020, 99_901, 20), *range(99_902, 99_991, 2)]


def distribution(statistic, limit, over):
    """over: each end over what stands for the link. Of the end with the longer
    judged RTT, of equals the first."""
    known = [(o.dist.statistic(statistic), -i) for i, o in enumerate(over) if o.dist.packets]
    if not known:
        return None
    end = over[-max(known)[1]]
    return {"src": end.src, "dst": end.dst, "packets": end.dist.packets, "lost": end.dist.lost,
            "ecdf": ecdf(end.dist), "days": days(statistic, limit, end)}


def ecdf(d):
    ranks = {1, d.received, *(-(-d.packets * s // 100_000) for s in SHARES)}
    rtts = sorted({d.at(r) for r in ranks if 0 < r <= d.received})
    return {"rtt_us": rtts, "within": [sum(n for us, n in d.counts.items() if us <= rtt) for rtt in rtts]}


def days(statistic, limit, end):
    by = {}
    for i, (_, _, day, clock) in enumerate(end.calendar.hours):
        hour = by.setdefault(day, {}).setdefault(clock, Dist())
        for rtts, lost in end.hours.get(i, {}).values():
            hour.add(rtts, lost)
    return [{"day": day, **hours(statistic, limit, by[day])} for day in sorted(by)]


def hours(statistic, limit, by):
    out = {"packets": [0] * 24, "above_packets": [0] * 24, "rtt_us": [None] * 24}
    with_lost = statistic[0] == "p"
    for clock, d in by.items():
        out["packets"][clock] = d.packets if with_lost else d.received
        out["above_packets"][clock] = sum(n for us, n in d.counts.items() if us > limit) + (d.lost if with_lost else 0)
        us = d.statistic(statistic)
        out["rtt_us"][clock] = None if us == INF else us
    return out
