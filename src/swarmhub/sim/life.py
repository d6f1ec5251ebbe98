"""The life of a simulated node: starts and crashes, blocks, time, the disk, and decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from swarmhub import codec
from swarmhub.contract.consortium.motions import get_electors
from swarmhub.contract.records import (
    MEMBER,
    MOTION,
    MOTIONS,
    ROUND,
    STUDY,
    Card,
)
from swarmhub.contract.state import State
from swarmhub.contract.transactions import Rotate, Vote, card_message
from swarmhub.keys import PrivateKey
from swarmhub.protocol import (
    Effect,
    LocalState,
    Observation,
    OwnMasked,
    Pull,
    Submit,
    Wake,
    compute_kept,
    decide,
)
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import Disk
from swarmhub.sim.ports import STUDY_NAME, Crashed, Environment
from swarmhub.types import (
    CARD_DOMAIN,
    ROTATE_DOMAIN,
    Digest,
    MemberId,
)

PAUSE_MS = 1_000  # after a failure of this machine
MAX_SYNC_MS = 6_000  # until a blob that nothing needs is synced (the real store: five seconds)


class NodeLife:
    """A node without its effects. `life` counts its starts: all that was under way in an earlier
    life is dead."""

    is_honest = True

    def __init__(self, world: Environment, me: MemberId, account: PrivateKey) -> None:
        self.world, self.me, self.account = world, me, account
        self.tls = f"{me:02x}" * 16  # the certificate of its connections
        self._next: Card | None = None  # of a rotation that is under way
        self.disk = Disk(world.forms)
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
        masked = self._read_masked()
        r = ROUND.get(self.state, STUDY_NAME)
        mine = r.contribution_of(self.me) if r is not None else None
        if mine is not None:
            self.disk.cut(mine)
        self.local = LocalState(
            STUDY_NAME, self.me, held=set(blobs), prepared=journal if whole else None,
            signed=self.disk.signed, obtained=self.disk.obtained, masked=masked,
        )  # fmt: skip
        self.local.attached = True
        self._number, self._training, self._timer_ms = 0, False, 0
        self._under_way.clear()
        self._condemned.clear()
        self.react()

    def _read_masked(self) -> OwnMasked | None:
        """Return the newest masked answer, if its blob is whole."""
        masked = self.disk.masked
        return masked if masked is not None and masked.digest in self.disk.blobs else None

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
        card = Card(
            mine.name,
            new.public,
            tls,
            mine.consensus,
            mine.address,
            mine.ledger,
            release=mine.release,
        )
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
            self.disk.erase_roots(number)
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

    # by the layers above

    def submit(self, effect: Submit) -> None:
        """Bring a transaction to the ledger."""
        raise NotImplementedError

    def _carry_out(self, effect: Effect) -> None:
        raise NotImplementedError

    def _train(self) -> None:
        raise NotImplementedError
