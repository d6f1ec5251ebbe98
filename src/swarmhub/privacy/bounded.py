"""Masked sums of whole numbers, in the ring of 2^64: statistics, histograms, counts.

Arrays are int64 (whole numbers or steps of fixed point), within a declared bound such that n x
bound < 2^63: the sum of n members is then exact, whatever the masks wrap. One element of the ring
for each element of the array, so the layout stays the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from swarmhub.errors import MaskError
from swarmhub.merge.pieces import Bytes, Piece, Source, pieces
from swarmhub.params import Layout
from swarmhub.privacy.masking import Mask, apply_masks

RING_LIMIT = 2**63


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
    layout: Layout, bound: int, masks: Sequence[Mask], summed: Source
) -> Iterator[memoryview]:
    """Yield the buffer of the sums: `masks` are the inverses of those that remain in them, `bound`
    that of all members together. Raises MaskError as `mask_arrays` does: a sum beyond the bound
    means a false input or a false mask."""
    need_int64(layout)
    return (_unmasked(piece, bound, masks, summed).data for piece in pieces(layout))


def need_int64(layout: Layout) -> None:
    """Raise MaskError, with its name, for an array that is not int64."""
    for tensor in layout.tensors:
        if tensor.dtype != "I64":
            raise MaskError(
                f"Expected int64 in the masked sum {tensor.name[:60]!r}, got {tensor.dtype}; use "
                "fixed point, or a plain stage."
            )


def _masked(piece: Piece, bound: int, masks: Sequence[Mask], own: Source) -> Bytes:
    raw = _read(piece, own)
    _need_within(raw, bound)
    apply_masks(raw.view("<u8"), piece.offset, masks)
    raw[piece.padding] = 0
    return raw


def _unmasked(piece: Piece, bound: int, masks: Sequence[Mask], summed: Source) -> Bytes:
    raw = _read(piece, summed)
    apply_masks(raw.view("<u8"), piece.offset, masks)
    raw[piece.padding] = 0
    _need_within(raw, bound)
    return raw


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
