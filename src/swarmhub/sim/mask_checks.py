"""Invariants of masked rounds: the settled sum, the model that it opens to, and what it hides."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from swarmhub.contract import events as e
from swarmhub.contract.records import ROUND, Contribution, Round
from swarmhub.contract.round.kinds import KINDS
from swarmhub.contract.stages import get_stage
from swarmhub.merge import WeightedSource, merge_modular
from swarmhub.merge.sums import MAX_STEPS
from swarmhub.params import DTYPES, Layout
from swarmhub.privacy.fixed_point import Grid, mean_change, quantise
from swarmhub.privacy.masking import apply_masks
from swarmhub.protocol import MaskOwn, recompute
from swarmhub.protocol.mask_work import FixedPoint, Keying, make_own_masks
from swarmhub.protocol.masking import make_keying
from swarmhub.sim.contents import Arrays, Blob, arrays_of, blob_of
from swarmhub.sim.ports import STUDY_NAME, Peer
from swarmhub.sim.run_record import RunRecord
from swarmhub.sim.secrecy import Exposure, find_sums
from swarmhub.types import Digest, MemberId

Words = np.ndarray[tuple[int], np.dtype[np.uint32]]


class MaskChecks(RunRecord):
    """Checks of masked rounds. The adversary has every masked input that was contributed, and its
    members' own secrets."""

    _sources: dict[Digest, Digest]  # masked answers, and what they are made of
    _masked: dict[tuple[MemberId, int, int], Digest]  # by member, round and keying: the answer
    _exposed: dict[tuple[int, int], Exposure]  # by round and keying
    # by stage and base: honest sums that can be computed
    _opened: dict[tuple[int, Digest], set[frozenset[MemberId]]]
    _true: dict[int, Blob]  # what each settled sum opens to, by round

    def _begin_masks(self) -> None:
        self._sources, self._masked, self._exposed, self._opened, self._true = {}, {}, {}, {}, {}

    def after_masking(self, node: Peer, effect: MaskOwn, digest: Digest) -> None:
        """Record what a masked answer is made of; no keys mask two answers."""
        keying = (node.me, effect.keying.number, effect.keying.keying)
        if node.is_honest and self._masked.setdefault(keying, effect.digest) != effect.digest:
            self._break("SECRET", f"member {node.me} masks two answers with the same keys")
        self._sources[digest] = effect.digest

    def _heard_of_masks(self, event: e.RoundEvent) -> None:
        """Follow contributions, settled sums and shares that are shown."""
        r = ROUND.get(self.world.chain.state, STUDY_NAME)
        if r is None or r.masks is None or r.number != event.number:
            return
        match event:
            case e.Contributed(member=member):
                self._get_exposure(r).inputs.add(member)
                self._look_for_sums(r)
            case e.SumSettled():
                self._check_sum(r, event)
            case e.SharesShown(member=member):
                exposure = self._get_exposure(r)
                for dealer in r.masks.dealt:
                    part = "pair" if r.contribution_of(dealer) is None else "self"
                    exposure.shown.setdefault((dealer, part), set()).add(member)
                self._look_for_sums(r)

    def _get_exposure(self, r: Round) -> Exposure:
        masks = r.need_masks()
        made = Exposure(masks.threshold, masks.dealt)
        return self._exposed.setdefault((r.number, masks.keying), made)

    def _look_for_sums(self, r: Round) -> None:
        """Check that no sum over fewer than t - c honest members can be computed, and one at most
        for each base."""
        liars = self.world.schedule.liars
        exposure = self._get_exposure(r)
        least = self._compute_threshold(r) - max(1, len(liars))
        opened = self._opened.setdefault((r.stage, r.base), set())
        for found in find_sums(exposure, liars):
            opened.add(found)
            if len(found) < least:
                self._break("SECRET", f"round {r.number}: the sum of {sorted(found)} is known")
        if len(opened) > 1:
            sets = " and ".join(str(sorted(s)) for s in opened)
            self._break("SECRET", f"round {r.number}: two sums of one base are known: {sets}")

    def _compute_threshold(self, r: Round) -> int:
        n, c = len(r.need_masks().keyed), self.world.spec.privacy.colluders
        return max(n - (n - 1) // 3, c + 2, (n + c) // 2 + 1)

    def _check_sum(self, r: Round, event: e.SumSettled) -> None:
        """Check that the settled sum is that of the masked contributions, and compute the model
        that it has to open to."""
        if len(event.members) < self._compute_threshold(r):
            self._break("ENOUGH", f"round {r.number}: a masked sum of {event.members}")
        layout = self.world.forms.find(r.contributions[0].layout)
        inputs = [
            WeightedSource(c.member, 1, recompute.MemoryReader(self.world.blobs[c.digest].data))
            for c in r.contributions
        ]
        total = Blob(layout.digest, b"".join(map(bytes, merge_modular(layout, inputs))))
        if total.digest != event.digest:
            self._break("TRUE_MERGE", f"round {r.number}: the masked sum is false")
            return
        is_model = KINDS[r.kind].makes_model
        self._true[r.number] = self._unmask(r) if is_model else self._unmask_sums(r)

    def _unmask(self, r: Round) -> Blob:
        """Return the model of the members' inputs: of honest ones as they were before they were
        masked, of Byzantine ones without the masks that they should have."""
        state, masks, spec = self.world.chain.state, r.need_masks(), self.world.spec
        scale = FixedPoint(spec.privacy.clip_millionths, len(masks.dealt), masks.capacity)
        base = np.frombuffer(self.world.blobs[r.base].data, "<f4")
        total = np.zeros(base.size, np.uint32)
        for c in r.contributions:
            keying = make_keying(state, r, c.member)
            words = self._open(c, keying, masks.dealt)
            if c.member not in self.world.schedule.liars:
                right = self._quantise(scale.grid, c, base)
                if not np.array_equal(words, right):
                    self._break("TRUE_MERGE", f"member {c.member} has masked something else")
            total += words
        mean = np.empty(base.size, np.float64)
        mean_change(scale.grid, sum(c.weight for c in r.contributions), total, mean)
        model = (base + mean).astype(np.float32)
        layout = self.world.forms.model
        model[layout.tensors[0].count :] = 0  # padding
        return Blob(layout.digest, model.tobytes())

    def _open(self, c: Contribution, keying: Keying, dealt: tuple[MemberId, ...]) -> Words:
        """Return a contribution without its member's masks.  # (P,)"""
        words = np.frombuffer(self.world.blobs[c.digest].data, "<u4").copy()
        roots: Mapping[tuple[int, int], bytes] = self.world.nodes[c.member].disk.roots
        masks = make_own_masks(roots[keying.number, keying.keying], keying, dealt)
        apply_masks(words, 0, [m.inverse() for m in masks])
        words[self.world.forms.model.tensors[0].count :] = 0
        return words

    def _unmask_sums(self, r: Round) -> Blob:
        """Return the sums of the members' whole numbers, cut to what so many members can make; of
        an array that all send alike, what one of them has sent."""
        stage, count = get_stage(self.world.spec, r), len(r.contributions)
        layout = self.world.forms.of_stage[stage.name]
        found = [self._open_arrays(r, c, layout) for c in r.contributions]
        limits = {b.array: (b.low, b.high) for b in stage.bounds}
        sums = {}
        for name in found[0]:
            low, high = limits.get(name, (-MAX_STEPS, MAX_STEPS))
            total = np.sum([each[name].view(np.uint64) for each in found], 0, np.uint64)
            parts = count if name in stage.agreed else 1
            factor = count // parts
            sums[name] = np.clip(total.view(np.int64) // parts, low * factor, high * factor)
        return blob_of(sums)

    def _open_arrays(self, r: Round, c: Contribution, layout: Layout) -> Arrays:
        """Return a contribution's arrays without its member's masks: an honest one's are those that
        its trainer has made."""
        keying = make_keying(self.world.chain.state, r, c.member)
        words = np.frombuffer(self.world.blobs[c.digest].data, "<u8").copy()
        root = self.world.nodes[c.member].disk.roots[keying.number, keying.keying]
        masks = make_own_masks(root, keying, r.need_masks().dealt)
        apply_masks(words, 0, [m.inverse() for m in masks])
        found = arrays_of(Blob(c.layout, words.tobytes()), layout)
        if c.member not in self.world.schedule.liars:
            right = arrays_of(self.world.blobs[self._sources[c.digest]], layout)
            if any(not np.array_equal(found[name], right[name]) for name in right):
                self._break("TRUE_MERGE", f"member {c.member} has masked something else")
        return found

    def _quantise(self, grid: Grid, c: Contribution, base: np.ndarray) -> Words:
        own = np.frombuffer(self.world.blobs[self._sources[c.digest]].data, DTYPES["F32"])
        words = np.empty(own.size, np.uint32)
        quantise(grid, c.weight, own.astype(np.float64) - base, words)
        return words

    def is_stalled(self) -> bool:
        """Return whether a sum waits for shares of Byzantine members alone, or of those that are
        gone: it waits for ever, and its set does not change."""
        r = ROUND.get(self.world.chain.state, STUDY_NAME)
        if r is None or r.masks is None or r.phase != "UNMASKING":
            return False
        honest = {m for m in r.masks.keyed if self.world.nodes[m].is_honest} & self._members
        return honest <= set(r.masks.opened)
