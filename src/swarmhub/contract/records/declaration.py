"""The data of a study, as its terms declare them. The contract keeps the declaration; trainers read
it, and check their hospital's files against it (`swarmhub.data.schema` has the rules).

Fractions are decimal texts ("0.3"): the ledger has whole numbers only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

OutcomeKind = Literal["binary", "classes", "continuous", "time_to_event"]
Transform = Literal["none", "log", "log2", "log10", "log1p", "log2p1"]


@dataclass(frozen=True)
class Outcome:
    """The outcome to be predicted: a column, and the meaning of its words.

    `binary`: `positive` words are 1, `negative` ones 0. `classes`: the words, in order.
    `continuous`: numbers in `unit`. `time_to_event`: numbers in the column `time` (in `unit`), and
    `positive` or `negative` words in `column` that say whether the event was observed; calibration
    is measured at `horizon`.
    """

    column: str
    kind: OutcomeKind = "binary"
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    time: str = ""
    unit: str = ""
    horizon: str = ""


@dataclass(frozen=True)
class Inputs:
    """A block of columns that are measured together. `columns` are names or patterns ("IL*"), ()
    for all columns of the block's file that nothing else claims.

    With a `total`, the counts of each row are scaled to it, over all number columns of the file.
    Numbers are raised to `floor`, then transformed. A cell such as '<5' is refused, or taken for
    the limit (or its half) with a flag; `limits` has the limit of columns with cells as '<LOD'.
    """

    name: str
    columns: tuple[str, ...] = ()
    namespace: str = ""  # of the names: "uniprot", "ensembl", "olink"
    unit: str = ""
    transform: Transform = "none"
    floor: str = ""
    below_limit: Literal["refuse", "limit", "half"] = "refuse"
    limits: dict[str, str] = field(default_factory=dict)
    total: int = 0  # 10,000 is usual for cells, 1,000,000 for sums of many; 0: counts as they are


@dataclass(frozen=True)
class Pseudobulk:
    """Rows are cells, and those of a patient are added up to one row, before anything else.

    `block` names the inputs that are counts (the only one by default). `by` is a column with the
    cells' types: each of `types` (all by default) has columns of its own, "type/gene". A sum of
    fewer than `min_cells` cells is missing.
    """

    block: str = ""
    by: str = ""
    types: tuple[str, ...] = ()
    min_cells: int = 10


@dataclass(frozen=True)
class Scale:
    """The usual mean and standard deviation of number columns (names or patterns), known without
    looking at the study's patients: of the literature, of a reference cohort."""

    columns: tuple[str, ...]
    mean: str
    sd: str


@dataclass(frozen=True)
class Levels:
    """The words of a column of words, known without looking at the study's patients."""

    column: str
    words: tuple[str, ...]


@dataclass(frozen=True)
class Declaration:
    """The data of a study: what each hospital brings, and how it is read everywhere.

    `sample` names the column that joins files, `patient` the one with the patient of each row,
    `batch` one whose confounding with the outcome is looked at. `exclude` are columns that are no
    inputs, since they define the outcome or came after it. `harmless` are inputs that may tell the
    outcome almost alone.
    """

    outcome: Outcome
    inputs: tuple[Inputs, ...] = ()
    sample: str = ""
    patient: str = ""
    batch: str = ""
    exclude: tuple[str, ...] = ()
    harmless: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()  # columns by which the evaluation is shown, too
    missing_words: tuple[str, ...] = ()  # words for "not known", beside the usual ones
    missing: Literal["mean", "mean + indicator"] = "mean"
    max_missing: str = "0.6"  # a column that is missing in a larger share of rows is left out
    min_count: int = 5  # patients; smaller counts are not published
    test_fraction: str = "0.3"  # of the patients of each class at each hospital
    threshold: str = "0.5"  # of the probability from which on a patient counts as positive
    pseudobulk: Pseudobulk | None = None  # rows of the files are cells, rows of the study patients
    scales: tuple[Scale, ...] = ()  # of numbers, in a study that merges no statistics
    levels: tuple[Levels, ...] = ()  # of columns of words, likewise
