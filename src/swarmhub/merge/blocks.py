"""Blocks: the unit of arithmetic, small enough to stay in the CPU's second-level cache."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from swarmhub.merge.arithmetic import Array, Float64s, widen
from swarmhub.merge.coded import BLOCK_VALUES, CODED, ROW
from swarmhub.merge.pieces import Bytes, Piece
from swarmhub.params import DTYPES
from swarmhub.params.layout import FLOATS

# Elements: 128 KiB of float64 a row. Smaller pays NumPy's overhead a call, larger leaves the cache
# (measured). Part of the geometric median's definition: it sets the order of the squares' sum.
BLOCK = 1 << 14


@dataclass(frozen=True)
class Block:
    """Bytes [start, stop) of a chunk: at most BLOCK elements of one type."""

    dtype: str
    start: int
    stop: int

    @property
    def is_float(self) -> bool:
        """Whether the rule applies (integers and booleans have their own)."""
        return self.dtype in FLOATS or self.dtype == CODED

    def of(self, chunk: Bytes) -> Array:
        """Return the elements (P,) of this block in a chunk's bytes, without a copy."""
        return chunk[self.start : self.stop].view(stored_type(self.dtype))


def blocks(piece: Piece) -> Iterator[Block]:
    """Yield the blocks that cover a chunk, in order."""
    for run in piece.runs:
        step = BLOCK // values_of(run.dtype) * stored_type(run.dtype).itemsize
        for start in range(run.start, run.stop, step):
            yield Block(run.dtype, start, min(start + step, run.stop))


def stored_type(dtype: str) -> np.dtype[np.generic]:
    """Return the NumPy type of stored elements; a coded block counts as one."""
    return ROW if dtype == CODED else DTYPES[dtype]


def values_of(dtype: str) -> int:
    """Return how many values a stored element has."""
    return BLOCK_VALUES if dtype == CODED else 1


class Scratch:
    """Float64 rows (N, BLOCK) that are reused from block to block."""

    def __init__(self, n: int) -> None:
        self._rows = np.empty((n, BLOCK))

    def widened(self, stored: Sequence[Array], dtype: str) -> list[Float64s]:
        """Return the stored rows (N, P) as float64, in scratch memory until the next call."""
        rows: list[Float64s] = []
        for i, values in enumerate(stored):
            rows.append(self.row(i, values.size * values_of(dtype)))
            widen(values, dtype, rows[-1])
        return rows

    def row(self, index: int, size: int) -> Float64s:
        """Return a row (P,) of scratch memory."""
        row: Float64s = self._rows[index, :size]
        return row
