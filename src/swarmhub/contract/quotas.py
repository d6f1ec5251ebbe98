"""Quotas: the part of the state that each member has, and how large it may be.

The state belongs to all: a newcomer reads all of it, and a restart after a halt needs it in one
piece (`inheritance.MAX_STATE_BYTES`). So the amount that one member alone can store there is
bounded by its own quota. An act is charged to the member that makes it: terms to the proposer, a
part in the rounds to the enrolled member, the copy of a released model to the mover of the release.
Nobody can use up another member's quota. Each member's counted items are listed, so that counting
costs little.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swarmhub import codec
from swarmhub.contract.records import (
    HOLDINGS,
    SPEC,
    STUDY,
    Holdings,
    Model,
    MovedRelease,
    Spec,
    Study,
)
from swarmhub.contract.refusals import StateQuotaExceeded
from swarmhub.contract.stages import get_result_stages
from swarmhub.contract.state import Overlay, Reader
from swarmhub.types import Digest, MemberId

MAX_INVITATIONS = 16  # open at once
MAX_MOTIONS = 8  # open at once; removals are bounded by the members instead
MAX_PROPOSALS = 8  # studies that nobody has started yet
MAX_STUDY_BYTES = 160 * 1024  # of all that the member's acts have put into studies

# Largest size of a study's records, as texts in a text; a test fills them to the limit.
STUDY_BYTES = 6 * 1024  # of its proposer's part, beside the terms, as long as rounds may open
OVER_BYTES = 3_584  # and when it is over
PART_BYTES = 6_656  # of each enrolled member's part while it may contribute: 24 studies at a time
KEPT_BYTES = 512  # and when it has withdrawn, or the study is over: its shares of models
RELEASE_BYTES = 256  # of a mover's part, beside the model's record
APPROVALS_BYTES = 2_048  # of the times of approvals that lapse; of its proposer's part
MASKS_BYTES = 12 * 1024  # of the keys, dealing and shares of each enrolled member, if masked
SPENT_BYTES = 160  # of an enrolled member's noisy steps; they are kept
WIRE_BYTES = 640  # of the changes beside a study's models; of its proposer's part
RESULT_BYTES = 512  # of a stage's result; of its proposer's part

Kind = Literal["invitations", "motions", "proposals", "studies", "enrolments", "releases"]


def get_holdings(state: Reader, member: MemberId) -> Holdings:
    """Return the member's counted items in the state."""
    return HOLDINGS.get(state, member) or Holdings()


def hold(state: Overlay, member: MemberId, kind: Kind, item: object) -> None:
    """Count an item as the member's, once."""
    held = get_holdings(state, member)
    if item not in getattr(held, kind):
        HOLDINGS.put(state, member, record=replace(held, **{kind: (*getattr(held, kind), item)}))


def release(state: Overlay, member: MemberId, kind: Kind, item: object) -> None:
    """Stop counting an item."""
    held = get_holdings(state, member)
    left = replace(held, **{kind: tuple(i for i in getattr(held, kind) if i != item)})
    HOLDINGS.put(state, member, record=None if left == Holdings() else left)


def drop_release(state: Overlay, member: MemberId, study: str, model: Digest) -> None:
    """Stop counting a model that the member moved to release and that is not released."""
    for moved in get_holdings(state, member).releases:
        if (moved.study, moved.model) == (study, model):
            release(state, member, "releases", moved)


def need_invitation(state: Reader, member: MemberId) -> None:
    """Refuse one more open invitation than a member may have."""
    count = len(get_holdings(state, member).invitations)
    if count >= MAX_INVITATIONS:
        raise StateQuotaExceeded(
            member, count, "open invitations", "wait until one is used or over"
        )


def need_motion(state: Reader, member: MemberId) -> None:
    """Refuse one more open motion than a member may have."""
    count = len(get_holdings(state, member).motions)
    if count >= MAX_MOTIONS:
        raise StateQuotaExceeded(member, count, "open motions", "wait for the votes on one")


