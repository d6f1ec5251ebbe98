"""Linear models and small networks at one hospital: the stages of a study, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.errors import TrainerError
from swarmhub.recipes import plan
from swarmhub.recipes.contribution import learn_contribution
from swarmhub.recipes.fixed import find_fixed
from swarmhub.recipes.leaving import learn_left_out, read_left_out
from swarmhub.recipes.linear.alone import choose_alone, fit_at
from swarmhub.recipes.linear.consensus import State
from swarmhub.recipes.linear.grid import Start
from swarmhub.recipes.linear.masked import PARTS, fit_round
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.linear.sums import from_sums
from swarmhub.recipes.linear.training import MILLION, Training
from swarmhub.recipes.measuring import measure_final, measure_round
from swarmhub.recipes.mlp import Mlp
from swarmhub.recipes.objective import Objective
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import learn_start, run_sums
from swarmhub.train.training import SwarmRound


class LocalTraining(Protocol):
    """A recipe's training at this site; `parameters` are the merged ones, in place."""

    parameters: Arrays

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""

    def measure(self) -> dict[str, Any]:
        """Measure the merged model on the test patients: in the last stage in full, with counts."""


class Measured:
    """Measurements of all recipes; `predict` and `predict_others` are theirs."""

    site: Site

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,) or (n, e)."""
        raise NotImplementedError

    def predict_others(self) -> dict[str, Floats | None]:
        """Return the same of the model without this hospital, 'left-out', and of this hospital's
        own, 'local', if there are such."""
        site = self.site
        points = {"left-out": read_left_out(site), "local": fit_local(site)}
        x = self.site.test_x
        return {name: site.predict_point(point, x) for name, point in points.items()}

    def measure(self) -> dict[str, Any]:
        """Measure the merged model on the test patients: in the last stage in full, with counts."""
        site, predicted = self.site, self.predict()
        if site.swarm.stage != plan.EVALUATION:
            return dict(measure_round(site, predicted))
        every = {} if predicted is None else {"swarm": predicted, **self.predict_others()}
        known = {name: found for name, found in every.items() if found is not None}
        metrics, counts, record = measure_final(site, known)
        site.keep({"findings": site.findings.found, "evaluation": record})
        return {**metrics, **counts}


class Linear(Measured):
    """A linear model; `parameters` are the merged ones, in place: `weight` (p,), of several outputs
    (e, p), and `bias` (e,)."""

    parameters: Arrays

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,) or (n, e)."""
        weight, bias = self.parameters["weight"], self.parameters["bias"]
        if self.site.has_own_intercept:
            bias = self.site.find_intercept(weight)
            self.site.keep_intercept(bias)
        x = self.site.test_x
        return None if x is None else self.site.predict(weight, bias, x)


class PlainLinear(Linear):
    """A linear model with float32 parameters and nothing else to be merged, from zeros on."""

    def __init__(self, site: Site) -> None:
        features, outputs = len(site.design.sources), site.loss.outputs
        shape = (features,) if outputs == 1 else (outputs, features)
        self.site = site
        self.parameters = {
            "bias": np.zeros(outputs, dtype=np.float32),
            "weight": np.zeros(shape, dtype=np.float32),
        }

    def read_point(self) -> Floats:
        """Return the parameters as float64, (e, p + 1), the intercepts last."""
        weight, bias = (self.parameters[name].astype(np.float64) for name in ("weight", "bias"))
        return np.column_stack([np.atleast_2d(weight), bias])

    def load_point(self, point: Floats) -> None:
        """Write a point (e, p + 1) into the parameters."""
        shape = self.parameters["weight"].shape
        load(self.parameters, {"bias": point[:, -1], "weight": point[:, :-1].reshape(shape)})


