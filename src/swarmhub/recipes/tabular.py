"""The recipes for tables by name: their parameters, and scoring with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from swarmhub.contract.records import Spec
from swarmhub.data.design import Design
from swarmhub.data.frames import Floats
from swarmhub.recipes import plan
from swarmhub.recipes.linear.losses import sigmoid
from swarmhub.recipes.linear.training import MILLION, Training
from swarmhub.recipes.mlp import Mlp
from swarmhub.recipes.objective import Objective

Arrays = dict[str, Any]


def make_blank(spec: Spec, design: Design) -> Arrays:
    """Return parameters of a study's recipe before training: their names, types and shapes."""
    features, rows = len(design.sources), design.class_rows
    if plan.get_model(spec) == "mlp":
        blank = Mlp(features, Objective.of(features, rows), spec.seed).initial()
        return {**blank, plan.MOVING: np.array([MILLION], dtype=np.int64)}
    return Training.cold(features, rows, 1.0).initial()


def predict_with(spec: Spec, parameters: Arrays, x: Floats) -> Floats:
    """Return the probability of the positive class; x (n, p) -> (n,)."""
    if plan.get_model(spec) == "mlp":
        blank = Objective.of(x.shape[1], (1, 1))
        return Mlp(x.shape[1], blank, spec.seed).predict(parameters, x)
    return sigmoid(x @ parameters["weight"] + parameters["bias"])
