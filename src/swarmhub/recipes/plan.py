"""The stages of a study over declared data, as its recipe needs them, and the options of its terms.

    statistics  describe  the hospitals' statistics: every hospital derives the same features
    ...                   the stages of the recipe (`registry`)
    evaluation  evaluate  counts of test patients by score; figures of each hospital

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
from swarmhub.recipes.designing import make_declared_design
from swarmhub.recipes.kinds.kind import kind_of
from swarmhub.recipes.linear.sums import AGREED
from swarmhub.recipes.registry import (
    can_be_dp,
    can_be_masked,
    find_default,
    find_recipe,
    list_dp,
    list_for,
    list_maskable,
)

STATISTICS, PENALTY, CHOICE, START = "statistics", "penalty", "choice", "initial"
TRAINING, LEFT_OUT, EVALUATION = "training", "left-out", "evaluation"
FIT = "fit"  # of a model by sums
CONTRIBUTION = "contribution"
ROUNDS = 20  # of training, at most
GRID_ROUNDS = 12
LEFT_OUT_ROUNDS = 20
MOVING = "moving"  # an array of the merge: how far it has moved, in millionths
STILL = 5000  # millionths: less is no movement
MAX_COUNT = 2**52  # rows, pairs of them and squares, in small units
AT_REST = Until(MOVING, STILL)
# words of options, the default first
CONTRIBUTIONS = ("no", "yes")  # of each hospital, to a linear model
INTERCEPTS = ("shared", "own")  # of a linear model
STANDARDISE = ("pooled", "own")  # numbers, with the mean of all hospitals or of each
LEFT_OUTS = ("yes", "no")
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
    is_dp = spec.privacy.dp is not None
    if spec.start_from is not None:
        raise BadInput(
            "Expected no start_from in a study over declared data: a recipe makes its own start "
            "from its hospitals' features; leave it out, or write trainers of your own."
        )
    schema = Schema.of(spec.data)
    if spec.stages:
        return spec
    check_options(spec)
    check_known(schema, is_dp)
    metric = METRICS[schema.outcome.kind] if spec.metric == Metric() else spec.metric
    stages = make_stages(spec, schema)
    return replace(
        spec, rounds=0, statistics=False, merge=MergeRule(), metric=metric, stages=stages
    )


def check_options(spec: Spec) -> None:
    """Raise BadInput for an option that the study's recipe does not know."""
    model, kind = get_model(spec), get_kind(spec)
    recipe = find_recipe(model)
    if kind not in recipe.KINDS:
        raise BadInput(
            f"Expected for the outcome '{kind}' the model {' or '.join(list_for(kind))}, got "
            f"'{plain(model, 40)}' in options.model."
        )
    if spec.privacy.masked:
        need_maskable_model(model, kind)
    if spec.privacy.dp is not None:
        need_dp_model(model, kind)
    unknown = [key for key in spec.options if key not in {"model", *recipe.OPTIONS}]
    if unknown:
        raise BadInput(
            f"Expected options out of {', '.join(['model', *recipe.OPTIONS])} for the model "
            f"'{plain(model, 40)}', got '{plain(unknown[0], 40)}'."
        )
    for option, words in recipe.OPTIONS.items():
        text = spec.options.get(option, words[0] if words else "")
        if words and text not in words:
            raise BadInput(
                f"Expected options.{option} to be {' or '.join(words)}, got '{plain(text, 30)}'."
            )
    for option in ("left_out", "contribution"):
        if spec.privacy.masked and spec.options.get(option) == "yes":
            raise BadInput(
                f"Expected options.{option} to be no in a masked study, got yes: sums with and "
                "without a hospital tell its part; leave the option out."
            )
    recipe.check(spec)


def need_maskable_model(model: str, kind: OutcomeKind) -> None:
    """Raise BadInput, with those that can, if the recipe cannot be masked."""
    if can_be_masked(model):
        return
    names = list_maskable(kind)
    if not names:
        raise BadInput(
            f"Expected privacy.masked to be false for the outcome '{kind}': no model of it can be "
            "masked yet."
        )
    raise BadInput(
        f"Expected the model {' or '.join(names)} in a masked study, got '{plain(model, 40)}': its "
        "hospitals send what cannot be masked yet."
    )


