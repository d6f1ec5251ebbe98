"""Parameters under masks, and the model of their sum, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from swarmhub.errors import MaskError
from swarmhub.merge.pieces import Piece, Source, pieces
from swarmhub.params import DTYPES, Layout, Tensor
from swarmhub.privacy.fixed_point import Grid, mean_change, quantise
from swarmhub.privacy.masking import Mask, apply_masks


def make_masked_layout(layout: Layout) -> Layout:
    """Return the layout of masked parameters: whole numbers in the place of each float32. Raises
    MaskError, with the array, for other types."""
    for tensor in layout.tensors:
        if tensor.dtype != "F32":
            raise MaskError(
                f"Expected float32 in every array of a masked study, got {tensor.dtype} in "
                f"{tensor.name[:60]!r}; convert it, or propose the study without masks."
            )
    return Layout.of([Tensor(t.name, "I32", t.shape) for t in layout.tensors])


class MaskedChunks:
    """The chunks of a member's masked contribution; `clipped` values of `count` were clipped so
    far.

    `own` and `base` are canonical float32 buffers of the layout. One pass: each chunk is read once,
    and memory does not grow with the model.
    """

    def __init__(
        self, layout: Layout, grid: Grid, weight: int, masks: list[Mask], own: Source, base: Source
    ) -> None:
        make_masked_layout(layout)
        self._layout, self._grid, self._weight, self._masks = layout, grid, weight, masks
        self._own, self._base = own, base
        self.clipped = self.count = 0

    def __iter__(self) -> Iterator[memoryview]:
        for piece in pieces(self._layout):
            yield self._mask(piece).data.cast("B")

    def _mask(self, piece: Piece) -> npt.NDArray[np.uint32]:
        delta = read_floats(self._own, piece).astype(np.float64)
        delta -= read_floats(self._base, piece)
        if not np.isfinite(delta).all():
            raise MaskError("Expected finite parameters to mask, got NaN or infinity.")
        words = np.empty(delta.shape, np.uint32)
        self.clipped += quantise(self._grid, self._weight, delta, words)
        self.count += words.size - piece.padding.size // words.itemsize
        apply_masks(words, piece.offset, self._masks)
        words.view(np.uint8)[piece.padding] = 0
        return words


def read_floats(source: Source, piece: Piece) -> npt.NDArray[np.float32]:
    """Return the float32 values (padding included) of a chunk.  # (piece.nbytes / 4,)"""
    return np.frombuffer(source.read_at(piece.offset, piece.nbytes), DTYPES["F32"])


def unmask_chunks(
    layout: Layout, grid: Grid, weight: int, masks: list[Mask], total: Source, base: Source
) -> Iterator[memoryview]:
    """Yield the chunks of the model: base + weighted mean of the members' changes, rounded once to
    float32. `weight` is that of all members in the sum."""
    for piece in pieces(layout):
        words = np.frombuffer(total.read_at(piece.offset, piece.nbytes), "<u4").copy()
        apply_masks(words, piece.offset, masks)
        mean = np.empty(words.shape, np.float64)
        mean_change(grid, weight, words, mean)
        mean += read_floats(base, piece)
        model = mean.astype(np.float32)
        model.view(np.uint8)[piece.padding] = 0
        yield model.data.cast("B")
