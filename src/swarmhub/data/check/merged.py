"""Checks of a hospital's data against the merged statistics of all hospitals, before any training:
columns and categories that it spells in another way, units, labels that look inverted.

The hospital's own part is taken out of the merge, so that it is compared with the others.
"""

from __future__ import annotations

import math
from collections import defaultdict

import numpy as np

from swarmhub.codec import Json
from swarmhub.data.check.names import (
    find_alike,
    fold,
    list_names,
    refuse_respelled,
    warn_of_lacking,
)
from swarmhub.data.check.others import Others
from swarmhub.data.check.outcomes import check_outcome_unit
from swarmhub.data.check.scales import check_scales
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import MAX_DEVIATIONS, Design
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats, Words
from swarmhub.data.matrix import multiply
from swarmhub.data.metrics import auc
from swarmhub.data.schema import Schema
from swarmhub.errors import plain

UNEQUAL = 0.6  # difference of the shares of positive rows, here and at the others
LEAST_ROWS = 10
INVERTED = 2.6  # standard errors below one half: a chance of 1 in 200


def check_merged(
    dataset: Dataset, design: Design, schema: Schema, statistics: tuple[bytes, bytes],
    found: Findings,
) -> None:  # fmt: skip
    """Compare a dataset with the merged statistics, add what differs to `found`. `statistics` are
    the merged document and this hospital's own. Raises BadInput if the dataset has nothing of the
    study."""
    others = Others.of(*statistics)
    check_columns(dataset, design, schema, others, found)
    check_scales(dataset, others, found)
    check_outcome_unit(dataset, others, schema, found)
    check_direction(dataset, design, others, schema, found)
    check_shares(others, schema, found)
    for sentence in outliers(design, dataset):
        found.say("far values", sentence)


# names


def check_columns(
    dataset: Dataset, design: Design, schema: Schema, others: Others, found: Findings
) -> None:
    """Refuse other spellings of the study's columns; say which columns do not meet."""
    needed, columns = design.kinds, others.merged["columns"]
    _refuse_other_spellings(dataset, needed, others, found)
    own = dataset.columns
    warn_of_lacking(own, needed, "the other hospitals do", found)
    unused: dict[str, list[str]] = defaultdict(list)
    for name in own:
        if name not in needed:
            why = _why_unused(columns.get(name), others.merged["rows"], schema)
            unused[why].append(name)
    for why, names in unused.items():
        said = f"Not used by the study, because {why}: {list_names(names)}."
        found.say("unused columns", said, names[0])
    for sentence in design.mismatched(dataset):
        found.warn("numbers or text", sentence)
    for sentence in _categories(design):
        found.warn("spelling of categories", sentence)


def _refuse_other_spellings(
    dataset: Dataset, needed: dict[str, bool], others: Others, found: Findings
) -> None:
    """Report an error if a column has another spelling in the study that costs one of them or both.
    Two columns that together have more values than there are rows are two."""
    columns, rows = others.merged["columns"], int(others.merged["rows"])
    spelled = defaultdict(list)
    for name in columns:
        spelled[fold(name)].append(name)
    wrong = []
    own = set(dataset.columns)
    for name in dataset.columns:
        for other in spelled.get(fold(name), ()):
            if other in own:
                continue
            here = columns[name]["count"] if name in columns else 0
            lost = name not in needed or other in needed
            if lost and here + columns[other]["count"] <= rows:
                wrong.append((name, other))
    remedy = (
        ", so they would count as different columns; give each the same name at all hospitals, "
        "then propose the study anew (its statistics are merged already)"
    )
    refuse_respelled(wrong, remedy, found)


def _why_unused(column: Json, rows: int, schema: Schema) -> str:
    if column is None:
        return "no hospital published it"
    here = column["count"] + column.get("withheld", 0)
    if column["count"] == 0 and column.get("withheld", 0):
        return "each hospital has too few patients of one of its values to publish them"
    if here < (1.0 - schema.max_missing) * rows or column["count"] == 0:
        return f"they are missing in more than {schema.max_missing:.0%} of the study's rows"
    if column["kind"] == "text" and not column["categories"]:
        return "they are texts without a category that is frequent enough to be published"
    return "they do not vary"


def _categories(design: Design) -> list[str]:
    """Return a sentence for each column with published categories that differ in spelling only."""
    by_column: dict[str, list[str]] = defaultdict(list)
    for source in design.sources:
        if source.kind == "category":
            by_column[source.column].append(source.category)
    return [
        f"Column '{plain(column, 60)}' has the categories {list_names(names)} in the study, which "
        "differ in spelling only and count as different; spell them alike at all hospitals."
        for column, categories in by_column.items()
        for names in find_alike(categories)
    ]


