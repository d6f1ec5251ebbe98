"""Records of what a round has merged, before and beside its model."""

from __future__ import annotations

from dataclasses import dataclass

from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class SettledShard:
    """The merge of one shard, as its leader has settled it."""

    root: Digest  # of its chunks
    leader: MemberId
    term: int
    receipts: tuple[MemberId, ...]


@dataclass(frozen=True)
class Change:
    """The settled change from which a model follows: of its base, in a wire format."""

    wire: str
    digest: Digest
    nbytes: int
    layout: Digest
    shards: tuple[SettledShard, ...] = ()
