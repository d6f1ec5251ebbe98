"""A study's declaration of its data (`contract.records.declaration`), checked and ready to be used.

What is not declared does not happen: which column is the outcome, which of its words mean 1, which
column names the patient, what is left out, how a block is transformed, how many patients are set
aside. `study.toml` has it under `[data]`; the words of the file become the record by `tidy_toml`.
"""

from __future__ import annotations

import fnmatch
import functools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from swarmhub.contract.records import Declaration, Inputs, Outcome
from swarmhub.data.cells import number_of, tidy
from swarmhub.data.frames import MISSING, Floats, Request, Words
from swarmhub.errors import BadInput, plain

LISTS = ("exclude", "harmless", "subgroups", "missing_words")
DECIMALS = ("test_fraction", "threshold", "max_missing", "floor", "horizon", "mean", "sd")
BLOCK_LISTS = ("columns", "words")
OUTCOME_LISTS = ("positive", "negative", "classes")
POSITIVE, NEGATIVE = ("1", "true", "yes", "positive"), ("0", "false", "no", "negative")
TABLE = "table"  # name of the block that a declaration without inputs means
MAX_TOTAL = 10**9  # counts, to which those of a row are scaled
UNKNOWN = -2  # code of a word that the declaration does not know
_DECIMAL = re.compile(r"[-+]?\d{1,15}(\.\d{1,15})?")


def tidy_toml(tree: Any) -> Any:
    """Return `[data]` of a TOML file in the form of the record: fractions as text, single words as
    lists. Anything else is left for the record's own check."""
    if not isinstance(tree, dict):
        return tree
    found = {k: _as_list(v) if k in LISTS else _as_text(k, v) for k, v in tree.items()}
    if isinstance(tree.get("outcome"), dict):
        given = tree["outcome"].items()
        found["outcome"] = {k: _as_list(v) if k in OUTCOME_LISTS else _as_text(k, v)
                            for k, v in given}  # fmt: skip
    if isinstance(tree.get("pseudobulk"), dict):
        given = tree["pseudobulk"].items()
        found["pseudobulk"] = {k: _as_list(v) if k == "types" else v for k, v in given}
    for key in ("inputs", "scales", "levels"):
        if isinstance(tree.get(key), list):
            found[key] = [_tidy_inputs(item) for item in tree[key]]
    return found


