"""Blobs: nothing unchecked gets a name, what is torn is found, what is needed is kept."""

import errno
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from swarmhub.blobs import BlobStore, Incoming
from swarmhub.blobs import store as store_room
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.blobs.store import SYNC_FIRST_BYTES
from swarmhub.errors import BlobError, DiskError
from swarmhub.params import CHUNK_BYTES, Layout, Tensor


def make_blob(store, nbytes, seed=0):
    layout = Layout.of([Tensor("x", "U8", (nbytes,))])
    path = store.incoming()
    path.write_bytes(np.random.default_rng(seed).bytes(layout.nbytes))
    fingerprint = fingerprint_of(path, layout.digest)
    store.adopt(path, fingerprint)
    return fingerprint


@pytest.fixture
def store(tmp_path):
    return BlobStore(tmp_path / "blobs")


def test_an_adopted_blob_is_held_and_read_back(store):
    blob = make_blob(store, 3 * CHUNK_BYTES + 64)
    assert blob.digest in store
    source = store.source(blob.digest)
    assert len(source.read_at(CHUNK_BYTES, 100)) == 100
    with pytest.raises(BlobError, match="ends at"):
        source.read_at(3 * CHUNK_BYTES, CHUNK_BYTES)
    source.close()


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_that_can_open_no_files_damages_nothing(store, number, monkeypatch):
    blob = make_blob(store, 2 * CHUNK_BYTES)
    layout = Layout.of([Tensor("x", "U8", (5,))])
    store.put_layout(layout)
    before = sorted(p for p in store.root.rglob("*") if p.is_file())

    def short(path):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", short)
        with pytest.raises(BlobError):
            BlobStore(store.root).load()
        with pytest.raises(BlobError):
            store.layout(layout.digest)
    assert sorted(p for p in store.root.rglob("*") if p.is_file()) == before
    again = BlobStore(store.root)
    assert again.load() == []
    assert blob.digest in again
    assert again.layout(layout.digest) == layout


def test_a_restart_finds_whole_blobs(store):
    blob = make_blob(store, 2 * CHUNK_BYTES)
    again = BlobStore(store.root)
    assert again.load() == []
    assert again.fingerprint(blob.digest) == blob


@pytest.mark.parametrize("damage", ["flip", "truncate", "leaves", "no leaves"])
def test_a_damaged_blob_is_removed_and_named_at_start(store, damage):
    blob = make_blob(store, 2 * CHUNK_BYTES)
    path, leaves = store.path(blob.digest), store.root / f"{blob.digest}.leaves"
    match damage:
        case "flip":
            data = bytearray(path.read_bytes())
            data[CHUNK_BYTES + 5] ^= 1
            path.write_bytes(data)
        case "truncate":
            path.write_bytes(path.read_bytes()[:-1])
        case "leaves":
            leaves.write_bytes(leaves.read_bytes().replace(b'"nbytes":2', b'"nbytes":3'))
        case "no leaves":
            leaves.unlink()
    again = BlobStore(store.root)
    (sentence,) = again.load()
    assert blob.digest[:16] in sentence
    assert blob.digest not in again
    assert not path.exists()


@pytest.mark.parametrize("nbytes", [100, SYNC_FIRST_BYTES + 64])
def test_what_outlives_a_power_cut_has_bytes_hashes_and_names_on_disk(store, monkeypatch, nbytes):
    blob = make_blob(store, nbytes)
    synced, real = set(), os.fsync

    def fsync(fd):
        synced.add(Path(os.readlink(f"/proc/self/fd/{fd}")).name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    store.sync(blob.digest)
    assert synced >= {f"{blob.digest}.bin", f"{blob.digest}.leaves", "blobs"}


@pytest.mark.parametrize("nbytes", [100, SYNC_FIRST_BYTES + 64])
def test_what_the_disk_has_failed_to_take_is_written_anew(store, monkeypatch, nbytes):
    blob, real, failing = make_blob(store, nbytes), os.fsync, [True]
    path = store.path(blob.digest)

    def fsync(fd):
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    for _ in range(2):
        with pytest.raises(BlobError):
            store.sync(blob.digest)
    failing[0] = False
    with path.open("rb") as before:
        store.sync(blob.digest)  # a system says of a file once that it could not be written
        assert os.fstat(before.fileno()).st_ino != path.stat().st_ino
    assert fingerprint_of(path, blob.layout) == blob
    assert not list((store.root / "incoming").iterdir())
    assert BlobStore(store.root).load() == []
    path.write_bytes(b"altered")
    failing[0] = True
    with pytest.raises(BlobError):
        store.sync(blob.digest)
    failing[0] = False
    with pytest.raises(BlobError, match="damaged on disk and is removed"):
        store.sync(blob.digest)
    assert blob.digest not in store
    assert not path.exists()


def test_what_is_swept_while_it_is_written_anew_does_not_come_back(store, monkeypatch):
    blob, real, failing = make_blob(store, 100), os.fsync, [True]

    def fsync(fd):
        if failing[0]:
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    def copy(source, target):
        Path(target).write_bytes(Path(source).read_bytes())
        for _ in range(2):
            store.retain([])

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(BlobError):
        store.sync(blob.digest)
    failing[0] = False
    monkeypatch.setattr("shutil.copyfile", copy)
    with pytest.raises(BlobError, match="not held here any more"):
        store.sync(blob.digest)
    assert not [p for p in store.root.rglob("*") if p.is_file()]


def test_a_layout_outlives_a_power_cut_and_is_written_once(store, monkeypatch):
    synced, real = [], os.fsync

    def fsync(fd):
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).parent.name)
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    layout = Layout.of([Tensor("x", "F32", (3,))])
    for _ in range(2):
        store.put_layout(layout)
    assert synced == ["layouts", "blobs"]
    assert store.layout(layout.digest) == layout


