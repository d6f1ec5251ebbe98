"""The stages of a study in words: their work, their members, and what leaves the hospital."""

from __future__ import annotations

from collections.abc import Callable

from swarmhub.contract.records import MergeRule, Model, Spec, Stage
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.contract.stages import get_stages
from swarmhub.types import MemberId
from swarmhub.words import say_bytes

RULES = {
    "weighted_mean": "mean of all contributions, each weighted by its samples",
    "coordinate_median": "median of each number, so that few false contributions do little",
    "trimmed_mean": "mean of each number without the {percent} % largest and smallest",
    "geometric_median": "geometric median of all contributions",
}
DOES = {
    DESCRIBE: "statistics of the hospitals' tables are merged",
    SUM: "arrays of the hospitals are added",
    INITIAL: "one hospital's untrained model is the start",
    TRAIN: "each hospital trains, the parameters are merged",
    EVALUATE: "each hospital measures the merged model",
}


def say_rule(rule: MergeRule) -> str:
    """Return how contributions are merged into one model."""
    percent = f"{rule.trim_permille / 10:g}"
    return f"{rule.name}: {RULES[rule.name].format(percent=percent)}"


def say_stages(spec: Spec, name: Callable[[MemberId], str]) -> list[str]:
    """Return one sentence for each stage of a study that lists its stages; none for the usual
    ones, which other lines describe."""
    return [say_stage(i, stage, name) for i, stage in enumerate(spec.stages, 1)]


def say_stage(i: int, stage: Stage, name: Callable[[MemberId], str]) -> str:
    """Return a stage in one sentence."""
    rounds = f", up to {stage.max_rounds} rounds" if stage.max_rounds > 1 else ""
    parts = [f"{i}. '{stage.name}': {DOES[stage.kind]}{rounds}"]
    if stage.kind == TRAIN:
        parts.append(say_rule(stage.rule))
    if stage.members:
        parts.append("only at " + ", ".join(name(m) for m in stage.members))
    for b in stage.bounds:
        steps = f" in steps of 2^-{b.bits}" if b.bits else ", whole numbers"
        parts.append(f"'{b.array}' from {b.low} to {b.high}{steps}")
    if stage.agreed:
        parts.append("equal at all: " + ", ".join(f"'{n}'" for n in stage.agreed))
    if stage.until:
        parts.append(
            f"over as soon as no element of '{stage.until.array}' is larger than "
            f"{stage.until.most} steps"
        )
    return "; ".join(parts)


def say_leaving(spec: Spec, size: str) -> list[str]:
    """Return what each hospital sends to others, one sentence a kind. `size`: of the model."""
    stages = get_stages(spec)
    kinds = {stage.kind for stage in stages}
    said = []
    if TRAIN in kinds:
        masked = ", under masks" if spec.privacy.masked else ""
        said.append(
            "each round, to enrolled members: the model's parameters after training here"
            f"{masked} ({size})"
        )
    said.append(
        "once, to enrolled members: names, types and shapes of the arrays that are sent, and the "
        "classes and columns that a scikit-learn model was fitted on"
    )
    if DESCRIBE in kinds:
        said.append(
            "once, to enrolled members: a statistics document (rows, rows of each label; of each "
            "column its name, counts, mean, variance, a coarse histogram and the covariance with "
            "the label, or its category names with their counts)"
        )
    for stage in stages:
        if stage.kind == SUM or (stage.kind == EVALUATE and stage.bounds):
            what = "counts" if stage.kind == EVALUATE else "arrays"
            bounded = ", ".join(f"'{b.array}'" for b in stage.bounds)
            made = "as the trainer makes them"
            if stage.kind == SUM:
                names = f"{bounded}, and others {made}" if bounded else made
            else:
                names = bounded
            said.append(
                f"each round of '{stage.name}', to enrolled members: this hospital's own {what} "
                f"({names}; at most {say_bytes(spec.max_bytes)})"
            )
    return said


def say_round_label(spec: Spec, model: Model) -> str:
    """Return a settled round for a table: its training round, or its stage."""
    alone = sum(s.kind == TRAIN for s in get_stages(spec)) == 1
    if model.kind == TRAIN and alone:
        return str(model.turn)
    repeats = any(s.name == model.stage and s.max_rounds > 1 for s in get_stages(spec))
    return f"{model.stage} {model.turn}" if repeats else model.stage
