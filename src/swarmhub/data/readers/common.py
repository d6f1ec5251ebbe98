"""Helpers that several readers share: names of columns, words, limits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.data.cells import MAX_NAME, tidy
from swarmhub.data.frames import Frame, Request, Words
from swarmhub.errors import BadInput, plain

MAX_TEXT = 1 << 16  # characters of a protein group
MAX_VALUES = 500_000_000  # of a dense matrix: 4 GB as float64
EXACT = 2**53  # from here on float64 loses whole numbers
TRUE, FALSE = "TRUE", "FALSE"  # as in workbooks and their exports
SHOWN = 3  # names in a sentence

_NAMESPACES = {
    "ensembl": re.compile(r"ENS[A-Z]{0,5}G\d{11}(\.\d+)?"),
    "uniprot": re.compile(
        r"([OPQ]\d[A-Z\d]{3}\d|[A-NR-Z]\d(?:[A-Z][A-Z\d]{2}\d){1,2})(-\d+)?"
    ),
    "olink": re.compile(r"OID\d{5}"),
    "rsid": re.compile(r"rs\d+(_[ACGT]+)?"),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Described(Frame):
    """A frame with more on its columns. `labels` are the words of a person for the p columns of x
    (a gene's symbol, a whole protein group), () if there are none. `shape` is that of one row of x
    if it is an image, in C order."""

    labels: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()


def check_names(names: Iterable[str], source: str, advice: str = "rename one") -> tuple[str, ...]:
    """Return the names of the columns of x, tidied. Raises BadInput for one that is empty, too
    long, or there twice."""
    found = [tidy(name) for name in names]
    place: dict[str, int] = {}
    for k, name in enumerate(found, start=1):
        if not name:
            raise BadInput(f"{source}: column {k} has no name; name it.")
        if len(name) > MAX_NAME:
            raise BadInput(f"{source}: the name of column {k} is longer than {MAX_NAME} letters.")
        if name in place:
            raise BadInput(
                f"{source}: columns {place[name]} and {k} are both named '{plain(name, 60)}'; "
                f"{advice}."
            )
        place[name] = k
    return tuple(found)


def check_sheet(names: Iterable[str], sheet: Mapping[str, Words], source: str) -> None:
    """Raise BadInput if a column of x and one of the sheet have the same name."""
    for name in names:
        if name in sheet:
            raise BadInput(
                f"{source}: a measurement and a column on samples are both named "
                f"'{plain(name, 60)}'; rename one."
            )


def tidied(words: Words, missing: frozenset[str], longest: int = MAX_NAME) -> Words:
    """Return the column with each word tidied and cut, without the words for missing values."""

    def change(word: str) -> str | None:
        text = tidy(word)
        return None if text.lower() in missing else text[:longest]

    return words.mapped(change)


def words_of(texts: Iterable[str | None], missing: frozenset[str]) -> Words:
    """Return the column of these texts, tidied; words for missing values are None."""
    return tidied(Words.of(texts), missing)


def words_of_numbers(values: Any) -> Words:
    """Return numbers or truth values as their exact text, (n,); NaN is missing."""
    if values.dtype.kind == "b":
        return Words(values.astype(np.int32), (FALSE, TRUE))
    distinct, codes = np.unique(values, return_inverse=True)
    if values.dtype.kind == "f":
        codes = np.where(np.isnan(values), -1, codes)
        distinct = distinct[~np.isnan(distinct)]
    return Words(codes.astype(np.int32), tuple(map(say_number, distinct)))


def say_number(number: Any) -> str:
    """Return a number's shortest exact text: '7' for 7.0."""
    if float(number).is_integer() and abs(number) < EXACT:
        return str(int(number))
    return str(number)  # of a NumPy scalar: as many digits as its own type needs


def need_room(rows: int, columns: int, source: str, advice: str) -> None:
    """Raise BadInput if a dense matrix would not fit into memory."""
    if rows * columns > MAX_VALUES:
        raise BadInput(
            f"{source} has {rows} rows and {columns} columns, more than the {MAX_VALUES} values "
            f"that are read at once; {advice}."
        )


def find_namespace(names: Sequence[str]) -> str:
    """Return the namespace that nearly all names belong to, "" if there is none."""
    sample = names[:: max(1, len(names) // 500)]
    for namespace, pattern in _NAMESPACES.items():
        fits = sum(1 for name in sample if pattern.fullmatch(name))
        if fits and fits >= 0.9 * len(sample):
            return namespace
    return ""


def choose(request: Request, option: str, known: Sequence[str]) -> str:
    """Return the value of an option, the first of the known ones if it is not given. Raises
    BadInput for another value."""
    given = request.options.get(option, known[0])
    if given not in known:
        raise BadInput(
            f"Expected the option {option} to be {' or '.join(known)}, got '{plain(given, 30)}'."
        )
    return given


def damaged(path: Path, kind: str) -> BadInput:
    """Return a sentence on a file that a library could not read."""
    return BadInput(
        f"{path.name} cannot be read as {kind}: it is damaged, cut short or of another format; "
        "compare its size with the original's, and copy it again."
    )


def say_names(names: Sequence[str]) -> str:
    """Return the first few names for a sentence."""
    shown = ", ".join(f"'{plain(n, 40)}'" for n in names[:SHOWN])
    return shown + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")
