"""Patients from cells: the counts of a patient's cells, added up to one row (pseudobulk).

The study declares it (`data.pseudobulk`), and every hospital does it before anything else: from
here on a row is a patient. With `by`, a column with the cells' types, each type has columns of its
own, "type/gene". A sum of fewer than `min_cells` cells is missing, not zero: that few cells of a
type were caught says nothing of what the type expresses. Sums of counts are whole numbers, so their
order does not matter; with `total` in the block each sum is scaled to it. Transforms come after.

A file whose rows are patients (each once, in the column of the patients) is left as it is and
joined by the patients' names.

Sources: Squair et al., "Confronting false discoveries in single-cell differential expression",
Nature Communications 2021;12:5692 (why cells of a patient are added up).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.records import Inputs, Pseudobulk
from swarmhub.data.columns import add_rows, scale_rows
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.join import join_frames
from swarmhub.data.readers.common import need_room, say_names
from swarmhub.data.readers.scale import find_scale
from swarmhub.data.schema import Schema, is_named
from swarmhub.errors import BadInput, plain

Places = npt.NDArray[np.int64]
AT_ONCE = 1 << 22  # values that are looked at in one piece


def pool_cells(frames: Sequence[Frame], schema: Schema) -> list[Frame]:
    """Return files whose rows are patients, the one with the cells' sums first; the files as they
    are if the study does not add cells up. Raises BadInput, in one sentence, for cells that cannot
    be."""
    declared = schema.declaration.pseudobulk
    if declared is None:
        return list(frames)
    matrix = max(frames, key=lambda f: len(f.names))
    patient = schema.declaration.patient
    others = [f for f in frames if f is not matrix]
    tables = [f for f in others if _is_of_patients(f, patient)]
    sheets = [f for f in others if f not in tables]
    found = Findings(strict=True)
    joined = join_frames([matrix, *sheets], schema.declaration.sample, patient, found)
    matrix = next(f for f in joined.frames if f.names == matrix.names)
    pooled = _pool(_Cells.of(matrix, joined.frames, schema, declared), schema, declared)
    pooled = replace(pooled, notes=(*pooled.notes, *found.sentences))
    return [pooled, *(_name_rows(table, schema) for table in tables)]


def _is_of_patients(frame: Frame, patient: str) -> bool:
    """Return whether each row of a file is another patient."""
    words = frame.sheet.get(patient)
    return words is not None and max(words.counts().values(), default=2) == 1


def _name_rows(table: Frame, schema: Schema) -> Frame:
    """Return a file of patients with their names as those of its rows."""
    d = schema.declaration
    sheet = {name: words for name, words in table.sheet.items() if name != d.sample}
    return replace(table, sheet=sheet, samples=table.sheet[d.patient])


@dataclass(frozen=True, eq=False)
class _Cells:
    """The cells of a hospital: the `matrix` with their counts, all `frames` about them, the names
    of the rows that they make (P,), and the row (n,) and the type (n,) of each, -1 if it has none;
    `types` are the types' names, one "" without types."""

    matrix: Frame
    frames: tuple[Frame, ...]
    sheet: dict[str, Words]
    names: tuple[str, ...]
    row: Places
    kind: Places
    types: tuple[str, ...]

    @classmethod
    def of(
        cls, matrix: Frame, frames: tuple[Frame, ...], schema: Schema, declared: Pseudobulk
    ) -> _Cells:
        """Find the patients and the types of cells."""
        sheet: dict[str, Words] = {}
        for frame in reversed(frames):
            sheet |= frame.sheet
        patient = _need_column(sheet, schema.declaration.patient, "the patient", matrix)
        kind = np.zeros(matrix.rows, dtype=np.int64)
        types: tuple[str, ...] = ("",)
        if declared.by:
            words = _need_column(sheet, declared.by, "the type of cells", matrix)
            types = declared.types or tuple(sorted(words.counts()))
            place = {name: k for k, name in enumerate(types)}
            table = np.array([*(place.get(word, -1) for word in words.words), -1])
            kind = table[words.codes]
        code = np.where(kind >= 0, patient.codes.astype(np.int64), -1)
        used, row = np.unique(code[code >= 0], return_inverse=True)
        if not len(used):
            raise BadInput(
                f"{matrix.source}: no cell has a patient and a declared type; check the columns "
                "that data.patient and data.pseudobulk.by name."
            )
        rows = np.full(matrix.rows, -1, dtype=np.int64)
        rows[code >= 0] = row
        names = tuple(patient.words[k] for k in used.tolist())
        return cls(matrix, frames, sheet, names, rows, kind, types)


