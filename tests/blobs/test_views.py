"""Parts of a blob as blobs of their own, and a blob that is made of its parts."""

import dataclasses

import numpy as np
import pytest

from swarmhub.blobs import BlobStore
from swarmhub.errors import BlobError
from swarmhub.files import copy_range
from swarmhub.node.work import join
from swarmhub.params import CHUNK_BYTES, ChunkHasher, Fingerprint
from swarmhub.protocol import Join

NBYTES = 3 * CHUNK_BYTES + 1000
DATA = np.random.default_rng(5).bytes(NBYTES)
LAYOUT = "ab" * 32


def print_of(data, layout=LAYOUT):
    hasher = ChunkHasher(layout)
    for at in range(0, len(data), CHUNK_BYTES):
        hasher.feed(data[at : at + CHUNK_BYTES])
    return hasher.finish()


def put(store, data, layout=LAYOUT):
    path = store.incoming()
    path.write_bytes(data)
    return store.adopt(path, print_of(data, layout))


def names(count):
    return [f"{i:064x}" for i in range(count)]


@pytest.fixture
def store(tmp_path):
    return BlobStore(tmp_path)


@pytest.fixture
def views(store):
    """The views of two parts of a held blob, and what they hold."""
    whole = put(store, DATA)
    at = 2 * CHUNK_BYTES
    return {
        store.view(whole, names(2)[0], 0, at): DATA[:at],
        store.view(whole, names(2)[1], at, NBYTES - at): DATA[at:],
    }


def test_a_view_is_the_blob_that_its_bytes_would_be(store, views):
    for (digest, data), name in zip(views.items(), names(2), strict=True):
        assert digest == print_of(data, name).digest
        assert store.fingerprint(digest) == print_of(data, name)
        source = store.source(digest)
        assert bytes(source.read_at(100, 5000)) == data[100:5100]
        source.close()
        path, start = store.locate(digest)
        assert path.read_bytes()[start : start + len(data)] == data


def test_views_take_no_room_and_go_with_the_whole(store, views):
    assert store.nbytes == NBYTES
    whole = print_of(DATA).digest
    store.sync(next(iter(views)))
    store.retain(views)
    assert set(views) <= store.digests()
    store.retain(views)
    assert not store.digests()
    assert not list(store.root.glob("*.bin"))
    assert whole not in store


def test_a_view_that_is_not_kept_leaves_the_whole(store, views):
    whole = print_of(DATA).digest
    for _ in range(2):
        store.retain([whole])
    assert store.digests() == {whole}
    assert store.source(whole).read_at(0, 10) == DATA[:10]


def test_a_restart_forgets_views_alone(store, views):
    again = BlobStore(store.root)
    assert again.load() == []
    assert again.digests() == {print_of(DATA).digest}


@pytest.mark.parametrize("in_kernel", [True, False])
def test_parts_are_joined_to_the_whole(tmp_path, monkeypatch, in_kernel):
    if not in_kernel:
        monkeypatch.delattr("os.copy_file_range", raising=False)
    store, cut = BlobStore(tmp_path), 2 * CHUNK_BYTES
    parts = [put(store, data, name) for data, name in zip((DATA[:cut], DATA[cut:]), names(2),
                                                          strict=True)]  # fmt: skip
    whole = print_of(DATA)
    join(store, Join(whole.digest, NBYTES, LAYOUT, tuple(parts)))
    assert store.path(whole.digest).read_bytes() == DATA
    assert store.fingerprint(whole.digest) == whole


def test_other_parts_are_not_joined(store, views):
    whole = print_of(DATA)
    effect = Join(whole.digest, NBYTES, LAYOUT, tuple(reversed(views)))
    with pytest.raises(BlobError, match="not made of the parts"):
        join(store, effect)
    with pytest.raises(BlobError, match="not held"):
        join(store, dataclasses.replace(effect, parts=("cd" * 32,)))


def test_a_file_that_is_too_short_is_no_source(tmp_path):
    (tmp_path / "short").write_bytes(b"abc")
    with (tmp_path / "out").open("w+b", buffering=0) as out, pytest.raises(BlobError, match="ends"):
        copy_range((tmp_path / "short", 1), 5, out)


def test_a_view_needs_a_held_blob(store):
    with pytest.raises(BlobError):
        store.view("ef" * 32, LAYOUT, 0, CHUNK_BYTES)
    assert isinstance(print_of(DATA), Fingerprint)
