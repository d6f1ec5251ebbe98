"""Models in few bytes: what a member sends, and what is settled, is a change of the base model.

    format   a float of the model becomes            bytes
    bf16     the change as bfloat16                  2
    int8     the change in a coded block (`coded`)   256 for 252 values

Rounding is to nearest even. Integers and booleans stay as they are: they are values, not changes. A
wire buffer is a canonical buffer like any other, with the names of the model (`wire_layout`), so it
is hashed, fetched, audited and disputed in the same way. In an int8 layout every tensor takes whole
blocks of 256 bytes; zeros fill the last one.

All merge rules commute with a shift of all inputs, so the changes themselves are merged, around a
base of zeros; nobody needs the model for it. From a settled change d and the base b follows

    model = narrow(clip(b + d))    clip: to the largest number of the stored type

which is a number whatever liars have sent. Memory: some chunks, whatever the model's size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge.arithmetic import Array, Float64s, narrow, widen
from swarmhub.merge.blocks import BLOCK, stored_type, values_of
from swarmhub.merge.coded import BLOCK_BYTES, BLOCK_VALUES, CODED
from swarmhub.merge.pieces import Bytes, Source, can_be_merged, piece_of
from swarmhub.params import DTYPES, Layout, Tensor, chunk_count
from swarmhub.params.buffer import MAX_F64
from swarmhub.params.layout import FLOATS

FORMATS = {"bf16": "BF16", "int8": CODED}  # name in a study's terms -> type of stored elements
# Bytes of a float32 model for each byte of its change: an audit draws as many stretches of a change
# as of the model, so that a lie escapes with no greater chance.
WIRE_TIMES = {"bf16": 2, "int8": 4}
LARGEST = {
    "F64": MAX_F64,
    "F32": float(np.finfo(np.float32).max),
    "F16": float(np.finfo(np.float16).max),
    "BF16": float.fromhex("0x1.fep127"),
}


class Zeros:
    """A buffer of zeros: the base of changes."""

    def read_at(self, offset: int, length: int) -> bytes:
        """Return so many zeros."""
        return bytes(length)


@dataclass(frozen=True)
class Stretch:
    """Values [start, stop) of a tensor, and the bytes where the tensor begins in the model's buffer
    and in the wire buffer."""

    tensor: Tensor
    at: int
    wire_at: int
    start: int
    stop: int


def is_coded_format(form: str) -> bool:
    """Return whether a wire format has coded blocks."""
    return FORMATS[form] == CODED


def wire_layout(layout: Layout, form: str) -> Layout:
    """Return the layout of a model's wire buffer."""
    return Layout.of([wire_tensor(tensor, form) for tensor in layout.tensors])


