"""The procedure by which an auditor checks an offer, and finds the member at fault if it is false.

    full     all contributions are held: merge them again, compare each chunk
    drawn    the leader's contribution is held; draw stretches, once for an offer; ask the other
             contributors for theirs; compare; before a dispute, recompute the chunk from proven
             bytes

A member that is asked for a stretch or a chunk learns which part the auditor checks. So the leader
is asked for neither: it could adapt its answer, or make another offer. And a member that refuses a
request gains no other draw.

These are coroutines that wait for nothing but `AuditIO`, so any implementation of that port can
drive them: the node with threads and requests, the simulator with its queue.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping, Sequence
from typing import Protocol

from swarmhub.errors import BadContribution, PeerError
from swarmhub.merge import WIRE_TIMES, draw, find_false_excerpts
from swarmhub.params import Fingerprint
from swarmhub.protocol.effects import Audit, Merge, RecomputeChunk
from swarmhub.protocol.observations import (
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
    """The port of an audit: everything that it needs from outside."""

    me: MemberId

    def holds(self, digest: Digest) -> bool:
        """Return whether a blob is here."""
        ...

    def fingerprint(self, digest: Digest) -> Fingerprint:
        """Return the fingerprint of a blob that is here."""
        ...

    def below(self, n: int) -> int:
        """Return a secret choice of 0..n-1."""
        ...

    async def excerpts(
        self, wanted: Mapping[MemberId, Digest], nbytes: int, starts: Sequence[int]
    ) -> dict[MemberId, bytes | None]:
        """Return stretches of contributions from their owners, unproven; None for an owner that
        gives none."""
        ...

    async def chunk(
        self, holders: Sequence[MemberId], digest: Digest, nbytes: int, layout: Digest, index: int
    ) -> bytes:
        """Return a chunk of a blob, proven to be in it, from the first holder that has it;
        PeerError if none has."""
        ...

    async def audit(
        self, effect: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
    ) -> int | None:
        """Audit a held merge; see `recompute.audit`."""
        ...

    async def is_met(self, effect: Audit) -> bool:
        """Return whether a held merge meets its stage's test; see `recompute.is_met`."""
        ...

    async def examine(self, effect: RecomputeChunk, chunks: Mapping[MemberId, bytes]) -> Digest:
        """Recompute a disputed chunk; see `recompute.recompute_chunk`."""
        ...


async def audit_offer(
    audit_io: AuditIO,
    effect: Audit,
    drawn: MutableMapping[tuple[int, int, int, Digest], tuple[int, ...]],
) -> list[Observation]:
    """Return the observations about a held offer: Audited, or ExcerptUnavailable for each missing
    excerpt, or CheckedBad for a bad contribution. `drawn` remembers the stretches of each offer (by
    round, revision, shard and digest)."""
    nbytes = audit_io.fingerprint(effect.digest).nbytes
    starts: tuple[int, ...] = ()
    if not effect.full:
        offer = (effect.number, effect.revision, shard_of(effect), effect.digest)
        times = WIRE_TIMES[effect.changes.wire] if effect.changes else 1
        starts = drawn.get(offer) or draw(nbytes, audit_io.below, times)
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
        met = await audit_io.is_met(effect)
        return [_report(effect, None, met)]
    try:
        discrepancy, chunks = await _confirm(audit_io, effect, index)
    except BadContribution as error:
        return _doubt_contribution(effect, error, set())  # its chunk is proven
    except _Withheld as error:
        return _lack(effect, {error.member})
    if discrepancy is None:  # the merge is right there, so an excerpt was false
        found = find_false_excerpts(starts, nbytes, excerpts, chunks, index)
        return _lack(effect, found or set(excerpts))
    if (
        discrepancy.leaf == discrepancy.claimed
    ):  # the merge ends too early: the missing part has no chunk to dispute
        return [CheckedBad(effect.digest, "it ends before the merge does")]
    return [_report(effect, discrepancy)]


def _report(effect: Audit, discrepancy: Discrepancy | None, met: bool = False) -> Audited:
    at = (effect.number, effect.revision, effect.digest)
    return Audited(*at, discrepancy, met, shard_of(effect))


def shard_of(effect: Audit | RecomputeChunk | Merge) -> int:
    """Return the shard that an effect is about."""
    return effect.part.shard if effect.part is not None else 0


async def answer_dispute(audit_io: AuditIO, effect: RecomputeChunk) -> ChunkRecomputed:
    """Return the right leaf of the disputed chunk (NO_LEAF if nothing can be merged); PeerError if
    it could not be computed."""
    try:
        leaf, _ = await _recompute(audit_io, effect)
    except BadContribution:
        leaf = NO_LEAF
    return ChunkRecomputed(effect.number, effect.revision, effect.chunk, leaf, shard_of(effect))


def _doubt_contribution(
    effect: Audit, error: BadContribution, unproven: set[MemberId]
) -> list[Observation]:
    """Return what follows from a contribution that cannot be merged: it is bad, or its owner's
    excerpt is not of the buffer that it has hashed."""
    if error.member in unproven:
        return _lack(effect, {error.member})
    share = next(s for s in effect.shares if s.member == error.member)
    return [CheckedBad(share.digest, error.why, share.weight)]


def _lack(effect: Audit, members: set[MemberId]) -> list[Observation]:
    """Reject the excerpts of these members: their contributions are pulled, and the audit is
    repeated."""
    return [
        ExcerptUnavailable(effect.number, effect.revision, member) for member in sorted(members)
    ]


async def _confirm(
    audit_io: AuditIO, effect: Audit, index: int
) -> tuple[Discrepancy | None, dict[MemberId, bytes]]:
    """Check a chunk with bytes that are proven to be the contributors' own; return the discrepancy,
    if any, and these bytes."""
    claimed = audit_io.fingerprint(effect.digest)
    look = RecomputeChunk(
        effect.study, effect.number, effect.stage, effect.revision, effect.layout,
        claimed.nbytes, effect.shares, index, audit_io.me, effect.leader, effect.base,
        effect.is_masked, effect.changes, effect.part,
    )  # fmt: skip
    leaf, chunks = await _recompute(audit_io, look)
    said = claimed.leaves[index].hex()
    if leaf == said and not effect.full:
        return None, chunks
    return Discrepancy(index, leaf, said, claimed.path(index)), chunks


async def _recompute(
    audit_io: AuditIO, effect: RecomputeChunk
) -> tuple[Digest, dict[MemberId, bytes]]:
    """Return the leaf of a chunk of the right merge, and the bytes that others gave of
    contributions not held."""
    chunks: dict[MemberId, bytes] = {}
    for s in effect.shares:
        if not audit_io.holds(s.digest):
            others = [o.member for o in effect.shares if o.member != s.member]
            line = [s.member, effect.by, *others]
            if (
                s.member == effect.accused
            ):  # the member that has disputed its merge holds its contribution
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
    """Raised if nobody gives a chunk of a member's contribution."""

    def __init__(self, member: MemberId, why: str) -> None:
        self.member = member
        super().__init__(why)
