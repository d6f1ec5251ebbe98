"""Merging the hospitals' statistics of their tables, before any training.

Each hospital sends one canonical JSON document, sums only and no row:

    {"rows": n, "labels": {label: count}, "columns": {name:
        {"kind": "numeric", "count": c, "missing": m, "withheld": w, "mean": "0x1.8p+1",
         "m2": "0x1p-3", "bins": {bin: n}, "pairs": k, "x": hex, "y": hex, "xy": hex} |
        {"kind": "text", "count": c, "missing": m, "categories": {category: n}}},
     "outcome": a numeric column, if the outcome is measured, or a time}

`mean` and `m2` (sum of squared deviations from the mean) are over the `count` values that are
published, in the column's unit and its square, as canonical `float.hex()`; `withheld` values are
known to the hospital and not published. `bins` count values by size (`data.summaries` numbers
them). `xy` is the sum of co-deviations of values and outcome over `pairs` rows, in which their
means are `x` and `y`. The documents are hostile until checked. The merge is one of the same form:
counts are added; means and sums of deviations follow the pairwise update of Chan, Golub and LeVeque
(1979), in member-id order, float64 + - * / only, so every member gets the same bytes. A column that
a hospital does not know is missing in all of its rows.

Documents that are valid each by itself can always be merged, so that no hospital can stop a study
by contradicting the others. If a column has values of both kinds, the kind of more hospitals counts
(then: of more values; then: numeric), and the values of the other kind are missing. Beyond the
limits of a document, entries of most hospitals are kept (then: of most values; then: with the first
names).
"""

from __future__ import annotations

import heapq
import itertools
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import BadContribution, Malformed, MergeError

MAX_DOCUMENT = 64 << 20  # bytes
MAX_COLUMNS = 200_000  # as many as an omics table has, e.g. 60,000 transcripts
MAX_CATEGORIES = 1000  # a column, and labels; more is an identifier, not a category
MAX_NAME = 512  # characters

MAX_NESTED = 1_000_000  # brackets, also those in names: two a column, and some to spare
MAX_ROWS = 1 << 40  # the counts of 8,000 hospitals add up to less than codec.MAX_INT
MAX_MEAN, MAX_M2 = 1e100, 1e250  # so that no sum of any hospitals' overflows

MAX_BINS, MAX_BIN = 400, 1000  # of a column; the largest number of one, in either direction

PAIRED = ("x", "y", "xy")
KEYS = {
    "numeric": {"kind", "count", "missing", "withheld", "mean", "m2", "bins", "pairs", *PAIRED},
    "text": {"kind", "count", "missing", "categories"},
}


@dataclass
class Totals:
    """Rows by name, and the number of hospitals if it is more than one."""

    counts: dict[str, int] = field(default_factory=dict)
    sites: dict[str, int] = field(default_factory=dict)

    def add(self, counts: Mapping[str, int]) -> None:
        """Add another hospital's rows."""
        for name, count in counts.items():
            if name in self.counts:
                self.counts[name] += count
                self.sites[name] = self.sites.get(name, 1) + 1
            else:
                self.counts[name] = count

    def json(self) -> dict[str, int]:
        """Return at most MAX_CATEGORIES names, those of most hospitals first."""

        def rank(entry: tuple[str, int]) -> tuple[int, int, str]:
            name, count = entry
            return -self.sites.get(name, 1), -count, name

        return dict(heapq.nsmallest(MAX_CATEGORIES, self.counts.items(), key=rank))


@dataclass
class Paired:
    """Values beside their outcomes: `xy` is the sum of co-deviations from the means `x` and `y`."""

    pairs: int = 0
    x: float = 0.0
    y: float = 0.0
    xy: float = 0.0

    def add(self, other: Paired) -> None:
        """Add the pairs of another hospital."""
        if other.pairs:
            na, nb, n = float(self.pairs), float(other.pairs), float(self.pairs + other.pairs)
            dx, dy = other.x - self.x, other.y - self.y
            self.xy = (self.xy + other.xy) + (dx * dy) * (na * (nb / n))
            self.x = self.x + dx * (nb / n)
            self.y = self.y + dy * (nb / n)
            self.pairs += other.pairs

    def json(self) -> dict[str, Json]:
        """Return the pairs as JSON of a column."""
        return {
            "pairs": self.pairs, "x": self.x.hex(), "y": self.y.hex(), "xy": self.xy.hex(),
        }  # fmt: skip


