"""The intake of a trainer's results: checked by the contract's rule, stored, then contributed."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from swarmhub.contract.records import ROUND, SPEC, Evaluation
from swarmhub.contract.round.checks import STATISTICS_LAYOUT
from swarmhub.contract.round.kinds import COUNTS, DOCUMENT, INITIAL, KINDS, TRAIN
from swarmhub.contract.stages import get_stage
from swarmhub.errors import BadContribution, BlobError, MaskError, TrainerError
from swarmhub.failpoints import failpoint
from swarmhub.files import is_passing
from swarmhub.home.budget import need_room, note_use
from swarmhub.merge import wire_layout
from swarmhub.node import work
from swarmhub.node.services import Services
from swarmhub.node.studies import Studies
from swarmhub.node.study_driver import AGAIN_S, StudyDriver
from swarmhub.node.trainer_api.messages import TaskResult
from swarmhub.node.trainer_api.sessions import Sessions
from swarmhub.params import Fingerprint, Layout
from swarmhub.privacy import need_int64, ring_layout
from swarmhub.protocol import BlobStored, PreparedContribution, TrainingTask, expect
from swarmhub.protocol.answers import UNKNOWN_ROOT, check_answer, prepare_answer
from swarmhub.protocol.noise import make_noise
from swarmhub.protocol.shards import compute_roots
from swarmhub.types import Digest

UNMEASURED: tuple[tuple[Evaluation, ...], dict[str, int]] = ((), {})  # metrics stay at home
T = TypeVar("T")

INSIST_S = 60.0  # for an answer that cannot be stored; the trainer waits for 90 s
GONE = "The parameters' file is gone; hand it over again."
OTHER_LAYOUT = (
    "The model's arrays are not those of the study's model (names, types or shapes differ, or "
    "classes or columns); build the same model as the other members."
)


class ResultIntake:
    """The intake of the results of this hospital's trainers."""

    def __init__(self, services: Services, studies: Studies, sessions: Sessions) -> None:
        self._services, self._studies, self._sessions = services, studies, sessions

    async def take(self, name: str, given: TaskResult, layout: Layout | None) -> dict[str, Any]:
        """Take a result with the layout of its parameters; returns whether it is taken or late."""
        study = self._sessions.need_study(name)
        self._sessions.need_fence(study.name, given.fence)
        failpoint("answer.taken")
        driver = self._studies.drivers.get(study.name)
        task = expect(self._services.state, driver.local) if driver else None
        if driver is not None:
            driver.pace.end(given.number, asyncio.get_running_loop().time())
        drop = Path(given.path) if given.path else None
        self._sessions.take_drop(study.name, drop)
        current = study.current.digest if study.current else ""
        try:
            if driver is None or task is None or (task.number, task.base) != (
                given.number, given.base,
            ):  # fmt: skip
                return {"state": "late", "current": current}
            answer = await self._store(driver, task, given, drop, layout)
            # another trainer may have attached meanwhile
            self._sessions.need_fence(study.name, given.fence)
            await self._insist(self._prepare, driver, answer)
            return {"state": "taken", "digest": answer.digest}
        except _StillShort:
            return {"state": "late", "current": current}
        finally:
            if drop is not None and drop.parent == self._services.blobs.root / "incoming":
                drop.unlink(missing_ok=True)

    async def _store(
        self,
        driver: StudyDriver,
        task: TrainingTask,
        given: TaskResult,
        drop: Path | None,
        layout: Layout | None,
    ) -> PreparedContribution:
        """Check the result, and store its buffer if it has one."""
        state, me = self._services.state, driver.local.me
        spec = SPEC.need(state, driver.study)
        measured = (given.evaluations, given.own_metrics) if spec.privacy.dp is None else UNMEASURED
        r = ROUND.need(state, driver.study)
        stage = get_stage(spec, r)
        buffer, carries = None, KINDS[task.kind].carries
        if carries == DOCUMENT:
            layout = None
        elif layout is None and (carries != COUNTS or drop is not None):
            raise TrainerError("Arrays come with their layout; this answer has none.")
        if layout is not None or carries == DOCUMENT:
            buffer = self._measure(drop, layout)
            if task.kind == TRAIN and buffer[2] != task.layout:
                raise TrainerError(OTHER_LAYOUT)
            is_model = task.kind in (INITIAL, TRAIN)
            if layout is not None and (spec.privacy.masked or (spec.privacy.dp and is_model)):
                need_maskable(layout, is_model)
            if layout is not None and r.wire:
                wire = wire_layout(layout, r.wire)
                buffer = (UNKNOWN_ROOT, wire.nbytes, wire.digest)
        prepare = functools.partial(
            prepare_answer,
            given.number,
            given.base,
            weight=given.samples,
            measured=measured,
            provenance=given.provenance,
        )
        answer = prepare(buffer=buffer)
        check_answer(state, driver.study, me, answer)
        if buffer is not None and drop is not None:
            noisy, store = self._find_noise(driver, task, given), self._services.blobs
            ingest = functools.partial(work.ingest, store, drop, layout, stage, me, given.samples)
            if noisy is not None and layout is not None:
                ingest = functools.partial(work.ingest_noisy, store, drop, layout, stage, noisy)
            elif r.wire and layout is not None:
                sender = work.Sender(me, r.wire, task.base)
                ingest = functools.partial(work.ingest_change, store, drop, layout, stage, sender)
            made = await self._insist(self._ingest, ingest, KINDS[stage.kind].has_free_layout)
            buffer = (made.root, made.nbytes, buffer[2])
            answer = replace(prepare(buffer=buffer), roots=compute_roots(made))
            driver.local.learn(BlobStored(made.digest), self._services.now_ms())
        return answer

    def _find_noise(
        self, driver: StudyDriver, task: TrainingTask, given: TaskResult
    ) -> work.Noisy | None:
        """Return the noise that an answer needs before it is stored, None if it needs none (a
        masked answer gets it with its masks). Raises TrainerError if it is beyond this hospital's
        own budget."""
        home, state, data = self._services.home, self._services.state, given.provenance.data
        spec, me = SPEC.need(state, driver.study), driver.local.me
        if spec.privacy.dp is None or task.kind != TRAIN:
            return None
        if not data:
            raise TrainerError(
                "Expected the digest of the data in a study with a privacy budget, got none; call "
                "swarm.name_data(digest) after join."
            )
        need_room(home, state, me, driver.study, data)
        note_use(home, driver.study, data)
        terms = None if spec.privacy.masked else make_noise(spec, threshold=0)
        return None if terms is None else work.Noisy(me, given.samples, task.base, terms)

    def _measure(self, drop: Path | None, layout: Layout | None) -> tuple[Digest, int, Digest]:
        """Return what is known of the trainer's file before it is read: no root, length, layout."""
        if drop is None or drop.parent != self._services.blobs.root / "incoming":
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
                self._services.problems.report_shortage(cause, self._services.blobs.root)
            if loop.time() > end or self._services.stopping.is_set():
                raise _StillShort
            await asyncio.sleep(AGAIN_S)

    async def _prepare(self, driver: StudyDriver, answer: PreparedContribution) -> None:
        driver.prepare(answer)

    async def _ingest(self, ingest: Callable[[], Fingerprint], is_of_arrays: bool) -> Fingerprint:
        """Store an answer by `ingest`, in a thread. Raises TrainerError if it cannot be shared."""
        try:
            return await asyncio.to_thread(ingest)
        except BadContribution as error:
            what = "arrays" if is_of_arrays else "parameters"
            raise TrainerError(
                f"The {what} cannot be shared: {error.why}; "
                "nothing was sent, and the round waits for a good answer."
            ) from None
        except MaskError as error:
            raise TrainerError(str(error)) from None
        except FileNotFoundError:
            raise TrainerError(GONE) from None


class _StillShort(Exception):
    """Raised if this machine has been short of a resource for too long."""


def need_maskable(layout: Layout, is_model: bool) -> None:
    """Raise TrainerError, with the array, for parameters or sums that cannot be masked."""
    try:
        if is_model:
            ring_layout(layout)
        else:
            need_int64(layout)
    except MaskError as error:
        raise TrainerError(str(error)) from None
