"""The port AuditIO in the simulated world: its coroutine waits in the world's queue."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from typing import Any, TypeVar

from swarmhub.errors import BlobError, MergeError, PeerError
from swarmhub.merge import STRETCH_BYTES
from swarmhub.params import CHUNK_BYTES, Fingerprint
from swarmhub.protocol import Audit, RecomputeChunk, audit_procedure, recompute
from swarmhub.sim.contents import Blob
from swarmhub.sim.ports import Environment, Peer
from swarmhub.types import Digest, MemberId

RECOMPUTE_MS = 3

T = TypeVar("T")


class Call:
    """An awaitable call: `begin` starts it, and gets the callback for the result."""

    def __init__(self, begin: Callable[[Callable[[Any], None]], None]) -> None:
        self.begin = begin

    def __await__(self) -> Generator[Call, Any, Any]:
        return (yield self)


def drive(
    coroutine: Coroutine[Call, Any, T], finish: Callable[[T], None], failed: Callable[[], None]
) -> None:
    """Run a coroutine, from one call to the next."""

    def resume(value: Any) -> None:
        try:
            call = coroutine.send(value)
        except StopIteration as done:
            finish(done.value)
        except (PeerError, BlobError, MergeError):
            failed()
        else:
            call.begin(resume)

    resume(None)


class SimAuditIO(audit_procedure.AuditIO):
    """The node's simulated disk, and messages to the others."""

    def __init__(self, world: Environment, node: Peer) -> None:
        self.world, self.node = world, node
        self.me = node.me

    def holds(self, digest: Digest) -> bool:
        return digest in self.node.disk

    def fingerprint(self, digest: Digest) -> Fingerprint:
        return self.node.disk.fingerprint(digest)

    def below(self, n: int) -> int:
        return self.world.random.randrange(n)

    async def excerpts(
        self, wanted: Mapping[MemberId, Digest], nbytes: int, starts: Sequence[int]
    ) -> dict[MemberId, bytes | None]:
        answers: dict[MemberId, bytes | None] = {}

        def begin(resume: Callable[[Any], None]) -> None:
            for member, digest in wanted.items():
                self._ask_excerpt(member, digest, starts, lambda a, m=member: take(m, a, resume))  # type: ignore[misc]

        def take(member: MemberId, answer: bytes | None, resume: Callable[[Any], None]) -> None:
            answers[member] = answer
            if len(answers) == len(wanted):
                resume(None)

        await Call(begin)
        sizes = sum(min(STRETCH_BYTES, nbytes - at) for at in starts)
        return {m: a if a is None or len(a) == sizes else None for m, a in answers.items()}

    def _ask_excerpt(
        self, member: MemberId, digest: Digest, starts: Sequence[int],
        answer: Callable[[bytes | None], None],
    ) -> None:  # fmt: skip
        self.node.ask(member, lambda peer: peer.give_excerpt(digest, self.me, starts), answer)

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        for holder in holders:
            found: Blob | None = await Call(
                lambda resume, holder=holder: self.node.ask(  # type: ignore[misc]
                    holder, lambda peer: peer.give(digest, self.me), resume
                )
            )
            if found is not None and found.digest == digest:
                return found.data[index * CHUNK_BYTES : (index + 1) * CHUNK_BYTES]
        raise PeerError("Nobody gave the chunk.")

    async def audit(
        self, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
    ) -> int | None:
        await self._compute()
        return recompute.audit(self.node.disk, effect, starts, excerpts)

    async def is_met(self, effect: Audit) -> bool:
        return recompute.is_merge_met(self.node.disk, effect, effect.digest)

    async def examine(self, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]) -> Digest:
        await self._compute()
        return recompute.recompute_chunk(self.node.disk, effect, chunks)

    async def _compute(self) -> None:
        takes_ms = RECOMPUTE_MS + self.node.disk.slow_ms
        await Call(lambda resume: self.node.later(takes_ms, lambda: resume(None)))
