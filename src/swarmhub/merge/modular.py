"""The sum of N vectors in a ring, chunk by chunk: what a leader computes of masked contributions.

Words are stored as int32 (ring of 2^32) or int64 (2^64), two's complement, and added with wrap
around, which no order of the inputs can change. A masked word can have any value, so nothing but
types, length and padding is checked. Weights do not matter: each member has applied its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from swarmhub.errors import MergeError
from swarmhub.merge.pieces import Bytes, Piece, WeightedSource, in_order, piece_of, pieces, read
from swarmhub.params import Layout

Words = npt.NDArray[np.unsignedinteger[Any]]
WORDS: dict[str, np.dtype[np.unsignedinteger[Any]]] = {
    "I32": np.dtype("<u4"),
    "I64": np.dtype("<u8"),
}


def merge_modular(layout: Layout, contributions: Sequence[WeightedSource]) -> Iterator[memoryview]:
    """Yield the canonical buffer of the sums in chunks of CHUNK_BYTES (the last may be shorter).

    Raises MergeError, at once, for a layout with other types than int32 and int64, no contribution
    or two of one member; while iterating, BadContribution for a wrong length or padding.
    """
    ordered = in_order(contributions)
    need_words(layout)
    return (_summed(piece, ordered).data for piece in pieces(layout))


def modular_chunk(layout: Layout, contributions: Sequence[WeightedSource], index: int) -> bytes:
    """Return chunk `index` of the sums' buffer, for an auditor; errors as of `merge_modular`."""
    ordered = in_order(contributions)
    need_words(layout)
    return _summed(piece_of(layout, index), ordered).tobytes()


def need_words(layout: Layout) -> None:
    """Raise MergeError, with the tensor, for a layout that is not of a ring's words alone."""
    for tensor in layout.tensors:
        if tensor.dtype not in WORDS:
            raise MergeError(
                f"Expected int32 or int64 in the masked {tensor.name[:60]!r}, got {tensor.dtype}."
            )


def _summed(piece: Piece, ordered: Sequence[WeightedSource]) -> Bytes:
    out = np.zeros(piece.nbytes, np.uint8)
    for contribution in ordered:
        raw = read(contribution.member, contribution.source, piece)
        for run in piece.runs:  # zeros in the padding are added to zeros
            target = out[run.start : run.stop].view(WORDS[run.dtype])
            np.add(target, raw[run.start : run.stop].view(WORDS[run.dtype]), out=target)
    return out
