"""The recipe `fedavg`: a linear model of every outcome but times, by federated averaging.

    initial     initial  zeros
    training    train    a few steps at each hospital from the merged model, all rounds of the terms

Its objective is that of `logistic` (`linear.stack`) with a penalty that the terms fix; `logistic`
reaches the pooled solution to many digits, and this one comes near it (`linear.averaging`). But a
hospital sends nothing but parameters in float32, which are merged by their weighted mean: no state,
no whole numbers and no sums of its own. So its rounds can be masked. With differential privacy it
takes one bounded step a round (`private`).
"""

from __future__ import annotations

from swarmhub.contract.records import Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.errors import BadInput, plain
from swarmhub.recipes import plan
from swarmhub.recipes.linear.averaging import RATE, STEPS, Walk, walk_down
from swarmhub.recipes.linear.stack import Models, Stack
from swarmhub.recipes.private import RATE as PRIVATE_RATE
from swarmhub.recipes.private import check_options, run_private
from swarmhub.recipes.site import Site
from swarmhub.recipes.stages import FIXED
from swarmhub.recipes.training import PlainLinear
from swarmhub.train.training import SwarmRound

KINDS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
OPTIONS: dict[str, tuple[str, ...]] = {
    "penalty": (), "steps": (), "rate": (), "left_out": ("no",), "standardise": plan.STANDARDISE,
}  # fmt: skip
SCORED = ("swarm",)
CAN_BE_MASKED = True
CAN_BE_DP = True
MOST_STEPS = 100


def check(spec: Spec) -> None:
    """Raise BadInput for values of options that cannot be."""
    strength, walk = read_strength(spec), read_walk(spec)
    if spec.privacy.dp is not None:
        check_options(spec, walk.rate, strength)


def read_strength(spec: Spec) -> float:
    """Return C, the strength of the penalty, which is not learnt here."""
    if spec.options.get("penalty") == "grid":
        raise BadInput(
            "Expected options.penalty to be C from 1e-6 to 1e6 for the model 'fedavg', which "
            "learns none; got 'grid'."
        )
    return plan.read_penalty(spec) or FIXED


def read_walk(spec: Spec) -> Walk:
    """Return the local training of a round."""
    usual = RATE if spec.privacy.dp is None else PRIVATE_RATE
    steps, rate = spec.options.get("steps", str(STEPS)), spec.options.get("rate", str(usual))
    if not (steps.isascii() and steps.isdigit() and 1 <= int(steps[:9]) <= MOST_STEPS):
        raise BadInput(
            f"Expected options.steps to be a whole number from 1 to {MOST_STEPS}, got "
            f"'{plain(steps, 30)}'."
        )
    try:
        length = float(rate)
    except ValueError:
        length = 0.0
    if not 1e-6 <= length <= 10.0:
        raise BadInput(
            f"Expected options.rate to be a number from 1e-6 to 10, got '{plain(rate, 30)}'."
        )
    return Walk(int(steps), length)


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    return plan.make_training(spec)


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    if site.swarm.spec.privacy.dp is not None:
        spec = site.swarm.spec
        run_private(site, read_walk(spec).rate, read_strength(spec))
        return
    model = AveragedTraining(site)
    for turn in site.swarm.rounds(model.parameters, model.measure):
        model.fit(turn)
        site.say(f"round {turn.number} of {turn.rounds}: trained on {len(site.y)} rows")


class AveragedTraining(PlainLinear):
    """A linear model at this hospital, trained by steps of all its rows."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        spec, rows = site.swarm.spec, site.design.class_rows
        self.walk = read_walk(spec)
        models = Models.of([read_strength(spec)], rows, site.loss)
        self.stack = Stack.of(models, site.axes, site.y)

    def fit(self, turn: SwarmRound) -> None:
        """Train for one round, in place, and report it."""
        merged = self.read_point()  # (e, p + 1)
        self.load_point(walk_down(self.stack, merged.ravel(), self.walk).reshape(merged.shape))
        turn.report(samples=len(self.site.y))
