"""Effects of masked rounds at a simulated node: the real arithmetic over a simulated vault."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from swarmhub.errors import MaskError, MergeError, SpentError
from swarmhub.params import Layout
from swarmhub.protocol import MaskEffect, MergeDone, Observation, OwnMasked, recompute
from swarmhub.protocol import mask_procedure as procedure
from swarmhub.protocol.effects import (
    CheckShare,
    MakeDealing,
    MakeKeys,
    MakeOpening,
    MaskOwn,
    Unmask,
)
from swarmhub.protocol.mask_procedure import Use
from swarmhub.protocol.observations import MasksSpent
from swarmhub.protocol.shards import compute_roots
from swarmhub.sim.contents import Blob
from swarmhub.sim.disk import Disk, DiskFull
from swarmhub.sim.exchange import TalkingNode
from swarmhub.types import OFFER_DOMAIN, Digest, MemberId


class SimVault:
    """A node's secrets on its simulated disk, synced at once (a `MaskVault`)."""

    def __init__(self, disk: Disk, me: MemberId, seed: int) -> None:
        self._disk, self._me, self._seed = disk, me, seed

    def draw_key(self) -> bytes:
        """Return a key of noise. The simulator's studies have none."""
        raise MaskError("expected no noise in a simulated study")

    def root(self, number: int, keying: int) -> bytes:
        """Return the root of a keying, which depends on the schedule alone."""
        words = f"root {self._seed} {self._me} {number} {keying}"
        return self._disk.keep_root((number, keying), hashlib.sha256(words.encode()).digest())

    def bind(self, number: int, keying: int, use: Use, digest: Digest) -> None:
        """Record what a root is used for."""
        before = self._disk.uses.setdefault((number, keying, use), digest)
        if before != digest:
            raise SpentError(f"the {use} of round {number} (keying {keying}) is another one")


class MaskingNode(TalkingNode):
    """A node that takes part in masked rounds."""

    @property
    def vault(self) -> SimVault:
        """The secrets on this node's disk."""
        return SimVault(self.disk, self.me, self.world.schedule.seed)

    def _mask_effect(self, effect: MaskEffect) -> None:
        self.later(1 + self.disk.slow_ms, lambda: self._do_mask(effect))

    def _do_mask(self, effect: MaskEffect) -> None:
        try:
            self.done(effect, self._compute(effect))
        except SpentError:
            if not isinstance(effect, MakeKeys | Unmask):
                keying = effect.keying
                self.local.learn(MasksSpent(keying.number, keying.keying), self.now_ms)
            self.failed(effect)
        except (DiskFull, MaskError, MergeError):
            self.failed(effect)

    def _compute(self, effect: MaskEffect) -> Observation | None:
        match effect:
            case MakeKeys():
                return procedure.make_keys(self.vault, effect)
            case MakeDealing():
                return procedure.make_dealing(self.vault, effect)
            case CheckShare():
                return procedure.check_share(self.vault, effect)
            case MakeOpening():
                return procedure.make_opening(self.vault, effect)
            case MaskOwn():
                return self._mask_own(effect)
            case Unmask():
                return self._unmask(effect)

    def _mask_own(self, effect: MaskOwn) -> Observation | None:
        if not {effect.digest, effect.base} - {""} <= self.disk.blobs.keys():
            return None  # the round has moved on, and the blobs were swept
        keying = effect.keying
        made = self._store(
            procedure.mask_own(self.vault, self.disk, effect, lambda clipped, count: None)
        )
        found = made.fingerprint
        masked = OwnMasked(
            keying.number, keying.keying, effect.digest, found.digest, found.root, found.nbytes,
            found.layout, effect.weight,
            roots=compute_roots(found),
        )  # fmt: skip
        self.world.observer.after_masking(self, effect, found.digest)
        self.disk.masked = masked
        self.does("record of a masked answer")
        return masked

    def _unmask(self, effect: Unmask) -> Observation | None:
        if not {effect.total, effect.base} - {""} <= self.disk.blobs.keys():
            return None
        made = self._store(procedure.unmask(self.disk, effect, lambda false: None), first=False)
        found, number = made.fingerprint, effect.keying.number
        self.world.observer.after_merge(self, number, found.digest)
        signature = self.sign(OFFER_DOMAIN, number, effect.revision, found)
        met = effect.stage is not None and recompute.is_met(self.disk, effect.stage, found.digest)
        return MergeDone(
            number, effect.revision, found.digest, found.nbytes, found.layout, signature, met
        )

    def _store(self, made: tuple[Layout, Iterable[memoryview]], first: bool = True) -> Blob:
        layout, chunks = made
        return self._keep(Blob(layout.digest, b"".join(map(bytes, chunks))), first=first)
