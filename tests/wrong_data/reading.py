"""Reading a fault's files, for the tests of the faults."""

from __future__ import annotations

import csv
import functools
import io

import numpy as np
from sklearn.metrics import roc_auc_score

from .clean import Array
from .draft import Fault
from .faults import clean_twin, fault
from .sheets import MISSING, Sheet

made = functools.cache(fault)
twin_of = functools.cache(clean_twin)


def text_of(found: Fault, hospital: str = "", file: str = "") -> str:
    """Gives a file's text; the faulty one unless told."""
    files = found.files[hospital or found.hospital]
    return files[file or (found.file if not hospital else "") or next(iter(files))].decode()


def read(found: Fault, hospital: str = "", file: str = "") -> Sheet:
    """Reads a file as a table."""
    text = text_of(found, hospital, file)
    names, *rows = csv.reader(io.StringIO(text, newline=""))
    return Sheet(names, rows)


def numbers(sheet: Sheet, name: str) -> Array:
    """Gives a column's numbers; a gap is NaN."""
    return np.array([np.nan if c in MISSING else float(c) for c in sheet.cells(name)])


def positives(found: Fault, sheet: Sheet) -> Array:
    """Tells for each row if its outcome is the positive word."""
    outcome = found.declaration["outcome"]
    return np.array([c == outcome["positive"] for c in sheet.cells(outcome["column"])])


def auc(label: Array, values: Array) -> float:
    """Measures how well values tell two classes apart, on whichever side."""
    ok = ~np.isnan(values)
    found = float(roc_auc_score(label[ok], values[ok]))
    return max(found, 1 - found)
