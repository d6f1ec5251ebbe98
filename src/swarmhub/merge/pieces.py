"""One chunk of a canonical buffer: the places of its values, and their check.

Adjacent tensors of one type form one run. The padding between them is zero, zeros merge to zero
under every rule, and so thousands of tiny tensors cost as little as one large one. That padding is
zero is checked here: otherwise a member could smuggle bytes into the merged model. Tensors start at
multiples of 64 and so do chunks: a chunk never starts within padding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import numpy.typing as npt

from swarmhub.codec import MAX_INT
from swarmhub.errors import BadContribution, MergeError
from swarmhub.merge.coded import BLOCK_BYTES, CODED, has_room_for_blocks, is_coded, is_sound
from swarmhub.params import ALIGNMENT, CHUNK_BYTES, DTYPES, Layout, Tensor, chunk_count
from swarmhub.params.buffer import MAX_F64, is_in_range

Bytes = npt.NDArray[np.uint8]


class Source(Protocol):
    """A contribution's canonical buffer: a file, a memory map, bytes."""

    def read_at(self, offset: int, length: int) -> bytes | bytearray | memoryview:
        """Return exactly `length` bytes from `offset`, or raise."""
        ...


@dataclass(frozen=True)
class WeightedSource:
    """A member's contribution: its id, its weight (1 to 2^53 - 1, often samples), its buffer."""

    member: int
    weight: int
    source: Source


def in_order(contributions: Sequence[WeightedSource]) -> tuple[WeightedSource, ...]:
    """Return the contributions by member id. Raises MergeError for none, duplicates or a weight out
    of range."""
    ordered = tuple(sorted(contributions, key=lambda c: c.member))
    if not ordered:
        raise MergeError("Expected at least one contribution to merge, got none.")
    for one, other in itertools.pairwise(ordered):
        if one.member == other.member:
            raise MergeError(f"Expected one contribution of member {one.member}, got two.")
    for c in ordered:
        if type(c.weight) is not int or not 1 <= c.weight <= MAX_INT:
            raise BadContribution(c.member, f"expected a weight of at least 1, got {c.weight!r}")
    return ordered


@dataclass(frozen=True)
class Run:
    """Bytes [start, stop) of a chunk that hold one type (inner padding included)."""

    dtype: str
    start: int
    stop: int


@dataclass(frozen=True)
class Piece:
    """The plan of one chunk; `parts`, `runs` and `padding` count bytes from the chunk's start."""

    offset: int  # in the buffer, bytes
    nbytes: int
    parts: tuple[tuple[Tensor, int, int], ...]  # (tensor, start, stop)
    runs: tuple[Run, ...]
    padding: npt.NDArray[np.intp]  # position of every padding byte

    def culprit(self, raw: Bytes) -> str | None:
        """Return the name of the first tensor that holds a value that cannot be merged."""
        for tensor, start, stop in self.parts:
            if not can_be_merged(raw[start:stop], tensor.dtype):
                return tensor.name
        return None


def can_be_merged(part: Bytes, dtype: str) -> bool:
    """Return whether all values of one type in these bytes are finite and in range."""
    return is_sound(part) if dtype == CODED else is_in_range(part.view(DTYPES[dtype]), dtype)


def piece_of(layout: Layout, index: int, coded: bool = False) -> Piece:
    """Return the plan of chunk `index`; `coded`: the layout is one of blocks. Raises MergeError if
    the layout has no such chunk, or its blocks straddle chunks."""
    if coded and not has_room_for_blocks(layout):
        raise MergeError(f"Expected tensors of whole blocks of {BLOCK_BYTES} bytes, got others.")
    if not 0 <= index < chunk_count(layout.nbytes):
        raise MergeError(
            f"Expected a chunk from 0 to {chunk_count(layout.nbytes) - 1}, got {index}."
        )
    offset = index * CHUNK_BYTES
    end = min(offset + CHUNK_BYTES, layout.nbytes)
    parts, gaps = [], []
    runs: list[Run] = []
    for tensor, first, last in layout.segments(offset, end):
        if coded and is_coded(tensor):
            tensor = replace(tensor, dtype=CODED)
        start, stop = first - offset, last - offset
        padded = -(-stop // ALIGNMENT) * ALIGNMENT
        parts.append((tensor, start, stop))
        if runs and runs[-1].dtype == tensor.dtype:
            runs[-1] = Run(tensor.dtype, runs[-1].start, padded)
        else:
            runs.append(Run(tensor.dtype, start, padded))
        if stop < padded:
            gaps.append(np.arange(stop, padded))
    return Piece(
        offset=offset,
        nbytes=end - offset,
        parts=tuple(parts),
        runs=tuple(runs),
        padding=np.concatenate(gaps) if gaps else np.empty(0, np.intp),
    )


def pieces(layout: Layout, coded: bool = False) -> Iterator[Piece]:
    """Yield the plans of all chunks, in order."""
    return (piece_of(layout, index, coded) for index in range(chunk_count(layout.nbytes)))


def read(member: int, source: Source, piece: Piece) -> Bytes:
    """Return the checked bytes (piece.nbytes,) of one contribution's chunk.

    Raises BadContribution for a value that is not finite or (F64) beyond MAX_F64, a BOOL byte other
    than 0 and 1, padding that is not zero, or a source that gives another number of bytes.
    """
    data = memoryview(source.read_at(piece.offset, piece.nbytes))
    if data.nbytes != piece.nbytes:
        raise BadContribution(member, f"expected {piece.nbytes} bytes, got {data.nbytes}")
    raw = np.frombuffer(data, np.uint8)
    for tensor, start, stop in piece.parts:
        if tensor.dtype == "BOOL" and raw[start:stop].max() > 1:
            raise BadContribution(
                member, f"expected 0 or 1 in the BOOL tensor {tensor.name!r}, got another byte"
            )
    if raw[piece.padding].any():
        at = int(piece.padding[raw[piece.padding] != 0][0])
        tensor = [t for t, start, _ in piece.parts if start < at][-1]
        raise BadContribution(member, f"expected zeros in the padding after {tensor.name!r}")
    for run in piece.runs:
        if not can_be_merged(raw[run.start : run.stop], run.dtype):
            raise BadContribution(
                member,
                f"expected finite numbers in {piece.culprit(raw)!r}, got NaN, infinity or one "
                f"beyond {MAX_F64:g}",
            )
    return raw


def check_contribution(layout: Layout, member: int, source: Source, coded: bool = False) -> None:
    """Read all of a contribution; raises BadContribution with the member and the offending
    tensor."""
    for piece in pieces(layout, coded):
        read(member, source, piece)
