"""A simulated disk: what is not synced is lost or torn in a crash; it can be slow, or full."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from swarmhub.round import Prepared
from swarmhub.types import Digest


class DiskFull(Exception):
    """No space left."""


@dataclass
class Disk:
    """Blobs by digest and the journal, each with what has not been synced yet."""

    blobs: dict[Digest, bytes] = field(default_factory=dict)
    journal: Prepared | None = None
    full: bool = False
    slow_ms: int = 0  # what every piece of work with it takes longer
    _unsynced: set[Digest] = field(default_factory=set)

    def write(self, digest: Digest, data: bytes, durable: bool) -> None:
        """Write a blob; where it is not `durable`, a crash may still take it."""
        if self.full:
            raise DiskFull
        self.blobs[digest] = data
        if durable:
            self._unsynced.discard(digest)
        else:
            self._unsynced.add(digest)

    def sync(self, digest: Digest) -> None:
        """The blob outlives a crash from now on."""
        self._unsynced.discard(digest)

    def write_journal(self, prepared: Prepared) -> None:
        """Replaced as a whole and synced, as the real one is (`files.write_durably`)."""
        if self.full:
            raise DiskFull
        self.journal = prepared

    def crash(self, rng: random.Random) -> None:
        """Of what was not synced, each blob is whole, torn or gone."""
        for digest in sorted(self._unsynced & self.blobs.keys()):
            data = self.blobs.pop(digest)
            fate = rng.randrange(3)
            if fate == 0:
                self.blobs[digest] = data
            elif fate == 1:
                self.blobs[digest] = data[: rng.randrange(len(data))] + b"\xff"
        self._unsynced.clear()

    def retain(self, kept: set[Digest]) -> None:
        """Delete everything else."""
        for digest in [d for d in self.blobs if d not in kept]:
            del self.blobs[digest]
            self._unsynced.discard(digest)
