"""The layout of a canonical buffer: names, element types, shapes, and so every offset; and the
meaning of its places, if the framework says so.

Tensors stand in the order of their names (by code point), little-endian, in C order, each starting
at a multiple of 64 bytes; the gaps and the tail up to the next multiple of 64 are zero. A layout is
a document of its own: its digest is sha256 over its canonical JSON, and every blob digest contains
it, so two models that differ in one shape never share a digest. Nor do two with rows or columns of
different meaning: the classes and the columns that an estimator was fitted on are in the layout as
labels.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from swarmhub import codec
from swarmhub.errors import Malformed

ALIGNMENT = 64  # bytes; a multiple of every element size, so no element straddles a chunk
MAX_TENSORS = 50_000
MAX_NAME = 512
MAX_MEANINGS, MAX_LABELS = 16, 500_000  # lists of labels, and labels in all of them
MAX_DOCUMENT_BYTES = 64 << 20
MAX_BYTES = 1 << 40  # 1 TiB: a bound for arithmetic on hostile shapes, not a recommendation

# name -> NumPy type of the stored bits (safetensors' names); BF16 is kept as its 16 bits
DTYPES: dict[str, np.dtype[np.generic]] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}
FLOATS = frozenset({"F64", "F32", "F16", "BF16"})


def dtype_name(dtype: npt.DTypeLike) -> str:
    """Return the layout's name for a NumPy type. Raises Malformed for types that cannot be
    merged."""
    wanted = np.dtype(dtype).newbyteorder("<")
    for name, known in DTYPES.items():
        if known == wanted and name != "BF16":
            return name
    raise Malformed(
        f"Arrays of type {np.dtype(dtype)} cannot be shared; use one of {', '.join(DTYPES)}."
    )


@dataclass(frozen=True)
class Tensor:
    """One named array: `dtype` is a key of DTYPES, `shape` is in elements."""

    name: str
    dtype: str
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes without padding."""
        return self.count * DTYPES[self.dtype].itemsize


@dataclass(frozen=True)
class Meaning:
    """Labels of the places along an axis, e.g. `classes_` or `feature_names_in_`."""

    name: str
    labels: tuple[str, ...]


def _extent(tensor: Tensor) -> int:
    """Return the product of the dimensions that are not zero: NumPy, too, must be able to hold
    it."""
    return math.prod(n for n in tensor.shape if n)


@dataclass(frozen=True)
class Layout:
    """Tensors and meanings, each sorted by name. Build it with `Layout.of`; `Layout.parse` reads
    hostile bytes."""

    tensors: tuple[Tensor, ...]
    meanings: tuple[Meaning, ...] = ()

    @classmethod
    def of(
        cls, tensors: list[Tensor], meanings: Mapping[str, Sequence[str]] | None = None
    ) -> Layout:
        """Return a checked layout of the tensors in canonical order, with lists of labels by
        name."""
        lists = sorted((meanings or {}).items())
        meant = tuple(Meaning(name, tuple(labels)) for name, labels in lists)
        return cls(tuple(sorted(tensors, key=lambda t: t.name)), meant)._checked()

    @classmethod
    def parse(cls, data: bytes) -> Layout:
        """Read a layout document; raises Malformed on anything unexpected, before any
        allocation."""
        return codec.unpack(cls, data, limit_bytes=MAX_DOCUMENT_BYTES)._checked()

    def _checked(self) -> Layout:
        if len(self.tensors) > MAX_TENSORS:
            raise Malformed(f"Expected at most {MAX_TENSORS} tensors, got {len(self.tensors)}.")
        names = [t.name for t in self.tensors]
        if sorted(set(names)) != names:
            raise Malformed("Tensor names are unique and sorted in a layout; these are not.")
        total = 0
        for t in self.tensors:
            named = 0 < len(t.name) <= MAX_NAME and t.name != "__metadata__"  # safetensors' own
            if not named or t.dtype not in DTYPES:
                raise Malformed(f"Tensor {t.name[:60]!r} has a bad name or type {t.dtype[:20]!r}.")
            if len(t.shape) > 16 or min(t.shape, default=0) < 0 or _extent(t) > MAX_BYTES:
                raise Malformed(f"Tensor {t.name[:60]!r} has an impossible shape.")
            total += t.nbytes + ALIGNMENT
            if total > MAX_BYTES:
                raise Malformed("The layout is larger than any buffer may be.")
        return self._checked_meanings()

    def _checked_meanings(self) -> Layout:
        meant = [m.name for m in self.meanings]
        if len(meant) > MAX_MEANINGS or sorted(set(meant)) != meant:
            raise Malformed(f"Expected at most {MAX_MEANINGS} lists of labels, sorted by name.")
        labels = sum(len(m.labels) for m in self.meanings)
        if labels > MAX_LABELS:
            raise Malformed(f"Expected at most {MAX_LABELS} labels in a layout, got {labels}.")
        texts = (text for m in self.meanings for text in (m.name, *m.labels))
        long = next((text for text in texts if len(text) > MAX_NAME), None)
        if long is not None:
            raise Malformed(f"The label {long[:40]!r}… has more than {MAX_NAME} letters.")
        return self

    @functools.cached_property
    def offsets(self) -> tuple[int, ...]:
        """Byte offset of each tensor."""
        found, at = [], 0
        for t in self.tensors:
            found.append(at)
            at += -(-t.nbytes // ALIGNMENT) * ALIGNMENT
        return tuple(found)

    @functools.cached_property
    def nbytes(self) -> int:
        """Length of the canonical buffer in bytes."""
        if not self.tensors:
            return 0
        return self.offsets[-1] + -(-self.tensors[-1].nbytes // ALIGNMENT) * ALIGNMENT

    @functools.cached_property
    def digest(self) -> str:
        """sha256 of the layout's canonical JSON, hex."""
        return codec.digest(b"swarmhub/layout/1", self.pack())

    def pack(self) -> bytes:
        """Return the canonical JSON of the layout."""
        return codec.pack(self)

    def segments(self, start: int, stop: int) -> list[tuple[Tensor, int, int]]:
        """Return the tensor parts within bytes [start, stop): (tensor, first byte, end byte) each.

        Bytes are positions in the buffer. Padding is in no segment.
        """
        import bisect

        found = []
        index = max(0, bisect.bisect_right(self.offsets, start) - 1)
        while index < len(self.tensors) and self.offsets[index] < stop:
            tensor, at = self.tensors[index], self.offsets[index]
            first, end = max(start, at), min(stop, at + tensor.nbytes)
            if first < end:
                found.append((tensor, first, end))
            index += 1
        return found
