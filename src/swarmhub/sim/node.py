"""A simulated node: the real brain, with wishes carried out in the simulated world."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from swarmhub.contract.records import ROUND, STUDY, MergeRule, RoundRef
from swarmhub.contract.state import State
from swarmhub.contract.transactions import Poke, read_transaction, receipt_message
from swarmhub.keys import PrivateKey
from swarmhub.merge import Contribution, Rule, merge_parameters
from swarmhub.params import ChunkHasher, Layout, Tensor, arrays_from, buffer_of
from swarmhub.round import (
    Check,
    CheckedGood,
    Effect,
    Event,
    Held,
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
    ReceiptCame,
    ReceiptSent,
    Refused,
    SendReceipt,
    Submit,
    Wake,
    Watch,
    assign,
    decide,
    may_read,
)
from swarmhub.types import RECEIPT_DOMAIN, Digest, MemberId

if TYPE_CHECKING:
    from swarmhub.sim.world import World

LAYOUT = Layout.of([Tensor("w", "F64", (3,))])
RESUBMIT_MS = 400
WATCH_STEP_MS = 20  # how often a watched leader looks whether it has something to say


@dataclass
class Buffer:
    """A blob in memory, as the merge reads it."""

    data: bytes

    def read_at(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


def digest_of(data: bytes) -> Digest:
    """Digest of a buffer of LAYOUT."""
    hasher = ChunkHasher(LAYOUT.digest)
    hasher.feed(data)
    return hasher.finish().digest


def merge_blobs(rule: MergeRule, shares: list[tuple[MemberId, int, bytes]]) -> bytes:
    """The real merge of (member, weight, buffer)."""
    inputs = [Contribution(member, weight, Buffer(data)) for member, weight, data in shares]
    chunks = merge_parameters(Rule(rule.name, rule.trim_permille), LAYOUT, inputs)
    return b"".join(bytes(c) for c in chunks)


@dataclass
class Disk:
    """What a crash does not lose."""

    held: set[Digest] = field(default_factory=set)
    prepared: Prepared | None = None


class SimNode:
    """One node. `life` counts its starts: whatever was under way in an earlier life is dead."""

    def __init__(self, world: World, me: MemberId, account: PrivateKey) -> None:
        self.world, self.me, self.account = world, me, account
        self.disk = Disk()
        self.up = False
        self.life = 0
        self.state = State()
        self.notes = Notes("sim", me)
        self._number = 0
        self._under_way: set[Effect] = set()
        self._training = False

    # life

    def start(self) -> None:
        """Read the ledger, look at the disk, decide."""
        if self.up:
            return
        self.up, self.life = True, self.life + 1
        self.state = self.world.snapshot()
        self.notes = Notes("sim", self.me, held=self.disk.held, prepared=self.disk.prepared)
        self.notes.attached = True
        self._number, self._training = 0, False
        self._under_way.clear()
        self.react()

    def crash(self) -> None:
        """Lose everything but the disk."""
        self.up = False
        self.life += 1

    def see(self) -> None:
        """News of the ledger arrives: the node's state follows the chain's."""
        if self.up:
            self.state = self.world.snapshot()
            self.react()

    def has_ended(self) -> bool:
        """Whether this node is up and knows that the study is over."""
        return self.up and STUDY.need(self.state, "sim").status == "finished"

    def learn(self, event: Event) -> None:
        """Note and react."""
        self.notes.learn(event, self.world.now_ms)
        self.react()

    def react(self) -> None:
        """Exactly what the real driver does, without concurrency."""
        r = ROUND.get(self.state, "sim")
        number = r.number if r else self._number + 1
        if number != self._number:
            self._number = number
            self.notes.forget_before(number)
        for wish in decide(self.state, self.notes, self.world.now_ms):
            if isinstance(wish, Wake):
                self._later(wish.at_ms - self.world.now_ms, self.react)
            elif wish not in self._under_way:
                self._under_way.add(wish)
                self._carry_out(wish)
        self._train()

    def _later(self, delay_ms: int, act: object) -> None:
        life = self.life

        def guarded() -> None:
            if self.up and self.life == life:
                act()  # type: ignore[operator]

        self.world.at(max(1, delay_ms), guarded)

    def _done(self, wish: Effect, event: Event | None) -> None:
        self._under_way.discard(wish)
        if event is not None:
            self.notes.learn(event, self.world.now_ms)
        self.react()

    # training

    def _train(self) -> None:
        task = assign(self.state, self.notes)
        if task is None or self._training:
            return
        self._training = True

        def answer() -> None:
            self._training = False
            now = assign(self.state, self.notes)
            if now is None or (now.number, now.base) != (task.number, task.base):
                self.react()
                return
            digest, nbytes, layout = "", 0, ""
            if task.kind != "evaluation":
                digest = self._make(task.base, task.number)
                nbytes, layout = LAYOUT.nbytes, LAYOUT.digest
            weight = 10 * self.me
            prepared = Prepared(task.number, task.base, digest, nbytes, layout, weight)
            self.disk.prepared = prepared
            self.learn(prepared)

        self._later(self.world.random.randint(5, 200), answer)

    def _make(self, base: Digest, number: int) -> Digest:
        values = np.zeros(3)
        if base:
            values = arrays_from(io.BytesIO(self.world.blobs[base]), LAYOUT)["w"].copy()  # type: ignore[assignment]
        return self._store(buffer_of({"w": values + self.me + number / 7})[1])

    def _store(self, data: bytes) -> Digest:
        digest = digest_of(data)
        self.world.blobs[digest] = data
        self.disk.held.add(digest)
        return digest

    # effects

    def _carry_out(self, wish: Effect) -> None:
        match wish:
            case Submit():
                self._submit(wish)
            case Pull():
                self._pull(wish, list(wish.holders))
            case Check():
                self._later(1, lambda: self._done(wish, CheckedGood(wish.digest)))
            case Merge():
                self._later(5, lambda: self._merge(wish))
            case Watch():
                self._watch(wish)
            case SendReceipt():
                self._send_receipt(wish)

    def _submit(self, wish: Submit) -> None:
        if isinstance(wish.body, Poke):
            self.notes.learn(Poked(), self.world.now_ms)
        tx = self.world.sign(self.account, wish.body)
        tx_id = read_transaction(tx).id

        def again() -> None:
            result = self.world.results.get(tx_id)
            if result is not None:
                self._done(wish, None if result.ok else Refused(wish.body))
                return
            self.world.submit(tx)
            self._later(RESUBMIT_MS, again)

        self.world.submit(tx)
        self._later(RESUBMIT_MS // 4, again)

    def _peer(self, member: MemberId) -> SimNode | None:
        peer = self.world.nodes[member]
        return peer if peer.up else None

    def _pull(self, wish: Pull, holders: list[MemberId]) -> None:
        if not holders:
            self._done(wish, PullFailed(wish.digest, "nobody had it"))
            return
        holder, rest = holders[0], holders[1:]
        life = self.life

        def back(found: bool) -> None:
            if not (self.up and self.life == life):
                return
            if found:
                self.disk.held.add(wish.digest)
                self._done(wish, Held(wish.digest))
            else:
                self._pull(wish, rest)

        def arrive() -> None:
            peer = self._peer(holder)
            found = peer is not None and wish.digest in peer.disk.held
            if found and peer is not None:
                found = may_read(peer.state, peer.notes, self.me, wish.digest)
            self.world.send(lambda: back(found), lambda: back(False))

        self.world.send(arrive, lambda: back(False))

    def _merge(self, wish: Merge) -> None:
        if wish.kind == "initial":
            digest = wish.shares[0].digest
        else:
            shares = [(s.member, s.weight, self.world.blobs[s.digest]) for s in wish.shares]
            digest = self._store(merge_blobs(wish.rule, shares))
        made = Merged(wish.number, wish.revision, digest, LAYOUT.nbytes, LAYOUT.digest, "")
        self._done(wish, made)

    def _watch(self, wish: Watch) -> None:
        life = self.life

        def back(event: Event) -> None:
            if self.up and self.life == life:
                self._done(wish, event)

        def lost() -> None:
            back(PeerLost(wish.leader))

        def look() -> None:
            peer = self._peer(wish.leader)
            if peer is None:
                self.world.send(lost, lost)
                return
            r = ROUND.get(peer.state, "sim")
            over = r is None or (r.number, r.revision) > (wish.number, wish.revision)
            merged = peer.notes.merged.get((wish.number, wish.revision))
            if merged is not None and merged.digest != wish.known and not over:
                offer = Offered(wish.leader, merged.number, merged.revision, merged.digest,
                                merged.nbytes, merged.layout, "")  # fmt: skip
                self.world.send(lambda: back(offer), lost)
            elif over:
                self.world.send(lambda: back(PeerFound(wish.leader)), lost)
            elif self.up and self.life == life:
                self.world.at(WATCH_STEP_MS, look)

        self.world.send(look, lost)

    def _send_receipt(self, wish: SendReceipt) -> None:
        ref = RoundRef(wish.study, wish.number, "MERGING", wish.revision, 0)
        message = receipt_message(self.world.chain.tip.chain_id, ref, wish.digest)
        signature = self.account.sign(RECEIPT_DOMAIN, message)
        receipt = ReceiptCame(wish.number, wish.revision, wish.digest, self.me, signature)
        life = self.life

        def back(event: Event) -> None:
            if self.up and self.life == life:
                self._done(wish, event)

        def lost() -> None:
            back(PeerLost(wish.leader))

        def arrive() -> None:
            peer = self._peer(wish.leader)
            if peer is None:
                self.world.send(lost, lost)
                return
            peer.learn(receipt)
            sent = ReceiptSent(wish.leader, wish.number, wish.revision)
            self.world.send(lambda: back(sent), lost)

        self.world.send(arrive, lost)
