"""The recipe `logistic`: a linear model with a learnt penalty of every outcome but times.

Logistic regression of two classes, softmax regression of several, ridge regression of numbers; the
arithmetic is in `recipes.linear`.

    penalty     sum      models for each penalty of a grid and each fold, trained side by side
    choice      sum      their losses on the patients of the fold that each has not seen
    initial     initial  the start: the mean of the chosen penalty's models
    training    train    the model, until it moves no more
    left-out    sum      a model without each hospital, trained side by side
    contribution  sum    if asked for: losses of the models of all coalitions of hospitals

In a masked study the model is trained by sums (`linear.masked`), and no hospital is left out:

    penalty, choice      sum      as above, in fixed point
    fit                  sum      the model, until it moves no more
    initial, training             the model that these sums make, the same at every hospital
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.records import Spec, Stage, Until
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.contract.round.kinds import SUM
from swarmhub.recipes import plan
from swarmhub.recipes.linear import masked
from swarmhub.recipes.linear.sums import AGREED
from swarmhub.recipes.site import Site
from swarmhub.recipes.words import WITHOUT, StageWords

KINDS: tuple[OutcomeKind, ...] = ("binary", "classes", "continuous")
OPTIONS: dict[str, tuple[str, ...]] = {
    "penalty": (),
    "left_out": plan.LEFT_OUTS,
    "contribution": plan.CONTRIBUTIONS,
    "intercept": plan.INTERCEPTS,
    "standardise": plan.STANDARDISE,
}
SCORED = ("swarm", "left-out")
CAN_BE_MASKED = True
FITS = (
    "the weights of these models after training here, each times the number of rows that it saw, "
    "with the state of their training"
)
WORDS = {
    plan.PENALTY: StageWords(
        "the strength of the penalty is learnt: models with each of several are trained side by "
        "side, each without one part of the patients",
        f"{FITS}, and these numbers of rows",
    ),
    plan.CHOICE: StageWords(
        "the strength with the smallest errors on the patients left aside is chosen",
        "sums of the errors of these models on the patients left aside here, and of the slopes of "
        "the training error, one number for each input",
    ),
    plan.FIT: StageWords(
        "the model with the chosen penalty is trained", f"{FITS}, and its number of rows"
    ),
    plan.LEFT_OUT: StageWords(WITHOUT, f"{FITS}, and its rows by class"),
    plan.CONTRIBUTION: StageWords(
        "the contribution of each hospital is computed",
        "sums of the errors on the test patients here, of models of groups of hospitals",
    ),
}


def check(spec: Spec) -> None:
    """Raise BadInput for options whose values cannot be."""
    plan.read_penalty(spec)
    plan.wants_contribution(spec)


def make_stages(spec: Spec, until: Until | None = plan.AT_REST) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    learnt = plan.read_penalty(spec) is None
    if spec.privacy.masked:
        return make_masked_stages(spec, learnt)
    sums = plan.make_sums(plan.LEFT_OUT, plan.LEFT_OUT_ROUNDS)
    return (
        *(plan.learn_penalty() if learnt else ()),
        *plan.make_training(spec, until),
        *([sums] if plan.wants_left_out(spec) else ()),
        *([Stage(plan.CONTRIBUTION, SUM)] if plan.wants_contribution(spec) else ()),
    )


def make_masked_stages(spec: Spec, learnt: bool) -> tuple[Stage, ...]:
    """Return the same of a masked study: all that hospitals send are sums of whole numbers."""
    grid = plan.make_sums(plan.PENALTY, plan.GRID_ROUNDS, AGREED, masked.GRID)
    fit = plan.make_sums(plan.FIT, spec.rounds or plan.ROUNDS, AGREED, masked.MODELS)
    return (
        *((grid, Stage(plan.CHOICE, SUM, bounds=masked.CHOICE)) if learnt else ()),
        fit,
        *plan.make_training(replace(spec, rounds=1)),
    )


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    from swarmhub.recipes.training import LinearTraining, SummedTraining, run_stages

    run_stages(site, SummedTraining if site.swarm.spec.privacy.masked else LinearTraining)