def need_dp_model(model: str, kind: OutcomeKind) -> None:
    """Raise BadInput, with those that can, if the recipe cannot have differential privacy."""
    if can_be_dp(model):
        return
    names = list_dp(kind)
    if not names:
        raise BadInput(
            f"Expected no privacy.dp for the outcome '{kind}': no model of it bounds yet what a "
            "patient changes."
        )
    raise BadInput(
        f"Expected the model {' or '.join(names)} in a study with privacy.dp, got "
        f"'{plain(model, 40)}': it does not bound what a patient changes."
    )


def check_known(schema: Schema, is_dp: bool) -> None:
    """Raise BadInput if the terms say too little of their columns for a study without statistics,
    or describe columns in one that merges statistics."""
    if is_dp:
        make_declared_design(schema)
    elif schema.declaration.scales or schema.declaration.levels:
        raise BadInput(
            "Expected data.scales and data.levels in a study with privacy.dp only: this one merges "
            "its hospitals' statistics; leave them out, or add [privacy.dp]."
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


def standardises_own(spec: Spec) -> bool:
    """Return whether each hospital standardises numbers with its own mean and deviation."""
    return spec.options.get("standardise") == "own"


def get_kind(spec: Spec) -> OutcomeKind:
    """Return the kind of a study's outcome."""
    return "binary" if spec.data is None else spec.data.outcome.kind


def get_model(spec: Spec) -> str:
    """Return the name of a study's recipe: of the terms, else the first one for its outcome."""
    named, kind = spec.options.get("model"), get_kind(spec)
    if spec.privacy.dp is not None:
        return named or next(iter(list_dp(kind)), find_default(kind))
    return named or find_default(kind, spec.privacy.masked)


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
    """Return whether a model without each hospital is trained, too: not in a masked study."""
    return not spec.privacy.masked and spec.options.get("left_out", "yes") == "yes"


def make_stages(spec: Spec, schema: Schema) -> tuple[Stage, ...]:
    """Return the stages of a study over declared data."""
    recipe = find_recipe(get_model(spec))
    if spec.privacy.dp is not None:  # the rest sends what has no noise
        return recipe.make_stages(spec)
    end = Stage(EVALUATION, EVALUATE, bounds=make_bounds(spec, schema))
    return (Stage(STATISTICS, DESCRIBE), *recipe.make_stages(spec), end)


def learn_penalty() -> tuple[Stage, ...]:
    """Return the stages in which the penalty of a linear model is learnt."""
    return make_sums(PENALTY, GRID_ROUNDS), Stage(CHOICE, SUM)


def make_training(spec: Spec, until: Until | None = None, rounds: int = 0) -> tuple[Stage, ...]:
    """Return the stages of a start and of training from it, at most as many rounds as the terms
    say, else `rounds`."""
    dp = spec.privacy.dp
    most = spec.rounds or rounds or (ROUNDS if dp is None else dp.steps)
    return Stage(START, INITIAL), Stage(TRAINING, TRAIN, most, spec.merge, until=until)


def make_sums(
    name: str, rounds: int, agreed: tuple[str, ...] = AGREED, bounds: tuple[Bound, ...] = ()
) -> Stage:
    """Return a stage in which models are trained side by side, until they move at no hospital.
    `bounds` are those of all arrays, for a masked study."""
    bounds = bounds or (Bound(MOVING, 0, 1),)
    return Stage(name, SUM, rounds, until=Until(MOVING, 0), bounds=bounds, agreed=agreed)


def make_bounds(spec: Spec, schema: Schema) -> tuple[Bound, ...]:
    """Return the bounds of the counts of the evaluation."""
    scored = find_recipe(get_model(spec)).SCORED
    models = [m for m in scored if m != "left-out" or wants_left_out(spec)]
    kind = kind_of(schema.outcome.kind)
    bounds = [
        Bound(f"{model}/{name}", -MAX_COUNT if name in kind.SIGNED else 0, MAX_COUNT)
        for model in models
        for name in kind.COUNTED
    ]
    if schema.declaration.subgroups and schema.outcome.kind == "binary":
        bounds.append(Bound("swarm/subgroups", 0, MAX_COUNT))
    return tuple(bounds)
