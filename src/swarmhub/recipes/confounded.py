"""Whether a hospital can standardise with its own mean (`standardise`): not if site and outcome are
confounded.

If hospitals differ in the outcome, their own means differ by it, and a part of the outcome goes
with them. A hospital with one outcome only is refused, one whose outcomes differ clearly from the
others' is warned:

    classes   shares of the classes here and at the others: Pearson's chi-square test, p < 0.01, and
              a share that differs by more than 0.15
    numbers   means of the outcome: Welch's test (normal distribution), p < 0.01, and a difference
              of more than 0.5 standard deviations
    times     not compared: the share of events depends on how long patients are followed

Rows of one patient are alike, so a statistic counts as that of as many rows as there are patients.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from swarmhub.codec import Json
from swarmhub.contract.records import Spec
from swarmhub.data.check.names import list_names
from swarmhub.data.check.others import Others
from swarmhub.data.dataset import Dataset
from swarmhub.data.design import NUMBER, Design
from swarmhub.data.findings import Findings
from swarmhub.data.schema import Schema
from swarmhub.errors import plain
from swarmhub.recipes.plan import standardises_own
from swarmhub.recipes.standardise import scales_of
from swarmhub.recipes.survival.kaplan_meier import chi_square_tail

TOPIC = "standardised here"
CHANCE = 0.01
SHARE = 0.15  # difference of a class's share
SPREAD = 0.5  # standard deviations of a measured outcome


def refuse_one_outcome(spec: Spec, training: Dataset, schema: Schema, found: Findings) -> None:
    """Report an error if the study standardises at each hospital, and this one's training rows
    have one outcome only. Raises BadInput if the findings are strict."""
    y = training.y
    if not standardises_own(spec) or y is None or not len(y):
        return
    is_time = schema.outcome.kind == "time_to_event"
    if (is_time and y.any()) or (not is_time and y.min() < y.max()):
        return
    what = "none with the event" if is_time else "all of them with the same outcome"
    found.error(
        TOPIC,
        f"This hospital has {len(y)} training rows, {what}: standardised with its own mean they "
        "would tell nothing of the outcome; leave this hospital out, or propose the study with "
        'options.standardise = "pooled".',
        schema.outcome.column,
    )


def check_standardised(
    design: Design, prepared: tuple[Dataset, bytes], merged: bytes, schema: Schema, found: Findings
) -> None:
    """Say which numbers keep the mean of all hospitals, and warn if this hospital's outcomes
    differ clearly from the others'. `prepared` are its training rows and its statistics document,
    `merged` that of all."""
    training, own = prepared
    scales = scales_of(design, own)
    kept = [s.column for s in design.sources if s.kind == NUMBER and s.column not in scales]
    if kept:
        found.say(
            TOPIC,
            f"{len(kept)} numbers are standardised with the mean of all hospitals, since they do "
            f"not vary here, or are not published by this hospital: {list_names(kept)}.",
            kept[0],
        )
    others = Others.of(merged, own)
    people = training.count_patients() / max(training.rows, 1)
    said = ""
    if schema.outcome.kind == "continuous":
        said = _compare_means(others, people, design.outcome[1])
    elif schema.outcome.kind != "time_to_event":
        said = _compare_shares(others, people, schema)
    if said:
        found.warn(
            TOPIC,
            f"{said}: standardising with this hospital's own mean takes a part of the outcome out "
            'of its inputs; compare with options.standardise = "pooled".',
            schema.outcome.column,
        )


def _compare_shares(others: Others, people: float, schema: Schema) -> str:
    """Return how the classes' shares differ; "" if they do not clearly."""
    words = schema.outcome.classes or ("negative", "positive")
    every, mine = others.merged["labels"], others.own["labels"]
    here = np.array([mine.get(str(k), 0) for k in range(len(words))])
    there = np.maximum([every.get(str(k), 0) for k in range(len(words))] - here, 0)
    if not here.sum() or not there.sum():
        return ""
    apart = here / here.sum() - there / there.sum()
    k = int(np.abs(apart).argmax()) if len(words) > 2 else 1
    statistic, degrees = chi_square(np.stack([here, there]))
    p = chi_square_tail(people * statistic, degrees)
    if p >= CHANCE or abs(apart[k]) <= SHARE:
        return ""
    return (
        f"{here[k] / here.sum():.0%} of the rows here are '{plain(words[k], 60)}', at the others "
        f"{there[k] / there.sum():.0%} (chi-square test, p = {p:.1g})"
    )


def chi_square(table: npt.NDArray[np.int64]) -> tuple[float, int]:
    """Return Pearson's statistic of counts (2, K) and its degrees of freedom; columns of zeros are
    left out."""
    counts = table[:, table.sum(axis=0) > 0].astype(np.float64)
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    return float(((counts - expected) ** 2 / expected).sum()), counts.shape[1] - 1


def _compare_means(others: Others, people: float, sd: float) -> str:
    """Return how the outcome's means differ; "" if they do not clearly, or are withheld. `sd` is
    the outcome's at all hospitals."""
    every, mine = others.merged.get("outcome"), others.own.get("outcome")
    if not every or not mine or not 1 < mine["count"] < every["count"] - 1:
        return ""
    here, there, z = welch(_moments(every), _moments(mine))
    p = math.erfc(abs(z) * math.sqrt(people / 2.0))
    if p >= CHANCE or abs(here - there) <= SPREAD * sd:
        return ""
    return (
        f"The outcome's mean is {here:.4g} here and {there:.4g} at the others (Welch's test, "
        f"p = {p:.1g})"
    )


Moments = tuple[int, float, float]  # count, mean, sum of squared deviations


def welch(every: Moments, mine: Moments) -> tuple[float, float, float]:
    """Return the mean of mine, that of the rest of all, and Welch's statistic."""
    (n, whole, m2), (k, mean, own_m2) = every, mine
    rest = n - k
    there = (n * whole - k * mean) / rest
    rest_m2 = max(m2 - own_m2 - (mean - there) ** 2 * k * rest / n, 0.0)  # Chan's update, undone
    error = math.sqrt(own_m2 / (k - 1) / k + rest_m2 / (rest - 1) / rest)
    return mean, there, (mean - there) / max(error, 1e-300)


def _moments(outcome: Json) -> Moments:
    return outcome["count"], float.fromhex(outcome["mean"]), float.fromhex(outcome["m2"])
