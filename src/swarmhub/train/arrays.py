"""Named arrays as files that the trainer and its node hand to each other."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from swarmhub.errors import TrainerError
from swarmhub.files import held, is_passing
from swarmhub.params import Layout, arrays_from, write_buffer
from swarmhub.params.buffer import Array
from swarmhub.train.notices import Notices

AGAIN_S = 3.0  # between two tries to write where this machine is short of something


def write_arrays(
    arrays: Mapping[str, Array],
    layout: Layout,
    path: Path,
    pause: Callable[[float], None] = time.sleep,
) -> None:
    """Write arrays as a canonical buffer. As long as the disk is full (or the machine is short of
    something else that may pass), say so and try again, so that no training is lost. Raises
    TrainerError if the disk does not take them for another reason."""
    notices = Notices()
    while True:
        try:
            _write(arrays, layout, path)
        except OSError as error:
            why = f"The arrays cannot be written to {path.parent} ({error.strerror})"
            if not is_passing(error):
                raise TrainerError(
                    f"{why}; check its disk, then start the trainer again: it goes on from here."
                ) from None
            notices.waiting(f"{why}; free some: this training is kept, and written then")
        else:
            notices.goes_on(f"The arrays are written to {path.parent}; going on")
            return
        pause(AGAIN_S)


def _write(arrays: Mapping[str, Array], layout: Layout, path: Path) -> None:
    with path.open("r+b" if path.exists() else "wb", buffering=0) as file:
        write_buffer(arrays, layout, file)
        file.truncate(layout.nbytes)


def read_arrays(path: Path, layout_path: Path, into: dict[str, Array]) -> None:
    """Read a canonical buffer into a dict. Raises FileNotFoundError if the node has deleted it."""
    layout = Layout.parse(layout_path.read_bytes())
    with held(path) as file:
        into.update(arrays_from(file, layout))
