"""The layout of a part of a buffer: the range of chunks that one leader merges.

A part is byte by byte a canonical buffer of its own, with a tensor for each piece of a tensor that
lies in it: tensors start at multiples of 64 bytes, and chunks do. Its layout has no document: it
has the name that the contract gives it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from swarmhub.errors import Malformed
from swarmhub.merkle import CHUNK_BYTES
from swarmhub.params.layout import DTYPES, Layout, Tensor


@dataclass(frozen=True)
class PartLayout(Layout):
    """The layout of a part, by its name."""

    name: str = ""

    @property
    def digest(self) -> str:
        """The name of the layout."""
        return self.name


def cut_layout(layout: Layout, start: int, nbytes: int, name: str) -> Layout:
    """Return the layout of the bytes from `start` on, a multiple of CHUNK_BYTES. Raises Malformed
    if the buffer has no such part."""
    stop = start + nbytes
    ends_well = stop == layout.nbytes or (stop < layout.nbytes and stop % CHUNK_BYTES == 0)
    if start % CHUNK_BYTES or not 0 <= start < stop or not ends_well:
        raise Malformed(f"Expected a part of {layout.nbytes} bytes, got {start} to {stop}.")
    return PartLayout(pieces_of(layout.segments(start, stop)), name=name)


def pieces_of(segments: Iterable[tuple[Tensor, int, int]]) -> tuple[Tensor, ...]:
    """Return a tensor for each (tensor, first byte, end byte), named in their order."""
    return tuple(
        Tensor(f"{i:08d}", tensor.dtype, shape_of_piece(tensor, stop - first))
        for i, (tensor, first, stop) in enumerate(segments)
    )


def shape_of_piece(tensor: Tensor, nbytes: int) -> tuple[int, ...]:
    """Return the shape of so many bytes of a tensor: whole rows of bytes stay rows."""
    row = tensor.shape[1] if len(tensor.shape) == 2 and tensor.dtype == "U8" else 0
    if row and nbytes % row == 0:
        return nbytes // row, row
    return (nbytes // DTYPES[tensor.dtype].itemsize,)
