"""The contract's state: one flat map, path -> canonical bytes, under a Merkle root.

A transaction works on an `Overlay`: its writes are kept apart until the contract accepts it, so
a refusal leaves nothing behind. The root (`app_hash`) covers the map and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Generic, Protocol, TypeVar

from swarmhub import codec
from swarmhub.contract.trie import Node, Writes, hash_of, write_tree

REMEMBERED = 64  # decoded records that a table caches: those of now, not of a hundred rounds


class Reader(Protocol):
    """Anything from which state can be read."""

    def get(self, path: str) -> bytes | None:
        """Return the bytes at the path, or None."""


class State:
    """Committed state: a map and its trie. Only `commit` changes it."""

    def __init__(self, values: Mapping[str, bytes] | None = None) -> None:
        self.values: dict[str, bytes] = {}
        self.tree: Node = None
        if values:
            self.commit(dict(values))

    def get(self, path: str) -> bytes | None:
        return self.values.get(path)

    @property
    def app_hash(self) -> bytes:
        """Merkle root of the map, 32 bytes."""
        return hash_of(self.tree)

    def commit(self, writes: Writes, tree: Node = None) -> None:
        """Commit the writes. `tree` is the trie with them, if the caller has it already."""
        self.tree = tree or write_tree(self.tree, writes)
        for path, value in writes.items():
            if value is None:
                self.values.pop(path, None)
            else:
                self.values[path] = value


class Overlay:
    """Writes on top of a state (or of another overlay), thrown away or committed as one."""

    def __init__(self, below: Reader) -> None:
        self.below = below
        self.writes: Writes = {}

    def get(self, path: str) -> bytes | None:
        if path in self.writes:
            return self.writes[path]
        return self.below.get(path)

    def put(self, path: str, value: bytes | None) -> None:
        """Write bytes at the path; None deletes."""
        self.writes[path] = value

    def absorb(self, above: Overlay) -> None:
        """Take over the writes of an overlay on top of this one."""
        self.writes.update(above.writes)


R = TypeVar("R")


class Table(Generic[R]):
    """Records of one class under one prefix."""

    def __init__(self, prefix: str, cls: type[R]) -> None:
        self.prefix = prefix
        self.cls = cls
        self._known: dict[bytes, R] = {}

    def get(self, state: Reader, *key: object) -> R | None:
        """Return the record, or None."""
        data = state.get(self._path(key))
        if data is None:
            return None
        found = self._known.get(data)
        return self._learn(data, self._read(data)) if found is None else found

    def need(self, state: Reader, *key: object) -> R:
        """Return a record that must exist (the caller has made sure)."""
        found = self.get(state, *key)
        if found is None:
            raise LookupError(f"state has no {self._path(key)}")
        return found

    def read(self, state: Reader, *key: object) -> bytes:
        """Return the record's bytes; empty if it is not there."""
        return state.get(self._path(key)) or b""

    def put(self, state: Overlay, *key: object, record: R | None) -> None:
        """Write the record; None deletes it."""
        if record is None:
            state.put(self._path(key), None)
        else:
            data = codec.pack(record)
            self._learn(data, record)
            state.put(self._path(key), data)

    def _read(self, data: bytes) -> R:
        return codec.from_json(self.cls, json.loads(data))  # our own bytes: no check of the form

    def _learn(self, data: bytes, record: R) -> R:
        """Decode bytes, with a cache: records are frozen, so equal bytes may share one."""
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[data] = record
        return record

    def _path(self, key: tuple[object, ...]) -> str:
        if len(key) == 1:
            return f"{self.prefix}/{key[0]}"
        return "/".join([self.prefix, *map(str, key)])