@dataclass
class Column:
    """One column's values of one kind; `sites` is how many hospitals have such values."""

    kind: str
    sites: int = 0
    count: int = 0
    withheld: int = 0
    mean: float = 0.0
    m2: float = 0.0
    paired: Paired = field(default_factory=Paired)
    bins: dict[str, int] = field(default_factory=dict)
    categories: Totals = field(default_factory=Totals)

    @property
    def rank(self) -> tuple[int, int, bool]:
        """Priority to be kept: higher ones first."""
        return self.sites, self.count, self.kind == "numeric"

    def add(self, other: SiteColumn) -> None:
        """Add the values of another hospital."""
        if other.kind == "numeric" and other.count:
            na, nb, n = float(self.count), float(other.count), float(self.count + other.count)
            delta = other.mean - self.mean
            self.mean = self.mean + delta * (nb / n)
            self.m2 = (self.m2 + other.m2) + (delta * delta) * (na * (nb / n))
        self.categories.add(other.categories)
        self.paired.add(other.paired)
        for place, n in other.bins.items():
            self.bins[place] = self.bins.get(place, 0) + n
        self.sites += int(other.count > 0)
        self.count += other.count
        self.withheld += other.withheld

    def json(self, rows: int) -> Json:
        """Return the column as JSON of a document."""
        found: dict[str, Json] = {
            "kind": self.kind, "count": self.count, "missing": rows - self.count - self.withheld,
        }  # fmt: skip
        if self.kind == "text":
            return found | {"categories": self.categories.json()}
        most = heapq.nsmallest(MAX_BINS, self.bins.items(), key=lambda b: (-b[1], int(b[0])))
        return found | self.paired.json() | {
            "withheld": self.withheld, "mean": self.mean.hex(), "m2": self.m2.hex(),
            "bins": dict(most),
        }  # fmt: skip


@dataclass
class MergedDocument:
    """The merge so far: each column by its kinds."""

    rows: int = 0
    labels: Totals = field(default_factory=Totals)
    columns: dict[str, dict[str, Column]] = field(default_factory=dict)
    outcome: Column = field(default_factory=lambda: Column("numeric"))
    has_outcome: bool = False


@dataclass
class SiteColumn:
    """A column of one hospital's document."""

    kind: str
    count: int
    withheld: int = 0
    mean: float = 0.0
    m2: float = 0.0
    paired: Paired = field(default_factory=Paired)
    bins: dict[str, int] = field(default_factory=dict)
    categories: dict[str, int] = field(default_factory=dict)


@dataclass
class Document:
    """One hospital's document."""

    rows: int
    labels: dict[str, int]
    columns: dict[str, SiteColumn]
    outcome: SiteColumn | None = None


def merge_statistics(
    documents: Mapping[int, bytes], weights: Mapping[int, int] | None = None
) -> bytes:
    """Return the merged document of the members' documents, by member id. `weights` are how many
    rows each of them may have at most.

    Raises BadContribution for a document that is not valid or has more, MergeError for none at all.
    """
    if not documents:
        raise MergeError("Expected at least one statistics document to merge, got none.")
    merged = MergedDocument()
    for member in sorted(documents):
        most = MAX_ROWS if weights is None else min(weights[member], MAX_ROWS)
        _add(merged, _read(member, documents[member], most))
    columns = [(n, max(kinds.values(), key=_rank)) for n, kinds in merged.columns.items()]
    columns.sort(key=lambda c: (*(-x for x in c[1].rank), c[0]))
    return _write(merged, columns[:MAX_COLUMNS])


def _write(merged: MergedDocument, columns: list[tuple[str, Column]]) -> bytes:
    """Return the document with as many of the first columns as fit."""
    found = {name: column.json(merged.rows) for name, column in columns}
    document = {"rows": merged.rows, "labels": merged.labels.json(), "columns": found}
    if merged.has_outcome:
        document["outcome"] = merged.outcome.json(merged.rows)
    data = codec.encode(document)
    if len(data) > MAX_DOCUMENT:
        ends = itertools.accumulate(len(codec.encode({n: c})) for n, c in found.items())
        room = MAX_DOCUMENT - len(codec.encode(document | {"columns": {}}))
        fits = [name for name, end in zip(found, ends, strict=True) if end <= room]
        data = codec.encode(document | {"columns": {name: found[name] for name in fits}})
    return data


def _rank(column: Column) -> tuple[int, int, bool]:
    return column.rank


# adding


