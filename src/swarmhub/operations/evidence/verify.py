"""Checking a folder of evidence, without a network, a node or a key.

In this order: the signature over the list of files, the files of the list, the blocks, the proven
records of the state, the documents computed from the blocks, the signer's key on the ledger, the
origin. The first record that does not hold is named.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

from swarmhub import __version__, codec
from swarmhub.contract import State
from swarmhub.contract.records import MEMBER
from swarmhub.errors import BadInput, plain
from swarmhub.operations.evidence.chain import BLOCKS, Chain, check_chain
from swarmhub.operations.evidence.derived import derive
from swarmhub.operations.evidence.faults import Altered
from swarmhub.operations.evidence.lines import split_lines
from swarmhub.operations.evidence.manifest import (
    MANIFEST,
    MAX_FILES,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    SIGNATURE,
    Manifest,
    Signed,
    check_file,
    check_signature,
    read_manifest,
)
from swarmhub.operations.evidence.proof import Signers
from swarmhub.operations.evidence.state import STATE, check_state
from swarmhub.types import Digest

Origin = Literal["proven", "not proven"]
MAX_DEPTH = 4  # folders within each other


@dataclass(frozen=True)
class EvidenceChecked:
    """A folder that holds. `executed`: all blocks are there in full, and the contract has executed
    them again; `recomputed`: the documents are those that this version computes (a folder of
    another version is not computed again)."""

    study: str
    chain: str
    genesis: Digest
    origin: Origin
    signed_by: str
    made_ms: int
    files: int
    blocks: int
    parts: int
    headers: int
    signers: Signers  # of the blocks
    executed: bool
    recomputed: bool


def verify_evidence(folder: Path, genesis: Digest = "") -> EvidenceChecked:
    """Check a folder; `genesis` is the digest of block 0 as known from elsewhere. Raises Altered,
    with the first record that does not hold, BadInput if it is no folder of evidence."""
    if genesis and not codec.is_digest(genesis):
        raise BadInput(
            f"Expected a digest of 64 hex digits for --genesis, got '{plain(genesis, 80)}'; "
            "'swarmhub ledger verify' prints it at a member."
        )
    place = folder.expanduser()
    if not place.is_dir() or not (place / MANIFEST).exists() or not (place / SIGNATURE).exists():
        raise BadInput(
            f"Expected a folder of 'swarmhub evidence export' at {place}, found none; check the "
            "path."
        )
    data = _read(place, MANIFEST, MAX_MANIFEST_BYTES)
    signed = check_signature(data, _read(place, SIGNATURE, MAX_SIGNATURE_BYTES))
    manifest = read_manifest(data)
    files = _read_files(place, manifest)
    chain = check_chain(partial(_lines_of, files))
    _check_subject(manifest, chain)
    state = check_state(_lines_of(files, STATE), chain, manifest.study)
    recomputed = manifest.software == __version__
    if recomputed:
        _check_documents(files, state, chain, manifest.study)
    _check_signer(signed, state)
    if genesis and genesis != chain.genesis:
        raise Altered(BLOCKS, 1, f"block 0 is not that of {genesis[:16]}…: it is another chain's")
    return EvidenceChecked(
        manifest.study, chain.id, chain.genesis, "proven" if genesis else "not proven",
        signed.name, manifest.made_ms, len(files) + 2, len(chain.blocks), chain.parts,
        chain.headers, chain.signers, chain.is_complete, recomputed,
    )  # fmt: skip


def _read_files(place: Path, manifest: Manifest) -> dict[str, bytes]:
    """Return the listed files. Raises Altered for the first that is missing, changed or not
    listed."""
    there = dict(_walk(place, "", 0))
    files = {}
    for listed in manifest.files:
        if listed.path not in there:
            raise Altered(listed.path, 0, "it is missing")
        # a longer file is read no further than needed to tell
        data = _read(place, listed.path, listed.nbytes + 1, is_cut=True)
        check_file(listed, data)
        files[listed.path] = data
    extra = there.keys() - files.keys() - {MANIFEST, SIGNATURE}
    if extra:
        raise Altered(min(extra), 0, "it is not listed")
    return files


def _walk(folder: Path, prefix: str, depth: int) -> Iterator[tuple[str, int]]:
    """Yield the files below a folder with their sizes. Raises Altered for links and all else that
    is neither file nor folder."""
    for found, entry in enumerate(sorted(os.scandir(folder), key=lambda e: e.name), 1):
        path, mode = f"{prefix}{entry.name}", entry.stat(follow_symlinks=False)
        if found > MAX_FILES or depth > MAX_DEPTH:
            raise Altered(path, 0, "the folder has too many files, or folders in each other")
        if stat.S_ISDIR(mode.st_mode):
            yield from _walk(folder / entry.name, f"{path}/", depth + 1)
        elif stat.S_ISREG(mode.st_mode):
            yield path, mode.st_size
        else:
            raise Altered(path, 0, "it is a link or a special file")


def _read(place: Path, path: str, most: int, is_cut: bool = False) -> bytes:
    """Return a file's bytes, at most `most`; a link is not followed."""
    try:
        fd = os.open(place / path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            data = file.read(most if is_cut else most + 1)
    except OSError as error:
        raise Altered(path, 0, f"it cannot be read ({error.strerror})") from None
    if len(data) > most:
        raise Altered(path, 0, f"it has more than {most} bytes")
    return data


def _lines_of(files: dict[str, bytes], path: str) -> list[bytes]:
    if path not in files:
        raise Altered(MANIFEST, 0, f"it does not list {path}")
    return split_lines(files[path])


def _check_subject(manifest: Manifest, chain: Chain) -> None:
    ours = (manifest.chain, manifest.genesis, manifest.height, manifest.head)
    if ours != (chain.id, chain.genesis, chain.tip.height, chain.head):
        raise Altered(MANIFEST, 0, "chain, genesis or last block are not those of the blocks")


def _check_documents(files: dict[str, bytes], state: State, chain: Chain, study: str) -> None:
    """Raise Altered for the first line that does not follow from the blocks."""
    for path, expected in derive(state, chain.blocks, study).items():
        found = _lines_of(files, path)
        if found == [b""] and not expected:
            found = []
        for record, line in enumerate(expected, 1):
            if record > len(found) or found[record - 1] != line:
                raise Altered(path, record, "it does not follow from the blocks")
        if len(found) > len(expected):
            raise Altered(path, len(expected) + 1, "it does not follow from the blocks")


def _check_signer(signed: Signed, state: State) -> None:
    member = MEMBER.get(state, signed.member)
    if member is None or (member.name, member.release) != (signed.name, signed.key):
        raise Altered(SIGNATURE, 0, "the key is not the release key of that member on the ledger")
