"""Checks for what identifies people: declared inputs that look like names, record numbers or dates,
dates in two ways of writing, names of patients that differ by zeros only."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from swarmhub.data.cells import Cells
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.identifiers import why_column, why_identifier
from swarmhub.data.schema import Schema
from swarmhub.errors import plain

LEAST = 20  # rows, to see that numbers are record numbers
DISTINCT = 0.95  # share of rows
WIDE = 200  # columns; in wider tables large whole numbers are counts of reads
ORDERS = (
    ("year-month-day", re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[T ].*)?")),
    ("with slashes", re.compile(r"\d{1,4}/\d{1,2}/\d{1,4}(?:[T ].*)?")),
    ("with points", re.compile(r"\d{1,2}\.\d{1,2}\.\d{2,4}(?:[T ].*)?")),
    ("with dashes", re.compile(r"\d{1,2}-\d{1,2}-\d{2,4}(?:[T ].*)?")),
)


def check_people(frames: Sequence[Frame], schema: Schema, found: Findings) -> None:
    """Add declared inputs that look like identifiers or dates, and dates in two ways."""
    declared = {name for inputs in schema.inputs for name in inputs.columns}
    for frame in frames:
        for name, words in frame.sheet.items():
            if name in declared:
                cells = Cells(frame.source, name, frame.lines, words)
                _warn(frame, name, why_identifier(cells) or why_record(cells), found)
            check_dates(frame, name, words, found)
        is_narrow = isinstance(frame.x, np.ndarray) and len(frame.names) <= WIDE
        for k, name in enumerate(frame.names):
            if name in declared and is_narrow:
                values = frame.x[:, k]
                _warn(frame, name, why_column(name, values) or why_numbered(values), found)
    check_zeros(frames, schema, found)


def _warn(frame: Frame, name: str, why: str, found: Findings) -> None:
    if why:
        found.warn(
            "identifier",
            f"{frame.place(None, name)} is declared as an input, and may identify patients: {why}.",
            name,
        )


def why_record(cells: Cells) -> str:
    """Return why a column of words may identify patients, "" if it does not: words that nearly
    each row has for itself."""
    counts = cells.words.counts()
    rows = sum(counts.values())
    is_own = rows >= LEAST and len(counts) >= 0.5 * rows and not cells.is_numeric
    return "nearly each row has a text of its own" if is_own and not cells.is_spoilt else ""


def why_numbered(values: Floats) -> str:
    """Return why numbers look like record numbers: whole, of one length of five digits or more,
    nearly all different; "" if they do not."""
    known = values[~np.isnan(values)]
    if len(known) < LEAST or known.min() < 10_000 or np.any(known != np.floor(known)):
        return ""
    is_one_length = np.floor(np.log10(known.min())) == np.floor(np.log10(known.max()))
    if not is_one_length or len(np.unique(known)) < DISTINCT * len(known):
        return ""
    return "its whole numbers are of one length and nearly all different, as record numbers"


def check_dates(frame: Frame, name: str, words: Words, found: Findings) -> None:
    """Warn of a column with dates in two ways of writing: day and month may be mixed up."""
    counts = words.counts()
    kinds = {word: order for word in counts for order in _orders(word)}
    rows: dict[str, int] = defaultdict(int)
    for word, order in kinds.items():
        rows[order] += counts[word]
    if len(rows) < 2 or sum(rows.values()) < 0.8 * sum(counts.values()):
        return
    usual, rare = max(rows, key=rows.__getitem__), min(rows, key=rows.__getitem__)
    codes = [k for k, word in enumerate(words.words) if kinds.get(word) == rare]
    first = int(np.flatnonzero(np.isin(words.codes, codes))[0])
    found.warn(
        "dates",
        f"{frame.place(first, name)}: a date {rare}, while {rows[usual]} rows have dates {usual}; "
        "day and month may be mixed up: write all dates in one way.",
        name,
    )


def _orders(word: str) -> Iterator[str]:
    if len(word) <= 40 and word[:1].isdigit():
        yield from (order for order, pattern in ORDERS if pattern.fullmatch(word))


def check_zeros(frames: Sequence[Frame], schema: Schema, found: Findings) -> None:
    """Warn of names of patients or samples that differ by zeros in front only."""
    for name in (schema.declaration.patient, schema.declaration.sample):
        spelled: dict[str, set[str]] = defaultdict(set)
        places: dict[str, str] = {}
        for frame in frames:
            words = frame.sheet.get(name)
            for k, word in enumerate(words.words if words is not None else ()):
                bare = re.sub(r"(^|\D)0+(?=\d)", r"\1", word)
                spelled[bare].add(word)
                if len(spelled[bare]) == 2 and bare not in places and words is not None:
                    places[bare] = frame.place(int(np.flatnonzero(words.codes == k)[0]), name)
        if places:
            found.warn(
                "zeros in names",
                f"{next(iter(places.values()))}: this name and another one differ in zeros only "
                f"({len(places)} such names); if they are the same patient, write them alike.",
                plain(name, 60),
            )
