"""The features of a study, which every hospital derives alike from the merged statistics.

Numbers are standardised with the swarm's mean and standard deviation; a column of words becomes one
0/1 feature "column=category" for each published category, standardised too, so that one penalty
suits all features. A missing value takes the mean, which is 0 after standardising; with `mean +
indicator` a column that some rows lack gets a 0/1 feature that says so, and a block that a hospital
lacks as a whole one for all its columns. Left out, at every site alike: columns that are missing in
more than `max_missing` of all rows, and columns that do not vary.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.data.cells import FLAG
from swarmhub.data.dataset import Dataset
from swarmhub.data.frames import Floats, Words
from swarmhub.data.matrix import MAX_DENSE, Rows, SparseRows, standardise
from swarmhub.errors import BadInput, Malformed, plain

MAX_MISSING = 0.6  # of all rows; beyond it imputing says more about hospitals than about patients
MAX_FEATURES = 200_000  # those with most values are kept; a row of them has 1.6 MB
MAX_DEVIATIONS = 10.0  # standard deviations; farther is a unit error or would rule the model
AT_ONCE = 1_000_000  # values that are standardised in one piece
MAX_DOCUMENT = 64 << 20  # bytes
MIN_MISSING = 0.01  # of all rows; fewer make no feature of their own
NUMBER, CATEGORY, MISSING, BLOCK = "number", "category", "missing", "block"


@dataclass(frozen=True)
class Source:
    """The origin of a feature: a `number` column, one `category` of a column of words, or whether
    a column (`missing`) or all of a block's columns (`block`) are missing."""

    kind: str
    column: str
    category: str = ""

    @property
    def name(self) -> str:
        """The feature's name for people."""
        if self.kind == CATEGORY:
            return f"{self.column}={self.category}"
        return {NUMBER: "", MISSING: "missing: ", BLOCK: "missing block: "}[self.kind] + self.column


@dataclass(frozen=True)
class Options:
    """How a design treats what is missing."""

    max_missing: float = MAX_MISSING
    with_indicators: bool = False
    blocks: tuple[str, ...] = ()  # names of blocks, if there are several
    kind: OutcomeKind = "binary"
    classes: int = 2


SMALLEST_SD, LARGEST_SD = 1e-2, 1e5  # of an outcome: errors are published in millionths