def need_proposal(state: Reader, spec: Spec, study: Study) -> None:
    """Refuse one more proposal, or more bytes of studies, than its proposer may have."""
    count = len(get_holdings(state, study.proposer).proposals)
    if count >= MAX_PROPOSALS:
        advice = "start one, or end it with 'study finish'"
        raise StateQuotaExceeded(study.proposer, count, "proposals", advice)
    more = compute_terms_bytes(spec) + STUDY_BYTES
    need_study_bytes(state, study.proposer, more, "shorten the terms, or let another propose them")


def need_amendment(state: Reader, study: Study, spec: Spec) -> None:
    """Refuse longer terms than the proposer's quota allows."""
    more = compute_terms_bytes(spec) - compute_terms_bytes(SPEC.need(state, study.name))
    need_study_bytes(state, study.proposer, more, "shorten the terms")


def need_enrolment(state: Reader, member: MemberId, name: str) -> None:
    """Refuse enrolment in one more study than the member's quota allows."""
    has_had = name in get_holdings(state, member).enrolments
    more = compute_most_bytes(SPEC.need(state, name)) - (KEPT_BYTES if has_had else 0)
    need_study_bytes(state, member, more, "wait until a study is over, or withdraw from one")


def need_release(state: Reader, member: MemberId, model: Model) -> MovedRelease:
    """Refuse one more release than the mover's quota allows; return the record that is charged."""
    moved = MovedRelease(model.study, model.digest, compute_text_bytes(codec.pack(model)))
    advice = "let another enrolled member move to release it"
    need_study_bytes(state, member, moved.nbytes + RELEASE_BYTES, advice)
    return moved


def need_study_bytes(state: Reader, member: MemberId, more: int, advice: str) -> None:
    """Refuse so many more bytes in studies if the member's part of the state is used up."""
    used = compute_bytes(state, member)
    if used + more > MAX_STUDY_BYTES:
        what = f"of its {MAX_STUDY_BYTES} bytes of studies in the ledger's state"
        raise StateQuotaExceeded(member, used, what, advice)


def compute_bytes(state: Reader, member: MemberId) -> int:
    """Return the bytes that a member's acts have put, or may still put, into studies."""
    held = get_holdings(state, member)
    proposed = sum(compute_study_bytes(state, n) for n in (*held.proposals, *held.studies))
    parts = sum(compute_part_bytes(state, member, name) for name in held.enrolments)
    return proposed + parts + sum(r.nbytes + RELEASE_BYTES for r in held.releases)


def compute_study_bytes(state: Reader, name: str) -> int:
    """Return the bytes that a study takes of its proposer's part: its terms, and the largest size
    of its record and open round without the enrolled members' parts."""
    is_over = STUDY.need(state, name).is_over
    terms = compute_terms_bytes(SPEC.need(state, name))
    return terms + (OVER_BYTES if is_over else STUDY_BYTES)


def compute_terms_bytes(spec: Spec) -> int:
    """Return the bytes of a study's terms, and of the results, times of approvals and changes that
    it may have with them."""
    more = len(get_result_stages(spec)) * RESULT_BYTES
    more += APPROVALS_BYTES if spec.approvals_expire_ms else 0
    more += WIRE_BYTES if spec.wire != "float32" else 0
    return compute_text_bytes(codec.pack(spec)) + more


def compute_part_bytes(state: Reader, member: MemberId, name: str) -> int:
    """Return the bytes that a study takes of the part of a member that is enrolled, or was: the
    most that it may have in a round, or the rest that stays afterwards."""
    study = STUDY.need(state, name)
    takes_part = not study.is_over and study.samples_of(member) is not None
    spec = SPEC.need(state, name)
    kept = KEPT_BYTES + (SPENT_BYTES if spec.privacy.dp is not None else 0)
    return compute_most_bytes(spec) if takes_part else kept


def compute_most_bytes(spec: Spec) -> int:
    """Return the most bytes that an enrolled member's part of a study may have."""
    privacy = spec.privacy
    more = SPENT_BYTES if privacy.dp is not None else 0
    return PART_BYTES + (MASKS_BYTES if privacy.masked else 0) + more


def compute_text_bytes(data: bytes) -> int:
    """Return the bytes of a record as a text in a text: the form in which the whole state is handed
    on."""
    return len(data) + data.count(b'"') + data.count(b"\\")
