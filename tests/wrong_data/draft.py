"""A fault while it is made, and the value that comes of it.

A generator gets a `Draft` of clean data, spoils it and says how it is to be found. The seed varies
hospital, position and column; `variant` (the seed modulo 3) goes from plain to subtle.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from .clean import HOSPITALS, SECOND_WORDS, Array, Setting, Study, make_study, seeded
from .sheets import MISSING, Sheet, line_of

Files = dict[str, dict[str, bytes]]


@dataclass(frozen=True)
class Fault:
    """Files of four hospitals with one fault, or with none, and how a right finding is known.

    files     hospital -> name of a file -> its bytes; `roles` says what each file is
    hospital  the faulty one; "" if the fault is at every hospital or there is none
    line      as an editor counts them, 1 is the header; 0 if no line applies
    cell      the text at this line and column, if there is one
    least     the least severity of a right finding: error, warning or info; "" for none
    mendable  a reader that takes the data as they are meant may be silent
    clues     lower-case patterns that one finding has all of
    also      patterns that some finding has (more columns of the same fault)
    secrets   what no finding may show, such as ids
    """

    name: str
    seed: int
    what: str
    files: Files
    roles: dict[str, str]
    declaration: dict[str, Any]
    hospital: str = ""
    file: str = ""
    column: str = ""
    line: int = 0
    cell: str = ""
    needs_merged: bool = False
    least: str = ""
    mendable: bool = False
    clues: frozenset[str] = frozenset()
    also: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()

    def is_found_in(self, findings: Iterable[str]) -> bool:
        """Tells if one finding has all clues, and the further columns are named."""
        said = [finding.lower() for finding in findings]
        one = any(all(re.search(clue, text) for clue in self.clues) for text in said)
        return one and all(any(re.search(more, text) for text in said) for more in self.also)

    def write(self, folder: Path) -> dict[str, list[Path]]:
        """Writes all files, and gives each hospital's paths."""
        folder.mkdir(parents=True, exist_ok=True)
        paths = {}
        for hospital, files in self.files.items():
            paths[hospital] = [folder / name for name in files]
            for path in paths[hospital]:
                path.write_bytes(files[path.name])
        return paths

    def find_secrets(self, findings: Iterable[str]) -> list[str]:
        """Gives the secrets that the findings show."""
        said = "\n".join(findings)
        return sorted(secret for secret in self.secrets if secret in said)


def word(text: str) -> str:
    """Makes a pattern of a name that stands alone."""
    return rf"(?<!\w){re.escape(text.lower())}(?!\w)"


def number(line: int) -> str:
    """Makes a pattern of a line's number."""
    return rf"(?<![\d.]){line}(?!\d|\.\d)"


def any_of(*patterns: str) -> str:
    """Makes a pattern that any of these fulfils."""
    return "(?:" + "|".join(patterns) + ")"


