"""The recipe `mlp`: a network with one hidden layer beside a linear path (`mlp`), of two classes.

Its penalty is learnt as that of `logistic`, and its models without each hospital are such models.
"""

from __future__ import annotations

from swarmhub.contract.records import Spec, Stage
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.recipes import logistic, plan
from swarmhub.recipes.site import Site

KINDS: tuple[OutcomeKind, ...] = ("binary",)
OPTIONS: dict[str, tuple[str, ...]] = {
    "penalty": (), "left_out": plan.LEFT_OUTS, "standardise": plan.STANDARDISE,
}  # fmt: skip
SCORED = logistic.SCORED
WORDS = logistic.WORDS
check = logistic.check


def make_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages between the statistics and the evaluation."""
    return logistic.make_stages(spec, until=None)


def run(site: Site) -> None:
    """Go through the stages at a hospital."""
    from swarmhub.recipes.training import MlpTraining, run_stages

    site.need_dense()
    run_stages(site, MlpTraining)
