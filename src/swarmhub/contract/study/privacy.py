"""The privacy of a study's terms: what it asks for, and what it excludes.

masked excludes       because
robust merge rules    they compare contributions, and a masked one says nothing
a test of `train`     it reads whole numbers of the model as the leader merges them
members of a stage    sums of two sets that differ by one member tell that one's part
plain evaluations     metrics of one hospital tell of its part; counts are added under masks
fewer than 3 members  of a sum of two, either knows the other's part

dp excludes           because
stages but training   statistics, sums and counts of patients have no noise
a test of `train`     it reads whole numbers, which have none either
metrics, true weights they are numbers of patients (a contribution weighs what was declared)
"""

from __future__ import annotations

from dataclasses import replace

from swarmhub.contract.context import Context
from swarmhub.contract.records import DifferentialPrivacy, Privacy, Spec, Stage, Study
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.round.kinds import EVALUATE, INITIAL, TRAIN
from swarmhub.contract.round.masks import MAX_MASKED, compute_least_set, is_masked_stage
from swarmhub.contract.stages import MAX_STORED, get_stages

MAX_CLIP = 1_000_000_000_000  # millionths
RING = 2**63  # sums of whole numbers are below it, in either direction

# whatever a stage says of its arrays, the sum of all members fits the ring of 2^64
assert MAX_MASKED * MAX_STORED < RING
MOST_OF_BUDGET = {
    "epsilon_millionths": 100_000_000,  # beyond 100 nothing is promised
    "delta_trillionths": 1_000_000_000,  # .001
    "clip_millionths": MAX_CLIP,
    "noise_millionths": MAX_CLIP,
    "steps": 10_000,
}


def check_privacy(ctx: Context, spec: Spec) -> None:
    """Refuse terms with parts that exclude each other."""
    privacy = spec.privacy
    if privacy.dp is not None:
        check_budget(spec, privacy.dp)
    if not privacy.masked:
        if replace(privacy, dp=None) != Privacy():
            raise BadValue("privacy", "masked = true beside colluders and clip", "masked = false")
        return
    if not 1 <= privacy.colluders <= MAX_MASKED - 2:
        raise BadValue("privacy.colluders", f"1 to {MAX_MASKED - 2}", privacy.colluders)
    if not 1 <= privacy.clip_millionths <= MAX_CLIP:
        expected = f"1 to {MAX_CLIP} millionths"
        raise BadValue("privacy.clip_millionths", expected, privacy.clip_millionths)
    least, members = compute_least_set(privacy.colluders), len(ctx.chain.active)
    if members < least:
        expected = f"at most {members - 2} for a consortium of {members} members"
        raise BadValue("privacy.colluders", expected, privacy.colluders)
    for stage in get_stages(spec):
        if is_masked_stage(spec, stage):
            check_masked_stage(stage)
        elif stage.kind == EVALUATE:
            expected = "counts in the evaluation of a masked study: no metrics of one member"
            raise BadValue("bounds", expected, f"none in '{stage.name}'")


def check_masked_stage(stage: Stage) -> None:
    """Refuse a stage that cannot be masked."""
    if stage.rule.name != "weighted_mean" or stage.rule.max_share_permille != 1000:
        expected = "weighted_mean without a cap in a masked study: other rules compare members"
        raise BadValue("rule", expected, stage.rule.name)
    if stage.until is not None and stage.kind == TRAIN:
        raise BadValue("until", "none in a masked training stage", stage.until.array)
    if stage.members:
        expected = "none in a masked stage: all that are enrolled"
        raise BadValue("members", expected, list(stage.members))


def check_budget(spec: Spec, dp: DifferentialPrivacy) -> None:
    """Refuse a budget that cannot be, and stages with anything that has no noise. Whether the noise
    is enough for the budget takes more than whole numbers: members check that before they
    approve."""
    for field, most in MOST_OF_BUDGET.items():
        if not 1 <= getattr(dp, field) <= most:
            raise BadValue(f"privacy.dp.{field}", f"1 to {most}", getattr(dp, field))
    for stage in get_stages(spec):
        if stage.kind not in (INITIAL, TRAIN):
            expected = "initial and train in a dp study: what else hospitals send has no noise"
            raise BadValue("kind", expected, stage.kind)
        if stage.until is not None:
            raise BadValue("until", "none in a dp study", stage.until.array)
    rounds = sum(s.max_rounds for s in get_stages(spec) if s.kind == TRAIN)
    if rounds > dp.steps:
        expected = f"at least the {rounds} rounds of training"
        raise BadValue("privacy.dp.steps", expected, dp.steps)


def check_same_budget(old: Spec, new: Spec) -> None:
    """Refuse another privacy for a study that has run with or without a budget: steps that were
    made with other noise, or none, would be taken for steps of this one."""
    if new.privacy != old.privacy and (old.privacy.dp or new.privacy.dp):
        raise BadValue("privacy", "unchanged: steps were made under it", "other terms")


def check_room(spec: Spec, study: Study) -> None:
    """Refuse one more enrolled member than a masked study may have."""
    if spec.privacy.masked and len(study.enrolled) >= MAX_MASKED:
        expected = f"at most {MAX_MASKED} members in a masked study"
        raise BadValue("enrolled", expected, len(study.enrolled) + 1)
