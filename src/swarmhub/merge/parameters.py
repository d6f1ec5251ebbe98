"""Merging parameters, chunk by chunk: read, check, combine, round.

For each chunk of 1 MiB all contributions' chunks are read and checked; then blocks of values that
fit the CPU's second-level cache are widened to float64, combined by the rule and rounded once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swarmhub.merge.arithmetic import narrow
from swarmhub.merge.blocks import Scratch, blocks
from swarmhub.merge.clipping import clipped_mean_of
from swarmhub.merge.geometric import geometric_weights
from swarmhub.merge.inputs import Inputs, make_inputs
from swarmhub.merge.nearest import mixed_trimmed_mean_of
from swarmhub.merge.pieces import Bytes, Piece, Source, WeightedSource, piece_of, pieces
from swarmhub.merge.rules import (
    CHUNK_LOCAL,
    TRIMMED,
    Combine,
    Rule,
    by_weights,
    count_trimmed,
    local_rule,
    lower_median,
)
from swarmhub.params import Layout


def merge_parameters(
    rule: Rule,
    layout: Layout,
    contributions: Sequence[WeightedSource],
    base: Source | None = None,
    coded: bool = False,
) -> Iterator[memoryview | bytes]:
    """Yield the merged canonical buffer in chunks of CHUNK_BYTES (the last may be shorter).

    The order of the contributions does not matter; `base`, the model from which they started, does
    to NEEDS_BASE only. Raises MergeError, at once, for none of them, two of one member or a weight
    below 1; while iterating, BadContribution for values that may not be merged. Each yielded chunk
    is a buffer of its own.
    """
    inputs = make_inputs(rule, contributions, base, coded)
    if rule.name in TRIMMED:
        count_trimmed(rule, len(inputs.contributions))  # refuses a trim that leaves none
    return _stream(rule, layout, inputs)


def _stream(rule: Rule, layout: Layout, inputs: Inputs) -> Iterator[memoryview | bytes]:
    combine = _combine(rule, layout, inputs)
    scratch = make_scratch(inputs)
    for piece in pieces(layout, inputs.coded):
        yield _merged(piece, inputs, combine, scratch).data


def merge_chunk(
    rule: Rule,
    layout: Layout,
    contributions: Sequence[WeightedSource],
    index: int,
    base: Source | None = None,
    coded: bool = False,
) -> bytes:
    """Return chunk `index` of the merged buffer, for an auditor; errors as of `merge_parameters`.

    A chunk-local rule reads that chunk only; the others read everything first.
    """
    inputs = make_inputs(rule, contributions, base, coded)
    piece = piece_of(layout, index, coded)
    combine = _combine(rule, layout, inputs)
    return _merged(piece, inputs, combine, make_scratch(inputs)).tobytes()


def make_scratch(inputs: Inputs) -> Scratch:
    """Return rows for all that is read of a block."""
    return Scratch(len(inputs.contributions) + (inputs.base is not None))


def _combine(rule: Rule, layout: Layout, inputs: Inputs) -> Combine:
    if rule.name in CHUNK_LOCAL:
        return local_rule(rule, inputs.weights)
    if rule.name == "geometric_median":
        return by_weights(geometric_weights(layout, inputs))
    if rule.name == "clipped_mean":
        return clipped_mean_of(layout, inputs)
    return mixed_trimmed_mean_of(layout, inputs, count_trimmed(rule, len(inputs.contributions)))


def _merged(piece: Piece, inputs: Inputs, combine: Combine, scratch: Scratch) -> Bytes:
    raws, n = inputs.read(piece), len(inputs.contributions)
    out = np.empty(piece.nbytes, np.uint8)
    with np.errstate(all="ignore"):  # values become subnormal or zero; MAX_F64: nothing overflows
        for block in blocks(piece):
            target = block.of(out)
            stored = [block.of(raw) for raw in raws]
            if block.is_float:
                narrow(combine(scratch.widened(stored, block.dtype)), block.dtype, target)
            else:
                np.copyto(target, lower_median(stored[:n]))
    return out
