"""Input and output of an audit at a node (see `protocol.audit_procedure`)."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping, Sequence

from swarmhub.blobs import BlobStore
from swarmhub.errors import PeerError
from swarmhub.node import work
from swarmhub.params import Fingerprint
from swarmhub.protocol import Audit, RecomputeChunk, recompute
from swarmhub.protocol.audit_procedure import AuditIO
from swarmhub.transport.client import PeerClient
from swarmhub.types import Digest, MemberId

log = logging.getLogger("swarmhub.protocol")


class NodeAuditIO(AuditIO):
    """An audit's AuditIO: the node's store, threads for arithmetic, requests to others."""

    def __init__(self, blobs: BlobStore, client: PeerClient, me: MemberId) -> None:
        self._blobs, self._client, self.me = blobs, client, me

    def holds(self, digest: Digest) -> bool:
        return digest in self._blobs

    def fingerprint(self, digest: Digest) -> Fingerprint:
        return self._blobs.fingerprint(digest)

    def below(self, n: int) -> int:
        return secrets.randbelow(n)

    async def excerpts(
        self, wanted: Mapping[MemberId, Digest], nbytes: int, starts: Sequence[int]
    ) -> dict[MemberId, bytes | None]:
        asked = [self._excerpt(m, digest, nbytes, starts) for m, digest in wanted.items()]
        return dict(zip(wanted, await asyncio.gather(*asked), strict=True))

    async def _excerpt(
        self, member: MemberId, digest: Digest, nbytes: int, starts: Sequence[int]
    ) -> bytes | None:
        try:
            return await self._client.excerpt(member, digest, nbytes, starts)
        except PeerError as error:
            work.need_descriptor()
            log.info("excerpt of member %d: %s", member, error)
            return None

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        try:
            return await self._client.chunk(holders, digest, nbytes, layout, index)
        except PeerError as error:
            work.need_descriptor()
            log.info("chunk %d of %s…: %s", index, digest[:12], error)
            raise

    async def audit(
        self, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
    ) -> int | None:
        return await asyncio.to_thread(recompute.audit, self._blobs, effect, starts, excerpts)

    async def is_met(self, effect: Audit) -> bool:
        if effect.stage.until is None or effect.is_masked:
            return False
        return await asyncio.to_thread(recompute.is_merge_met, self._blobs, effect, effect.digest)

    async def examine(self, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]) -> Digest:
        return await asyncio.to_thread(recompute.recompute_chunk, self._blobs, effect, chunks)
