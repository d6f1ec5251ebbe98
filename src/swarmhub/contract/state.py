"""The contract's state: one flat map, path -> canonical bytes, under a Merkle root.

A transaction works on an `Overlay`: its writes are kept apart until the contract accepts it, so
a refusal leaves nothing behind. The root (`app_hash`) covers the map and nothing else. It is the
root of a binary trie over sha256(path) in which a subtree with a single leaf is that leaf, so
its shape depends on the keys alone, and a write costs O(log n) hashes. Nodes are tuples that are
never changed: a new root shares all untouched nodes with the old one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

from swarmhub import codec

Writes = dict[str, bytes | None]  # None deletes the path
Leaf = tuple[bytes, bytes]  # (hash, key)
Node = Any  # None | Leaf | (hash, left, right)

EMPTY = bytes(32)
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


# the trie


def hash_of(node: Node) -> bytes:
    """Return the hash of a trie node, 32 bytes."""
    return EMPTY if node is None else node[0]


def write_tree(tree: Node, writes: Writes) -> Node:
    """Return the trie after the writes."""
    for path, value in writes.items():
        key = hashlib.sha256(path.encode()).digest()
        if value is None:
            tree = _delete(tree, key, 0)
        else:
            leaf = hashlib.sha256(b"\0" + key + hashlib.sha256(value).digest()).digest()
            tree = _insert(tree, (leaf, key), 0)
    return tree


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


def _inner(left: Node, right: Node) -> Node:
    return (hashlib.sha256(b"\1" + hash_of(left) + hash_of(right)).digest(), left, right)


def _insert(node: Node, leaf: Leaf, depth: int) -> Node:
    if node is None:
        return leaf
    if len(node) == 2:
        if node[1] == leaf[1]:
            return leaf
        node = _inner(None, node) if _bit(node[1], depth) else _inner(node, None)
    _, left, right = node
    if _bit(leaf[1], depth):
        return _inner(left, _insert(right, leaf, depth + 1))
    return _inner(_insert(left, leaf, depth + 1), right)


def _delete(node: Node, key: bytes, depth: int) -> Node:
    if node is None or len(node) == 2:
        return None if node is not None and node[1] == key else node
    _, left, right = node
    if _bit(key, depth):
        right = _delete(right, key, depth + 1)
    else:
        left = _delete(left, key, depth + 1)
    if left is None and (right is None or len(right) == 2):
        return right
    if right is None and left is not None and len(left) == 2:
        return left
    return _inner(left, right)


def prove(tree: Node, path: str) -> list[bytes]:
    """Return the proof of the value at a path of the state: the hashes (32 bytes each) beside its
    way from the root down. That a path holds nothing cannot be proven."""
    key, node, depth, beside = hashlib.sha256(path.encode()).digest(), tree, 0, []
    while node is not None and len(node) == 3:
        _, left, right = node
        node, other = (right, left) if _bit(key, depth) else (left, right)
        beside.append(hash_of(other))
        depth += 1
    return beside


def check_proof(root: bytes, path: str, value: bytes, proof: Sequence[bytes]) -> bool:
    """Return whether a proof shows that `path` holds `value` under the root (32 bytes)."""
    key = hashlib.sha256(path.encode()).digest()
    if len(proof) > 256 or any(len(h) != 32 for h in proof):
        return False
    found = hashlib.sha256(b"\0" + key + hashlib.sha256(value).digest()).digest()
    for depth in reversed(range(len(proof))):
        pair = (proof[depth], found) if _bit(key, depth) else (found, proof[depth])
        found = hashlib.sha256(b"\1" + pair[0] + pair[1]).digest()
    return found == root
