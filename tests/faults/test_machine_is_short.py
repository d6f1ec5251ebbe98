"""A machine that is short of descriptors or space: what node, trainers and peers hear of it."""

import asyncio
import contextlib
import errno
import logging
import os
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from builders import CLAIMED, HEART, merging
from ends import between, effect, put
from parts import no_sweep, services_on

from swarmhub.blobs import BlobStore
from swarmhub.blobs.files import disk_error
from swarmhub.contract.records import Stage
from swarmhub.errors import BlobError, NotNow, PeerError
from swarmhub.home.head import load_head
from swarmhub.node import head_saver, problems, work
from swarmhub.node.services import Services
from swarmhub.node.study_driver import StudyDriver
from swarmhub.node.trainer_api import results, sessions
from swarmhub.node.trainer_api import server as local_api
from swarmhub.node.trainer_api.server import LocalApi
from swarmhub.params import CHUNK_BYTES
from swarmhub.protocol import LocalState, RecomputeChunk, Submit, audit_procedure
from swarmhub.train import client

NO_DESCRIPTOR = OSError(errno.EMFILE, "Too many open files")
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")
WAIT_S = 20


async def until(condition):
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


# what the operator sees


def test_trouble_is_said_once_shown_while_it_lasts_and_forgotten(tmp_path, monkeypatch, caplog):
    there = services_on(tmp_path / "home")
    caplog.set_level(logging.INFO)

    async def story():
        there.problems.report("something else")
        monkeypatch.setattr(problems, "QUIET_S", 1e6)
        for _ in range(5):
            there.problems.report_trouble("no space")
        assert there.problems.sentences == ["something else", "no space"]
        assert [r.message for r in caplog.records].count("no space") == 1
        monkeypatch.setattr(problems, "QUIET_S", 0.01)
        there.problems.report_trouble("no space")
        await until(lambda: there.problems.sentences == ["something else"])
        there.problems.report_trouble("no space")  # another time
        assert [r.message for r in caplog.records].count("no space") == 2

    asyncio.run(story())


@pytest.mark.parametrize("error", [PeerError("A member answered 404."), NO_DESCRIPTOR])
def test_a_disputed_chunk_that_nobody_gives_is_no_trouble_of_this_machine(
    tmp_path, monkeypatch, error
):
    there = services_on(tmp_path / "home")
    here = StudyDriver(there, LocalState("heart", 1), no_sweep)
    look = RecomputeChunk("heart", 3, Stage("training", "train"), 0, "a" * 64, 64, (), 0, 2, 3)

    async def nobody_gives(hands, effect):
        raise error

    async def story():
        monkeypatch.setattr(here, "react", lambda: None)
        monkeypatch.setattr(audit_procedure, "answer_dispute", nobody_gives)
        await here._carry_out(look)
        assert here._has_just_failed(look), "it is tried again after a pause"
        assert bool(there.problems.sentences) == (error is NO_DESCRIPTOR)

    asyncio.run(story())


def test_a_dispute_that_was_judged_while_this_node_was_away_is_no_trouble(tmp_path, monkeypatch):
    c = merging(3, min_peers=2)
    one, two = c.followers()
    dispute = c.doubt()
    c.ok(one, dispute)
    c.ok(two, c.answer(CLAIMED))
    assert c.round().lead.unfounded == (one,)

    async def refuse(self, body):
        return c.act(one, body)

    async def story(me):
        there = services_on(tmp_path / str(me), state=c.state)
        here = StudyDriver(there, LocalState(HEART, me), no_sweep)
        monkeypatch.setattr(Services, "submit", refuse)
        monkeypatch.setattr(here, "react", lambda: None)
        await here._runner.carry_out(Submit(dispute))
        assert dispute in here.local.refused
        return there.problems.sentences

    assert asyncio.run(story(one)) == []
    (said,) = asyncio.run(story(two))  # who has not disputed before hears of a refusal
    assert "refused round.dispute" in said


