"""Conversion of the cells of one column to numbers or categories.

A column is numeric if every value that is not missing is a finite number, else text. In between are
columns of measurements with a few cells that are no numbers: '<5.0' below the detection limit,
'12,5', '7.1 mg/l', 'n.d.', a slip of the pen. Taken for text, such a column would be lost silently,
so it is refused with the line and the kind of text that was found there. A cell's content is a
patient's and is never shown.
"""

from __future__ import annotations

import functools
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput, plain

Column = npt.NDArray[Any]  # (n,) float64 with NaN, or (n,) object of str | None

MISSING = frozenset(["", "na", "n/a", "nan", "null", "none", "?", ".", "<na>", "#n/a"])  # any case
LARGEST = 1e100  # above it a square overflows and it is no measurement
MAX_NAME = 512  # characters of a column name or a category, as in the statistics document
MAX_CODES = 10  # distinct whole numbers; a column with more of them has measurements, not codes
MAX_NUMBER = 40  # characters, with any text around it

_INVISIBLE = str.maketrans("", "", "\u200b\u200c\u200d\u2060\ufeff\u00ad")
_NUMBER = r"[-+−]?\s?\d[\d.,'\u2019 \u00a0\u202f]*(?:[eE][-+]?\d+)?"
_LIMIT = re.compile(rf"(?:[<>≤≥~≈=±]|&[lg]t;)+\s*{_NUMBER}\D{{0,12}}")
_MARKED = re.compile(rf"{_NUMBER}\s*\D{{1,12}}|[^\w\s]{{1,3}}\s*{_NUMBER}|{_NUMBER}")
_COMMAS = re.compile(r"[-+−]?\d[\d.' \u2019\u00a0\u202f]*(?:,\d+)+")
_WORDS = (
    "n.d. n.d nd n/d n.a. n.a - -- --- – — unknown unk missing not_done not_measured pending tbd "
    "lod <lod bdl bql lloq <lloq not_detected below_detection_limit below_limit #value! #div/0! "
    "#ref! #name? #num! error"
)
_NOT_MEASURED = frozenset(_WORDS.split())

LIMIT = "a value beyond a limit of detection ('<' or '>' before a number)"
COMMA = "a number with a comma"
MARKED = "a number with other signs or a unit"
NOT_MEASURED = "a word or sign for 'not measured'"
TEXT = "text"
ADVICE = {
    LIMIT: "write the number that all hospitals agree on for such values (half of the limit, say), "
    "or leave the cell empty",
    COMMA: "write numbers with decimal points and without separators of thousands",
    MARKED: "write the number alone, in the unit that all hospitals use",
    NOT_MEASURED: "leave the cell empty",
    TEXT: "write a number, or leave the cell empty",
}


def tidy(text: str) -> str:
    """Return the text without spaces at its ends and invisible characters, in Unicode's NFC."""
    text = text.strip()
    if text.isascii():
        return text
    return unicodedata.normalize("NFC", text.translate(_INVISIBLE)).strip()


def tidy_row(row: Sequence[str]) -> list[str]:
    """Return each cell as `tidy` gives it."""
    return list(map(str.strip if "".join(row).isascii() else tidy, row))


def number_of(text: str) -> float | None:
    """Return a number (possibly infinite), NaN for missing, None for text."""
    try:
        return float(text) if "_" not in text else None  # Python alone reads 1_000 as a number
    except ValueError:
        return math.nan if text.lower() in MISSING else None


def is_number(text: str) -> bool:
    """Return whether the text is a number, not missing and not text."""
    found = number_of(text)
    return found is not None and not math.isnan(found)


def kind_of(text: str) -> str:
    """Return the kind of text in a cell that is no number, in words that show nothing of it."""
    if len(text) > MAX_NUMBER:
        return TEXT
    if _LIMIT.fullmatch(text):
        return LIMIT
    if "_".join(text.lower().split()) in _NOT_MEASURED:
        return NOT_MEASURED
    if _COMMAS.fullmatch(text):
        return COMMA
    return MARKED if _MARKED.fullmatch(text) else TEXT


