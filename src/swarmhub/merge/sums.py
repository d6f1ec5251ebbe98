"""Sums of the hospitals' arrays: exact for int64 and fixed point, the same bits everywhere for
float64.

    int64     whole numbers, or fixed point (whole steps of 2^-bits): added exactly. Each value of a
              member is within 2^53 steps, so 512 members cannot overflow the sum.
    float64   added in the order of member ids, by the pairwise tree of `arithmetic.tree_sum`
    agreed    arrays that all members compute alike, as the point at which an iteration stands: each
              element's median (`rules`), which a Byzantine minority cannot change

Weights do not matter. Memory is O(inputs x 1 MiB).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from swarmhub.errors import BadContribution
from swarmhub.merge.arithmetic import Array, Float64s, tree_sum
from swarmhub.merge.pieces import (
    Bytes,
    Piece,
    Source,
    WeightedSource,
    in_order,
    piece_of,
    pieces,
    read,
)
from swarmhub.merge.rules import coordinate_median, lower_median
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout

MAX_STEPS = 2**53  # of one member's value
SUMMABLE = {"I64": "int64", "F64": "float64"}


@dataclass(frozen=True)
class Limit:
    """Smallest and largest stored value of an array (int64, in steps)."""

    array: str
    low: int
    high: int


@dataclass(frozen=True)
class SumRule:
    """How arrays are added: which are `agreed` instead, and the limits of some. `limits_all`: an
    array without limits is refused."""

    agreed: tuple[str, ...] = ()
    limits: tuple[Limit, ...] = ()
    limits_all: bool = False


def merge_sums(
    rule: SumRule, layout: Layout, contributions: Sequence[WeightedSource]
) -> Iterator[memoryview]:
    """Yield the canonical buffer of the sums in chunks of CHUNK_BYTES (the last may be shorter).

    Raises MergeError, at once, for no contribution or two of one member; while iterating,
    BadContribution for values that cannot be added.
    """
    ordered = in_order(contributions)
    check_arrays(rule, layout, ordered[0].member)
    return (_summed(rule, piece, ordered).data for piece in pieces(layout))


def sum_chunk(
    rule: SumRule, layout: Layout, contributions: Sequence[WeightedSource], index: int
) -> bytes:
    """Return chunk `index` of the sums' buffer, for an auditor; errors as of `merge_sums`."""
    ordered = in_order(contributions)
    check_arrays(rule, layout, ordered[0].member)
    return _summed(rule, piece_of(layout, index), ordered).tobytes()


def check_summand(rule: SumRule, layout: Layout, member: int, source: Source) -> None:
    """Read all of a contribution. Raises BadContribution, with the array, if it cannot be added."""
    check_arrays(rule, layout, member)
    for piece in pieces(layout):
        _read(rule, member, source, piece)


def check_arrays(rule: SumRule, layout: Layout, member: int) -> None:
    """Check types and names: only int64 and float64 are added; arrays that the terms name are
    there, and int64 if they have limits."""
    types = {t.name: t.dtype for t in layout.tensors}
    limited = {limit.array for limit in rule.limits}
    for name, dtype in types.items():
        if dtype not in SUMMABLE:
            expected = " or ".join(SUMMABLE.values())
            raise BadContribution(member, f"expected {expected} in {name!r}, got {dtype}")
        if name in limited and dtype != "I64":
            raise BadContribution(member, f"expected int64 in {name!r}, which has bounds")
        if rule.limits_all and name not in limited:
            raise BadContribution(member, f"the terms have no bounds for the array {name!r}")
    for name in (*sorted(limited), *rule.agreed):
        if name not in types and not rule.limits_all:
            raise BadContribution(member, f"expected an array {name!r}, which the terms name")


def is_within(layout: Layout, source: Source, array: str, most: int) -> bool:
    """Return whether no element of an int64 array of a buffer is larger than `most`, in either
    direction; False if there is no such array."""
    for tensor, offset in zip(layout.tensors, layout.offsets, strict=True):
        if (tensor.name, tensor.dtype) == (array, "I64"):
            stop = offset + tensor.nbytes
            return all(
                _is_small(source.read_at(at, min(CHUNK_BYTES, stop - at)), most)
                for at in range(offset, stop, CHUNK_BYTES)
            )
    return False


def _is_small(data: bytes | bytearray | memoryview, most: int) -> bool:
    values = np.frombuffer(data, DTYPES["I64"])
    return bool(values.min() >= -most and values.max() <= most)


def _read(rule: SumRule, member: int, source: Source, piece: Piece) -> Bytes:
    raw = read(member, source, piece)
    limits = {limit.array: limit for limit in rule.limits}
    for tensor, start, stop in piece.parts:
        if tensor.dtype != "I64":
            continue
        values = raw[start:stop].view(DTYPES["I64"])
        limit = limits.get(tensor.name, Limit(tensor.name, -MAX_STEPS, MAX_STEPS))
        low, high = int(values.min()), int(values.max())
        if low < limit.low or high > limit.high:
            found = low if low < limit.low else high
            raise BadContribution(
                member, f"expected {limit.low} to {limit.high} in {tensor.name!r}, got {found}"
            )
    return raw


def _summed(rule: SumRule, piece: Piece, ordered: Sequence[WeightedSource]) -> Bytes:
    raws = [_read(rule, c.member, c.source, piece) for c in ordered]
    out = np.zeros(piece.nbytes, np.uint8)
    for tensor, start, stop in piece.parts:
        rows = [raw[start:stop].view(DTYPES[tensor.dtype]) for raw in raws]
        target = out[start:stop].view(DTYPES[tensor.dtype])
        np.copyto(target, _combined(rows, tensor.dtype, tensor.name in rule.agreed))
    return out


def _combined(rows: Sequence[Array], dtype: str, is_agreed: bool) -> Array:
    if dtype == "I64":
        return lower_median(rows) if is_agreed else np.add.reduce([*rows], dtype=np.int64)
    floats: list[Float64s] = [row.astype(np.float64) for row in rows]
    return coordinate_median(floats) if is_agreed else tree_sum(floats)
