"""A hospital's statistics of its table, and the features that all hospitals build from the sum.

Before any training each hospital publishes one document about its training rows: how many there
are, how many of each label, and per column the count, the mean and the sum of squared deviations
(numbers) or the frequency of each category (text). It never holds a row or a free text:

- a numeric column with values of fewer than `min_count` patients is published as if it had none:
  the mean of one value is that value;
- a category of fewer than `min_count` patients at the hospital is not published; their rows are
  "other" there;
- a text column that looks like an identifier, has dates (`identifiers`) or more than 50 distinct
  values is free text: none of its values is published.

If the table does not know its patients, each row counts as one. The counts of labels are published
as they are; they are needed to balance the classes.

The documents are merged (`swarmhub.merge.merge_statistics`), and every hospital derives the same
`Design` from the merged bytes. Numbers are standardised with the swarm's mean and standard
deviation; a text column becomes one 0/1 feature "column=category" for each published category,
standardised too, so that one penalty suits all features. A missing value takes the mean, which is 0
after standardising. Left out, at every site alike: features that are missing in more than 60% of
all rows, and features that do not vary.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.data.cells import Column
from swarmhub.data.identifiers import why_text
from swarmhub.data.tables import Table, is_text
from swarmhub.errors import BadInput, Malformed

MIN_COUNT = 5  # patients; the usual smallest cell in published hospital statistics
MAX_CATEGORIES = 50  # distinct values at one hospital; coded variables have fewer, names more
MAX_MISSING = 0.6  # of all rows; beyond it imputing says more about hospitals than about patients
MAX_FEATURES = 200_000  # those with most values are kept; a row of them has 1.6 MB
MAX_DEVIATIONS = 10.0  # standard deviations; farther is a unit error or would rule the model
MAX_DOCUMENT = 64 << 20  # bytes


def statistics_of(table: Table, min_count: int = MIN_COUNT) -> bytes:
    """Return the statistics document of a table's rows, canonical JSON; see the module for its
    content.

    Give it training rows only. Raises BadInput if the table has no label.
    """
    if table.label is None:
        raise BadInput("Statistics need the label column; name it when reading the table.")
    ones = int(table.label.sum())
    columns = {
        name: _text(values, table.patients, min_count)
        if is_text(values)
        else _numeric(values, table.patients, min_count)
        for name, values in table.columns.items()
    }
    labels = {"0": table.rows - ones, "1": ones}
    return codec.encode({"rows": table.rows, "labels": labels, "columns": columns})


def _numeric(values: Column, patients: Column | None, min_count: int) -> Json:
    at = ~np.isnan(values)
    known = values[at]
    distinct = known if patients is None else set(patients[at])
    if len(distinct) < max(1, min_count):
        known = known[:0]
    mean = float(known.mean()) if len(known) else 0.0
    m2 = float(((known - mean) ** 2).sum())
    missing = len(values) - len(known)
    found = {"kind": "numeric", "count": len(known), "missing": missing}
    return found | {"mean": mean.hex(), "m2": m2.hex()}


def _text(values: Column, patients: Column | None, min_count: int) -> Json:
    counts = Counter(value for value in values if value is not None)
    known = sum(counts.values())
    published = {}
    if len(counts) <= MAX_CATEGORIES and not why_text([v for v in values if v is not None]):
        patients_of = counts
        if patients is not None:  # a patient's rows count once
            pairs = {(v, p) for v, p in zip(values, patients, strict=True) if v is not None}
            patients_of = Counter(value for value, _ in pairs)
        published = {value: n for value, n in counts.items() if patients_of[value] >= min_count}
    missing = len(values) - known
    return {"kind": "text", "count": known, "missing": missing, "categories": published}


@dataclass(frozen=True, eq=False)
class Design:
    """The features of a study: the same at every hospital, in this order.

    `sources[k]` is the column of feature k and its category (None for a number), `mean` and `sd`
    (p,) are in the column's unit, `class_rows` is how many training rows all hospitals have with
    label 0 and with label 1. Numbers come first, then categories, each sorted by name.
    """

    names: tuple[str, ...]
    sources: tuple[tuple[str, str | None], ...]
    mean: npt.NDArray[np.float64]
    sd: npt.NDArray[np.float64]
    class_rows: tuple[int, int]

    @classmethod
    def from_statistics(cls, merged: bytes) -> Design:
        """Return the design that follows from merged statistics.

        Raises Malformed if the bytes are no such document; BadInput if nothing can be learned from
        it: a label that no row has, or no feature left.
        """
        document = codec.decode(merged, MAX_DOCUMENT, len(merged))  # names may have brackets
        try:
            rows = int(document["rows"])
            class_rows = (int(document["labels"].get("0", 0)), int(document["labels"].get("1", 0)))
            features = _features(document["columns"], rows)
            kept = heapq.nsmallest(MAX_FEATURES, features, key=lambda f: (-f[0], f))
            found = sorted(feature[1:] for feature in kept)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise Malformed(
                "Expected a statistics document (rows, labels, columns), got other JSON."
            ) from None
        if min(class_rows) == 0:
            absent = class_rows.index(0)
            raise BadInput(
                f"Expected both labels, but no hospital has a row with label {absent}; "
                "check the label column or enrol a hospital that has such patients."
            )
        if not found:
            raise BadInput(
                f"No column can be used: each is missing in more than {MAX_MISSING:.0%} of the "
                "rows, does not vary, or is text without a frequent category; check the tables."
            )
        sources = tuple(
            (column, category if text else None) for text, column, category, *_ in found
        )
        names = tuple(c if k is None else f"{c}={k}" for c, k in sources)
        mean, sd = (np.array([feature[k] for feature in found], dtype=np.float64) for k in (3, 4))
        return cls(names, sources, mean, sd, class_rows)

    def matrix(self, table: Table) -> npt.NDArray[np.float64]:
        """Return the table's rows as standardised features, (n, p) float64, finite.

        Columns that the study does not know are ignored; a column that the table lacks, or has as
        the other kind (`mismatched`), is missing throughout.
        """
        x = np.zeros((table.rows, len(self.names)))
        for k, (column, category) in enumerate(self.sources):
            values = table.columns.get(column)
            if values is None or is_text(values) != (category is not None):
                continue
            known = _known(values)
            raw = values if category is None else values == category
            x[known, k] = (raw[known].astype(np.float64) - self.mean[k]) / self.sd[k]
        return np.clip(x, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=x)

    @property
    def kinds(self) -> dict[str, bool]:
        """Column -> whether it is text, for each column that makes a feature."""
        return {column: category is not None for column, category in self.sources}

    def mismatched(self, table: Table) -> list[str]:
        """Return a sentence for each column that is a number here and text in the study, or the
        reverse."""
        found = []
        for column, text in self.kinds.items():
            values = table.columns.get(column)
            if values is not None and _known(values).any() and is_text(values) != text:
                here, study = ("text", "numbers")[:: 1 if is_text(values) else -1]
                found.append(
                    f"Column '{column[:60]}' has {study} in the study and {here} in this table: it "
                    "counts as missing here; prepare it as the other hospitals do."
                )
        return found


def _known(values: Column) -> npt.NDArray[np.bool_]:
    return np.array([v is not None for v in values]) if is_text(values) else ~np.isnan(values)


def _features(columns: Json, rows: int) -> Iterator[tuple[int, bool, str, str, float, float]]:
    """Yield (values, is text, column, category, mean, sd) of every feature that can be used."""
    for name, column in columns.items():
        count = column["count"]
        if count == 0 or count < (1.0 - MAX_MISSING) * rows:
            continue
        if column["kind"] == "numeric":
            mean = float.fromhex(column["mean"])
            sd = math.sqrt(float.fromhex(column["m2"]) / count)
            if sd > 1e-9 * abs(mean):  # below it the variance is rounding
                yield count, False, name, "", mean, sd
            continue
        for category, n in column["categories"].items():
            if 0 < n < count:
                share = n / count
                yield count, True, name, category, share, math.sqrt(share * (1.0 - share))
