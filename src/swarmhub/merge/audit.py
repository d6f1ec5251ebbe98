"""Recomputing parts of a merge, to find out whether it is true.

An auditor draws short stretches of the buffer in secret, after the leader has committed to a
digest, and recomputes exactly those. Stretches are 256 bytes at multiples of 256, so none straddles
a chunk and no element straddles a stretch.

The chance that a false merge escapes. If a share q of the stretches is false and an auditor draws s
of them, it escapes with at most (1 - q)^s; h honest auditors together: (1 - q)^(s h). With the 381
stretches of a 25 MB model: q = 1% escapes with 2.2%, q = 5% with 3 in 10^9. One false value in a
large model is found by a full audit only.

The excerpts of contributions come from their owners unproven. A Byzantine owner may cause a false
alarm with them: then the chunk in question, with its proof, shows the false excerpt, and that
contribution is pulled as a whole before the same stretches are audited again. A leader could
explain a false merge by an excerpt of another contribution, made up when it knew the others': so it
is asked for none, and its contribution is pulled as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from swarmhub.merge.modular import merge_modular
from swarmhub.merge.parameters import merge_chunk, merge_parameters
from swarmhub.merge.pieces import Source, WeightedSource
from swarmhub.merge.rules import Rule
from swarmhub.params import ALIGNMENT, CHUNK_BYTES, Layout, leaf_of
from swarmhub.params.parts import pieces_of

STRETCH_BYTES = 256
MIN_STRETCHES, MAX_STRETCHES = 64, 1024

assert STRETCH_BYTES % ALIGNMENT == 0


def count_stretches(nbytes: int) -> int:
    """Return how many stretches to draw of a buffer: one in 256, from 64 to 1024."""
    return max(MIN_STRETCHES, min(nbytes // STRETCH_BYTES // 256, MAX_STRETCHES))


def draw(nbytes: int, below: Callable[[int], int], times: int = 1) -> tuple[int, ...]:
    """Return starts (bytes, ascending, distinct) of stretches, as many as of a buffer of so many
    times the bytes. `below(n)` is a secret choice of 0..n-1."""
    slots = -(-nbytes // STRETCH_BYTES)
    wanted, drawn = min(count_stretches(times * nbytes), slots), set[int]()
    while len(drawn) < wanted:
        drawn.add(below(slots))
    return tuple(slot * STRETCH_BYTES for slot in sorted(drawn))


def excerpt(source: Source, nbytes: int, starts: Sequence[int]) -> bytes:
    """Return the stretches of a buffer of `nbytes` bytes, one after the other."""
    return b"".join(bytes(source.read_at(at, min(STRETCH_BYTES, nbytes - at))) for at in starts)


def layout_of_excerpt(layout: Layout, starts: Sequence[int]) -> Layout:
    """Return the layout of an excerpt: a canonical buffer of its own, with a tensor for each
    part."""
    segments = (
        found
        for at in starts
        for found in layout.segments(at, min(at + STRETCH_BYTES, layout.nbytes))
    )
    return Layout.of(list(pieces_of(segments)))


def find_false_stretch(
    rule: Rule | None,
    layout: Layout,
    starts: Sequence[int],
    contributions: Sequence[WeightedSource],
    merged: bytes,
    coded: bool = False,
) -> int | None:
    """Return the start of a stretch in which `merged` is not the merge of the contributions; None
    if all are.

    The contributions' sources and `merged` are excerpts. For chunk-local rules; None is the sum of
    masked contributions; `coded`: the layout is one of blocks. Raises BadContribution if an
    excerpt cannot be merged.
    """
    inner = layout_of_excerpt(layout, starts)
    chunks = (
        merge_modular(inner, contributions)
        if rule is None
        else merge_parameters(rule, inner, contributions, coded=coded)
    )
    right = b"".join(bytes(c) for c in chunks)
    at = 0
    for start in starts:
        size = min(STRETCH_BYTES, layout.nbytes - start)
        if right[at : at + size] != merged[at : at + size]:
            return start
        at += size
    return None


def find_false_excerpts(
    starts: Sequence[int],
    nbytes: int,
    excerpts: Mapping[int, bytes],
    chunks: Mapping[int, bytes],
    index: int,
) -> set[int]:
    """Return the members with an excerpt that differs from their proven chunk `index`, of those
    with such a chunk."""
    found = set()
    for member in excerpts.keys() & chunks.keys():
        at = 0
        for start in starts:
            size = min(STRETCH_BYTES, nbytes - start)
            inside = start - index * CHUNK_BYTES
            is_here = 0 <= inside < CHUNK_BYTES
            true = chunks[member][inside : inside + size] if is_here else b""
            if is_here and excerpts[member][at : at + size] != true:
                found.add(member)
            at += size
    return found


def recompute_leaf(
    rule: Rule,
    layout: Layout,
    contributions: Sequence[WeightedSource],
    index: int,
    base: Source | None = None,
    coded: bool = False,
) -> str:
    """Return the leaf hash (hex) that chunk `index` of the right merge has."""
    return leaf_of(merge_chunk(rule, layout, contributions, index, base, coded)).hex()
