"""Reads what was published by programs that are not ours, and says as JSON what
stands in it: {file: {sheet: rows}} of the workbooks and CSV files named, the one
sheet of a CSV file being "".
"""

import csv
import json
import sys

import openpyxl


def workbook(file):
    book = openpyxl.load_workbook(file, read_only=False, data_only=True)
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


def table(file):
    with open(file, encoding="utf-8-sig", newline="") as f:
        return {"": list(csv.reader(f, strict=True))}


print(json.dumps({f: (table if f.endswith(".csv") else workbook)(f) for f in sys.argv[1:]}))
