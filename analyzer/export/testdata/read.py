"""Reads an export as its users do: with the csv module, and with pyarrow where
it is installed. Prints what the test compares, as JSON."""

import csv
import json
import pathlib
import sys

folder = pathlib.Path(sys.argv[1])


def rows(name):
    with open(folder / name, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def text(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)


def same(name):
    """Whether the Parquet file has the rows of the CSV file."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / (name + ".parquet")).to_pylist()
    expected = rows(name + ".csv")
    if len(table) != len(expected):
        return False
    for got, want in zip(table, expected):
        for column, value in got.items():
            if isinstance(value, float):
                if float(want[column]) != value:
                    return False
            elif text(value) != want[column]:
                return False
        if list(got) != list(want):
            return False
    return True


packets = {}
for row in rows("samples.csv"):
    if row["conflict"] == "0" and row["outcome"] != "unstamped":
        rtt = int(row["rtt_us"]) if row["rtt_us"] else float("inf")
        packets.setdefault(row["src"] + ">" + row["dst"], []).append(rtt)

p95, lost = {}, {}
for link, rtts in packets.items():
    rtts.sort()
    value = rtts[(len(rtts) * 95 + 99) // 100 - 1]
    p95[link] = -1 if value == float("inf") else value
    lost[link] = rtts.count(float("inf"))

try:
    import pyarrow.parquet  # noqa: F401

    parquet = "same" if same("windows") and same("samples") else "differs from CSV"
except ImportError:
    parquet = "no pyarrow"

json.dump(
    {
        "p95_us": p95,
        "lost": lost,
        "digests": [row["sha256"] for row in rows("windows.csv")],
        "parquet": parquet,
    },
    sys.stdout,
)
