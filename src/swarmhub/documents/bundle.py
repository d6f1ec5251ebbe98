"""A bundle: the files of a study's code as one sequence of bytes, the same for the same files.

    swarmhub code 1\n
    [["fit.py",1200],["requirements.txt",31]]\n      canonical JSON: names and sizes, sorted by name
    the bytes of the files, one after the other

Every file is text in UTF-8: a member approves what it can read. The form has no modes, times, links
or compression, so there is one bundle of given files, and its sha256 is what the terms bind.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swarmhub import codec
from swarmhub.documents.names import check_names
from swarmhub.documents.text import is_text
from swarmhub.errors import Malformed, plain

HEAD = b"swarmhub code 1\n"
MAX_FILES = 200
MAX_FILE_BYTES = 256 << 10
MAX_CODE_BYTES = 4 << 20  # of all files
MAX_INDEX_BYTES = 128 << 10  # 200 names of 200 bytes, each byte escaped, and the sizes
MAX_BUNDLE_BYTES = len(HEAD) + MAX_INDEX_BYTES + 1 + MAX_CODE_BYTES


@dataclass(frozen=True)
class CodeFile:
    """A file of the code: its path from the folder, and its bytes, which are text."""

    name: str
    data: bytes

    @property
    def text(self) -> str:
        """The file's text."""
        return self.data.decode()


@dataclass(frozen=True)
class Bundle:
    """The files of a study's code, sorted by name."""

    files: tuple[CodeFile, ...]

    @property
    def nbytes(self) -> int:
        """Bytes of all files."""
        return sum(len(file.data) for file in self.files)


def pack_bundle(files: Sequence[CodeFile]) -> bytes:
    """Return the bundle of these files, in any order. Raises Malformed for files that no bundle can
    have."""
    ordered = sorted(files, key=lambda file: file.name)
    sizes = [(file.name, len(file.data)) for file in ordered]
    _check_index(sizes)
    for file in ordered:
        _need_text(file.name, file.data)
    index = codec.encode([list(pair) for pair in sizes])
    return b"".join([HEAD, index, b"\n", *(file.data for file in ordered)])


def read_bundle(data: bytes) -> Bundle:
    """Return the files of a bundle. Raises Malformed if the bytes are not the one bundle of its
    files."""
    if len(data) > MAX_BUNDLE_BYTES:
        raise Malformed(f"Expected code of at most {MAX_BUNDLE_BYTES} bytes, got {len(data)}.")
    if not data.startswith(HEAD):
        raise Malformed("Expected files of code of a study; these bytes begin otherwise.")
    end = data.find(b"\n", len(HEAD), len(HEAD) + MAX_INDEX_BYTES + 1)
    if end < 0:
        raise Malformed("Expected the list of the files of code in one line, found no end of it.")
    sizes = _read_index(codec.decode(data[len(HEAD) : end], MAX_INDEX_BYTES, MAX_FILES + 1))
    at, files = end + 1, []
    if len(data) != at + sum(size for _, size in sizes):
        raise Malformed("The files of code do not have the sizes that their list says.")
    for name, size in sizes:
        content = data[at : at + size]
        _need_text(name, content)
        files.append(CodeFile(name, content))
        at += size
    return Bundle(tuple(files))


def _read_index(index: Any) -> list[tuple[str, int]]:
    if not isinstance(index, list):
        raise Malformed("Expected a list of the files of code.")
    found: list[tuple[str, int]] = []
    for pair in index:
        if not isinstance(pair, list) or [type(value) for value in pair] != [str, int]:
            raise Malformed("Expected a name and a size of each file of code.")
        found.append((pair[0], pair[1]))
    if found != sorted(found):
        raise Malformed("The files of code are not sorted by name.")
    _check_index(found)
    return found


def _check_index(sizes: Sequence[tuple[str, int]]) -> None:
    if not 0 < len(sizes) <= MAX_FILES:
        raise Malformed(f"Expected 1 to {MAX_FILES} files of code, got {len(sizes)}.")
    check_names([name for name, _ in sizes])
    for name, size in sizes:
        if not 0 <= size <= MAX_FILE_BYTES:
            raise Malformed(
                f"Expected files of code of at most {MAX_FILE_BYTES >> 10} KiB each, "
                f"{plain(name, 60)!r} has {size} bytes."
            )
    if (total := sum(size for _, size in sizes)) > MAX_CODE_BYTES:
        raise Malformed(
            f"Expected at most {MAX_CODE_BYTES >> 20} MiB of code in all, got {total} bytes."
        )


def _need_text(name: str, data: bytes) -> None:
    if not is_text(data):
        raise Malformed(
            f"Expected files of code in UTF-8 that people can read, {plain(name, 60)!r} is none."
        )
