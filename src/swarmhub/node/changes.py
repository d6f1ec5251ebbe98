"""The model of a settled change, computed at a node."""

from __future__ import annotations

import asyncio

from swarmhub.failpoints import failpoint
from swarmhub.node import work
from swarmhub.node.position import Position
from swarmhub.node.services import Services
from swarmhub.params import Fingerprint
from swarmhub.protocol import ApplyChange, ModelComputed, recompute


async def compute_model(
    services: Services, position: Position, effect: ApplyChange
) -> ModelComputed | None:
    """Compute and store the model that follows from a held change; None if the node stops."""
    blobs = services.blobs

    def compute() -> Fingerprint:
        layout, chunks = recompute.apply(blobs, effect)
        return work.store_chunks(blobs, layout, chunks, lambda: not position.closed)

    try:
        made = await asyncio.to_thread(compute)
    except work.Unwanted:
        return None
    failpoint("change.applied")
    return ModelComputed(effect.change, effect.base, made.digest)
