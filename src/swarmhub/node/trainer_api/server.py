"""The local API for this hospital's own trainers and commands: loopback only, with a token.

    GET  /v1/status
    POST /v1/studies/{study}/attach    {"pid"}                     -> the study's terms, a fence
    POST /v1/studies/{study}/next      {"fence", "wait_s"}         -> a task, or "waiting"/"over"
    POST /v1/studies/{study}/answer    {"fence", "number", ...}    -> taken or late
    POST /v1/studies/{study}/forget    {}                          -> bytes and files deleted

`run/api.json` (mode 0600) has port and token. Parameters are passed as files in the node's folder,
never through this API. A trainer holds a lock on `run/<study>.lease`, which the kernel releases
when it dies; each attachment raises the fence, so requests of a stale trainer are refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hmac
import logging
import os
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from swarmhub import codec
from swarmhub.contract.records import SPEC, STUDY, Study, get_member_of_key
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import DOCUMENT, KINDS, NOTHING
from swarmhub.errors import (
    BadContribution,
    BadInput,
    BlobError,
    FenceError,
    SwarmhubError,
    TrainerError,
)
from swarmhub.failpoints import failpoint
from swarmhub.files import is_passing, lock
from swarmhub.node import work
from swarmhub.node.layouts import find_unlike
from swarmhub.node.study_driver import AGAIN_S
from swarmhub.node.trainer_api.messages import (
    MAX_BODY_BYTES,
    read_next_task,
    read_object,
    read_result,
)
from swarmhub.params import Fingerprint, Layout
from swarmhub.protocol import BlobStored, PreparedContribution, assign, expect
from swarmhub.protocol.answers import UNKNOWN_ROOT, check_answer, prepare_answer
from swarmhub.types import Digest

if TYPE_CHECKING:
    from swarmhub.node.service import Node
    from swarmhub.node.study_driver import StudyDriver

T = TypeVar("T")

LOOK_AFTER_TRAINERS_S = 1.0
INSIST_S = 60.0  # for an answer that cannot be stored; the trainer waits for 90 s
BEHIND_S = 1.5  # a block without a notification is found within a second
ANY_STUDY = ""  # news of the ledger as a whole
GONE = "The parameters' file is gone; hand it over again."
OTHER_LAYOUT = (
    "The model's arrays are not those of the study's model (names, types or shapes differ, or "
    "classes or columns); build the same model as the other members."
)

log = logging.getLogger("swarmhub.trainer")


class LocalApi:
    """The HTTP server for trainers on 127.0.0.1, on any free port."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._token = secrets.token_hex(32)
        self._fences: dict[str, int] = {}
        self._drops: dict[str, Path] = {}  # path for the next answer of a study's trainer
        self._runner: web.AppRunner | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Listen, and write `run/api.json`."""
        app = web.Application(middlewares=[self._guard], client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/v1/status", self._status)
        app.router.add_post("/v1/studies/{study}/attach", self._attach)
        app.router.add_post("/v1/studies/{study}/next", self._next)
        app.router.add_post("/v1/studies/{study}/answer", self._answer)
        app.router.add_post("/v1/studies/{study}/forget", self._forget)
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=300, shutdown_timeout=0.2,
            auto_decompress=False,
        )  # fmt: skip
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        if not self._runner.addresses:  # asyncio skips sockets that it cannot create
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), "127.0.0.1")
        port = int(self._runner.addresses[0][1])
        path = self._node.home.run_path("api.json")
        partial = path.with_suffix(".new")
        partial.unlink(missing_ok=True)
        fd = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(codec.encode({"pid": os.getpid(), "port": port, "token": self._token}))
        partial.replace(path)
        self._watching = asyncio.create_task(self._look_after_trainers())

    async def close(self) -> None:
        """Stop listening."""
        self._node.home.run_path("api.json").unlink(missing_ok=True)
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching
        if self._runner is not None:
            await self._runner.cleanup()

    @web.middleware
    async def _guard(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            return web.Response(status=401)
        try:
            return await handler(request)
        except SwarmhubError as error:
            return _json({"error": str(error), "code": type(error).__name__}, status=400)
        except ConnectionError:
            raise  # the trainer is gone: no fault here
        except OSError as error:
            sentence = self._node.problems.report_shortage(error)
            if is_passing(error):
                raise ConnectionResetError from None  # the trainer waits and retries
            return _json({"error": sentence}, status=400)

    async def _look_after_trainers(self) -> None:
        while True:
            await asyncio.sleep(LOOK_AFTER_TRAINERS_S)
            with contextlib.suppress(OSError):  # a sign of life for commands without an answer
                os.utime(self._node.home.run_path("api.json"))
            try:
                self._notice_gone_trainers()
            except OSError as error:
                self._node.problems.report_shortage(error)

    def _notice_gone_trainers(self) -> None:
        for study, driver in self._node.drivers.items():
            if driver.local.attached and not self._is_leased(study):
                driver.local.attached = False
                found = STUDY.get(self._node.ledger.state, study)
                if found is not None and found.status == "running":
                    log.warning("the trainer of '%s' is gone; start it again to go on", study)

    def _lease_path(self, study: str) -> Path:
        return self._node.home.run_path(f"{study}.lease")

    def _is_leased(self, study: str) -> bool:
        taken = lock(self._lease_path(study))
        if taken is None:
            return True
        taken.close()
        return False

    async def _status(self, request: web.Request) -> web.Response:
        return _json(self._node.status())

    def _need_study(self, request: web.Request) -> Study:
        name = request.match_info["study"]
        study = STUDY.get(self._node.ledger.state, name)
        if study is None:
            raise BadInput(
                f"There is no study '{name[:60]}' on the ledger (any more: a proposal that "
                "nobody starts lapses); check its name."
            )
        me = get_member_of_key(self._node.ledger.state, self._node.account.public)
        if me is None:
            raise BadInput(self._node.standing().said)
        if study.samples_of(me.id) is None:
            raise BadInput(
                f"This node is not enrolled in '{name}'; run 'swarmhub study enrol {name}' first."
            )
        if study.is_over and self._node.home.is_forgotten(name):
            raise BadInput(f"'{name}' is over, and this hospital has forgotten its models.")
        return study

    async def _forget(self, request: web.Request) -> web.Response:
        name = request.match_info["study"]
        loop = asyncio.get_running_loop()
        end = loop.time() + BEHIND_S
        while not self._may_forget(name):  # this node may be a block behind the command
            if loop.time() > end:
                raise BadInput(f"The study '{name[:60]}' is not over.")
            await self._node.wait_for_news(ANY_STUDY, end - loop.time())
        if not self._is_leased(name):
            self._fences.pop(name, None)
            if name in self._drops:
                self._drops.pop(name).unlink(missing_ok=True)
            removed = await self._node.forget(name)
            return _json(codec.to_json(removed))
        raise BadInput(f"A trainer of '{name}' is running; stop it first.")

    def _may_forget(self, name: str) -> bool:
        study = STUDY.get(self._node.ledger.state, name)
        me = get_member_of_key(self._node.ledger.state, self._node.account.public)
        if study is None:
            return False
        return study.is_over or me is None or study.samples_of(me.id) is None

    async def _await_study(self, request: web.Request) -> Study:
        """Return the study; if it is not known here, wait, since this node may be a block
        behind."""
        loop = asyncio.get_running_loop()
        end = loop.time() + BEHIND_S
        while True:
            try:
                return self._need_study(request)
            except BadInput:
                left = end - loop.time()
                if left <= 0:
                    raise
                await self._node.wait_for_news(ANY_STUDY, left)

    async def _attach(self, request: web.Request) -> web.Response:
        read_object(await request.read())
        study = await self._await_study(request)
        if not self._is_leased(study.name):
            raise TrainerError("A trainer takes the study's lease before it attaches.")
        self._fences[study.name] = self._fences.get(study.name, 0) + 1
        if study.name in self._node.drivers:
            self._node.drivers[study.name].local.answer_refused = ""  # a new trainer may try again
        spec = SPEC.need(self._node.ledger.state, study.name)
        self._ask_again(study.name)
        self._note_attached(study.name)
        me = get_member_of_key(self._node.ledger.state, self._node.account.public)
        samples = study.samples_of(me.id) if me else None
        fence = self._fences[study.name]
        return _json({"fence": fence, "spec": codec.to_json(spec), "samples": samples})

    def _ask_again(self, study: str) -> None:
        """Drop the answer before the first round, if others have refused its layout, so that a
        restarted trainer may send another model. Else the model stays: it may have been offered
        already."""
        driver = self._node.drivers.get(study)
        if driver is not None and find_unlike(self._node.ledger.state, driver.local) is not None:
            driver.take_back()

    def _note_attached(self, study: str) -> None:
        driver = self._node.drivers.get(study)
        if driver is not None and not driver.local.attached:
            driver.local.attached = True
            driver.react()

    def _need_fence(self, study: str, fence: int) -> None:
        if fence != self._fences.get(study):
            raise FenceError(
                f"Another trainer has attached to '{study}' since; this one must stop."
            )

    async def _next(self, request: web.Request) -> web.Response:
        ask = read_next_task(await request.read())
        study = self._need_study(request)
        self._need_fence(study.name, ask.fence)
        loop = asyncio.get_running_loop()
        end = loop.time() + min(float(ask.wait_s), 60.0)
        while True:
            study = self._need_study(request)
            left = end - loop.time()
            driver = self._node.drivers.get(study.name)
            if study.is_over:
                if study.current is None or study.current.digest in self._node.blobs or left <= 0:
                    last = {**self._model_of(study), "layout_path": await self._layout_path(study)}
                    return _json({"state": "over", "why": study.status, **last})
                await self._node.wait_for_news(study.name, left)  # the last model is on its way
                continue
            self._note_attached(study.name)
            task = assign(self._node.ledger.state, driver.local) if driver else None
            if task is not None and driver is not None:
                files = {
                    "base_path": str(self._node.blobs.path(task.base)) if task.base else "",
                    "statistics_path": (
                        str(self._node.blobs.path(task.statistics)) if task.statistics else ""
                    ),
                    "layout_path": await self._layout_path(study),
                    "drop": str(self._new_drop(study.name, task.base)),
                    "refused": driver.local.answer_refused,
                }
                return _json({"state": "task", **codec.to_json(task), **files})
            unlike = find_unlike(self._node.ledger.state, driver.local) if driver else None
            sentence = await self._node.forms.describe(unlike) if unlike else ""
            if unlike and unlike.stops:
                self._node.problems.report_trouble(f"'{study.name}' cannot start: {sentence}")
                raise TrainerError(sentence)
            if left <= 0 or self._node.stopping.is_set():
                waits = sentence or self._node.say_wait(study.name)
                return _json({"state": "waiting", "for": waits})
            await self._node.wait_for_news(study.name, left if driver else min(left, 0.1))

    def _new_drop(self, study: str, base: str) -> Path:
        """Return a new path for an answer. A file that a dead trainer left at the previous one is
        deleted."""
        blobs = self._node.blobs
        if study in self._drops:
            self._drops[study].unlink(missing_ok=True)
        self._drops[study] = blobs.incoming(blobs.fingerprint(base).nbytes if base else 0)
        return self._drops[study]

    def _model_of(self, study: Study) -> dict[str, str]:
        """Return the last settled model and the merged statistics of a study that is over."""
        blobs, model, statistics = self._node.blobs, study.current, study.statistics
        found = {"base": "", "base_path": "", "layout": "", "statistics_path": ""}
        if model is not None and model.digest in blobs:
            path = str(blobs.path(model.digest))
            found |= {"base": model.digest, "base_path": path, "layout": model.layout}
        if statistics is not None and statistics.digest in blobs:
            found["statistics_path"] = str(blobs.path(statistics.digest))
        return found

    async def _layout_path(self, study: Study) -> str:
        if study.current is None:
            return ""
        return str(await self._node.forms.find_document(study, study.current) or "")

    async def _answer(self, request: web.Request) -> web.Response:
        given, layout = read_result(await request.read())
        study = self._need_study(request)
        self._need_fence(study.name, given.fence)
        failpoint("answer.taken")
        driver = self._node.drivers.get(study.name)
        task = expect(self._node.ledger.state, driver.local) if driver else None
        drop = Path(given.path) if given.path else None
        if drop is not None and self._drops.get(study.name) == drop:
            del self._drops[study.name]  # it is the node's now
        current = study.current.digest if study.current else ""
        try:
            if driver is None or task is None or (task.number, task.base) != (
                given.number, given.base,
            ):  # fmt: skip
                return _json({"state": "late", "current": current})
            state, me = self._node.ledger.state, driver.local.me
            measured = (given.evaluations, given.own_metrics)
            buffer, carries = None, KINDS[task.kind].carries
            if carries == DOCUMENT:
                layout = None
            elif carries != NOTHING and layout is None:
                raise TrainerError("Parameters come with their layout; this answer has none.")
            if carries != NOTHING:
                buffer = self._measure(drop, layout)
                if task.kind == "parameters" and buffer[2] != task.layout:
                    raise TrainerError(OTHER_LAYOUT)
            answer = prepare_answer(given.number, given.base, buffer, given.samples, measured)
            check_answer(state, study.name, me, answer)
            if buffer is not None and drop is not None:
                made = await self._insist(self._take_over, drop, layout, me, given.samples)
                buffer = (made.root, made.nbytes, buffer[2])
                answer = prepare_answer(given.number, given.base, buffer, given.samples, measured)
                driver.local.learn(BlobStored(made.digest), self._node.now_ms())
            self._need_fence(study.name, given.fence)  # another trainer may have attached meanwhile
            await self._insist(self._prepare, driver, answer)
            return _json({"state": "taken", "digest": answer.digest})
        except _StillShort:
            return _json({"state": "late", "current": current})
        finally:
            if drop is not None and drop.parent == self._node.blobs.root / "incoming":
                drop.unlink(missing_ok=True)

    def _measure(self, drop: Path | None, layout: Layout | None) -> tuple[Digest, int, Digest]:
        """Return what is known of the trainer's file before it is read: no root, length, layout."""
        if drop is None or drop.parent != self._node.blobs.root / "incoming":
            raise TrainerError("The parameters' file is not where the node asked for it.")
        if layout is not None:
            return UNKNOWN_ROOT, layout.nbytes, layout.digest
        try:
            return UNKNOWN_ROOT, drop.stat().st_size, STATISTICS_LAYOUT
        except FileNotFoundError:
            raise TrainerError(GONE) from None

    async def _insist(self, work: Callable[..., Awaitable[T]], *given: Any) -> T:
        """Run `work`; if this machine is short of a resource, report it and retry. Raises
        _StillShort if that takes too long: the task is then given again."""
        loop = asyncio.get_running_loop()
        end = loop.time() + INSIST_S
        while True:
            try:
                return await work(*given)
            except (OSError, BlobError) as error:
                cause = error.__context__ if isinstance(error, BlobError) else error  # of a disk
                if not isinstance(cause, OSError) or not is_passing(cause):
                    raise
                self._node.problems.report_shortage(cause, self._node.blobs.root)
            if loop.time() > end or self._node.stopping.is_set():
                raise _StillShort
            await asyncio.sleep(AGAIN_S)

    async def _prepare(self, driver: StudyDriver, answer: PreparedContribution) -> None:
        driver.prepare(answer)

    async def _take_over(
        self, drop: Path, layout: Layout | None, me: int, weight: int
    ) -> Fingerprint:
        try:
            return await asyncio.to_thread(work.ingest, self._node.blobs, drop, layout, me, weight)
        except BadContribution as error:
            raise TrainerError(
                f"The parameters cannot be shared: {error.why}; "
                "nothing was sent, and the round waits for a good answer."
            ) from None
        except FileNotFoundError:
            raise TrainerError(GONE) from None


class _StillShort(Exception):
    """Raised if this machine has been short of a resource for too long."""


def _json(value: Any, status: int = 200) -> web.Response:
    return web.json_response(value, status=status)
