"""Distances between contributions as whole vectors: all float tensors, one pass over all chunks.

Differences are squared block by block and added by `fold`: over a block, over the blocks of a
chunk, over the chunks. The model is never held in memory, only one total a chunk and distance.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from swarmhub.merge.arithmetic import Array, Float64s, fold, widen
from swarmhub.merge.blocks import BLOCK, Scratch, blocks, values_of
from swarmhub.merge.inputs import Inputs
from swarmhub.merge.pieces import pieces
from swarmhub.merge.rules import Combine
from swarmhub.params import Layout

# stored rows (N, P) of one type (N + 1 with a base) -> as many float64 rows as there are distances
Differences = Callable[[Sequence[Array], str], Iterator[Float64s]]


def distances_to(layout: Layout, inputs: Inputs, combine: Combine | None) -> list[float]:
    """Return the Euclidean distance of each contribution to the point of `combine` (None: to the
    base), (N,)."""
    n = len(inputs.contributions)
    scratch, centre = Scratch(n), np.empty(BLOCK)

    def subtract(stored: Sequence[Array], dtype: str) -> Iterator[Float64s]:
        point = centre[: stored[0].size * values_of(dtype)]
        if combine is None:
            widen(stored[n], dtype, point)
        else:
            np.copyto(point, combine(scratch.widened(stored, dtype)))
        for row in scratch.widened(stored[:n], dtype):
            yield np.subtract(row, point, out=row)

    return [math.sqrt(square) for square in _add_squares(layout, inputs, subtract, n)]


def squared_distances(layout: Layout, inputs: Inputs) -> list[list[float]]:
    """Return the squared Euclidean distance of each two contributions, (N, N).

    Of each pair by itself: from inner products, a wild contribution would drown the distances of
    the others in rounding.
    """
    n = len(inputs.contributions)
    pairs = list(itertools.combinations(range(n), 2))
    scratch, spare = Scratch(n), np.empty(BLOCK)

    def subtract(stored: Sequence[Array], dtype: str) -> Iterator[Float64s]:
        rows = scratch.widened(stored, dtype)
        for i, j in pairs:
            yield np.subtract(rows[i], rows[j], out=spare[: rows[i].size])

    found = [[0.0] * n for _ in range(n)]
    for (i, j), square in zip(
        pairs, _add_squares(layout, inputs, subtract, len(pairs)), strict=True
    ):
        found[i][j] = found[j][i] = square
    return found


def _add_squares(
    layout: Layout, inputs: Inputs, differences: Differences, count: int
) -> list[float]:
    totals: list[list[float]] = [[] for _ in range(count)]  # one a chunk
    for piece in pieces(layout, inputs.coded):
        raws = inputs.read(piece)
        squares: list[list[float]] = [[] for _ in range(count)]  # one a block
        for block in blocks(piece):
            if not block.is_float:
                continue
            rows = differences([block.of(raw) for raw in raws], block.dtype)
            for row, into in zip(rows, squares, strict=True):
                np.multiply(row, row, out=row)
                into.append(fold(row))
        for into, found in zip(totals, squares, strict=True):
            into.append(fold(np.array(found, np.float64)))
    return [fold(np.array(found, np.float64)) for found in totals]
