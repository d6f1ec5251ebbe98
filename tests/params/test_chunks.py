"""Digests of buffers: the Merkle tree of RFC 6962, and what a digest binds."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swarmhub import codec
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint, chunk_count, leaf_of
from swarmhub.params.chunks import root_of


def naive_root(chunks):
    """MTH of RFC 6962, section 2.1: split at the largest power of two below n."""
    n = len(chunks)
    if n == 1:
        return hashlib.sha256(b"\0" + chunks[0]).digest()
    k = 1
    while k * 2 < n:
        k *= 2
    return hashlib.sha256(b"\1" + naive_root(chunks[:k]) + naive_root(chunks[k:])).digest()


@settings(deadline=None)
@given(st.lists(st.binary(max_size=3), min_size=1, max_size=70))
def test_the_root_is_that_of_rfc_6962(chunks):
    assert root_of([leaf_of(c) for c in chunks]) == naive_root(chunks)


def test_no_leaves_have_a_root_of_zeros():
    assert root_of([]) == bytes(32)


def test_a_leaf_is_never_a_node():
    one, two = leaf_of(b"a"), leaf_of(b"b")
    assert root_of([one, two]) != leaf_of(one + two)
    assert leaf_of(b"") == hashlib.sha256(b"\0").digest()


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_chunk_is_hashed_from_any_bytes(kind):
    data = bytes(range(256)) * 4096
    assert leaf_of(kind(data)) == hashlib.sha256(b"\0" + data).digest()


@pytest.mark.parametrize(
    ("nbytes", "count"),
    [(0, 0), (1, 1), (CHUNK_BYTES, 1), (CHUNK_BYTES + 1, 2), (10 * CHUNK_BYTES, 10)],
)
def test_the_last_chunk_may_be_short(nbytes, count):
    assert chunk_count(nbytes) == count


def fingerprint(data, layout="ab" * 32):
    hasher = ChunkHasher(layout)
    for at in range(0, len(data), CHUNK_BYTES):
        hasher.feed(data[at : at + CHUNK_BYTES])
    return hasher.finish()


@pytest.mark.parametrize("nbytes", [0, 1, CHUNK_BYTES, 2 * CHUNK_BYTES + 5])
def test_a_fingerprint_has_a_leaf_for_each_chunk(nbytes):
    data = bytes(i % 251 for i in range(nbytes))
    found = fingerprint(data)
    assert found.nbytes == nbytes
    assert len(found.leaves) == chunk_count(nbytes)
    chunks = [data[at : at + CHUNK_BYTES] for at in range(0, nbytes, CHUNK_BYTES)]
    assert found.leaves == tuple(leaf_of(c) for c in chunks)


def test_a_digest_binds_content_length_and_layout():
    one = Fingerprint("ab" * 32, 5, (leaf_of(b"hello"),))
    others = [
        Fingerprint("ac" * 32, 5, one.leaves),
        Fingerprint("ab" * 32, 6, one.leaves),
        Fingerprint("ab" * 32, 5, (leaf_of(b"hallo"),)),
        Fingerprint("ab" * 32, 5, one.leaves * 2),
    ]
    assert len({f.digest for f in [one, *others]}) == 5
    assert codec.is_digest(one.digest)
    assert one.digest == codec.digest(b"swarmhub/blob/1", b"ab" * 32, b"5", leaf_of(b"hello"))


def test_only_the_last_chunk_may_be_short():
    hasher = ChunkHasher("ab" * 32)
    hasher.feed(bytes(10))
    with pytest.raises(ValueError, match="last"):
        hasher.feed(bytes(10))


def test_no_chunk_is_longer_than_a_chunk():
    hasher = ChunkHasher("ab" * 32)
    with pytest.raises(ValueError):
        hasher.feed(bytes(2 * CHUNK_BYTES))


def test_there_is_no_empty_chunk():
    hasher = ChunkHasher("ab" * 32)
    with pytest.raises(ValueError):
        hasher.feed(b"")
