"""The record of what this hospital's persons have had signed, or have taken along.

A transaction on the ledger is the hospital's. Which person of the hospital had it signed is the
hospital's own affair: it stands here, in `state/acts.jsonl`, and never leaves the home.
"""

from __future__ import annotations

import contextvars
import getpass
from dataclasses import dataclass

from swarmhub.clock import wall_clock_ms
from swarmhub.home.home import Home
from swarmhub.home.record_log import RecordLog
from swarmhub.types import Digest

COMMAND = "command"
# the height of the newest block with a transaction that this code has submitted
height: contextvars.ContextVar[int] = contextvars.ContextVar("height", default=0)
person: contextvars.ContextVar[str] = contextvars.ContextVar("person", default="")


@dataclass(frozen=True)
class Acted:
    """A transaction that a person had signed: its kind and study, its id, and what the contract
    said ("" if it took it); or a result that they took along: `tx` is then the digest of the model,
    or of the evidence's manifest. `person` is a user of the hub, or "NAME (command)" with the name
    of an account of this machine."""

    time_ms: int  # by this machine's clock
    person: str
    kind: str
    study: str
    tx: str
    refused: str = ""


def name_person() -> str:
    """Return the person for whom this code runs."""
    found = person.get()
    if found:
        return found
    try:
        return f"{getpass.getuser()} ({COMMAND})"
    except (KeyError, OSError):  # an account without a name
        return COMMAND


def open_acts(home: Home) -> RecordLog[Acted]:
    """Return the record of a home."""
    return RecordLog(home.state_path("acts.jsonl"), Acted)


def note_taken(home: Home, kind: str, study: str, digest: Digest) -> None:
    """Record that the present person takes along a result of a study."""
    open_acts(home).append(Acted(wall_clock_ms(), name_person(), kind, study, digest))


def read_acts(home: Home, study: str = "", since_ms: int = 0) -> list[Acted]:
    """Return the acts of a study (all if "") since a time by this machine's clock, oldest first."""
    return [a for a in open_acts(home).read(since_ms) if not study or a.study == study]
