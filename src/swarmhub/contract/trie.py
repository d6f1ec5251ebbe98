"""The Merkle root of a map, path -> bytes, and proofs of what it holds.

It is the root of a binary trie over sha256(path) in which a subtree with a single leaf is that
leaf, so its shape depends on the keys alone, and a write costs O(log n) hashes. Nodes are tuples
that are never changed: a new root shares all untouched nodes with the old one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

Writes = dict[str, bytes | None]  # None deletes the path
Leaf = tuple[bytes, bytes]  # (hash, key)
Node = Any  # None | Leaf | (hash, left, right)
EMPTY = bytes(32)


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
