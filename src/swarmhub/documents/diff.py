"""The difference between two versions of a study's code, as unified diffs (POSIX `diff -u`).

difflib compares runs of equal lines, and its time can grow with the product of the lines, which a
peer may choose. So equal beginnings and ends are set aside, and what is left is compared line by
line only up to a product, in all files together; beyond it a file counts as replaced.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from swarmhub.documents.bundle import Bundle
from swarmhub.documents.text import escape_text

CONTEXT = 3  # equal lines before and after each change
MAX_PRODUCT = 4_000_000  # of lines before and after, in all files: two of 2,000 lines; 0.3 s

Change = Literal["new", "gone", "changed"]


@dataclass(frozen=True)
class FileDiff:
    """A file that is not the same as before; `lines` are those of its unified diff."""

    name: str
    change: Change
    lines: tuple[str, ...]


def diff_bundles(old: Bundle, new: Bundle) -> tuple[FileDiff, ...]:
    """Return the files that differ, by name; characters that cannot be seen are escaped."""
    before = {file.name: file.data for file in old.files}
    after = {file.name: file.data for file in new.files}
    left, found = MAX_PRODUCT, []
    for name in sorted({*before, *after}):
        a, b = before.get(name), after.get(name)
        if a == b:
            continue
        change: Change = "new" if a is None else "gone" if b is None else "changed"
        lines, cost = _diff(_split(a or b""), _split(b or b""), left)
        left -= cost
        found.append(FileDiff(name, change, tuple(lines)))
    return tuple(found)


def _split(data: bytes) -> list[str]:
    text = data.decode()
    lines = [escape_text(line) for line in text.split("\n")]
    if lines[-1] == "":
        return lines[:-1]
    return [*lines[:-1], f"{lines[-1]}\n\\ No newline at end of file"]


def _diff(a: list[str], b: list[str], budget: int) -> tuple[list[str], int]:
    """Return the lines of a unified diff, and the product that it took of the budget."""
    start = _count_equal(a, b)
    end = _count_equal(a[start:][::-1], b[start:][::-1])
    old, new = a[start : len(a) - end], b[start : len(b) - end]
    before, after = a[max(0, start - CONTEXT) : start], a[len(a) - end :][:CONTEXT]
    first = start - len(before)
    product = len(old) * len(new)
    if product > budget:
        hunk = [*_mark(" ", before), *_mark("-", old), *_mark("+", new), *_mark(" ", after)]
        edge = len(before) + len(after)
        head = _head(first, len(old) + edge, first, len(new) + edge)
        return _flatten([head, *hunk]), 0
    made = list(difflib.unified_diff([*before, *old, *after], [*before, *new, *after],
                                     n=CONTEXT, lineterm=""))[2:]  # fmt: skip
    return _flatten([_shift(line, first) for line in made]), product


def _count_equal(a: Sequence[str], b: Sequence[str]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count


def _mark(sign: str, lines: Sequence[str]) -> list[str]:
    return [f"{sign}{line}" for line in lines]


def _flatten(lines: Sequence[str]) -> list[str]:
    return [part for line in lines for part in line.split("\n")]


def _head(a: int, size_a: int, b: int, size_b: int) -> str:
    return f"@@ -{a + bool(size_a)},{size_a} +{b + bool(size_b)},{size_b} @@"


def _shift(line: str, by: int) -> str:
    """Return a line of a diff with the place of a hunk counted from the file's beginning."""
    if not line.startswith("@@ ") or not by:
        return line
    old, new = line.split()[1:3]
    return f"@@ {_move(old, by)} {_move(new, by)} @@"


def _move(place: str, by: int) -> str:
    at, comma, size = place[1:].partition(",")
    return f"{place[0]}{int(at) + by}{comma}{size}"
