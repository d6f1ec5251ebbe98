"""The contribution of each hospital to a linear model, out of settled sums.

Models of coalitions of hospitals are trained side by side in the stage `left-out`, with the penalty
of the study's model. In the stage `contribution` every hospital adds their losses on its test
patients. The value of a coalition is the share by which its model lowers the loss of no model

    v(S) = 1 - loss(S) / loss(no model)

with the loss of training, in which all classes weigh the same; 0 for a coalition that lacks a
class, or has no rows.

    up to MOST hospitals    Shapley values: the mean, over all orders in which hospitals could come,
                            of what each adds to those before it (Shapley, Contributions to the
                            Theory of Games II, 1953, 307). They add up to v(all)
    more                    what is lost if a hospital alone is left out: v(all) - v(all but it)

All of it follows from two settled sums: any member computes it again.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.contract.stages import find_stage
from swarmhub.data.matrix import multiply
from swarmhub.recipes import plan
from swarmhub.recipes.kinds.kind import FEW
from swarmhub.recipes.linear.axes import Array
from swarmhub.recipes.linear.stack import Models, weigh_rows
from swarmhub.recipes.linear.sums import from_sums
from swarmhub.recipes.site import Arrays, Site

MOST = 6  # hospitals, of which all coalitions are trained
MOST_VALUES = 1 << 22  # numbers of all models; with more, hospitals are left out one by one
Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Contribution:
    """What each hospital contributes (n,), by Shapley's value or by leaving it out, and the value
    of the model of all, which Shapley's values add up to."""

    is_shapley: bool
    values: Array
    whole: float


def list_coalitions(hospitals: int, size: int, is_asked: bool) -> Masks:
    """Return the coalitions to be trained, (C, n) of bool: all but none, or all without each
    hospital, then all; without the last if contributions are not asked for. `size` is the number of
    a model's parameters."""
    if is_asked and is_small(hospitals, size):
        numbers = np.arange(1, 1 << hospitals)[:, None]
        found: Masks = (numbers >> np.arange(hospitals)) & 1 == 1
        return found
    without = ~np.eye(hospitals, dtype=bool)
    return np.concatenate([without, np.ones((1, hospitals), dtype=bool)]) if is_asked else without


def is_small(hospitals: int, size: int) -> bool:
    """Return whether the models of all coalitions are trained."""
    return hospitals <= MOST and ((1 << hospitals) - 1) * size <= MOST_VALUES


def coalitions_of(site: Site) -> Masks:
    """Return the coalitions of this study."""
    size = site.loss.outputs * (len(site.design.sources) + 1)
    is_asked = find_stage(site.swarm.spec, plan.CONTRIBUTION) is not None
    return list_coalitions(len(site.swarm.enrolled), size, is_asked)


def count_losses(site: Site, sums: Mapping[str, Any]) -> Arrays:
    """Return what this hospital adds: the losses of its test patients (1 + C,), of no model and of
    each coalition's, and their weights (1,); zeros of few patients. `sums` are the last of the
    stage `left-out`."""
    points, held = from_sums(sums).point, site.prepared.held
    found: Arrays = {"loss": np.zeros(1 + len(points)), "weight": np.zeros(1)}
    if held is None or held.count_patients() < FEW:
        return found
    assert site.test_x is not None
    y = site.code_outcome(held).astype(np.float64)
    each = weigh_rows(Models.of([1.0], site.design.class_rows, site.loss), y)[0]
    size = len(site.design.sources) + 1
    by_model = np.concatenate([np.zeros((1, points.shape[1])), points])
    for k, point in enumerate(by_model.reshape(len(by_model), -1, size)):
        weight, bias = point[:, :-1], point[:, -1]
        if site.has_own_intercept and k:
            bias = site.find_intercept(weight)
        margins = multiply(weight, site.test_x) + bias[:, None]
        found["loss"][k] = (each * site.loss.each(y, margins[None])[0]).sum()
    found["weight"][0] = each.sum()
    return found


def learn_contribution(site: Site) -> None:
    """Add the losses of the coalitions' models, if the terms ask for contributions."""
    if find_stage(site.swarm.spec, plan.CONTRIBUTION) is None:
        return
    models = site.swarm.result(plan.LEFT_OUT)
    assert models is not None
    if site.swarm.result(plan.CONTRIBUTION) is None:
        arrays = count_losses(site, models.arrays)
        site.swarm.sum(plan.CONTRIBUTION, arrays, samples=len(site.y))


def read_contribution(
    hospitals: int, size: int, models: Mapping[str, Any], losses: Mapping[str, Any]
) -> Contribution | None:
    """Return the contributions out of the settled sums of `left-out` and `contribution`; None if
    they do not fit each other, a hospital was away, or none has enough test patients."""
    coalitions = list_coalitions(hospitals, size, is_asked=True)
    seen, loss = np.asarray(models["seen"]), np.asarray(losses["loss"])
    if len(seen) != len(coalitions) or len(loss) != len(seen) + 1 or not loss[0] > 0:
        return None
    rows = seen.sum(axis=1)
    own = rows[coalitions.sum(axis=1) == 1] if is_small(hospitals, size) else rows[-1] - rows[:-1]
    if not (own > 0).all():
        return None  # a hospital was away
    values = np.where(seen.min(axis=1) > 0, 1.0 - loss[1:] / loss[0], 0.0)
    if is_small(hospitals, size):
        return Contribution(True, compute_shapley(values), float(values[-1]))
    return Contribution(False, values[-1] - values[:-1], float(values[-1]))


def compute_shapley(values: Array) -> Array:
    """Return the Shapley value of each of n hospitals, (n,); values (2^n - 1,) of the coalitions
    1 .. 2^n - 1: bit i of a number is hospital i."""
    n = int(len(values) + 1).bit_length() - 1
    worth = np.concatenate([[0.0], values])
    found = np.zeros(n)
    for i in range(n):
        gains = [
            math.factorial(s.bit_count()) * math.factorial(n - s.bit_count() - 1)
            * (worth[s | 1 << i] - worth[s])
            for s in range(1 << n)
            if not s >> i & 1
        ]  # fmt: skip
        found[i] = math.fsum(gains) / math.factorial(n)
    return found
