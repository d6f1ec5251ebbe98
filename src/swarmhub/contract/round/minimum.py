"""The number of contributions that a round needs, and the members that may take part in it.

A round counts the members of its stage that were enrolled when it opened (`Round.enrolled`): it
needs as many contributions as the terms say, and 2f + 1 of these members, so that a study that
grows keeps its guarantee. A stage with fewer members than the terms say (it evaluates, and merges
nothing) needs all of them. Required members are never passed over, however many others there are.

A member that leaves lowers the number. One that enrols later takes part from the next round on if
it would raise the number; but a round that has too few anyway takes in all that come, or it might
wait for ever beside members that would let it go on.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from swarmhub.contract.consortium.thresholds import compute_min_peers
from swarmhub.contract.records import Round, Spec, Study
from swarmhub.contract.round.kinds import MERGING, takes_members
from swarmhub.contract.round.masks import compute_least_set, is_masked_stage
from swarmhub.contract.stages import get_stage
from swarmhub.types import MemberId


def reckon(spec: Spec, r: Round, enrolled: tuple[MemberId, ...]) -> Round:
    """Return the round with those of these members that its stage takes, and the number of
    contributions that it needs with them."""
    stage = get_stage(spec, r)
    enrolled = tuple(m for m in enrolled if stage.takes(m))
    least = min(spec.min_peers, len(stage.members) or spec.min_peers)
    if is_masked_stage(spec, stage):
        least = max(least, compute_least_set(spec.privacy.colluders))
    return replace(r, enrolled=enrolled, min_peers=compute_min_peers(least, len(enrolled)))


def reckon_with_all(spec: Spec, study: Study, r: Round) -> Round:
    """Return the round with all members that are enrolled now."""
    return reckon(spec, r, tuple(e.member for e in study.enrolled))


def leave_out(spec: Spec, r: Round, member: MemberId) -> Round:
    """Return the round without a member that has left the study."""
    return reckon(spec, r, tuple(m for m in r.enrolled if m != member))


def take_in(spec: Spec, study: Study, r: Round, member: MemberId) -> Round | None:
    """Return the round with an enrolled member; None if that one has to wait for the next round,
    because this one, which has enough, would need more contributions with it, or is of a stage
    without it."""
    if member in r.enrolled and (r.masks is None or can_mask(r, member)):
        return r
    if not get_stage(spec, r).takes(member) or (r.masks and not takes_members(r)):
        return None
    grown = reckon_with_all(spec, study, r)
    lacks = takes_members(r) and r.phase != MERGING and not r.grace
    return grown if lacks or grown.min_peers <= r.min_peers else None


def can_mask(r: Round, member: MemberId) -> bool:
    """Return whether a member can take part in a masked round: before secrets are dealt, or with
    a part in them."""
    return takes_members(r) or member in r.need_masks().keyed


def is_staffed(r: Round) -> bool:
    """Return whether as many members are on the round's roster as it needs."""
    return len(r.roster) >= r.min_peers


def get_required(spec: Spec, r: Round) -> tuple[MemberId, ...]:
    """Return the members without which the round never settles."""
    return tuple(m for m in spec.required if get_stage(spec, r).takes(m))


def is_enough(spec: Spec, r: Round, members: Collection[MemberId]) -> bool:
    """Return whether the round can go on with contributions of these members."""
    return len(members) >= r.min_peers and set(members) >= set(get_required(spec, r))
