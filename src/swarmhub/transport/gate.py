"""The port through which the servers of this package ask the node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from swarmhub.contract.records import Member
from swarmhub.protocol import MergeDone, ReceiptCame
from swarmhub.transport.reachability import Reachability
from swarmhub.types import Digest, MemberId

OFFER_WAIT_S = 20.0  # for which `offer` may wait


@dataclass(frozen=True)
class OfferAsked:
    """A request for a leader's merge of one shard. `known`: the digest of one seen before."""

    study: str
    number: int
    revision: int
    known: Digest = ""
    shard: int = 0


class Gate(Protocol):
    """The server's requests to the node."""

    async def may_read(self, member: MemberId, digest: Digest) -> bool:
        """Return whether the member may fetch the blob (may wait a moment for the ledger's
        news)."""

    def sent(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Note that so many bytes of the blob went out to the member."""

    def sent_layout(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Note that so many bytes of the blob's layout went out to the member."""

    async def document(self, member: MemberId, digest: Digest) -> Path | None:
        """Return the path of a study's document that the member may read; None if it is not here
        (may wait a moment for the ledger's news)."""

    def sent_document(self, member: MemberId, digest: Digest, nbytes: int) -> None:
        """Note that so many bytes of a study's document went out to the member."""

    async def offer(self, member: MemberId, asked: OfferAsked) -> MergeDone | None:
        """Return this node's merge, once there is one other than the known one; None if the round
        has advanced or the time is up."""

    def take_receipt(self, study: str, receipt: ReceiptCame) -> None:
        """Accept a receipt for this node's merge."""

    def greeted(self, member: MemberId) -> None:
        """Note that the member's node is up, and asks for a connection from here as well."""

    async def reach(self, member: Member) -> Reachability:
        """Check the ports of the asking member, as the ledger has them."""

    def describe(self) -> dict[str, Any]:
        """Return what an invited hospital needs to know of the consortium (see
        `JoinClient.ask`)."""

    def describe_ledger(self) -> dict[str, Any]:
        """Return the height of the ledger, and the states from which a newcomer can begin (see
        `JoinClient.ledgers`)."""

    async def light(self, method: str, height: int, page: int) -> dict[str, Any]:
        """Return the answer to a newcomer's light client. Raises BadInput if there is none."""

    async def take_application(self, tx: bytes) -> dict[str, Any]:
        """Submit an invited hospital's application to the ledger. Raises Malformed or BadInput if
        it is something else."""
