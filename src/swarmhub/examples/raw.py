"""The files of an example: found, and checked before anything reads them."""

from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import Path

from swarmhub.errors import BadInput
from swarmhub.examples.example import Example, Files, RawFile


def find_files(example: Example, data: Path) -> Files:
    """Return the paths of an example's files, in packages and below the folder `data`, each with
    the stated digest. Raises BadInput, with the place to get it, for one that is absent or
    another."""
    found = {}
    for file in example.files:
        path = locate(file, data)
        if path is None:
            where = f"the package {file.package}" if file.package else str(data)
            raise BadInput(
                f"Expected {file.path} in {where} for the example '{example.name}', found none; "
                f"{example.origin.get}."
            )
        check(file, path, example)
        found[file.path] = path
    return found


def has_files(example: Example, data: Path) -> bool:
    """Return whether each file of an example is there, whatever it holds."""
    return all(locate(file, data) is not None for file in example.files)


def locate(file: RawFile, data: Path) -> Path | None:
    """Return the place of a file, None if it is nowhere. A package is not imported."""
    places = [data / file.path, data / Path(file.path).name]
    if file.package:
        spec = find_spec(file.package)
        folders = (spec.submodule_search_locations or ()) if spec else ()
        places = [Path(folder) / file.path for folder in folders]
    return next((place for place in places if place.is_file()), None)


def check(file: RawFile, path: Path, example: Example) -> None:
    """Raise BadInput unless a file has the stated size and digest."""
    size = path.stat().st_size
    digest = ""
    if size == file.size:  # else it may be of any size
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    if digest != file.sha256:
        got = f"sha256 {digest}" if digest else f"{size} bytes"
        raise BadInput(
            f"Expected {path} with {file.size} bytes and sha256 {file.sha256}, got {got}: it is "
            f"another version, and the study's figures would not be comparable; "
            f"{example.origin.get}."
        )
