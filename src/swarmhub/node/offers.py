"""Offers and receipts: what a leader and the others sign for one another."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from swarmhub import codec
from swarmhub.contract.transactions import NOTHING, Computed
from swarmhub.errors import PeerError
from swarmhub.failpoints import failpoint
from swarmhub.node import work
from swarmhub.node.services import Services
from swarmhub.params import Fingerprint
from swarmhub.protocol import (
    LocalState,
    Merge,
    MergeDone,
    Observation,
    Offer,
    Offered,
    PeerFound,
    PeerLost,
    ReceiptCame,
    ReceiptSent,
    SendReceipt,
    Watch,
    is_offer,
    offer_message,
)
from swarmhub.transport.gate import OfferAsked
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN

IDLE_WATCH_S = 0.02  # a leader that is a block ahead answers at once: avoid a busy loop

log = logging.getLogger("swarmhub.protocol")


class OfferExchange:
    """The offers and receipts of one study; `learn` notes an observation, then reacts."""

    def __init__(
        self, services: Services, local: LocalState, learn: Callable[[Observation], None]
    ) -> None:
        self._services, self._local, self._learn = services, local, learn

    def sign_merge(self, effect: Merge | Offer, made: Fingerprint, met: bool = False) -> None:
        """Sign what this node has merged, or confirms: its offer as leader."""
        part = effect.part if isinstance(effect, Merge) else None
        shard = part.shard if part is not None else 0
        message = self._message(effect.number, effect.revision, made)
        self._learn(
            MergeDone(
                effect.number, effect.revision, made.digest, made.nbytes, made.layout,
                self._services.account.sign(OFFER_DOMAIN, message), met, shard,
                made.root if part is not None else "",
            )
        )  # fmt: skip

    async def watch(self, effect: Watch) -> None:
        """Keep a request open at a leader, for its offer."""
        try:
            asked = OfferAsked(
                effect.study, effect.number, effect.revision, effect.known, effect.shard
            )
            found = await self._services.client.watch(effect.leader, asked)
        except PeerError as error:
            work.need_descriptor()
            log.info("watching member %d: %s", effect.leader, error)
            self._learn(PeerLost(effect.leader))
            return
        expected = (effect.number, effect.revision, effect.shard)
        if found is None or (found.number, found.revision, found.shard) != expected:
            await asyncio.sleep(IDLE_WATCH_S)
            self._learn(PeerFound(effect.leader))
            return
        if codec.is_digest(found.digest) and found.digest != effect.known:
            if effect.known:
                log.warning("member %d offers a second merge of one set", effect.leader)
                self._learn(PeerLost(effect.leader))
                return
            if not is_offer(self._services.state, effect.study, effect.leader, found):
                log.warning("the offer of member %d is not signed by it", effect.leader)
                self._learn(PeerLost(effect.leader))
                return
            self._learn(
                Offered(effect.leader, found.number, found.revision, found.digest, found.nbytes,
                        found.layout, found.signature, found.shard)
            )  # fmt: skip
        else:
            await asyncio.sleep(IDLE_WATCH_S)

    async def send_receipt(self, effect: SendReceipt) -> None:
        """Sign for a leader's offer, and tell it."""
        failpoint("receipt.begun")
        held = self._services.blobs.fingerprint(effect.digest)
        computed = Computed(effect.met, effect.model)
        at = (effect.number, effect.revision)
        message = self._message(*at, held, computed)
        signature = self._services.account.sign(RECEIPT_DOMAIN, message)
        receipt = ReceiptCame(*at, effect.digest, self._local.me, signature, effect.shard)
        signed = self._local.signed.and_(effect.number, effect.digest)
        if effect.model:
            signed = signed.and_(effect.number, effect.model)
        if signed != self._local.signed:
            self._services.journal.save_signed(self._local.study, signed)
            self._local.learn(signed, self._services.now_ms())
        try:
            taken = await self._services.client.send_receipt(effect.leader, effect.study, receipt)
        except PeerError as error:
            work.need_descriptor()
            log.info("receipt to member %d: %s", effect.leader, error)
            self._learn(PeerLost(effect.leader))
            return
        failpoint("receipt.sent")
        if not taken:
            await asyncio.sleep(self._local.timeouts.retry_ms / 1000)
            return
        self._learn(ReceiptSent(effect.leader, *at, effect.shard))

    def _message(
        self,
        number: int,
        revision: int,
        model: Fingerprint | MergeDone,
        computed: Computed = NOTHING,
    ) -> bytes:
        """Return the message that an offer and a receipt sign."""
        state, study = self._services.state, self._local.study
        return offer_message(state, study, number, revision, model, computed)
