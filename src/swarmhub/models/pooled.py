"""Figures of an exported model on all hospitals' test patients, out of settled counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy.typing as npt

from swarmhub.errors import BadInput
from swarmhub.evaluation import classes, counts, regression, survival
from swarmhub.evaluation.figures import Figure
from swarmhub.models.exported import ExportedModel, Measure

PROTOCOL = "patients that the hospitals had set aside and did not train on, all together"


def list_measures(
    exported: ExportedModel, sums: Mapping[str, npt.ArrayLike]
) -> tuple[Measure, ...]:
    """Return the figures of counts that were added over hospitals; none if they are no counts of
    this version for such a model."""
    try:
        figures = _evaluate(exported, sums)
    except (KeyError, ValueError, BadInput):
        return ()
    return tuple(
        Measure(name, _say(f.value), f.support, PROTOCOL, _say(f.low), _say(f.high))
        for name, f in figures.items()
        if f.value is not None
    )


def _evaluate(exported: ExportedModel, sums: Mapping[str, npt.ArrayLike]) -> dict[str, Figure]:
    response = exported.response
    if response.kind == "binary":
        return counts.evaluate_counts(sums, response.threshold).figures
    if response.kind == "classes":
        return classes.evaluate_counts(sums).figures
    if response.kind == "continuous":
        return regression.evaluate_counts(sums, response.sd).figures
    assert exported.agreed is not None
    return survival.evaluate_counts(exported.agreed, sums).figures


def _say(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"
