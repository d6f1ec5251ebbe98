"""Names of the files of a bundle: relative POSIX paths that mean one file on every system."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from swarmhub.errors import Malformed, plain

MAX_NAME_BYTES = 200
MAX_PARTS = 16


def check_names(names: Sequence[str]) -> None:
    """Raise Malformed for a name that could lead out of a folder or hide what it is, and for two
    names that some file system takes for one."""
    seen: set[str] = set()
    for name in names:
        _check(name)
        folded = fold(name)
        if folded in seen:
            raise Malformed(f"Two files have the name {plain(name, 60)!r}, apart from its case.")
        seen.add(folded)
    for name in names:
        parts = fold(name).split("/")
        if any("/".join(parts[:n]) in seen for n in range(1, len(parts))):
            raise Malformed(f"A file of the code is also a folder of {plain(name, 60)!r}.")


def fold(name: str) -> str:
    """Return a name as a file system compares it that ignores case and forms of letters."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


def _check(name: str) -> None:
    parts = name.split("/")
    wrong = (
        "is empty" if not name
        else "is too long" if len(name) > MAX_NAME_BYTES or len(_encode(name)) > MAX_NAME_BYTES
        else "has too many folders" if len(parts) > MAX_PARTS
        else "is absolute" if name.startswith("/") or ":" in name
        else "has a backslash" if "\\" in name
        else "has '..', '.' or an empty part" if {"", ".", ".."} & set(parts)
        else "has characters that cannot be seen" if not name.isprintable()
        else "has a part that begins or ends with a space, or ends with a dot"
        if any(p != p.strip() or p.endswith(".") for p in parts)
        else "is not in Unicode's form NFC" if unicodedata.normalize("NFC", name) != name
        else ""
    )  # fmt: skip
    if wrong:
        raise Malformed(f"Expected a relative path of a file, got {plain(name, 60)!r}: it {wrong}.")


def _encode(name: str) -> bytes:
    return name.encode(errors="surrogatepass")  # one is refused as not printable
