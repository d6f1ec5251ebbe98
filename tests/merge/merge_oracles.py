"""Slow and obvious versions of what `merge` does: Python floats, fractions, one value at a time."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from swarmhub.merge import Rule, WeightedSource, merge_parameters
from swarmhub.merge.vectors import Buffer
from swarmhub.params import DTYPES, Layout, buffer_of

FORMATS = {"F16": (10, 5), "BF16": (7, 8), "F32": (23, 8)}  # bits of mantissa, of exponent


def nearest_even(x: float, dtype: str) -> int:
    """Bits of x rounded exactly to nearest even, by fractions."""
    mantissa, exponent = FORMATS[dtype]
    smallest = 2 - (1 << (exponent - 1))  # exponent of the smallest normal number
    sign = int(math.copysign(1, x) < 0) << (mantissa + exponent)
    e = max(math.frexp(x)[1] - 1, smallest) if x else smallest
    q = round(abs(Fraction(x)) / Fraction(2) ** (e - mantissa))
    infinity = ((1 << exponent) - 1) << mantissa
    return sign | min(((e - smallest) << mantissa) + q, infinity)


def value_of(bits: int, dtype: str) -> float:
    """The number that the bits stand for."""
    if dtype == "BF16":
        return float(np.array([bits << 16], np.uint32).view(np.float32)[0])
    unsigned = {"F16": np.uint16, "F32": np.uint32, "F64": np.uint64}[dtype]
    return float(np.array([bits], unsigned).view(DTYPES[dtype])[0])


def tree(values: list[float]) -> float:
    """Pairwise sum: neighbours first, an odd last one moves up."""
    if len(values) == 1:
        return values[0]
    paired = [sum(values[i : i + 2]) for i in range(0, len(values), 2)]
    return tree(paired)


def column_oracle(rule: str, values: list[float], weights: list[int], trim_permille: int) -> float:
    """What one column merges to, in float64."""
    ordered = sorted(v + 0.0 for v in values)
    n = len(values)
    if rule == "weighted_mean":
        return tree([w * v for w, v in zip(weights, values, strict=True)]) / sum(weights)
    if rule == "coordinate_median":
        return ordered[n // 2] if n % 2 else (ordered[n // 2 - 1] + ordered[n // 2]) / 2
    drop = n * trim_permille // 1000
    return tree(ordered[drop : n - drop]) / (n - 2 * drop)


def square_oracle(differences: list[float], dtype: str) -> float:
    """The sum of squares of one padded tensor, by halves laid over each other."""
    per_line = 64 // DTYPES[dtype].itemsize
    squares = [d * d for d in differences] + [0.0] * (-len(differences) % per_line)
    while len(squares) > 1:
        half = len(squares) // 2
        odd = squares[2 * half :]
        squares = [a + b for a, b in zip(squares[:half], squares[half:], strict=False)] + odd
    return squares[0]


def clipped_oracle(
    rows: list[list[float]], weights: list[int], base: list[float], dtype: str
) -> list[float]:
    """What whole vectors merge to under clipped_mean, in float64."""
    deltas = [[v - b for v, b in zip(row, base, strict=True)] for row in rows]
    norms = [math.sqrt(square_oracle(d, dtype)) for d in deltas]
    longest = sorted(norms)[(len(norms) - 1) // 2]
    factors = [
        w * (1.0 if norm <= longest else longest / norm)
        for w, norm in zip(weights, norms, strict=True)
    ]
    moved = [
        tree([d * f for d, f in zip(column, factors, strict=True)]) / sum(weights)
        for column in zip(*deltas, strict=True)
    ]
    return [b + m for b, m in zip(base, moved, strict=True)]


def mixed_oracle(rows: list[list[float]], drop: int, dtype: str) -> list[float]:
    """What whole vectors merge to under nnm_trimmed_mean, in float64."""
    mixed = []
    for i, one in enumerate(rows):
        by_distance = sorted(
            (square_oracle([a - b for a, b in zip(one, other, strict=True)], dtype), j)
            for j, other in enumerate(rows)
            if j != i
        )
        near = sorted([i, *(j for _, j in by_distance[: len(rows) - drop - 1])])
        columns = zip(*(rows[j] for j in near), strict=True)
        mixed.append([tree(list(column)) / len(near) for column in columns])
    found = []
    for column in zip(*mixed, strict=True):
        kept = sorted(v + 0.0 for v in column)[drop : len(rows) - drop]
        found.append(tree(kept) / len(kept))
    return found


def contributions_of(inputs, weights=None, bf16=()) -> tuple[Layout, list[WeightedSource]]:
    """Layout and contributions of dicts of arrays; member ids 10, 20, 30, ..."""
    buffers = [buffer_of(arrays, bf16) for arrays in inputs]
    weights = weights or [1] * len(inputs)
    return buffers[0][0], [
        WeightedSource(10 * (i + 1), w, Buffer(data))
        for i, (w, (_, data)) in enumerate(zip(weights, buffers, strict=True))
    ]


def zeros_of(layout: Layout) -> Buffer:
    """A base model of zeros."""
    return Buffer(bytes(layout.nbytes))


def merged(rule: Rule, layout: Layout, contributions, base=None) -> bytes:
    """The whole merged buffer; the base is zero unless there is one."""
    return b"".join(merge_parameters(rule, layout, contributions, base or zeros_of(layout)))


def tensor(layout: Layout, buffer: bytes, name: str) -> np.ndarray:
    """One tensor's stored elements out of a buffer."""
    for t, at in zip(layout.tensors, layout.offsets, strict=True):
        if t.name == name:
            return np.frombuffer(buffer, DTYPES[t.dtype], t.count, at).reshape(t.shape)
    raise KeyError(name)


def merge_arrays(rule: Rule, arrays, weights=None, bf16=False, base=None) -> np.ndarray:
    """Merge one tensor 'a' of each member."""
    names = {"a"} if bf16 else ()
    layout, contributions = contributions_of([{"a": a} for a in arrays], weights, names)
    before = None if base is None else Buffer(buffer_of({"a": base}, names)[1])
    return tensor(layout, merged(rule, layout, contributions, before), "a")
