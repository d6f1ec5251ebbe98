"""Named arrays to canonical buffers and back, and safetensors for people.

BF16 has no NumPy type: such a tensor is handed over as its 16 bits (uint16) with its name in
`bf16`. Everything else keeps its type.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BlobError, Malformed, plain
from swarmhub.params.chunks import CHUNK_BYTES, ChunkHasher
from swarmhub.params.layout import ALIGNMENT, DTYPES, FLOATS, Layout, Tensor, dtype_name

Array = npt.NDArray[np.generic]

MAX_F64 = 1e140  # so that no sum of weighted values, or of their squares, overflows


def layout_of(arrays: Mapping[str, Array], bf16: Collection[str] = ()) -> Layout:
    """The layout of named arrays; names in `bf16` are uint16 arrays that hold bfloat16 bits."""
    return Layout.of(
        [
            Tensor(name, "BF16" if name in bf16 else dtype_name(a.dtype), tuple(a.shape))
            for name, a in arrays.items()
        ]
    )


def write_buffer(arrays: Mapping[str, Array], layout: Layout, file: IO[bytes]) -> None:
    """Write the canonical buffer (`layout.nbytes` bytes). No copy of a contiguous array is made.

    Malformed where an array is missing or has another shape. Whether the numbers are finite is
    checked by the node (`merge.check_contribution`), which would not trust us anyway.
    """
    if sorted(arrays) != [t.name for t in layout.tensors]:
        raise Malformed("The arrays' names are not those of the study's layout.")
    for tensor in layout.tensors:
        stored = DTYPES[tensor.dtype]
        array = np.ascontiguousarray(arrays[tensor.name], dtype=stored).reshape(-1)
        if arrays[tensor.name].shape != tensor.shape:
            raise Malformed(
                f"Expected {tensor.name!r} of shape {list(tensor.shape)}, "
                f"got {list(arrays[tensor.name].shape)}."
            )
        write_all(file, array.view(np.uint8).data)
        write_all(file, bytes(-tensor.nbytes % ALIGNMENT))


def write_all(file: IO[bytes], data: bytes | bytearray | memoryview) -> None:
    """Write everything, also to an unbuffered file, which may take a part at a time."""
    view = memoryview(data)
    while view.nbytes:
        view = view[file.write(view) :]


def is_in_range(part: Array, dtype: str) -> bool:
    """Whether all elements are finite, and F64 within MAX_F64; BF16 is given as its bits."""
    if dtype == "BF16":
        return bool(((part.view(np.uint16) & 0x7F80) != 0x7F80).all())
    if dtype == "F64":
        return part.size == 0 or bool(part.min() >= -MAX_F64 and part.max() <= MAX_F64)
    return dtype not in FLOATS or bool(np.isfinite(part).all())


def read_into(file: IO[bytes], layout: Layout, into: Mapping[str, Array]) -> None:
    """Fill existing contiguous arrays (names of the layout) from a canonical buffer's file."""
    for tensor, offset in zip(layout.tensors, layout.offsets, strict=True):
        array = into[tensor.name]
        fits = array.shape == tensor.shape and array.dtype == DTYPES[tensor.dtype]
        if not fits or not array.flags.c_contiguous:
            raise Malformed(
                f"Expected a contiguous {tensor.name!r} of type {tensor.dtype} and shape "
                f"{list(tensor.shape)}, got {array.dtype} {list(array.shape)}."
            )
        if array.nbytes:
            view = memoryview(array.reshape(-1).view(np.uint8))  # type: ignore[arg-type]
            file.seek(offset)
            if file.readinto(view) != tensor.nbytes:  # type: ignore[attr-defined]
                raise BlobError("The parameter file is shorter than its layout says.")


def arrays_from(file: IO[bytes], layout: Layout) -> dict[str, Array]:
    """New arrays by name from a canonical buffer's file. The file's length is checked first."""
    size = file.seek(0, os.SEEK_END)
    if size != layout.nbytes:
        raise BlobError(f"Expected a buffer of {layout.nbytes} bytes, got {size}.")
    arrays = {t.name: np.empty(t.shape, DTYPES[t.dtype]) for t in layout.tensors}
    read_into(file, layout, arrays)
    return arrays


def buffer_of(arrays: Mapping[str, Array], bf16: Collection[str] = ()) -> tuple[Layout, bytes]:
    """Layout and canonical buffer of small arrays, in memory (tests, simulation)."""
    layout = layout_of(arrays, bf16)
    out = io.BytesIO()
    write_buffer(arrays, layout, out)
    return layout, out.getvalue()


_SAFETENSORS = {"BOOL": "BOOL", **{name: name for name in DTYPES if name != "BOOL"}}


def export_safetensors(
    buffer: Path, layout: Layout, out: Path, metadata: Mapping[str, str], digest: str
) -> None:
    """Write a canonical buffer as a safetensors file, streaming, with string metadata.

    The format (8-byte header length, JSON header, data) is written tensor by tensor, so a model
    of any size is exported in constant memory. The file appears under its name when complete, and
    only if what has been read has the digest: a node may write over a model that it no longer
    needs while this reads it. BlobError then.
    """
    import json

    hasher, pending = ChunkHasher(layout.digest), bytearray()

    def note(piece: bytes) -> None:
        pending.extend(piece)
        while len(pending) >= CHUNK_BYTES:
            hasher.feed(pending[:CHUNK_BYTES])
            del pending[:CHUNK_BYTES]

    header: dict[str, object] = {"__metadata__": dict(metadata)}
    at = 0
    for tensor in layout.tensors:
        header[tensor.name] = {
            "dtype": _SAFETENSORS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [at, at + tensor.nbytes],
        }
        at += tensor.nbytes
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    partial = out.with_name(out.name + ".partial")
    try:
        with buffer.open("rb") as source, partial.open("wb") as target:
            target.write(len(text).to_bytes(8, "little") + text)
            for tensor in layout.tensors:
                left = tensor.nbytes
                while left:
                    piece = source.read(min(left, CHUNK_BYTES))
                    if not piece:
                        raise BlobError(f"The model file {buffer} is torn; pull it again.")
                    target.write(piece)
                    note(piece)
                    left -= len(piece)
                note(source.read(-tensor.nbytes % ALIGNMENT))
            target.flush()
            os.fsync(target.fileno())
        if pending:
            hasher.feed(pending)
        if hasher.finish().digest != digest:
            raise BlobError(
                f"The model {digest[:16]}… gave way to a newer one while it was read; try again."
            )
        partial.replace(out)
    finally:
        partial.unlink(missing_ok=True)


def import_safetensors(path: Path) -> dict[str, Array]:
    """Arrays of a safetensors file by name (the library checks the header)."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise BlobError(f"Expected a model at {path}, found no file.") from None
    except (SafetensorError, TypeError, KeyError, ValueError) as error:  # a type unknown to NumPy
        raise BlobError(f"Expected a safetensors file at {path}, got {plain(error)}.") from None
