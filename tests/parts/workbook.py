"""Reads a workbook with openpyxl: each sheet's cells, as formulas and as the values that stand beside them.

    workbook.py FILE

Prints JSON: by sheet `cells` (rows of [kind, value, number format] or null), `results` (values of the same cells, as
they were last reckoned), `frozen`, `filter`, `widths`, `charts`, what is `printed` with which rows `repeated`, and the
columns whose first cell is `wrapped`. Numbers are texts that read back as the same
double; days and times are ISO texts.
"""

import datetime
import json
import re
import sys

import openpyxl

ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")


def text(value):
    # Excel and LibreOffice read such escapes; openpyxl leaves them to its callers.
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), value)


def cell(one):
    value = one.value
    if value is None:
        return None
    if one.data_type == "f":
        return ["f", value, one.number_format]
    if one.data_type == "e":
        return ["e", value, one.number_format]
    if isinstance(value, bool):
        return ["b", "true" if value else "false", one.number_format]
    if isinstance(value, datetime.datetime):
        return ["d", value.isoformat(), one.number_format]
    if isinstance(value, (int, float)):
        return ["n", repr(value), one.number_format]
    return ["s", text(value), one.number_format]


def read(one):
    """A cell of a file that is read once, as a stream; formats are known from the formulas' side."""
    value = one.value
    if value is None:
        return None
    if one.data_type == "e":
        return ["e", value, ""]
    if isinstance(value, bool):
        return ["b", "true" if value else "false", ""]
    if isinstance(value, datetime.datetime):
        return ["d", value.isoformat(), ""]
    if isinstance(value, (int, float)):
        return ["n", repr(value), ""]
    return ["s", text(value), ""]


def rows(sheet):
    return [[cell(one) for one in row] for row in sheet.iter_rows()]


def main():
    path = sys.argv[1]
    formulas = openpyxl.load_workbook(path)
    values = openpyxl.load_workbook(path, data_only=True, read_only=True)
    book = {"created": formulas.properties.created.isoformat(), "sheets": {}, "order": formulas.sheetnames}
    for sheet in formulas.worksheets:
        book["sheets"][sheet.title] = {
            "cells": rows(sheet),
            "results": [[read(one) for one in row] for row in values[sheet.title].iter_rows()],
            "frozen": sheet.freeze_panes,
            "filter": sheet.auto_filter.ref,
            "widths": {letter: column.width for letter, column in sheet.column_dimensions.items()},
            "charts": len(sheet._charts),
            "printed": sheet.print_area,
            "repeated": sheet.print_title_rows,
            "wrapped": [one.column_letter for one in next(sheet.iter_rows(min_row=5, max_row=5), ()) if one.alignment.wrap_text],
            "links": [one.coordinate for one in sheet._cells.values() if one.hyperlink],
        }
    json.dump(book, sys.stdout)


main()
