"""Merging of contributions into one model, with the same bits on every CPU.

A leader merges, every other member may recompute any chunk, and the two digests must agree. So the
arithmetic is specified completely:

- inputs are taken in the order of member ids;
- values are widened to float64 and combined by elementwise + - * / and sqrt only, each a separate
  ufunc call (IEEE 754 fixes the result of each; a fused multiply-add would not be the same);
- sums follow an explicit pairwise tree, never `np.sum` (its order depends on the CPU);
- sorting is a fixed network of min and max, with -0.0 made +0.0 first;
- loops have a fixed number of steps, no tolerance stops them;
- one rounding, to nearest even, happens at the end, to the stored type.

A value that is not finite is refused and its sender named; a result that overflows is refused.
Padding is zero in and therefore zero out. Memory is O(inputs x 1 MiB), whatever the model's size.

    pieces      one chunk of the layout: the places of its values, reading and checking it
    blocks      the unit of arithmetic, which fits the cache
    arithmetic  the tree, the sorting network, widening and rounding
    rules       the rules, each on one block of values
    caps        a bound on one member's weight
    inputs      the contributions and the model before them
    distances   distances of whole contributions, found by a pass over all chunks
    geometric   the weights behind the geometric median
    clipping    the clipped mean
    nearest     mixing each contribution with its nearest
    parameters  chunk by chunk: read, check, combine, round
    coded       8-bit values in blocks with a scale
    wire        changes of a model in few bytes, and the model that follows from one
    audit       recomputing parts of a merge
    sums        adding the hospitals' arrays, exactly
    documents   merging the hospitals' statistics of their tables
    vectors     this machine against recorded results

Nothing here touches disk (but its own vectors), network, clock or randomness.
"""

from swarmhub.merge.audit import (
    STRETCH_BYTES,
    draw,
    excerpt,
    find_false_excerpts,
    find_false_stretch,
    recompute_leaf,
)
from swarmhub.merge.documents import merge_statistics
from swarmhub.merge.modular import merge_modular, modular_chunk
from swarmhub.merge.parameters import merge_chunk, merge_parameters
from swarmhub.merge.pieces import Source, WeightedSource, check_contribution
from swarmhub.merge.rules import CHUNK_LOCAL, NAMES, NEEDS_BASE, TRIMMED, WEIGHTED, Rule
from swarmhub.merge.sums import Limit, SumRule, check_summand, is_within, merge_sums, sum_chunk
from swarmhub.merge.vectors import self_test
from swarmhub.merge.wire import (
    WIRE_TIMES,
    Zeros,
    apply_change,
    encode_model,
    is_coded_format,
    wire_layout,
)

__all__ = [
    "CHUNK_LOCAL",
    "NAMES",
    "NEEDS_BASE",
    "STRETCH_BYTES",
    "TRIMMED",
    "WEIGHTED",
    "WIRE_TIMES",
    "Limit",
    "Rule",
    "Source",
    "SumRule",
    "WeightedSource",
    "Zeros",
    "apply_change",
    "check_contribution",
    "check_summand",
    "draw",
    "encode_model",
    "excerpt",
    "find_false_excerpts",
    "find_false_stretch",
    "is_coded_format",
    "is_within",
    "merge_chunk",
    "merge_modular",
    "merge_parameters",
    "merge_statistics",
    "merge_sums",
    "modular_chunk",
    "recompute_leaf",
    "self_test",
    "sum_chunk",
    "wire_layout",
]
