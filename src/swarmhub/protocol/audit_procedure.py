"""How an auditor finds out whether an offer is the merge, and who is to blame where it is not.

    full     all contributions are held: merge them again, compare each chunk
    drawn    the leader's contribution is held; draw stretches, once for an offer; ask the other
             contributors for theirs; compare; before a dispute, recompute the chunk from proven
             bytes

Whoever is asked for a stretch or a chunk learns where the auditor looks. So the leader is asked
for neither: it could answer by what would be found, or with another offer. And who refuses what it
is asked for gains no other draw.

These are coroutines that wait for nothing but `Hands`, so whoever has hands can drive them: the
node with threads and requests, the simulator with its queue.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Protocol

from swarmhub.errors import BadContribution, PeerError
from swarmhub.merge import draw, find_false_excerpts
from swarmhub.params import Fingerprint
from swarmhub.protocol.effects import Audit, RecomputeChunk
from swarmhub.protocol.local_state import (
    Audited,
    CheckedBad,
    ChunkRecomputed,
    Discrepancy,
    ExcerptUnavailable,
    Observation,
)
from swarmhub.types import Digest, MemberId

NO_LEAF = "0" * 64  # there is no right merge


class AuditIO(Protocol):
    """What an inquiry can do."""

    me: MemberId

    def holds(self, digest: Digest) -> bool:
        """Whether a blob is here."""
        ...

    def fingerprint(self, digest: Digest) -> Fingerprint:
        """Of a blob that is here."""
        ...

    def below(self, n: int) -> int:
        """A secret choice of 0..n-1."""
        ...

    async def excerpts(
        self, wanted: Mapping[MemberId, Digest], nbytes: int, starts: Sequence[int]
    ) -> dict[MemberId, bytes | None]:
        """Stretches of contributions from their owners, unproven; None where one has none to
        give."""
        ...

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        """A chunk of a blob, proven to be in it, from the first who has it; PeerError."""
        ...

    async def audit(
        self, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
    ) -> int | None:
        """See `recompute.audit`."""
        ...

    async def examine(self, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]) -> Digest:
        """See `recompute.examine`."""
        ...


async def audit_offer(
    audit_io: AuditIO,
    effect: Audit,
    drawn: MutableMapping[tuple[int, int, Digest], tuple[int, ...]],
) -> list[Observation]:
    """What is learnt of a held offer: Audited, or who is Lacking, or whose contribution is bad.
    `drawn` remembers the stretches of each offer (by round, revision and digest)."""
    nbytes = audit_io.fingerprint(effect.digest).nbytes
    starts: tuple[int, ...] = ()
    if not effect.full:
        offer = (effect.number, effect.revision, effect.digest)
        starts = drawn.get(offer) or draw(nbytes, audit_io.below)
        drawn[offer] = starts
    absent = {s.member: s.digest for s in effect.shares if not audit_io.holds(s.digest)}
    answers = await audit_io.excerpts(absent, nbytes, starts) if absent else {}
    if any(answer is None for answer in answers.values()):
        return _lack(effect, {member for member, answer in answers.items() if answer is None})
    excerpts = {member: answer for member, answer in answers.items() if answer is not None}
    try:
        index = await audit_io.audit(effect, starts, excerpts)
    except BadContribution as error:
        return _doubt_contribution(effect, error, set(excerpts))
    if index is None:
        return [Audited(effect.number, effect.revision, effect.digest, None)]
    try:
        discrepancy, chunks = await _confirm(audit_io, effect, index)
    except BadContribution as error:
        return _doubt_contribution(effect, error, set())  # its chunk is proven
    except _Withheld as error:
        return _lack(effect, {error.member})
    if discrepancy is None:  # the merge is right there, so an excerpt was not
        found = find_false_excerpts(starts, nbytes, excerpts, chunks, index)
        return _lack(effect, found or set(excerpts))
    if (
        discrepancy.leaf == discrepancy.claimed
    ):  # it breaks off: what is missing has no chunk to dispute
        return [CheckedBad(effect.digest, "it ends before the merge does")]
    return [Audited(effect.number, effect.revision, effect.digest, discrepancy)]


async def answer_dispute(audit_io: AuditIO, effect: RecomputeChunk) -> ChunkRecomputed:
    """The disputed chunk's leaf, as it should be (NO_LEAF where nothing can be merged); PeerError
    where it could not be computed."""
    try:
        leaf, _ = await _recompute(audit_io, effect)
    except BadContribution:
        leaf = NO_LEAF
    return ChunkRecomputed(effect.number, effect.revision, effect.chunk, leaf)


def _doubt_contribution(
    effect: Audit, error: BadContribution, unproven: set[MemberId]
) -> list[Observation]:
    """It cannot be merged: so it is bad, or its owner's excerpt is not what it has hashed."""
    if error.member in unproven:
        return _lack(effect, {error.member})
    share = next(s for s in effect.shares if s.member == error.member)
    return [CheckedBad(share.digest, error.why, share.weight)]


def _lack(effect: Audit, members: set[MemberId]) -> list[Observation]:
    """Believe no excerpts of these: their contributions are pulled, and the audit done anew."""
    return [
        ExcerptUnavailable(effect.number, effect.revision, member) for member in sorted(members)
    ]


async def _confirm(
    audit_io: AuditIO, effect: Audit, index: int
) -> tuple[Discrepancy | None, dict[MemberId, bytes]]:
    """Whether a chunk is false by bytes that are proven to be the contributors' own; these."""
    claimed = audit_io.fingerprint(effect.digest)
    look = RecomputeChunk(
        effect.study, effect.number, effect.kind, effect.revision, effect.rule, effect.layout,
        claimed.nbytes, effect.shares, index, audit_io.me, effect.leader,
    )  # fmt: skip
    leaf, chunks = await _recompute(audit_io, look)
    said = claimed.leaves[index].hex()
    if leaf == said and not effect.full:
        return None, chunks
    return Discrepancy(index, leaf, said, claimed.path(index)), chunks


async def _recompute(
    audit_io: AuditIO, effect: RecomputeChunk
) -> tuple[Digest, dict[MemberId, bytes]]:
    """Leaf of a chunk of the right merge, and what was asked for of contributions not held."""
    chunks: dict[MemberId, bytes] = {}
    for s in effect.shares:
        if not audit_io.holds(s.digest):
            others = [o.member for o in effect.shares if o.member != s.member]
            line = [s.member, effect.by, *others]
            if (
                s.member == effect.accused
            ):  # who has disputed its merge holds what it has contributed
                line = [effect.by, s.member, *others]
            holders = [m for m in dict.fromkeys(line) if m != audit_io.me]
            try:
                chunks[s.member] = await audit_io.chunk(
                    holders, s.digest, effect.nbytes, effect.layout, effect.chunk
                )
            except PeerError as error:
                raise _Withheld(s.member, str(error)) from None
    return await audit_io.examine(effect, chunks), chunks


class _Withheld(PeerError):
    """Nobody gives a chunk of a member's contribution."""

    def __init__(self, member: MemberId, why: str) -> None:
        self.member = member
        super().__init__(why)
