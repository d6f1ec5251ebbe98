"""A column of words, taken for numbers, categories, or numbers with faults in them.

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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmhub.data.frames import MISSING, Floats, Words
from swarmhub.errors import BadInput, plain

Column = Floats | Words  # (n,) float64 with NaN, or words

LARGEST = 1e100  # above it a square overflows and it is no measurement
MAX_NAME = 512  # characters of a column name or a category, as in the statistics document
MAX_CODES = 10  # distinct whole numbers; a column with more of them has measurements, not codes
MAX_NUMBER = 40  # characters, with any text around it

_INVISIBLE = str.maketrans("", "", "\u200b\u200c\u200d\u2060\ufeff\u00ad")
_NUMBER = r"[-+−]?\s?\d[\d.,'\u2019 \u00a0\u202f]*(?:[eE][-+]?\d+)?"
_LIMIT = re.compile(rf"(?:[<>≤≥~≈=±]|&[lg]t;)+\s*{_NUMBER}\D{{0,12}}")
_MARKED = re.compile(rf"{_NUMBER}\s*\D{{1,12}}|[^\w\s]{{1,3}}\s*{_NUMBER}|{_NUMBER}")
_COMMAS = re.compile(r"[-+−]?\d[\d.' \u2019\u00a0\u202f]*(?:,\d+)+")
_MONTH = r"(?:jan|feb|m[aä]r|apr|ma[iy]|jun|jul|aug|sep|o[ck]t|nov|de[cz])[a-zä]*"
DATE = re.compile(
    rf"\d{{4}}[-/.]\d{{1,2}}[-/.]\d{{1,2}}(?:[T ].*)?|\d{{1,2}}[-/.]\d{{1,2}}[-/.]\d{{2,4}}"
    rf"(?:[T ].*)?|\d{{1,2}}[-. /]{{0,2}}{_MONTH}[-. /]{{0,2}}\d{{2,4}}|"
    rf"{_MONTH}[. ]{{0,2}}\d{{1,2}},? +\d{{4}}|(?:19|20)\d\d[01]\d[0-3]\d",
    re.IGNORECASE,
)
FLAG = " below the limit"  # after the name of the column that says which values were below it
_WORDS = (
    "n.d. n.d nd n/d n.a. n.a - -- --- – — unknown unk missing not_done not_measured pending tbd "
    "lod <lod bdl bql lloq <lloq not_detected below_detection_limit below_limit #value! #div/0! "
    "#ref! #name? #num! #n/a error"
)
_NOT_MEASURED = frozenset(_WORDS.split())
_LIMIT_WORDS = frozenset(
    ["lod", "<lod", "bdl", "bql", "lloq", "<lloq", "<loq", "notdetected", "belowdetectionlimit"]
)

LIMIT = "a value beyond a limit of detection ('<' or '>' before a number)"
COMMA = "a number with a comma"
MARKED = "a number with other signs or a unit"
NOT_MEASURED = "a word or sign for 'not measured'"
DATED = "a date"
TEXT = "text"
ADVICE = {
    LIMIT: "write the number that all hospitals agree on for such values (half of the limit, say), "
    "or leave the cell empty",
    COMMA: "write numbers with decimal points and without separators of thousands, or give "
    "--decimal , if all numbers of the file have commas",
    MARKED: "write the number alone, in the unit that all hospitals use",
    NOT_MEASURED: "leave the cell empty",
    DATED: "use an age or a time span instead of dates, or exclude the column",
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
    if DATE.fullmatch(text):
        return DATED
    if _LIMIT.fullmatch(text):
        return LIMIT
    if "_".join(text.lower().split()) in _NOT_MEASURED:
        return NOT_MEASURED
    if _COMMAS.fullmatch(text):
        return COMMA
    return MARKED if _MARKED.fullmatch(text) else TEXT


@dataclass(frozen=True, eq=False)
class Cells:
    """One column of words as it was read: `words` are tidied, `lines` say on which line of `source`
    each one's row starts."""

    source: str
    name: str
    lines: Sequence[int] | Any
    words: Words

    @classmethod
    def of(cls, source: str, name: str, lines: Sequence[int], texts: Iterable[str]) -> Cells:
        """Return the column of these texts, of which some may be words for missing values."""
        words = [None if t.lower() in MISSING else t for t in map(tidy, texts)]
        return cls(source, name, lines, Words.of(words))

    @functools.cached_property
    def numbers(self) -> list[float | None]:
        """Each distinct word as `number_of` reads it."""
        return list(map(number_of, self.words.words))

    @property
    def is_numeric(self) -> bool:
        """Whether no cell has text."""
        return None not in self.numbers

    @functools.cached_property
    def _mixture(self) -> _Mixture:
        return _Mixture.of(self.words, self.numbers)

    @property
    def is_spoilt(self) -> bool:
        """Whether these are numbers with some cells among them that are none."""
        return bool(self._mixture.plain) and self._mixture.is_spoilt

    def place(self, row: int | None = None) -> str:
        """Return the name of the column, or of one of its cells, for errors: file, line, column."""
        line = ""
        if row is not None:
            line = f", line {self.lines[row]}" if len(self.lines) else f", row {row + 1}"
        return f"{self.source}{line}, column '{plain(self.name, 60)}'"

    def column(self, as_text: bool | None = None) -> tuple[Column, str]:
        """Return the column as numbers or words, and a sentence on it that a person should know (""
        if nothing). `as_text` gives the kind, None lets the cells decide.

        Raises BadInput if a cell of a numeric column is no finite number.
        """
        if as_text:
            return self.words, ""
        if self.is_numeric:
            return self.measurements(), ""
        mixture = self._mixture
        if as_text is False or mixture.is_spoilt:
            raise BadInput(self._refusal(mixture))
        if not mixture.plain:
            return self.words, ""
        note = f"{self.place()} has numbers and text; it is read as text, each value a category."
        return self.words, note

    def measurements(self) -> Floats:
        """Return (n,) numbers, NaN for missing. Raises BadInput for one that is not finite."""
        table = np.array([*self.numbers, math.nan], dtype=np.float64)
        values: Floats = table[self.words.codes]
        need_finite(values, self.place)
        return values

    def below_limit(self, share: float, limit: float | None) -> tuple[Floats, Floats]:
        """Return (n,) numbers, and (n,) 1 for values below a limit of detection, which become
        `share` times the limit: the one in the cell ('<5'), or `limit` for a word such as '<LOD'.
        Raises BadInput if another cell is no number."""
        values: list[float] = []
        below: list[float] = []
        for k, (word, number) in enumerate(zip(self.words.words, self.numbers, strict=True)):
            found = number
            if number is None:
                found = limit if _is_limit_word(word) else _limit_in(word)
                if found is None:
                    first = int(np.flatnonzero(self.words.codes == k)[0])
                    raise BadInput(
                        f"{self.place(first)}: expected a number or a value below the limit of "
                        f"detection, got {kind_of(word)}; {ADVICE[kind_of(word)]}."
                    )
                found *= share
            below.append(float(number is None))
            values.append(math.nan if found is None else found)
        made: Floats = np.array([*values, math.nan])[self.words.codes]
        need_finite(made, self.place)
        flags: Floats = np.array([*below, math.nan])[self.words.codes]
        return made, flags

    def _refusal(self, found: _Mixture) -> str:
        kind_at = np.array([NO_KIND if k is None else k != NOT_MEASURED for k in found.kinds])
        of_row = kind_at[self.words.codes]
        is_word = self.words.known & (of_row != NO_KIND)
        rows = np.flatnonzero(is_word)
        first = int(min(rows, key=lambda row: (not of_row[row], row)))
        kind = found.kinds[self.words.codes[first]]
        assert kind is not None
        more = f" (and {len(rows) - 1} more cells that are no numbers)" if len(rows) > 1 else ""
        others = f" as in {found.plain} of {len(self.words)} rows" if found.plain else ""
        return f"{self.place(first)}: expected a number{others}, got {kind}{more}; {ADVICE[kind]}."