@dataclass(frozen=True, eq=False)
class Design:
    """The features of a study: the same at every hospital, in this order.

    `mean` and `sd` (p,) are in the column's unit. `class_rows` is how many training rows all
    hospitals have of each class; one number if the outcome is measured, with mean and standard
    deviation in `outcome`. Numbers come first, then categories, each sorted by name, then
    indicators. `owner` is the hospital whose means and standard deviations numbers have; "" if they
    are those of all.
    """

    sources: tuple[Source, ...]
    mean: Floats
    sd: Floats
    class_rows: tuple[int, ...]
    outcome: tuple[float, float] = (0.0, 1.0)
    owner: str = ""

    @property
    def mean_of(self) -> str:
        """The mean with which numbers are standardised, in words."""
        return f"the mean of {plain(self.owner, 60)}" if self.owner else "the study's mean"

    @property
    def names(self) -> tuple[str, ...]:
        """The features' names."""
        return tuple(source.name for source in self.sources)

    @classmethod
    def from_statistics(cls, merged: bytes, options: Options | None = None) -> Design:
        """Return the design that follows from merged statistics.

        Raises Malformed if the bytes are no such document; BadInput if nothing can be learned from
        it: a label that no row has, or no feature left.
        """
        document = read_statistics(merged)
        options = options or Options()
        rows = int(document["rows"])
        class_rows, outcome = _read_outcome(document, options)
        try:
            features = _features(document["columns"], rows, options)
            kept = heapq.nsmallest(MAX_FEATURES, features, key=lambda f: (-f[0], f[1:]))
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError):
            raise _malformed() from None
        if options.kind == "time_to_event" and class_rows[1] == 0:
            raise BadInput("Expected patients with the event, but no hospital has one.")
        if min(class_rows) == 0 and options.kind != "time_to_event":
            absent = class_rows.index(0)
            all_of = "both labels" if len(class_rows) == 2 else f"all {len(class_rows)} classes"
            raise BadInput(
                f"Expected {all_of}, but no hospital has a row with label {absent}; "
                "check the label column or enrol a hospital that has such patients."
            )
        if not kept:
            raise BadInput(
                f"No column can be used: each is missing in more than {options.max_missing:.0%} of "
                "the rows, does not vary, or is text without a frequent category; check the tables."
            )
        order = (NUMBER, CATEGORY, MISSING, BLOCK)
        kept.sort(key=lambda f: (order.index(f[1]), f[2:4]))
        sources = tuple(Source(kind, column, category) for _, kind, column, category, *_ in kept)
        mean, sd = (np.array([f[k] for f in kept], dtype=np.float64) for k in (4, 5))
        return cls(sources, mean, sd, class_rows, outcome)

    def matrix(self, dataset: Dataset) -> Floats:
        """Return the dataset's rows as standardised features, (n, p) float64, finite.

        Columns that the study does not know are ignored; a column that the dataset lacks, or has as
        the other kind (`mismatched`), is missing throughout.
        """
        x = np.zeros((dataset.rows, len(self.sources)))
        place = {name: k for k, name in enumerate(dataset.features)}
        known = [(j, place[s.column]) for j, s in enumerate(self.sources)
                 if s.kind == NUMBER and s.column in place]  # fmt: skip
        data: Any = dataset.x.tocsc() if dataset.is_sparse and known else dataset.x
        step = max(1, AT_ONCE // max(1, dataset.rows))
        for start in range(0, len(known), step):
            mine, theirs = (np.array(k) for k in zip(*known[start : start + step], strict=True))
            part: Any = data[:, theirs]
            part = part if isinstance(part, np.ndarray) else part.toarray()
            values = (part - self.mean[mine]) / self.sd[mine]
            np.nan_to_num(values, copy=False, nan=0.0)
            x[:, mine] = values
        for j, source in enumerate(self.sources):
            base = source.column.removesuffix(FLAG)
            if source.kind == NUMBER and base != source.column and source.column not in place:
                x[:, j] = self._flag(j, dataset, place.get(base))  # no value is below the limit
            if source.kind != NUMBER:
                x[:, j] = self._words(j, source, dataset, place)
        return np.clip(x, -MAX_DEVIATIONS, MAX_DEVIATIONS, out=x)

    def rows(self, dataset: Dataset) -> Rows:
        """Return the same as `matrix`, without a dense copy if the dataset is sparse and has more
        than MAX_DENSE features of rows."""
        if not dataset.is_sparse or dataset.rows * len(self.sources) <= MAX_DENSE:
            return self.matrix(dataset)
        place = {name: k for k, name in enumerate(dataset.features)}
        is_stored = np.array([s.kind == NUMBER and s.column in place for s in self.sources])
        at, rest = np.flatnonzero(is_stored), np.flatnonzero(~is_stored)
        column = np.array([place[self.sources[j].column] for j in at], dtype=np.int64)
        raw, fix, scale, shift = standardise(
            dataset.x, column, self.mean[at], self.sd[at], MAX_DEVIATIONS
        )
        others = Design(
            tuple(self.sources[j] for j in rest), self.mean[rest], self.sd[rest], self.class_rows
        )
        return SparseRows(raw, fix, column, at, scale, shift, rest, others.matrix(dataset))

    def _flag(self, j: int, dataset: Dataset, base: int | None) -> Floats | float:
        """Return the flag j of a column without any value below the limit, (n,) standardised."""
        if base is None:
            return 0.0
        column = dataset.x[:, base]
        known = ~np.isnan(column if isinstance(column, np.ndarray) else column.toarray().ravel())
        return np.where(known, -self.mean[j] / self.sd[j], 0.0)

    def _words(
        self, j: int, source: Source, dataset: Dataset, place: Mapping[str, int]
    ) -> Floats | float:
        """Return feature j, (n,) standardised, of a kind that is no number."""
        if source.kind == CATEGORY:
            words = dataset.categories.get(source.column)
            if words is None:
                return 0.0
            code = words.words.index(source.category) if source.category in words.words else -9
            raw = (words.codes == code).astype(np.float64)
            return np.where(words.known, (raw - self.mean[j]) / self.sd[j], 0.0)
        absent = (
            _block_absent(dataset, source.column)
            if source.kind == BLOCK
            else _column_absent(dataset, source.column, place)
        )
        found: Floats = (absent.astype(np.float64) - self.mean[j]) / self.sd[j]
        return found

    @property
    def kinds(self) -> dict[str, bool]:
        """Column -> whether it is text, for each column that makes a feature."""
        return {s.column: s.kind == CATEGORY for s in self.sources if s.kind in (NUMBER, CATEGORY)}

    def mismatched(self, dataset: Dataset) -> list[str]:
        """Return a sentence for each column that is a number here and text in the study, or the
        reverse."""
        found = []
        numbers = {*dataset.features}
        for column, text in self.kinds.items():
            words = dataset.categories.get(column)
            is_other = column in numbers if text else words is not None and words.known.any()
            if is_other:
                here, study = ("numbers", "text") if text else ("text", "numbers")
                found.append(
                    f"Column '{column[:60]}' has {study} in the study and {here} in this table: it "
                    "counts as missing here; prepare it as the other hospitals do."
                )
        return found


def read_statistics(merged: bytes) -> dict[str, Json]:
    """Return a statistics document. Raises Malformed if the bytes are none."""
    document = codec.decode(merged, MAX_DOCUMENT, len(merged))  # names may have brackets
    try:
        int(document["rows"])
        document["labels"].get("0", 0)
        document["columns"].items()
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _malformed() from None
    return dict(document)


def _read_outcome(
    document: dict[str, Json], options: Options
) -> tuple[tuple[int, ...], tuple[float, float]]:
    """Return the rows of each class, and mean and standard deviation of a measured outcome."""
    if options.kind != "continuous":
        labels = document["labels"]
        return tuple(int(labels.get(str(k), 0)) for k in range(options.classes)), (0.0, 1.0)
    try:
        found = document["outcome"]
        count, mean = int(found["count"]), float.fromhex(found["mean"])
        sd = math.sqrt(float.fromhex(found["m2"]) / max(count, 1))
    except (KeyError, TypeError, ValueError):
        raise _malformed() from None
    if not count or not sd > 1e-9 * abs(mean):
        raise BadInput(
            "Expected an outcome that varies and is published by a hospital (each has too few "
            "patients?); enrol hospitals with more patients."
        )
    if not SMALLEST_SD <= sd <= LARGEST_SD:
        raise BadInput(
            f"Expected an outcome with a standard deviation from {SMALLEST_SD:g} to "
            f"{LARGEST_SD:g}, got {sd:.3g}; give it in another unit at all hospitals."
        )
    return (int(document["rows"]),), (mean, sd)


def _malformed() -> Malformed:
    return Malformed("Expected a statistics document (rows, labels, columns), got other JSON.")


def _column_absent(
    dataset: Dataset, column: str, place: Mapping[str, int]
) -> npt.NDArray[np.bool_]:
    if column in place:
        values = dataset.x[:, place[column]]
        return np.isnan(values if isinstance(values, np.ndarray) else values.toarray().ravel())
    words: Words | None = dataset.categories.get(column)
    return np.ones(dataset.rows, dtype=bool) if words is None else ~words.known


def _block_absent(dataset: Dataset, name: str) -> npt.NDArray[np.bool_]:
    """Return which rows have no value in any column of a block."""
    absent = np.ones(dataset.rows, dtype=bool)
    block = next((b for b in dataset.blocks if b.name == name), None)
    if block is not None and block.stop > block.start:
        part = dataset.x[:, block.start : block.stop]
        absent &= np.isnan(part).all(axis=1) if isinstance(part, np.ndarray) else False
    for column, words in dataset.categories.items():
        if column.startswith(f"{name}/"):
            absent &= ~words.known
    return absent


Feature = tuple[int, str, str, str, float, float]  # values, kind, column, category, mean, sd


def _features(columns: Json, rows: int, options: Options) -> Iterator[Feature]:
    """Yield every feature that can be used."""
    blocks: dict[str, int] = {}
    for name, column in columns.items():
        count = column["count"]
        here = count + column.get("withheld", 0)
        block = name.split("/", 1)[0] if "/" in name else ""
        blocks[block] = max(blocks.get(block, 0), here)
        if count == 0 or here < (1.0 - options.max_missing) * rows:
            continue
        made = list(_of_column(name, column, count))
        yield from made
        missing = rows - here
        if made and options.with_indicators and min(missing, here) > MIN_MISSING * rows:
            yield (count, MISSING, name, "", *_share(missing, rows))
    for block in options.blocks:
        missing = rows - blocks.get(block, 0)
        if options.with_indicators and min(missing, rows - missing) > MIN_MISSING * rows:
            yield (rows, BLOCK, block, "", *_share(missing, rows))


def _of_column(name: str, column: Json, count: int) -> Iterator[Feature]:
    if column["kind"] == "numeric":
        mean = float.fromhex(column["mean"])
        sd = math.sqrt(float.fromhex(column["m2"]) / count)
        if sd > 1e-9 * abs(mean):  # below it the variance is rounding
            yield count, NUMBER, name, "", mean, sd
        return
    for category, n in column["categories"].items():
        if 0 < n < count:
            yield (count, CATEGORY, name, category, *_share(n, count))


def _share(n: int, of: int) -> tuple[float, float]:
    share = n / of
    return share, math.sqrt(share * (1.0 - share))
