"""The parts of this node's contribution, which the leaders of shards fetch."""

from __future__ import annotations

from swarmhub.blobs import BlobStore
from swarmhub.contract.records import Contribution
from swarmhub.contract.round.shards import cut
from swarmhub.contract.transactions import Contribute
from swarmhub.types import Digest


def show_parts(blobs: BlobStore, answer: Contribute | Contribution) -> set[Digest]:
    """Make the parts of a contribution blobs of their own, without copying a byte; returns their
    digests. None if the contribution is not held."""
    if not answer.parts or answer.digest not in blobs:
        return set()
    parts = cut(answer.layout, answer.nbytes, len(answer.parts))
    return {blobs.view(answer.digest, p.name, p.start, p.nbytes) for p in parts}
