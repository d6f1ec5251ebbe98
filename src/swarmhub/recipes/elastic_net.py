"""The recipe `elastic_net`: a linear model of few features, of two classes or of numbers.

    path        sum      the folds' models from the strongest penalty to the weakest, and their
                         losses on the patients that each has not seen (`linear.elastic`)
    fit         sum      the model with the chosen penalty
    left-out    sum      a model without each hospital, side by side
    initial, training    the model that these sums make, the same at every hospital

The penalty is chosen as that of `logistic` (`linear.folds`). In a masked study all sums are in
fixed point, and no hospital is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from swarmhub.contract.records import Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.contract.stages import find_stage
from swarmhub.data.frames import Floats
from swarmhub.errors import BadInput, plain
from swarmhub.recipes import plan
from swarmhub.recipes.fixed import find_fixed
from swarmhub.recipes.linear import elastic
from swarmhub.recipes.linear.elastic import ElasticNet, Masks, Rows, read_strength, see_folds
from swarmhub.recipes.linear.folds import FOLDS, STRENGTHS
from swarmhub.recipes.linear.losses import Loss
from swarmhub.recipes.site import Arrays, Site
from swarmhub.recipes.stages import FIXED, Step, run_sums
from swarmhub.recipes.training import Measured, load, warn_of_start
from swarmhub.recipes.words import MADE, WITHOUT, StageWords
from swarmhub.train.summands import Summed
from swarmhub.train.training import SwarmRound

PATH, FIT = "path", "fit"
FIT_ROUNDS = 25
KINDS: tuple[OutcomeKind, ...] = ("binary", "continuous")
OPTIONS: dict[str, tuple[str, ...]] = {
    "penalty": (), "l1_ratio": (), "left_out": plan.LEFT_OUTS, "standardise": plan.STANDARDISE,
}  # fmt: skip
SCORED = ("swarm", "left-out")
CAN_BE_MASKED = True
SUMS = (
    "sums over the training patients here: of the error, of its slope (one number for each input) "
    "and of its curvature (one for each pair of inputs), and the number of rows"
)
WORDS = {
    PATH: StageWords(
        "the strength of the penalty is learnt: models from the strongest to the weakest are "
        "fitted, each without one part of the patients",
        f"for each of these models, {SUMS}; sums of the error on the patients left aside",
    ),
    FIT: StageWords("the model with the chosen penalty is fitted", SUMS),
    plan.LEFT_OUT: StageWords(WITHOUT, f"for each of these models, {SUMS} by class"),
    plan.TRAINING: MADE,
}


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    plan.read_penalty(spec)
    read_ratio(spec)


def read_ratio(spec: Spec) -> float:
    """Return the share of the penalty that is on absolute weights."""
    text = spec.options.get("l1_ratio", "0.5")
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0.01 <= ratio <= 1.0:
        raise BadInput(
            f"Expected options.l1_ratio from 0.01 to 1, got '{plain(text, 30)}'; 1 is the lasso, "
            "without it take the model logistic."
        )
    return ratio


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    learnt = plan.read_penalty(spec) is None
    bounds = elastic.BOUNDS if spec.privacy.masked else ()
    path = plan.make_sums(PATH, elastic.ROUNDS, elastic.AGREED, bounds)
    left_out = plan.make_sums(plan.LEFT_OUT, FIT_ROUNDS, elastic.AGREED)
    return (
        *([path] if learnt else []),
        plan.make_sums(FIT, FIT_ROUNDS, elastic.AGREED, bounds),
        *([left_out] if plan.wants_left_out(spec) else []),
        *plan.make_training(replace(spec, rounds=1)),
    )


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    site.need_dense()
    model = ElasticTraining(site)
    for turn in site.swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of {turn.rounds}: the model of {len(site.y)} rows")


def fit_alone(
    spec: Spec, x: Floats, y: Floats, fold: Any, loss: Loss
) -> Callable[[Floats], Floats]:
    """Fit one place's rows; return their margins of rows, (n, p) -> (1, n). Raises ValueError if a
    class is absent."""
    _, point = elastic.fit_alone(x, y, fold, loss, read_ratio(spec))
    return lambda tested: (tested @ point[:-1] + point[-1])[None]


class ElasticTraining(Measured):
    """The model that the sums have made; `parameters` are the merged ones, in place."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.strength = self.learn_strength()
        every = np.ones((1, len(site.y)), dtype=bool)
        last = self._run(FIT, self._steps([self.strength], every), "the fit")
        if last.arrays["moving"][0]:
            site.say("The model has not come to rest in the rounds of the terms: its last point.")
        point = np.asarray(last.arrays["at"])[0]
        self.made: Arrays = {"weight": point[:-1].copy(), "bias": point[-1:].copy()}
        kept = int(np.count_nonzero(self.made["weight"]))
        site.say(f"The model has {kept} of {len(point) - 1} features at C = {self.strength:g}.")
        self.learn_left_out()
        self.parameters: Arrays = {name: array.copy() for name, array in self.made.items()}

    def learn_strength(self) -> float:
        """Return C, of the terms or learnt along the path."""
        fixed = plan.read_penalty(self.site.swarm.spec)
        if find_stage(self.site.swarm.spec, PATH) is None:
            return fixed or FIXED
        step = self._steps(STRENGTHS, see_folds(self.site.fold), (FOLDS - 1) / FOLDS)
        strength = read_strength(self._run(PATH, step, "the penalty is learnt").arrays)
        self.site.say(f"the penalty was chosen in the swarm: C = {strength:g}")
        return strength

    def fit(self, turn: SwarmRound) -> None:
        """Send the model that the sums have made."""
        warn_of_start(self.site, self.parameters, self.made)
        load(self.parameters, self.made)
        turn.report(samples=len(self.site.y))

    def predict(self) -> Floats | None:
        """Return the merged model's predictions of the test patients, (n,)."""
        x = self.site.test_x
        weight, bias = self.parameters["weight"], self.parameters["bias"]
        return None if x is None else self.site.predict(weight, bias, x)

    def predict_others(self) -> dict[str, Floats | None]:
        """Return the same of the model without this hospital and of its own."""
        x = self.site.test_x
        points = {"left-out": self.read_left_out(), "local": self.fit_local()}
        return {name: self.site.predict_point(point, x) for name, point in points.items()}

    def read_left_out(self) -> Floats | None:
        """Return the model without this hospital, (p + 1,); None if the others have no rows."""
        site, members = self.site, self.site.swarm.enrolled
        if find_stage(site.swarm.spec, plan.LEFT_OUT) is None:
            return None
        found = site.swarm.result(plan.LEFT_OUT)
        if found is None or site.swarm.member not in members:
            return None
        place = members.index(site.swarm.member)
        point = np.asarray(found.arrays["at"])
        has_rows = len(point) == len(members) and found.arrays["rows"][place] > 0
        return point[place] if has_rows else None

    def fit_local(self) -> Floats | None:
        """Return the model of this hospital alone, (p + 1,); None if it lacks a class."""
        site = self.site
        try:
            ratio = read_ratio(site.swarm.spec)
            return elastic.fit_alone(site.dense_x, site.y, site.fold, site.loss, ratio)[1]
        except ValueError:
            return None

    def _run(self, stage: str, step: Step, what: str) -> Summed:
        """Take part in a stage; in a masked study in fixed point, of means over all rows."""
        fixed = find_fixed(self.site.swarm.spec, stage, elastic.PARTS, self.site.rows_of_all)
        return run_sums(self.site, stage, step, what, fixed)

    def _steps(self, strengths: Sequence[float], seen: Masks, share: float = 1.0) -> Step:
        """Return the step of a stage whose models see (K, n) of this hospital's rows, and this
        share of the rows of each class."""
        model, rows = self._model(len(seen), strengths), np.array(self.site.design.class_rows)
        mine = self._weigh(np.tile(share * rows, (len(seen), 1)), seen)
        return lambda sums, _: (model.arrays(mine, sums), {})

    def learn_left_out(self) -> None:
        """Train a model without each hospital. The rows of each class that it sees are counted in
        the first round: they decide the weights."""
        members, y = self.site.swarm.enrolled, self.site.y
        if find_stage(self.site.swarm.spec, plan.LEFT_OUT) is None:
            return
        seen = np.ones((len(members), len(y)), dtype=bool)
        if self.site.swarm.member in members:
            seen[members.index(self.site.swarm.member)] = False
        model = self._model(len(members), [self.strength])
        label = y if self.site.loss.has_classes else np.zeros(len(y))
        classes = [
            (seen & (label == c)).sum(axis=1) for c in range(len(self.site.design.class_rows))
        ]
        counts = np.stack(classes, axis=1).astype(np.float64)

        def step(sums: Any, _: Any) -> tuple[Arrays, dict[str, Any]]:
            if sums is None:
                nothing = self._weigh(np.zeros_like(counts), np.zeros_like(seen))
                return {**model.arrays(nothing, None), "classes": counts}, {}
            mine = self._weigh(sums["classes"], seen)
            return {**model.arrays(mine, sums), "classes": counts}, {}

        run_sums(self.site, plan.LEFT_OUT, step, "models without each hospital")

    def _model(self, models: int, strengths: Sequence[float]) -> ElasticNet:
        ratio = read_ratio(self.site.swarm.spec)
        slack = elastic.STEP * self.site.rows_of_all if self.site.swarm.spec.privacy.masked else 0.0
        columns, strengths = self.site.x.shape[1], tuple(strengths)
        return ElasticNet(models, columns, self.site.loss, ratio, strengths, slack)

    def _weigh(self, class_rows: Any, seen: Masks) -> Rows:
        return elastic.weigh(self.site.dense_x, self.site.y, self.site.loss, class_rows, seen)
