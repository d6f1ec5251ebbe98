"""Shards: a large model is merged in parts, each with a leader of its own.

A contribution is cut into ranges of 1 MiB chunks. All have as many chunks, a power of two, but the
last one: so each is a subtree of the hash tree (RFC 6962), and the digest of the model follows from
the roots of its merged shards, whoever merged them. A range is a blob of its own, whose layout is
named after the whole's. There is one set of contributions for all shards, and one settlement, when
all are merged.

How many: the smallest ranges with no more shards than members that were enrolled when the round
opened, or than the terms say. Then a leader moves at most 2 / N of each contribution, and a node at
most 5.5 models a round, however large the swarm is.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from swarmhub import codec, merkle
from swarmhub.contract import deadlines
from swarmhub.contract.records import (
    ROUND,
    Contribution,
    Leadership,
    Round,
    SettledShard,
    Spec,
    Stage,
    Study,
    put_lead,
)
from swarmhub.contract.refusals import BadValue
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.round.kinds import MERGING, TRAIN
from swarmhub.contract.state import Overlay, Reader
from swarmhub.merkle import CHUNK_BYTES
from swarmhub.types import Digest, MemberId

LEAST_MEMBERS = 4  # with fewer, a single leader moves as little
MAX_SHARDS = 64


@dataclass(frozen=True)
class Part:
    """A range of chunks of a buffer with a layout."""

    shard: int
    layout: Digest  # of the whole buffer
    first: int  # chunk
    nbytes: int

    @property
    def start(self) -> int:
        """The part's first byte."""
        return self.first * CHUNK_BYTES

    @functools.cached_property
    def name(self) -> Digest:
        """The layout of the part as a blob of its own; there is no document of it."""
        words = (self.layout, str(self.first), str(merkle.chunk_count(self.nbytes)))
        return codec.digest(b"swarmhub/part/1", *(word.encode() for word in words))

    def compute_digest(self, root: Digest) -> Digest:
        """Return the digest of the part as a blob of its own."""
        return merkle.blob_digest(self.name, self.nbytes, bytes.fromhex(root))


def check_shards(spec: Spec) -> None:
    """Refuse terms with an impossible number of shards."""
    if not 0 <= spec.shards <= MAX_SHARDS:
        raise BadValue("shards", f"0 (one for each member) to {MAX_SHARDS}", spec.shards)


def compute_most(study: Study, spec: Spec, stage: Stage, enrolled: int) -> int:
    """Return the largest number of shards in a round of a stage with so many members: 1 unless its
    rule merges each chunk alone, and the model has several."""
    is_cut = stage.kind == TRAIN and stage.rule.is_chunk_local and stage.until is None
    current = study.current
    if not is_cut or enrolled < LEAST_MEMBERS or current is None or current.nbytes <= CHUNK_BYTES:
        return 1
    return min(spec.shards or enrolled, MAX_SHARDS)


