"""A simulated node: the real protocol, with effects carried out in the simulated world."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from swarmhub import codec
from swarmhub.contract.consortium.motions import get_electors
from swarmhub.contract.records import (
    MEMBER,
    MOTION,
    MOTIONS,
    ROUND,
    STUDY,
    Card,
    Evaluation,
)
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DOCUMENT, KINDS, NOTHING
from swarmhub.contract.state import State
from swarmhub.contract.transactions import Poke, Rotate, Vote, card_message, read_transaction
from swarmhub.errors import BadContribution, MergeError
from swarmhub.keys import PrivateKey
from swarmhub.merge import excerpt
from swarmhub.params import Fingerprint
from swarmhub.protocol import (
    Accepted,
    Audit,
    BlobStored,
    Check,
    CheckedBad,
    CheckedGood,
    Effect,
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
    assign,
    audit_procedure,
    compute_kept,
    decide,
    expect,
    is_final,
    is_offer,
    is_receipt,
    may_read,
    offer_message,
    recompute,
)
from swarmhub.sim import contents
from swarmhub.sim.audit_io import SimAuditIO, drive
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import Disk, DiskFull
from swarmhub.types import (
    CARD_DOMAIN,
    MICRO,
    OFFER_DOMAIN,
    RECEIPT_DOMAIN,
    ROTATE_DOMAIN,
    Digest,
    MemberId,
)

if TYPE_CHECKING:
    from swarmhub.protocol import TrainingTask
    from swarmhub.sim.world import World

STUDY_NAME = "sim"
RESUBMIT_MS = 400
WATCH_STEP_MS = 20  # interval at which a watched leader looks for something to report
IDLE_MS = 20  # the pause after an answer that says nothing new (the real driver has the same)
PAUSE_MS = 1_000  # after a failure of this machine
MAX_SYNC_MS = 6_000  # until a blob that nothing needs is synced (the real store: five seconds)


class Crashed(Exception):
    """Raised if a node crashes in the middle of an operation."""


T = TypeVar("T")


def once(callback: Callable[[T], None]) -> Callable[[T], None]:
    """Return a callback that passes only its first call on."""
    called = False

    def first(value: T) -> None:
        nonlocal called
        if not called:
            called = True
            callback(value)

    return first


class SimNode:
    """One node. `life` counts its starts: all that was under way in an earlier life is dead."""

    is_honest = True

    def __init__(self, world: World, me: MemberId, account: PrivateKey) -> None:
        self.world, self.me, self.account = world, me, account
        self.tls = f"{me:02x}" * 16  # the certificate of its connections
        self._next: Card | None = None  # of a rotation that is under way
        self.disk = Disk(world.layout)
        self.up = False
        self.life = 0
        self.height = 0
        self.skew_ms = 0
        self.fatal: dict[int, int] = {}  # effect -> down time (ms): crash there
        self.rotates: set[int] = set()  # effects at which it replaces its keys
        self.effects = 0
        self.state = State()
        self.local = LocalState(STUDY_NAME, me)
        self._number = self._revision = 0
        self._under_way: set[Effect] = set()
        self._condemned: set[Digest] = set()
        self._training = False
        self._seen_ms = 0  # when (world's time) it saw the newest block
        self._timer_ms = 0  # when the earliest wake-up is due; 0: none

    # life

    def start(self) -> None:
        """Read the ledger, check the disk, decide."""
        if self.up:
            return
        self.up, self.life = True, self.life + 1
        self.height, self.state = self.world.sight(self.me)
        self._seen_ms = self.world.now_ms
        self.finish_rotation()
        blobs = self.disk.blobs
        for digest in [d for d, blob in blobs.items() if blob.digest != d]:
            self.world.tell(self.me, f"finds {digest[:8]}… torn and removes it")
            del blobs[digest]
        journal = self.disk.journal
        whole = journal is not None and (not journal.digest or journal.digest in blobs)
        self.local = LocalState(
            STUDY_NAME, self.me, held=set(blobs), prepared=journal if whole else None,
            signed=self.disk.signed, obtained=self.disk.obtained,
        )  # fmt: skip
        self.local.attached = True
        self._number, self._training, self._timer_ms = 0, False, 0
        self._under_way.clear()
        self._condemned.clear()
        self.react()

    def crash(self) -> None:
        """Lose everything that the disk has not synced."""
        self.up = False
        self.life += 1
        self.disk.crash(self.world.random)

    def does(self, what: str) -> None:
        """Count a visible effect; the schedule may have the node crash right there."""
        self.effects += 1
        if self.effects in self.rotates:
            self.world.at(0, lambda: self.world.rotate(self.me))
        down_ms = self.fatal.pop(self.effects, None)
        if down_ms is not None and self.up:
            self.world.tell(self.me, f"is at a {what}")
            self.world.crash(self, down_ms)
            raise Crashed

    def see(self, height: int, state: State) -> None:
        """Take over a new block."""
        self.height, self.state, self._seen_ms = height, state, self.world.now_ms
        if self.finish_rotation():  # a node on new keys is a new node
            self.crash()
            self.start()
        else:
            self.react()

    def rotate_keys(self) -> None:
        """Replace the node's account key and certificate; after a refusal, with the same new
        ones."""
        self.world.tell(self.me, "rotates its keys")
        new, mine = self._new_account, MEMBER.need(self.state, self.me)
        tls = codec.digest(self.tls.encode())[:32]
        card = Card(mine.name, new.public, tls, mine.consensus, mine.address, mine.ledger)
        self._next = replace(card, signature=new.sign(CARD_DOMAIN, card_message(card)))
        proof = new.sign(ROTATE_DOMAIN, card_message(card))
        self.submit(Submit(Rotate(self._next, proof)))

    @property
    def _new_account(self) -> PrivateKey:
        return PrivateKey(bytes.fromhex(codec.digest(self.account.seed)))

    def finish_rotation(self) -> bool:
        """Take the new keys if the ledger has them; return whether it does."""
        new = self._next
        if new is None or MEMBER.need(self.state, self.me).account != new.account:
            return False
        self.account, self.tls, self._next = self._new_account, new.tls, None
        return True

    def has_ended(self, last: Digest) -> bool:
        """Return whether this node is up, knows that the study is over and holds its last model."""
        over = STUDY.need(self.state, STUDY_NAME).status == "finished"
        return self.up and over and last in self.disk.blobs

    @property
    def now_ms(self) -> int:
        """Time as this node estimates that the next block will have it."""
        tip_ms = self.world.chain.blocks[self.height].header.time_ms
        since_ms = self.world.now_ms - self._seen_ms
        return max(tip_ms + max(1, since_ms), self.world.now_ms + self.skew_ms)

    def learn(self, event: Observation) -> None:
        """Record an observation and react."""
        self.local.learn(event, self.now_ms)
        self.react()

    def react(self) -> None:
        """Do as the real driver does, without concurrency."""
        r = ROUND.get(self.state, STUDY_NAME)
        number = r.number if r else self._number + 1
        if number == self._number and r is not None and r.revision != self._revision:
            self.local.begin_revision()
            self._under_way -= {effect for effect in self._under_way if isinstance(effect, Pull)}
        self._revision = r.revision if r else 0
        if number != self._number:
            self._number = number
            self.local.forget_before(number)
            self._sweep()
        for effect in decide(self.state, self.local, self.now_ms):
            if isinstance(effect, Wake):
                self._wake(effect.at_ms)
            elif effect not in self._under_way:
                self._under_way.add(effect)
                self._carry_out(effect)
        self._vote()
        self._train()

    def _wake(self, at_ms: int) -> None:
        """Set one timer, for the earliest wake-up."""
        if self._timer_ms and self._timer_ms <= at_ms:
            return
        self._timer_ms = at_ms

        def ring() -> None:
            if self._timer_ms == at_ms:
                self._timer_ms = 0
                self.react()

        self.later(at_ms - self.now_ms, ring)

    def _sweep(self) -> None:
        """Delete blobs that are not needed now and were not needed the last time either."""
        keep = compute_kept(self.state, self.local)
        self.disk.retain(set(self.disk.blobs) - (self._condemned - keep))
        self.local.held.intersection_update(self.disk.blobs)
        self._condemned = set(self.disk.blobs) - keep

    def later(self, delay_ms: int, callback: Callable[[], None]) -> None:
        """Call back later, unless the node has crashed by then."""
        self.world.at(max(1, delay_ms), self.alive(callback))

    def alive(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Return a callback that works in this life only."""
        life = self.life

        def guarded() -> None:
            if self.up and self.life == life:
                callback()

        return guarded

    def done(self, effect: Effect, event: Observation | None) -> None:
        """End an effect."""
        self._under_way.discard(effect)
        if event is not None:
            self.local.learn(event, self.now_ms)
        self.react()

    def failed(self, effect: Effect) -> None:
        """Try an effect again after a pause: this machine could not do it."""
        self.later(PAUSE_MS, lambda: self.done(effect, None))

    def _vote(self) -> None:
        """Cast the hospital's votes on motions to remove a member."""
        motions = MOTIONS.get(self.state) if self.world.opinions else None
        for number in motions.open if motions is not None else ():
            motion = MOTION.need(self.state, number)
            ayes = self.world.opinions.get(motion.member)
            spoken = self.me in (*motion.ayes, *motion.nays)
            if ayes is not None and self.me in get_electors(self.state, motion) and not spoken:
                effect = Submit(Vote(number, self.me in ayes))
                if effect not in self._under_way and effect.body not in self.local.refused:
                    self._under_way.add(effect)
                    self._carry_out(effect)

    # training

    def _train(self) -> None:
        task = assign(self.state, self.local)
        if task is None or self._training:
            return
        self.world.invariants.before_training(self, task)
        self._training = True
        trains_ms = self.world.random.randint(5, 200) + self.disk.slow_ms
        self.later(trains_ms, lambda: self._answer(task))

    def _answer(self, task: TrainingTask) -> None:
        self._training = False
        now = expect(self.state, self.local)
        if now is not None and (now.number, now.base) == (task.number, task.base):
            try:
                self.learn(self._prepare(task))
            except DiskFull:
                self._training = True
                self.later(PAUSE_MS, lambda: self._answer(task))
        else:
            self.react()

    def _prepare(self, task: TrainingTask) -> PreparedContribution:
        made: Fingerprint | None = None
        if KINDS[task.kind].carries != NOTHING:
            made = self._keep(self.trained(task), first=True).fingerprint
        weight = self.world.weight_of(self.me)
        seen: tuple[Evaluation, ...] = ()
        if task.base:
            metrics = {"auc": self.world.random.randrange(MICRO)}
            seen = (Evaluation(task.base, weight, metrics),)
        prepared = PreparedContribution(
            task.number, task.base, made.digest if made else "", made.root if made else "",
            made.nbytes if made else 0, made.layout if made else "", weight, seen,
        )  # fmt: skip
        self.does("write of the journal")
        self.disk.write_journal(prepared)
        self.does("journal that is written")
        if made:
            self.local.learn(BlobStored(made.digest), self.now_ms)
        return prepared

    def trained(self, task: TrainingTask) -> Blob:
        """Return the model after training."""
        rng = self.world.random
        if KINDS[task.kind].carries == DOCUMENT:
            return contents.statistics(self.world.weight_of(self.me), rng.random())
        base = self.disk.blobs[task.base] if task.base else None
        return contents.train(base, self.world.layout, self.me, task.number, rng)

    def _keep(self, blob: Blob, durable: bool = True, first: bool = False) -> Blob:
        """Store a blob; it is synced later, or at once if it is small."""
        self.world.blobs[blob.digest] = blob
        at_once = first and self.world.random.random() < 0.5
        self.does("write of a blob")
        self.disk.write(blob, at_once)
        if durable and not at_once:
            sync_ms = self.world.random.randint(1, MAX_SYNC_MS) + self.disk.slow_ms
            self.later(sync_ms, lambda: self.disk.sync(blob.digest))
        self.does("blob that is written")
        return blob

    # requests of others

    def give(self, digest: Digest, asker: MemberId) -> Blob | None:
        """Return a blob, if the asker may have it."""
        if not may_read(self.state, self.local, asker, digest):
            return None
        found = self.disk.blobs.get(digest)
        if found is not None:
            self.world.invariants.before_giving(self, digest, asker)
        return found

    def give_excerpt(self, digest: Digest, asker: MemberId, starts: Sequence[int]) -> bytes | None:
        """Return stretches of a blob, if the asker may have it."""
        found = self.give(digest, asker)
        if found is None:
            return None
        return excerpt(recompute.MemoryReader(found.data), len(found.data), starts)

    def offer(self, asker: MemberId, effect: Watch) -> MergeDone | None:
        """Return this node's offer as leader."""
        return self.local.merged.get((effect.number, effect.revision))

    # effects

    def _carry_out(self, effect: Effect) -> None:
        self.does(type(effect).__name__.lower())
        match effect:
            case Submit():
                self.submit(effect)
            case Pull():
                self.local.learn(PullStarted(effect.digest), self.now_ms)
                self._pull(effect, list(effect.holders))
            case Check():
                self.later(1 + self.disk.slow_ms, lambda: self._check(effect))
            case Merge():
                self.later(5 + self.disk.slow_ms, lambda: self._merge(effect))
            case Sync():
                self._sync(effect)
            case Audit():
                self.audit(effect)
            case RecomputeChunk():
                self.examine(effect)
            case Watch():
                self._watch(effect)
            case SendReceipt():
                self.send_receipt(effect)

    def submit(self, effect: Submit) -> None:
        """Bring a transaction to the ledger: the same bytes again until a result comes."""
        if isinstance(effect.body, Poke):
            self.local.learn(Poked(), self.now_ms)
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

    def _peer(self, member: MemberId) -> SimNode | None:
        peer = self.world.nodes[member]
        return peer if peer.up else None

    def ask(
        self, member: MemberId, question: Callable[[SimNode], T | None],
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

    def _check(self, effect: Check) -> None:
        if effect.digest not in self.disk.blobs:
            self.done(effect, None)  # the round has moved on, and the blob was swept
            return
        try:
            recompute.check(self.disk, effect.digest, effect.member, effect.weight)
        except BadContribution as error:
            self.done(effect, CheckedBad(effect.digest, error.why, effect.weight))
            return
        except MergeError:
            self.failed(effect)
            return
        self.done(effect, CheckedGood(effect.digest, effect.weight))

    def _merge(self, effect: Merge) -> None:
        if any(s.digest not in self.disk.blobs for s in effect.shares):
            self.done(effect, None)  # the round has moved on, and the blobs were swept
            return
        try:
            made = self.disk.blobs[effect.shares[0].digest]
            if KINDS[effect.kind].has_merge:
                made = self._keep(self.merged(effect))
        except BadContribution as error:
            bad = next(s for s in effect.shares if s.member == error.member)
            self.done(effect, CheckedBad(bad.digest, error.why, bad.weight))
            return
        except (DiskFull, MergeError):
            self.failed(effect)
            return
        found = made.fingerprint
        self.world.invariants.after_merge(self, effect.number, found.digest)
        signature = self.sign(OFFER_DOMAIN, effect.number, effect.revision, found)
        offer = MergeDone(
            effect.number, effect.revision, found.digest, found.nbytes, found.layout, signature
        )
        self.done(effect, offer)

    def _sync(self, effect: Sync) -> None:
        if effect.digest not in self.disk:
            self.failed(effect)
            return
        if self.disk.is_synced(effect.digest):
            self.done(effect, Synced(effect.digest))
            return

        def synced() -> None:
            if effect.digest not in self.disk:
                self.failed(effect)
                return
            self.disk.sync(effect.digest)
            self.does("sync")
            self.done(effect, Synced(effect.digest))

        self.later(self.world.random.randint(1, 300) + self.disk.slow_ms, synced)

    def merged(self, effect: Merge) -> Blob:
        """The merge, as the leader makes it."""
        form = STATISTICS_LAYOUT if KINDS[effect.kind].carries == DOCUMENT else effect.layout
        return Blob(form, b"".join(recompute.merge(self.disk, effect)))

    def sign(self, domain: str, number: int, revision: int, model: Fingerprint | MergeDone) -> str:
        """Return the signature of an offer or a receipt."""
        return self.account.sign(domain, self.message(number, revision, model))

    def message(self, number: int, revision: int, model: Fingerprint | MergeDone) -> bytes:
        """Return the bytes that offers and receipts sign."""
        return offer_message(self.state, STUDY_NAME, number, revision, model)

    def audit(self, effect: Audit) -> None:
        """Recompute the merge, or stretches of it that are drawn."""

        def finish(events: list[Observation]) -> None:
            for event in events:
                self.local.learn(event, self.now_ms)
            self.done(effect, None)

        looking = audit_procedure.audit_offer(SimAuditIO(self), effect, self.local.drawn)
        drive(looking, finish, lambda: self.failed(effect))

    def examine(self, effect: RecomputeChunk) -> None:
        """Recompute the disputed chunk, from blobs that are held and chunks that others give."""
        drive(
            audit_procedure.answer_dispute(SimAuditIO(self), effect),
            lambda event: self.done(effect, event),
            lambda: self.failed(effect),
        )

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
                       merged.nbytes, merged.layout, merged.signature)  # fmt: skip

    def send_receipt(self, effect: SendReceipt) -> None:
        """Tell the leader that its merge is held and right."""
        if effect.digest not in self.disk:
            self.done(effect, None)  # the round has moved on, and the blob was swept
            return
        held = self.disk.fingerprint(effect.digest)
        signature = self.sign(RECEIPT_DOMAIN, effect.number, effect.revision, held)
        receipt = ReceiptCame(effect.number, effect.revision, effect.digest, self.me, signature)
        self.disk.signed = self.local.signed.and_(effect.number, effect.digest)
        self.local.learn(self.disk.signed, self.now_ms)

        def answer(taken: bool | None) -> None:
            if taken is None:
                self.done(effect, PeerLost(effect.leader))
            elif taken:
                self.done(effect, ReceiptSent(effect.leader, effect.number, effect.revision))
            else:
                self.later(self.local.timeouts.retry_ms, lambda: self.done(effect, None))

        self.ask(effect.leader, lambda peer: peer.take_receipt(receipt), answer)

    def take_receipt(self, receipt: ReceiptCame) -> bool:
        """Store a receipt, as leader, if it is one for this node's merge."""
        merged = self.local.merged.get((receipt.number, receipt.revision))
        if merged is None or not is_receipt(self.state, STUDY_NAME, receipt, merged):
            return False
        self.learn(receipt)
        return True
