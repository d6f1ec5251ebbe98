"""The protocol's effects of masked rounds, carried out with the node's vault and store."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from swarmhub.contract.records import Provenance
from swarmhub.errors import SpentError
from swarmhub.failpoints import failpoint
from swarmhub.home.budget import need_room
from swarmhub.node import work
from swarmhub.node.position import Position
from swarmhub.node.services import Services
from swarmhub.node.vault import Vault
from swarmhub.protocol import (
    LocalState,
    MergeDone,
    Observation,
    OwnMasked,
    offer_message,
    recompute,
)
from swarmhub.protocol import mask_procedure as procedure
from swarmhub.protocol.effects import (
    CheckShare,
    MakeDealing,
    MakeKeys,
    MakeOpening,
    MaskEffect,
    MaskOwn,
    Unmask,
)
from swarmhub.protocol.observations import MasksSpent
from swarmhub.protocol.shards import compute_roots
from swarmhub.types import OFFER_DOMAIN

MANY_CLIPPED = 0.5  # of the values: then the clip decides what is learnt

log = logging.getLogger("swarmhub.protocol")


class MaskRunner:
    """The handlers of one study's effects of masks; `learn` notes an observation."""

    def __init__(
        self,
        services: Services,
        local: LocalState,
        position: Position,
        learn: Callable[[Observation], None],
    ) -> None:
        self._services, self._local, self._position = services, local, position
        self._learn = learn
        self._opened: Vault | None = None

    @property
    def _vault(self) -> Vault:
        if self._opened is None:
            self._opened = self._services.journal.open_vault(self._local.study)
        return self._opened

    async def carry_out(self, effect: MaskEffect) -> None:
        """Carry out an effect. Raises MaskError if this node has lost the secret, or has used it
        for something else."""
        try:
            await self._do(effect)
        except SpentError:
            if not isinstance(effect, MakeKeys | Unmask):
                self._learn(MasksSpent(effect.keying.number, effect.keying.keying))
            raise

    async def _do(self, effect: MaskEffect) -> None:
        match effect:
            case MaskOwn():
                await self._mask_own(effect)
            case Unmask():
                await self._unmask(effect)
            case _:
                self._learn(await asyncio.to_thread(self._compute, effect))

    def _compute(self, effect: MakeKeys | MakeDealing | CheckShare | MakeOpening) -> Observation:
        match effect:
            case MakeKeys():
                return procedure.make_keys(self._vault, effect)
            case MakeDealing():
                return procedure.make_dealing(self._vault, effect)
            case CheckShare():
                return procedure.check_share(self._vault, effect)
            case MakeOpening():
                return procedure.make_opening(self._vault, effect)

    async def _mask_own(self, effect: MaskOwn) -> None:
        try:
            masked = await asyncio.to_thread(self._mask, effect)
        except work.Unwanted as reason:
            log.info("round %d: %s", effect.keying.number, reason)
            return
        failpoint("masked.stored")
        self._learn(masked)

    def _mask(self, effect: MaskOwn) -> OwnMasked:
        blobs, keying = self._services.blobs, effect.keying

        def tell(clipped: int, count: int) -> None:
            share = clipped / max(1, count)
            if share > MANY_CLIPPED:
                clip = effect.scale.clip_millionths / 1e6
                self._services.problems.report(
                    f"Round {keying.number} of '{keying.study}': {share:.0%} of this site's "
                    f"changes are beyond the study's clip ({clip:g}) and were cut to it; train in "
                    "smaller steps, or propose a larger clip."
                )

        if effect.noise is not None and (prepared := self._local.prepared) is not None:
            home, state, me = self._services.home, self._services.state, self._local.me
            need_room(home, state, me, keying.study, prepared.provenance.data)
        layout, chunks = procedure.mask_own(self._vault, blobs, effect, tell)
        blobs.put_layout(layout)
        made = work.store_chunks(blobs, layout, chunks, self._is_wanted(keying.number), first=True)
        prepared = self._local.prepared
        masked = OwnMasked(
            keying.number, keying.keying, effect.digest, made.digest, made.root, made.nbytes,
            made.layout, effect.weight, prepared.provenance if prepared else Provenance(),
            compute_roots(made),
        )  # fmt: skip
        self._vault.save_masked(masked)
        return masked

    async def _unmask(self, effect: Unmask) -> None:
        keying, blobs = effect.keying, self._services.blobs

        def tell(false: frozenset[str]) -> None:
            self._services.problems.report(
                f"Round {keying.number} of '{keying.study}': the sums {', '.join(sorted(false))} "
                "cannot be right: a hospital's part is false, and masks hide whose. They were cut "
                "to what the terms allow; see which hospitals take part, or stop the study."
            )

        def compute() -> MergeDone:
            layout, chunks = procedure.unmask(blobs, effect, tell)
            made = work.store_chunks(blobs, layout, chunks, self._is_wanted(keying.number))
            state, number = self._services.state, keying.number
            message = offer_message(state, keying.study, number, effect.revision, made)
            signature = self._services.account.sign(OFFER_DOMAIN, message)
            stage = effect.stage
            met = stage is not None and recompute.is_met(blobs, stage, made.digest)
            return MergeDone(
                number, effect.revision, made.digest, made.nbytes, made.layout, signature, met
            )

        try:
            done = await asyncio.to_thread(compute)
        except work.Unwanted as reason:
            log.info("round %d: %s", keying.number, reason)
            return
        failpoint("unmask.stored")
        self._learn(done)

    def _is_wanted(self, number: int) -> Callable[[], bool]:
        return lambda: not self._position.closed and self._position.number == number

    def forget_before(self, number: int, is_open: bool) -> None:
        """Erase the secrets of settled rounds; all of them once the study is over."""
        if not self._services.journal.has_vault(self._local.study):
            return
        if is_open:
            self._vault.erase_before(number)
        else:
            self._vault.erase()
