"""Execution of the protocol's effects for one study, on the real ledger, network and disk.

After every observation `react` asks the protocol which effects should be under way, starts the
missing ones, and cancels those that are no longer requested (a reconcile loop). Every effect ends
in an observation that is noted; then it reacts again. There is no other logic here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmhub import codec
from swarmhub.contract.records import ROUND, STUDY
from swarmhub.contract.transactions import Dispute, Poke, Recompute
from swarmhub.errors import BadContribution, BlobError, LedgerError, MergeError, PeerError
from swarmhub.failpoints import failpoint
from swarmhub.node import work
from swarmhub.params import Fingerprint
from swarmhub.protocol import (
    Accepted,
    AnswerRefused,
    Audit,
    Audited,
    BlobStored,
    Check,
    CheckedBad,
    CheckedGood,
    Discrepancy,
    Effect,
    ExcerptUnavailable,
    LocalState,
    Merge,
    MergeDone,
    Observation,
    Offered,
    PeerFound,
    PeerLost,
    Poked,
    PreparedContribution,
    Pull,
    PullFailed,
    PullStarted,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    RecomputeChunk,
    SendReceipt,
    Submit,
    Sync,
    Synced,
    TransactionRefused,
    Wake,
    Watch,
    audit_procedure,
    decide,
    is_final,
    is_offer,
    offer_message,
    recompute,
)
from swarmhub.protocol.answers import find_fault
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN, Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.node.service import Node

RESUBMIT_S = 5.0  # if no block had it: the same bytes again
FAILED_PAUSE_MS = 3_000
AGAIN_S = FAILED_PAUSE_MS / 1000
IDLE_WATCH_S = 0.02  # a leader that is a block ahead answers at once: avoid a busy loop

log = logging.getLogger("swarmhub.protocol")


class StudyDriver:
    """The driver of one study at one node."""

    def __init__(self, node: Node, local: LocalState) -> None:
        self.node = node
        self.local = local
        self.number = self._revision = 0
        self._under_way: dict[Effect, asyncio.Task[None]] = {}
        self._failed: dict[Effect, int] = {}  # time (ms): tried again after a pause
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._closed = False
        self._sight: object = None

    @property
    def study(self) -> str:
        return self.local.study

    def learn(self, event: Observation) -> None:
        """Note an observation, then react."""
        self.local.learn(event, self.node.now_ms())
        self.react()

    def react(self) -> None:
        """Schedule another decision; several causes at once make one decision."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._react)

    def _react(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        self._follow_round()
        effects = decide(self.node.ledger.state, self.local, self.node.now_ms())
        wanted = {w for w in effects if not isinstance(w, Wake) and not self._has_just_failed(w)}
        for gone in [e for e in self._under_way if e not in wanted and isinstance(e, Pull)]:
            self._under_way.pop(gone).cancel()
        for effect in wanted:
            if effect not in self._under_way:
                task = asyncio.create_task(self._carry_out(effect))
                self._under_way[effect] = task
        self._set_timer(min((w.at_ms for w in effects if isinstance(w, Wake)), default=0))
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        """Wake the open requests of the trainer and the peers if their subject has changed."""
        state, local = self.node.ledger.state, self.local
        study, r = STUDY.get(state, self.study), ROUND.get(state, self.study)
        sight = (study, r, local.prepared, len(local.held), len(local.merged))
        if sight != self._sight:
            self._sight = sight
            self.node.pulse(self.study)

    def _follow_round(self) -> None:
        r = ROUND.get(self.node.ledger.state, self.study)
        number = r.number if r else self.number + 1
        if number == self.number and r is not None and r.revision != self._revision:
            self.local.begin_revision()
            for pull in [e for e in self._under_way if isinstance(e, Pull)]:
                self._under_way.pop(pull).cancel()  # it restarts with the present holders
        self._revision = r.revision if r else 0
        if number != self.number:
            self.number = number
            self.local.forget_before(number)
            self._failed.clear()
            self.node.sweep()

    def _set_timer(self, at_ms: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if at_ms:
            delay = max(0.001, (at_ms - self.node.now_ms()) / 1000)
            self._timer = asyncio.get_running_loop().call_later(delay, self.react)

    async def close(self) -> None:
        """Cancel all effects."""
        self._closed = True
        self._set_timer(0)
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note_failure(self, effect: Effect) -> None:
        """Note a failure of this machine (e.g. a full disk), not of a peer: retry after a pause."""
        if isinstance(effect, Pull):
            self.local.learn(PullStopped(effect.digest), self.node.now_ms())
        self._failed[effect] = self.node.now_ms()
        asyncio.get_running_loop().call_later(AGAIN_S + 0.01, self.react)

    def _has_just_failed(self, effect: Effect) -> bool:
        at_ms = self._failed.get(effect)
        return at_ms is not None and self.node.now_ms() < at_ms + FAILED_PAUSE_MS

    # effects

    async def _carry_out(self, effect: Effect) -> None:
        try:
            if isinstance(effect, Check | Merge | Audit | RecomputeChunk):
                await self._restore_layout()
            await self._handler(effect)
        except asyncio.CancelledError:
            raise
        except (BlobError, MergeError, LedgerError) as error:
            self._note_failure(effect)
            self.node.problems.report_trouble(str(error))
        except PeerError as error:  # the others are away: no fault here
            self._note_failure(effect)
            self.node.problems.report_trouble(str(error), logging.WARNING)
        except OSError as error:
            self._note_failure(effect)
            self.node.problems.report_shortage(error, self.node.blobs.root)
        except Exception:
            self._note_failure(effect)
            log.exception("an effect failed: %r", effect)
        finally:
            if self._under_way.get(effect) is asyncio.current_task():
                del self._under_way[effect]
            self.react()

    async def _restore_layout(self) -> None:
        """Fetch the layout of the study's model if this machine has lost it: the trainer has
        answered already, and does not send it again in this round."""
        study = STUDY.get(self.node.ledger.state, self.study)
        if study is not None and study.current is not None:
            await self.node.forms.find_document(study, study.current)

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
                return self._examine(effect)
            case Watch():
                return self._watch(effect)
            case SendReceipt():
                return self._send_receipt(effect)
        raise TypeError(f"no handler for {effect!r}")

    async def _submit(self, effect: Submit) -> None:
        if isinstance(effect.body, Poke):
            self.local.learn(Poked(), self.node.now_ms())
        revision = self._revision
        failpoint(f"submit.{effect.body.KIND}")
        result = await self.node.submit(effect.body)
        failpoint(f"result.{effect.body.KIND}")
        topic = f"{self.study} {effect.body.KIND}"
        if result.ok:
            self.node.problems.update(topic, "")
            self.local.learn(Accepted(effect.body), self.node.now_ms())
            return
        log.info("%s refused: %s", effect.body.KIND, result.message)
        if result.code == "BlockQuotaExceeded":  # it is valid: a later block takes it
            self._note_failure(effect)
            return
        r = ROUND.get(self.node.ledger.state, self.study)
        is_over = r is None  # it came too late
        if isinstance(effect.body, Recompute) and result.code == "UnknownThing":
            is_over = True  # enough others have reported it before
        if isinstance(effect.body, Dispute) and r is not None and self.local.me in r.unfounded:
            is_over = True  # it was sent before a restart of this node, and has been judged
        known = ("StaleRound", "AlreadyDone", "Expired", "Disputed")
        if result.code not in known and not is_over:
            self.node.problems.update(
                topic, f"The contract refused {effect.body.KIND}: {result.message}"
            )
        fault = find_fault(self.node.ledger.state, self.local) if result.code == "BadValue" else ""
        if fault:
            self.node.drop_prepared(self.study)
            self.learn(AnswerRefused(fault))
        if is_final(effect.body, result.code) and revision == self._revision:
            self.learn(TransactionRefused(effect.body))

    async def _pull(self, effect: Pull) -> None:
        started = time.monotonic()
        self.local.learn(PullStarted(effect.digest), self.node.now_ms())
        failpoint("pull.begun")
        try:
            await self.node.client.pull(effect, self.node.blobs)
        except PeerError as error:
            work.need_descriptor()
            log.info("pull of %s… failed: %s", effect.digest[:12], error)
            lasted_ms = int((time.monotonic() - started) * 1000)
            self.learn(PullFailed(effect.digest, str(error), lasted_ms))
            return
        obtained = self.local.obtained.and_(self.number, effect.digest)
        self.node.save_obtained(self.study, obtained)
        self.local.learn(obtained, self.node.now_ms())
        failpoint("pull.held")
        log.debug("pulled %d bytes in %.3f s", effect.nbytes, time.monotonic() - started)
        self.learn(BlobStored(effect.digest))

    async def _check(self, effect: Check) -> None:
        try:
            await asyncio.to_thread(
                recompute.check, self.node.blobs, effect.digest, effect.member, effect.weight
            )
        except BadContribution as error:
            self.learn(CheckedBad(effect.digest, error.why, effect.weight))
            return
        self.learn(CheckedGood(effect.digest, effect.weight))

    async def _merge(self, effect: Merge) -> None:
        def is_wanted() -> bool:
            return not self._closed and self.number == effect.number

        started = time.monotonic()
        try:
            made = await asyncio.to_thread(work.merge, self.node.blobs, effect, is_wanted)
        except work.Unwanted as reason:
            log.info("round %d: %s", effect.number, reason)
            return
        except BadContribution as error:
            share = next(s for s in effect.shares if s.member == error.member)
            self.node.problems.report(str(error))
            self.learn(CheckedBad(share.digest, error.why, share.weight))
            return
        failpoint("merge.stored")
        log.debug("merged %d bytes in %.3f s", made.nbytes, time.monotonic() - started)
        message = self._message(effect.number, effect.revision, made)
        self.learn(
            MergeDone(effect.number, effect.revision, made.digest, made.nbytes, made.layout,
                   self.node.account.sign(OFFER_DOMAIN, message))
        )  # fmt: skip

    async def _sync(self, effect: Sync) -> None:
        try:
            await asyncio.to_thread(self.node.blobs.sync, effect.digest)
        finally:
            if effect.digest not in self.node.blobs:  # swept, or damaged: it is pulled again
                self.node.held.discard(effect.digest)
        failpoint("merge.synced")
        self.learn(Synced(effect.digest))

    def _message(self, number: int, revision: int, model: Fingerprint | MergeDone) -> bytes:
        """Return the message that an offer and a receipt sign."""
        return offer_message(self.node.ledger.state, self.study, number, revision, model)

    async def _audit(self, effect: Audit) -> None:
        failpoint("audit.begun")
        audit_io = _Hands(self.node, self.local.me)
        found = await audit_procedure.audit_offer(audit_io, effect, self.local.drawn)
        failpoint("audit.ended")
        for event in found:
            match event:
                case ExcerptUnavailable():
                    log.warning(
                        "round %d: no excerpts of member %d's own to be had from it",
                        event.number, event.member,
                    )  # fmt: skip
                case Audited(discrepancy=Discrepancy()):
                    self.node.problems.report(
                        f"The merge of round {effect.number} of '{effect.study}' is false."
                    )
            self.learn(event)

    async def _examine(self, effect: RecomputeChunk) -> None:
        try:
            found = await audit_procedure.answer_dispute(_Hands(self.node, self.local.me), effect)
        except PeerError as error:  # the others may have decided, and deleted it
            work.need_descriptor()
            log.info("round %d: chunk %d not recomputed: %s", effect.number, effect.chunk, error)
            self._note_failure(effect)
            return
        if found.leaf == audit_procedure.NO_LEAF:
            log.warning("round %d: there is no right merge to dispute about", effect.number)
        self.learn(found)

    async def _watch(self, effect: Watch) -> None:
        try:
            found = await self.node.client.watch(
                effect.leader, effect.study, effect.number, effect.revision, effect.known
            )
        except PeerError as error:
            work.need_descriptor()
            log.info("watching member %d: %s", effect.leader, error)
            self.learn(PeerLost(effect.leader))
            return
        if found is None or (found.number, found.revision) != (effect.number, effect.revision):
            await asyncio.sleep(IDLE_WATCH_S)
            self.learn(PeerFound(effect.leader))
            return
        if codec.is_digest(found.digest) and found.digest != effect.known:
            if effect.known:
                log.warning("member %d offers a second merge of one set", effect.leader)
                self.learn(PeerLost(effect.leader))
                return
            if not is_offer(self.node.ledger.state, effect.study, effect.leader, found):
                log.warning("the offer of member %d is not signed by it", effect.leader)
                self.learn(PeerLost(effect.leader))
                return
            self.learn(
                Offered(effect.leader, found.number, found.revision, found.digest, found.nbytes,
                        found.layout, found.signature)
            )  # fmt: skip
        else:
            await asyncio.sleep(IDLE_WATCH_S)

    async def _send_receipt(self, effect: SendReceipt) -> None:
        failpoint("receipt.begun")
        held = self.node.blobs.fingerprint(effect.digest)
        message = self._message(effect.number, effect.revision, held)
        signature = self.node.account.sign(RECEIPT_DOMAIN, message)
        receipt = ReceiptCame(
            effect.number, effect.revision, effect.digest, self.local.me, signature
        )
        signed = self.local.signed.and_(effect.number, effect.digest)
        if signed != self.local.signed:
            self.node.save_signed(self.study, signed)
            self.local.learn(signed, self.node.now_ms())
        try:
            taken = await self.node.client.send_receipt(effect.leader, effect.study, receipt)
        except PeerError as error:
            work.need_descriptor()
            log.info("receipt to member %d: %s", effect.leader, error)
            self.learn(PeerLost(effect.leader))
            return
        failpoint("receipt.sent")
        if not taken:
            await asyncio.sleep(self.local.timeouts.retry_ms / 1000)
            return
        self.learn(ReceiptSent(effect.leader, effect.number, effect.revision))

    # the trainer's answer

    def prepare(self, prepared: PreparedContribution) -> None:
        """Store the answer durably, then let the protocol act on it."""
        self.node.save_prepared(self.study, prepared)
        self.learn(prepared)

    def take_back(self) -> None:
        """Drop the trainer's answer: it is asked for again."""
        self.node.drop_prepared(self.study)
        self.local.take_back()
        self.react()


class _Hands(audit_procedure.AuditIO):
    """An audit's AuditIO: the node's store, threads for arithmetic, requests to others."""

    def __init__(self, node: Node, me: MemberId) -> None:
        self.node = node
        self.me = me

    def holds(self, digest: Digest) -> bool:
        return digest in self.node.blobs

    def fingerprint(self, digest: Digest) -> Fingerprint:
        return self.node.blobs.fingerprint(digest)

    def below(self, n: int) -> int:
        return secrets.randbelow(n)

    async def excerpts(
        self, wanted: Mapping[MemberId, Digest], nbytes: int, starts: Sequence[int]
    ) -> dict[MemberId, bytes | None]:
        asked = [self._excerpt(m, digest, nbytes, starts) for m, digest in wanted.items()]
        return dict(zip(wanted, await asyncio.gather(*asked), strict=True))

    async def _excerpt(
        self, member: MemberId, digest: Digest, nbytes: int, starts: Sequence[int]
    ) -> bytes | None:
        try:
            return await self.node.client.excerpt(member, digest, nbytes, starts)
        except PeerError as error:
            work.need_descriptor()
            log.info("excerpt of member %d: %s", member, error)
            return None

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        try:
            return await self.node.client.chunk(holders, digest, nbytes, layout, index)
        except PeerError as error:
            work.need_descriptor()
            log.info("chunk %d of %s…: %s", index, digest[:12], error)
            raise

    async def audit(
        self, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
    ) -> int | None:
        return await asyncio.to_thread(recompute.audit, self.node.blobs, effect, starts, excerpts)

    async def examine(self, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]) -> Digest:
        return await asyncio.to_thread(recompute.recompute_chunk, self.node.blobs, effect, chunks)
