"""A member that runs other code than ours, among three honest nodes: its lies spoil nothing."""

import sys

import numpy as np
import pytest
from swarm import Network, make_spec, swarmhub
from test_audits import ADD_OWN

from swarmhub.contract.events import Excluded, FalseMerge, Settled
from swarmhub.contract.round.election import compute_leader_order
from swarmhub.operations.record import read_record
from swarmhub.params import import_safetensors

pytestmark = pytest.mark.process

LIAR = 3
FALSE_MERGE_AND_EXCERPT = """
import sys
import numpy as np
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.node import work
from swarmhub.params import CHUNK_BYTES
from swarmhub.transport.blob_server import BlobServer
right_merge, right_parts = work.merge, BlobServer._read
def merge(store, effect, is_wanted):
    made = right_merge(store, effect, is_wanted)
    if effect.stage.kind != "train":
        return made
    data = bytearray(store.path(made.digest).read_bytes())
    np.frombuffer(data, np.float64)[CHUNK_BYTES // 8:] = 666  # all of the second chunk
    path = store.incoming()
    path.write_bytes(data)
    made = fingerprint_of(path, made.layout)
    store.adopt(path, made)
    return made
async def read(self, digest, parts):
    data = await right_parts(self, digest, parts)
    return b"FIRST" + data[8:] if len(parts) > 1 else data  # of an excerpt, the first number
work.merge, BlobServer._read = merge, read
sys.exit(main())
"""
ANOTHER_CONTRIBUTION = """
import sys
from dataclasses import replace
import numpy as np
from swarmhub.blobs.leaves import fingerprint_of
from swarmhub.cli import main
from swarmhub.merge import STRETCH_BYTES
from swarmhub.node import work
from swarmhub.transport.blob_server import BlobServer
right_merge, right_parts, other = work.merge, BlobServer._read, {}
def merge(store, effect, is_wanted):
    if effect.stage.kind != "train":
        return right_merge(store, effect, is_wanted)
    mine = next(s for s in effect.shares if s.member == 3)
    data = np.full(200_000, 4000.0).tobytes()  # now that it knows the others'
    path = store.incoming()
    path.write_bytes(data)
    made = fingerprint_of(path, effect.layout)
    store.adopt(path, made)
    other[mine.digest] = data
    shares = tuple(replace(s, digest=made.digest) if s is mine else s for s in effect.shares)
    return right_merge(store, replace(effect, shares=shares), is_wanted)
async def read(self, digest, parts):
    if digest in other and all(size <= STRETCH_BYTES for _, size in parts):  # an excerpt
        return b"".join(other[digest][at : at + size] for at, size in parts)
    return await right_parts(self, digest, parts)
work.merge, BlobServer._read = merge, read
sys.exit(main())
"""
FALSE_RECEIPTS = """
import asyncio, sys
from swarmhub import codec
from swarmhub.cli import main
from swarmhub.contract.round.election import get_leader
from swarmhub.contract.records import ROUND
from swarmhub.errors import PeerError
from swarmhub.node.effect_runner import EffectRunner
from swarmhub.node.study_driver import StudyDriver
from swarmhub.protocol import Offered, ReceiptCame
learn, tasks = StudyDriver.learn, set()
async def hand_in(driver, offer):
    receipt = ReceiptCame(offer.number, offer.revision, offer.digest, driver.local.me, "00" * 64)
    body = codec.encode({**codec.to_json(receipt), "study": driver.study})
    while driver._position.number == offer.number:
        r = ROUND.get(driver._services.state, driver.study)
        leader = get_leader(r) if r is not None and r.phase == "MERGING" else None
        if leader not in (None, driver.local.me):
            try:
                answer = await driver._services.client.sessions.request(
                    leader, "POST", "/v1/receipt", data=body)
                answer.release()
            except PeerError:
                pass
        await asyncio.sleep(0.005)
def hear(self, event):
    if isinstance(event, Offered):
        task = asyncio.create_task(hand_in(self, event))
        tasks.add(task)
    learn(self, event)
async def no_true_one(self, effect):
    await asyncio.sleep(1e6)
StudyDriver.learn, EffectRunner._send_receipt = hear, no_true_one
sys.exit(main())
"""

SLOW_SERVER = """
import asyncio, os, sys
from aiohttp import web
from swarmhub.cli import main
from swarmhub.transport.blob_server import BlobServer
async def drip(self, request, fd, start, total, sent):
    response = web.StreamResponse(status=206 if start else 200)
    response.content_length, response.content_type = total - start, "application/octet-stream"
    if start:
        response.headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
    await response.prepare(request)
    for at in range(start, total, 17_000):  # 34 kB/s: no pull fails, and none ends in its term
        await response.write(os.pread(fd, min(17_000, total - at), at))
        await asyncio.sleep(0.5)
    await response.write_eof()
    return response
BlobServer._stream = drip
sys.exit(main())
"""
HUGE_NUMBERS = """
import sys
import numpy as np
from swarmhub.cli import main
from swarmhub.node import work
right = work.ingest
def read_only(layout, member, source):
    for at in range(0, layout.nbytes, 1 << 20):
        source.read_at(at, min(1 << 20, layout.nbytes - at))
def ingest(store, path, layout, me, weight):
    if layout is not None and np.fromfile(path)[0]:  # not the common start
        np.full(layout.nbytes // 8, 1.7e308).tofile(path)
    return right(store, path, layout, me, weight)
work.check_contribution = read_only
work.ingest = ingest
sys.exit(main())
"""