# the outcome


def check_direction(
    dataset: Dataset, design: Design, others: Others, schema: Schema, found: Findings
) -> None:
    """Report if a score in the direction that the other hospitals' data give ranks this hospital's
    classes the wrong way round: then its labels may be inverted.

    The score adds each standardised column, times its covariance with the outcome at the others:
    the direction of a classifier that takes columns for independent.
    """
    y = dataset.y
    if y is None or schema.outcome.kind != "binary":
        return
    ones = int(y.sum())
    zeros = len(y) - ones
    weight = np.array([
        others.effect(s.column) if s.kind == "number" else 0.0 for s in design.sources
    ])  # fmt: skip
    if min(ones, zeros) < 5 or not weight.any():
        return
    score = multiply((weight / np.abs(weight).max())[None], design.rows(dataset))[0]
    area = auc(y, score)
    assert area is not None
    people = dataset.count_patients() / dataset.rows
    spread = math.sqrt((len(y) + 1) / (12.0 * ones * zeros) / people)
    if area < 0.5 - INVERTED * spread:
        found.error(
            "inverted labels",
            f"The labels look inverted: columns that are high in positive patients of the other "
            f"hospitals are low in this hospital's (AUC {area:.2f} of their direction here); check "
            "which word means what in the outcome column.",
            schema.outcome.column,
        )


def check_shares(others: Others, schema: Schema, found: Findings) -> None:
    """Warn if this hospital has one class only, and the others have both, or the classes are shared
    out most unequally: site and outcome are confounded."""
    labels, own = others.merged["labels"], others.own["labels"]
    if schema.outcome.kind != "binary":
        return
    mine = [own.get("0", 0), own.get("1", 0)]
    theirs = [labels.get("0", 0) - mine[0], labels.get("1", 0) - mine[1]]
    shares = [part[1] / max(sum(part), 1) for part in (mine, theirs)]
    is_unequal = min(sum(mine), sum(theirs)) >= LEAST_ROWS and abs(shares[0] - shares[1]) > UNEQUAL
    if (min(mine) == 0 and min(theirs) > 0) or is_unequal:
        found.warn(
            "site and outcome confounded",
            f"This hospital has {mine[0]} negative and {mine[1]} positive rows, the others "
            f"{theirs[0]} and {theirs[1]}: site and outcome are confounded, so that what sets this "
            "hospital apart may be taken for the outcome.",
            schema.outcome.column,
        )


# single values


def outliers(design: Design, dataset: Dataset) -> list[str]:
    """Return a sentence on values so far from the study's mean that they are bounded; none if there
    are no such values."""
    if dataset.is_sparse:
        return []
    found: list[tuple[str, int]] = []
    place = {name: k for k, name in enumerate(dataset.features)}
    for k, source in enumerate(design.sources):
        if source.kind != "number" or source.column not in place:
            continue
        values: Floats = dataset.x[:, place[source.column]]
        far = int((np.abs(values - design.mean[k]) > MAX_DEVIATIONS * design.sd[k]).sum())
        if far:
            found.append((source.column, far))
    if not found:
        return []
    return [
        f"{sum(n for _, n in found)} values are more than {MAX_DEVIATIONS:.0f} standard deviations "
        f"from {design.mean_of} and are taken for that; is the unit that of the other hospitals? "
        f"Columns: {list_names(name for name, _ in found)}."
    ]


def gaps(design: Design, dataset: Dataset) -> list[str]:
    """Return a sentence for each column with rows that carry nothing that the design knows."""
    known = defaultdict(set)
    for source in design.sources:
        if source.kind in ("number", "category"):
            known[source.column].add(source.category)
    place = {name: k for k, name in enumerate(dataset.features)}
    found = []
    for name, categories in known.items():
        where = f"Column '{plain(name, 60)}'"
        words: Words | None = dataset.categories.get(name)
        if words is not None:
            missing, mean = int((~words.known).sum()), "the study's mean"
        elif name in place and not dataset.is_sparse:
            missing, mean = int(np.isnan(dataset.x[:, place[name]]).sum()), design.mean_of
        else:
            continue
        if missing:
            found.append(f"{where} is empty in {missing} of {dataset.rows} rows: {mean} counts.")
        other = 0 if words is None else sum(
            n for word, n in words.counts().items() if word not in categories
        )  # fmt: skip
        if other:
            found.append(
                f"{where} has categories in {other} of {dataset.rows} rows that the model does "
                "not know."
            )
    return found