NO_KIND = -1  # of a word that is a number


def need_finite(values: Floats, place: Callable[[int], str]) -> None:
    """Raise BadInput for the first value that is infinite or no measurement by its size."""
    wrong = np.flatnonzero(np.abs(values) > LARGEST)
    if len(wrong):
        found = "an infinite one" if np.isinf(values[wrong[0]]) else "a larger one"
        raise BadInput(
            f"{place(int(wrong[0]))}: expected a finite number of at most {LARGEST:g}, "
            f"got {found}; leave the cell empty if the value is not known."
        )


def _is_limit_word(word: str) -> bool:
    return re.sub(r"[\s_.]+", "", word.lower()) in _LIMIT_WORDS


def _limit_in(word: str) -> float | None:
    """Return the number of a cell such as '<5.0'."""
    return number_of(word[1:].strip()) if word.startswith("<") else None


@dataclass(frozen=True)
class _Mixture:
    """A column with text in it: the rows with numbers and with text, and the kind of each distinct
    word (None for a number)."""

    plain: int  # rows with a number
    text: int  # rows with text
    kinds: list[str | None]
    distinct: list[str]  # words that are text
    numbers: list[float]  # distinct numbers

    @classmethod
    def of(cls, words: Words, numbers: list[float | None]) -> _Mixture:
        rows = np.bincount(words.codes[words.known], minlength=len(words.words))
        kinds = [kind_of(w) if n is None else None for w, n in zip(words.words, numbers,
                                                                  strict=True)]  # fmt: skip
        is_text = np.array([k is not None for k in kinds], dtype=bool)
        distinct = [w for w, k in zip(words.words, kinds, strict=True) if k is not None]
        plain = [n for n in numbers if n is not None]
        return cls(int(rows[~is_text].sum()), int(rows[is_text].sum()), kinds, distinct, plain)

    @property
    def is_measured(self) -> bool:
        """Whether the numbers are measurements and not codes of categories."""
        return len({*self.numbers}) > MAX_CODES or any(not n.is_integer() for n in self.numbers)

    @property
    def is_spoilt(self) -> bool:
        """Whether this is a numeric column with cells that are none, not one of categories."""
        kinds = {k for k in self.kinds if k is not None}
        return (
            kinds <= {COMMA}
            or (bool(self.distinct) and all(word.endswith("%") for word in self.distinct))
            or (
                kinds <= {LIMIT} and len({word[0] for word in self.distinct}) == 1
            )  # no '>=' to '<'
            or (self.plain > 0 and kinds <= {COMMA, LIMIT, NOT_MEASURED})
            or (TEXT not in kinds and len(self.distinct) > MAX_CODES)
            or (self.plain >= self.text and self.is_measured)
            or (self.plain >= 20 and self.plain >= 19 * self.text)  # a slip in a column of codes
        )
