"""The heavy work of a round, done in threads: hashing, checking, merging. Files in, files out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from swarmhub.blobs import BlobStore, FileSource
from swarmhub.blobs.store import disk_error, fingerprint_of, open_to_overwrite
from swarmhub.contract.checks import STATISTICS_LAYOUT
from swarmhub.contract.records import MergeRule
from swarmhub.errors import BlobError, MergeError
from swarmhub.merge import (
    Contribution,
    Rule,
    Source,
    check_contribution,
    excerpt,
    find_false_stretch,
    merge_parameters,
    merge_statistics,
    recompute_leaf,
)
from swarmhub.moments import reach
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint, Layout, leaf_of
from swarmhub.params.buffer import write_all
from swarmhub.round import Audit, Examine, Merge
from swarmhub.types import Digest, MemberId


class Unwanted(MergeError):
    """The round has moved on; nothing is wrong."""


def take_over(
    store: BlobStore, path: Path, layout: Layout | None, me: MemberId, weight: int
) -> Fingerprint:
    """Check a trainer's file (layout None: a statistics document), hash it, store it."""
    if layout is None:
        merge_statistics({me: path.read_bytes()}, {me: weight})  # refuses what others would refuse
        fingerprint = fingerprint_of(path, STATISTICS_LAYOUT)
    else:
        size = path.stat().st_size
        if size != layout.nbytes:
            raise BlobError(f"Expected {layout.nbytes} bytes of parameters, got {size}.")
        hasher = ChunkHasher(layout.digest)
        source = FileSource(path, hasher)
        try:
            check_contribution(layout, me, source)  # reads every chunk once, in order
        finally:
            source.close()
        store.put_layout(layout)
        fingerprint = hasher.finish()
    store.adopt(path, fingerprint)
    return fingerprint


def check(store: BlobStore, digest: Digest, member: MemberId, weight: int) -> None:
    """Whether a held contribution can be merged; BadContribution where it cannot."""
    layout_digest = store.fingerprint(digest).layout
    if layout_digest == STATISTICS_LAYOUT:
        merge_statistics({member: store.path(digest).read_bytes()}, {member: weight})
        return
    source = store.source(digest)
    try:
        check_contribution(need_layout(store, layout_digest), member, source)
    finally:
        source.close()


def merge(store: BlobStore, wish: Merge, is_wanted: Callable[[], bool]) -> Fingerprint:
    """Do a merge and store the result. Stops with Unwanted when it is wanted no longer."""
    if wish.kind == "initial":
        return store.fingerprint(wish.shares[0].digest)
    if wish.kind == "statistics":
        path = store.incoming()
        path.write_bytes(_merge_statistics(store, wish))
        fingerprint = fingerprint_of(path, STATISTICS_LAYOUT)
        store.adopt(path, fingerprint)
        return fingerprint
    return _merge_parameters(store, wish, is_wanted)


def _merge_parameters(store: BlobStore, wish: Merge, is_wanted: Callable[[], bool]) -> Fingerprint:
    layout = need_layout(store, wish.layout)
    sources = {s.member: store.source(s.digest) for s in wish.shares}
    path = store.incoming(layout.nbytes)
    try:
        contributions = [Contribution(s.member, s.weight, sources[s.member]) for s in wish.shares]
        hasher = ChunkHasher(wish.layout)
        reach("merge.begun")
        with open_to_overwrite(path) as out:
            for chunk in merge_parameters(to_rule(wish.rule), layout, contributions):
                if not is_wanted():
                    raise Unwanted("The merge is not wanted any more.")
                view = memoryview(chunk).cast("B")
                assert view.nbytes <= CHUNK_BYTES
                write_all(out, view)
                reach("merge.half")
                hasher.feed(view)
            out.truncate(layout.nbytes)
        fingerprint = hasher.finish()
        reach("merge.whole")
        store.adopt(path, fingerprint)
        return fingerprint
    except OSError as error:
        raise disk_error(error, store.root) from None
    finally:
        path.unlink(missing_ok=True)
        for source in sources.values():
            source.close()


