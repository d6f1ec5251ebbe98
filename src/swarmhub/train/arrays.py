"""Named arrays as files that the trainer and its node hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swarmhub.errors import TrainerError
from swarmhub.files import held
from swarmhub.params import Layout, arrays_from, write_buffer
from swarmhub.params.buffer import Array


def write_arrays(arrays: Mapping[str, Array], layout: Layout, path: Path) -> None:
    """Write arrays as a canonical buffer. Raises TrainerError if the disk does not take them."""
    try:
        with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
            write_buffer(arrays, layout, file)
            file.truncate(layout.nbytes)
    except OSError as error:
        raise TrainerError(
            f"The arrays cannot be written to {path.parent} ({error.strerror}); check its disk, "
            "then start the trainer again: it goes on from here."
        ) from None


def read_arrays(path: Path, layout_path: Path, into: dict[str, Array]) -> None:
    """Read a canonical buffer into a dict. Raises FileNotFoundError if the node has deleted it."""
    layout = Layout.parse(layout_path.read_bytes())
    with held(path) as file:
        into.update(arrays_from(file, layout))
