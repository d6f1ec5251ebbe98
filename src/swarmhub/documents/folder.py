"""Collection of the code in a folder, and nothing else: no data of patients travels with it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from swarmhub.documents.bundle import MAX_FILE_BYTES, MAX_FILES, CodeFile, pack_bundle
from swarmhub.errors import BadInput, plain

# tables, notebooks (with their results) and settings of a hospital are none of them
CODE = (
    "*.py", "*.pyi", "*.md", "*.toml", "*.cfg", "*.yaml", "*.yml", "*.sh",
    "requirements*.txt", "constraints*.txt", "LICENSE*", "Dockerfile", "Containerfile",
)  # fmt: skip
IMPORTED = ("*.so", "*.pyd", "*.pyc", "*.dll", "*.dylib", "*.pth")  # compiled: nobody can read it
SKIPPED = ("__pycache__", "*.egg-info")  # as all names that begin with a dot
MAX_LOOKED_AT = 5_000


def collect_code(path: Path) -> bytes:
    """Return the bundle of a folder, or of one file. Raises BadInput if it has anything but code:
    a file may be data, which must not leave with it."""
    files = [path] if path.is_file() else list(_walk(path))
    root = path.parent if path.is_file() else path
    for file in files:
        if not _is(file, CODE):
            raise BadInput(
                f"Expected code alone ({', '.join(CODE)}) in {path}, found "
                f"{plain(file.relative_to(root), 80)!r}; keep data and results elsewhere."
            )
    return _pack(root, files, path)


def collect_running(path: Path) -> bytes:
    """Return the bundle of a folder that may have data and results beside its code. Raises BadInput
    if Python could import from it what nobody can read."""
    files = [path] if path.is_file() else list(_walk(path))
    root = path.parent if path.is_file() else path
    for file in files:
        if _is(file, IMPORTED):
            raise BadInput(
                f"Expected code that people can read in {path}, found "
                f"{plain(file.relative_to(root), 80)!r}, which Python could import; remove it."
            )
    return _pack(root, [file for file in files if _is(file, CODE)], path)


def _walk(root: Path) -> Iterator[Path]:
    """Yield the regular files below a folder. Raises BadInput for links and for other kinds."""
    if not root.is_dir():
        raise BadInput(f"Expected a folder or a file of code at {root}, found none.")
    seen = 0
    for place, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not _is_skipped(f)]
        for name in [*folders, *names]:
            path = Path(place) / name
            seen += 1
            if seen > MAX_LOOKED_AT:
                raise BadInput(
                    f"Expected a folder of code at {root}, it has more than {MAX_LOOKED_AT} files."
                )
            if path.is_symlink():
                raise BadInput(f"Expected no links among the code, {path} is one; copy the file.")
            if name in names and not _is_skipped(name):
                if not path.is_file():
                    raise BadInput(f"Expected files of code in {root}, {path} is something else.")
                yield path


def _is_skipped(name: str) -> bool:
    return name.startswith(".") or any(fnmatchcase(name, pattern) for pattern in SKIPPED)


def _is(file: Path, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(file.name, pattern) for pattern in patterns)


def _pack(root: Path, files: list[Path], path: Path) -> bytes:
    if len(files) > MAX_FILES:
        raise BadInput(f"Expected 1 to {MAX_FILES} files of code in {path}, got {len(files)}.")
    try:
        found = [CodeFile(file.relative_to(root).as_posix(), _read(file)) for file in files]
    except OSError as error:
        raise BadInput(f"Cannot read the code in {path} ({error.strerror}).") from None
    return pack_bundle(found)


def _read(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(MAX_FILE_BYTES + 1)  # one byte more is refused, with the name
