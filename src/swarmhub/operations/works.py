"""The process that carries out one work: `python -m swarmhub.operations.works`.

stdin     {"work", "home", "arguments", "person"}
stdout    {"result"}, or {"error"} with one sentence
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.errors import SwarmhubError, plain
from swarmhub.home.home import Home
from swarmhub.node import parent_watch
from swarmhub.operations import acting
from swarmhub.operations.packing import pack_evidence, pack_model
from swarmhub.operations.privacy_audit.audit import audit_files
from swarmhub.operations.results import Auditing, Choice, Validating, WantedEvidence
from swarmhub.operations.validation import validate

NICENESS = 5  # rounds go first
MAX_SENTENCE = 2000

# the arguments of each work, and what does it
WORKS: dict[str, tuple[type[Any], Callable[[Home, Any], Any]]] = {
    "evidence.export": (WantedEvidence, pack_evidence),
    "model.export": (Choice, pack_model),
    "model.evaluate": (Validating, validate),
    "privacy.audit": (Auditing, audit_files),
}


def carry_out(asked: dict[str, Any]) -> dict[str, Json]:
    """Carry out a work; return its result, or the sentence of its error."""
    takes, does = WORKS[asked["work"]]
    token = acting.person.set(asked["person"])
    try:
        home = Home.open(Path(asked["home"]))
        return {"result": codec.to_json(does(home, codec.from_json(takes, asked["arguments"])))}
    except SwarmhubError as error:
        return {"error": plain(error, MAX_SENTENCE)}
    except OSError as error:
        said = f"{error.strerror or error} ({error.filename or 'system'})"
        return {"error": f"{said}; check the path, its permissions and the disk."}
    finally:
        acting.person.reset(token)


def main() -> None:
    """Answer what stands on the standard input."""
    parent_watch.hold()
    os.nice(NICENESS)
    out, sys.stdout = sys.stdout, sys.stderr  # what a library prints is no answer
    answer = carry_out(json.loads(sys.stdin.buffer.read()))
    out.write(json.dumps(answer))
    out.flush()


if __name__ == "__main__":
    main()
