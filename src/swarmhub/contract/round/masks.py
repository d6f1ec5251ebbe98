"""The numbers of a masked round, and what it keeps in the state (its acts are in `masking`).

Two thresholds are different numbers. So many shares open a secret:

    t = max(n - f, c + 2, floor((n + c) / 2) + 1)    of n members with keys, f faulty, c colluders

so that f drop-outs are survived, c colluders need two honest members' shares to open what they
like, and no two sets of t members show shares of different sets, even on a forked ledger. And no
sum over fewer than max(t, c + 2) members is ever opened.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable

from swarmhub import codec
from swarmhub.contract.consortium.thresholds import compute_faults
from swarmhub.contract.context import Context
from swarmhub.contract.records import (
    DEALINGS,
    MASK_KEYS,
    OPENINGS,
    STUDY,
    Masks,
    Round,
    Spec,
    Stage,
    Study,
    get_chain,
)
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.round.kinds import EVALUATE, SUM, TRAIN
from swarmhub.contract.stages import get_stages
from swarmhub.contract.state import Overlay, Reader
from swarmhub.types import MemberId

MAX_MASKED = 32  # members of a masked study: each deals a share to each


def is_masked_stage(spec: Spec, stage: Stage) -> bool:
    """Return whether rounds of a stage are masked: in a masked study all that add what hospitals
    send. Documents (`describe`) are merged in plain."""
    return spec.privacy.masked and (
        stage.kind in (TRAIN, SUM) or (stage.kind == EVALUATE and bool(stage.bounds))
    )


def make_masks(spec: Spec, stage: Stage, keying: int) -> Masks | None:
    """Return the masks with which a round of a stage opens in a revision, the one in which it asks
    for keys; None if it is not masked."""
    return Masks(keying) if is_masked_stage(spec, stage) else None


def compute_least_set(colluders: int) -> int:
    """Return how many contributions a masked sum has at least, whatever the threshold."""
    return max(3, colluders + 2)


def compute_threshold(n: int, colluders: int) -> int:
    """Return how many shares open a secret that was dealt to n members."""
    return max(n - compute_faults(n), colluders + 2, (n + colluders) // 2 + 1)


def compute_honest(threshold: int, colluders: int) -> int:
    """Return how many honest members' parts are in every sum that is opened, at least."""
    return max(threshold, compute_least_set(colluders)) - colluders


def compute_capacity(study: Study, members: Iterable[MemberId]) -> int:
    """Return the samples that these members declared, all together."""
    return sum(study.samples_of(m) or 0 for m in members)


def make_context(state: Reader, r: Round) -> bytes:
    """Return the 32 bytes that bind keys, dealings and masks to one round and its keying."""
    words = (get_chain(state).chain_id, r.study, str(r.number), str(r.need_masks().keying))
    return bytes.fromhex(codec.digest(b"swarmhub/masks/1", *(w.encode() for w in words)))


def encode(data: bytes) -> str:
    """Return bytes as base64."""
    return base64.b64encode(data).decode()


def decode(field: str, text: str, nbytes: int) -> bytes:
    """Return the bytes of a base64 text, which are exactly so many."""
    if len(text) != 4 * -(-nbytes // 3):
        raise BadValue(field, f"{nbytes} bytes in base64", f"{len(text)} letters")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadValue(field, "base64", text[:16]) from None
    if len(data) != nbytes or encode(data) != text:
        raise BadValue(field, f"{nbytes} bytes in base64", f"{len(data)} bytes")
    return data


def has_keys(ctx: Context, r: Round, member: MemberId) -> bool:
    """Return whether a member has sent keys for this keying of the round."""
    return has_stored_keys(ctx.state, r.study, r.number, member, r.need_masks().keying)


def has_stored_keys(state: Reader, study: str, number: int, member: MemberId, keying: int) -> bool:
    """Return whether a member's keys for one keying of a round are there."""
    keys = MASK_KEYS.get(state, study, "keys", number, member)
    return keys is not None and keys.keying == keying


def is_to_be_masked(spec: Spec, r: Round) -> bool:
    """Return whether the round after this one may be masked, so that its keys are taken now."""
    stages = get_stages(spec)
    goes_on = r.turn < stages[r.stage].max_rounds
    following = [stages[r.stage]] if goes_on else []
    following += stages[r.stage + 1 : r.stage + 2]
    return any(is_masked_stage(spec, stage) for stage in following)


def forget_dealings(state: Overlay, r: Round) -> None:
    """Delete the dealings and shares of a round, and its keys: also of one that might have been
    masked and was not."""
    keyed = r.masks.keyed if r.masks else ()
    enrolled = (e.member for e in STUDY.need(state, r.study).enrolled)
    for m in {*keyed, *r.roster, *r.enrolled, *enrolled}:
        drop(state, r.study, r.number, m)


def drop(state: Overlay, study: str, number: int, member: MemberId) -> None:
    """Delete what a member has put into the state for a masked round."""
    drop_keys(state, study, number, member)
    if DEALINGS.get(state, study, "dealing", member) is not None:
        DEALINGS.put(state, study, "dealing", member, record=None)
    if OPENINGS.get(state, study, "opening", member) is not None:
        OPENINGS.put(state, study, "opening", member, record=None)


def drop_keys(state: Overlay, study: str, number: int, member: MemberId) -> None:
    """Delete a member's keys of one round."""
    if MASK_KEYS.get(state, study, "keys", number, member) is not None:
        MASK_KEYS.put(state, study, "keys", number, member, record=None)


def forget_early_keys(ctx: Context, r: Round) -> None:
    """Delete keys that members sent for the round after this one, which will not be the next."""
    for m in {*ctx.chain.active, *r.enrolled}:
        drop_keys(ctx.state, r.study, r.number + 1, m)
