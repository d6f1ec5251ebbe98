"""Recomputing parts of a merge, to find out whether it is what it claims to be.

An auditor draws short stretches of the buffer in secret, after the leader has committed to a
digest, and recomputes exactly those. Stretches are 256 bytes at multiples of 256, so none
straddles a chunk and no element straddles a stretch.

The chance that a false merge escapes. If a share q of the stretches is false and an auditor draws
s of them, it escapes with at most (1 - q)^s; h honest auditors together: (1 - q)^(s h). With the
381 stretches of a 25 MB model: q = 1% escapes with 2.2%, q = 5% with 3 in 10^9. What is false in
a single value of a large model is found by a full audit only.

The excerpts of contributions come from their owners unproven. An owner who lies in them makes
either a false alarm, which a chunk with its proof clears up, or explains away a merge that it
might as well have contributed to honestly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge.parameters import merge_chunk, merge_parameters
from swarmhub.merge.pieces import Contribution, Source
from swarmhub.merge.rules import Rule
from swarmhub.params import ALIGNMENT, Layout, Tensor, leaf_of

STRETCH_BYTES = 256
MIN_STRETCHES, MAX_STRETCHES = 64, 1024

assert STRETCH_BYTES % ALIGNMENT == 0


def count_stretches(nbytes: int) -> int:
    """How many stretches to draw of a buffer: one in 256, from 64 to 1024."""
    return max(MIN_STRETCHES, min(nbytes // STRETCH_BYTES // 256, MAX_STRETCHES))


def draw(nbytes: int, below: Callable[[int], int]) -> tuple[int, ...]:
    """Starts (bytes, ascending, distinct) of stretches. `below(n)` is a secret choice of 0..n-1."""
    slots = -(-nbytes // STRETCH_BYTES)
    wanted, drawn = min(count_stretches(nbytes), slots), set[int]()
    while len(drawn) < wanted:
        drawn.add(below(slots))
    return tuple(slot * STRETCH_BYTES for slot in sorted(drawn))


def excerpt(source: Source, nbytes: int, starts: Sequence[int]) -> bytes:
    """The stretches of a buffer of `nbytes` bytes, one after the other."""
    return b"".join(bytes(source.read_at(at, min(STRETCH_BYTES, nbytes - at))) for at in starts)


def layout_of_excerpt(layout: Layout, starts: Sequence[int]) -> Layout:
    """What an excerpt contains: a canonical buffer of its own, with a tensor for each part."""
    parts = [
        (tensor.dtype, stop - first)
        for at in starts
        for tensor, first, stop in layout.segments(at, min(at + STRETCH_BYTES, layout.nbytes))
    ]
    sized = [Tensor("", dtype, (1,)).nbytes for dtype, _ in parts]
    return Layout.of(
        [
            Tensor(f"{i:08d}", dtype, (nbytes // size,))
            for i, ((dtype, nbytes), size) in enumerate(zip(parts, sized, strict=True))
        ]
    )


def find_false_stretch(
    rule: Rule,
    layout: Layout,
    starts: Sequence[int],
    contributions: Sequence[Contribution],
    merged: bytes,
) -> int | None:
    """Start of a stretch in which `merged` is not the merge of the contributions; None if all are.

    The contributions' sources and `merged` are excerpts. For chunk-local rules. Excerpts that
    cannot be merged at all cast doubt on the first stretch.
    """
    inner = layout_of_excerpt(layout, starts)
    try:
        right = b"".join(bytes(c) for c in merge_parameters(rule, inner, contributions))
    except (BadContribution, MergeError):
        return starts[0]
    at = 0
    for start in starts:
        size = min(STRETCH_BYTES, layout.nbytes - start)
        if right[at : at + size] != merged[at : at + size]:
            return start
        at += size
    return None


def recompute_leaf(
    rule: Rule, layout: Layout, contributions: Sequence[Contribution], index: int
) -> str:
    """Leaf hash (hex) that chunk `index` of the right merge has."""
    return leaf_of(merge_chunk(rule, layout, contributions, index)).hex()
