"""A measured outcome: values in its unit, (n,)."""

from __future__ import annotations

from typing import Any

from swarmhub.data.frames import Floats
from swarmhub.evaluation import regression
from swarmhub.evaluation.regression import COUNTED, Baseline, NumberEvaluation
from swarmhub.recipes.kinds.kind import FEW, Arrays, Tested

METRICS = ("mae", "rmse", "r2", "loss")
SIGNED = ("errors", "moments", "gains")
SENT = (
    "the number of test patients' rows, sums of the errors, of outcomes and predictions, and of "
    "their squares and products"
)

__all__ = ["COUNTED", "METRICS", "SENT", "SIGNED", "count", "evaluate", "measure", "publish"]


def measure(tested: Tested, predicted: Floats) -> dict[str, float]:
    """Return mean absolute error, root of the mean squared error, R2, and the loss (half of the
    squared error of the standardised outcome); the loss alone of few patients."""
    figures = evaluate(tested, predicted).figures
    found = {n: figures[n].value for n in METRICS[:3] if tested.count >= FEW}
    error = (tested.y - predicted) / tested.outcome[1]
    found["loss"] = float(0.5 * (error**2).mean())
    return {name: value for name, value in found.items() if value is not None}


def count(tested: Tested, predicted: Floats) -> Arrays:
    """Return sums of errors and moments."""
    return regression.make_counts(
        tested.y, predicted, _baseline(tested), tested.patients, tested.min_count, FEW
    )


def evaluate(tested: Tested, predicted: Floats) -> NumberEvaluation:
    """Return all figures, with nothing withheld."""
    made = regression.make_counts(tested.y, predicted, _baseline(tested), None, 1, 0)
    return regression.evaluate_counts(made, tested.outcome[1])


def publish(tested: Tested, models: dict[str, Any]) -> dict[str, float]:
    """Return the figures that are published."""
    found = {"samples": float(len(tested.y))}
    if tested.count < FEW:
        return found
    figures = models["swarm"].figures
    found["loss"] = 0.5 * (figures["rmse"].value or 0.0) ** 2 / tested.outcome[1] ** 2
    wanted = {"mae": "mae", "rmse": "rmse", "r2": "r2", "baseline mae": "mae_site"}
    values = {key: figures[name].value for key, name in wanted.items()}
    for model, key in (("local", "local mae"), ("left-out", "left-out mae")):
        if model in models:
            values[key] = models[model].figures["mae"].value
    return found | {key: value for key, value in values.items() if value is not None}


def _baseline(tested: Tested) -> Baseline:
    return Baseline(*tested.outcome, tested.site_mean)
