"""Masked sums of whole numbers, in the ring of 2^64: statistics, histograms, counts.

Arrays are int64 (whole numbers or steps of fixed point), within a declared bound such that n x
bound < 2^63: the sum of n members is then exact, whatever the masks wrap. One element of the ring
for each element of the array, so the layout stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub.errors import MaskError
from swarmhub.merge.pieces import Bytes, Piece, Source, pieces
from swarmhub.merge.sums import MAX_STEPS, SumRule
from swarmhub.params import Layout
from swarmhub.privacy.masking import Mask, apply_masks

RING_LIMIT = 2**63
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class MaskedSums:
    """The sums of so many members' arrays of a layout, and how the arrays are added: limits of one
    member's values, and arrays that all members send alike."""

    layout: Layout
    members: int
    rule: SumRule

    def limits_of(self, name: str) -> tuple[int, int]:
        """Return the smallest and the largest value of one member in an array."""
        limit = next((one for one in self.rule.limits if one.array == name), None)
        return (-MAX_STEPS, MAX_STEPS) if limit is None else (limit.low, limit.high)


def need_bound(members: int, bound: int) -> None:
    """Raise MaskError unless sums over that many members within ±`bound` fit the ring."""
    if members < 1 or bound < 0 or members * bound >= RING_LIMIT:
        raise MaskError(
            f"Expected members x bound below 2^63 in a masked sum, got {members} x {bound}."
        )


def mask_arrays(
    layout: Layout, bound: int, masks: Sequence[Mask], own: Source
) -> Iterator[memoryview]:
    """Yield the masked buffer of int64 arrays in chunks of CHUNK_BYTES.

    Raises MaskError for another type (at once), a value beyond ±`bound`, or another length.
    """
    need_int64(layout)
    return (_masked(piece, bound, masks, own).data for piece in pieces(layout))


def unmask_arrays(
    sums: MaskedSums, masks: Sequence[Mask], summed: Source
) -> Iterator[tuple[memoryview, tuple[str, ...]]]:
    """Yield the buffer of the sums in chunks of CHUNK_BYTES, each with the names of its false
    arrays: `masks` are the inverses of those that remain in the sum.

    A sum that its members cannot have made within the limits is cut to them, and an array that they
    did not send alike is their mean, rounded down. One member's part is false then, and nobody can
    tell whose; all nodes compute the same, and the round goes on. Raises MaskError for another type
    (at once) or length.
    """
    need_int64(sums.layout)
    need_bound(sums.members, MAX_STEPS)
    return (_unmasked(sums, piece, masks, summed) for piece in pieces(sums.layout))


def need_int64(layout: Layout) -> None:
    """Raise MaskError, with its name, for an array that is not int64."""
    for tensor in layout.tensors:
        if tensor.dtype != "I64":
            raise MaskError(
                f"Expected int64 in the masked sum {tensor.name[:60]!r}, got {tensor.dtype}; "
                "give it bounds with bits in the terms (fixed point)."
            )


def _masked(piece: Piece, bound: int, masks: Sequence[Mask], own: Source) -> Bytes:
    raw = _read(piece, own)
    _need_within(raw, bound)
    apply_masks(raw.view("<u8"), piece.offset, masks)
    raw[piece.padding] = 0
    return raw


def _unmasked(
    sums: MaskedSums, piece: Piece, masks: Sequence[Mask], summed: Source
) -> tuple[memoryview, tuple[str, ...]]:
    raw = _read(piece, summed)
    apply_masks(raw.view("<u8"), piece.offset, masks)
    raw[piece.padding] = 0
    false = [
        tensor.name
        for tensor, start, stop in piece.parts
        if not _settle(sums, tensor.name, raw[start:stop].view("<i8"))
    ]
    return raw.data, tuple(false)


def _settle(sums: MaskedSums, name: str, values: Whole) -> bool:
    """Turn sums into what the array settles to, in place; return whether they can be true."""
    low, high = sums.limits_of(name)
    is_alike = True
    if name in sums.rule.agreed:
        is_alike = not (values % sums.members).any()
        np.floor_divide(values, sums.members, out=values)
    else:
        low, high = low * sums.members, high * sums.members
    is_within = bool(values.min(initial=high) >= low and values.max(initial=low) <= high)
    if not is_within:
        np.clip(values, low, high, out=values)
    return is_alike and is_within


def _read(piece: Piece, source: Source) -> Bytes:
    data = memoryview(source.read_at(piece.offset, piece.nbytes))
    if data.nbytes != piece.nbytes:
        raise MaskError(f"Expected {piece.nbytes} bytes of arrays, got {data.nbytes}.")
    return np.frombuffer(data, np.uint8).copy()


def _need_within(raw: Bytes, bound: int) -> None:
    values = raw.view("<i8")
    low, high = int(values.min(initial=0)), int(values.max(initial=0))
    if low < -bound or high > bound:
        raise MaskError(
            f"Expected -{bound} to {bound} in a masked sum, got {low if low < -bound else high}."
        )
