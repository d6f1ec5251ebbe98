"""Settled models, read by a process beside the nodes.

A node drops a model when newer ones have come, and may overwrite its file at any moment. Only
models that it must keep can be relied on: the current, the best and the released ones, and the
statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, TypeVar

from swarmhub.errors import BlobError
from swarmhub.files import held
from swarmhub.params import Layout

T = TypeVar("T")


def path_in(store: Path, digest: str) -> Path:
    """Return the file of a blob in a node's store (its folder)."""
    return store / f"{digest}.bin"


def read_held(stores: Sequence[Path], digest: str, read: Callable[[IO[bytes]], T]) -> T | None:
    """Return the result of `read` on the blob's file, from the first store that has it until it is
    read; None if none has it (any more)."""
    for store in stores:
        try:
            with held(path_in(store, digest)) as file:
                return read(file)
        except (FileNotFoundError, BlobError):
            continue
    return None


def read_layout(stores: Sequence[Path], digest: str) -> Layout | None:
    """Return the layout of this digest, from the first store that has it; None if none has."""
    for store in stores:
        try:
            return Layout.parse((store / "layouts" / f"{digest}.json").read_bytes())
        except FileNotFoundError:
            continue
    return None
