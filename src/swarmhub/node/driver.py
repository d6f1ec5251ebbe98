"""Carries out what the brain wishes for one study, on the real ledger, network and disk.

After anything happens `react` asks the brain what should be under way, starts what is not, and
cancels what is wished no longer. Every effect ends in an event that is noted; then it reacts
again. There is no other logic here.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from swarmhub import codec
from swarmhub.contract.records import MEMBER, ROUND, STUDY, RoundRef
from swarmhub.contract.transactions import Poke, receipt_message
from swarmhub.errors import BadContribution, BlobError, LedgerError, MergeError, PeerError
from swarmhub.keys import verify
from swarmhub.merge import draw, draw_chunks, find_false_excerpts
from swarmhub.moments import reach
from swarmhub.node import work
from swarmhub.params import Fingerprint
from swarmhub.round import (
    Accepted,
    Audit,
    Audited,
    Check,
    CheckedBad,
    CheckedGood,
    Doubt,
    Effect,
    Event,
    Examine,
    Examined,
    Held,
    Lacking,
    Merge,
    Merged,
    Notes,
    Offered,
    PeerFound,
    PeerLost,
    Poked,
    Prepared,
    Pull,
    PullFailed,
    PullStarted,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    Refused,
    SendReceipt,
    Submit,
    Wake,
    Watch,
    decide,
)
from swarmhub.types import OFFER_DOMAIN, RECEIPT_DOMAIN, Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.node.node import Node

RESUBMIT_S = 5.0  # no block had it: the same bytes again
FAILED_PAUSE_MS = 3_000
AGAIN_S = FAILED_PAUSE_MS / 1000
IDLE_WATCH_S = 0.02  # a leader that is a block ahead answers at once: do not spin

NO_LEAF = "0" * 64

log = logging.getLogger("swarmhub.round")


class StudyDriver:
    """One study at one node."""

    def __init__(self, node: Node, notes: Notes) -> None:
        self.node = node
        self.notes = notes
        self.number = 0
        self._under_way: dict[Effect, asyncio.Task[None]] = {}
        self._failed: dict[Effect, int] = {}  # when (ms): tried again after a pause
        self._timer: asyncio.TimerHandle | None = None
        self._scheduled = False
        self._closed = False
        self._sight: object = None

    @property
    def study(self) -> str:
        return self.notes.study

    def learn(self, event: Event) -> None:
        """Note a fact, then react."""
        self.notes.learn(event, self.node.now_ms())
        self.react()

    def react(self) -> None:
        """Decide again, soon; several causes at once make one decision."""
        if not self._scheduled and not self._closed:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._react)

    def _react(self) -> None:
        self._scheduled = False
        if self._closed:
            return
        self._follow_round()
        wishes = decide(self.node.ledger.state, self.notes, self.node.now_ms())
        wanted = {w for w in wishes if not isinstance(w, Wake) and not self._has_just_failed(w)}
        for gone in [e for e in self._under_way if e not in wanted and isinstance(e, Pull)]:
            self._under_way.pop(gone).cancel()
        for effect in wanted:
            if effect not in self._under_way:
                task = asyncio.create_task(self._carry_out(effect))
                self._under_way[effect] = task
        self._set_timer(min((w.at_ms for w in wishes if isinstance(w, Wake)), default=0))
        self._tell_waiters()

    def _tell_waiters(self) -> None:
        """Wake the trainer's and the peers' open requests if what they look at has changed."""
        state, notes = self.node.ledger.state, self.notes
        study, r = STUDY.get(state, self.study), ROUND.get(state, self.study)
        sight = (study, r, notes.prepared, len(notes.held), len(notes.merged))
        if sight != self._sight:
            self._sight = sight
            self.node.pulse(self.study)

    def _follow_round(self) -> None:
        r = ROUND.get(self.node.ledger.state, self.study)
        number = r.number if r else self.number + 1
        if number != self.number:
            self.number = number
            self.notes.forget_before(number)
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
        """Stop all that is under way."""
        self._closed = True
        self._set_timer(0)
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _note_failure(self, effect: Effect) -> None:
        """This machine failed (a full disk, say), not a peer: pause, then try again."""
        if isinstance(effect, Pull):
            self.notes.learn(PullStopped(effect.digest), self.node.now_ms())
        self._failed[effect] = self.node.now_ms()
        asyncio.get_running_loop().call_later(AGAIN_S + 0.01, self.react)

    def _has_just_failed(self, effect: Effect) -> bool:
        at_ms = self._failed.get(effect)
        return at_ms is not None and self.node.now_ms() < at_ms + FAILED_PAUSE_MS

    # effects

    async def _carry_out(self, effect: Effect) -> None:
        try:
            await self._handler(effect)
        except asyncio.CancelledError:
            raise
        except (BlobError, MergeError, LedgerError, PeerError) as error:
            self._note_failure(effect)
            self.node.report_trouble(str(error))
        except OSError as error:
            self._note_failure(effect)
            self.node.report_shortage(error, self.node.blobs.root)
        except Exception:
            self._note_failure(effect)
            log.exception("an effect failed: %r", effect)
        finally:
            if self._under_way.get(effect) is asyncio.current_task():
                del self._under_way[effect]
            self.react()

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
            case Audit():
                return self._audit(effect)
            case Examine():
                return self._examine(effect)
            case Watch():
                return self._watch(effect)
            case SendReceipt():
                return self._send_receipt(effect)
        raise TypeError(f"no handler for {effect!r}")

    async def _submit(self, wish: Submit) -> None:
        if isinstance(wish.body, Poke):
            self.notes.learn(Poked(), self.node.now_ms())
        reach(f"submit.{wish.body.KIND}")
        result = await self.node.submit(wish.body)
        reach(f"result.{wish.body.KIND}")
        if result.ok:
            self.notes.learn(Accepted(wish.body), self.node.now_ms())
            return
        log.info("%s refused: %s", wish.body.KIND, result.message)
        if result.code == "TooMany":  # nothing is wrong with it: a later block takes it
            self._note_failure(wish)
            return
        is_over = ROUND.get(self.node.ledger.state, self.study) is None  # it came too late, then
        known = ("StaleRound", "AlreadyDone", "Expired", "Disputed")
        if result.code not in known and not is_over:
            self.node.report(f"The contract refused {wish.body.KIND}: {result.message}")
        if result.code not in ("Expired", "Disputed"):
            self.learn(Refused(wish.body))

    async def _pull(self, wish: Pull) -> None:
        started = time.monotonic()
        self.notes.learn(PullStarted(wish.digest), self.node.now_ms())
        reach("pull.begun")
        try:
            await self.node.client.pull(wish, self.node.blobs)
        except PeerError as error:
            work.need_descriptor()
            log.info("pull of %s… failed: %s", wish.digest[:12], error)
            lasted_ms = int((time.monotonic() - started) * 1000)
            self.learn(PullFailed(wish.digest, str(error), lasted_ms))
            return
        reach("pull.held")
        log.debug("pulled %d bytes in %.3f s", wish.nbytes, time.monotonic() - started)
        self.learn(Held(wish.digest))

    async def _check(self, wish: Check) -> None:
        try:
            await asyncio.to_thread(
                work.check, self.node.blobs, wish.digest, wish.member, wish.weight
            )
        except BadContribution as error:
            self.learn(CheckedBad(wish.digest, error.why))
            return
        self.learn(CheckedGood(wish.digest))

    async def _merge(self, wish: Merge) -> None:
        def is_wanted() -> bool:
            return not self._closed and self.number == wish.number

        started = time.monotonic()
        try:
            made = await asyncio.to_thread(work.merge, self.node.blobs, wish, is_wanted)
        except work.Unwanted as reason:
            log.info("round %d: %s", wish.number, reason)
            return
        except BadContribution as error:
            digest = next(s.digest for s in wish.shares if s.member == error.member)
            self.node.report(str(error))
            self.learn(CheckedBad(digest, error.why))
            return
        reach("merge.stored")
        log.debug("merged %d bytes in %.3f s", made.nbytes, time.monotonic() - started)
        message = self._message(wish.number, wish.revision, made)
        self.learn(
            Merged(wish.number, wish.revision, made.digest, made.nbytes, made.layout,
                   self.node.account.sign(OFFER_DOMAIN, message))
        )  # fmt: skip

    def _message(self, number: int, revision: int, model: Fingerprint | Merged) -> bytes:
        """What an offer and a receipt sign."""
        ref = RoundRef(self.study, number, "MERGING", revision, 0)
        return receipt_message(
            self.node.ledger.tip.chain_id, ref, model.digest, model.nbytes, model.layout
        )

    async def _audit(self, wish: Audit) -> None:
        client, blobs = self.node.client, self.node.blobs
        nbytes = blobs.fingerprint(wish.digest).nbytes
        starts = () if wish.full else draw(nbytes, secrets.randbelow)
        absent = [s for s in wish.shares if s.digest not in blobs]
        asked = [client.excerpt(s.member, s.digest, nbytes, starts) for s in absent]
        answers = await asyncio.gather(*asked, return_exceptions=True)
        excerpts: dict[MemberId, bytes] = {}
        for share, answer in zip(absent, answers, strict=True):
            if isinstance(answer, PeerError):
                work.need_descriptor()
                log.info("excerpt of member %d: %s", share.member, answer)
                self.learn(Lacking(wish.number, wish.revision, share.member))
                return
            if isinstance(answer, BaseException):
                raise answer
            excerpts[share.member] = answer
        liars = await self._prove(wish, starts, nbytes, excerpts)
        if liars:
            self._pull_whole(wish, liars)
            return
        try:
            index = await asyncio.to_thread(work.audit, blobs, wish, starts, excerpts)
        except BadContribution as error:
            self._doubt_contribution(wish, error, set(excerpts))
            return
        if index is not None:
            try:
                doubt, chunks = await self._confirm(wish, index)
            except BadContribution as error:
                self._doubt_contribution(wish, error, set())  # its chunk is proven
                return
            if doubt is None:  # the merge is right there, so an excerpt was not
                found = find_false_excerpts(starts, nbytes, excerpts, chunks, index)
                self._pull_whole(wish, found or set(excerpts))
                return
            self.learn(Audited(wish.number, wish.revision, wish.digest, doubt))
        else:
            self.learn(Audited(wish.number, wish.revision, wish.digest, None))

    async def _prove(
        self, wish: Audit, starts: Sequence[int], nbytes: int, excerpts: Mapping[MemberId, bytes]
    ) -> set[MemberId]:
        """Whether the leader's excerpt is of what it has contributed, by some of its chunks with
        their proof: it alone knows the others' contributions before it answers."""
        share = next((s for s in wish.shares if s.member == wish.leader), None)
        if share is None or share.member not in excerpts:
            return set()
        liars: set[MemberId] = set()
        excerpt = {share.member: excerpts[share.member]}
        for index in draw_chunks(nbytes, starts, secrets.randbelow):
            try:
                chunk = await self.node.client.chunk(
                    [share.member], share.digest, nbytes, wish.layout, index
                )
            except PeerError as error:
                work.need_descriptor()
                log.info("chunk %d of member %d: %s", index, share.member, error)
                return {share.member}
            liars |= find_false_excerpts(starts, nbytes, excerpt, {share.member: chunk}, index)
        return liars

    def _doubt_contribution(
        self, wish: Audit, error: BadContribution, unproven: set[MemberId]
    ) -> None:
        """It cannot be merged: so it is bad, or its owner's excerpt is not what it has hashed."""
        if error.member in unproven:
            self._pull_whole(wish, {error.member})
        else:
            digest = next(s.digest for s in wish.shares if s.member == error.member)
            self.learn(CheckedBad(digest, error.why))

    def _pull_whole(self, wish: Audit, members: set[MemberId]) -> None:
        """Believe no excerpts of these: their contributions are pulled, and the audit done anew."""
        log.warning("round %d: other excerpts than their own from %s", wish.number, members)
        for member in members:
            self.learn(Lacking(wish.number, wish.revision, member))

    async def _confirm(self, wish: Audit, index: int) -> tuple[Doubt | None, dict[MemberId, bytes]]:
        """Whether a chunk is false by bytes that are proven to be the contributors' own; these."""
        claimed = self.node.blobs.fingerprint(wish.digest)
        look = Examine(
            wish.study, wish.number, wish.kind, wish.revision, wish.rule, wish.layout,
            claimed.nbytes, wish.shares, index,
        )  # fmt: skip
        leaf, chunks = await self._recompute(look)
        said = claimed.leaves[index].hex()
        if leaf == said and not wish.full:
            return None, chunks
        self.node.report(f"The merge of round {wish.number} of '{self.study}' is false.")
        return Doubt(index, leaf, said, claimed.path(index)), chunks

    async def _recompute(self, wish: Examine) -> tuple[Digest, dict[MemberId, bytes]]:
        """Leaf of a chunk of the right merge, and what was asked for of contributions not held."""
        chunks: dict[MemberId, bytes] = {}
        for s in wish.shares:
            if s.digest not in self.node.blobs:
                holders = [s.member, *(o.member for o in wish.shares if o.member != s.member)]
                chunks[s.member] = await self.node.client.chunk(
                    [m for m in holders if m != self.notes.me], s.digest, wish.nbytes, wish.layout,
                    wish.chunk,
                )  # fmt: skip
        return await asyncio.to_thread(work.examine, self.node.blobs, wish, chunks), chunks

    async def _examine(self, wish: Examine) -> None:
        try:
            leaf, _ = await self._recompute(wish)
        except BadContribution as error:
            log.warning("%s", error)
            leaf = NO_LEAF  # there is no right merge
        self.learn(Examined(wish.number, wish.revision, wish.chunk, leaf))

    async def _watch(self, wish: Watch) -> None:
        try:
            found = await self.node.client.watch(
                wish.leader, wish.study, wish.number, wish.revision, wish.known
            )
        except PeerError as error:
            work.need_descriptor()
            log.info("watching member %d: %s", wish.leader, error)
            self.learn(PeerLost(wish.leader))
            return
        if found is None or (found.number, found.revision) != (wish.number, wish.revision):
            await asyncio.sleep(IDLE_WATCH_S)
            self.learn(PeerFound(wish.leader))
            return
        if codec.is_digest(found.digest) and found.digest != wish.known:
            message = self._message(found.number, found.revision, found)
            leader = MEMBER.need(self.node.ledger.state, wish.leader)
            if not verify(leader.account, OFFER_DOMAIN, message, found.signature):
                log.warning("the offer of member %d is not signed by it", wish.leader)
                self.learn(PeerLost(wish.leader))
                return
            self.learn(
                Offered(wish.leader, found.number, found.revision, found.digest, found.nbytes,
                        found.layout, found.signature)
            )  # fmt: skip
        else:
            await asyncio.sleep(IDLE_WATCH_S)

    async def _send_receipt(self, wish: SendReceipt) -> None:
        reach("receipt.begun")
        held = self.node.blobs.fingerprint(wish.digest)
        message = self._message(wish.number, wish.revision, held)
        signature = self.node.account.sign(RECEIPT_DOMAIN, message)
        receipt = ReceiptCame(wish.number, wish.revision, wish.digest, self.notes.me, signature)
        try:
            await self.node.client.send_receipt(wish.leader, wish.study, receipt)
        except PeerError as error:
            work.need_descriptor()
            log.info("receipt to member %d: %s", wish.leader, error)
            self.learn(PeerLost(wish.leader))
            return
        reach("receipt.sent")
        self.learn(ReceiptSent(wish.leader, wish.number, wish.revision))

    # the trainer's answer

    def prepare(self, prepared: Prepared) -> None:
        """Write the answer down durably, then let the brain act on it."""
        self.node.save_prepared(self.study, prepared)
        self.learn(prepared)
