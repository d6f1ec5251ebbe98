"""Signatures of members for one another about a merge, and their checks."""

from __future__ import annotations

from swarmhub.contract.records import CHAIN, MEMBER, RoundRef
from swarmhub.contract.round.disputes import get_accounts
from swarmhub.contract.round.kinds import MERGING
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import NOTHING, Computed, receipt_message
from swarmhub.keys import verify
from swarmhub.params import Fingerprint
from swarmhub.protocol.observations import MergeDone, ReceiptCame
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN, MemberId


def offer_message(
    state: Reader,
    study: str,
    number: int,
    revision: int,
    model: Fingerprint | MergeDone,
    computed: Computed = NOTHING,
) -> bytes:
    """What the signatures of an offer and of a receipt sign. It names no term: a leader has one
    offer for a set of contributions, however often it leads. `computed` is of a receipt."""
    ref = RoundRef(study, number, MERGING, revision, 0)
    chain_id = CHAIN.need(state).chain_id
    return receipt_message(chain_id, ref, model.digest, model.nbytes, model.layout, computed)


def is_offer(state: Reader, study: str, leader: MemberId, merged: MergeDone) -> bool:
    """Return whether an offer is signed by the leader itself; only then can others dispute it."""
    at = (merged.number, merged.revision)
    message = offer_message(state, study, *at, merged)
    return any(
        verify(account, OFFER_DOMAIN, message, merged.signature)
        for account in get_accounts(state, study, leader, merged.shard)
    )


def is_receipt(
    state: Reader, study: str, receipt: ReceiptCame, merged: MergeDone, computed: Computed
) -> bool:
    """Return whether a receipt is signed by its sender for this merge, and for what this node has
    computed of it: a settlement with a false one is refused, however many true ones the leader has
    besides."""
    member = MEMBER.get(state, receipt.member)
    if member is None or (receipt.digest, receipt.shard) != (merged.digest, merged.shard):
        return False
    at = (receipt.number, receipt.revision)
    message = offer_message(state, study, *at, merged, computed)
    return verify(member.account, RECEIPT_DOMAIN, message, receipt.signature)