def _need_column(sheet: dict[str, Words], name: str, what: str, frame: Frame) -> Words:
    if name not in sheet:
        raise BadInput(
            f"{frame.source}: expected the column '{plain(name, 60)}' with {what} of each cell, "
            f"got {say_names(sorted(sheet)) or 'none'}; add it, or a file with it for each cell."
        )
    return sheet[name]


def _pool(cells: _Cells, schema: Schema, declared: Pseudobulk) -> Frame:
    """Return the frame of the patients."""
    block = schema.pooled
    counted, own = _choose_columns(cells.matrix, schema, block)
    x, names, few = _add_up(cells, counted, schema, declared)
    sheet, dropped = _take_words(cells, schema)
    numbers, lost = _take_numbers(cells, own, schema)
    if numbers:
        x = np.column_stack([x, *numbers.values()])
    aside = frozenset().union(*(f.aside for f in cells.frames)) & sheet.keys()
    return Frame(
        cells.matrix.source, x, (*names, *numbers), sheet,
        samples=Words(np.arange(len(cells.names), dtype=np.int32), cells.names),
        namespace="" if declared.by else cells.matrix.namespace,
        unit=f"count per {block.total}" if block.total else "count",
        notes=(*_list_notes(cells, few, declared), *_say_dropped(cells, [*dropped, *lost])),
        aside=aside,
    )  # fmt: skip


def _list_notes(cells: _Cells, few: int, declared: Pseudobulk) -> list[str]:
    source, used = cells.matrix.source, int((cells.row >= 0).sum())
    of_types = f", by {len(cells.types)} types" if declared.by else ""
    notes = [note for frame in cells.frames for note in frame.notes]
    notes.append(f"{source}: {used} cells of {len(cells.names)} patients are added up{of_types}.")
    if used < len(cells.row):
        left = len(cells.row) - used
        notes.append(f"{source}: {left} cells without a patient or a declared type are left out.")
    if few:
        notes.append(
            f"{source}: {few} of {len(cells.names) * len(cells.types)} sums have fewer than "
            f"{declared.min_cells} cells and count as missing."
        )
    return notes


def _say_dropped(cells: _Cells, names: list[str]) -> list[str]:
    if not names:
        return []
    return [
        f"{cells.matrix.source}: {len(names)} columns differ between cells of a patient and are "
        f"left out ({say_names(names)})."
    ]


# sums


def _choose_columns(matrix: Frame, schema: Schema, block: Inputs) -> tuple[list[int], list[int]]:
    """Return the positions of the columns that are counts, and of the other ones: those that have
    another meaning in the study, or that another block names."""
    others = [p for i in schema.inputs if i.name != block.name for p in i.columns]
    roles = schema.roles
    own = [k for k, name in enumerate(matrix.names) if name in roles or is_named(name, others)]
    taken = set(own)
    return [k for k in range(len(matrix.names)) if k not in taken], own


def _add_up(
    cells: _Cells, counted: list[int], schema: Schema, declared: Pseudobulk
) -> tuple[Floats, list[str], int]:
    """Return sums (P, q) of the columns that the block claims, their names, and how many sums have
    too few cells."""
    matrix, block, kinds = cells.matrix, schema.pooled, len(cells.types)
    x = matrix.x if len(counted) == len(matrix.names) else matrix.x[:, counted]
    _need_counts(x, matrix, counted)
    at = np.flatnonzero(cells.row >= 0)
    group = cells.row[at] * kinds + cells.kind[at]
    sums = add_rows(x, at, group, len(cells.names) * kinds)
    size = np.bincount(group, minlength=len(cells.names) * kinds)
    few = size < declared.min_cells
    parts, names = [], []
    genes = [matrix.names[k] for k in counted]
    for k, kind in enumerate(cells.types):
        full = [f"{kind}/{gene}" if declared.by else gene for gene in genes]
        claimed = [j for j, name in enumerate(full) if schema.claims(block, name)]
        names += [full[j] for j in claimed]
        need_room(len(cells.names), len(names), matrix.source, "name fewer genes in data.inputs")
        here: Any = sums[k::kinds]
        part: Floats = here if isinstance(here, np.ndarray) else here.toarray()
        if block.total:
            part = scale_rows(part, part.sum(axis=1), block.total)
        part = part[:, claimed]
        part[few[k::kinds]] = np.nan
        parts.append(part)
    return np.concatenate(parts, axis=1), names, int(few.sum())


