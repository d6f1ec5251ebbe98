"""Checks of an outcome that is measured, or a time: another unit than the others', values far from
all others, an input that is a copy of it."""

from __future__ import annotations

import math

import numpy as np

from swarmhub.data.check.others import Others
from swarmhub.data.check.values import MANY_ROWS, dense, find_far
from swarmhub.data.dataset import Dataset
from swarmhub.data.findings import Findings
from swarmhub.data.frames import Floats
from swarmhub.data.schema import Schema, is_named
from swarmhub.errors import plain

COPIES, TELLS = 0.999, 0.98  # correlation of one column with the outcome: refused; said
LEAST = 10  # rows
APART = 4.0  # of the means' ratio, or of their distance in standard deviations


def check_outcome_values(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Say what the outcome looks like, and report values that are far from all others."""
    values, name = _values(dataset, schema)
    if values is None or not len(values):
        return
    unit = f" {plain(schema.outcome.unit, 20)}" if schema.outcome.unit else ""
    events = ""
    if dataset.time is not None and dataset.y is not None:
        events = f"{int(dataset.y.sum())} of {len(values)} rows have the event. "
    found.say(
        "the outcome",
        f"{events}Column '{plain(name, 60)}': mean {values.mean():.4g}, standard deviation "
        f"{values.std():.4g}, median {np.median(values):.4g}{unit}.",
        name,
    )
    if len(values) < LEAST:
        return
    if values.min() == values.max():
        found.warn(
            "the outcome does not vary",
            f"Column '{plain(name, 60)}' has one value in all {len(values)} rows; is it the column "
            "that is meant?",
            name,
        )
    elif find_far(values[:, None]):
        found.warn(
            "far outcome",
            f"Column '{plain(name, 60)}' has a smallest or largest value that is far from all "
            "others; a code for 'not known' is declared in data.missing_words.",
            name,
        )


def check_copies(dataset: Dataset, schema: Schema, found: Findings) -> None:
    """Report numeric columns that are a copy of a measured outcome: they define it, or come after
    it."""
    if schema.outcome.kind != "continuous" or dataset.y is None or dataset.rows < LEAST:
        return
    step = max(1, -(-dataset.rows // MANY_ROWS)) if dataset.is_sparse else 1
    x = dataset.x[::step].tocsc() if dataset.is_sparse else dataset.x
    y = dataset.y[::step]
    for k, name in enumerate(dataset.features):
        column = dense(x[:, [k]])[:, 0]
        at = ~np.isnan(column)
        r = _correlate(column[at], y[at])
        own = name.split("/", 1)[-1] if len(schema.inputs) > 1 else name
        if abs(r) <= TELLS or is_named(own, schema.declaration.harmless):
            continue
        said = f"Column '{plain(name, 60)}' follows the outcome (correlation {r:.4f})"
        if abs(r) > COPIES:
            found.error(
                "defines the outcome",
                f"{said}: it may be a copy of it, or have been recorded after it; exclude it in "
                "data.exclude, or declare it in data.harmless.",
                name,
            )
        else:
            found.warn("tells the outcome", f"{said}; is it a part of it?", name)


def check_outcome_unit(dataset: Dataset, others: Others, schema: Schema, found: Findings) -> None:
    """Warn if the outcome, or the times, look as if in another unit than at the other hospitals."""
    values, name = _values(dataset, schema)
    merged, own = others.merged.get("outcome"), others.own.get("outcome")
    if values is None or not merged or not own:
        return
    rest = merged["count"] - own["count"]
    if rest < LEAST or own["count"] < LEAST:
        return
    here, mean = float.fromhex(own["mean"]), float.fromhex(merged["mean"])
    there = (merged["count"] * mean - own["count"] * here) / rest
    apart = own["count"] * (here - mean) ** 2 + rest * (there - mean) ** 2
    m2 = float.fromhex(merged["m2"]) - float.fromhex(own["m2"]) - apart
    sd = math.sqrt(max(m2, 0.0) / rest)
    is_positive = min(here, there) > 0
    ratio = max(here, there) / min(here, there) if is_positive else 1.0
    if ratio > APART or abs(here - there) > APART * max(sd, 1e-12):
        found.warn(
            "unit of the outcome",
            f"Column '{plain(name, 60)}' has a mean of {here:.4g} here and of {there:.4g} at the "
            "other hospitals: is it in the unit that the study declares"
            + (f" ({plain(schema.outcome.unit, 20)})?" if schema.outcome.unit else "?"),
            name,
        )


def _values(dataset: Dataset, schema: Schema) -> tuple[Floats | None, str]:
    if schema.outcome.kind == "continuous":
        return dataset.y, schema.outcome.column
    return dataset.time, schema.outcome.time


def _correlate(x: Floats, y: Floats) -> float:
    """Return Pearson's correlation of (n,) and (n,); 0 of few values or of a constant."""
    if len(x) < LEAST or x.std() <= 1e-9 * abs(x.mean()) or y.std() <= 1e-9 * abs(y.mean()):
        return 0.0
    return float(np.corrcoef(x, y)[0, 1])
