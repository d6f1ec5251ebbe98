"""Files of large blobs that are no longer needed, kept to be written over: this saves the kernel
from finding and clearing hundreds of megabytes in every round."""

from __future__ import annotations

import uuid
from pathlib import Path

MOST_TIMES = 4  # the largest one's bytes: what a leader of four needs in a round


class Spares:
    """The spare files of one store, in its folder for incoming files."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._spares: list[tuple[int, Path]] = []  # (length, path)

    def take(self, nbytes: int, path: Path) -> None:
        """Move a spare file of that length to `path`, if there is one and `path` is free."""
        for spare in self._spares if nbytes and not path.exists() else ():
            if spare[0] == nbytes:
                self._spares.remove(spare)
                spare[1].replace(path)
                break

    def add(self, path: Path, nbytes: int) -> None:
        """Move the file at `path` to the spare ones; the oldest go if they take too much room."""
        spare = self._folder / f"{uuid.uuid4().hex}.spare"
        path.replace(spare)
        self._spares.append((nbytes, spare))
        sizes = [size for size, _ in self._spares]
        while sum(sizes) > MOST_TIMES * max(sizes):
            sizes.pop(0)
            self._spares.pop(0)[1].unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all spare files."""
        self._spares.clear()
        for spare in self._folder.glob("*.spare"):
            spare.unlink(missing_ok=True)