def wire_tensor(tensor: Tensor, form: str) -> Tensor:
    """Return what a tensor of a model is in a wire buffer."""
    if not is_coded_format(form):
        is_float = tensor.dtype in FLOATS
        return Tensor(tensor.name, "BF16", tensor.shape) if is_float else tensor
    if tensor.dtype in FLOATS:
        return Tensor(tensor.name, "U8", (-(-tensor.count // BLOCK_VALUES), BLOCK_BYTES))
    rows = -(-tensor.nbytes // BLOCK_BYTES)
    return Tensor(tensor.name, tensor.dtype, (rows * BLOCK_BYTES // DTYPES[tensor.dtype].itemsize,))


def encode_model(
    layout: Layout, form: str, member: int, own: Source, base: Source
) -> Iterator[memoryview]:
    """Yield a member's wire buffer in chunks of CHUNK_BYTES. Raises BadContribution for a change
    that the format cannot hold; the own model is finite (`check_contribution`)."""
    wire = wire_layout(layout, form)
    return (
        _encode_chunk((layout, wire), form, index, member, (own, base))
        for index in range(chunk_count(wire.nbytes))
    )


def _encode_chunk(
    layouts: tuple[Layout, Layout], form: str, index: int, member: int, sources: tuple[Source, ...]
) -> memoryview:
    layout, wire = layouts
    piece = piece_of(wire, index, is_coded_format(form))
    out, kind = np.zeros(piece.nbytes, np.uint8), FORMATS[form]
    values, other = np.zeros(BLOCK), np.zeros(BLOCK)
    for s in wire_stretches(layout, wire, form, piece.offset, piece.offset + piece.nbytes):
        first = s.wire_at - piece.offset + _bytes_of(s, form, s.start)
        if s.tensor.dtype not in FLOATS:
            found = _read_values(sources[0], s).view(np.uint8)
            out[first : first + found.size] = found
            continue
        count = s.stop - s.start
        whole = -(-count // values_of(kind)) * values_of(kind)
        change, before = values[:whole], other[:count]
        change[count:] = 0.0
        widen(_read_values(sources[0], s), s.tensor.dtype, change[:count])
        widen(_read_values(sources[1], s), s.tensor.dtype, before)
        np.subtract(change[:count], before, out=change[:count])
        target = out[first:][: whole // values_of(kind) * stored_type(kind).itemsize]
        with np.errstate(all="ignore"):
            narrow(change, kind, target.view(stored_type(kind)))
        if not can_be_merged(target, kind):
            raise BadContribution(
                member, f"the change of {s.tensor.name!r} is too large for the wire format {form}"
            )
    return out.data


def apply_change(layout: Layout, form: str, change: Source, base: Source) -> Iterator[memoryview]:
    """Yield the canonical buffer of the model that follows from a settled change of the base, in
    chunks of CHUNK_BYTES. Raises MergeError for sources of another length."""
    wire = wire_layout(layout, form)
    return (
        _apply_chunk((layout, wire), form, index, change, base)
        for index in range(chunk_count(layout.nbytes))
    )


def _apply_chunk(
    layouts: tuple[Layout, Layout], form: str, index: int, change: Source, base: Source
) -> memoryview:
    layout, wire = layouts
    piece, kind = piece_of(layout, index), FORMATS[form]
    out = np.zeros(piece.nbytes, np.uint8)
    decoded, value = np.zeros(BLOCK), np.zeros(BLOCK)
    for s in model_stretches(layout, wire, form, piece.offset, piece.offset + piece.nbytes):
        stored = DTYPES[s.tensor.dtype]
        first = s.at + s.start * stored.itemsize - piece.offset
        target = out[first:][: (s.stop - s.start) * stored.itemsize].view(stored)
        low, high = _bytes_of(s, form, s.start), _bytes_of(s, form, s.stop, up=True)
        raw = _take(change, s.wire_at + low, high - low)
        if s.tensor.dtype not in FLOATS:
            np.copyto(target, raw.view(stored))
            continue
        rows = raw.view(stored_type(kind))
        widen(rows, kind, decoded[: rows.size * values_of(kind)])
        skipped = s.start % values_of(kind)
        moved = decoded[skipped : skipped + target.size]
        _move(moved, _read_values(base, s), s.tensor.dtype, value[: target.size])
        with np.errstate(all="ignore"):  # values become subnormal or zero
            narrow(value[: target.size], s.tensor.dtype, target)
    return out.data


def _move(moved: Float64s, stored: Array, dtype: str, out: Float64s) -> None:
    """Write base + change, within what the type holds.  # (P,), (P,) -> (P,)"""
    widen(stored, dtype, out)
    np.add(out, moved, out=out)
    np.clip(out, -LARGEST[dtype], LARGEST[dtype], out=out)


def wire_stretches(
    layout: Layout, wire: Layout, form: str, start: int, stop: int
) -> Iterator[Stretch]:
    """Yield what bytes [start, stop) of the wire buffer hold, at most BLOCK values each."""
    places = _places(layout, wire)
    for wired, first, last in wire.segments(start, stop):
        tensor, at, wire_at = places[wired.name]
        low = _value_at(tensor, form, first - wire_at)
        high = min(tensor.count, _value_at(tensor, form, last - wire_at))
        yield from _cut(Stretch(tensor, at, wire_at, low, high))


def model_stretches(
    layout: Layout, wire: Layout, form: str, start: int, stop: int
) -> Iterator[Stretch]:
    """Yield the values in bytes [start, stop) of the model's buffer, at most BLOCK each."""
    places = _places(layout, wire)
    for tensor, first, last in layout.segments(start, stop):
        _, at, wire_at = places[tensor.name]
        size = DTYPES[tensor.dtype].itemsize
        yield from _cut(Stretch(tensor, at, wire_at, (first - at) // size, (last - at) // size))


def _cut(whole: Stretch) -> Iterator[Stretch]:
    """Yield parts of a stretch, all but the first from the beginning of a coded block."""
    step, at = BLOCK // BLOCK_VALUES, whole.start
    while at < whole.stop:
        stop = min((at // BLOCK_VALUES + step) * BLOCK_VALUES, whole.stop)
        yield Stretch(whole.tensor, whole.at, whole.wire_at, at, stop)
        at = stop


def _places(layout: Layout, wire: Layout) -> dict[str, tuple[Tensor, int, int]]:
    both = zip(layout.tensors, layout.offsets, wire.offsets, strict=True)
    return {tensor.name: (tensor, at, wire_at) for tensor, at, wire_at in both}


def _unit(tensor: Tensor, form: str) -> tuple[int, int]:
    """Return how many values are stored together in the wire buffer, and in how many bytes."""
    if tensor.dtype not in FLOATS:
        return 1, DTYPES[tensor.dtype].itemsize
    return values_of(FORMATS[form]), stored_type(FORMATS[form]).itemsize


def _value_at(tensor: Tensor, form: str, nbytes: int) -> int:
    count, size = _unit(tensor, form)
    return nbytes // size * count


def _bytes_of(s: Stretch, form: str, value: int, up: bool = False) -> int:
    """Return the first byte of a value's unit in the wire tensor; `up`: the end of the unit before
    it."""
    count, size = _unit(s.tensor, form)
    return (-(-value // count) if up else value // count) * size


def _read_values(source: Source, s: Stretch) -> Array:
    """Return the stored values of a stretch of a model."""
    stored = DTYPES[s.tensor.dtype]
    at = s.at + s.start * stored.itemsize
    return _take(source, at, (s.stop - s.start) * stored.itemsize).view(stored)


def _take(source: Source, at: int, nbytes: int) -> Bytes:
    data = memoryview(source.read_at(at, nbytes))
    if data.nbytes != nbytes:
        raise MergeError(f"Expected {nbytes} bytes of a buffer, got {data.nbytes}.")
    return np.frombuffer(data, np.uint8)