def _need_counts(x: Any, matrix: Frame, counted: list[int]) -> None:
    """Raise BadInput if a value is no whole number of 0 or more."""
    values = x.ravel() if isinstance(x, np.ndarray) else x.data
    for start in range(0, len(values), AT_ONCE):
        part = values[start : start + AT_ONCE]
        wrong = ~((part >= 0) & (part == np.floor(part)))
        if wrong.any():
            at = start + int(np.argmax(wrong))
            column = at % x.shape[1] if isinstance(x, np.ndarray) else int(x.indices[at])
            _, said = find_scale(x)
            raise BadInput(
                f"{matrix.place(None, matrix.names[counted[column]])}: expected counts, whole "
                f"numbers of 0 or more, to be added up for each patient, got {said}; name the "
                "layer with the raw counts by --sheet."
            )


# what is the patient's own


def _take_words(cells: _Cells, schema: Schema) -> tuple[dict[str, Words], list[str]]:
    """Return the columns of words that have one value for each patient, and the names of others.
    Raises BadInput if the study needs one of these."""
    d = schema.declaration
    sheet, dropped = {}, []
    for name, words in cells.sheet.items():
        if name == d.sample or (d.pseudobulk is not None and name == d.pseudobulk.by):
            continue
        low, high = _find_range(cells, words.codes.astype(np.float64), words.known)
        if _are_own(low, high, name, schema, cells.matrix):
            codes = np.where(np.isfinite(low), low, -1).astype(np.int32)
            sheet[name] = _keep_used(Words(codes, words.words))
        else:
            dropped.append(name)
    return sheet, dropped


def _keep_used(words: Words) -> Words:
    """Return the column without words that no row has."""
    used = words.counts()
    return words.mapped(lambda word: word if word in used else None)


def _take_numbers(
    cells: _Cells, own: list[int], schema: Schema
) -> tuple[dict[str, Floats], list[str]]:
    """Return the columns of numbers, beside the counts, that have one value for each patient, and
    the names of others."""
    numbers, dropped = {}, []
    for frame in cells.frames:
        places = own if frame is cells.matrix else range(len(frame.names))
        for k in places:
            column: Any = frame.x[:, [k]]
            values = (column if isinstance(column, np.ndarray) else column.toarray())[:, 0]
            low, high = _find_range(cells, values, ~np.isnan(values))
            if _are_own(low, high, frame.names[k], schema, frame):
                numbers[frame.names[k]] = np.where(np.isfinite(low), low, np.nan)
            else:
                dropped.append(frame.names[k])
    return numbers, dropped


def _find_range(
    cells: _Cells, values: Floats, known: npt.NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Return the smallest and the largest value of each patient's cells, (P,), (P,)."""
    at = known & (cells.row >= 0)
    low, high = np.full(len(cells.names), np.inf), np.full(len(cells.names), -np.inf)
    np.minimum.at(low, cells.row[at], values[at])
    np.maximum.at(high, cells.row[at], values[at])
    return low, high


def _are_own(low: Floats, high: Floats, name: str, schema: Schema, frame: Frame) -> bool:
    """Return whether a column has one value for each patient. Raises BadInput if it has not, and
    the study needs it."""
    differs = int((low < high).sum())
    if not differs:
        return True
    if name in schema.roles or name in schema.declaration.subgroups:
        raise BadInput(
            f"{frame.place(None, name)}: expected one value for all cells of a patient, got "
            f"several for {differs} of {len(low)} patients; correct the column, or ask for a study "
            "of cells."
        )
    return False
