"""Results that a person takes along: zip files in `run/downloads`, which the hub gives away once.

    run/downloads/.new-…/               being written
    run/downloads/SECRET-LABEL.zip      whole; its name is known to the person that asked for it

A file goes when it is given away, or when it has lain here for KEPT_S.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeVar

from swarmhub.clock import wall_clock_ms
from swarmhub.errors import BadInput, plain
from swarmhub.home.home import Home

KEPT_S = 3600
NAME = re.compile(r"[0-9a-f]{32}-([a-z0-9][a-z0-9-]{0,79}\.zip)")

T = TypeVar("T")


@dataclass(frozen=True)
class Download:
    """A zip file: `name` is what it is asked for by, once, within an hour; `nbytes` its size."""

    name: str
    nbytes: int


def make_download(home: Home, label: str, write: Callable[[Path], T]) -> tuple[Download, T]:
    """Pack the folder `label` that `write` makes at a path; return the file, and what `write`
    returns."""
    place = _folder(home)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    sweep(home)
    with tempfile.TemporaryDirectory(dir=place, prefix=".new-") as new:
        folder, packed = Path(new) / label, Path(new) / "packed"
        made = write(folder)
        _pack(folder, packed)
        found = Download(f"{secrets.token_hex(16)}-{label}.zip", packed.stat().st_size)
        packed.rename(place / found.name)
    return found, made


def _pack(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                archive.write(path, path.relative_to(folder.parent))


def take_download(home: Home, name: str) -> tuple[BinaryIO, str]:
    """Return an open file, which has no place any more, and its name for a person. Raises BadInput
    if there is none of this name."""
    known = NAME.fullmatch(name)
    try:
        if known is None:
            raise FileNotFoundError
        path = _folder(home) / name
        file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        path.unlink()
    except OSError:
        raise BadInput(
            f"There is no download '{plain(name, 120)}': each is given once, within an hour. Have "
            "it made again."
        ) from None
    return file, known[1]


def sweep(home: Home) -> None:
    """Remove files that nobody has fetched, and what was not written to its end."""
    place = _folder(home)
    if not place.is_dir():
        return
    for entry in os.scandir(place):
        try:
            age_s = wall_clock_ms() / 1000 - entry.stat(follow_symlinks=False).st_mtime
            if age_s > KEPT_S:
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
        except FileNotFoundError:
            continue


def _folder(home: Home) -> Path:
    return home.run_path("downloads")
