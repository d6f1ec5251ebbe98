"""A site's private arrays, kept from round to round and never sent: `round.local`, and arrays that
match `keep_local`. One file a round; the last two are kept, so that a torn one costs a round."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from swarmhub.errors import BlobError, DiskError, Malformed, TrainerError, plain
from swarmhub.params import import_safetensors, save_safetensors
from swarmhub.params.buffer import Array

KEPT = 2


class Shelf:
    """The private arrays of one study, by round."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def load(self, number: int) -> dict[str, Array]:
        """Return the arrays that the last round before `number` has saved; {} if there are none."""
        for older in sorted(self._versions(), reverse=True):
            if older < number:
                with contextlib.suppress(BlobError):  # torn by a power cut: use the one before it
                    return import_safetensors(self._path(older))
        return {}

    def save(self, number: int, local: Any, kept: Mapping[str, Array]) -> None:
        """Save the arrays of `round.local` and of the model's own that stay at home. Raises
        TrainerError, which names the array, if one cannot be stored as it is."""
        arrays = {**to_arrays(local), **kept}
        if len(arrays) < len(local) + len(kept):
            twice = sorted(set(local) & set(kept))[0]
            raise TrainerError(
                f"round.local has {twice!r}, which is an array of the model that stays at home; "
                "give it another name."
            )
        if not arrays and not self._versions():
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            save_safetensors(arrays, self._path(number))
        except Malformed as error:
            raise TrainerError(f"round.local cannot be kept: {error}") from None
        except (DiskError, OSError) as error:
            raise TrainerError(
                f"round.local cannot be kept ({plain(error)}); start the trainer again then: it "
                "goes on from here."
            ) from None
        for old in sorted(self._versions())[:-KEPT]:
            self._path(old).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.safetensors"

    def _versions(self) -> list[int]:
        return [int(p.stem) for p in self._folder.glob("*.safetensors") if p.stem.isdecimal()]


def to_arrays(local: Any) -> dict[str, Array]:
    """Return `round.local` as arrays by name; plain numbers become arrays of no dimension. Raises
    TrainerError for anything else."""
    if not isinstance(local, Mapping):
        raise TrainerError(f"Expected a dict in round.local, got {type(local).__name__}.")
    found = {}
    for name, value in local.items():
        is_number = isinstance(value, np.ndarray | np.generic | int | float)
        if not isinstance(name, str) or not is_number:
            raise TrainerError(
                f"Expected NumPy arrays by name in round.local, got {type(value).__name__} for "
                f"{plain(repr(name), 60)}; make it one with np.array(...)."
            )
        found[name] = value if isinstance(value, np.ndarray) else np.asarray(value)
    return found
