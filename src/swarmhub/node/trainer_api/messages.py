"""Requests of a trainer to its node: the bodies of the local API's requests as records."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from swarmhub import codec
from swarmhub.codec import Json
from swarmhub.contract.records import Evaluation, Provenance
from swarmhub.errors import BadInput
from swarmhub.params import Layout
from swarmhub.params.layout import MAX_DOCUMENT_BYTES

MAX_PERSON = 100  # characters of a name
MAX_BODY_BYTES = MAX_DOCUMENT_BYTES + (1 << 20)  # a layout, and a little


@dataclass(frozen=True)
class NextTask:
    """A request for the next task, which waits at most `wait_s` seconds; not longer than until the
    result of the round `result_of` is settled, if it is not 0."""

    fence: int
    wait_s: int = 20
    result_of: int = 0


@dataclass(frozen=True)
class TaskResult:
    """The result of a task. The file `path` has the parameters, described by the layout."""

    fence: int
    number: int
    base: str
    samples: int
    path: str = ""
    evaluations: tuple[Evaluation, ...] = ()
    own_metrics: dict[str, int] = field(default_factory=dict)
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True)
class Asked:
    """An act that a person of this hospital asks for (`operations.acts`)."""

    act: str
    arguments: dict[str, Any]
    person: str


def read_act(data: bytes) -> Asked:
    """Parse an act. Raises BadInput if it is none."""
    found = read_object(data)
    arguments = found.get("arguments")
    act, person = found.get("act"), found.get("person")
    named = isinstance(act, str) and isinstance(person, str) and 0 < len(person) <= MAX_PERSON
    if set(found) != {"act", "arguments", "person"} or not named:
        raise BadInput("Expected an act, its arguments and the person who asks for it.")
    if not isinstance(arguments, dict):
        raise BadInput("Expected the arguments of an act as a JSON object.")
    return Asked(str(act), arguments, str(person))


def read_object(data: bytes) -> dict[str, Json]:
    """Parse a JSON object. Raises BadInput for anything else."""
    found = codec.parse(data, MAX_BODY_BYTES)
    if not isinstance(found, dict):
        raise BadInput("Expected a JSON object.")
    return found


def read_next_task(data: bytes) -> NextTask:
    """Parse a NextTask. Raises BadInput if it is not one."""
    return codec.from_json(NextTask, read_object(data))


def read_result(data: bytes) -> tuple[TaskResult, Layout | None]:
    """Parse a result, and the layout of its parameters if it has any. Raises BadInput if it is not
    one."""
    found = read_object(data)
    said = found.pop("layout", None)
    layout = None if said is None else _parse_layout(codec.encode(said))
    return codec.from_json(TaskResult, found), layout


@functools.lru_cache(maxsize=2)
def _parse_layout(document: bytes) -> Layout:
    """Parse a layout document; a trainer's own comes with each of its answers."""
    return Layout.parse(document)
