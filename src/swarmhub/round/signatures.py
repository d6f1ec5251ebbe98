"""What members sign for one another about a merge, and whether they have."""

from __future__ import annotations

from swarmhub.contract.records import CHAIN, MEMBER, RoundRef
from swarmhub.contract.state import Reader
from swarmhub.contract.transactions import receipt_message
from swarmhub.keys import verify
from swarmhub.round.notes import Merged, ReceiptCame
from swarmhub.types import RECEIPT_DOMAIN


def is_receipt(state: Reader, study: str, receipt: ReceiptCame, merged: Merged) -> bool:
    """Whether a receipt is its sender's and for this merge: a settlement with a false one is
    refused, however many true ones the leader has besides."""
    member = MEMBER.get(state, receipt.member)
    if member is None or receipt.digest != merged.digest:
        return False
    ref = RoundRef(study, receipt.number, "MERGING", receipt.revision, 0)
    message = receipt_message(
        CHAIN.need(state).chain_id, ref, merged.digest, merged.nbytes, merged.layout
    )
    return verify(member.account, RECEIPT_DOMAIN, message, receipt.signature)