def test_the_last_head_is_saved_when_the_disk_has_space_again(tmp_path, monkeypatch):
    there = services_on(tmp_path / "home", tip=SimpleNamespace(height=7, head="a" * 64))
    monkeypatch.setattr(problems, "AGAIN_S", 0.01)
    failures, real = [NO_SPACE] * 3, head_saver.save_head

    def save_head(*given):
        if failures:
            raise failures.pop()
        real(*given)

    monkeypatch.setattr(head_saver, "save_head", save_head)

    async def story():
        there.problems.insist(head_saver.HeadSaver(there).save)
        assert "is full" in there.problems.sentences[0]
        await until(lambda: load_head(there.home) == (7, "a" * 64))

    asyncio.run(story())


def test_nobody_else_is_blamed_where_no_descriptor_is_left(monkeypatch):
    work.need_descriptor()
    monkeypatch.setattr(os, "open", lambda *given: (_ for _ in ()).throw(NO_DESCRIPTOR))
    with pytest.raises(OSError, match="Too many open files"):
        work.need_descriptor()


# the door for trainers


class Board:
    """What a `LocalApi` needs of its node: services, studies and status in one."""

    def __init__(self, folder):
        self.said = []
        self.problems = self
        self.home = SimpleNamespace(run_path=lambda name: folder / name)
        self.blobs = SimpleNamespace(root=folder)
        self.drivers = {"s": SimpleNamespace(local=SimpleNamespace(attached=True))}
        self.stopping = asyncio.Event()
        self.state = {}

    def report_shortage(self, error, folder=None):
        self.said.append(str(disk_error(error, folder)))
        return self.said[-1]


def test_the_watch_over_trainers_goes_on_without_descriptors(tmp_path, monkeypatch):
    monkeypatch.setattr(local_api, "LOOK_AFTER_TRAINERS_S", 0.01)
    looks = []

    def lock(path):
        looks.append(path)
        if len(looks) <= 3:
            raise NO_DESCRIPTOR
        # None: a trainer holds it

    monkeypatch.setattr(sessions, "lock", lock)

    async def story():
        board = Board(tmp_path)
        api = LocalApi(board, board, board)
        api._watching = asyncio.create_task(api._look_after_trainers())
        await until(lambda: len(looks) >= 6)
        assert board.drivers["s"].local.attached, "what cannot be seen is not gone"
        assert len(board.said) == 3
        await api.close()

    asyncio.run(story())


def test_a_trainer_whose_node_has_no_descriptors_is_told_to_wait(tmp_path):
    async def story():
        board = Board(tmp_path)
        api = LocalApi(board, board, board)
        request = SimpleNamespace(headers={"Authorization": f"Bearer {api._token}"})

        async def short(request):
            raise NO_DESCRIPTOR

        async def cut(request):
            raise ConnectionResetError

        async def renewing(request):
            raise NotNow("new keys")

        async def wrong(request):
            raise PermissionError(errno.EACCES, "Permission denied")

        for busy, said in ((short, "Too many"), (cut, "was cut"), (renewing, "new keys")):
            answer = await api._guard(request, busy)
            assert isinstance(answer, web.Response)
            assert answer.status == client.NOT_NOW
            assert said in answer.text
        answer = await api._guard(request, wrong)
        assert isinstance(answer, web.Response)
        assert answer.status == 400
        assert "Permission denied" in answer.text
        assert len(board.said) == 2

    asyncio.run(story())


def full_disk():
    """As the store of blobs raises it."""
    try:
        raise NO_SPACE
    except OSError as error:
        raise disk_error(error, "here") from None


def test_an_answer_is_stored_when_there_is_room_for_it(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "AGAIN_S", 0.01)

    async def story():
        board, tries = Board(tmp_path), []
        intake = results.ResultIntake(board, board, None)

        async def store(word):
            tries.append(word)
            if len(tries) == 1:
                raise NO_DESCRIPTOR
            if len(tries) == 2:
                full_disk()
            return "stored"

        assert await intake._insist(store, "x") == "stored"
        assert (tries, len(board.said)) == (["x"] * 3, 2)

        async def damaged():
            raise BlobError("A stored buffer ends at 7.")

        with pytest.raises(BlobError, match="ends at 7"):
            await intake._insist(damaged)

        async def always():
            raise NO_SPACE

        monkeypatch.setattr(results, "INSIST_S", 0.05)
        with pytest.raises(results._StillShort):
            await intake._insist(always)

    asyncio.run(story())


