"""A time to an event: logarithms of patients' hazards over the baseline, (n,)."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.data.frames import Floats
from swarmhub.evaluation import survival
from swarmhub.evaluation.survival import SurvivalEvaluation
from swarmhub.recipes.kinds.kind import FEW, Arrays, Followed, Tested
from swarmhub.recipes.survival.likelihood import FARTHEST

METRICS = ("c_index", "integrated_brier")
COUNTED = (
    "totals", "events", "censored", "risk", "pairs", "coarse", "spread", "brier", "integrated",
    "null",
)  # fmt: skip
SIGNED: tuple[str, ...] = ()
SENT = (
    "exact counts of test patients with and without the event by time and by group of predicted "
    "risk, down to single patients; sums of risks, of errors, and of pairs in the right order"
)
PUBLISHED = {
    "brier": "brier", "integrated_brier": "integrated_brier", "skill": "skill",
    "observed/expected": "observed_expected",
}  # fmt: skip


def measure(tested: Tested, predicted: Floats) -> dict[str, float]:
    """Return the C-index and the integrated Brier score; none of few patients."""
    if tested.count < FEW:
        return {}
    figures = evaluate(tested, predicted).figures
    found = {"c_index": figures["c_index_within"], "integrated_brier": figures["integrated_brier"]}
    return {name: figure.value for name, figure in found.items() if figure.value is not None}


def count(tested: Tested, predicted: Floats) -> Arrays:
    """Return patients by risk group and time, pairs in right order, and squared errors."""
    return _count(tested, predicted, FEW)


def evaluate(tested: Tested, predicted: Floats) -> SurvivalEvaluation:
    """Return all figures, with nothing withheld."""
    return survival.evaluate_counts(_followed(tested).agreed, _count(tested, predicted, 0))


def publish(tested: Tested, models: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are published."""
    found = {"samples": float(len(tested.y)), "events": float(tested.y.sum())}
    if tested.count < FEW:
        return found
    figures = models["swarm"].figures
    area = figures["c_index_within"]
    values = {"c_index": area.value, "c_index low": area.low, "c_index high": area.high}
    values |= {key: figures[name].value for key, name in PUBLISHED.items()}
    for model, key in (("local", "local c_index"), ("left-out", "left-out c_index")):
        if model in models:
            values[key] = models[model].figures["c_index_within"].value
    return found | {key: value for key, value in values.items() if value is not None}


def predict_survival(hazard: Floats, predicted: Floats) -> Floats:
    """Return survival after each grid time; hazard (T,), log hazards (n,) -> (n, T)."""
    risk = np.exp(np.clip(predicted, -FARTHEST, FARTHEST))
    found: Floats = np.exp(-risk[:, None] * hazard)
    return found


def _count(tested: Tested, predicted: Floats, few: int) -> Arrays:
    followed = _followed(tested)
    alive = predict_survival(followed.hazard, predicted)
    return dict(survival.make_counts(followed.agreed, followed.observed, predicted, alive, few))


def _followed(tested: Tested) -> Followed:
    assert tested.followed is not None
    return tested.followed
