"""The training rounds of a recipe at one hospital."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.recipes import plan
from swarmhub.recipes.linear.grid import Start
from swarmhub.recipes.linear.training import MILLION, Training
from swarmhub.recipes.measuring import measure_final, measure_round
from swarmhub.recipes.mlp import Mlp
from swarmhub.recipes.objective import Objective
from swarmhub.recipes.site import Arrays, Site
from swarmhub.train.training import SwarmRound


class LocalTraining(Protocol):
    """A recipe's training at this site; `parameters` are the merged ones, in place."""

    parameters: Arrays

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""

    def measure(self) -> dict[str, Any]:
        """Measure the merged model on the test patients: in the last stage in full, with counts."""


class Measured:
    """Measurements of all recipes; `predict` is theirs."""

    site: Site

    def predict(self) -> Floats | None:
        """Return the merged model's probabilities of the test patients, (n,)."""
        raise NotImplementedError

    def measure(self) -> dict[str, Any]:
        """Measure the merged model on the test patients: in the last stage in full, with counts."""
        site = self.site
        if site.swarm.stage != plan.EVALUATION:
            return dict(measure_round(site, self.predict()))
        metrics, counts, record = measure_final(site, self.predict())
        site.keep({"findings": site.findings.found, "evaluation": record})
        return {**metrics, **counts}


class LinearTraining(Measured):
    """Logistic regression (`linear.training`)."""

    def __init__(self, site: Site, training: Training) -> None:
        self.site, self.training = site, training
        self.stack = training.stack(site.x, site.y)
        self.parameters: Arrays = training.initial()

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""
        made, state = self.training.fit(self.parameters, self.stack, dict(turn.local))
        load(self.parameters, made)
        turn.local = {name: np.asarray(value) for name, value in state.items()}
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the merged model's probabilities of the test patients, (n,)."""
        x = self.site.test_x
        return None if x is None else self.training.predict(self.parameters, x)


class MlpTraining(Measured):
    """A small network (`mlp`), with the penalty that the swarm has chosen."""

    def __init__(self, site: Site, start: Start) -> None:
        self.site = site
        features, rows = len(site.design.sources), site.design.class_rows
        objective = Objective.of(features, rows, start.strength)
        self.model = Mlp(features, objective, site.swarm.spec.seed)
        moving = {plan.MOVING: np.array([MILLION], dtype=np.int64)}  # it is never still
        self.parameters: Arrays = {**self.model.initial(), **moving}

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""
        local: Any = turn.local
        made, state = self.model.fit(self.parameters, self.site.x, self.site.y, local)
        turn.local = dict(state)
        load(self.parameters, dict(made))
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the merged model's probabilities of the test patients, (n,)."""
        x = self.site.test_x
        return None if x is None else self.model.predict(self.parameters, x)


def load(parameters: Arrays, made: Arrays) -> None:
    """Write arrays into those of the same names."""
    for name, array in made.items():
        np.copyto(parameters[name], array)


def make_training(site: Site, start: Start) -> LocalTraining:
    """Return the training of the study's recipe."""
    model = site.swarm.spec.options.get("model", plan.MODELS[0])
    if model == "mlp":
        return MlpTraining(site, start)
    stage = find_stage(site.swarm.spec, plan.TRAINING)
    is_mean = stage is None or stage.rule.name == "weighted_mean"
    features, rows = len(site.design.sources), site.design.class_rows
    return LinearTraining(site, Training(features, rows, start, mixing=is_mean))
