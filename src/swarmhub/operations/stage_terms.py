"""The stages of a study in words: their work, their members, and what leaves the hospital."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from swarmhub.contract.records import MergeRule, Model, Spec, Stage
from swarmhub.contract.round.kinds import DESCRIBE, EVALUATE, INITIAL, SUM, TRAIN
from swarmhub.contract.stages import NO_CAP, get_stages
from swarmhub.operations.wire_words import say_sent
from swarmhub.types import MemberId
from swarmhub.words import say_bytes

if TYPE_CHECKING:
    from swarmhub.recipes.words import StageWords

RULES = {
    "weighted_mean": "mean of all contributions, each weighted by its samples",
    "coordinate_median": "median of each number, so that few false contributions do little",
    "trimmed_mean": "mean of each number without the {percent} % largest and smallest",
    "geometric_median": "geometric median of all contributions",
    "clipped_mean": "mean of all changes, each weighted by its samples and none longer than the "
    "median one",
    "nnm_trimmed_mean": "each contribution is averaged with those nearest to it, then the mean of "
    "each number without the {percent} % largest and smallest",
}
DOES = {
    DESCRIBE: "statistics of the hospitals' tables are merged",
    SUM: "arrays of the hospitals are added",
    INITIAL: "one hospital's untrained model is the start",
    TRAIN: "each hospital trains, the parameters are merged",
    EVALUATE: "each hospital measures the merged model",
}
# of a stage with a test, by whether its recipe has words for it
ENDS = {True: "fewer once the models stand still", False: "over as soon as its test holds"}


def say_rule(rule: MergeRule) -> str:
    """Return how contributions are merged into one model."""
    percent = f"{rule.trim_permille / 10:g}"
    said = f"{rule.name}: {RULES[rule.name].format(percent=percent)}"
    cap = rule.max_share_permille
    if cap == NO_CAP:
        return said
    alike = f"; {NO_CAP // cap} or fewer count alike" if cap <= NO_CAP // 2 else ""
    return f"{said}; no hospital counts for more than {cap / 10:g} %{alike}"


def say_stages(spec: Spec, name: Callable[[MemberId], str]) -> list[str]:
    """Return one sentence for each stage of a study that lists its stages; none for the usual
    ones, which other lines describe."""
    words = find_words(spec)
    return [say_stage(i, s, name, words.get(s.name)) for i, s in enumerate(spec.stages, 1)]


def find_words(spec: Spec) -> Mapping[str, StageWords]:
    """Return the words that a study's recipe has for its stages, by their names."""
    if spec.data is None or not spec.stages:
        return {}
    from swarmhub.recipes import words  # loads NumPy

    return words.find_words(spec)


def say_stage(
    i: int, stage: Stage, name: Callable[[MemberId], str], words: StageWords | None = None
) -> str:
    """Return a stage in one sentence, in the words of its recipe if it has any."""
    does = words.does if words else DOES[stage.kind]
    rounds = f", up to {stage.max_rounds} rounds" if stage.max_rounds > 1 else ""
    test = f", {ENDS[words is not None]}" if stage.until else ""
    parts = [f"{i}. '{stage.name}': {does}{rounds}{test}"]
    if stage.kind == TRAIN:
        parts.append(say_rule(stage.rule))
    if stage.members:
        parts.append("only at " + ", ".join(name(m) for m in stage.members))
    return "; ".join(parts)


def say_arrays(spec: Spec) -> list[str]:
    """Return the arrays that the terms name, one sentence for each stage that names any."""
    return [f"'{s.name}': {said}" for s in spec.stages if (said := say_arrays_of(s))]


def say_arrays_of(stage: Stage) -> str:
    """Return the bounds, the equal arrays and the test of a stage; "" if it has none."""
    parts = []
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


def say_leaving(spec: Spec, size: str, current: Model | None = None) -> list[str]:
    """Return what each hospital sends to others, one sentence a kind. `size`: of the model."""
    stages, words = get_stages(spec), find_words(spec)
    kinds = {stage.kind for stage in stages}
    said = []
    if TRAIN in kinds:
        masked = ", with noise" if spec.privacy.dp is not None else ""
        masked += ", under masks" if spec.privacy.masked else ""
        said.append(f"each round, to enrolled members: {say_sent(spec, masked, size, current)}")
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
    most = say_bytes(spec.max_bytes)
    for stage in stages:
        if stage.kind == SUM or (stage.kind == EVALUATE and stage.bounds):
            sends = say_sends(stage, words.get(stage.name))
            often = "each round of" if stage.max_rounds > 1 else "once, in"
            sends += ", under masks" if spec.privacy.masked else ""
            said.append(f"{often} '{stage.name}', to enrolled members: {sends} (at most {most})")
    return said


def say_sends(stage: Stage, words: StageWords | None) -> str:
    """Return what a hospital sends in a stage of sums or counts."""
    if words and words.sends:
        return words.sends
    what = "counts" if stage.kind == EVALUATE else "arrays of numbers"
    return f"this hospital's own {what}, as the trainer makes them"


def say_round_label(spec: Spec, model: Model) -> str:
    """Return a settled round for a table: its training round, or its stage."""
    alone = sum(s.kind == TRAIN for s in get_stages(spec)) == 1
    if model.kind == TRAIN and alone:
        return str(model.turn)
    repeats = any(s.name == model.stage and s.max_rounds > 1 for s in get_stages(spec))
    return f"{model.stage} {model.turn}" if repeats else model.stage
