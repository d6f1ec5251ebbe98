"""Messages of a simulated node: to the ledger, to others, and its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmhub.contract.envelope import read_transaction
from swarmhub.contract.records import (
    ROUND,
)
from swarmhub.contract.transactions import NOTHING, Computed, Contribute, Poke
from swarmhub.merge import excerpt
from swarmhub.params import Fingerprint
from swarmhub.protocol import (
    Accepted,
    BlobStored,
    MergeDone,
    Observation,
    Offered,
    PeerFound,
    PeerLost,
    Poked,
    Pull,
    PullFailed,
    PullStopped,
    ReceiptCame,
    ReceiptSent,
    SendReceipt,
    Submit,
    TransactionRefused,
    Watch,
    is_final,
    is_offer,
    is_receipt,
    may_read,
    offer_message,
    recompute,
)
from swarmhub.protocol.changes import find_computed
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import DiskFull
from swarmhub.sim.life import NodeLife
from swarmhub.sim.ports import STUDY_NAME, Peer, T
from swarmhub.types import (
    RECEIPT_DOMAIN,
    Digest,
    MemberId,
)

RESUBMIT_MS = 400
WATCH_STEP_MS = 20  # interval at which a watched leader looks for something to report
IDLE_MS = 20  # the pause after an answer that says nothing new (the real driver has the same)


def once(callback: Callable[[T], None]) -> Callable[[T], None]:
    """Return a callback that passes only its first call on."""
    called = False

    def first(value: T) -> None:
        nonlocal called
        if not called:
            called = True
            callback(value)

    return first


class TalkingNode(NodeLife):
    """A node that talks to others."""

    def give(self, digest: Digest, asker: MemberId) -> Blob | None:
        """Return a blob, if the asker may have it."""
        if not may_read(self.state, self.local, asker, digest):
            return None
        found = self.disk.blobs.get(digest)
        if found is not None:
            self.world.observer.before_giving(self, digest, asker)
        return found

    def give_excerpt(self, digest: Digest, asker: MemberId, starts: Sequence[int]) -> bytes | None:
        """Return stretches of a blob, if the asker may have it."""
        found = self.give(digest, asker)
        if found is None:
            return None
        return excerpt(recompute.MemoryReader(found.data), len(found.data), starts)

    def offer(self, asker: MemberId, effect: Watch) -> MergeDone | None:
        """Return this node's offer as leader."""
        return self.local.merged.get((effect.number, effect.revision, effect.shard))

    def submit(self, effect: Submit) -> None:
        """Bring a transaction to the ledger: the same bytes again until a result comes."""
        if isinstance(effect.body, Poke):
            self.local.learn(Poked(), self.now_ms)
        if isinstance(effect.body, Contribute):
            for part in self.disk.cut(effect.body):  # others will ask for them
                self.world.blobs[part.digest] = part
                self.local.learn(BlobStored(part.digest), self.now_ms)
        tx = self.world.sign(self.account, effect.body, self.now_ms)
        tx_id, revision = read_transaction(tx).id, self._revision

        def again() -> None:
            result = self.world.results.get(tx_id)
            if result is not None and self.world.on_ledger(self.me):
                final = is_final(effect.body, result.code) and revision == self._revision
                learnt = (
                    Accepted(effect.body)
                    if result.ok
                    else TransactionRefused(effect.body)
                    if final
                    else None
                )
                self.done(effect, learnt)
                return
            self.world.submit(self.me, tx)
            self.later(RESUBMIT_MS, again)

        self.world.submit(self.me, tx)
        self.later(RESUBMIT_MS // 4, again)

    def _peer(self, member: MemberId) -> Peer | None:
        peer = self.world.nodes[member]
        return peer if peer.up else None

    def ask(
        self, member: MemberId, question: Callable[[Peer], T | None],
        answer: Callable[[T | None], None],
    ) -> None:  # fmt: skip
        """Send a request; the answer is None if the peer is gone or refuses. A request may reach
        the peer twice; its answer is taken once, for it belongs to one connection."""
        answer = once(answer)
        lost = self.alive(lambda: answer(None))

        def arrive() -> None:
            peer = self._peer(member)
            data = question(peer) if peer is not None else None
            if peer is None:
                self.world.at(1, lost)
            else:
                self.world.send(member, self.me, self.alive(lambda: answer(data)), lost)

        self.world.send(self.me, member, arrive, lost)

    def _pull(self, effect: Pull, holders: list[MemberId]) -> None:
        if not holders:
            self.done(effect, PullFailed(effect.digest, "nobody had it"))
            return

        def answer(blob: Blob | None) -> None:
            if effect not in self._under_way:
                return  # an answer that came twice
            if blob is None or blob.digest != effect.digest:
                self._pull(effect, holders[1:])
            elif self.disk.slow_ms:
                self.later(self.disk.slow_ms, lambda: store(blob))
            else:
                store(blob)

        def store(blob: Blob) -> None:
            try:
                self._keep(blob, effect.durable)
            except DiskFull:
                self.local.learn(PullStopped(effect.digest), self.now_ms)
                self.failed(effect)
                return
            self.disk.obtained = self.local.obtained.and_(self._number, effect.digest)
            self.local.learn(self.disk.obtained, self.now_ms)
            self.done(effect, BlobStored(effect.digest))

        self.ask(holders[0], lambda peer: peer.give(effect.digest, self.me), answer)

    def _watch(self, effect: Watch) -> None:
        end: Callable[[Observation], None] = once(lambda event: self.done(effect, event))

        def back(event: Observation) -> Callable[[], None]:
            return self.alive(lambda: end(event))

        lost = back(PeerLost(effect.leader))

        def look() -> None:
            peer = self._peer(effect.leader)
            if peer is None or not self.world.reaches(self.me, effect.leader):
                self.world.at(1, lost)
                return
            r = ROUND.get(peer.state, STUDY_NAME)
            over = r is None or (r.number, r.revision) > (effect.number, effect.revision)
            merged = peer.offer(self.me, effect)
            if merged is not None and merged.digest != effect.known and not over:
                self.world.send(effect.leader, self.me, back(self._checked(effect, merged)), lost)
            elif over:
                found = self.alive(lambda: self.later(IDLE_MS, back(PeerFound(effect.leader))))
                self.world.send(effect.leader, self.me, found, lost)
            elif effect in self._under_way and self.up:
                self.world.at(WATCH_STEP_MS, look)

        self.world.send(self.me, effect.leader, look, lost)

    def _checked(self, effect: Watch, merged: MergeDone) -> Observation:
        if effect.known:
            return PeerLost(effect.leader)
        if not is_offer(self.state, STUDY_NAME, effect.leader, merged):
            return PeerLost(effect.leader)
        return Offered(effect.leader, merged.number, merged.revision, merged.digest,
                       merged.nbytes, merged.layout, merged.signature, merged.shard)  # fmt: skip

    def sign(self, domain: str, number: int, revision: int, model: Fingerprint | MergeDone) -> str:
        """Return the signature of an offer or a receipt."""
        return self.account.sign(domain, self.message(number, revision, model))

    def message(
        self,
        number: int,
        revision: int,
        model: Fingerprint | MergeDone,
        computed: Computed = NOTHING,
    ) -> bytes:
        """Return the bytes that offers and receipts sign."""
        return offer_message(self.state, STUDY_NAME, number, revision, model, computed)

    def send_receipt(self, effect: SendReceipt) -> None:
        """Tell the leader that its merge is held and right."""
        if effect.digest not in self.disk:
            self.done(effect, None)  # the round has moved on, and the blob was swept
            return
        held = self.disk.fingerprint(effect.digest)
        computed = Computed(effect.met, effect.model)
        at = (effect.number, effect.revision)
        message = self.message(*at, held, computed)
        signature = self.account.sign(RECEIPT_DOMAIN, message)
        receipt = ReceiptCame(*at, effect.digest, self.me, signature, effect.shard)
        self.disk.signed = self.local.signed.and_(effect.number, effect.digest)
        if effect.model:
            self.disk.signed = self.disk.signed.and_(effect.number, effect.model)
        self.local.learn(self.disk.signed, self.now_ms)

        def answer(taken: bool | None) -> None:
            if taken is None:
                self.done(effect, PeerLost(effect.leader))
            elif taken:
                self.done(effect, ReceiptSent(effect.leader, *at, effect.shard))
            else:
                self.later(self.local.timeouts.retry_ms, lambda: self.done(effect, None))

        self.ask(effect.leader, lambda peer: peer.take_receipt(receipt), answer)

    def take_receipt(self, receipt: ReceiptCame) -> bool:
        """Store a receipt, as leader, if it is one for this node's merge."""
        merged = self.local.merged.get((receipt.number, receipt.revision, receipt.shard))
        computed = find_computed(self.state, self.local, merged) if merged else None
        if merged is None or computed is None:
            return False
        if not is_receipt(self.state, STUDY_NAME, receipt, merged, computed):
            return False
        self.learn(receipt)
        return True
