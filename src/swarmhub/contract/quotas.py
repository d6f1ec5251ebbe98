"""What each member has in the state, and how much that may be.

The state is everyone's: a newcomer reads all of it, and who goes on after a halt needs it in one
piece (`inheritance.MAX_STATE_BYTES`). So what one member alone can put there is bounded by its own
quota, and nobody can use up another one's. What is counted is kept as a list of each member, so
that counting costs nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swarmhub import codec
from swarmhub.contract.records import HOLDINGS, SPEC, STUDY, Holdings, Spec, Study
from swarmhub.contract.refusals import OverQuota
from swarmhub.contract.state import Overlay, Reader
from swarmhub.types import MemberId

MAX_INVITATIONS = 16  # open at once
MAX_MOTIONS = 8  # open at once; removals are bounded by the members instead
MAX_PROPOSALS = 8  # studies that nobody has started yet
MAX_STUDY_BYTES = 128 * 1024  # of all studies that the member has proposed and that are kept
STUDY_RESERVE_BYTES = 2 * 1024  # a record's least: models are yet to come

Kind = Literal["invitations", "motions", "proposals", "studies"]


def get_holdings(state: Reader, member: MemberId) -> Holdings:
    """What the member has in the state."""
    return HOLDINGS.get(state, member) or Holdings()


def hold(state: Overlay, member: MemberId, kind: Kind, item: object) -> None:
    """Count an item as the member's."""
    held = get_holdings(state, member)
    HOLDINGS.put(state, member, record=replace(held, **{kind: (*getattr(held, kind), item)}))


def release(state: Overlay, member: MemberId, kind: Kind, item: object) -> None:
    """Count an item no longer."""
    held = get_holdings(state, member)
    left = replace(held, **{kind: tuple(i for i in getattr(held, kind) if i != item)})
    HOLDINGS.put(state, member, record=None if left == Holdings() else left)


def need_invitation(state: Reader, member: MemberId) -> None:
    """Refuse one more open invitation than a member may have."""
    count = len(get_holdings(state, member).invitations)
    if count >= MAX_INVITATIONS:
        raise OverQuota(member, count, "open invitations", "wait until one is used or over")


def need_motion(state: Reader, member: MemberId) -> None:
    """Refuse one more open motion than a member may have."""
    count = len(get_holdings(state, member).motions)
    if count >= MAX_MOTIONS:
        raise OverQuota(member, count, "open motions", "wait for the votes on one")


def need_proposal(state: Reader, spec: Spec, study: Study) -> None:
    """Refuse one more proposal, or more bytes of studies, than its proposer may have."""
    count = len(get_holdings(state, study.proposer).proposals)
    if count >= MAX_PROPOSALS:
        advice = "start one, or end it with 'study finish'"
        raise OverQuota(study.proposer, count, "proposals", advice)
    more = compute_text_bytes(codec.pack(spec)) + STUDY_RESERVE_BYTES
    need_study_bytes(state, study.proposer, more, "shorten the terms, or let another propose them")


def need_study_bytes(state: Reader, member: MemberId, more: int, advice: str) -> None:
    """Refuse so many bytes more in studies of the member if its part of the state is used up."""
    held = get_holdings(state, member)
    names = (*held.proposals, *held.studies)
    used = sum(compute_study_bytes(state, name) for name in names)
    if used + more > MAX_STUDY_BYTES:
        what = f"of its {MAX_STUDY_BYTES} bytes of studies in the ledger's state"
        raise OverQuota(member, used, what, advice)


def compute_study_bytes(state: Reader, name: str) -> int:
    """What a study takes of its proposer's quota: its terms and its record. A model is the work of
    all who are enrolled, so a long record is shared among them."""
    terms = compute_text_bytes(SPEC.read(state, name))
    record = compute_text_bytes(STUDY.read(state, name))
    if record <= STUDY_RESERVE_BYTES:
        return terms + STUDY_RESERVE_BYTES
    shared = record // max(1, len(STUDY.need(state, name).enrolled))
    return terms + max(STUDY_RESERVE_BYTES, shared)


def compute_text_bytes(data: bytes) -> int:
    """Bytes of a record as a text in a text: so the whole state is handed on."""
    return len(data) + data.count(b'"') + data.count(b"\\")
