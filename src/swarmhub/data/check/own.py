"""Checks of a hospital's data by themselves, before anything is promised: columns that the study
declares and the files lack, one class only, rows that are there twice, columns that tell the
outcome alone, codes for 'not known' among the numbers, batches that are confounded with the
outcome, patients on both sides of a split.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from swarmhub.data.check.names import find_alike, find_respelled, list_names, say_nearest
from swarmhub.data.check.outcomes import check_copies, check_outcome_values
from swarmhub.data.check.people import check_people
from swarmhub.data.check.scales import check_mixed_units
from swarmhub.data.check.values import AT_ONCE, MANY_ROWS, check_values, dense, find_in_parts
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Frame, Words
from swarmhub.data.metrics import auc
from swarmhub.data.schema import Schema, is_named
from swarmhub.errors import plain

TELLS, DEFINES = 0.95, 0.99  # AUC of one column alone: said; refused
LEAST_CLASS = 5  # patients of a class, from which on a column's AUC says something
CONFOUNDED = 0.97  # share of a batch's rows of one class
ASSOCIATED = 0.6  # Cramer's V of batch and outcome


def check_own(frames: Sequence[Frame], dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Add what the hospital's own data show to `found`."""
    check_names(frames, schema, found)
    check_people(frames, schema, found)
    check_classes(dataset, schema, found)
    check_duplicates(dataset, found)
    check_outcomes_of_patients(dataset, schema, found)
    check_telling(dataset, schema, found)
    check_outcome_values(dataset, schema, found)
    check_copies(dataset, schema, found)
    check_values(dataset, found)
    check_mixed_units(dataset, found)
    check_batch(dataset, schema, found)


# names


def check_names(frames: Sequence[Frame], schema: Schema, found: Findings) -> None:
    """Look for the columns that the declaration names."""
    own = [name for frame in frames for name in (*frame.names, *frame.sheet)]
    declared = [n for inputs in schema.inputs for n in inputs.columns if "*" not in n]
    roles = [*declared, *schema.declaration.subgroups, *schema.declaration.exclude]
    exact = {*roles, schema.outcome.column, schema.declaration.patient, schema.declaration.sample}
    respelled = find_respelled(own, [n for n in exact if n and "*" not in n])
    for mine, theirs in respelled:
        found.error(
            "name of a column",
            f"Column '{plain(mine, 60)}' is '{plain(theirs, 60)}' in the study but for its "
            "spelling (case, blanks, punctuation or a version); rename it, so that it counts.",
            mine,
        )
    spelled = {theirs for _, theirs in respelled}
    lacking = [n for n in declared if n not in own and n not in spelled]
    if lacking:
        found.error(
            "missing columns",
            f"{frames[0].source} lacks {len(lacking)} of the {len(declared)} columns that the "
            f"study declares: {list_names(lacking)}{say_nearest(lacking, own, declared)}; add "
            "them, or ask for another declaration: one that names columns by a pattern ('mean*'), "
            "or none, takes files that lack some.",
            lacking[0],
        )
    for inputs in schema.inputs:
        if inputs.columns and not any(is_named(n, inputs.columns) for n in own):
            found.warn(
                "missing block",
                f"No column of the block '{inputs.name}' is here: it counts as missing everywhere.",
            )
    used = [n for n in own if any(schema.claims(i, n) for i in schema.inputs)]
    taken = set(used)
    unused = [n for n in own if n not in taken and not schema.leaves_out(n)]
    if unused:
        found.say("unused columns", f"Not used by the study: {list_names(unused)}.", unused[0])
    for group in find_alike(used):
        said = f"The columns {list_names(group)} differ in spelling only, and count as different."
        found.warn("name of a column", said, group[0])


# outcome and rows


