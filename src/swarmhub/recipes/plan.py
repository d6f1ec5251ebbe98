"""The stages of a study over declared data, as its recipe needs them.

    statistics  describe  the hospitals' statistics: every hospital derives the same features
    penalty     sum       models for each penalty of a grid and each fold, trained side by side
    choice      sum       their losses on the patients of the fold that each has not seen
    initial     initial   the start: the mean of the chosen penalty's models
    training    train     the model, until it moves no more
    left-out    sum       a model without each hospital, trained side by side
    contribution  sum     if asked for: losses of the models of all coalitions of hospitals
    evaluation  evaluate  counts of test patients by score; figures of each hospital

Those of a Cox model:

    statistics  describe  as above
    times       sum       counts of patients by time: the grid of times
    fit         sum       Newton's method, until it moves no more
    baseline    sum       the baseline hazard of all hospitals, the curve of censoring, risk groups
    left-out    sum       a model without each hospital, fitted side by side
    initial, training     the model that these sums make, the same at every hospital
    evaluation  evaluate  as above

`study.toml` names the recipe and the largest number of rounds; what is proposed, shown and approved
has the stages in full.
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.records import Bound, MergeRule, Metric, Spec, Stage, Until
from swarmhub.contract.records.declaration import OutcomeKind
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.data.schema import Schema
from swarmhub.errors import BadInput, plain
from swarmhub.recipes.kinds.kind import kind_of
from swarmhub.recipes.linear.sums import AGREED
from swarmhub.recipes.survival import cox

STATISTICS, PENALTY, CHOICE, START = "statistics", "penalty", "choice", "initial"
TIMES, FIT, BASELINE = "times", "fit", "baseline"
TRAINING, LEFT_OUT, EVALUATION = "training", "left-out", "evaluation"
CONTRIBUTION = "contribution"
MODELS: dict[str, tuple[OutcomeKind, ...]] = {
    "logistic": ("binary", "classes", "continuous"),
    "mlp": ("binary",),
    "cox": ("time_to_event",),
}
ROUNDS = 20  # of training, at most
GRID_ROUNDS = 12
LEFT_OUT_ROUNDS = 20
MOVING = "moving"  # an array of the merge: how far it has moved, in millionths
STILL = 5000  # millionths: less is no movement
MAX_COUNT = 2**52  # rows, pairs of them and squares, in small units
SCORED = ("swarm", "left-out")
OPTIONS = ("model", "penalty", "left_out", "contribution", "baseline", "intercept")
CONTRIBUTIONS = ("no", "yes")  # of each hospital, to a linear model
INTERCEPTS = ("shared", "own")  # of a linear model
BASELINES = ("own", "shared")  # of a Cox model: of each hospital, or one for all
METRICS: dict[OutcomeKind, Metric] = {
    "binary": Metric("auc", "max"),
    "classes": Metric("macro_f1", "max"),
    "continuous": Metric("mae", "min"),
    "time_to_event": Metric("c_index", "max"),
}


def complete(spec: Spec) -> Spec:
    """Return terms that declare data with the stages of their recipe written out, unless they list
    stages. Raises BadInput, with the key, for a declaration or an option that cannot be."""
    if spec.data is None:
        return spec
    schema = Schema.of(spec.data)
    if spec.stages:
        return spec
    check_options(spec)
    metric = METRICS[schema.outcome.kind] if spec.metric == Metric() else spec.metric
    stages = make_stages(spec, schema)
    return replace(
        spec, rounds=0, statistics=False, merge=MergeRule(), metric=metric, stages=stages
    )


def check_options(spec: Spec) -> None:
    """Raise BadInput for an option that no recipe knows."""
    unknown = [key for key in spec.options if key not in OPTIONS]
    if unknown:
        raise BadInput(
            f"Expected options out of {', '.join(OPTIONS)}, got '{plain(unknown[0], 40)}'."
        )
    model = get_model(spec)
    if model not in MODELS:
        raise BadInput(f"Expected a model out of {', '.join(MODELS)}, got '{plain(model, 40)}'.")
    kind = get_kind(spec)
    if kind not in MODELS[model]:
        others = " or ".join(name for name, kinds in MODELS.items() if kind in kinds)
        raise BadInput(
            f"Expected for the outcome '{kind}' the model {others}, got '{model}' in options.model."
        )
    read_penalty(spec)
    for option, words, owner in (
        ("baseline", BASELINES, "cox"),
        ("intercept", INTERCEPTS, "logistic"),
        ("contribution", CONTRIBUTIONS, "logistic"),
    ):
        text = spec.options.get(option, words[0])
        if text not in words or (option in spec.options and model != owner):
            raise BadInput(
                f"Expected options.{option} to be {' or '.join(words)}, of the model {owner} only, "
                f"got '{plain(text, 30)}' of '{model}'."
            )


def wants_contribution(spec: Spec) -> bool:
    """Return whether the contribution of each hospital is computed. Raises BadInput if no models
    without hospitals are trained."""
    is_wanted = spec.options.get("contribution") == "yes"
    if is_wanted and not wants_left_out(spec):
        raise BadInput("Expected options.left_out to be yes, for options.contribution; got no.")
    return is_wanted


def has_own_intercept(spec: Spec) -> bool:
    """Return whether each hospital has an intercept of its own in a linear model."""
    return spec.options.get("intercept") == "own"


def get_kind(spec: Spec) -> OutcomeKind:
    """Return the kind of a study's outcome."""
    return "binary" if spec.data is None else spec.data.outcome.kind