def compute_size(nbytes: int, most: int) -> int:
    """Return the chunks of a shard: the smallest power of two with which there are at most so
    many."""
    wanted = -(-merkle.chunk_count(nbytes) // most)
    return 1 << max(0, wanted - 1).bit_length()


@functools.lru_cache(maxsize=256)
def cut(layout: Digest, nbytes: int, most: int) -> tuple[Part, ...]:
    """Return the parts of a buffer that is cut into at most so many."""
    size = compute_size(nbytes, most)
    starts = range(0, merkle.chunk_count(nbytes), size)
    return tuple(
        Part(i, layout, at, min(size * CHUNK_BYTES, nbytes - at * CHUNK_BYTES))
        for i, at in enumerate(starts)
    )


def count_shards(r: Round) -> int:
    """Return the number of shards that are merged now; 1 for a merge of the whole."""
    return max(1, len(r.contributions[0].parts)) if r.phase == MERGING and r.contributions else 1


def get_parts(r: Round) -> tuple[Part, ...]:
    """Return the parts of what the round merges now; () if it is merged as a whole."""
    count = count_shards(r)
    return cut(r.contributions[0].layout, r.contributions[0].nbytes, count) if count > 1 else ()


def cut_round(r: Round) -> Round:
    """Return the round as the leader of its shard sees it: with that part of each contribution.
    Not to be stored."""
    parts = get_parts(r)
    if not parts:
        return r
    part = parts[r.lead.shard]
    return replace(r, contributions=tuple(cut_contribution(c, part) for c in r.contributions))


@functools.lru_cache(maxsize=4096)  # a node asks at each decision
def cut_contribution(c: Contribution, part: Part) -> Contribution:
    """Return a contribution to one shard."""
    digest = part.compute_digest(c.parts[part.shard])
    return replace(c, digest=digest, nbytes=part.nbytes, layout=part.name, parts=())


def check_parts(r: Round, nbytes: int, layout: Digest, root: Digest, parts: Sequence[str]) -> None:
    """Refuse roots that are not those of the contribution's shards."""
    count = len(cut(layout, nbytes, r.shards)) if r.shards > 1 else 1
    expected = count if count > 1 else 0
    if len(parts) != expected or not all(codec.is_digest(part) for part in parts):
        raise BadValue("parts", f"{expected} roots of 64 hex digits", len(parts))
    if parts and join_roots(parts) != root:
        raise BadValue("parts", f"the roots of its shards, below {root[:16]}…", parts[0][:16])


def join_roots(roots: Sequence[Digest]) -> Digest:
    """Return the root of a buffer from those of its parts."""
    return merkle.root_of([bytes.fromhex(root) for root in roots]).hex()


def join_settled(r: Round, shards: Sequence[SettledShard]) -> Digest:
    """Return the digest of what the round has merged in parts."""
    form, root = r.contributions[0], join_roots([shard.root for shard in shards])
    return merkle.blob_digest(form.layout, form.nbytes, bytes.fromhex(root))


def get_settled(state: Reader, r: Round) -> tuple[SettledShard, ...] | None:
    """Return the settled shards of the round; None if some are not settled."""
    leads = [lead.settled for lead in get_leads(state, r)]
    settled = tuple(shard for shard in leads if shard is not None)
    return settled if len(settled) == len(leads) else None


def get_leads(state: Reader, r: Round) -> list[Leadership]:
    """Return the leadership of each shard."""
    return [view.lead for view in get_views(state, r)]


def get_views(state: Reader, r: Round) -> list[Round]:
    """Return the round with the leadership of each shard."""
    return [ROUND.of_shard(state, r.study, shard) for shard in range(count_shards(r))]


def get_leaders(state: Reader, r: Round) -> tuple[MemberId, ...]:
    """Return the leaders of the shards that are not settled yet, each once."""
    leaders = [get_leader(view) for view in get_views(state, r) if view.lead.settled is None]
    return tuple(dict.fromkeys(leader for leader in leaders if leader is not None))


def open_shards(state: Overlay, r: Round) -> None:
    """Begin the leadership of each shard beside the first, which the round has: now, it merges."""
    for shard in range(1, count_shards(r)):
        put_lead(state, r.study, replace(r.lead, shard=shard, suspects=(), dispute=None,
                                         former_accounts=(), settled=None))  # fmt: skip


def close_shards(state: Overlay, r: Round) -> None:
    """Forget the leadership of each shard beside the first: it merges no longer, or another
    set."""
    for shard in range(1, count_shards(r)):
        put_lead(state, r.study, Leadership(shard))
        for timer in ("term", "dispute"):
            deadlines.clear(state, f"{timer}/{r.study}/{shard}")


def make_key(timer: str, r: Round) -> str:
    """Return the key of a deadline of the round's shard."""
    return f"{timer}/{r.study}/{r.lead.shard}" if r.lead.shard else f"{timer}/{r.study}"


def find_shard(state: Reader, study: str, shard: int) -> Round | None:
    """Return the open round with the leadership of one shard; None if there is no such shard."""
    r = ROUND.get(state, study)
    return None if r is None or shard >= count_shards(r) else ROUND.of_shard(state, study, shard)


def find_due(state: Reader, key: str) -> Round | None:
    """Return the open round with the leadership of the shard of a deadline, whose key comes without
    its timer; None if it is over."""
    study, _, shard = key.partition("/")
    return find_shard(state, study, int(shard or 0))