def audit(
    store: BlobStore, wish: Audit, starts: Sequence[int], excerpts: Mapping[MemberId, bytes]
) -> int | None:
    """First chunk of the held merge that is false, as far as it was recomputed; None where all is
    right. `excerpts` are stretches of the contributions that are not held."""
    if wish.full:
        return _find_false_chunk(store, wish)
    layout = need_layout(store, wish.layout)
    inputs = []
    for share in wish.shares:
        found = excerpts.get(share.member)
        if found is None:
            found = _excerpt_of(store, share.digest, starts)
        inputs.append(Contribution(share.member, share.weight, Memory(found)))
    merged = _excerpt_of(store, wish.digest, starts)
    at = find_false_stretch(to_rule(wish.rule), layout, starts, inputs, merged)
    return None if at is None else at // CHUNK_BYTES


def _find_false_chunk(store: BlobStore, wish: Audit) -> int | None:
    claimed = store.fingerprint(wish.digest)
    right = [leaf_of(chunk) for chunk in _merge_again(store, wish)]
    for index, (is_, should) in enumerate(zip(claimed.leaves, right, strict=False)):
        if is_ != should:
            return index
    return None if len(right) == len(claimed.leaves) else min(len(right), len(claimed.leaves)) - 1


def examine(store: BlobStore, wish: Examine, chunks: Mapping[MemberId, bytes]) -> Digest:
    """Leaf hash (hex) that a chunk of the right merge has. `chunks` are that chunk of the
    contributions that are not held (chunk-local rules only)."""
    if wish.kind == "statistics":
        right = dict(enumerate(_merge_again(store, wish)))
        return leaf_of(right.get(wish.chunk, b"")).hex()
    layout = need_layout(store, wish.layout)
    open_files = {s.member: store.source(s.digest) for s in wish.shares if s.member not in chunks}
    try:
        sources: dict[MemberId, Source] = {
            **open_files,
            **{m: Memory(data, wish.chunk * CHUNK_BYTES) for m, data in chunks.items()},
        }
        inputs = [Contribution(s.member, s.weight, sources[s.member]) for s in wish.shares]
        return recompute_leaf(to_rule(wish.rule), layout, inputs, wish.chunk)
    finally:
        for source in open_files.values():
            source.close()


def _merge_again(store: BlobStore, wish: Audit | Examine) -> Iterator[bytes | memoryview]:
    """The chunks of the right merge of held contributions."""
    if wish.kind == "statistics":
        whole = _merge_statistics(store, wish)
        yield from (whole[i : i + CHUNK_BYTES] for i in range(0, len(whole), CHUNK_BYTES))
        return
    layout = need_layout(store, wish.layout)
    sources = {s.member: store.source(s.digest) for s in wish.shares}
    try:
        inputs = [Contribution(s.member, s.weight, sources[s.member]) for s in wish.shares]
        yield from merge_parameters(to_rule(wish.rule), layout, inputs)
    finally:
        for source in sources.values():
            source.close()


def _merge_statistics(store: BlobStore, wish: Merge | Audit | Examine) -> bytes:
    documents = {s.member: store.path(s.digest).read_bytes() for s in wish.shares}
    return merge_statistics(documents, {s.member: s.weight for s in wish.shares})


def _excerpt_of(store: BlobStore, digest: Digest, starts: Sequence[int]) -> bytes:
    source = store.source(digest)
    try:
        return excerpt(source, store.fingerprint(digest).nbytes, starts)
    finally:
        source.close()


@dataclass(frozen=True)
class Memory:
    """A part of a buffer in memory, from byte `start` on."""

    data: bytes
    start: int = 0

    def read_at(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` of the whole buffer."""
        at = offset - self.start
        return self.data[at : at + length]


def to_rule(rule: MergeRule) -> Rule:
    """The arithmetic's rule for the contract's."""
    return Rule(rule.name, rule.trim_permille)


def need_layout(store: BlobStore, digest: Digest) -> Layout:
    """The layout document, which this node's own trainer has brought."""
    layout = store.layout(digest)
    if layout is None:
        need_descriptor()
        raise MergeError(f"The layout {digest[:16]}… is not known here; no trainer brought it.")
    return layout


def need_descriptor() -> None:
    """OSError where this machine has none left: then nobody else is to blame for what failed."""
    os.close(os.open(os.devnull, os.O_RDONLY))