@dataclass
class Draft:
    """Clean data that a generator spoils, and what it says about the fault."""

    study: Study
    rng: np.random.Generator
    seed: int
    hospital: str
    where: str = ""  # the hospital that the fault is said to be at
    column: str = ""
    line: int = 0
    cell: str = ""
    clues: set[str] = field(default_factory=set)
    also: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    files: Files = field(default_factory=dict)  # instead of the sheets, for these hospitals
    file: str = ""
    roles: dict[str, str] = field(default_factory=dict)

    @property
    def variant(self) -> int:
        """Gives 0 for a plain fault, 2 for a subtle one."""
        return self.seed % 3

    @property
    def sheet(self) -> Sheet:
        """Gives the faulty hospital's table."""
        return self.study.sheets[self.hospital]

    @property
    def file_name(self) -> str:
        """Gives the name of the faulty hospital's file."""
        return f"{self.hospital}.csv"

    def by_variant(self, *choices: Any) -> Any:
        """Gives the choice for this seed's variant."""
        return choices[self.variant]

    def choose(self, choices: Iterable[Any]) -> Any:
        """Draws one."""
        choices = list(choices)
        return choices[int(self.rng.integers(len(choices)))]

    def values(self, column: str, hospital: str = "") -> Array:
        """Gives a column's numbers; a gap is NaN."""
        texts = self.study.sheets[hospital or self.hospital].cells(column)
        return np.array([np.nan if text in MISSING else float(text) for text in texts])

    def rows_with(self, column: str, count: int) -> list[int]:
        """Draws rows with a value in this column, not in the first lines; sorted."""
        rows = [k for k in self.sheet.filled(column) if k > 3]
        return sorted(int(k) for k in self.rng.choice(rows, min(count, len(rows)), replace=False))

    def share(self, *shares: float) -> int:
        """Gives a number of rows by the variant's share of them, at least one."""
        return max(1, round(self.by_variant(*shares) * len(self.sheet.rows)))

    def at(self, column: str, row: int | None = None) -> None:
        """Says that the fault is in this column, and at this row first."""
        self.column = column
        self.clues.add(word(column))
        if row is not None:
            self.at_line(line_of(row))
            self.cell = self.sheet.get(row, column)

    def at_line(self, line: int) -> None:
        """Says that the fault is at this line."""
        self.line = line
        self.clues.add(number(line))

    def say(self, *patterns: str) -> None:
        """Says that a right finding has one of these."""
        self.clues.add(any_of(*patterns))

    def write(self, content: bytes) -> None:
        """Makes this the faulty hospital's file."""
        self.files[self.hospital] = {self.file_name: content}

    def add_input(self, name: str, make: Callable[[Sheet, str], list[str]]) -> None:
        """Gives every hospital a further column that the study declares as an input."""
        for hospital, sheet in self.study.sheets.items():
            sheet.add(name, make(sheet, hospital))
        self.study.declaration["inputs"].append(name)

    def everywhere(self) -> None:
        """Says that the fault is at every hospital."""
        self.where = ""


@dataclass(frozen=True)
class Maker:
    """A generator with what is known of its faults beforehand."""

    make: Callable[[Draft], None]
    what: str
    least: str
    merged: bool
    mendable: bool
    setting: Callable[[int, str], dict[str, Any]] | None


MAKERS: dict[str, Maker] = {}


def register(
    name: str,
    what: str,
    least: str = "error",
    *,
    merged: bool = False,
    mendable: bool = False,
    setting: Callable[[int, str], dict[str, Any]] | None = None,
) -> Callable[[Callable[[Draft], None]], Callable[[Draft], None]]:
    """Enters a generator under its name."""

    def enter(make: Callable[[Draft], None]) -> Callable[[Draft], None]:
        MAKERS[name] = Maker(make, what, least, merged, mendable, setting)
        return make

    return enter


def start(name: str, seed: int) -> Draft:
    """Makes the clean data that a fault is put into: its clean twin."""
    rng = seeded(seed, name)
    hospital = str(rng.choice(HOSPITALS))
    change: dict[str, Any] = {"panel": ("proteins", "genes", "proteins")[seed % 3]}
    if seed % 3 == 2:
        change |= {"positive": SECOND_WORDS[0], "negative": SECOND_WORDS[1], "outcome": "course"}
    setting = MAKERS[name].setting
    change |= setting(seed, hospital) if setting else {}
    return Draft(make_study(Setting(seed, **change)), rng, seed, hospital, where=hospital)


def finish(name: str, draft: Draft) -> Fault:
    """Writes the files and freezes what was said."""
    maker, sheets = MAKERS[name], draft.study.sheets
    files = {h: {f"{h}.csv": sheet.text().encode()} for h, sheet in sheets.items()} | draft.files
    names = [file for its in files.values() for file in its]
    ids = {i for sheet in sheets.values() for i in sheet.cells("patient_id")}
    return Fault(
        name, draft.seed, maker.what, files,
        {file: draft.roles.get(file, "table") for file in names},
        copy.deepcopy(draft.study.declaration),
        hospital=draft.where if maker.least else "",
        file=(draft.file or next(iter(files[draft.where]))) if draft.where and maker.least else "",
        column=draft.column, line=draft.line, cell=draft.cell,
        needs_merged=maker.merged, least=maker.least, mendable=maker.mendable,
        clues=frozenset(draft.clues), also=frozenset(draft.also),
        secrets=frozenset(draft.secrets | {i for i in ids if len(i) > 4 and i[-1].isdigit()}),
    )  # fmt: skip