def test_what_a_dead_trainer_left_goes_when_the_next_one_begins(tmp_path):
    store = BlobStore(tmp_path / "blobs")
    api = sessions.Sessions(SimpleNamespace(blobs=store), None, None)
    first = api._new_drop("s", "")
    first.write_bytes(b"half of a model")
    other, second = api._new_drop("t", ""), api._new_drop("s", "")
    other.write_bytes(b"of another study")
    second.write_bytes(b"whole")
    assert sorted(p for p in (store.root / "incoming").iterdir()) == sorted([other, second])


# the door for peers


def paths_of(blob):
    """(method, path, body) of everything for which the node opens a blob."""
    place = f"/v1/blobs/{blob.digest}"
    return [("GET", place, None), ("GET", f"{place}/chunks/0", None),
            ("POST", f"{place}/excerpt", b"[0]")]  # fmt: skip


def refuse(monkeypatch, path, error):
    """Have this path be opened by nobody."""
    real = os.open

    def open_(place, *given, **options):
        if str(place) == str(path):
            raise error
        return real(place, *given, **options)

    monkeypatch.setattr(os, "open", open_)


@pytest.mark.process
@pytest.mark.parametrize(
    ("error", "status"),
    [(NO_DESCRIPTOR, 503), (OSError(errno.ENFILE, "Too many open files in system"), 503),
     (OSError(errno.EIO, "Input/output error"), 503),
     (FileNotFoundError(errno.ENOENT, "No such file"), 404)],
    ids=["descriptors", "of the system", "disk", "swept"],
)  # fmt: skip
def test_a_blob_that_cannot_be_opened_is_a_bare_status(
    tmp_path, monkeypatch, caplog, error, status
):
    async def scenario(one, two, client, server):
        blob = put(one, 1000)
        refuse(monkeypatch, one.store.path(blob.digest), error)
        for method, path, body in paths_of(blob):
            answer = await client.sessions.request(1, method, path, data=body)
            async with answer:
                assert (answer.status, await answer.read()) == (status, b""), path
        with pytest.raises(PeerError, match=str(status)):
            await client.pull(effect(blob), two.store)
        assert server._blob_server._streams.get(2, 0) == 0

    between(tmp_path, scenario)
    assert not [r for r in caplog.records if r.exc_info]


@pytest.mark.process
def test_a_blob_that_is_swept_while_it_is_asked_for_is_a_bare_404(tmp_path, caplog):
    async def scenario(one, two, client, _):
        blob = put(one, 1000)
        one.store.path(blob.digest).unlink()
        for method, path, body in paths_of(blob):
            async with await client.sessions.request(1, method, path, data=body) as answer:
                assert (answer.status, await answer.read()) == (404, b""), path

    between(tmp_path, scenario)
    assert not [r for r in caplog.records if r.exc_info]


@pytest.mark.process
def test_an_answer_that_breaks_off_has_no_second_head(tmp_path, caplog):
    async def scenario(one, two, client, _):
        blob = put(one, 3 * CHUNK_BYTES)
        path = one.store.path(blob.digest)
        whole = path.read_bytes()
        path.write_bytes(whole[: 2 * CHUNK_BYTES])
        got = bytearray()
        with contextlib.suppress(aiohttp.ClientError, ConnectionError):
            async with await client.sessions.request(
                1, "GET", f"/v1/blobs/{blob.digest}"
            ) as answer:
                while piece := await answer.content.readany():
                    got += piece
        assert whole.startswith(got)

    between(tmp_path, scenario)
    assert not [r for r in caplog.records if r.exc_info]
