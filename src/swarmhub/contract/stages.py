"""The stages of a study: which they are, whether they can run, and what comes next.

A spec either lists its stages, or says in short `rounds`, `statistics` and `merge`: then it has
the usual ones, which are named here.
"""

from __future__ import annotations

from collections.abc import Iterator

from swarmhub.contract.context import Context
from swarmhub.contract.names import STUDY_NAME, is_study_name
from swarmhub.contract.records import Bound, MergeRule, Position, Round, Spec, Stage
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.round.kinds import COUNTS, DESCRIBE, EVALUATE, INITIAL, KINDS, SUM, TRAIN

REMEMBERED = "_stages"  # attribute in which a spec caches its usual stages
MAX_STAGES = 32
MAX_ROUNDS = 100_000  # of a study
MAX_ARRAYS = 64  # named in a stage
MAX_ARRAY_NAME = 200
MAX_STORED = 2**53  # of a bounded value, so that no sum of a round overflows an int64
MAX_BITS = 52
NO_CAP = 1000  # permille of the total weight


def get_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages of a study, in order."""
    if spec.stages:
        return spec.stages
    memory = vars(spec)  # specs are frozen: the usual stages are made once for each
    if REMEMBERED not in memory:
        memory[REMEMBERED] = make_usual_stages(spec)
    found: tuple[Stage, ...] = memory[REMEMBERED]
    return found


def make_usual_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages for which `rounds`, `statistics` and `merge` stand. With masks or a
    privacy budget no metrics leave a hospital, so there is no evaluation."""
    first = (Stage("statistics", DESCRIBE),) if spec.statistics else ()
    is_open = not spec.privacy.masked and spec.privacy.dp is None
    last = (Stage("evaluation", EVALUATE),) if is_open else ()
    training = Stage("training", TRAIN, spec.rounds, spec.merge)
    return (*first, Stage("initial", INITIAL), training, *last)


def get_stage(spec: Spec, r: Round) -> Stage:
    """Return the stage of a round."""
    return get_stages(spec)[r.stage]


def get_result_stages(spec: Spec) -> tuple[Stage, ...]:
    """Return the stages that settle a result, not a model."""
    return tuple(s for s in get_stages(spec) if not KINDS[s.kind].makes_model)


def find_stage(spec: Spec, name: str) -> Stage | None:
    """Return the stage of this name, if there is one."""
    return next((s for s in get_stages(spec) if s.name == name), None)


def count_training_rounds(spec: Spec) -> int:
    """Return the number of rounds in which parameters are merged."""
    return sum(s.max_rounds for s in get_stages(spec) if s.kind == TRAIN)


def compute_next(spec: Spec, at: Position, is_met: bool) -> Position | None:
    """Return the position after the round at `at` (`is_met`: its stage's test holds); None after
    the last round."""
    stages = get_stages(spec)
    if at.turn < stages[at.stage].max_rounds and not is_met:
        return Position(at.number + 1, at.stage, at.turn + 1)
    return Position(at.number + 1, at.stage + 1) if at.stage + 1 < len(stages) else None


def get_position(r: Round) -> Position:
    """Return the position of a round."""
    return Position(r.number, r.stage, r.turn)


# checks of terms


def check_stages(ctx: Context, spec: Spec, first: int = 0) -> None:
    """Refuse stages that could never run; members are looked at from the stage with the index
    `first` on, where the study goes on."""
    if spec.stages and (spec.rounds or spec.statistics or spec.merge != MergeRule()):
        raise BadValue("stages", "stages, or rounds with statistics and merge, not both", "both")
    if not spec.stages and not 1 <= spec.rounds <= MAX_ROUNDS:
        raise BadValue("rounds", f"1 to {MAX_ROUNDS}", spec.rounds)
    if len(spec.stages) > MAX_STAGES:
        raise BadValue("stages", f"at most {MAX_STAGES}", len(spec.stages))
    seen: set[str] = set()
    has_model = False
    for i, stage in enumerate(get_stages(spec)):
        where = f"stages[{i}]." if spec.stages else ""
        if not is_study_name(stage.name) or stage.name in seen:
            raise BadValue(f"{where}name", f"{STUDY_NAME}, another for each stage", stage.name)
        seen.add(stage.name)
        has_model = has_model or stage.kind == INITIAL
        if stage.kind in (TRAIN, EVALUATE) and not has_model:
            raise BadValue(f"{where}kind", "an `initial` stage before this one", stage.kind)
        check_rounds(where, stage)
        if i >= first:
            check_stage_members(ctx, spec, where, stage)
        check_arrays(where, stage)
    total = sum(stage.max_rounds for stage in get_stages(spec))
    if spec.stages and total > MAX_ROUNDS:
        raise BadValue("stages", f"at most {MAX_ROUNDS} rounds in all", total)