class LinearTraining(Linear):
    """Logistic regression (`linear.training`)."""

    def __init__(self, site: Site, start: Start) -> None:
        stage = find_stage(site.swarm.spec, plan.TRAINING)
        is_mean = stage is None or stage.rule.name == "weighted_mean"
        features, rows = len(site.design.sources), site.design.class_rows
        training = Training(features, rows, start, is_mean, site.loss, site.has_own_intercept)
        self.site, self.training = site, training
        self.stack = training.stack_of(site.axes, site.y)
        self.parameters: Arrays = training.initial()

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""
        made, state = self.training.fit(self.parameters, self.stack, dict(turn.local))
        load(self.parameters, made)
        turn.local = {name: np.asarray(value) for name, value in state.items()}
        turn.report(samples=len(self.site.y))


class SummedTraining(Linear):
    """The same in a masked study: sums make the model (`linear.masked`)."""

    def __init__(self, site: Site, start: Start) -> None:
        rows, features = site.design.class_rows, len(site.design.sources)
        models = Models.of([start.strength], rows, site.loss, site.has_own_intercept)
        self.site, self.stack = site, Stack.of(models, site.axes, site.y)

        def step(sums: Any, state: State) -> tuple[Arrays, State]:
            return fit_round(self.stack, start, sums, state, plan.STILL)

        fixed = find_fixed(site.swarm.spec, plan.FIT, PARTS, float(sum(rows)))
        found = run_sums(site, plan.FIT, step, "the model is trained", fixed)
        point = from_sums(found.arrays).point[0].reshape(site.loss.outputs, features + 1)
        weight = point[0, :-1] if len(point) == 1 else point[:, :-1]
        self.made: Arrays = {"weight": weight.copy(), "bias": point[:, -1].copy()}
        self.parameters: Arrays = {name: array.copy() for name, array in self.made.items()}

    def fit(self, turn: SwarmRound) -> None:
        """Send the model that the sums have made, with this hospital's own intercepts if each has
        its own: their mean is for hospitals that have none."""
        warn_of_start(self.site, self.parameters, self.made)
        own = {"bias": self.stack.intercepts_of(self.made["weight"])}
        load(self.parameters, self.made | (own if self.site.has_own_intercept else {}))
        turn.report(samples=len(self.site.y))


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
        made, state = self.model.fit(self.parameters, self.site.dense_x, self.site.y, local)
        turn.local = dict(state)
        load(self.parameters, dict(made))
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,) or (n, e)."""
        x = self.site.dense_test_x
        return None if x is None else self.model.predict(self.parameters, x)


def fit_local(site: Site) -> Floats | None:
    """Return the model of this hospital alone, (e (p + 1),); None if it lacks a class."""
    try:
        strength = choose_alone(*site.take_sample(), loss=site.loss)
        return fit_at(site.axes, site.y, strength, site.loss)
    except ValueError:
        return None


def warn_of_start(site: Site, parameters: Arrays, made: Arrays) -> None:
    """Say that the start of a masked round is not the model that the sums make here: changes larger
    than the clip are lost then."""
    privacy = site.swarm.spec.privacy
    clip = privacy.clip_millionths / MILLION
    apart = [np.abs(parameters[name] - array).max(initial=0.0) for name, array in made.items()]
    if privacy.masked and max(apart) > clip:
        site.say(
            "The start that a hospital has offered is not the model that the sums make here, and "
            "is too far from it: the trained model is wrong; stop the study, and propose it again."
        )


def load(parameters: Arrays, made: Arrays) -> None:
    """Write arrays into those of the same names."""
    for name, array in made.items():
        np.copyto(parameters[name], array)


def run_stages(site: Site, make: Callable[[Site, Start], LocalTraining]) -> None:
    """Go through the stages of a study whose penalty is learnt, with the training that `make`
    returns."""
    swarm = site.swarm
    start = learn_start(site)
    model = make(site, start)
    for turn in swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of at most {turn.rounds}: trained on {len(site.y)} rows")
    if find_stage(swarm.spec, plan.LEFT_OUT) is not None and not swarm.final:
        learn_left_out(site, start.strength)
        learn_contribution(site)
        for _ in swarm.rounds(model.parameters, model.measure):
            raise TrainerError("Expected no training after the models without each hospital.")
