"""An audit as a file: the last one of a study, in this home, and copies of it.

local/STUDY/privacy.json    a report made here shows it, and evidence has it
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.files import write_durably
from swarmhub.home.home import Home
from swarmhub.models.folder import need_own_place, write_beside
from swarmhub.operations.privacy_audit.contents import FORM, Attack, Audit
from swarmhub.operations.results import NamedFigure

FILE = "privacy.json"
MAX_BYTES = 1 << 20
PARTS = ("value", "low", "high")


def keep_audit(home: Home, found: Audit) -> None:
    """Keep an audit in this home, in the place of an earlier one."""
    folder = home.local_path(found.study)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(folder / FILE, write_audit(found))


def write_audit(found: Audit) -> bytes:
    """Return an audit as JSON."""
    return (json.dumps(codec.to_json(found), indent=1, ensure_ascii=False) + "\n").encode(
        errors="backslashreplace"
    )


def export_audit(found: Audit, out: Path, given: Sequence[Path] = ()) -> None:
    """Write an audit as JSON to a file for a person to hand on. Raises BadInput if it would be
    written over one of the given files."""
    need_own_place(out, given)
    write_beside(out, write_audit(found))


def read_audit(home: Home, study: str) -> Audit | None:
    """Return the last audit of a study in this home; None if there is none that can be read."""
    try:
        with (home.local_path(study) / FILE).open("rb") as file:
            tree = json.loads(file.read(MAX_BYTES))
        found = parse_audit(tree)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return found if found.form == FORM and found.study == study else None


def parse_audit(tree: Any) -> Audit:
    """Return an audit out of its JSON. Raises TypeError, KeyError or ValueError if it is none."""
    attacks = tuple(
        Attack(**{**attack, "figures": tuple(map(_parse_figure, attack["figures"]))})
        for attack in tree["attacks"]
    )
    return Audit(**{**tree, "attacks": attacks})


def _parse_figure(tree: Any) -> NamedFigure:
    value, low, high = (None if tree[k] is None else float(tree[k]) for k in PARTS)
    return NamedFigure(str(tree["name"]), value, low, high, int(tree["support"]))