def failing_once(monkeypatch, is_it):
    """An fsync that fails for a file once, as a system tells it."""
    real, told = os.fsync, []

    def fsync(fd):
        path = Path(os.readlink(f"/proc/self/fd/{fd}"))
        if is_it(path) and not told:
            told.append(path)
            raise OSError(errno.EIO, "Input/output error")
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)


def test_a_small_answer_is_on_disk_before_it_has_its_name(store, tmp_path, monkeypatch):
    blob = make_blob(store, 100)
    data, other = store.path(blob.digest).read_bytes(), BlobStore(tmp_path / "other")
    failing_once(monkeypatch, lambda path: path.parent.name == "incoming")
    path = other.incoming()
    path.write_bytes(data)
    with pytest.raises(DiskError):
        other.adopt(path, blob, first=True)
    assert blob.digest not in other
    assert not path.exists(), "what has been written once is not taken for synced"
    path.write_bytes(data)
    assert other.adopt(path, blob, first=True) == blob.digest


def test_no_round_waits_for_a_disk_that_writes_what_nothing_depends_on(store, monkeypatch):
    def fsync(fd):
        raise AssertionError(os.readlink(f"/proc/self/fd/{fd}"))

    monkeypatch.setattr(os, "fsync", fsync)
    layout = Layout.of([Tensor("x", "U8", (SYNC_FIRST_BYTES + 64,))])
    path = store.incoming()
    path.write_bytes(bytes(layout.nbytes))
    store.adopt(path, fingerprint_of(path, layout.digest), first=True)  # large: it would take long
    blob = make_blob(store, 100)
    incoming = Incoming(BlobStore(store.root / "other"), blob)
    incoming.feed(store.path(blob.digest).read_bytes())
    incoming.finish()


@pytest.mark.late_syncs
def test_what_may_outlive_its_round_is_synced_later_where_it_is_still_here(store, monkeypatch):
    synced, real, last = [], os.fsync, threading.Event()

    def fsync(fd):
        real(fd)
        synced.append(Path(os.readlink(f"/proc/self/fd/{fd}")).stem)
        last.set()

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(store_room, "SYNC_AFTER_S", 0.0)
    store._waiting.append((0.0, "ab" * 32))  # whoever comes first starts the thread
    kept, swept, late = (make_blob(store, 100, seed) for seed in range(3))
    assert not synced
    for _ in range(2):
        store.retain([kept.digest, late.digest])
    store._sync_waiting()
    assert synced == [kept.digest, late.digest]
    assert swept.digest not in store
    last.clear()
    after = make_blob(store, 100, 3)
    assert last.wait(30)
    assert synced[2:] == [after.digest]


def test_a_layout_whose_name_the_disk_has_failed_to_take_is_kept_anew(store, monkeypatch):
    layout = Layout.of([Tensor("x", "F32", (3,))])
    failing_once(monkeypatch, lambda path: path.name == "layouts")
    with pytest.raises(OSError, match="Input/output"):
        store.put_layout(layout)
    assert store.layout(layout.digest) is None
    store.put_layout(layout)
    assert store.layout(layout.digest) == layout


def test_what_is_written_anew_is_synced_before_it_takes_a_name(store, monkeypatch):
    blob = make_blob(store, 100)
    failing_once(monkeypatch, lambda path: path.suffix == ".bin")
    with pytest.raises(BlobError):
        store.sync(blob.digest)
    monkeypatch.undo()
    order, sync, replace = [], store_room.sync, Path.replace
    monkeypatch.setattr(store_room, "sync", lambda p: (order.append(p.parent.name), sync(p)))
    monkeypatch.setattr(Path, "replace", lambda p, to: (order.append("named"), replace(p, to))[1])
    store.sync(blob.digest)
    assert order[:4] == ["incoming", "incoming", "named", "named"]


