"""The baseline of a model of times to an event: its arrays, checked, and risks out of them.

After the grid time t a patient is without the event with the probability

    S_t = exp(-exp(m) H_t)

m is the logarithm of their hazard over that of a patient with the mean of every input, H_t the
cumulative baseline hazard (Breslow). Training rounds times up to the grid, so that between two grid
times S is that of the first. All of it is made by `arithmetic`; beside that of m, a risk 1 - S has
an error of at most 1e-15.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BadInput, plain
from swarmhub.evaluation.survival import MOST_GROUPS, Agreed
from swarmhub.models.arithmetic import Floats, exp
from swarmhub.recipes.survival.agreed import read_agreed
from swarmhub.recipes.survival.times import MOST_TIMES

CURVES = ("times", "hazard", "censoring", "survival", "cuts")  # beside the weights
ROUNDING = 1e-9  # by which a mean of equal numbers may differ from them


@dataclass(frozen=True)
class Baseline:
    """Grid `times` (T,), ascending, the cumulative baseline `hazard` (T,) after each, which never
    falls, and the `place` of the horizon among them."""

    times: tuple[float, ...]
    hazard: tuple[float, ...]
    place: int

    @classmethod
    def of(cls, agreed: Agreed, hazard: npt.NDArray[Any]) -> Baseline:
        """Return the baseline of a model's grid and hazard (T,)."""
        rising = np.maximum.accumulate(hazard.astype(np.float64))
        return cls(tuple(agreed.grid.ends.tolist()), tuple(rising.tolist()), agreed.horizon)

    @property
    def horizon(self) -> float:
        """The grid time up to which the risk is predicted."""
        return self.times[self.place]

    def risk(self, log_hazard: Floats) -> Floats:
        """Return the probability of the event up to the horizon, (n,) -> (n,)."""
        found: Floats = 1.0 - self.survive(log_hazard, [self.place])[:, 0]
        return found

    def survive(self, log_hazard: Floats, places: Sequence[int]) -> Floats:
        """Return the probability of no event after the grid times at some places (-1: before the
        first), (n,), (k,) -> (n, k)."""
        ratio = exp(log_hazard)
        found = np.ones((len(ratio), len(places)))
        for column, place in enumerate(places):
            if place >= 0:
                found[:, column] = exp(-(ratio * self.hazard[place]))
        return found

    def find(self, times: npt.ArrayLike, unit: str = "") -> list[int]:
        """Return the place of the last grid time that is not after each time; -1 before the first.
        Raises BadInput for times that are no numbers from 0 to the last grid time."""
        wanted = np.asarray(times, dtype=np.float64)
        if wanted.ndim != 1 or not ((wanted >= 0) & (wanted <= self.times[-1])).all():
            raise BadInput(
                f"Expected a list of times from 0 to {say_time(self.times[-1], unit)}, up to which "
                "the training patients were followed, got others."
            )
        places: list[int] = (np.searchsorted(self.times, wanted, side="right") - 1).tolist()
        return places


def say_time(value: float, unit: str) -> str:
    """Return a grid time in the unit of the study."""
    return f"{value:g} {unit}".rstrip()


def agree(arrays: Mapping[str, npt.NDArray[Any]], horizon: str) -> Agreed:
    """Return the terms on which a model is evaluated; `horizon` is the declared one, "" if there is
    none. Raises BadInput if it is no time of the model's grid."""
    try:
        is_time = not horizon or math.isfinite(float(horizon))
    except ValueError:
        is_time = False
    if not is_time:
        raise BadInput(
            f"Expected data.outcome.horizon to be a number, got '{plain(horizon, 30)}'; export the "
            "model again."
        )
    curves = {name: arrays[name].astype(np.float64) for name in CURVES}
    for name in ("censoring", "survival"):
        curves[name] = np.clip(curves[name], 0.0, 1.0)
    return read_agreed(curves, horizon)


def check_curves(arrays: Mapping[str, npt.NDArray[Any]]) -> None:
    """Raise BadInput if finite arrays are no curves on one grid of times; falls and rises by
    rounding are none."""
    size, parts = len(arrays["times"]), len(arrays["cuts"])
    if not 1 <= size <= MOST_TIMES or parts >= MOST_GROUPS:
        raise BadInput(
            f"Expected 1 to {MOST_TIMES} times and fewer than {MOST_GROUPS} cuts of risk, got "
            f"{size} and {parts}; export the model again."
        )
    times, *curves, cuts = (arrays[name].astype(np.float64) for name in CURVES)
    _need("times", "times above 0 in ascending order", (times > 0) & (_steps(times) > 0))
    rises = _steps(curves[0]) >= -ROUNDING * np.abs(curves[0])
    _need("hazard", "a hazard of 0 or more that never falls", (curves[0] >= 0) & rises)
    for name, curve in zip(CURVES[2:4], curves[1:], strict=True):
        inside = (curve >= -ROUNDING) & (curve <= 1 + ROUNDING)
        falls = _steps(curve, above=math.inf) <= ROUNDING
        _need(name, "a curve from 1 down to 0 that never rises", inside & falls)
    inside = (cuts >= 0) & (cuts <= 1)
    _need("cuts", "risks from 0 to 1 in ascending order", inside & (_steps(cuts) > 0))


def _steps(values: Floats, above: float = -math.inf) -> Floats:
    """Return by how much each value is larger than the one before, the first than `above`."""
    found: Floats = np.diff(values, prepend=above)
    return found


def _need(name: str, expected: str, sound: npt.NDArray[np.bool_]) -> None:
    """Raise BadInput with the place of the first value that is not sound."""
    wrong = np.flatnonzero(~sound)
    if len(wrong):
        raise BadInput(
            f"Expected in '{name}' {expected}, got another value at place {wrong[0] + 1} of "
            f"{len(sound)}; export the model again."
        )
