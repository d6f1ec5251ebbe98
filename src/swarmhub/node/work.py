"""The heavy work of a round, run in threads: hashing, checking, merging. Files in, files out."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from swarmhub.blobs import BlobStore, FileSource
from swarmhub.blobs.files import disk_error, open_to_overwrite
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.contract.records import Stage
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DOCUMENT, KINDS
from swarmhub.errors import BlobError, MergeError
from swarmhub.failpoints import failpoint
from swarmhub.files import copy_range, write_all
from swarmhub.merge import encode_model, merge_statistics, wire_layout
from swarmhub.params import ChunkHasher, Fingerprint, Layout
from swarmhub.privacy import NoiseTerms, make_noising, noise_model
from swarmhub.protocol import Join, Merge, recompute
from swarmhub.types import Digest, MemberId


@dataclass(frozen=True)
class Noisy:
    """A noisy contribution of this hospital: its member, its weight, the model from which it was
    trained, and its noise."""

    me: MemberId
    weight: int
    base: Digest
    terms: NoiseTerms


@dataclass(frozen=True)
class Sender:
    """A member that sends the change of a model from which it has trained, in few bytes."""

    me: MemberId
    wire: str
    base: Digest


class Unwanted(MergeError):
    """Raised if a merge is no longer needed because the round has advanced."""


def ingest(
    store: BlobStore, path: Path, layout: Layout | None, stage: Stage, me: MemberId, weight: int
) -> Fingerprint:
    """Check a trainer's file (layout None: a statistics document) for a stage, hash it, store
    it."""
    if layout is None:
        merge_statistics({me: path.read_bytes()}, {me: weight})  # refuses what others would
        fingerprint = fingerprint_of(path, STATISTICS_LAYOUT)
    else:
        size = path.stat().st_size
        if size != layout.nbytes:
            raise BlobError(f"Expected {layout.nbytes} bytes of parameters, got {size}.")
        hasher = ChunkHasher(layout.digest)
        with closing(FileSource(path, hasher)) as source:
            recompute.check_buffer(stage, layout, me, source)  # reads every chunk once, in order
        store.put_layout(layout)
        fingerprint = hasher.finish()
    store.adopt(path, fingerprint, first=True)
    return fingerprint


def ingest_noisy(
    store: BlobStore, path: Path, layout: Layout, stage: Stage, noisy: Noisy
) -> Fingerprint:
    """Check a trainer's file for a stage, and store it with noise: without it, it is stored
    nowhere."""
    size = path.stat().st_size
    if size != layout.nbytes:
        raise BlobError(f"Expected {layout.nbytes} bytes of parameters, got {size}.")
    with closing(FileSource(path)) as own, closing(store.source(noisy.base)) as base:
        recompute.check_buffer(stage, layout, noisy.me, own)
        noising = make_noising(layout, base, noisy.terms, noisy.weight, secrets.token_bytes(32))
        store.put_layout(layout)
        chunks = noise_model(noising, own, base)
        return store_chunks(store, layout, chunks, lambda: True, first=True)


def ingest_change(
    store: BlobStore, path: Path, layout: Layout, stage: Stage, sender: Sender
) -> Fingerprint:
    """Check a trainer's file for a stage, and store it as a change in few bytes."""
    size = path.stat().st_size
    if size != layout.nbytes:
        raise BlobError(f"Expected {layout.nbytes} bytes of parameters, got {size}.")
    wire = wire_layout(layout, sender.wire)
    with closing(FileSource(path)) as own, closing(store.source(sender.base)) as base:
        recompute.check_buffer(stage, layout, sender.me, own)
        store.put_layout(layout)
        store.put_layout(wire)
        chunks = encode_model(layout, sender.wire, sender.me, own, base)
        return store_chunks(store, wire, chunks, lambda: True, first=True)


def merge(store: BlobStore, effect: Merge, is_wanted: Callable[[], bool]) -> Fingerprint:
    """Do a merge and store the result. Stops with Unwanted when it is wanted no longer."""
    if not KINDS[effect.stage.kind].has_contributions:
        return store.fingerprint(effect.shares[0].digest)
    if KINDS[effect.stage.kind].carries == DOCUMENT:
        path = store.incoming()
        path.write_bytes(b"".join(recompute.merge(store, effect)))
        fingerprint = fingerprint_of(path, STATISTICS_LAYOUT)
        store.adopt(path, fingerprint)
        return fingerprint
    return _merge_parameters(store, effect, is_wanted)


def _merge_parameters(
    store: BlobStore, effect: Merge, is_wanted: Callable[[], bool]
) -> Fingerprint:
    layout = recompute.layout_of_merge(store, effect)
    with closing(recompute.merge(store, effect)) as chunks:
        return store_chunks(store, layout, chunks, is_wanted)


def store_chunks(
    store: BlobStore,
    layout: Layout,
    chunks: Iterable[bytes | memoryview],
    is_wanted: Callable[[], bool],
    first: bool = False,
) -> Fingerprint:
    """Store a buffer of a layout as its chunks are made; `first`: it is on disk, and the only copy.
    Stops with Unwanted when it is wanted no longer."""
    path = store.incoming(layout.nbytes)
    try:
        hasher = ChunkHasher(layout.digest)
        failpoint("merge.begun")
        with open_to_overwrite(path) as out:
            for chunk in chunks:
                if not is_wanted():
                    raise Unwanted("The merge is not wanted any more.")
                write_all(out, chunk)
                failpoint("merge.half")
                hasher.feed(chunk)
            out.truncate(layout.nbytes)
        fingerprint = hasher.finish()
        failpoint("merge.whole")
        store.adopt(path, fingerprint, first=first)
        return fingerprint
    except OSError as error:
        raise disk_error(error, store.root) from None
    finally:
        path.unlink(missing_ok=True)


def join(store: BlobStore, effect: Join) -> None:
    """Make a blob of its parts, one after the other in a new file; no chunk is hashed again. Raises
    BlobError if they are not its parts."""
    prints = [store.fingerprint(part) for part in effect.parts]
    leaves = tuple(leaf for found in prints for leaf in found.leaves)
    whole = Fingerprint(effect.layout, effect.nbytes, leaves)
    if whole.digest != effect.digest:
        raise BlobError(f"The blob {effect.digest[:16]}… is not made of the parts that are here.")
    path = store.incoming(effect.nbytes)
    try:
        with open_to_overwrite(path) as out:
            for part, found in zip(effect.parts, prints, strict=True):
                copy_range(store.locate(part), found.nbytes, out)
            out.truncate(effect.nbytes)
        store.adopt(path, whole)
    except OSError as error:
        raise disk_error(error, store.root) from None
    finally:
        path.unlink(missing_ok=True)


def need_descriptor() -> None:
    """Raise OSError if this machine has no descriptor left: then a failure is no fault of
    others."""
    os.close(os.open(os.devnull, os.O_RDONLY))