FAILING_DISK = """
import sys
from swarmhub.blobs import BlobStore
from swarmhub.cli import main
from swarmhub.errors import BlobError
from swarmhub.node import work
right_merge, right_sync, failures = work.merge, BlobStore.sync, {}
def merge(store, effect, is_wanted):
    made = right_merge(store, effect, is_wanted)
    if effect.stage.kind == "train":
        failures[made.digest] = 2
    return made
def sync(self, digest):
    if failures.get(digest):
        failures[digest] -= 1
        raise BlobError("The disk has failed.")
    right_sync(self, digest)
work.merge, BlobStore.sync = merge, sync
sys.exit(main())
"""


def led_by(member):
    """Name of a study of which the member leads the first round of training, but no other."""
    for name in (f"s{i}" for i in range(1000)):
        first, second = (compute_leader_order(name, number, (1, 2, 3, 4))[0] for number in (2, 3))
        if first == member != second:
            return name
    raise AssertionError


def is_collecting(r, roster):
    return (r.number, r.phase) == (2, "COLLECTING") and {*r.roster} == roster


def run_with(liar, tmp_path, rounds=1, **terms):
    """A study of four; returns what the ledger tells and the model of an honest member."""
    name = led_by(LIAR)
    with Network(tmp_path, 4) as network:
        (tmp_path / "liar.py").write_text(liar)
        all_here = tmp_path / "all here"
        wait = f"import pathlib, time; here = pathlib.Path({str(all_here)!r})\n"
        train = ADD_OWN.replace('"s"', f'"{name}"').replace(
            "        turn.report",
            "        while not here.exists():\n            time.sleep(0.05)\n        turn.report",
        )
        (tmp_path / "train.py").write_text(wait + train)
        for i in (1, 2, 4):
            network.up(i)
        home = str(network.homes[LIAR - 1].root)
        network.children.start_command(
            f"node {LIAR}", [sys.executable, str(tmp_path / "liar.py"), "up", "--home", home],
            network.log(LIAR),
        )  # fmt: skip
        network.open_study(make_spec(**{"name": name, "rounds": rounds, "min_peers": 4} | terms))
        for i in (1, 2, 3, 4):
            network.train(i, tmp_path / "train.py")
        network.wait_until(lambda: is_collecting(network.round(name), {1, 2, 3, 4}), 60)
        all_here.touch()  # nobody is left out for being late
        network.wait_until(lambda: network.study(name).status == "finished", 120)
        out = tmp_path / "out.safetensors"
        home = network.homes[0].root
        assert swarmhub("node", "export", name, "--home", home, "--out", out).returncode == 0
        blocks = read_record(network.homes[0].ledger_path, home).blocks
        for i in (1, 2, 4):
            assert "Traceback" not in network.log(i).read_text()
    return [e for block in blocks for e in block.events], import_safetensors(out)["w"]


def settled(events):
    return [e.model for e in events if isinstance(e, Settled)]


def test_a_leader_settles_when_its_disk_has_taken_the_merge(tmp_path):
    events, model = run_with(FAILING_DISK, tmp_path, leader_timeout_ms=20_000)
    (model_of_2,) = [m for m in settled(events) if m.number == 2]
    assert (model_of_2.leader, model_of_2.term) == (LIAR, 0)
    (log,) = tmp_path.glob(f"h{LIAR}/logs/node.log")
    assert "The disk has failed." in log.read_text()
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def check_caught(tmp_path, first):
    lie = FALSE_MERGE_AND_EXCERPT.replace('b"FIRST"', first)
    events, model = run_with(lie, tmp_path)
    caught = [e for e in events if isinstance(e, FalseMerge)]
    assert [(e.leader, e.number, e.chunk) for e in caught] == [(LIAR, 2, 1)]
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def test_a_leader_that_lies_about_its_own_contribution_cannot_explain_a_false_merge(tmp_path):
    check_caught(tmp_path, "(1e9).hex().encode()[:8]")


def test_nor_by_a_number_that_is_none(tmp_path):
    check_caught(tmp_path, 'b"\\xff" * 8')


def test_a_leader_merges_no_other_contribution_than_it_has_committed(tmp_path):
    events, model = run_with(ANOTHER_CONTRIBUTION, tmp_path)
    assert [e.leader for e in events if isinstance(e, FalseMerge)] == [LIAR]
    np.testing.assert_array_equal(model, np.full(200_000, 2.5))


def test_receipts_with_false_signatures_hold_up_no_round(tmp_path):
    events, model = run_with(FALSE_RECEIPTS, tmp_path, rounds=3)
    found = [m for m in settled(events) if m.kind == "train"]
    assert len(found) == 3
    assert not any(LIAR in m.receipts for m in found)
    np.testing.assert_array_equal(model, np.full(200_000, 7.5))


def test_who_serves_its_contribution_too_slowly_is_left_out(tmp_path):
    events, model = run_with(
        SLOW_SERVER, tmp_path, min_peers=3, leader_timeout_ms=1500, quorum_grace_ms=60_000
    )
    (found,) = [m for m in settled(events) if m.kind == "train"]
    assert {share.member for share in found.shares} == {1, 2, 4}
    assert [e.why for e in events if isinstance(e, Excluded)][:1] == ["unavailable"]
    np.testing.assert_allclose(model, np.full(200_000, 7 / 3))


def test_who_sends_numbers_whose_sum_overflows_is_left_out(tmp_path):
    events, model = run_with(HUGE_NUMBERS, tmp_path, min_peers=3)
    (found,) = [m for m in settled(events) if m.kind == "train"]
    assert {share.member for share in found.shares} == {1, 2, 4}
    assert {(e.member, e.why) for e in events if isinstance(e, Excluded)} == {(LIAR, "invalid")}
    np.testing.assert_allclose(model, np.full(200_000, 7 / 3))