def get_model(spec: Spec) -> str:
    """Return the name of a study's recipe: of the terms, else the first one for its outcome."""
    kind = get_kind(spec)
    return spec.options.get("model") or next(m for m, kinds in MODELS.items() if kind in kinds)


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
    end = Stage(EVALUATION, EVALUATE, bounds=make_bounds(spec, schema))
    statistics = Stage(STATISTICS, DESCRIBE)
    if get_model(spec) == "cox":
        return (
            statistics,
            Stage(TIMES, SUM),
            make_sums(FIT, cox.MAX_ROUNDS, cox.AGREED),
            Stage(BASELINE, SUM),
            *([make_sums(LEFT_OUT, cox.MAX_ROUNDS, cox.AGREED)] if wants_left_out(spec) else []),
            Stage(START, INITIAL),
            Stage(TRAINING, TRAIN, 1, spec.merge),
            end,
        )
    learns = [make_sums(PENALTY, GRID_ROUNDS), Stage(CHOICE, SUM)]
    still = Until(MOVING, STILL) if get_model(spec) != "mlp" else None
    return (
        statistics,
        *(learns if read_penalty(spec) is None else []),
        Stage(START, INITIAL),
        Stage(TRAINING, TRAIN, spec.rounds or ROUNDS, spec.merge, until=still),
        *([make_sums(LEFT_OUT, LEFT_OUT_ROUNDS)] if wants_left_out(spec) else []),
        *([Stage(CONTRIBUTION, SUM)] if wants_contribution(spec) else []),
        end,
    )


def make_sums(name: str, rounds: int, agreed: tuple[str, ...] = AGREED) -> Stage:
    """Return a stage in which models are trained side by side, until they move at no hospital."""
    bounds = (Bound(MOVING, 0, 1),)
    return Stage(name, SUM, rounds, until=Until(MOVING, 0), bounds=bounds, agreed=agreed)


def make_bounds(spec: Spec, schema: Schema) -> tuple[Bound, ...]:
    """Return the bounds of the counts of the evaluation."""
    models = SCORED if wants_left_out(spec) and get_model(spec) != "cox" else SCORED[:1]
    kind = kind_of(schema.outcome.kind)
    bounds = [
        Bound(f"{model}/{name}", -MAX_COUNT if name in kind.SIGNED else 0, MAX_COUNT)
        for model in models
        for name in kind.COUNTED
    ]
    if schema.declaration.subgroups and schema.outcome.kind == "binary":
        bounds.append(Bound("swarm/subgroups", 0, MAX_COUNT))
    return tuple(bounds)
