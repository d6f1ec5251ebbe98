"""Arithmetic that gives the same bits everywhere.

Rounding to a narrow type. bfloat16 and float16 are reached from float64 by way of float32, and
two roundings to nearest can err (a value just above a tie is first rounded onto the tie). The
cure is to round the first time to odd: cut the value off towards zero, and set the last bit if
anything was lost. That bit remembers "there was more", float32 has at least two bits more than
either target (subnormals included), and so the second rounding, to nearest even, is that of the
exact value (Boldo and Melquiond 2008, "Emulation of FMA and correctly rounded sums").

Sorting. Rows are sorted against each other, element by element, by a network of (min, max) pairs
that depends on the number of rows alone: Batcher's odd-even merge sort (1968; Knuth 5.2.2). For
the few rows of a swarm it is also several times faster than sorting each column.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from swarmhub.merge import coded

Float64s = npt.NDArray[np.float64]
Array = npt.NDArray[np.generic]


def tree_sum(rows: Sequence[Float64s]) -> Float64s:
    """Return the elementwise sum of N rows of shape (P,) by a pairwise tree; overwrites the rows.

    Neighbours are added, an odd last row moves up unchanged (the shape of params' Merkle tree).
    """
    level = list(rows)
    while len(level) > 1:
        paired = [np.add(level[i], level[i + 1], out=level[i]) for i in range(0, len(level) - 1, 2)]
        level = paired + level[len(paired) * 2 :]
    return level[0]


def fold(values: Float64s) -> float:
    """Return the sum of the elements of one array (P,), by halves laid over each other; overwrites
    it."""
    n = values.size
    if n == 0:
        return 0.0
    while n > 1:
        half = n // 2
        np.add(values[:half], values[half : 2 * half], out=values[:half])
        if n % 2:
            values[half] = values[n - 1]
        n = half + n % 2
    return float(values[0])


@functools.cache
def comparators(n: int) -> tuple[tuple[int, int], ...]:
    """Return the pairs (low, high) of Batcher's network for n rows, in order."""
    pairs: list[tuple[int, int]] = []
    p = 1
    while p < n:
        k = p
        while k >= 1:
            for start in range(k % p, n - k, 2 * k):
                pairs += [
                    (i, i + k)
                    for i in range(start, min(start + k, n - k))
                    if i // (2 * p) == (i + k) // (2 * p)
                ]
            k //= 2
        p *= 2
    return tuple(pairs)


def sort_rows(rows: Sequence[npt.NDArray[np.generic]]) -> list[npt.NDArray[np.generic]]:
    """Sort N rows (P,) of one type in every column, ascending; overwrites the rows.

    Floats must hold neither NaN nor -0.0: then equal values have equal bits.
    """
    rows = list(rows)
    spare = np.empty_like(rows[0])
    for low, high in comparators(len(rows)):
        np.minimum(rows[low], rows[high], out=spare)
        np.maximum(rows[low], rows[high], out=rows[high])
        rows[low], spare = spare, rows[low]
    return rows


def widen(stored: Array, dtype: str, out: Float64s) -> None:
    """Widen stored floats (P,) to float64, exactly. BF16 is given as its bits, and blocks
    (`coded`) as rows of which each has many values."""
    if dtype == coded.CODED:
        coded.decode(stored, out)
        return
    if dtype == "BF16":
        stored = (stored.astype("<u4") << np.uint32(16)).view("<f4")
    np.copyto(out, stored)


def narrow(values: Float64s, dtype: str, out: Array) -> None:
    """Round finite float64 (P,) once, to nearest even, to the stored type; may become inf."""
    if dtype == coded.CODED:
        coded.encode(values, out)
    elif dtype == "F16":
        np.copyto(out, _float32_to_odd(values), casting="same_kind")
    elif dtype == "BF16":
        bits = _float32_to_odd(values).view(np.uint32)
        last = (bits >> np.uint32(16)) & np.uint32(1)
        np.copyto(out, (bits + np.uint32(0x7FFF) + last) >> np.uint32(16), casting="same_kind")
    else:
        np.copyto(out, values, casting="same_kind")


def _float32_to_odd(values: Float64s) -> npt.NDArray[np.float32]:
    """Round float64 to float32, to odd; too large values become the largest (odd) float32."""
    near = values.astype(np.float32)
    back = near.astype(np.float64)
    bits = near.view(np.uint32)
    bits -= np.abs(back) > np.abs(values)  # rounded away from zero: one step back
    bits |= back != values  # inexact: set the last bit
    return near
