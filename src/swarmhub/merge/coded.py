"""Coded blocks: 252 values in 256 bytes, as 8-bit whole numbers and one scale.

    bytes 0 to 251     q, int8 from -127 to 127
    bytes 252 to 255   scale, float32, finite and not negative

A block stands for the values q x scale. Of values v the scale is float32(max |v| / 127), and q is
v / scale, rounded to nearest even; a scale that rounds to zero makes all q zero. All of this is
elementwise, or a maximum, so all members get the same bits. Blocks of 256 bytes divide chunks and
the stretches of an audit: each is read without its neighbours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from swarmhub.params import Layout, Tensor

CODED = "CODED"  # the type of such blocks, beside the names of params.DTYPES
BLOCK_VALUES, BLOCK_BYTES = 252, 256
MOST = 127  # of q, in either direction
ROW = np.dtype((np.void, BLOCK_BYTES))

Float64s = npt.NDArray[np.float64]
Array = npt.NDArray[np.generic]


def is_coded(tensor: Tensor) -> bool:
    """Return whether a tensor of an int8 wire layout holds coded blocks: in such a layout all
    others have one dimension."""
    return tensor.dtype == "U8" and len(tensor.shape) == 2


def has_room_for_blocks(layout: Layout) -> bool:
    """Return whether every tensor takes whole blocks, so that none straddles a chunk."""
    return all(tensor.nbytes % BLOCK_BYTES == 0 for tensor in layout.tensors)


def split(rows: Array) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Return views of the whole numbers (n, 252) and the scales (n,) of n blocks."""
    raw = rows.view(np.uint8).reshape(-1, BLOCK_BYTES)
    return raw[:, :BLOCK_VALUES].view(np.int8), raw[:, BLOCK_VALUES:].view("<f4")[:, 0]


def decode(rows: Array, out: Float64s) -> None:
    """Write the values of n blocks to `out` (n * 252,), exactly."""
    whole, scales = split(rows)
    values = out.reshape(-1, BLOCK_VALUES)
    np.copyto(values, whole)
    np.multiply(values, scales.astype(np.float64)[:, np.newaxis], out=values)


def encode(values: Float64s, out: Array) -> None:
    """Write finite values (n * 252,) as n blocks; a scale may become inf."""
    grouped = values.reshape(-1, BLOCK_VALUES)
    whole, scales = split(out)
    largest = np.abs(grouped).max(axis=1)
    np.copyto(scales, largest / float(MOST), casting="same_kind")
    steps = scales.astype(np.float64)
    divisors = np.where(steps > 0.0, steps, 1.0)[:, np.newaxis]
    found = np.where(steps[:, np.newaxis] > 0.0, grouped / divisors, 0.0)
    np.rint(found, out=found)
    np.clip(found, -MOST, MOST, out=found)  # a scale below the smallest normal number is coarse
    np.copyto(whole, found, casting="unsafe")


def is_sound(rows: Array) -> bool:
    """Return whether n blocks are as `encode` makes them: scales finite and not negative, no
    -128."""
    whole, scales = split(rows)
    bits = scales.view("<u4")
    return bool((bits < 0x7F800000).all() and (whole >= -MOST).all())
