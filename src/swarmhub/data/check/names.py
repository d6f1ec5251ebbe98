"""Names of columns that are nearly alike: case, blanks, punctuation, Unicode forms, and versions of
Ensembl ids."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from swarmhub.errors import plain

LISTED = 6  # names in a sentence
MAX_COMPARED = 500  # columns; above it nearest names are not searched
_ENSEMBL = re.compile(r"(ens[a-z]{0,6}[gtpe]\d{11})\.\d+$")


def fold(name: str) -> str:
    """Return the form that spellings of one name share: no case, one '_' for blanks and
    punctuation, Unicode's compatible form, no version of an Ensembl id."""
    text = unicodedata.normalize("NFKC", name).casefold()
    return re.sub(r"[\W_]+", "_", _ENSEMBL.sub(r"\1", text)).strip("_")


def list_names(names: Iterable[str]) -> str:
    """Return names for a sentence, the first ones."""
    every = list(names)
    shown = ", ".join(f"'{plain(name, 60)}'" for name in every[:LISTED])
    return shown + (f" and {len(every) - LISTED} more" if len(every) > LISTED else "")


def find_respelled(own: Iterable[str], known: Iterable[str]) -> list[tuple[str, str]]:
    """Return (own name, known name) of each own name that is not known, but for its spelling."""
    exact = set(known)
    spelled: dict[str, str] = {}
    for name in sorted(exact, reverse=True):
        spelled[fold(name)] = name
    mine = set(own)
    return [
        (name, spelled[fold(name)])
        for name in own
        if name not in exact and fold(name) in spelled and spelled[fold(name)] not in mine
    ]


def find_alike(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of names that differ in spelling only."""
    spelled: dict[str, list[str]] = defaultdict(list)
    for name in names:
        spelled[fold(name) or name].append(name)
    return [group for group in spelled.values() if len(group) > 1]


def say_nearest(lacking: Sequence[str], own: Mapping[str, object] | Sequence[str],
                needed: Iterable[str]) -> str:  # fmt: skip
    """Return " (is ...?)" for the first lacking column that resembles a spare one here, else ""."""
    used = set(needed)
    spare = [name for name in own if name not in used]
    if len(spare) > MAX_COMPARED:
        return ""
    for name in lacking[:LISTED]:
        near = difflib.get_close_matches(name, spare, 1, 0.7)
        if near:
            return f" (is '{plain(near[0], 60)}' here what is '{plain(name, 60)}' there?)"
    return ""
