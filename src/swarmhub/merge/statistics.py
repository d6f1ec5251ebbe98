"""Merging what the hospitals say about their tables, before any training.

Each hospital sends one canonical JSON document, sums only and no row:

    {"rows": n, "labels": {label: count}, "columns": {name:
        {"kind": "numeric", "count": c, "missing": m, "mean": "0x1.8p+1", "m2": "0x1p-3"} |
        {"kind": "text", "count": c, "missing": m, "categories": {category: n}}}}

`mean` and `m2` (sum of squared deviations from the mean) are over the `count` values that are not
missing, in the column's unit and its square, as canonical `float.hex()`. The documents are hostile
until checked. The merge is one of the same form: counts are added; mean and m2 follow the pairwise
update of Chan, Golub and LeVeque (1979), in member-id order, float64 + - * / only, so every member
gets the same bytes. A column that a hospital does not know is missing in all of its rows.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import BadContribution, Malformed, MergeError

MAX_DOCUMENT = 64 << 20  # bytes
MAX_COLUMNS = 200_000  # as many as an omics table has, e.g. 60,000 transcripts
MAX_CATEGORIES = 1000  # a column, and labels; more is an identifier, not a category
MAX_NAME = 512  # characters

KEYS = {
    "numeric": {"kind", "count", "missing", "mean", "m2"},
    "text": {"kind", "count", "missing", "categories"},
}


@dataclass
class Column:
    """One column's totals so far; `member` is who first had values in it."""

    member: int
    kind: str
    count: int
    missing: int
    mean: float = 0.0
    m2: float = 0.0
    categories: dict[str, int] = field(default_factory=dict)

    def json(self) -> Json:
        """The column as the document has it."""
        found: dict[str, Json] = {"kind": self.kind, "count": self.count, "missing": self.missing}
        if self.kind == "numeric":
            return found | {"mean": self.mean.hex(), "m2": self.m2.hex()}
        return found | {"categories": self.categories}


@dataclass
class Document:
    """One hospital's document, or the merge so far."""

    rows: int
    labels: dict[str, int]
    columns: dict[str, Column]


def merge_statistics(documents: Mapping[int, bytes]) -> bytes:
    """The merged document of the members' documents, by member id.

    BadContribution for a document that is not valid; MergeError for none at all, a column with
    values of both kinds, a mean or m2 that overflows, or a merge beyond the limits of a document.
    """
    if not documents:
        raise MergeError("Expected at least one statistics document to merge, got none.")
    merged = Document(0, {}, {})
    for member in sorted(documents):
        _add(merged, _read(member, documents[member]))
    _check_limits(merged)
    columns = {name: column.json() for name, column in merged.columns.items()}
    try:
        return codec.encode({"rows": merged.rows, "labels": merged.labels, "columns": columns})
    except Malformed:
        raise MergeError("The merged counts are above 2^53 - 1; no hospital has so many.") from None


# adding


def _add(merged: Document, site: Document) -> None:
    for name, column in merged.columns.items():
        if name not in site.columns:
            column.missing += site.rows
    for name, column in site.columns.items():
        if name in merged.columns:
            merged.columns[name] = _joined(name, merged.columns[name], column)
        else:
            column.missing += merged.rows
            merged.columns[name] = column
    _add_counts(merged.labels, site.labels)
    merged.rows += site.rows


def _joined(name: str, a: Column, b: Column) -> Column:
    if a.count == 0 or b.count == 0:
        chosen = b if a.count == 0 and b.count > 0 else a
        chosen.missing = a.missing + b.missing
        return chosen
    if a.kind != b.kind:
        raise MergeError(
            f"Expected one kind for column {name[:60]!r}, got {a.kind} from member {a.member} "
            f"and {b.kind} from member {b.member}; agree on one and prepare the data again."
        )
    if a.kind == "numeric":
        na, nb, n = float(a.count), float(b.count), float(a.count + b.count)
        delta = b.mean - a.mean
        a.mean = a.mean + delta * (nb / n)
        a.m2 = (a.m2 + b.m2) + (delta * delta) * (na * (nb / n))
        if not (math.isfinite(a.mean) and math.isfinite(a.m2)):
            raise MergeError(f"The values of column {name[:60]!r} overflow; rescale them.")
    _add_counts(a.categories, b.categories)
    a.count += b.count
    a.missing += b.missing
    return a