def _add(merged: MergedDocument, site: Document) -> None:
    while site.columns:
        name, column = site.columns.popitem()
        kinds = merged.columns.setdefault(name, {})
        kinds.setdefault(column.kind, Column(column.kind)).add(column)
    if site.outcome is not None:
        merged.outcome.add(site.outcome)
        merged.has_outcome = True
    merged.labels.add(site.labels)
    merged.rows += site.rows


# reading a hospital's document


def _read(member: int, data: bytes, most_rows: int) -> Document:
    try:
        return _document(codec.decode(data, MAX_DOCUMENT, MAX_NESTED), most_rows)
    except Malformed as error:
        raise BadContribution(member, str(error).rstrip(".")) from None


def _document(value: Json, most_rows: int) -> Document:
    has_outcome = isinstance(value, dict) and "outcome" in value
    outcome = {"outcome"} if has_outcome else set()
    _keys(value, {"rows", "labels", "columns"} | outcome, "the document")
    rows = _count(value["rows"], most_rows, "rows")
    labels = _counts(value["labels"], rows, "labels")
    if sum(labels.values()) > rows:
        raise Malformed(f"labels: expected at most the {rows} rows in all")
    columns = value["columns"]
    if not isinstance(columns, dict) or len(columns) > MAX_COLUMNS:
        raise Malformed(f"expected an object of at most {MAX_COLUMNS} columns")
    found = {}
    while columns:  # columns are freed once read: 64 MB make many objects
        name, column = columns.popitem()
        found[name] = _column(column, rows, f"column {_name(name)[:60]!r}")
    measured = _column(value["outcome"], rows, "outcome") if has_outcome else None
    if measured is not None and measured.kind != "numeric":
        raise Malformed("outcome: expected the kind to be numeric")
    return Document(rows, labels, found, measured)


def _column(value: Json, rows: int, where: str) -> SiteColumn:
    kind = value.get("kind") if isinstance(value, dict) else None
    if kind not in ("numeric", "text"):
        raise Malformed(f"{where}: expected the kind to be numeric or text")
    _keys(value, KEYS[kind], where)
    count = _count(value["count"], codec.MAX_INT, f"{where}, count")
    missing = _count(value["missing"], codec.MAX_INT, f"{where}, missing")
    withheld = _count(value.get("withheld", 0), codec.MAX_INT, f"{where}, withheld")
    if count + missing + withheld != rows:
        raise Malformed(f"{where}: expected count + missing + withheld to be the {rows} rows")
    if kind == "text":
        categories = _counts(value["categories"], count, f"{where}, categories")
        if sum(categories.values()) > count:
            raise Malformed(f"{where}: the categories add up to more than the {count} values")
        return SiteColumn(kind, count, categories=categories)
    mean, m2 = _float(value["mean"], f"{where}, mean"), _float(value["m2"], f"{where}, m2")
    if not (abs(mean) <= MAX_MEAN and 0 <= m2 <= MAX_M2):
        raise Malformed(
            f"{where}: expected a mean within {MAX_MEAN} and m2 from 0 to {MAX_M2}, "
            f"got {mean} and {m2}; rescale the column"
        )
    if count == 0:  # nothing was averaged, whatever the document says
        mean = m2 = 0.0
    bins = _bins(value["bins"], count, where)
    return SiteColumn(kind, count, withheld, mean, m2, _paired(value, count, where), bins)


def _paired(value: Json, count: int, where: str) -> Paired:
    pairs = _count(value["pairs"], count, f"{where}, pairs")
    x, y, xy = (_float(value[key], f"{where}, {key}") for key in PAIRED)
    if not (abs(x) <= MAX_MEAN and abs(y) <= MAX_MEAN and abs(xy) <= MAX_M2):
        raise Malformed(f"{where}: expected x and y within {MAX_MEAN} and xy within {MAX_M2}")
    return Paired(pairs, x, y, xy) if pairs else Paired()


def _bins(value: Json, count: int, where: str) -> dict[str, int]:
    if not isinstance(value, dict) or len(value) > MAX_BINS:
        raise Malformed(f"{where}: expected an object of at most {MAX_BINS} bins")
    for place in value:
        if not re.fullmatch(r"0|-?[1-9][0-9]{0,3}", place) or abs(int(place)) > MAX_BIN:
            raise Malformed(f"{where}: expected bins from -{MAX_BIN} to {MAX_BIN}")
    found = {place: _count(n, count, f"{where}, bins") for place, n in value.items()}
    if sum(found.values()) > count:
        raise Malformed(f"{where}: the bins add up to more than the {count} values")
    return found


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
