"""Names of columns that are nearly alike: case, blanks, punctuation, Unicode forms, and versions of
Ensembl ids."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from swarmhub.data.findings import Findings
from swarmhub.errors import BadInput, plain

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


def warn_of_lacking(
    own: Sequence[str], needed: Collection[str], advice: str, found: Findings
) -> None:
    """Warn of the study's columns that a table lacks. Raises BadInput, with the advice, if it has
    none at all."""
    mine = set(own)
    lacking = [name for name in needed if name not in mine]
    if len(lacking) == len(needed):
        raise BadInput(
            f"None of the study's {len(needed)} columns ({list_names(needed)}) is in this table "
            f"({list_names(own)}); name the columns as {advice}."
        )
    if lacking:
        found.warn(
            "missing columns",
            f"This table lacks {len(lacking)} of the study's {len(needed)} columns, which count as "
            f"missing in all its rows: {list_names(lacking)}{say_nearest(lacking, own, needed)}.",
            lacking[0],
        )


def refuse_respelled(wrong: Sequence[tuple[str, str]], remedy: str, found: Findings) -> None:
    """Report an error, with the remedy, if there are pairs of a spelling here and the study's."""
    if wrong:
        pairs = ", ".join(f"'{plain(a, 60)}' for '{plain(b, 60)}'" for a, b in wrong[:LISTED])
        more = ", ..." if len(wrong) > LISTED else ""
        found.error(
            "name of a column",
            f"This table spells {len(wrong)} of the study's column names in another way ({pairs}"
            f"{more}){remedy}.",
            wrong[0][0],
        )


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
