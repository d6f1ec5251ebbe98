"""The protocol's effects for one study, carried out on the real ledger, network and disk.

Every effect ends in an observation. There is no other logic here.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any

from swarmhub.contract.records import ROUND, STUDY
from swarmhub.contract.round.kinds import has_free_layout
from swarmhub.contract.transactions import (
    Contribute,
    Dispute,
    Poke,
    Recompute,
)
from swarmhub.errors import BadContribution, PeerError
from swarmhub.failpoints import failpoint
from swarmhub.node import work
from swarmhub.node.audit_io import NodeAuditIO
from swarmhub.node.changes import compute_model
from swarmhub.node.masks import MaskRunner
from swarmhub.node.offers import OfferExchange
from swarmhub.node.parts import show_parts
from swarmhub.node.position import Position
from swarmhub.node.services import Services
from swarmhub.protocol import (
    Accepted,
    AnswerRefused,
    ApplyChange,
    Audit,
    Audited,
    BlobStored,
    Check,
    CheckedBad,
    CheckedGood,
    Discrepancy,
    Effect,
    ExcerptUnavailable,
    Join,
    LocalState,
    MaskOwn,
    Merge,
    Observation,
    Offer,
    Poked,
    Pull,
    PullFailed,
    PullStarted,
    RecomputeChunk,
    SendReceipt,
    Submit,
    Sync,
    Synced,
    TransactionRefused,
    Unmask,
    Wake,
    Watch,
    audit_procedure,
    is_final,
    recompute,
)
from swarmhub.protocol.answers import find_fault

NEEDS_LAYOUT = (Check, Merge, Audit, RecomputeChunk, ApplyChange, MaskOwn, Unmask)

log = logging.getLogger("swarmhub.protocol")


class RetryLater(Exception):
    """Raised by an effect that is tried again after a pause, without trouble to report."""


class EffectRunner:
    """The handlers of one study's effects; `learn` notes an observation, then reacts."""

    def __init__(
        self,
        services: Services,
        local: LocalState,
        position: Position,
        learn: Callable[[Observation], None],
    ) -> None:
        self._services, self._local, self._position = services, local, position
        self._learn = learn
        self._audit_io = NodeAuditIO(services.blobs, services.client, local.me)
        self._masks = MaskRunner(services, local, position, learn)
        self._offers = OfferExchange(services, local, learn)

    async def carry_out(self, effect: Effect) -> None:
        """Carry out an effect. Raises RetryLater, or an error that says why it has failed."""
        if isinstance(effect, NEEDS_LAYOUT):
            await self._restore_layout()
        await self._handler(effect)

    async def _restore_layout(self) -> None:
        """Fetch the layouts of the study's model and of the contributions if this machine has lost
        them: the trainer has answered already, and does not send them again in this round."""
        state, name = self._services.state, self._local.study
        study, r = STUDY.get(state, name), ROUND.get(state, name)
        if study is not None and study.current is not None:
            await self._services.layouts.find_document(study, study.current)
        if r is not None and r.contributions and has_free_layout(r) and not r.wire:
            c = r.contributions[0]
            if c.layout:
                await self._services.layouts.find(r.contributors, c.digest, c.layout)

    def forget_before(self, number: int, is_open: bool) -> None:
        """Erase the secrets of rounds before this one; all once no round is open."""
        self._masks.forget_before(number, is_open)

    def _handler(self, effect: Effect) -> Coroutine[Any, Any, None]:
        match effect:
            case Submit():
                return self._submit(effect)
            case Pull():
                return self._pull(effect)
            case Check():
                return self._check(effect)
            case Merge():
                return self._merge(effect)
            case Sync():
                return self._sync(effect)
            case Audit():
                return self._audit(effect)
            case RecomputeChunk():
                return self._recompute_chunk(effect)
            case ApplyChange():
                return self._apply_change(effect)
            case Join():
                return self._join(effect)
            case Offer():
                return self._offer(effect)
            case Watch():
                return self._offers.watch(effect)
            case SendReceipt():
                return self._offers.send_receipt(effect)
            case Wake():
                pass
            case _:
                return self._masks.carry_out(effect)
        raise TypeError(f"no handler for {effect!r}")

    async def _submit(self, effect: Submit) -> None:
        if isinstance(effect.body, Poke):
            self._local.learn(Poked(), self._services.now_ms())
        if isinstance(effect.body, Contribute):
            self._local.held |= show_parts(self._services.blobs, effect.body)
        revision = self._position.revision
        failpoint(f"submit.{effect.body.KIND}")
        result = await self._services.submit(effect.body)
        failpoint(f"result.{effect.body.KIND}")
        topic = f"{self._local.study} {effect.body.KIND}"
        if result.ok:
            self._services.problems.update(topic, "")
            self._local.learn(Accepted(effect.body), self._services.now_ms())
            return
        log.info("%s refused: %s", effect.body.KIND, result.message)
        if result.code == "BlockQuotaExceeded":  # it is valid: a later block takes it
            raise RetryLater
        r = ROUND.get(self._services.state, self._local.study)
        is_over = r is None  # it came too late
        if isinstance(effect.body, Recompute) and result.code == "UnknownThing":
            is_over = True  # enough others have reported it before
        if (
            isinstance(effect.body, Dispute)
            and r is not None
            and self._local.me in r.lead.unfounded
        ):
            is_over = True  # it was sent before a restart of this node, and has been judged
        known = ("StaleRound", "AlreadyDone", "Expired", "Disputed")
        if result.code not in known and not is_over:
            self._services.problems.update(
                topic, f"The contract refused {effect.body.KIND}: {result.message}"
            )
        fault = find_fault(self._services.state, self._local) if result.code == "BadValue" else ""
        if fault:
            self._services.journal.drop_prepared(self._local.study)
            self._learn(AnswerRefused(fault))
        if is_final(effect.body, result.code) and revision == self._position.revision:
            self._learn(TransactionRefused(effect.body))

    async def _pull(self, effect: Pull) -> None:
        started = time.monotonic()
        self._local.learn(PullStarted(effect.digest), self._services.now_ms())
        failpoint("pull.begun")
        try:
            await self._services.client.pull(effect, self._services.blobs)
        except PeerError as error:
            work.need_descriptor()
            log.info("pull of %s… failed: %s", effect.digest[:12], error)
            lasted_ms = int((time.monotonic() - started) * 1000)
            self._learn(PullFailed(effect.digest, str(error), lasted_ms))
            return
        obtained = self._local.obtained.and_(self._position.number, effect.digest)
        self._services.journal.save_obtained(self._local.study, obtained)
        self._local.learn(obtained, self._services.now_ms())
        failpoint("pull.held")
        log.debug("pulled %d bytes in %.3f s", effect.nbytes, time.monotonic() - started)
        self._learn(BlobStored(effect.digest))

    async def _check(self, effect: Check) -> None:
        try:
            await asyncio.to_thread(recompute.check, self._services.blobs, effect)
        except BadContribution as error:
            self._learn(CheckedBad(effect.digest, error.why, effect.weight))
            return
        self._learn(CheckedGood(effect.digest, effect.weight))

    async def _merge(self, effect: Merge) -> None:
        def is_wanted() -> bool:
            return not self._position.closed and self._position.number == effect.number

        started = time.monotonic()
        try:
            blobs = self._services.blobs
            made = await asyncio.to_thread(work.merge, blobs, effect, is_wanted)
            met = effect.stage.until is not None and await asyncio.to_thread(
                recompute.is_merge_met, blobs, effect, made.digest
            )
        except work.Unwanted as reason:
            log.info("round %d: %s", effect.number, reason)
            return
        except BadContribution as error:
            share = next(s for s in effect.shares if s.member == error.member)
            self._services.problems.report(str(error))
            self._learn(CheckedBad(share.digest, error.why, share.weight))
            return
        failpoint("merge.stored")
        log.debug("merged %d bytes in %.3f s", made.nbytes, time.monotonic() - started)
        self._offers.sign_merge(effect, made, met)

    async def _join(self, effect: Join) -> None:
        await asyncio.to_thread(work.join, self._services.blobs, effect)
        failpoint("shards.joined")
        self._learn(BlobStored(effect.digest))

    async def _offer(self, effect: Offer) -> None:
        self._offers.sign_merge(effect, self._services.blobs.fingerprint(effect.digest))

    async def _sync(self, effect: Sync) -> None:
        try:
            await asyncio.to_thread(self._services.blobs.sync, effect.digest)
        finally:
            if effect.digest not in self._services.blobs:  # swept, or damaged: it is pulled again
                self._local.held.discard(effect.digest)
        failpoint("merge.synced")
        self._learn(Synced(effect.digest))

    async def _apply_change(self, effect: ApplyChange) -> None:
        made = await compute_model(self._services, self._position, effect)
        if made is not None:
            self._learn(made)

    async def _audit(self, effect: Audit) -> None:
        failpoint("audit.begun")
        found = await audit_procedure.audit_offer(self._audit_io, effect, self._local.drawn)
        failpoint("audit.ended")
        for event in found:
            match event:
                case ExcerptUnavailable():
                    log.warning(
                        "round %d: no excerpts of member %d's own to be had from it",
                        event.number, event.member,
                    )  # fmt: skip
                case Audited(discrepancy=Discrepancy()):
                    self._services.problems.report(
                        f"The merge of round {effect.number} of '{effect.study}' is false."
                    )
            self._learn(event)

    async def _recompute_chunk(self, effect: RecomputeChunk) -> None:
        try:
            found = await audit_procedure.answer_dispute(self._audit_io, effect)
        except PeerError as error:  # the others may have decided, and deleted it
            work.need_descriptor()
            log.info("round %d: chunk %d not recomputed: %s", effect.number, effect.chunk, error)
            raise RetryLater from None
        if found.leaf == audit_procedure.NO_LEAF:
            log.warning("round %d: there is no right merge to dispute about", effect.number)
        self._learn(found)
