"""Parts of a record that came with a later version of the contract.

A field that version N adds has a default and `metadata={"since": N}`; a value that version N adds
to a Literal stands in its field's `metadata={"newer": {value: N}}`. Program code that does not know
the version cannot decode a record that has one of them; program code that knows it refuses the
record with the same code for as long as the chain follows an earlier version.
"""

from __future__ import annotations

import dataclasses
import functools
import typing
from typing import Any, NamedTuple

from swarmhub.codec import is_record


class _Part(NamedTuple):
    """A field that has to be looked at."""

    name: str
    since: int
    newer: dict[Any, int]  # values that came later, with their versions
    default: Any


def find_newer(record: Any, version: int) -> str:
    """Return the path of the first part of a record that the version does not have; "" if it has
    all of it. A field at its default is not packed, so every version has that."""
    return _find(record, version, type(record).__name__)


def _find(value: Any, version: int, path: str) -> str:
    if is_record(value):
        cls: type = type(value)
        for part in _parts(cls):
            found = _find_in_field(getattr(value, part.name), part, version, f"{path}.{part.name}")
            if found:
                return found
    items = value.values() if isinstance(value, dict) else value
    if isinstance(items, tuple) or isinstance(value, dict):
        return next((found for item in items if (found := _find(item, version, path))), "")
    return ""


def _find_in_field(value: Any, part: _Part, version: int, path: str) -> str:
    is_set = value != part.default or type(value) is not type(part.default)
    if part.since > version and is_set:
        return path
    if part.newer and isinstance(value, str) and part.newer.get(value, 1) > version:
        return path
    return _find(value, version, path)


@functools.cache
def _parts(cls: type) -> tuple[_Part, ...]:
    """Return the fields of a record class that may have a newer part; for most classes none."""
    hints = typing.get_type_hints(cls)
    found = []
    for f in dataclasses.fields(cls):
        since, newer = f.metadata.get("since", 1), f.metadata.get("newer", {})
        if since > 1 or newer or any(_parts(inner) for inner in _records_in(hints[f.name])):
            made = f.default_factory
            default = f.default if made is dataclasses.MISSING else made()
            found.append(_Part(f.name, since, newer, default))
    return tuple(found)


def _records_in(hint: Any) -> list[type]:
    """Return the record classes in a type."""
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return [hint]
    return [cls for inner in typing.get_args(hint) for cls in _records_in(inner)]
