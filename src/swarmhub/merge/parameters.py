"""Merging parameters, chunk by chunk: read, check, combine, round.

For each chunk of 1 MiB all contributions' chunks are read and checked; then blocks of values that
fit the CPU's second-level cache are widened to float64, combined by the rule and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swarmhub.merge.arithmetic import narrow
from swarmhub.merge.blocks import Scratch, blocks
from swarmhub.merge.geometric import geometric_weights
from swarmhub.merge.pieces import Bytes, Piece, WeightedSource, in_order, piece_of, pieces, read
from swarmhub.merge.rules import CHUNK_LOCAL, Combine, Rule, by_weights, local_rule, lower_median
from swarmhub.params import Layout


def merge_parameters(
    rule: Rule, layout: Layout, contributions: Sequence[WeightedSource]
) -> Iterator[memoryview | bytes]:
    """Yield the merged canonical buffer in chunks of CHUNK_BYTES (the last may be shorter).

    The order of the contributions does not matter. Raises MergeError, at once, for none of them,
    two of one member or a weight below 1; while iterating, BadContribution for values that may not
    be merged. Each yielded chunk is a buffer of its own.
    """
    ordered = in_order(contributions)
    if rule.name in CHUNK_LOCAL:
        local_rule(rule, [c.weight for c in ordered])  # refuses rules that cannot work
    return _stream(rule, layout, ordered)


def _stream(
    rule: Rule, layout: Layout, ordered: Sequence[WeightedSource]
) -> Iterator[memoryview | bytes]:
    combine = _combine(rule, layout, ordered)
    scratch = Scratch(len(ordered))
    for piece in pieces(layout):
        yield _merged(piece, ordered, combine, scratch).data


def merge_chunk(
    rule: Rule, layout: Layout, contributions: Sequence[WeightedSource], index: int
) -> bytes:
    """Return chunk `index` of the merged buffer, for an auditor; errors as of `merge_parameters`.

    A chunk-local rule reads that chunk only; the geometric median reads everything first.
    """
    ordered = in_order(contributions)
    piece = piece_of(layout, index)
    combine = _combine(rule, layout, ordered)
    return _merged(piece, ordered, combine, Scratch(len(ordered))).tobytes()


def _combine(rule: Rule, layout: Layout, ordered: Sequence[WeightedSource]) -> Combine:
    if rule.name in CHUNK_LOCAL:
        return local_rule(rule, [c.weight for c in ordered])
    return by_weights(geometric_weights(layout, ordered))


def _merged(
    piece: Piece, ordered: Sequence[WeightedSource], combine: Combine, scratch: Scratch
) -> Bytes:
    raws = [read(c.member, c.source, piece) for c in ordered]
    out = np.empty(piece.nbytes, np.uint8)
    with np.errstate(all="ignore"):  # values become subnormal or zero; MAX_F64: nothing overflows
        for block in blocks(piece):
            target = block.of(out)
            stored = [block.of(raw) for raw in raws]
            if block.is_float:
                narrow(combine(scratch.widened(stored, block.dtype)), block.dtype, target)
            else:
                np.copyto(target, lower_median(stored))
    return out
