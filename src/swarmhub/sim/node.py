"""A simulated node: the real protocol, with effects carried out in the simulated world."""

from __future__ import annotations

from swarmhub.contract.records import Evaluation
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import COUNTS, DOCUMENT, EVALUATE, KINDS, TRAIN
from swarmhub.errors import BadContribution, MergeError
from swarmhub.params import Fingerprint
from swarmhub.protocol import (
    ApplyChange,
    Audit,
    BlobStored,
    Check,
    CheckedBad,
    CheckedGood,
    Effect,
    Join,
    Merge,
    MergeDone,
    ModelComputed,
    Observation,
    Offer,
    PreparedContribution,
    Pull,
    PullStarted,
    RecomputeChunk,
    SendReceipt,
    Submit,
    Sync,
    Synced,
    TrainingTask,
    Wake,
    Watch,
    assign,
    audit_procedure,
    expect,
    recompute,
)
from swarmhub.protocol.shards import compute_roots
from swarmhub.sim import contents
from swarmhub.sim.audit_io import SimAuditIO, drive
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import DiskFull
from swarmhub.sim.life import PAUSE_MS
from swarmhub.sim.masks import MaskingNode
from swarmhub.types import (
    MICRO,
    OFFER_DOMAIN,
)


class SimNode(MaskingNode):
    """One node: its training, and its effects."""

    def _train(self) -> None:
        task = assign(self.state, self.local)
        if task is None or self._training:
            return
        self.world.observer.before_training(self, task)
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
        if KINDS[task.kind].carries != COUNTS or self.world.schedule.stages:
            made = self._keep(self.trained(task), first=True).fingerprint
        weight = self.world.weight_of(self.me)
        seen: tuple[Evaluation, ...] = ()
        if task.base and task.kind in (TRAIN, EVALUATE):
            metrics = {"auc": self.world.random.randrange(MICRO)}
            seen = (Evaluation(task.base, weight, metrics),)
        prepared = PreparedContribution(
            task.number, task.base, made.digest if made else "", made.root if made else "",
            made.nbytes if made else 0, made.layout if made else "", weight, seen,
            roots=compute_roots(made) if made else (),
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
        base = self.disk.blobs[task.model] if task.model else None
        if KINDS[task.kind].has_free_layout:
            return contents.sums(task.stage, task.turn, rng, self.world.forms)
        made = contents.train(base, self.world.forms, self.me, task.number, rng)
        if task.kind == TRAIN and self.world.forms.wire and base is not None:
            return contents.encode(made, base, self.world.forms, self.me)
        return made

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
            case ApplyChange():
                self.later(3 + self.disk.slow_ms, lambda: self._apply_change(effect))
            case Join():
                self.later(2 + self.disk.slow_ms, lambda: self._join(effect))
            case Offer():
                self.later(1, lambda: self._offer(effect))
            case Watch():
                self._watch(effect)
            case SendReceipt():
                self.send_receipt(effect)
            case Wake():
                pass
            case _:
                self._mask_effect(effect)

    def _check(self, effect: Check) -> None:
        if effect.digest not in self.disk.blobs:
            self.done(effect, None)  # the round has moved on, and the blob was swept
            return
        try:
            recompute.check(self.disk, effect)
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
            if KINDS[effect.stage.kind].has_contributions:
                made = self._keep(self.merged(effect))
        except BadContribution as error:
            bad = next(s for s in effect.shares if s.member == error.member)
            self.done(effect, CheckedBad(bad.digest, error.why, bad.weight))
            return
        except (DiskFull, MergeError):
            self.failed(effect)
            return
        found, shard = made.fingerprint, audit_procedure.shard_of(effect)
        self.world.observer.after_merge(self, effect.number, found.digest)
        signature = self.sign(OFFER_DOMAIN, effect.number, effect.revision, found)
        met = recompute.is_merge_met(self.disk, effect, found.digest)
        offer = MergeDone(
            effect.number, effect.revision, found.digest, found.nbytes, found.layout, signature,
            met, shard, found.root if effect.part else "",
        )  # fmt: skip
        self.done(effect, offer)

    def _join(self, effect: Join) -> None:
        if not set(effect.parts) <= self.disk.blobs.keys():
            self.done(effect, None)  # the round has moved on, and the blobs were swept
            return
        data = b"".join(self.disk.blobs[part].data for part in effect.parts)
        try:
            made = self._keep(Blob(effect.layout, data))
        except DiskFull:
            self.failed(effect)
            return
        assert made.digest == effect.digest
        self.done(effect, BlobStored(made.digest))

    def _offer(self, effect: Offer) -> None:
        if effect.digest not in self.disk:
            self.done(effect, None)  # the round has moved on, and the blob was swept
            return
        found = self.disk.fingerprint(effect.digest)
        self.world.observer.after_merge(self, effect.number, found.digest)
        signature = self.sign(OFFER_DOMAIN, effect.number, effect.revision, found)
        form = (found.digest, found.nbytes, found.layout)
        self.done(effect, MergeDone(effect.number, effect.revision, *form, signature))

    def _apply_change(self, effect: ApplyChange) -> None:
        if not {effect.change, effect.base} <= self.disk.blobs.keys():
            self.done(effect, None)  # the round has moved on, and the blobs were swept
            return
        try:
            layout, chunks = recompute.apply(self.disk, effect)
            made = self._keep(Blob(layout.digest, b"".join(map(bytes, chunks))))
        except (DiskFull, MergeError):
            self.failed(effect)
            return
        self.done(effect, ModelComputed(effect.change, effect.base, made.digest))

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
        form = STATISTICS_LAYOUT if KINDS[effect.stage.kind].carries == DOCUMENT else effect.layout
        return Blob(form, b"".join(recompute.merge(self.disk, effect)))

    def audit(self, effect: Audit) -> None:
        """Recompute the merge, or stretches of it that are drawn."""

        def finish(events: list[Observation]) -> None:
            for event in events:
                self.local.learn(event, self.now_ms)
            self.done(effect, None)

        looking = audit_procedure.audit_offer(
            SimAuditIO(self.world, self), effect, self.local.drawn
        )
        drive(looking, finish, lambda: self.failed(effect))

    def examine(self, effect: RecomputeChunk) -> None:
        """Recompute the disputed chunk, from blobs that are held and chunks that others give."""
        drive(
            audit_procedure.answer_dispute(SimAuditIO(self.world, self), effect),
            lambda event: self.done(effect, event),
            lambda: self.failed(effect),
        )
