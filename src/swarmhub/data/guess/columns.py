"""The columns of a hospital's files, as a guess looks at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from swarmhub.data.cells import NOT_MEASURED, Cells, kind_of, number_of
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.identifiers import normalise_name, why_column, why_identifier

MOST_LOOKED_AT = 5_000  # columns of numbers of a file: an outcome is no gene
MOST_WORDS = 50  # distinct values that are kept of a column


@dataclass(frozen=True, eq=False)
class Column:
    """A column. `words` are its distinct values, the most frequent first, without those for "not
    known" (`unknown`), () if it has more than MOST_WORDS; `values` (n,) are its numbers, NaN if
    missing, None if it has other words. `why`: it looks like an identifier or dates."""

    name: str
    words: tuple[str, ...]
    distinct: int
    known: int  # rows with a value
    values: Floats | None = None
    unknown: tuple[str, ...] = ()
    why: str = ""

    @property
    def tokens(self) -> frozenset[str]:
        """The words of its name, in lower case."""
        return frozenset(normalise_name(self.name).split("_"))

    @property
    def is_whole(self) -> bool:
        """Whether all values are whole numbers."""
        if self.values is None:
            return False
        known = self.values[~np.isnan(self.values)]
        return bool(np.all(known == np.floor(known)))


def look_at(frames: Sequence[Frame]) -> list[Column]:
    """Return the columns of all files in their order; of a wide file the first of them."""
    found = []
    for frame in frames:
        by_name = {c.name: c for c in (*_of_words(frame), *_of_numbers(frame))}
        found += list(by_name.values())
    return found


def _of_words(frame: Frame) -> Iterator[Column]:
    for name, words in frame.sheet.items():
        cells = Cells(frame.source, name, frame.lines, words)
        counts = words.counts()
        unknown = tuple(w for w in counts if number_of(w) is None and kind_of(w) == NOT_MEASURED)
        known = {w: n for w, n in counts.items() if w not in unknown}
        place = [words.words.index(w) for w in known]
        is_number = bool(known) and all(number_of(w) is not None for w in known)
        values = _numbers(words, unknown) if is_number else None
        ordered = tuple(sorted(known, key=lambda w: (-known[w], w)))
        why = why_identifier(cells)
        rows = int(np.isin(words.codes, place).sum())
        kept = ordered if len(known) <= MOST_WORDS else ()
        yield Column(name, kept, len(known), rows, values, unknown, why)


def _numbers(words: Words, unknown: tuple[str, ...]) -> Floats:
    table = [np.nan if w in unknown else number_of(w) for w in words.words]
    found: Floats = np.array([*table, np.nan], dtype=np.float64)[words.codes]
    return found


def _of_numbers(frame: Frame) -> Iterator[Column]:
    if not isinstance(frame.x, np.ndarray):
        return
    for k, name in enumerate(frame.names[:MOST_LOOKED_AT]):
        values = frame.x[:, k]
        kinds, counts = np.unique(values[~np.isnan(values)], return_counts=True)
        order = np.argsort(-counts, kind="stable")
        words = tuple(f"{kinds[i]:g}" for i in order) if len(kinds) <= MOST_WORDS else ()
        yield Column(
            name, words, len(kinds), int(counts.sum()), values, why=why_column(name, values)
        )