@dataclass(frozen=True)
class Cells:
    """One column as it was read: `cells` are tidied, `lines` say on which line of `source` each
    one's row starts."""

    source: str
    name: str
    lines: Sequence[int]
    cells: list[str]

    @functools.cached_property
    def numbers(self) -> list[float | None]:
        """Each cell as `number_of` reads it."""
        return list(map(number_of, self.cells))

    @property
    def is_numeric(self) -> bool:
        """Whether no cell has text."""
        return None not in self.numbers

    @functools.cached_property
    def _mixture(self) -> _Mixture:
        return _Mixture.of(self.cells, self.numbers)

    @property
    def is_spoilt(self) -> bool:
        """Whether these are numbers with some cells among them that are none."""
        return bool(self._mixture.numbers) and self._mixture.is_spoilt

    @property
    def known(self) -> list[str]:
        """The cells that are not missing."""
        return [cell for cell in self.cells if cell.lower() not in MISSING]

    def place(self, position: int | None = None) -> str:
        """Return the name of the column, or of one of its cells, for errors: file, line, column."""
        line = "" if position is None else f", line {self.lines[position]}"
        return f"{self.source}{line}, column '{plain(self.name, 60)}'"

    def column(self, as_text: bool | None = None) -> tuple[Column, str]:
        """Return (n,) values, and a sentence on them that a person should know ("" if nothing).
        `as_text` gives the kind, None lets the cells decide.

        Raises BadInput if a cell of a numeric column is no finite number.
        """
        if as_text:
            return self._categories(), ""
        if self.is_numeric:
            return self._measurements(), ""
        mixture = self._mixture
        if as_text is False or mixture.is_spoilt:
            raise BadInput(self._refusal(mixture))
        if not mixture.numbers:
            return self._categories(), ""
        note = f"{self.place()} has numbers and text; it is read as text, each value a category."
        return self._categories(), note

    def _measurements(self) -> Column:
        values = np.array(self.numbers, dtype=np.float64)
        wrong = np.flatnonzero(np.abs(values) > LARGEST)
        if len(wrong):
            found = "an infinite one" if np.isinf(values[wrong[0]]) else "a larger one"
            raise BadInput(
                f"{self.place(int(wrong[0]))}: expected a finite number of at most {LARGEST:g}, "
                f"got {found}; leave the cell empty if the value is not known."
            )
        return values

    def _categories(self) -> Column:
        values = np.empty(len(self.cells), dtype=object)
        values[:] = [None if c.lower() in MISSING else c[:MAX_NAME] for c in self.cells]
        return values

    def _refusal(self, found: _Mixture) -> str:
        first = min(found.words, key=lambda k: (found.words[k] == NOT_MEASURED, k))
        kind, words = found.words[first], len(found.words)
        more = f" (and {words - 1} more cells that are no numbers)" if words > 1 else ""
        plain = len(found.numbers)
        others = f" as in {plain} of {len(self.cells)} rows" if plain else ""
        return f"{self.place(first)}: expected a number{others}, got {kind}{more}; {ADVICE[kind]}."


@dataclass(frozen=True)
class _Mixture:
    """A column with text in it: its numbers, and the kinds of its words by position."""

    numbers: list[float]
    words: dict[int, str]
    distinct: set[str]  # words

    @classmethod
    def of(cls, cells: list[str], numbers: list[float | None]) -> _Mixture:
        plain = [n for n in numbers if n is not None and not math.isnan(n)]
        kinds = {k: kind_of(cell) for k, cell in enumerate(cells) if numbers[k] is None}
        return cls(plain, kinds, {cells[k] for k in kinds})

    @property
    def is_measured(self) -> bool:
        """Whether the numbers are measurements and not codes of categories."""
        found = set(self.numbers)
        return len(found) > MAX_CODES or any(not n.is_integer() for n in found)

    @property
    def is_spoilt(self) -> bool:
        """Whether this is a numeric column with cells that are none, not one of categories."""
        kinds = set(self.words.values())
        plain, words = len(self.numbers), len(self.words)
        return (
            kinds <= {COMMA}
            or (
                kinds <= {LIMIT} and len({word[0] for word in self.distinct}) == 1
            )  # no '>=' to '<'
            or (plain > 0 and kinds <= {COMMA, LIMIT, NOT_MEASURED})
            or (TEXT not in kinds and len(self.distinct) > MAX_CODES)
            or (plain >= words and self.is_measured)
            or (plain >= 20 and plain >= 19 * words)  # a slip in a column of codes
        )
