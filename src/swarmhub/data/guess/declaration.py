"""A guess of the rest of a declaration: the patient, the sample, the batch, words for "not known",
limits of detection, and blocks of columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from swarmhub.contract.records import Declaration, Inputs
from swarmhub.data.cells import LIMIT, NOT_MEASURED, Cells, kind_of, number_of
from swarmhub.data.frames import Frame
from swarmhub.data.guess.columns import Column, look_at
from swarmhub.data.guess.outcome import guess_outcome
from swarmhub.data.identifiers import is_patient_name
from swarmhub.data.schema import TABLE, is_named
from swarmhub.errors import plain

BATCHES = frozenset(["batch", "plate", "plateid", "scanner", "chip", "run", "flowcell"])
SAMPLES = frozenset(["sample", "sampleid", "probe", "barcode", "aliquot", "specimen"])
MOST_LISTED = 60  # columns of a block that are named one by one
LEAST_BLOCK = 20  # columns with one beginning that make a block
PREFIX = re.compile(r"[A-Za-z]{1,12}(?=\d)|[A-Za-z0-9]{2,12}[_.:-](?=.)")

Guess = tuple[str, str]  # subject, sentence


@dataclass(frozen=True)
class Guessed:
    """A declaration, and each guess in it in words."""

    declaration: Declaration
    guesses: tuple[Guess, ...]


def guess_declaration(frames: Sequence[Frame], outcome: str = "") -> Guessed:
    """Return what a study over these files would declare, but for its blocks of columns; `outcome`
    names the outcome's column, "" to guess that, too. Raises BadInput if there is no outcome."""
    columns = look_at(frames)
    found = guess_outcome(columns, outcome)
    guesses: list[Guess] = [("outcome", sentence) for sentence in found.why]
    declaration = Declaration(found.outcome, missing_words=found.unknown)
    for role, name, sentence in _roles(frames, columns):
        if name not in (found.outcome.column, found.outcome.time):
            declaration = _with_role(declaration, role, name)
            guesses.append((role, sentence))
    words, has_limits = find_slips(frames)
    missing = tuple(dict.fromkeys([*declaration.missing_words, *words]))
    if missing:
        listed = ", ".join(f"'{plain(w, 20)}'" for w in missing)
        guesses.append(("missing words", f"{listed} mean 'not known'"))
    if has_limits:
        inputs = (Inputs(TABLE, below_limit="half"),)
        guesses.append(("below the limit", "a value such as <5 counts as half of the limit"))
        declaration = replace(declaration, inputs=inputs)
    return Guessed(replace(declaration, missing_words=missing), tuple(guesses))


def _with_role(declaration: Declaration, role: str, name: str) -> Declaration:
    match role:
        case "patient":
            return replace(declaration, patient=name)
        case "sample":
            return replace(declaration, sample=name)
    return replace(declaration, batch=name)


def _roles(frames: Sequence[Frame], columns: Sequence[Column]) -> list[tuple[str, str, str]]:
    """Return the columns that have a role: (role, name, why)."""
    found = []
    patients = [c for c in columns if is_patient_name(c.name) and c.distinct < c.known]
    if len(patients) == 1:
        name = patients[0].name
        said = f"'{plain(name, 60)}' names the patients, some of whom have several rows"
        found.append(("patient", name, said))
    if len(frames) > 1 and any(f.samples is None for f in frames):
        shared = set.intersection(*(set(f.sheet) | set(f.names) for f in frames))
        named = [c for c in columns if c.name in shared and c.tokens & SAMPLES]
        names = list(dict.fromkeys(c.name for c in named)) or sorted(shared)
        if len(names) == 1:
            said = f"'{plain(names[0], 60)}' is in all files, and joins them"
            found.append(("sample", names[0], said))
    batches = [c for c in columns if c.tokens & BATCHES and 1 < c.distinct < c.known]
    if len(batches) == 1:
        name = batches[0].name
        found.append(("batch", name, f"'{plain(name, 60)}' is the batch, by its name: no input"))
    return found


def find_slips(frames: Sequence[Frame]) -> tuple[tuple[str, ...], bool]:
    """Return the words for "not known" that stand in columns of numbers, and whether such columns
    have values below a limit."""
    words: list[str] = []
    has_limits = False
    for frame in frames:
        for name, column in frame.sheet.items():
            if not Cells(frame.source, name, frame.lines, column).is_spoilt:
                continue
            others = [w for w in column.counts() if number_of(w) is None]
            kinds = {w: kind_of(w) for w in others}
            if set(kinds.values()) <= {NOT_MEASURED, LIMIT}:
                words += [w for w in others if kinds[w] == NOT_MEASURED]
                has_limits = has_limits or LIMIT in kinds.values()
    return tuple(dict.fromkeys(words)), has_limits


def guess_blocks(files: Sequence[Sequence[str]], like: Inputs) -> tuple[Inputs, ...]:
    """Return the blocks of columns: `files` are the inputs of each file, that with the outcome
    first. Few columns are named; many with one beginning are a pattern; the rest is one block."""
    blocks: list[Inputs] = []
    rest: list[str] = []
    every = [name for names in files for name in names]
    for names in files:
        left = list(names)
        for prefix, count in Counter(filter(None, map(_prefix, left))).most_common(3):
            pattern = f"{prefix}*"
            fits = [n for n in every if is_named(n, (pattern,))]
            if count >= LEAST_BLOCK and fits == [n for n in left if n in fits]:
                blocks.append(replace(like, name=_name(prefix), columns=(pattern,)))
                left = [n for n in left if n not in fits]
        rest += left
    if 0 < len(rest) <= MOST_LISTED:
        blocks.insert(0, replace(like, name="table" if not blocks else "others",
                                 columns=tuple(rest)))  # fmt: skip
    elif rest:
        blocks.append(replace(like, name="others" if blocks else "table", columns=()))
    if blocks == [Inputs(TABLE)]:
        return ()  # what terms without blocks mean
    names_of_blocks = [b.name for b in blocks]
    return tuple(
        replace(b, name=f"{b.name}{k + 1}") if names_of_blocks.count(b.name) > 1 else b
        for k, b in enumerate(blocks)
    )


def _prefix(name: str) -> str:
    found = PREFIX.match(name)
    return found.group() if found else ""


def _name(prefix: str) -> str:
    return re.sub(r"[^A-Za-z0-9]", "", prefix) or "block"
