"""From a hospital's files to the `Dataset` that a study declares.

The order: files are joined, the outcome is coded, patients are found, identifiers are left out,
each block takes its columns, words that should be numbers are judged, numbers are transformed, rows
without an outcome go. Nothing is guessed in silence: each step says what it has left out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from swarmhub.data.cells import Cells, need_finite
from swarmhub.data.columns import densify, join_columns, take_block
from swarmhub.data.dataset import Block, Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.identifiers import find_patient, why_named
from swarmhub.data.join import Joined, join_frames
from swarmhub.data.schema import Schema, code_outcome
from swarmhub.errors import BadInput, plain

LOOK_AT = 200  # rows, to see whether the first line is one of them


def assemble(
    frames: Sequence[Frame], schema: Schema, found: Findings, needs_outcome: bool = True
) -> Dataset:
    """Return the dataset of these files. Raises BadInput, in one sentence with file, line and
    column, for what cannot be used; other faults and all that is left out go to `found`."""
    for frame in frames:
        for note in frame.notes:
            found.say("file", note)
        _refuse_second_header(frame)
    outcome = schema.outcome
    joined = join_frames(frames, schema.declaration.sample, outcome.column, found)
    y = _code(joined.main, schema, found) if needs_outcome else None
    kept = np.arange(joined.main.rows) if y is None else np.flatnonzero(~np.isnan(y))
    if y is not None and len(kept) < len(y):
        _say_dropped(joined.main, schema, np.isnan(y), found)
    taken = _take_inputs(joined, schema, found)
    if not taken.names and not taken.categories:
        raise BadInput(
            f"{joined.main.source} has no column to learn from beside the outcome; add some, or "
            "correct data.inputs in the study's terms."
        )
    every = _Every(joined)
    aside = {n for f in joined.frames for n in f.aside if why_named(n)} - {*schema.roles}
    identifiers = {c.name: c for c in taken.identifiers}
    identifiers |= {c.name: c for c in map(every.cells, sorted(aside)) if c is not None}
    patient = _find_patient(every, schema, identifiers.values(), found)
    d = schema.declaration
    dataset = Dataset(
        x=taken.x,
        features=tuple(taken.names),
        blocks=tuple(taken.blocks),
        categories=taken.categories,
        obs={name: every.sheet[name] for name in d.subgroups if name in every.sheet},
        y=y,
        kind=outcome.kind,
        time=_find_time(every, schema, found) if needs_outcome else None,
        patient=patient,
        batch=every.sheet.get(d.batch),
        samples=joined.main.samples or every.sheet.get(d.sample),
        lines=joined.main.lines,
        source=joined.main.source,
    )
    return dataset if len(kept) == joined.main.rows else dataset.take(kept)


def _refuse_second_header(frame: Frame) -> None:
    """Raise BadInput if a row repeats the names of the columns, as joined exports have it."""
    hits = np.zeros(frame.rows, dtype=np.int64)
    for name, words in frame.sheet.items():
        if name in words.words:
            hits += words.codes == words.words.index(name)
    if hits.max(initial=0) > max(1, 0.5 * (len(frame.sheet) + len(frame.names))):
        raise BadInput(
            f"{frame.place(int(np.argmax(hits)))} repeats the header; remove this line (were two "
            "exports joined?)."
        )


@dataclass
class _Every:
    """The columns of all joined files by name."""

    joined: Joined
    sheet: dict[str, Words] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for frame in reversed(self.joined.frames):
            self.sheet |= frame.sheet

    def cells(self, name: str) -> Cells | None:
        """Return a column of words with its place, if there is one."""
        frame = next((f for f in self.joined.frames if name in f.sheet), None)
        return None if frame is None else Cells(frame.source, name, frame.lines, frame.sheet[name])


# outcome


def _code(frame: Frame, schema: Schema, found: Findings) -> Floats:
    """Return the coded outcome, (n,) with NaN for rows that have none."""
    outcome = schema.outcome
    if outcome.kind == "continuous":
        return _numbers(frame, outcome.column, "the outcome")
    if outcome.column not in frame.sheet:
        raise BadInput(say_no_column(frame, outcome.column, "the label"))
    words = frame.sheet[outcome.column]
    coded = code_outcome(outcome, words)
    for word, declared in coded.respelled:
        found.say(
            "outcome words",
            f"{frame.place(None, outcome.column)}: '{plain(word, 30)}' is taken for "
            f"'{plain(declared, 30)}', the word of the study.",
            outcome.column,
        )
    if coded.unknown:
        unknown = np.isin(words.codes, [words.words.index(w) for w in coded.unknown])
        known = (*outcome.positive, *outcome.negative, *outcome.classes)
        shown = ", ".join(f"'{plain(w, 30)}'" for w in known[:8])
        found.error(
            "outcome words",
            f"{frame.place(int(np.flatnonzero(unknown)[0]), outcome.column)}: expected one of the "
            f"study's words for the label ({shown}), got another one in {int(unknown.sum())} of "
            f"{frame.rows} rows; write the study's word, or leave the cell empty.",
            outcome.column,
        )
    if np.isnan(coded.y).all():
        raise BadInput(
            f"{frame.source}: the label '{plain(outcome.column, 60)}' is missing in all "
            f"{frame.rows} rows; fill in the column."
        )
    return coded.y


def _say_dropped(
    frame: Frame, schema: Schema, dropped: npt.NDArray[np.bool_], found: Findings
) -> None:
    first = frame.place(int(np.flatnonzero(dropped)[0]))
    found.say(
        "rows without outcome",
        f"{first}: {int(dropped.sum())} of {len(dropped)} rows have no label and are left out, the "
        "first is this one; totals and notes below a table are such rows.",
        schema.outcome.column,
    )


def _find_time(every: _Every, schema: Schema, found: Findings) -> Floats | None:
    if schema.outcome.kind != "time_to_event":
        return None
    time = _numbers(every.joined.main, schema.outcome.time, "the time")
    if np.isnan(time).any() or (time < 0).any():
        at = int(np.flatnonzero(~(time >= 0))[0])
        found.error(
            "time",
            f"{every.joined.main.place(at, schema.outcome.time)}: expected a time of 0 or more, "
            "got a negative or empty one; correct it, or remove the row.",
            schema.outcome.time,
        )
    return time


def _numbers(frame: Frame, name: str, what: str) -> Floats:
    if name in frame.names:
        values: Floats = densify(frame.x[:, [frame.names.index(name)]]).ravel()
        need_finite(values, lambda row: frame.place(row, name))
        return values
    if name in frame.sheet:
        found = Cells(frame.source, name, frame.lines, frame.sheet[name]).column(as_text=False)[0]
        assert isinstance(found, np.ndarray)
        return found
    raise BadInput(say_no_column(frame, name, what))


def say_no_column(frame: Frame, name: str, what: str) -> str:
    """Return a sentence on a column that a person has named and the file lacks. It shows names of
    columns only if nothing in the first line looks like a value."""
    names = [*frame.names, *frame.sheet]
    from swarmhub.data.cells import is_number

    if any(is_number(n) for n in names):
        return (
            f"{frame.source} has no column '{plain(name, 60)}' for {what}, and its first line "
            "looks like a row; put a header line above it, or correct the name."
        )
    near = difflib.get_close_matches(name, names, 1, 0.5)
    near = near or [n for n in names if n.lower() == name.lower()]
    listed = ", ".join(plain(n, 60) for n in names[:8]) + (", ..." if len(names) > 8 else "")
    hint = f"did you mean '{plain(near[0], 60)}'?" if near else f"the columns are {listed}."
    return f"{frame.source} has no column '{plain(name, 60)}' for {what}; {hint}"


# patients


def _find_patient(
    every: _Every, schema: Schema, identifiers: Iterable[Cells], found: Findings
) -> Words | None:
    """Return the patient of each row: the declared column, or the one column that is named so and
    has some of them more than once."""
    name = schema.declaration.patient
    named = every.cells(name) if name else find_patient(identifiers)
    if name and named is None:
        raise BadInput(say_no_column(every.joined.main, name, "the patient"))
    if named is None:
        return None
    how = "names" if name else "is taken for"
    count = len(named.words.counts())
    unnamed = int((~named.words.known).sum())
    more = f"; {unnamed} rows without a name count as patients of their own" if unnamed else ""
    rows = len(named.words)
    found.say(
        "patients",
        f"{named.place()} {how} the patient: {count} patients in {rows} rows{more}.",
        named.name,
    )
    return named.words


# inputs


@dataclass
class _Inputs:
    """The inputs of all blocks."""

    x: npt.NDArray[np.float64] | object
    names: list[str]
    blocks: list[Block]
    categories: dict[str, Words]
    identifiers: list[Cells]


def _take_inputs(joined: Joined, schema: Schema, found: Findings) -> _Inputs:
    """Return the columns of all blocks."""
    claimed: set[str] = set()
    parts = [take_block(joined.frames, schema, i, claimed, found) for i in schema.inputs]
    x = parts[0].x if len(parts) == 1 else join_columns([p.x for p in parts])
    names: list[str] = []
    blocks = []
    categories: dict[str, Words] = {}
    identifiers: dict[str, Cells] = {}
    for inputs, part in zip(schema.inputs, parts, strict=True):
        start = len(names)
        names += [schema.feature(inputs, n) for n in part.names]
        unit = inputs.unit or part.unit
        blocks.append(
            Block(inputs.name, start, len(names), inputs.namespace or part.namespace, unit)
        )
        categories |= {schema.feature(inputs, n): w for n, w in part.categories.items()}
        identifiers |= {cells.name: cells for cells in part.identifiers}
    return _Inputs(x, names, blocks, categories, list(identifiers.values()))
