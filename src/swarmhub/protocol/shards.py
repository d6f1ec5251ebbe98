"""Rounds in shards: each is led, followed and audited as a round of its own, with that part of each
contribution; here is what a node makes of the parts. It holds the whole that was settled once it
has all of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from swarmhub.contract.records import Contribution, Model, Round, SettledShard
from swarmhub.contract.round.election import get_line
from swarmhub.contract.round.shards import (
    MAX_SHARDS,
    Part,
    compute_size,
    cut,
    cut_contribution,
    cut_round,
    get_parts,
    get_views,
)
from swarmhub.merkle import roots_of
from swarmhub.params import Fingerprint
from swarmhub.protocol.effects import Effect, Join
from swarmhub.protocol.local_state import LocalState
from swarmhub.protocol.view import Described, View, pull, pull_contribution
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Piece:
    """A part as a blob of its own."""

    digest: Digest
    nbytes: int
    layout: Digest


def get_shard_views(view: View) -> list[View]:
    """Return the round as the leader of each shard sees it; a round that is merged as a whole is
    its only one."""
    parts = get_parts(view.r)
    if not parts:
        return [view]
    views = get_views(view.state, view.r)
    return [replace(view, r=cut_round(r), part=p) for r, p in zip(views, parts, strict=True)]


def compute_roots(made: Fingerprint) -> tuple[Digest, ...]:
    """Return the roots of the smallest parts into which any round may cut an answer."""
    size = compute_size(made.nbytes, MAX_SHARDS)
    return tuple(root.hex() for root in roots_of(made.leaves, size))


def choose_roots(r: Round, nbytes: int, roots: Sequence[Digest]) -> tuple[Digest, ...]:
    """Return the roots of the shards into which the round cuts an answer, from those of its
    smallest parts; () if it is merged as a whole."""
    if r.shards == 1 or not roots:
        return ()
    times = compute_size(nbytes, r.shards) // compute_size(nbytes, MAX_SHARDS)
    found = roots_of([bytes.fromhex(root) for root in roots], times)
    return tuple(root.hex() for root in found) if len(found) > 1 else ()


def get_pieces(whole: Described, roots: Sequence[Digest]) -> list[Piece]:
    """Return the parts of a blob with so many roots."""
    parts = cut(whole.layout, whole.nbytes, len(roots)) if roots else ()
    return [
        Piece(p.compute_digest(root), p.nbytes, p.name)
        for p, root in zip(parts, roots, strict=True)
    ]


def get_settled_pieces(whole: Described, shards: Sequence[SettledShard]) -> list[Piece]:
    """Return the parts of a blob that was settled in shards."""
    return get_pieces(whole, [shard.root for shard in shards])


def get_pieces_of_model(model: Model) -> list[Piece]:
    """Return the parts of a settled model, or of the change from which it follows."""
    if model.change is not None:
        return get_settled_pieces(model.change, model.change.shards)
    return get_settled_pieces(model, model.shards)


def fetch_first_shards(view: View) -> Iterator[Effect]:
    """Pull contributions as they arrive: those parts for which this node is the first in line of
    the roster."""
    for c in view.r.contributions:
        for part in get_parts_of(c):
            line = get_line(view.r, view.r.roster, part.shard)
            if line and line[0] == view.me:
                piece = cut_contribution(c, part)
                if piece.digest not in view.local.held:
                    yield from pull_contribution(view, piece)


def get_parts_of(c: Contribution) -> tuple[Part, ...]:
    """Return the parts of a contribution; () for one that is merged as a whole."""
    return cut(c.layout, c.nbytes, len(c.parts)) if c.parts else ()


def hold_settled(view: View, settled: SettledShard) -> Iterator[Effect]:
    """Fetch the merge of a settled shard, if it is not here yet."""
    if view.part is None:
        return
    digest = view.part.compute_digest(settled.root)
    if digest not in view.local.held:
        piece = Piece(digest, view.part.nbytes, view.part.name)
        holders = line_up(settled, view.r.contributors)
        yield from pull(view.local, view.now_ms, piece, holders, durable=False)


class Backed(Protocol):
    """What a leader has settled, with receipts: a shard, a sum, a model."""

    @property
    def leader(self) -> MemberId: ...

    @property
    def receipts(self) -> tuple[MemberId, ...]: ...


def line_up(settled: Backed, others: Iterable[MemberId]) -> tuple[MemberId, ...]:
    """Return the holders to ask for what was settled: its leader, the signers of its receipts, then
    others, each once."""
    return tuple(dict.fromkeys([settled.leader, *settled.receipts, *others]))


def hold_whole(
    local: LocalState,
    now_ms: int,
    whole: Described,
    shards: Sequence[SettledShard],
    holders: tuple[MemberId, ...],
    durable: bool = True,
) -> Iterator[Effect]:
    """Have a settled blob. If it was settled in shards, join its parts, and fetch those that lack.
    A node that has none of them, or cannot get one, fetches the whole."""
    if whole.digest in local.held:
        return
    pieces = get_settled_pieces(whole, shards)
    missing = [(p, s) for p, s in zip(pieces, shards, strict=True) if p.digest not in local.held]
    is_in_vain = any(p.digest in local.failed for p, _ in missing)
    if len(missing) == len(pieces) or is_in_vain:
        yield from pull(local, now_ms, whole, holders, durable)
        return
    for piece, shard in missing:
        yield from pull(local, now_ms, piece, line_up(shard, holders), durable=False)
    if not missing:
        yield Join(whole.digest, whole.nbytes, whole.layout, tuple(p.digest for p in pieces))
