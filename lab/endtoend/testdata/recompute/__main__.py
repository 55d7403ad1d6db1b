"""Recomputes a report of fibergauge-analyzer from what was exported, by
docs/metric.md alone, and compares every field.

    python3 recompute INPUT.json REPORT.json WINDOWS.csv SAMPLES.csv [WINDOWS.csv SAMPLES.csv]

INPUT.json holds mesh, policy, archive and period; the second two files hold the
months before, and ask for the trend. Standard library only. Not
recomputed: generated_by, which names the program.
"""

import json
import sys

from report import Report

UNKNOWN = {"generated_by"}


def differences(path, want, got):
    """What the report says (got) that is not what was computed (want)."""
    if isinstance(want, dict) and isinstance(got, dict):
        for k in sorted(want.keys() | got.keys()):
            if k in UNKNOWN:
                continue
            if k not in want or k not in got:
                yield "%s.%s: computed %s, reported %s" % (path, k, want.get(k, "absent"), got.get(k, "absent"))
            else:
                yield from differences(path + "." + k, want[k], got[k])
    elif isinstance(want, list) and isinstance(got, list):
        if len(want) != len(got):
            yield "%s: computed %d entries, reported %d" % (path, len(want), len(got))
        for i, (w, g) in enumerate(zip(want, got)):
            name = g.get("sites") or g.get("pair") or i if isinstance(g, dict) else i
            yield from differences("%s[%s]" % (path, "-".join(name) if isinstance(name, list) else name), w, g)
    elif want != got or isinstance(want, bool) != isinstance(got, bool):
        yield "%s: computed %r, reported %r" % (path, want, got)


def leaves(v):
    if isinstance(v, (dict, list)):
        return sum(map(leaves, v.values() if isinstance(v, dict) else v))
    return 1


def main(given, reported, *files):
    with open(given) as f, open(reported) as g:
        given, reported = json.load(f), json.load(g)
    computed = Report(given, files).write()
    found = list(differences("", computed, reported))
    for line in found[:200]:
        print(line)
    print("%d fields compared, %d differ" % (leaves(computed), len(found)))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
