"""New patients' rows for a model: read as its study declares them, whatever other rows there are.

Training decides by all values of a column whether it has numbers or words, and whether it names
patients. Here the model's design has decided: columns of categories are read as words, also if all
of them look like numbers today; none of them is taken for an identifier; a column of flags for
values below a limit of detection is there also if no value is below it today. So the score of a
patient does not depend on the other patients in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from swarmhub.data.assemble import assemble
from swarmhub.data.cells import FLAG
from swarmhub.data.check.names import find_respelled, list_names
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import BLOCK, Design
from swarmhub.data.findings import Finding, Findings
from swarmhub.data.frames import Words
from swarmhub.data.reading import Files, read_frames
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain
from swarmhub.models.columns import frame_of
from swarmhub.models.exported import ExportedModel

TOPICS = frozenset(["file", "below the limit", "numbers and text", "unmatched samples",
                    "outcome words", "rows without outcome"])  # fmt: skip


@dataclass(frozen=True, eq=False)
class Rows:
    """New patients' rows. `names` are those of the rows, out of the column `column` ("row": numbers
    from 1 on); `notes` are sentences for a person."""

    dataset: Dataset
    column: str
    names: Sequence[str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Columns:
    """The columns that a design needs, under the names of the files (without their block's):
    whether each has words."""

    kinds: Mapping[str, bool]
    by_block: Mapping[str, tuple[str, ...]]  # columns of words of each block

    @classmethod
    def of(cls, design: Design, schema: Schema) -> Columns:
        """Return the columns of a design."""
        only = schema.inputs[0].name if len(schema.inputs) == 1 else ""
        kinds: dict[str, bool] = {}
        by_block: dict[str, tuple[str, ...]] = {}
        for name, has_words in design.kinds.items():
            block, own = (only, name) if only else _split(name)
            kinds[own.removesuffix(FLAG)] = kinds.get(own, has_words)
            if has_words:
                by_block[block] = (*by_block.get(block, ()), own)
        return cls(kinds, by_block)


def _split(name: str) -> tuple[str, str]:
    block, _, own = name.partition("/")
    return block, own


def read_rows(
    data: Any, exported: ExportedModel, needs_outcome: bool = False, allow_missing: bool = False
) -> Rows:
    """Return the rows in files (`Files`) or in columns in memory (a DataFrame, or a mapping of
    names to values). Raises BadInput for what cannot be used, and for a column of the model that is
    absent, unless `allow_missing`."""
    design, found = exported.design, Findings()
    columns = Columns.of(design, exported.schema)
    reading = _reading(exported.schema, columns)
    if isinstance(data, Files):
        frames = read_frames(data, reading)
    else:
        frames = [frame_of(data, columns.kinds, reading)]
    there = {name for frame in frames for name in (*frame.names, *frame.sheet)}
    if reading.declaration.patient not in there and not needs_outcome:
        reading = Schema.of(replace(reading.declaration, patient=""))
    dataset = assemble(frames, reading, found, needs_outcome)
    dataset = _with_flags(_with_words(dataset, columns), design)
    said = _check_columns(dataset, design, allow_missing)
    notes = [f.sentence for f in found.found if _concerns(f, columns)]
    return Rows(dataset, *_name_rows(dataset, reading), notes=(*notes, *said))


def _reading(schema: Schema, columns: Columns) -> Schema:
    """Return the declaration with which files are read: the model's categories are inputs by name,
    so that none is taken for an identifier, and kept as words beside (`subgroups`)."""
    words = {name for names in columns.by_block.values() for name in names}
    inputs = tuple(
        replace(i, columns=(*(i.columns or ("*",)), *columns.by_block.get(i.name, ())))
        for i in schema.inputs
    )
    kept = tuple(dict.fromkeys((*schema.declaration.subgroups, *sorted(words))))
    return Schema.of(replace(schema.declaration, inputs=inputs, subgroups=kept))


def _concerns(finding: Finding, columns: Columns) -> bool:
    """Return whether a finding matters for the scores of patients."""
    if finding.topic not in TOPICS:
        return False
    return finding.topic != "numbers and text" or not columns.kinds.get(finding.column, True)


def _with_words(dataset: Dataset, columns: Columns) -> Dataset:
    """Return the dataset with the model's categories as words, also those that look like
    numbers."""
    names, categories = list(dataset.features), dict(dataset.categories)
    place = {name: k for k, name in enumerate(names)}
    for block, own in columns.by_block.items():
        for name in own:
            feature = name if name in place else f"{block}/{name}"
            if feature in place and name in dataset.obs:
                categories[feature] = dataset.obs[name]
                names[place[feature]] = f"{feature} as a number"
    return replace(dataset, features=tuple(names), categories=categories)


def _with_flags(dataset: Dataset, design: Design) -> Dataset:
    """Return the dataset with the model's flags for values below a limit: 0 for those that are
    known, if none is below it."""
    place = {name: k for k, name in enumerate(dataset.features)}
    lacking = [name for name in design.kinds
               if name.endswith(FLAG) and name not in place
               and name.removesuffix(FLAG) in place]  # fmt: skip
    if not lacking or dataset.is_sparse:
        return dataset
    known = dataset.x[:, [place[name.removesuffix(FLAG)] for name in lacking]]
    flags = np.where(np.isnan(known), np.nan, 0.0)
    x = np.concatenate([dataset.x, flags], axis=1)
    return replace(dataset, x=x, features=(*dataset.features, *lacking))


def _check_columns(dataset: Dataset, design: Design, allow_missing: bool) -> tuple[str, ...]:
    """Return sentences on columns of the model that the data lack. Raises BadInput if there are
    any, but for a block that is missing as a whole and has a feature that says so, and unless
    `allow_missing`."""
    own, needed = set(dataset.columns), design.kinds
    lacking = [name for name in needed if name not in own]
    if len(lacking) == len(needed):
        raise BadInput(
            f"None of the model's {len(needed)} columns ({list_names(needed)}) is in "
            f"{dataset.source} ({list_names(dataset.columns)}); name the columns as the study does."
        )
    blocks = _find_absent_blocks(design, set(lacking))
    notes = tuple(
        f"The block '{plain(block, 60)}' ({len(names)} columns of the model) is not in "
        f"{dataset.source}: it counts as not measured."
        for block, names in blocks.items()
    )
    explained = set().union(*blocks.values())
    rest = [name for name in lacking if name not in explained]
    if not rest:
        return notes
    spelled = [f"'{plain(a, 60)}' for '{plain(b, 60)}'"
               for a, b in find_respelled(dataset.columns, rest)]  # fmt: skip
    hint = f" (is it {', '.join(spelled[:6])}?)" if spelled else ""
    said = (
        f"{dataset.source} lacks {len(rest)} of the model's {len(needed)} columns: "
        f"{list_names(rest)}{hint}"
    )
    if not allow_missing:
        raise BadInput(f"{said}; name them as the study does, or allow that columns are missing.")
    return (*notes, f"{said}; {design.mean_of} counts for each.")


def _find_absent_blocks(design: Design, lacking: set[str]) -> dict[str, set[str]]:
    """Return the columns of each block that is absent as a whole and has a feature that says
    so."""
    found = {}
    for source in design.sources:
        if source.kind == BLOCK:
            names = {name for name in design.kinds if name.startswith(f"{source.column}/")}
            if names and names <= lacking:
                found[source.column] = names
    return found


def _name_rows(dataset: Dataset, schema: Schema) -> tuple[str, list[str]]:
    """Return the rows' names and their column's: those of the samples or patients, else numbers
    from 1 on."""
    d = schema.declaration
    words: Words | None = dataset.samples
    column = d.sample or "sample"
    if words is None and d.patient:
        words, column = dataset.patient, d.patient
    numbers = map(str, range(1, dataset.rows + 1))
    if words is None:
        return "row", list(numbers)
    return column, [f"row {k}" if name is None else name
                    for k, name in zip(numbers, words.texts(), strict=True)]  # fmt: skip
