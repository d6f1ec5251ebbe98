"""Masked models, chunk by chunk: quantise and mask at home; unmask the sum into the next model.

A masked model is a canonical buffer like any other, with the names and shapes of the model and 32
bits for each value (`ring_layout`), so that it is hashed, fetched and audited in the same way. A
stream of masks runs along that buffer; its padding stays zero. Memory: some chunks, whatever the
model's size.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from swarmhub.errors import MaskError
from swarmhub.merge.arithmetic import Array, narrow, widen
from swarmhub.merge.blocks import BLOCK, Scratch
from swarmhub.merge.pieces import Bytes, Source, piece_of
from swarmhub.params import CHUNK_BYTES, DTYPES, Layout, Tensor, chunk_count
from swarmhub.params.buffer import is_in_range
from swarmhub.params.layout import FLOATS
from swarmhub.privacy.fixed_point import Grid, Words, add_noise, mean_change, quantise
from swarmhub.privacy.masking import Mask, apply_masks
from swarmhub.privacy.noise import Noise

WORD_BYTES = 4


@dataclass(frozen=True)
class Masking:
    """How one model becomes words of the ring, or a sum of such words the next model.

    `layout` is the model's. At home, `weight` and `masks` are the member's own; for the sum, they
    are the weight of all members in it, and the inverses of all masks that remain in it. `noise` is
    the member's own, if it adds some.
    """

    layout: Layout
    grid: Grid
    weight: int
    masks: tuple[Mask, ...]
    noise: Noise | None = None


@dataclass(frozen=True)
class Span:
    """Adjacent values of one type: their places (bytes) in the model's buffer and in the ring's."""

    dtype: str
    at: int
    ring_at: int
    count: int


def ring_layout(layout: Layout) -> Layout:
    """Return the layout of a masked model: int32 for each float. Raises MaskError, with its name,
    for a tensor of integers or booleans."""
    for tensor in layout.tensors:
        if tensor.dtype not in FLOATS:
            raise MaskError(
                f"Expected floats in every tensor of a masked model, got {tensor.dtype} in "
                f"{tensor.name[:60]!r}; leave it out, or use plain merges."
            )
    return Layout.of([Tensor(t.name, "I32", t.shape) for t in layout.tensors])


def mask_model(masking: Masking, own: Source, base: Source) -> Iterator[tuple[memoryview, int]]:
    """Yield the masked buffer in chunks of CHUNK_BYTES, each with the number of values clipped.

    Raises MaskError for integer tensors (at once), a value that is not finite or a source of
    another length.
    """
    ring = ring_layout(masking.layout)
    masking.grid.factor(masking.weight)
    return (_mask_chunk(masking, ring, index, (own, base)) for index in range(_chunks(ring)))


def _chunks(layout: Layout) -> int:
    return chunk_count(layout.nbytes)


def _mask_chunk(
    masking: Masking, ring: Layout, index: int, sources: tuple[Source, Source]
) -> tuple[memoryview, int]:
    piece, scratch, clipped = piece_of(ring, index), Scratch(2), 0
    out = np.zeros(piece.nbytes, np.uint8)
    words = out.view("<u4")
    for span in spans(masking.layout, ring, piece.offset, piece.offset + piece.nbytes):
        first = (span.ring_at - piece.offset) // WORD_BYTES
        own, base = (read_span(source, span) for source in sources)
        for at in range(0, span.count, BLOCK):
            here = slice(at, min(at + BLOCK, span.count))
            mine, theirs = scratch.widened([own[here], base[here]], span.dtype)
            np.subtract(mine, theirs, out=mine)
            target = words[first + here.start : first + here.stop]
            clipped += quantise(masking.grid, masking.weight, mine, target)
            if masking.noise is not None:
                clipped += add_noise(masking.grid, target, masking.noise.draw(target.size))
    apply_masks(words, piece.offset, masking.masks)
    out[piece.padding] = 0
    return out.data, clipped


def unmask_model(masking: Masking, summed: Source, base: Source) -> Iterator[memoryview]:
    """Yield the next model's canonical buffer in chunks of CHUNK_BYTES: the base plus the weighted
    mean of the changes.

    Raises MaskError for integer tensors (at once), a source of another length, or a model that is
    not finite.
    """
    ring = ring_layout(masking.layout)
    masking.grid.unit(masking.weight)
    chunks = range(_chunks(masking.layout))
    return (_unmask_chunk(masking, ring, index, (summed, base)) for index in chunks)


def _unmask_chunk(
    masking: Masking, ring: Layout, index: int, sources: tuple[Source, Source]
) -> memoryview:
    piece, scratch = piece_of(masking.layout, index), Scratch(2)
    out = np.zeros(piece.nbytes, np.uint8)
    found = spans_of_model(masking.layout, ring, piece.offset, piece.offset + piece.nbytes)
    start, words = _unmasked(masking, found, sources[0])
    for span in found:
        base, first = read_span(sources[1], span), (span.ring_at - start) // WORD_BYTES
        size = DTYPES[span.dtype].itemsize
        target = out[span.at - piece.offset :][: span.count * size].view(DTYPES[span.dtype])
        for at in range(0, span.count, BLOCK):
            here = slice(at, min(at + BLOCK, span.count))
            value, change = scratch.row(0, here.stop - at), scratch.row(1, here.stop - at)
            widen(base[here], span.dtype, value)
            total = words[first + here.start : first + here.stop]
            mean_change(masking.grid, masking.weight, total, change)
            np.add(value, change, out=value)
            with np.errstate(all="ignore"):
                narrow(value, span.dtype, target[here])
        _need_finite(target, span)
    out[piece.padding] = 0
    return out.data


def _unmasked(masking: Masking, found: Sequence[Span], summed: Source) -> tuple[int, Words]:
    """Return the sum's words for spans of the model, without masks, and their place in the ring."""
    if not found:
        return 0, np.empty(0, np.uint32)
    start, stop = found[0].ring_at, found[-1].ring_at + found[-1].count * WORD_BYTES
    words = _take(summed, start, stop - start).view("<u4").copy()
    apply_masks(words, start, masking.masks)
    return start, words


