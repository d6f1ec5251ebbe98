"""A simulated disk: unsynced blobs are lost or torn in a crash; it can be slow, or full."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from swarmhub.contract.records import Contribution
from swarmhub.contract.round.shards import cut
from swarmhub.contract.transactions import Contribute
from swarmhub.errors import BlobError
from swarmhub.params import Fingerprint, Layout
from swarmhub.params.parts import cut_layout
from swarmhub.protocol import FetchedBlobs, OwnMasked, PreparedContribution, Signed, recompute
from swarmhub.sim.contents import Blob, Forms
from swarmhub.types import Digest


class DiskFull(Exception):
    """No space left."""


@dataclass
class Disk:
    """Blobs by digest and the journal, each with what has not been synced yet. It is a
    `BlobReader`."""

    forms: Forms
    blobs: dict[Digest, Blob] = field(default_factory=dict)
    journal: PreparedContribution | None = None
    signed: Signed = field(default_factory=Signed)
    obtained: FetchedBlobs = field(default_factory=FetchedBlobs)  # not synced
    masked: OwnMasked | None = None
    roots: dict[tuple[int, int], bytes] = field(default_factory=dict)  # by round and keying
    uses: dict[tuple[int, int, str], Digest] = field(default_factory=dict)
    full: bool = False
    slow_ms: int = 0  # added to every operation
    _unsynced: set[Digest] = field(default_factory=set)
    _views: set[Digest] = field(default_factory=set)  # parts of an answer that is here

    def __contains__(self, digest: Digest) -> bool:
        return digest in self.blobs

    def fingerprint(self, digest: Digest) -> Fingerprint:
        """Return the fingerprint of a blob; BlobError if it is not held."""
        return self._need(digest).fingerprint

    def source(self, digest: Digest) -> recompute.MemoryReader:
        """Return random access to a blob that is held."""
        return recompute.MemoryReader(self._need(digest).data)

    def read(self, digest: Digest) -> bytes:
        """Return all of a blob that is held."""
        return self._need(digest).data

    def layout(self, digest: Digest) -> Layout | None:
        """Return the layout that the trainer has brought."""
        return self.forms.by_digest.get(digest)

    def _need(self, digest: Digest) -> Blob:
        if digest not in self.blobs:
            raise BlobError(f"The blob {digest[:16]}… is not held here.")
        return self.blobs[digest]

    def write(self, blob: Blob, durable: bool) -> None:
        """Write a blob that is not here yet; a crash may take what is not `durable`."""
        if self.full:
            raise DiskFull
        if blob.digest not in self.blobs:
            self.blobs[blob.digest] = blob
            if not durable:
                self._unsynced.add(blob.digest)

    def cut(self, answer: Contribution | Contribute) -> list[Blob]:
        """Return the parts of a held answer, which others can read from now on."""
        found = []
        is_here = answer.parts and answer.digest in self.blobs
        for part in cut(answer.layout, answer.nbytes, len(answer.parts)) if is_here else ():
            whole = self.forms.find(part.layout)
            layout = cut_layout(whole, part.start, part.nbytes, part.name)
            self.forms.by_digest[part.name] = layout
            data = self._need(answer.digest).data[part.start : part.start + part.nbytes]
            found.append(Blob(part.name, data))
        self.blobs.update({blob.digest: blob for blob in found})
        self._views.update(blob.digest for blob in found)
        return found

    def is_synced(self, digest: Digest) -> bool:
        """Return whether a blob is held and outlives a crash."""
        return digest in self.blobs and digest not in self._unsynced

    def sync(self, digest: Digest) -> None:
        """Sync a blob: it outlives a crash from now on."""
        self._unsynced.discard(digest)

    def write_journal(self, prepared: PreparedContribution) -> None:
        """Replace the journal as a whole, synced, as the real one is (`files.write_durably`)."""
        if self.full:
            raise DiskFull
        self.journal = prepared

    def keep_root(self, keying: tuple[int, int], made: bytes) -> bytes:
        """Return the root secret of a keying; `made` is stored, synced, if there is none."""
        if keying not in self.roots and self.full:
            raise DiskFull
        return self.roots.setdefault(keying, made)

    def erase_roots(self, number: int) -> None:
        """Erase the secrets of rounds before this one."""
        self.roots = {k: v for k, v in self.roots.items() if k[0] >= number}
        self.uses = {k: v for k, v in self.uses.items() if k[0] >= number}

    def crash(self, rng: random.Random) -> None:
        """Leave each blob that was not synced whole, torn or gone, and forget the list of pulled
        ones, or not."""
        for digest in self._views:
            self.blobs.pop(digest, None)
        self._views.clear()
        for digest in sorted(self._unsynced & self.blobs.keys()):
            blob = self.blobs.pop(digest)
            fate = rng.randrange(3)
            if fate == 0:
                self.blobs[digest] = blob
            elif fate == 1:
                torn = blob.data[: rng.randrange(len(blob.data))] + b"\xff"
                self.blobs[digest] = Blob(blob.form, torn)
        self._unsynced.clear()
        if rng.randrange(3) == 0:
            self.obtained = FetchedBlobs()

    def retain(self, kept: set[Digest]) -> None:
        """Delete all other blobs."""
        for digest in [d for d in self.blobs if d not in kept]:
            del self.blobs[digest]
            self._unsynced.discard(digest)
