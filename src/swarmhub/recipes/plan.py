"""The stages of a study over declared data, as its recipe needs them.

    statistics  describe  the hospitals' statistics: every hospital derives the same features
    penalty     sum       models for each penalty of a grid and each fold, trained side by side
    choice      sum       their losses on the patients of the fold that each has not seen
    initial     initial   the start: the mean of the chosen penalty's models
    training    train     the model, until it moves no more
    left-out    sum       a model without each hospital, trained side by side
    evaluation  evaluate  counts of test patients by score; figures of each hospital

`study.toml` names the recipe and the largest number of rounds; what is proposed, shown and approved
has the stages in full.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.records import Bound, MergeRule, Spec, Stage, Until
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain
from swarmhub.evaluation.counts import HISTOGRAMS
from swarmhub.recipes.linear.sums import AGREED

STATISTICS, PENALTY, CHOICE, START = "statistics", "penalty", "choice", "initial"
TRAINING, LEFT_OUT, EVALUATION = "training", "left-out", "evaluation"
MODELS = ("logistic", "mlp")
ROUNDS = 20  # of training, at most
GRID_ROUNDS = 12
LEFT_OUT_ROUNDS = 20
MOVING = "moving"  # an array of the merge: how far it has moved, in millionths
STILL = 5000  # millionths: less is no movement
MAX_COUNT = 2**52  # rows, pairs of them and squares, in small units
SCORED = ("swarm", "left-out")
COUNTED = (*HISTOGRAMS, "pairs", "threshold")
OPTIONS = ("model", "penalty", "left_out")


def complete(spec: Spec) -> Spec:
    """Return terms that declare data with the stages of their recipe written out, unless they list
    stages. Raises BadInput, with the key, for a declaration or an option that cannot be."""
    if spec.data is None:
        return spec
    schema = Schema.of(spec.data)
    if spec.stages:
        return spec
    check_options(spec)
    return replace(
        spec, rounds=0, statistics=False, merge=MergeRule(), stages=make_stages(spec, schema)
    )


def check_options(spec: Spec) -> None:
    """Raise BadInput for an option that no recipe knows."""
    unknown = [key for key in spec.options if key not in OPTIONS]
    if unknown:
        raise BadInput(
            f"Expected options out of {', '.join(OPTIONS)}, got '{plain(unknown[0], 40)}'."
        )
    model = spec.options.get("model", MODELS[0])
    if model not in MODELS:
        raise BadInput(f"Expected a model out of {', '.join(MODELS)}, got '{plain(model, 40)}'.")
    if read_penalty(spec) is not None and spec.data and spec.data.outcome.kind != "binary":
        raise BadInput("Expected the outcome to be binary: other kinds have no recipe yet.")


def read_penalty(spec: Spec) -> float | None:
    """Return the fixed strength of the penalty (C), None if it is learnt in the swarm."""
    text = spec.options.get("penalty", "grid")
    if text == "grid":
        return None
    try:
        strength = float(text)
    except ValueError:
        strength = 0.0
    if not 1e-6 <= strength <= 1e6:
        raise BadInput(
            f"Expected options.penalty to be 'grid' or C from 1e-6 to 1e6, got '{plain(text, 30)}'."
        )
    return strength


def wants_left_out(spec: Spec) -> bool:
    """Return whether a model without each hospital is trained, too."""
    text = spec.options.get("left_out", "yes")
    if text not in ("yes", "no"):
        raise BadInput(f"Expected options.left_out to be yes or no, got '{plain(text, 30)}'.")
    return text == "yes"


def make_stages(spec: Spec, schema: Schema) -> tuple[Stage, ...]:
    """Return the stages of a study over declared data."""
    if schema.outcome.kind != "binary":
        raise BadInput("Expected the outcome to be binary: other kinds have no recipe yet.")
    learns = [make_sums(PENALTY, GRID_ROUNDS), Stage(CHOICE, SUM)]
    still = Until(MOVING, STILL) if spec.options.get("model") != "mlp" else None
    return (
        Stage(STATISTICS, DESCRIBE),
        *(learns if read_penalty(spec) is None else []),
        Stage(START, INITIAL),
        Stage(TRAINING, TRAIN, spec.rounds or ROUNDS, spec.merge, until=still),
        *([make_sums(LEFT_OUT, LEFT_OUT_ROUNDS)] if wants_left_out(spec) else []),
        Stage(EVALUATION, EVALUATE, bounds=make_bounds(spec, schema)),
    )


def make_sums(name: str, rounds: int) -> Stage:
    """Return a stage in which models are trained side by side, until they move at no hospital."""
    bounds = (Bound(MOVING, 0, 1),)
    return Stage(name, SUM, rounds, until=Until(MOVING, 0), bounds=bounds, agreed=AGREED)


def make_bounds(spec: Spec, schema: Schema) -> tuple[Bound, ...]:
    """Return the bounds of the counts of the evaluation."""
    models = SCORED if wants_left_out(spec) else SCORED[:1]
    names = [f"{model}/{kind}" for model in models for kind in COUNTED]
    if schema.declaration.subgroups:
        names.append("swarm/subgroups")
    return tuple(Bound(name, -MAX_COUNT if name.endswith("pairs") else 0, MAX_COUNT)
                 for name in names)  # fmt: skip