def spans(layout: Layout, ring: Layout, start: int, stop: int) -> list[Span]:
    """Return the spans of values with words in bytes [start, stop) of the ring's buffer."""
    places = dict(zip((t.name for t in layout.tensors), _places(layout, ring), strict=True))
    found: list[Span] = []
    for tensor, first, last in ring.segments(start, stop):
        dtype, at, ring_at = places[tensor.name]
        skipped = (first - ring_at) // WORD_BYTES * DTYPES[dtype].itemsize
        _extend(found, Span(dtype, at + skipped, first, (last - first) // WORD_BYTES))
    return found


def spans_of_model(layout: Layout, ring: Layout, start: int, stop: int) -> list[Span]:
    """Return the spans of values that lie in bytes [start, stop) of the model's buffer."""
    places = dict(zip((t.name for t in layout.tensors), _places(layout, ring), strict=True))
    found: list[Span] = []
    for tensor, first, last in layout.segments(start, stop):
        dtype, at, ring_at = places[tensor.name]
        size = DTYPES[dtype].itemsize
        skipped = (first - at) // size * WORD_BYTES
        _extend(found, Span(dtype, first, ring_at + skipped, (last - first) // size))
    return found


def _places(layout: Layout, ring: Layout) -> Iterator[tuple[str, int, int]]:
    for tensor, at, ring_at in zip(layout.tensors, layout.offsets, ring.offsets, strict=True):
        yield tensor.dtype, at, ring_at


def _extend(found: list[Span], span: Span) -> None:
    """Append a span; join it to the last one if the gap is equal in both buffers (then it is zero
    padding): thousands of tiny float32 tensors cost as little as one."""
    if found and found[-1].dtype == span.dtype == "F32":
        last = found[-1]
        if span.at - last.at == span.ring_at - last.ring_at:
            count = (span.at - last.at) // WORD_BYTES + span.count
            found[-1] = Span(last.dtype, last.at, last.ring_at, count)
            return
    found.append(span)


def read_span(source: Source, span: Span) -> Array:
    """Return the span's stored values, which are finite."""
    kind = DTYPES[span.dtype]
    values = _take(source, span.at, span.count * kind.itemsize).view(kind)
    _need_finite(values, span)
    return values


def _take(source: Source, at: int, nbytes: int) -> Bytes:
    data = memoryview(source.read_at(at, nbytes))
    if data.nbytes != nbytes:
        raise MaskError(f"Expected {nbytes} bytes of a model, got {data.nbytes}.")
    return np.frombuffer(data, np.uint8)


def _need_finite(values: Array, span: Span) -> None:
    if not is_in_range(values, span.dtype):
        raise MaskError(
            f"Expected finite numbers in a masked model (bytes from {span.at}), got NaN, infinity "
            "or a number that is too large."
        )


assert CHUNK_BYTES % (2 * BLOCK) == 0
