"""Named arrays to canonical buffers and back, and safetensors for people.

BF16 has no NumPy type: such a tensor is handed over as its 16 bits (uint16) with its name in
`bf16`. Everything else keeps its type.
"""

from __future__ import annotations

import io
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from swarmhub.errors import BlobError, DiskError, Malformed, plain
from swarmhub.files import fill, write_all
from swarmhub.params.chunks import CHUNK_BYTES, ChunkHasher
from swarmhub.params.layout import ALIGNMENT, DTYPES, FLOATS, Layout, Tensor, dtype_name

Array = npt.NDArray[np.generic]

MAX_F64 = 1e140  # so that no sum of weighted values, or of their squares, overflows


def layout_of(
    arrays: Mapping[str, Array],
    bf16: Collection[str] = (),
    meanings: Mapping[str, Sequence[str]] | None = None,
) -> Layout:
    """Return the layout of named arrays; names in `bf16` are uint16 arrays that hold bfloat16 bits.
    Raises Malformed, with its name, if an array has a type that cannot be merged."""
    tensors = []
    for name, array in arrays.items():
        try:
            need_unmasked(array)
            dtype = "BF16" if name in bf16 else dtype_name(array.dtype)
        except Malformed as error:
            raise Malformed(f"{name!r}: {error}") from None
        tensors.append(Tensor(name, dtype, tuple(array.shape)))
    return Layout.of(tensors, meanings)


def need_unmasked(array: Array) -> None:
    """Raise Malformed for masked arrays: the values under the mask would be merged."""
    if isinstance(array, np.ma.MaskedArray):
        raise Malformed("A masked array cannot be shared or stored; fill it (array.filled(...)).")


def write_buffer(arrays: Mapping[str, Array], layout: Layout, file: IO[bytes]) -> None:
    """Write the canonical buffer (`layout.nbytes` bytes). No copy of a contiguous array is made.

    Raises Malformed if an array is missing or has another shape. Whether the numbers are finite is
    checked by the node (`merge.check_contribution`), which would not trust this code anyway.
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


def is_in_range(part: Array, dtype: str) -> bool:
    """Return whether all elements are finite, and F64 within MAX_F64; BF16 is given as its bits."""
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
            if fill(file, view) != tensor.nbytes:
                raise BlobError("The parameter file is shorter than its layout says.")


def arrays_from(file: IO[bytes], layout: Layout) -> dict[str, Array]:
    """Return new arrays by name from a canonical buffer's file. The file's length is checked
    first."""
    size = file.seek(0, os.SEEK_END)
    if size != layout.nbytes:
        raise BlobError(f"Expected a buffer of {layout.nbytes} bytes, got {size}.")
    arrays = {t.name: np.empty(t.shape, DTYPES[t.dtype]) for t in layout.tensors}
    read_into(file, layout, arrays)
    return arrays


def buffer_of(arrays: Mapping[str, Array], bf16: Collection[str] = ()) -> tuple[Layout, bytes]:
    """Return layout and canonical buffer of small arrays, in memory (tests, simulation)."""
    layout = layout_of(arrays, bf16)
    out = io.BytesIO()
    write_buffer(arrays, layout, out)
    return layout, out.getvalue()


_SAFETENSORS = {"BOOL": "BOOL", **{name: name for name in DTYPES if name != "BOOL"}}


def _safetensors_header(layout: Layout, metadata: Mapping[str, str]) -> bytes:
    """Return the JSON header of a safetensors file, padded to a multiple of 8 bytes."""
    import json

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
    return text + b" " * (-len(text) % 8)


def _pieces(source: IO[bytes], left: int) -> Iterator[bytes]:
    """Read so many bytes of a model file, piece by piece. Raises BlobError if it is shorter."""
    while left:
        piece = source.read(min(left, CHUNK_BYTES))
        if not piece:
            raise BlobError(f"The model file {source.name} is torn; pull it again.")
        yield piece
        left -= len(piece)


def export_safetensors(
    buffer: Path, layout: Layout, out: Path, metadata: Mapping[str, str], digest: str
) -> None:
    """Write a canonical buffer as a safetensors file, streaming, with string metadata.

    The format (8-byte header length, JSON header, data) is written tensor by tensor, so a model of
    any size is exported in constant memory. The file appears under its name when complete, and only
    if the bytes read have the digest: a node may overwrite a model that it no longer needs while
    this reads it. Raises BlobError then.
    """
    hasher, pending = ChunkHasher(layout.digest), bytearray()

    def note(piece: bytes) -> None:
        pending.extend(piece)
        while len(pending) >= CHUNK_BYTES:
            hasher.feed(pending[:CHUNK_BYTES])
            del pending[:CHUNK_BYTES]

    text = _safetensors_header(layout, metadata)
    partial = out.with_name(out.name + ".partial")
    try:
        with buffer.open("rb") as source, partial.open("wb") as target:
            target.write(len(text).to_bytes(8, "little") + text)
            for tensor in layout.tensors:
                for piece in _pieces(source, tensor.nbytes):
                    target.write(piece)
                    note(piece)
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


# the format's types for NumPy, by kind and size of an element
STORABLE = {"b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8"}


def storable(array: Array) -> Array:
    """Return the array as safetensors stores it: little-endian and in C order, of the same shape. A
    copy if it is anything else (strided, transposed, broadcast): the library writes an array's
    memory as it lies, whatever its strides are. Raises Malformed for a type that the format does
    not have."""
    need_unmasked(array)
    if array.dtype.kind + str(array.dtype.itemsize) not in STORABLE:
        raise Malformed(
            f"Arrays of type {array.dtype} cannot be stored; use numbers or booleans of up to 64 "
            "bits."
        )
    return np.asarray(array, array.dtype.newbyteorder("<"), order="C")


def _need_complex() -> None:
    """Raise Malformed if the installed safetensors cannot write complex numbers."""
    from safetensors import SafetensorError
    from safetensors.numpy import save

    try:
        save({"x": np.zeros(1, np.complex64)})
    except SafetensorError:
        raise Malformed(
            "Arrays of type complex64 need safetensors 0.7 or newer; install it, or split the "
            "array into its real and imaginary part."
        ) from None


def save_safetensors(arrays: Mapping[str, Array], path: Path) -> None:
    """Write arrays of any strides as a safetensors file, which appears when it is whole. Raises
    Malformed, with its name, if an array cannot be stored; DiskError if the disk does not take
    them."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    found = {}
    for name, array in arrays.items():
        if not name or name == "__metadata__":
            raise Malformed(f"{name!r} is no name for an array; choose another.")
        try:
            found[name] = storable(array)
            if found[name].dtype.kind == "c":
                _need_complex()
        except Malformed as error:
            raise Malformed(f"{name!r}: {error}") from None
    partial = path.with_name(path.name + ".partial")
    try:
        save_file(found, partial)
        partial.replace(path)
    except (OSError, SafetensorError) as error:
        partial.unlink(missing_ok=True)
        raise DiskError(f"Cannot write {path} ({plain(error)}); check its disk.") from None


def import_safetensors(path: Path) -> dict[str, Array]:
    """Return the arrays of a safetensors file by name (the library checks the header)."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except FileNotFoundError:
        raise BlobError(f"Expected a model at {path}, found no file.") from None
    except (SafetensorError, TypeError, KeyError, ValueError) as error:  # a type unknown to NumPy
        raise BlobError(f"Expected a safetensors file at {path}, got {plain(error)}.") from None