def _add_counts(into: dict[str, int], counts: dict[str, int]) -> None:
    for name, count in counts.items():
        into[name] = into.get(name, 0) + count


def _check_limits(merged: Document) -> None:
    if len(merged.columns) > MAX_COLUMNS:
        raise MergeError(f"Expected at most {MAX_COLUMNS} columns, got {len(merged.columns)}.")
    if len(merged.labels) > MAX_CATEGORIES:
        raise MergeError(f"Expected at most {MAX_CATEGORIES} labels, got {len(merged.labels)}.")
    for name, column in merged.columns.items():
        if len(column.categories) > MAX_CATEGORIES:
            raise MergeError(
                f"Expected at most {MAX_CATEGORIES} categories in column {name[:60]!r}, "
                f"got {len(column.categories)} from all members together; leave the column out."
            )


# reading what a hospital sent


def _read(member: int, data: bytes) -> Document:
    try:
        return _document(member, codec.decode(data, MAX_DOCUMENT))
    except Malformed as error:
        raise BadContribution(member, str(error).rstrip(".")) from None


def _document(member: int, value: Json) -> Document:
    _keys(value, {"rows", "labels", "columns"}, "the document")
    rows = _count(value["rows"], codec.MAX_INT, "rows")
    labels = _counts(value["labels"], rows, "labels")
    columns = value["columns"]
    if not isinstance(columns, dict) or len(columns) > MAX_COLUMNS:
        raise Malformed(f"expected an object of at most {MAX_COLUMNS} columns")
    found = {}
    for name, column in columns.items():
        where = f"column {_name(name)[:60]!r}"
        found[name] = _column(member, column, where)
        if found[name].count + found[name].missing != rows:
            raise Malformed(f"{where}: expected count + missing to be the {rows} rows")
    return Document(rows, labels, found)


def _column(member: int, value: Json, where: str) -> Column:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in ("numeric", "text"):
        raise Malformed(f"{where}: expected the kind to be numeric or text")
    _keys(value, KEYS[kind], where)
    count = _count(value["count"], codec.MAX_INT, f"{where}, count")
    missing = _count(value["missing"], codec.MAX_INT, f"{where}, missing")
    if kind == "text":
        categories = _counts(value["categories"], count, f"{where}, categories")
        if sum(categories.values()) > count:
            raise Malformed(f"{where}: the categories add up to more than the {count} values")
        return Column(member, kind, count, missing, categories=categories)
    mean, m2 = _float(value["mean"], f"{where}, mean"), _float(value["m2"], f"{where}, m2")
    if m2 < 0:
        raise Malformed(f"{where}: expected m2 of at least 0, got {m2}")
    if count == 0:  # nothing was averaged, whatever the document says
        mean = m2 = 0.0
    return Column(member, kind, count, missing, mean, m2)


def _keys(value: Json, wanted: set[str], where: str) -> None:
    if not isinstance(value, dict) or set(value) != wanted:
        raise Malformed(f"{where}: expected an object with the keys {', '.join(sorted(wanted))}")


def _name(text: str) -> str:
    if not 0 < len(text) <= MAX_NAME:
        raise Malformed(f"expected names of 1 to {MAX_NAME} characters, got {len(text)}")
    return text


def _count(value: Json, most: int, where: str) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise Malformed(f"{where}: expected an integer from 0 to {most}, got {str(value)[:30]!r}")
    return value


def _counts(value: Json, most: int, where: str) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_CATEGORIES:
        raise Malformed(f"{where}: expected an object of at most {MAX_CATEGORIES} counts")
    return {_name(name): _count(count, most, where) for name, count in value.items()}


def _float(value: Json, where: str) -> float:
    try:
        number = float.fromhex(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or number.hex() != value:
        raise Malformed(
            f"{where}: expected a finite float as float.hex() writes it, got {str(value)[:30]!r}"
        )
    return number