def check_classes(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Say how many patients each class has; one class only is a warning."""
    if dataset.y is None or schema.outcome.kind not in ("binary", "classes"):
        return
    codes = dataset.patient_codes()
    names = {"binary": ["negative", "positive"]}.get(schema.outcome.kind, [*schema.outcome.classes])
    counts = [len(np.unique(codes[dataset.y == k])) for k in range(len(names))]
    said = ", ".join(f"{n} {name}" for n, name in zip(counts, names, strict=True))
    present = sum(n > 0 for n in counts)
    if present == 1:
        found.warn(
            "one class",
            f"All patients here are of one class ({said}): the hospital's own model cannot be "
            "trained or measured, and what sets it apart from others may be taken for the outcome.",
            schema.outcome.column,
        )
    else:
        few = min(n for n in counts if n)
        level = found.warn if few < LEAST_CLASS else found.say
        level("classes", f"Patients by class: {said}.", schema.outcome.column)


def check_duplicates(dataset: Dataset, found: Findings) -> None:
    """Warn of samples that are named twice, and of rows with equal values throughout."""
    if dataset.samples is not None:
        counts = dataset.samples.counts()
        twice = [word for word, n in counts.items() if n > 1]
        if twice:
            rows = sum(counts[word] for word in twice)
            code = dataset.samples.words.index(twice[0])
            where = _say_lines(dataset, np.flatnonzero(dataset.samples.codes == code))
            found.error(
                "duplicate samples",
                f"{len(twice)} samples are there more than once ({rows} rows{where}): remove what "
                "was exported twice, or declare the patient's column if these are repeated visits.",
            )
    rows, first = find_equal_rows(dataset)
    if rows:
        where = f", the first is line {int(dataset.lines[first])}" if len(dataset.lines) else ""
        level = found.warn if rows > max(2, 0.01 * dataset.rows) else found.say
        level(
            "duplicate rows",
            f"{rows} rows have the same values as another row in all columns{where}: if they were "
            "exported twice, or a patient has two ids, remove them.",
        )


def _say_lines(dataset: Dataset, rows: npt.NDArray[np.int64]) -> str:
    """Return the first two of these rows for a sentence."""
    if not len(dataset.lines):
        return ""
    return f", the first in lines {' and '.join(str(int(dataset.lines[r])) for r in rows[:2])}"


def find_equal_rows(dataset: Dataset) -> tuple[int, int]:
    """Return how many rows repeat an earlier one in all inputs, and the first of them."""
    if dataset.is_sparse or dataset.rows > 20 * MANY_ROWS or len(dataset.features) < 3:
        return 0, 0
    key, filled = _project_rows(dataset)
    order = np.argsort(key, kind="stable")
    near = np.diff(key[order]) <= 1e-9 * (1.0 + np.abs(key[order][1:]))  # BLAS adds in any order
    same = np.flatnonzero(near & filled[order][1:])
    if not len(same):
        return 0, 0
    later = [
        int(order[k + 1])
        for k in same
        if np.array_equal(dataset.x[order[k]], dataset.x[order[k + 1]], equal_nan=True)
    ]
    return len(later), min(later, default=0)


def _project_rows(dataset: Dataset) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return a number for each row, equal for rows with equal inputs, and which rows have three
    values or more; (n,), (n,)."""
    rng = np.random.default_rng(1)
    key, count = np.zeros(dataset.rows), np.zeros(dataset.rows, dtype=np.int64)
    step = max(1, AT_ONCE // max(1, dataset.rows))
    for start in range(0, len(dataset.features), step):
        part = dataset.x[:, start : start + step]
        known = ~np.isnan(part)
        count += known.sum(axis=1)
        weights = rng.normal(size=(2, part.shape[1]))
        key += np.where(known, part, 0.0) @ weights[0] + known @ weights[1]
    for words in dataset.categories.values():
        key = key + rng.normal(size=len(words.words) + 1)[words.codes]
    return key, count >= 3


def check_outcomes_of_patients(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Warn of patients with rows of different classes."""
    if dataset.y is None or dataset.patient is None or dataset.time is not None:
        return
    codes = dataset.patient_codes()
    low = np.full(int(codes.max(initial=-1)) + 1, np.inf)
    high = np.full(len(low), -np.inf)
    np.minimum.at(low, codes, dataset.y)
    np.maximum.at(high, codes, dataset.y)
    both = int((low < high).sum())
    if both:
        row = int(np.flatnonzero((low < high)[codes])[0])
        where = f", the first in line {int(dataset.lines[row])}" if len(dataset.lines) else ""
        found.warn(
            "contradictory outcomes",
            f"{both} patients have rows with different outcomes in "
            f"'{plain(schema.outcome.column, 60)}'{where}: if the outcome is that of the patient, "
            "correct them; they are split by their higher class.",
            schema.outcome.column,
        )


# columns that tell the outcome


def check_telling(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Report columns that alone tell a two-class outcome: they may define it, or come after it."""
    if dataset.y is None or schema.outcome.kind != "binary":
        return
    harmless = schema.declaration.harmless
    for name, area in measure_columns(dataset):
        plain_name = name.split("/", 1)[-1] if len(schema.inputs) > 1 else name
        if area > DEFINES and not is_named(plain_name, harmless):
            found.error(
                "defines the outcome",
                f"Column '{plain(name, 60)}' alone tells the outcome (AUC {area:.3f}): it may "
                "define it, or have been recorded after it; exclude it in data.exclude, or declare "
                "it in data.harmless.",
                name,
            )
        elif area > TELLS and not is_named(plain_name, harmless):
            found.warn(
                "tells the outcome",
                f"Column '{plain(name, 60)}' alone tells the outcome well (AUC {area:.3f}); is it "
                "a part of the diagnosis?",
                name,
            )


def measure_columns(dataset: Dataset) -> Iterator[tuple[str, float]]:
    """Yield the name and the AUC of each column that alone tells the classes apart better than
    `TELLS`, in either direction, and than chance among as many columns would."""
    assert dataset.y is not None
    step = max(1, -(-dataset.rows // MANY_ROWS))
    y = dataset.y[::step]
    codes = dataset.patient_codes()[::step]
    if min(len(np.unique(codes[y == k])) for k in (0, 1)) < LEAST_CLASS:
        return
    x = dataset.x[::step].tocsc() if dataset.is_sparse else dataset.x[::step]
    columns = len(dataset.columns)
    for k in find_in_parts(x, lambda part: find_telling(part, y)):
        values = dense(x[:, [k]])[:, 0]
        at = ~np.isnan(values)
        yield from _tells(dataset.features[k], values[at], y[at], columns)
        yield from _tells(dataset.features[k], at.astype(np.float64), y, columns)
    for name, words in dataset.categories.items():
        part = Words(words.codes[::step], words.words)
        yield from _tells(name, rate_words(part, y), y, columns)


def find_telling(x: Floats, y: Floats) -> list[int]:
    """Return the columns that may tell the classes apart: the middle of one class lies beyond
    nearly all of the other one, or one class has hardly a value. (n, p), (n,) -> indices"""
    zeros, ones = (np.sort(x[y == k], axis=0) for k in (0, 1))
    found = np.zeros(x.shape[1], dtype=bool)
    known = [np.maximum((~np.isnan(part)).sum(axis=0), 1) for part in (zeros, ones)]
    for (part, n), (other, m) in (
        ((zeros, known[0]), (ones, known[1])),
        ((ones, known[1]), (zeros, known[0])),
    ):
        middle = np.take_along_axis(part, (n // 2)[None, :], axis=0)[0]
        low = np.take_along_axis(other, (m // 5)[None, :], axis=0)[0]
        high = np.take_along_axis(other, (m - 1 - m // 5)[None, :], axis=0)[0]
        found |= (middle <= low) | (middle >= high)
    shares = [n / len(part) for part, n in zip((zeros, ones), known, strict=True)]
    found |= np.abs(shares[0] - shares[1]) > 0.8
    return [int(k) for k in np.flatnonzero(found)]


def rate_words(words: Words, y: Floats) -> Floats:
    """Return for each row the share of class 1 among the rows of its word, (n,)."""
    kinds = len(words.words) + 1
    ones = np.bincount(words.codes + 1, weights=y, minlength=kinds)
    rows = np.bincount(words.codes + 1, minlength=kinds)
    rates: Floats = (ones / np.maximum(rows, 1))[words.codes + 1]
    return rates if len(words.counts()) <= 10 else np.zeros(len(y))


def _tells(name: str, values: Floats, y: Floats, columns: int) -> Iterator[tuple[str, float]]:
    ones = int(y.sum())
    zeros = len(y) - ones
    if min(ones, zeros) < LEAST_CLASS:
        return
    area = auc(y, values)
    assert area is not None
    area = max(area, 1.0 - area)
    spread = math.sqrt((len(y) + 1) / (12.0 * ones * zeros))  # of an AUC by chance
    likely = math.sqrt(2.0 * math.log(100.0 * columns)) * spread  # the largest among the columns
    if area > TELLS and area - 0.5 > likely:
        yield name, area


# batches and parts


def check_batch(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Warn if batches are confounded with the outcome."""
    y, batch = dataset.y, dataset.batch
    if y is None or batch is None or schema.outcome.kind != "binary" or not 0 < y.mean() < 1:
        return
    at = batch.known
    rows = np.bincount(batch.codes[at], minlength=len(batch.words))
    ones = np.bincount(batch.codes[at], weights=y[at], minlength=len(batch.words))
    large = rows >= LEAST_CLASS
    if large.sum() < 2:
        return
    share = ones[large] / rows[large]
    pure = (share >= CONFOUNDED) | (share <= 1 - CONFOUNDED)
    mean = ones[large].sum() / rows[large].sum()
    between = float((rows[large] * (share - mean) ** 2).sum() / rows[large].sum())
    association = (between / max(mean * (1 - mean), 1e-12)) ** 0.5  # Cramer's V
    if rows[large][pure].sum() > 0.5 * rows[large].sum() or association > ASSOCIATED:
        found.warn(
            "batch and outcome confounded",
            f"The {int(large.sum())} batches in '{plain(schema.declaration.batch, 60)}' and the "
            f"outcome go together (Cramer's V {association:.2f}; {int(pure.sum())} batches have "
            "almost one class only): what sets the batches apart will be taken for the outcome.",
            schema.declaration.batch,
        )


def check_parts(training: Dataset, held: Dataset, name: str, found: Findings) -> None:
    """Report patients (or samples, or equal rows) that are in both files of a given split."""
    for what, mine, theirs in (
        ("patients", training.patient, held.patient),
        ("samples", training.samples, held.samples),
    ):
        if mine is None or theirs is None:
            continue
        both = {*mine.counts()} & {*theirs.counts()}
        if both:
            found.error(
                "patients in both parts",
                f"{len(both)} {what} of {name} are in the training file, too: what is measured on "
                "them is too good; remove them from one of the files.",
            )
            return
    keys = {tuple(np.nan_to_num(row, nan=-1.2e67)) for row in training.x} if (
        not training.is_sparse and training.features == held.features and training.rows < MANY_ROWS
        and len(training.features) >= 3
    ) else set()  # fmt: skip
    same = sum(tuple(np.nan_to_num(row, nan=-1.2e67)) in keys for row in held.x) if keys else 0
    if same:
        found.warn(
            "rows in both parts",
            f"{same} rows of {name} have the same values as a row of the training file: if they "
            "are the same patients, what is measured on them is too good.",
        )
