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


def contributions_of(inputs, weights=None, bf16=()) -> tuple[Layout, list[WeightedSource]]:
    """Layout and contributions of dicts of arrays; member ids 10, 20, 30, ..."""
    buffers = [buffer_of(arrays, bf16) for arrays in inputs]
    weights = weights or [1] * len(inputs)
    return buffers[0][0], [
        WeightedSource(10 * (i + 1), w, Buffer(data))
        for i, (w, (_, data)) in enumerate(zip(weights, buffers, strict=True))
    ]


def merged(rule: Rule, layout: Layout, contributions) -> bytes:
    """The whole merged buffer."""
    return b"".join(merge_parameters(rule, layout, contributions))


def tensor(layout: Layout, buffer: bytes, name: str) -> np.ndarray:
    """One tensor's stored elements out of a buffer."""
    for t, at in zip(layout.tensors, layout.offsets, strict=True):
        if t.name == name:
            return np.frombuffer(buffer, DTYPES[t.dtype], t.count, at).reshape(t.shape)
    raise KeyError(name)


def merge_arrays(rule: Rule, arrays, weights=None, bf16=False) -> np.ndarray:
    """Merge one tensor 'a' of each member."""
    layout, contributions = contributions_of(
        [{"a": a} for a in arrays], weights, {"a"} if bf16 else ()
    )
    return tensor(layout, merged(rule, layout, contributions), "a")