def check_rounds(where: str, stage: Stage) -> None:
    """Check the number of rounds and the rule of a stage."""
    most = MAX_ROUNDS if KINDS[stage.kind].repeats else 1
    if not 1 <= stage.max_rounds <= most:
        raise BadValue(f"{where}max_rounds", f"1 to {most} of kind {stage.kind}", stage.max_rounds)
    if stage.rule != MergeRule() and stage.kind != TRAIN:
        raise BadValue(f"{where}rule", f"none for the kind {stage.kind}", stage.rule.name)
    check_rule(f"{where}rule" if where else "merge", stage.rule)


def check_rule(where: str, rule: MergeRule) -> None:
    """Check the numbers of a rule."""
    if not 0 <= rule.trim_permille < 500:
        raise BadValue(f"{where}.trim_permille", "0 to 499", rule.trim_permille)
    cap = rule.max_share_permille
    if not 1 <= cap <= NO_CAP:
        raise BadValue(f"{where}.max_share_permille", f"1 to {NO_CAP}", cap)
    if cap != NO_CAP and not rule.has_weights:
        expected = f"{NO_CAP} under {rule.name}, which ignores weights"
        raise BadValue(f"{where}.max_share_permille", expected, cap)


def check_stage_members(ctx: Context, spec: Spec, where: str, stage: Stage) -> None:
    """Check the members of a stage. Metrics are each member's own; all else is merged, and needs
    min_peers."""
    check_members(ctx, f"{where}members", stage.members)
    own = stage.kind == EVALUATE and not stage.bounds
    least = 1 if own else spec.min_peers
    if stage.members and len(stage.members) < least:
        raise BadValue(f"{where}members", f"min_peers = {least} or more", len(stage.members))


def check_members(ctx: Context, field: str, members: tuple[int, ...]) -> None:
    """Check for ids of active members, ascending."""
    if members != tuple(sorted({*members} & {*ctx.chain.active})):
        raise BadValue(field, "ids of active members, ascending", list(members))


def check_arrays(where: str, stage: Stage) -> None:
    """Check what a stage says about its arrays."""
    if stage.until is not None and stage.kind not in (SUM, TRAIN):
        raise BadValue(f"{where}until", f"none for the kind {stage.kind}", stage.until.array)
    if stage.agreed and stage.kind != SUM:
        raise BadValue(f"{where}agreed", f"none for the kind {stage.kind}", len(stage.agreed))
    if stage.bounds and not KINDS[stage.kind].has_free_layout:
        raise BadValue(f"{where}bounds", f"none for the kind {stage.kind}", len(stage.bounds))
    until = (stage.until.array,) if stage.until else ()
    for name in (*(b.array for b in stage.bounds), *stage.agreed, *until):
        if not 0 < len(name) <= MAX_ARRAY_NAME:
            raise BadValue(f"{where}array", f"a name of 1 to {MAX_ARRAY_NAME} letters", name)
    bounded = [b.array for b in stage.bounds]  # an array may be agreed and have bounds
    names, twice = [*bounded, *stage.agreed], len({*bounded}) < len(bounded)
    if len(names) > MAX_ARRAYS or twice or len({*stage.agreed}) < len(stage.agreed):
        expected = f"at most {MAX_ARRAYS} arrays, each named once in bounds and once in agreed"
        raise BadValue(f"{where}bounds", expected, names)
    for fault in find_faults(stage):
        raise BadValue(f"{where}bounds", *fault)


def find_faults(stage: Stage) -> Iterator[tuple[str, str]]:
    """Yield what is expected of a bound or test, and what it is."""
    for b in stage.bounds:
        most = max(abs(b.low), abs(b.high))
        if not (b.low <= b.high and 0 <= b.bits <= MAX_BITS and most << b.bits <= MAX_STORED):
            yield "low <= high, bits 0 to 52, and values within 2^53 steps", describe_bound(b)
        if b.bits and KINDS[stage.kind].carries == COUNTS:
            yield "whole counts (bits = 0)", describe_bound(b)
    if stage.until is not None and not 0 <= stage.until.most <= MAX_STORED:
        yield "a test (until) from 0 to 2^53 steps", str(stage.until.most)


def describe_bound(b: Bound) -> str:
    """Return a bound on one line."""
    return f"{b.array}: {b.low} to {b.high} in steps of 2^-{b.bits}"
