"""Steps that a tracker has, in the home: state/track.json.

    {"mlflow:http://127.0.0.1:5000": {"hearts": {"run": "5ae...", "own": 7, "merged": 6}}}

It saves a look at the tracker at every start. After a crash it may be one step behind, so the
tracker itself is asked before the first step that is written after a start.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swarmhub.files import write_durably
from swarmhub.track.values import Part


@dataclass
class Written:
    """The newest steps of a study's run that are written (-1: none)."""

    run: str = ""
    own: int = -1
    merged: int = -1
    closed: bool = False

    def last(self, part: Part) -> int:
        return self.own if part == "own" else self.merged

    def note(self, part: Part, step: int) -> None:
        if part == "own":
            self.own = max(self.own, step)
        else:
            self.merged = max(self.merged, step)


class Progress:
    """The progress of one target, by study. Another target's is kept for when it is set again."""

    def __init__(self, path: Path, target: str) -> None:
        self._path, self._target = path, target
        self._all = _read(path)
        self._studies: dict[str, Written] = {}
        for study, found in self._all.get(target, {}).items():
            try:
                self._studies[study] = Written(**found)
            except TypeError:
                continue  # of another version: the tracker is asked

    def of(self, study: str) -> Written:
        """Return what is written of a study."""
        return self._studies.setdefault(study, Written())

    def save(self) -> None:
        """Store it. Raises OSError if this machine cannot."""
        self._all[self._target] = {name: asdict(w) for name, w in self._studies.items()}
        write_durably(self._path, json.dumps(self._all).encode())


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):  # the tracker is asked
        return {}
    if not isinstance(found, dict):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, dict)}
