"""Comparison of a hospital's table with the study's columns.

Columns meet by their names. A name that one hospital spells in another way makes two columns, each
missing at some hospitals, and the best of them may be left out everywhere. So before the first
round every trainer compares its table with the merged statistics: spellings that differ in case,
spaces or punctuation only are refused, everything else that is lost is reported. Messages show
names of columns and published categories, never a cell.
"""

from __future__ import annotations

import difflib
import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.data.summaries import MAX_DEVIATIONS, MAX_DOCUMENT, MAX_MISSING, Design
from swarmhub.data.tables import Table, is_text
from swarmhub.errors import BadInput, plain

LISTED = 6  # names in a sentence
MAX_COMPARED = 500  # columns; above it nearest names are not searched


def compare(table: Table, design: Design, merged: bytes) -> list[str]:
    """Return sentences on columns of this table that the study does not use, and those that it
    lacks.

    `merged` are the statistics from which the design was made. Raises BadInput if the table has
    nothing of the study, or a column that the study spells in another way.
    """
    document = codec.decode(merged, MAX_DOCUMENT, len(merged))
    columns, rows = document["columns"], int(document["rows"])
    needed = design.kinds
    _refuse_other_spellings(table, needed, columns, rows)
    lacking = [name for name in needed if name not in table.columns]
    if len(lacking) == len(needed):
        raise BadInput(
            f"None of the study's {len(needed)} columns ({_listed(needed)}) is in this table "
            f"({_listed(table.columns)}); name the columns as the other hospitals do."
        )
    found = []
    if lacking:
        found.append(
            f"This table lacks {len(lacking)} of the study's {len(needed)} columns, which count as "
            f"missing in all its rows: {_listed(lacking)}{_nearest(lacking, table, needed)}."
        )
    unused: dict[str, list[str]] = defaultdict(list)
    for name in table.columns:
        if name not in needed:
            unused[_why_unused(columns.get(name), rows)].append(name)
    for why, names in unused.items():
        found.append(f"Not used by the study, because {why}: {_listed(names)}.")
    found += _alike(table)
    return found + design.mismatched(table) + _categories(design) + outliers(design, table)


def outliers(design: Design, table: Table) -> list[str]:
    """Return a sentence for each column with values so far from the study's mean that they are
    bounded."""
    found = []
    for k, (name, category) in enumerate(design.sources):
        values = table.columns.get(name)
        if category is not None or values is None or is_text(values):
            continue
        far = int((np.abs(values - design.mean[k]) > MAX_DEVIATIONS * design.sd[k]).sum())
        if far:
            found.append(
                f"Column '{plain(name, 60)}': {far} values are more than {MAX_DEVIATIONS:.0f} "
                "standard deviations from the study's mean and are taken for that; is the unit "
                "that of the other hospitals?"
            )
    return found


def gaps(design: Design, table: Table) -> list[str]:
    """Return a sentence for each column with rows that carry nothing that the design knows."""
    known = defaultdict(set)
    for column, category in design.sources:
        known[column].add(category)
    found = []
    for name, categories in known.items():
        values, where = table.columns[name], f"Column '{plain(name, 60)}'"
        missing = int(np.sum([v is None for v in values] if is_text(values) else np.isnan(values)))
        if missing:
            found.append(
                f"{where} is empty in {missing} of {table.rows} rows: the study's mean counts."
            )
        if is_text(values):
            other = sum(1 for v in values if v is not None and v not in categories)
            if other:
                found.append(
                    f"{where} has categories in {other} of {table.rows} rows that the model does "
                    "not know."
                )
    return found


def fold(name: str) -> str:
    """Return the form that two spellings of one name share: no case, one '_' for spaces and
    punctuation."""
    return re.sub(r"[\W_]+", "_", name).strip("_").casefold()


def _refuse_other_spellings(
    table: Table, needed: dict[str, bool], columns: Json, rows: int
) -> None:
    """Raise BadInput if a column of this table has another spelling in the study that costs one of
    them or both. Two columns that together have more values than there are rows are two."""
    spelled = defaultdict(list)
    for name in columns:
        spelled[fold(name)].append(name)
    wrong = []
    for own in table.columns:
        for other in spelled.get(fold(own), ()):
            if other in table.columns:
                continue
            here = columns[own]["count"] if own in columns else 0
            lost = own not in needed or other in needed
            if lost and here + columns[other]["count"] <= rows:
                wrong.append((own, other))
    if wrong:
        pairs = ", ".join(f"'{plain(a, 60)}' for '{plain(b, 60)}'" for a, b in wrong[:LISTED])
        more = ", ..." if len(wrong) > LISTED else ""
        raise BadInput(
            f"This table spells {len(wrong)} of the study's column names in another way ({pairs}"
            f"{more}), so they would count as different columns; give each the same name at all "
            "hospitals, then propose the study anew (its statistics are merged already)."
        )


def _why_unused(column: Json, rows: int) -> str:
    if column is None:
        return "no hospital published it"
    if column["count"] < (1.0 - MAX_MISSING) * rows or column["count"] == 0:
        return f"they are missing in more than {MAX_MISSING:.0%} of the study's rows"
    if column["kind"] == "text" and not column["categories"]:
        return "they are texts without a category that is frequent enough to be published"
    return "they do not vary"


def _alike(table: Table) -> list[str]:
    """Return a sentence for each group of columns of the table with names that differ in spelling
    only."""
    spelled: dict[str, list[str]] = defaultdict(list)
    for name in table.columns:
        spelled[fold(name) or name].append(name)
    return [
        f"The columns {_listed(names)} of this table differ in spelling only, and count as two."
        for names in spelled.values()
        if len(names) > 1
    ][:LISTED]


def _categories(design: Design) -> list[str]:
    """Return a sentence for each column with published categories that differ in spelling only."""
    found = []
    spelled: dict[tuple[str, str], list[str]] = defaultdict(list)
    for column, category in design.sources:
        if category is not None:
            spelled[column, fold(category) or category].append(category)
    for (column, _), names in spelled.items():
        if len(names) > 1:
            found.append(
                f"Column '{plain(column, 60)}' has the categories {_listed(names)} in the study, "
                "which differ in spelling only and count as different; spell them alike at all "
                "hospitals."
            )
    return found


def _nearest(lacking: list[str], table: Table, needed: Iterable[str]) -> str:
    """Return (is it ...?) for the first lacking column that resembles an unused one here."""
    spare = [name for name in table.columns if name not in needed]
    if len(spare) > MAX_COMPARED:
        return ""
    for name in lacking[:LISTED]:
        near = difflib.get_close_matches(name, spare, 1, 0.7)
        if near:
            return f" (is '{plain(near[0], 60)}' here what is '{plain(name, 60)}' there?)"
    return ""


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    shown = ", ".join(f"'{plain(name, 60)}'" for name in every[:LISTED])
    return shown + (f" and {len(every) - LISTED} more" if len(every) > LISTED else "")