def _tidy_inputs(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    found = {k: _as_list(v) if k in BLOCK_LISTS else _as_text(k, v) for k, v in tree.items()}
    if isinstance(tree.get("limits"), dict):
        found["limits"] = {k: str(v) for k, v in tree["limits"].items()}
    return found


def _as_list(value: Any) -> Any:
    items = value if isinstance(value, list) else [value]
    return [str(i) if isinstance(i, int | float) else i for i in items]


def _as_text(key: str, value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return repr(value) if isinstance(value, float) or (is_number and key in DECIMALS) else value


def declare_label(label: str, patient: str = "") -> Declaration:
    """Return the declaration of a table with a label of 0 and 1 and nothing else to say: what a
    study without `[data]` means."""
    outcome = Outcome(label, positive=POSITIVE, negative=NEGATIVE)
    return Declaration(outcome, patient=patient)


@dataclass(frozen=True)
class Schema:
    """A checked declaration."""

    declaration: Declaration
    test_fraction: float
    threshold: float
    max_missing: float

    @classmethod
    def of(cls, declaration: Declaration) -> Schema:
        """Return the checked declaration. Raises BadInput, with the key, for one that no hospital
        could follow."""
        check_outcome(declaration.outcome)
        check_missing(declaration)
        check_pseudobulk(declaration)
        seen: set[str] = set()
        for inputs in declaration.inputs:
            if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", inputs.name) or inputs.name in seen:
                raise BadInput(
                    "Expected in data.inputs a name of 1 to 40 letters, digits, '-' and '_', "
                    f"another for each block, got '{plain(inputs.name, 40)}'."
                )
            seen.add(inputs.name)
            for where, text in (("floor", inputs.floor or "0"), *inputs.limits.items()):
                read_decimal(f"data.inputs.{where}", text, -1e15, 1e15)
            if not 0 <= inputs.total <= MAX_TOTAL:
                raise BadInput(
                    f"Expected data.inputs.total from 0 to {MAX_TOTAL}, got {inputs.total}."
                )
        own = [declaration.outcome.column, declaration.outcome.time]
        own += [declaration.sample, declaration.patient]
        both = {name for name in own if name and own.count(name) > 1}
        if both:
            raise BadInput(
                f"'{plain(sorted(both)[0], 60)}' cannot be two of outcome, time, sample and "
                "patient in data; name a column for each."
            )
        if not 1 <= declaration.min_count <= 1000:
            raise BadInput(
                f"Expected data.min_count from 1 to 1000 patients, got {declaration.min_count}."
            )
        return cls(
            declaration,
            read_decimal("data.test_fraction", declaration.test_fraction, 0.0, 0.9),
            read_decimal("data.threshold", declaration.threshold, 0.0, 1.0),
            read_decimal("data.max_missing", declaration.max_missing, 0.0, 1.0),
        )

    @property
    def outcome(self) -> Outcome:
        """The outcome."""
        return self.declaration.outcome

    @functools.cached_property
    def inputs(self) -> tuple[Inputs, ...]:
        """The blocks; one of all columns if none is declared."""
        return self.declaration.inputs or (Inputs(TABLE),)

    @functools.cached_property
    def roles(self) -> frozenset[str]:
        """Columns that are no inputs, for what they are."""
        d = self.declaration
        by = d.pseudobulk.by if d.pseudobulk is not None else ""
        named = (d.outcome.column, d.outcome.time, d.sample, d.patient, d.batch, by)
        return frozenset(name for name in named if name)

    @property
    def missing_words(self) -> frozenset[str]:
        """Words for "not known", in lower case."""
        return MISSING | {tidy(w).lower() for w in self.declaration.missing_words}

    def request(self, **more: Any) -> Request:
        """Return how a file of this study is read; `more` are the hospital's own settings."""
        d = self.declaration
        words = {d.sample, d.patient, d.batch, *d.subgroups}
        words |= {d.pseudobulk.by} if d.pseudobulk is not None else set()
        if d.outcome.kind != "continuous":
            words.add(d.outcome.column)
        words |= {self.split(level.column)[1] for level in d.levels}  # also if they are numbers
        return Request(frozenset(words - {""}), missing=self.missing_words, **more)

    @property
    def pooled(self) -> Inputs:
        """The block of counts that are added up for each patient."""
        declared = self.declaration.pseudobulk
        name = declared.block if declared is not None else ""
        return next((i for i in self.inputs if i.name == name), self.inputs[0])

    def is_pooled(self, inputs: Inputs) -> bool:
        """Return whether the counts of a block are added up for each patient."""
        return self.declaration.pseudobulk is not None and inputs.name == self.pooled.name

    def claims(self, inputs: Inputs, name: str) -> bool:
        """Return whether a block takes the column of this name."""
        return is_named(name, inputs.columns or ("*",)) and not self.leaves_out(name)

    def leaves_out(self, name: str) -> bool:
        """Return whether a column is no input: for what it is, or since the study excludes it."""
        return name in self.roles or is_named(name, self.declaration.exclude)

    def feature(self, inputs: Inputs, name: str) -> str:
        """Return a column's name in the study: with its block's, if there are several."""
        return name if len(self.inputs) == 1 else f"{inputs.name}/{name}"

    def split(self, feature: str) -> tuple[Inputs | None, str]:
        """Return the block and the column of a name in the study; no block if none has it."""
        if len(self.inputs) == 1:
            return self.inputs[0], feature
        first, _, rest = feature.partition("/")
        return next((i for i in self.inputs if i.name == first), None), rest


def is_named(name: str, patterns: Iterable[str]) -> bool:
    """Return whether one of the patterns is the name, or fits it ("IL*")."""
    return any(name == p or ("*" in p and fnmatch.fnmatchcase(name, p)) for p in patterns)


def read_decimal(key: str, text: str, low: float, high: float) -> float:
    """Return a decimal of the terms. Raises BadInput, with the key, for one out of its range."""
    value = float(text) if _DECIMAL.fullmatch(text) else math.nan
    if not low <= value <= high:
        raise BadInput(f"Expected {key} to be a number from {low:g} to {high:g}, got "
                       f"'{plain(text, 30)}'.")  # fmt: skip
    return value


# outcome


def check_outcome(outcome: Outcome) -> None:
    """Raise BadInput if the outcome's words do not say what they mean."""
    if not outcome.column:
        raise BadInput("Expected data.outcome.column, the column to be predicted; it is empty.")
    words = (*outcome.positive, *outcome.negative, *outcome.classes)
    folded = [fold_word(w) for w in words]
    twice = next((w for w in words if folded.count(fold_word(w)) > 1), None)
    if twice is not None or "" in folded:
        raise BadInput(
            f"Expected another word for each meaning in data.outcome, got "
            f"'{plain(twice or '', 40)}' twice or empty."
        )
    needs = {
        "binary": ("positive", bool(outcome.positive) and not outcome.classes),
        "classes": ("classes (two or more)", len(outcome.classes) > 1 and not outcome.positive),
        "continuous": ("no positive, negative or classes", not words),
        "time_to_event": ("time, and positive for the event",
                          bool(outcome.time and outcome.positive and not outcome.classes)),
    }  # fmt: skip
    expected, holds = needs[outcome.kind]
    if not holds:
        raise BadInput(f"Expected {expected} in data.outcome of the kind {outcome.kind}.")
    if outcome.horizon:
        if outcome.kind != "time_to_event":
            raise BadInput("Expected no data.outcome.horizon but for the kind time_to_event.")
        read_decimal("data.outcome.horizon", outcome.horizon, 1e-9, 1e12)


def check_missing(declaration: Declaration) -> None:
    """Raise BadInput if a word of the outcome says that nothing is known."""
    unknown = MISSING | {tidy(w).lower() for w in declaration.missing_words}
    outcome = declaration.outcome
    for word in (*outcome.positive, *outcome.negative, *outcome.classes):
        if tidy(word).lower() in unknown:
            raise BadInput(
                f"Expected words in data.outcome that are no words for 'not known', got "
                f"'{plain(word, 40)}'; write another word in the files."
            )


def check_pseudobulk(declaration: Declaration) -> None:
    """Raise BadInput if cells could not be added up as the declaration says."""
    declared = declaration.pseudobulk
    if declared is None:
        return
    names = [inputs.name for inputs in declaration.inputs]
    wanted = "the name of a block of data.inputs" if len(names) > 1 else "no name of another block"
    if not declaration.patient:
        raise BadInput("Expected data.patient, whose cells data.pseudobulk adds up; it is empty.")
    if declared.block not in names and (declared.block or len(names) > 1):
        raise BadInput(
            f"Expected data.pseudobulk.block to be {wanted}, got '{plain(declared.block, 40)}'."
        )
    own = (declaration.outcome.column, declaration.outcome.time, declaration.patient)
    if declared.by and declared.by in (*own, declaration.sample):
        raise BadInput(
            "Expected another column in data.pseudobulk.by than outcome, time, patient and "
            f"sample, got '{plain(declared.by, 40)}'."
        )
    if declared.types and not declared.by:
        raise BadInput(
            "Expected data.pseudobulk.by, the column with the declared types; it is empty."
        )
    if len(set(declared.types)) < len(declared.types) or "" in declared.types:
        raise BadInput("Expected each of data.pseudobulk.types once, and none empty.")
    if not 1 <= declared.min_cells <= MAX_TOTAL:
        raise BadInput(
            f"Expected data.pseudobulk.min_cells of 1 or more, got {declared.min_cells}."
        )


def fold_word(word: str) -> str:
    """Return the form in which words of an outcome are compared: no case, one blank for several,
    '1' for '1.0'."""
    text = " ".join(tidy(word).split()).casefold()
    number = number_of(text)
    return f"{number:g}" if number is not None and abs(number) < 1e6 else text


@dataclass(frozen=True, eq=False)
class Coded:
    """An outcome as numbers: `y` (n,) float64, NaN if it is missing; `unknown` are the words that
    the declaration does not know, `respelled` those that it spells in another way."""

    y: Floats
    unknown: tuple[str, ...] = ()
    respelled: tuple[tuple[str, str], ...] = ()


def code_outcome(outcome: Outcome, words: Words) -> Coded:
    """Return the codes of an outcome in words: 0 and 1 (`binary`, `time_to_event`), or the place in
    `classes`. Without declared negative words, every other word is 0 unless it resembles a positive
    one or says that nothing is known."""
    known: dict[str, tuple[str, float]] = {}
    if outcome.kind == "classes":
        known = {fold_word(w): (w, float(k)) for k, w in enumerate(outcome.classes)}
    else:
        known = {fold_word(w): (w, 1.0) for w in outcome.positive}
        known |= {fold_word(w): (w, 0.0) for w in outcome.negative}
    is_open = outcome.kind != "classes" and not outcome.negative
    codes, unknown, respelled = [], [], []
    for word in words.words:
        declared, code = known.get(fold_word(word), ("", math.nan))
        if math.isnan(code) and is_open and is_plain_other(word, outcome.positive):
            declared, code = word, 0.0
        if math.isnan(code):
            unknown.append(word)
        elif declared != word and number_of(word) is None:
            respelled.append((word, declared))
        codes.append(code)
    y: Floats = np.array([*codes, math.nan])[words.codes]
    return Coded(y, tuple(unknown), tuple(respelled))


def is_plain_other(word: str, positive: Sequence[str]) -> bool:
    """Return whether a word is clearly another one than the positive ones."""
    from swarmhub.data.cells import NOT_MEASURED, kind_of

    def letters(text: str) -> str:
        return re.sub(r"[\W_]+", "", text).casefold()

    resembles = any(letters(p) in letters(word) or letters(word) in letters(p) for p in positive)
    is_number = number_of(word) is not None
    return (is_number or not resembles) and kind_of(word) != NOT_MEASURED