def test_pulls_that_have_ended_halfway_go_at_the_second_sweep(store, tmp_path):
    blob, wanted = make_blob(store, 3 * CHUNK_BYTES), make_blob(store, 4 * CHUNK_BYTES, 1)
    other, data = BlobStore(tmp_path / "other"), {}
    for one in (blob, wanted):
        data[one] = store.path(one.digest).read_bytes()
        incoming = Incoming(other, one)
        incoming.feed(data[one][:CHUNK_BYTES])
        incoming.close()
    parts = other.root / "incoming"
    late = Incoming(other, blob)
    other.retain([wanted.digest])
    assert len(list(parts.iterdir())) == 2, "who pulls may be about to begin again"
    other.retain([wanted.digest])
    assert [p.stem for p in parts.iterdir()] == [wanted.digest]
    again = Incoming(other, wanted)
    assert again.offset == CHUNK_BYTES
    again.close()
    for at in range(CHUNK_BYTES, len(data[blob]), CHUNK_BYTES):
        late.feed(data[blob][at : at + CHUNK_BYTES])
    with pytest.raises(BlobError, match="was swept"):
        late.finish()
    assert blob.digest not in other


def test_what_is_not_held_cannot_be_synced(store):
    blob = make_blob(store, 100)
    store.path(blob.digest).unlink()
    for digest in (blob.digest, "ab" * 32):
        with pytest.raises(BlobError, match="not held"):
            store.sync(digest)


def test_a_pull_resumes_behind_the_chunks_that_were_checked(store, tmp_path):
    blob = make_blob(store, 4 * CHUNK_BYTES)
    data = store.path(blob.digest).read_bytes()
    other = BlobStore(tmp_path / "other")
    first = Incoming(other, blob)
    first.feed(data[:CHUNK_BYTES])
    first.feed(data[CHUNK_BYTES : 2 * CHUNK_BYTES])
    first.close()
    part = other.root / "incoming" / f"{blob.digest}.part"
    with part.open("r+b") as file:  # the second chunk was torn by a crash
        file.seek(2 * CHUNK_BYTES - 10)
        file.write(b"torn bytes")
    restarted = BlobStore(other.root)
    restarted.load()
    resumed = Incoming(restarted, blob)
    assert resumed.offset == CHUNK_BYTES
    for at in range(CHUNK_BYTES, len(data), CHUNK_BYTES):
        resumed.feed(data[at : at + CHUNK_BYTES])
    assert resumed.finish() == blob.digest
    assert restarted.path(blob.digest).read_bytes() == data


def test_a_wrong_chunk_is_refused_before_it_reaches_the_file(store, tmp_path):
    blob = make_blob(store, 2 * CHUNK_BYTES)
    incoming = Incoming(BlobStore(tmp_path / "other"), blob)
    with pytest.raises(BlobError, match="announced hash"):
        incoming.feed(bytes(CHUNK_BYTES))
    assert incoming.offset == 0
    with pytest.raises(BlobError, match="not complete"):
        incoming.finish()
    incoming.close()


def test_what_is_not_kept_goes_at_the_second_sweep(store):
    kept, gone = make_blob(store, 1000, 1), make_blob(store, 1000, 2)
    store.retain({kept.digest})
    assert gone.digest in store  # somebody may be reading it still
    store.retain({kept.digest})
    assert store.digests() == {kept.digest}
    assert not store.path(gone.digest).exists()


def test_a_blob_that_is_needed_again_is_spared(store):
    blob = make_blob(store, 1000)
    store.retain(set())
    store.retain({blob.digest})
    store.retain({blob.digest})
    assert blob.digest in store


def test_a_spare_file_is_written_over_and_never_mistaken_for_the_new_blob(store):
    size = SYNC_FIRST_BYTES + CHUNK_BYTES
    old = make_blob(store, size, 1)
    stale = store.path(old.digest).read_bytes()
    inode = os.stat(store.path(old.digest)).st_ino
    store.retain(set())
    store.retain(set())
    new_bytes = np.random.default_rng(2).bytes(size)
    layout = Layout.of([Tensor("x", "U8", (size,))])
    source = BlobStore(store.root.parent / "source")
    path = source.incoming()
    path.write_bytes(new_bytes)
    blob = fingerprint_of(path, layout.digest)
    incoming = Incoming(store, blob)
    assert incoming.offset == 0, "stale bytes of a spare must not count as received"
    for at in range(0, size, CHUNK_BYTES):
        incoming.feed(new_bytes[at : at + CHUNK_BYTES])
    incoming.finish()
    assert store.path(blob.digest).read_bytes() == new_bytes != stale
    assert os.stat(store.path(blob.digest)).st_ino == inode


def test_a_full_disk_is_one_sentence(store, monkeypatch):
    blob = make_blob(store, CHUNK_BYTES)
    incoming = Incoming(BlobStore(store.root.parent / "other"), blob)

    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

        def close(self):
            return None

    incoming.close()
    monkeypatch.setattr(incoming, "_file", Full())
    with pytest.raises(BlobError, match=r"disk of .* is full; free space"):
        incoming.feed(store.path(blob.digest).read_bytes())
